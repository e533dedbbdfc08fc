//! The processes that may hold an old view, and the flushes that they may have missed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::ByteString;

/// A process that has OpenSC loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its effective user.
    pub uid: u32,
    /// That user's name, when the user database knows it.
    pub user: Option<String>,
    /// The path of its program, or its name where the path is not known.
    pub program: ByteString,
    /// When it was started, to a hundredth of a second.
    #[serde(with = "time::serde::rfc3339")]
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Rfc3339"))]
    pub started_at: OffsetDateTime,
    /// What of OpenSC it has loaded.
    pub modules: Modules,
    /// The variables with effect on OpenSC, as it was started with them. Absent: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<BTreeMap<String, ByteString>>,
    /// The systemd service it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// Of a process that serves the calling user's `ssh-agent`: the keys that this offers, whatever they come from, each by
    /// the SHA-256 of its SubjectPublicKeyInfo. Absent: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Vec<crate::schema::Sha256>>"))]
    pub offers: Option<Vec<String>>,
}

/// What runs a module for `ssh-agent`; the kernel keeps 15 letters of a name.
const AGENT: &[u8] = b"ssh-pkcs11-help";

impl Process {
    /// Does it run a module for `ssh-agent`? It lets only root look into it.
    #[must_use]
    pub fn serves_an_agent(&self) -> bool {
        self.program.0.rsplit(|byte| *byte == b'/').next().unwrap_or_default().starts_with(AGENT)
    }
}

/// What a process has loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Modules {
    /// These files of OpenSC (and p11-kit's proxy in front of them).
    Loaded(Vec<ByteString>),
    /// Not known: only root may look.
    Unknown,
}

/// A systemd service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Unit {
    /// Its name.
    pub name: String,
    /// It is the user's own, not the system's.
    pub of_user: bool,
}

impl Unit {
    /// Whether the name is one as systemd.unit(5) allows it; it becomes a word of a command.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.name.len() < 256
            && !self.name.starts_with('-')
            && self.name.chars().all(|c| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c))
    }
}

/// A flush.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Flushed {
    /// Whose cache entries were taken.
    pub uid: u32,
    /// The operation, as `undo` takes it.
    pub operation: String,
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Rfc3339"))]
    pub at: OffsetDateTime,
    /// The directories out of which it took entries that were found to be stale.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stale: Vec<ByteString>,
    /// The directories out of which it took entries because somebody asked for them: nobody had compared them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<ByteString>,
}
