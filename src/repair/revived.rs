//! An entry of a cache that an edit of the configuration would bring back to life, or take away.

use serde::Serialize;

use crate::snapshot::Name;

/// A cache entry that programs would show again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Revived {
    /// The cache directory.
    pub directory: Name,
    /// The entry.
    pub name: Name,
    /// The finding, or why it is not known.
    pub why: String,
}
