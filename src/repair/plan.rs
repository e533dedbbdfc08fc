//! What a repair would do, as data, and what the caller agreed to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::reason::Reason;
pub use crate::finding::Safety;
use crate::snapshot::{ByteString, Bytes, CacheEntry, Content, Inode};

/// The steps of a repair, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
}

/// One file to be taken out of one cache directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The directory, as an absolute path (of the real directory, where the
    /// cache is a symbolic link).
    pub directory: ByteString,
    /// The file's name in it.
    pub name: ByteString,
    /// What has to be true of the file.
    pub expect: Precondition,
    /// What it takes to be allowed to do this.
    pub safety: Safety,
    /// What is done.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// Whether programs did not read it then, so that it was harmless whatever it holds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unread: bool,
}

/// What has to be true of a file right before it is moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Precondition {
    /// Identity, owner and size; the time of writing only where there is no digest.
    pub inode: Inode,
    /// SHA-256 of the content; none of what may not be read.
    pub sha256: Option<Bytes>,
}

/// What is done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Moved to the quarantine.
    Quarantine,
    /// Removed and not kept: private data. Always [`Safety::Unsafe`].
    Remove,
}

/// What the caller agreed to, besides what is safe.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Consent {
    guarded: bool,
    dangerous: bool,
}

impl Consent {
    /// To safe steps only.
    #[must_use]
    pub const fn safe() -> Self {
        Self { guarded: false, dangerous: false }
    }

    /// To guarded steps too (`--guarded`).
    #[must_use]
    pub const fn and_guarded(self) -> Self {
        Self { guarded: true, ..self }
    }

    /// To unsafe steps too (`--unsafe`).
    #[must_use]
    pub const fn and_unsafe(self) -> Self {
        Self { dangerous: true, ..self }
    }

    /// Whether a step of this level may be done.
    #[must_use]
    pub const fn allows(self, safety: Safety) -> bool {
        match safety {
            Safety::Safe => true,
            Safety::Guarded => self.guarded,
            Safety::Unsafe => self.dangerous,
            Safety::Manual => false,
        }
    }
}

impl Precondition {
    /// That the file is still as it was observed.
    #[must_use]
    pub fn of(entry: &CacheEntry) -> Self {
        let sha256 = match &entry.content {
            Content::Bytes(bytes) => Some(Bytes(Sha256::digest(bytes.as_slice()).to_vec())),
            Content::Withheld(_) | Content::Unreadable(_) => None,
        };
        Self { inode: entry.inode, sha256 }
    }
}

impl Plan {
    /// One plan for each owner of files: root keeps the quarantines of different
    /// users apart ([`super::StateDir::of`]).
    #[must_use]
    pub fn by_owner(self) -> BTreeMap<u32, Self> {
        let mut plans: BTreeMap<u32, Self> = BTreeMap::new();
        for step in self.steps {
            plans.entry(step.expect.inode.uid).or_default().steps.push(step);
        }
        plans
    }
}
