//! Why a file is taken out of a cache: what was found of it, or that somebody asked for it.
//!
//! Hides how that is written down: as the name of a finding, or as a sentence. Journals of older versions say it so, too.

use std::fmt::{Display, Formatter};

use serde::{Deserialize, Serialize};

use crate::finding::{Id, Shows};

/// Why a file is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Reason {
    /// For this finding.
    Found(Id),
    /// It was asked for, or a version that knew other findings took it: in a sentence for people.
    Asked(String),
}

impl Reason {
    /// The finding, if it is one.
    #[must_use]
    pub const fn found(&self) -> Option<Id> {
        match self {
            Self::Found(id) => Some(*id),
            Self::Asked(_) => None,
        }
    }

    /// Could programs see what was taken? What was asked for may be anything.
    #[must_use]
    pub fn was_seen(&self) -> bool {
        self.found().is_none_or(|id| id.shows() != Shows::Nowhere)
    }

    /// Was it found to be stale, or damaged, where programs read it?
    #[must_use]
    pub fn was_stale(&self) -> bool {
        self.found().is_some_and(|id| matches!(id.shows(), Shows::OldView | Shows::Unsure))
    }

    /// The same of programs that were started before: what none reads today an older one may have read.
    #[must_use]
    pub fn was_ever_seen(&self) -> bool {
        self.is_dormant() || self.was_seen()
    }

    /// Was it found to be stale, or damaged, where programs read it or had read it?
    #[must_use]
    pub fn was_ever_stale(&self) -> bool {
        self.is_dormant() || self.was_stale()
    }

    fn is_dormant(&self) -> bool {
        self.found() == Some(Id::DormantStaleEntry)
    }
}

impl From<String> for Reason {
    fn from(words: String) -> Self {
        Id::from_name(&words).map_or(Self::Asked(words), Self::Found)
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Found(id) => id.name().to_owned(),
            Reason::Asked(words) => words,
        }
    }
}

impl Display for Reason {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Found(id) => out.write_str(id.name()),
            Self::Asked(words) => out.write_str(words),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_reason_is_written_down_as_older_versions_did() {
        for (written, reason, seen, stale) in [
            ("stale-key-id", Reason::Found(Id::StaleKeyId), true, true),
            ("dormant-stale-entry", Reason::Found(Id::DormantStaleEntry), false, false),
            (
                "all entries were asked for",
                Reason::Asked("all entries were asked for".to_owned()),
                true,
                false,
            ),
            (
                "a-finding-of-another-version",
                Reason::Asked("a-finding-of-another-version".to_owned()),
                true,
                false,
            ),
        ] {
            assert_eq!(serde_json::to_value(&reason).unwrap(), written);
            assert_eq!(serde_json::from_value::<Reason>(written.into()).unwrap(), reason);
            let is_dormant = written == "dormant-stale-entry";
            assert_eq!(
                (reason.was_ever_seen(), reason.was_ever_stale()),
                (seen || is_dormant, stale || is_dormant)
            );
            assert_eq!(
                (reason.was_seen(), reason.was_stale(), reason.to_string()),
                (seen, stale, written.to_owned())
            );
        }
    }
}
