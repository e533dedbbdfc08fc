//! Between when and when a host may have signed for keys that are gone: what `audit` is asked about afterwards.
//!
//! A stale file was written when the card still held what is in it, so the key was replaced after that; of several files
//! that show one key, the last one tells most. When it was replaced no file tells.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Finding, Severity};
use crate::text::rfc3339;

/// The window, of all keys with which programs sign and that they show wrongly. Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// When the oldest stale file was cached.
    pub cached_at: i64,
    /// No key was replaced before that.
    pub replaced_not_before: i64,
    /// When what was stale was taken away, if it was.
    pub flushed_at: Option<i64>,
}

/// The same for scripts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WrittenWindow {
    /// When the oldest stale file was cached that shows a key to whoever signs.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Rfc3339"))]
    pub cached_at: String,
    /// No key was replaced before that: of the key that was cached longest ago, when it was cached last.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Rfc3339"))]
    pub replaced_not_before: String,
    /// When the stale files were taken away, if they were.
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Rfc3339>"))]
    pub flushed_at: Option<String>,
}

/// What is stale, as it is gathered user by user.
#[derive(Debug, Clone, Default)]
pub struct Doubt {
    oldest: Option<i64>,
    /// Of each key when it was cached last.
    keys: BTreeMap<Key, i64>,
}

/// A key: its token, its reference or else its label.
type Key = (Option<String>, Option<u8>, Option<String>);

impl Doubt {
    /// Adds what was found in one user's caches.
    pub fn add(&mut self, findings: &[Finding]) {
        for finding in findings.iter().filter(|finding| finding.severity == Severity::Critical) {
            let times = || {
                let files = finding.evidence.iter().filter_map(|evidence| evidence.file.as_ref());
                files.map(|file| file.inode.mtime)
            };
            let (Some(first), Some(last)) = (times().min(), times().max()) else { continue };
            let object = finding.object.as_ref();
            let reference = object.and_then(|object| object.reference);
            let label = object.filter(|_| reference.is_none()).map(|object| object.label.clone());
            self.note((finding.token.clone(), reference, label), first, last);
        }
    }

    fn note(&mut self, key: Key, first: i64, last: i64) {
        self.oldest = self.oldest.into_iter().chain([first]).min();
        let known = self.keys.entry(key).or_insert(last);
        *known = last.max(*known);
    }

    /// The window; none if nothing was in doubt.
    #[must_use]
    pub fn window(&self, flushed_at: Option<i64>) -> Option<Window> {
        let replaced_not_before = self.keys.values().copied().min()?;
        Some(Window { cached_at: self.oldest?, replaced_not_before, flushed_at })
    }
}

impl Window {
    /// Of all that is found, nothing of which is flushed yet.
    #[must_use]
    pub fn of(findings: &[Finding]) -> Option<Self> {
        let mut doubt = Doubt::default();
        doubt.add(findings);
        doubt.window(None)
    }

    /// As scripts take it.
    #[must_use]
    pub fn text(self) -> WrittenWindow {
        WrittenWindow {
            cached_at: rfc3339(self.cached_at),
            replaced_not_before: rfc3339(self.replaced_not_before),
            flushed_at: self.flushed_at.map(rfc3339),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn of_each_key_the_last_reading_tells_and_of_all_the_earliest() {
        let mut doubt = Doubt::default();
        assert_eq!(doubt.window(None), None);
        for (key, first, last) in [(1, 10, 30), (1, 20, 40), (2, 15, 35)] {
            doubt.note((None, Some(key), None), first, last);
        }
        let window = doubt.window(Some(50)).unwrap();
        assert_eq!(window, Window { cached_at: 10, replaced_not_before: 35, flushed_at: Some(50) });
        assert_eq!(window.text().cached_at, "1970-01-01T00:00:10Z");
    }
}
