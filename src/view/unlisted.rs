//! What a card holds and OpenSC lists nowhere, whatever the caches have.
//!
//! A view says what is listed; this is the rest, as far as a card shows it without a PIN: what its own lists name and
//! nothing describes, what stands behind the end of a list, what the card hides from itself. Each family tells it through
//! [`super::Layout::unlisted`].

use crate::finding::ObjectClass;
use crate::format::key::PublicKey;
use crate::snapshot::EfPath;

/// One thing that is listed nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlisted {
    /// Where it is.
    pub ef: EfPath,
    /// What it is.
    pub class: ObjectClass,
    /// Key reference, of a key.
    pub reference: Option<u8>,
    /// What and where it is, with its article. Escaped.
    pub what: String,
    /// Why it is not listed, as a sentence's end. Escaped.
    pub why: String,
    /// Is that as it should be?
    pub because: Because,
    /// Its public key, if the card tells it.
    pub key: Option<PublicKey>,
}

/// Is it meant to be so?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Because {
    /// Something is wrong or missing on the card; this makes it visible.
    Fault(Cure),
    /// OpenSC, or this version of it, lists no such thing.
    Limit,
    /// It is the device's own.
    Device,
}

/// What makes something visible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cure {
    /// In words, as an order. Escaped.
    pub what: String,
    /// Is something missing that a cache may still have, so that no cache may be flushed before?
    pub missing: bool,
}

impl Unlisted {
    /// What makes it visible, if it ought to be.
    #[must_use]
    pub const fn cure(&self) -> Option<&Cure> {
        match &self.because {
            Because::Fault(cure) => Some(cure),
            Because::Limit | Because::Device => None,
        }
    }
}
