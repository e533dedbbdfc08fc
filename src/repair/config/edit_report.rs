//! What came of an edit of the configuration, as data.

use serde::{Serialize, Serializer};

use super::programs::Effect;
use crate::snapshot::ByteString;

/// An edit of the configuration, done or rehearsed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Edit"))]
pub struct EditReport {
    /// The file, links resolved.
    pub file: ByteString,
    /// There was no such file before.
    pub created: bool,
    /// Nothing was written.
    pub dry_run: bool,
    /// Nothing was written because stale entries would come back to life, or the right public key be hidden.
    pub refused: bool,
    /// The edits; none if everything was right already.
    pub changes: Vec<Change>,
    /// The difference in the unified format, if it was asked for.
    #[serde(serialize_with = "text", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub diff: Option<Vec<u8>>,
    /// What it means for the programs concerned.
    pub programs: Vec<Effect>,
    /// What else to know.
    pub notes: Vec<String>,
    /// Entries that would be shown again.
    pub revived: Vec<Revived>,
    /// Entries with a public key that is, or may be, the right one, which programs would not see any more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<Revived>,
    /// What `undo` takes back.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^[0-9]{8}T[0-9]{6}Z-[1-9][0-9]*$")))]
    pub operation: Option<String>,
    /// The copy of the old file.
    pub backup: Option<ByteString>,
}

/// One edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Change {
    /// Line and column in the old text.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^[1-9][0-9]*:[1-9][0-9]*$")))]
    pub at: String,
    /// What stood there.
    pub old: String,
    /// What stands there now.
    pub new: String,
}

/// A cache entry that programs would show again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Revived {
    /// The cache directory.
    pub directory: ByteString,
    /// The entry.
    pub name: ByteString,
    /// The finding, or why it is not known.
    pub why: String,
}

fn text<S: Serializer>(diff: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(diff.as_deref().unwrap_or_default()))
}

impl EditReport {
    /// Did it change anything, or would it?
    #[must_use]
    pub fn changed(&self) -> bool {
        !self.changes.is_empty() && !self.refused
    }

    /// Was it to be done, and was not, or would not be?
    #[must_use]
    pub const fn failed(&self) -> bool {
        self.refused
    }
}
