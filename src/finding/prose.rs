//! A sentence in which moments are data. Rules know neither the clock nor where their reader lives, so the text holds each
//! moment in UTC, whole for scripts and for readers elsewhere; whoever is told it on a screen is told each in the own zone,
//! with its age.

use std::fmt;
use std::ops::Deref;

use serde::{Serialize, Serializer};

use crate::text::utc;

/// A text with the moments in it. Escaped.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prose {
    text: String,
    /// In the order of the text.
    moments: Vec<Moment>,
}

/// Where a moment stands in the text, in bytes, and which it is, in Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Moment {
    start: usize,
    end: usize,
    seconds: i64,
}

impl Prose {
    /// With more text behind it.
    #[must_use]
    pub fn and(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    /// With a moment behind it, in Unix seconds.
    #[must_use]
    pub fn at(self, seconds: i64) -> Self {
        self.moment(seconds, &utc(seconds))
    }

    /// The same, in this spelling of UTC.
    #[must_use]
    pub fn moment(mut self, seconds: i64, text: &str) -> Self {
        let start = self.text.len();
        self.text.push_str(text);
        self.moments.push(Moment { start, end: self.text.len(), seconds });
        self
    }

    /// With another one behind it.
    #[must_use]
    pub fn then(mut self, other: &Self) -> Self {
        let by = self.text.len();
        self.text.push_str(&other.text);
        let moved = |moment: &Moment| Moment { start: moment.start + by, end: moment.end + by, ..*moment };
        self.moments.extend(other.moments.iter().map(moved));
        self
    }

    /// All of them, with this between them.
    #[must_use]
    pub fn join(all: &[Self], between: &str) -> Self {
        let mut joined = Self::default();
        for (place, one) in all.iter().enumerate() {
            joined = if place > 0 { joined.and(between) } else { joined };
            joined = joined.then(one);
        }
        joined
    }

    /// As somebody is told it who is told moments in this way.
    #[must_use]
    pub fn told(&self, moment: impl Fn(i64) -> String) -> String {
        let mut told = String::with_capacity(self.text.len());
        let mut end = 0;
        for one in &self.moments {
            told.push_str(self.text.get(end..one.start).unwrap_or_default());
            told.push_str(&moment(one.seconds));
            end = one.end;
        }
        told + self.text.get(end..).unwrap_or_default()
    }
}

impl From<String> for Prose {
    fn from(text: String) -> Self {
        Self { text, moments: Vec::new() }
    }
}

impl From<&str> for Prose {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl Deref for Prose {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Prose {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.text)
    }
}

impl Serialize for Prose {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::Prose;

    #[test]
    fn each_moment_is_told_as_its_reader_knows_it_and_nothing_else_is_touched() {
        let name = Prose::from("a key called 1970-01-01 00:01 UTC, made ").at(60);
        let text = Prose::from("First ").at(0).and("; then ").then(&name).and(".");
        assert_eq!(
            &*text,
            "First 1970-01-01 00:00 UTC; then a key called 1970-01-01 00:01 UTC, made 1970-01-01 00:01 UTC."
        );
        assert_eq!(
            text.told(|seconds| format!("<{seconds}>")),
            "First <0>; then a key called 1970-01-01 00:01 UTC, made <60>."
        );
        let both = Prose::join(&[name.clone(), name], " / ");
        assert_eq!(both.told(|_| "x".to_owned()).matches('x').count(), 2);
        assert_eq!(Prose::join(&[], ", "), Prose::default());
    }
}
