//! Edits as data: which bytes are replaced by what, and everything else stays.
//!
//! What an edit means to OpenSC is not decided here; see [`crate::repair::config`].

use std::ops::Range;

use serde::Serialize;
use similar::TextDiff;

/// One replacement; an empty range inserts, an empty text deletes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edit {
    /// The bytes of the old text that go.
    pub range: Range<usize>,
    /// What comes in their place.
    pub text: Vec<u8>,
}

/// Edits of one text: sorted, none touching another's bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Edits(Vec<Edit>);

/// Two edits of the same bytes, or an edit outside of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("two edits touch the same bytes, or one lies outside of the text: {0:?}")]
pub struct BadEdit(pub Range<usize>);

impl Edits {
    /// Sorts the edits of a text of `length` bytes. Two insertions at one place
    /// are refused as well, since their order would be a guess.
    ///
    /// # Errors
    /// [`BadEdit`].
    pub fn new(mut edits: Vec<Edit>, length: usize) -> Result<Self, BadEdit> {
        edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
        let mut free = None;
        for Edit { range, .. } in &edits {
            let begins_free =
                free.is_none_or(|free| range.start > free || range.start == free && range.end > free);
            if range.start > range.end || range.end > length || !begins_free {
                return Err(BadEdit(range.clone()));
            }
            free = Some(range.end);
        }
        Ok(Self(edits))
    }

    /// The edits, in the order of the text.
    #[must_use]
    pub fn as_slice(&self) -> &[Edit] {
        &self.0
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The new text. Every byte outside of the edits is the old one.
    #[must_use]
    pub fn apply(&self, old: &[u8]) -> Vec<u8> {
        let mut new = Vec::with_capacity(old.len());
        let mut at = 0;
        for edit in &self.0 {
            new.extend_from_slice(old.get(at..edit.range.start).unwrap_or_default());
            new.extend_from_slice(&edit.text);
            at = edit.range.end;
        }
        new.extend_from_slice(old.get(at..).unwrap_or_default());
        new
    }
}

/// The difference between two texts as `diff -u` prints it, byte for byte; empty if there is none.
#[must_use]
pub fn unified_diff(name: &str, old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let diff = TextDiff::from_lines(old, new);
    // Writing into memory does not fail.
    let _ = diff.unified_diff().header(name, name).to_writer(&mut out);
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn edit(range: Range<usize>, text: &str) -> Edit {
        Edit { range, text: text.as_bytes().to_vec() }
    }

    #[test]
    fn only_the_named_bytes_change() {
        let old = b"a = yes;\r\nb = yes;\r\n";
        let edits =
            Edits::new(vec![edit(14..17, "no"), edit(4..7, "no"), edit(20..20, "c")], old.len()).unwrap();
        assert_eq!(edits.apply(old), b"a = no;\r\nb = no;\r\nc");
        assert_eq!(Edits::default().apply(old), old);
    }

    #[test]
    fn edits_of_the_same_bytes_are_refused() {
        for (one, other) in [(0..3, 2..4), (0..3, 1..1), (1..1, 1..1), (0..2, 1..2)] {
            assert!(
                Edits::new(vec![edit(one.clone(), "x"), edit(other.clone(), "y")], 9).is_err(),
                "{one:?} {other:?}"
            );
        }
        for (one, other) in [(0..3, 3..4), (0..1, 2..2)] {
            assert!(Edits::new(vec![edit(other, "x"), edit(one, "y")], 9).is_ok());
        }
        assert!(Edits::new(vec![edit(8..10, "x")], 9).is_err());
    }

    #[test]
    fn the_difference_is_a_patch() {
        let diff = unified_diff("/etc/x", b"a\nb = yes;\r\nc", b"a\nb = no;\r\nc");
        let text = String::from_utf8(diff).unwrap();
        assert!(
            text.starts_with("--- /etc/x\n+++ /etc/x\n@@ -1,3 +1,3 @@\n a\n-b = yes;\r\n+b = no;\r\n c"),
            "{text}"
        );
        assert!(text.contains("\\ No newline at end of file"));
        assert_eq!(unified_diff("x", b"a", b"a"), b"");
    }
}
