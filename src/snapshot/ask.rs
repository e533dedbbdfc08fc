//! What the installed OpenSC told of a card when it was asked: plain data, without an opinion.
//!
//! An *ask* is one child process in which OpenSC lists one card under a private configuration: *fresh* with caching on
//! and an empty cache (what it writes there are the files it would trust, with the card's bytes of today), *live* with
//! caching off, *shown* as it is configured, over a copy of a real cache. Of files that may hold personal data only
//! length and a digest are kept, which means something within one snapshot alone: what it is salted with is nowhere.

use serde::{Deserialize, Serialize};

use super::{ByteString, Bytes, Card, EntryName};

/// One listing of one card by the installed OpenSC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Ask {
    /// Name of the reader.
    pub reader: String,
    /// Answer to reset of the card.
    pub atr: Bytes,
    /// Under which settings.
    pub kind: AskKind,
    /// The tool that listed.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub tool: AskTool,
    /// The programs whose settings it had.
    pub programs: Vec<String>,
    /// Version of OpenSC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opensc: Option<String>,
    /// The cache directory that was copied, or whose files were compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<ByteString>,
    /// How it ended.
    pub ended: AskEnd,
    /// Had other programs the card open meanwhile? It was asked beside them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub beside: bool,
    /// What was listed, in blocks of text as they were printed, sorted. Fit to be shown; content of data objects is
    /// replaced by a digest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<String>,
    /// Shown: did OpenSC use the cache at all, to read or to write?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cached: bool,
    /// Shown: the entries that it really read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<ByteString>"))]
    pub read: Vec<EntryName>,
    /// Fresh: the files that OpenSC wrote. Shown: the entries of this card that were copied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<AskedFile>,
    /// Fresh, where it is not the same as live: was it the same once more, from the cache that it had just written?
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<bool>,
    /// Shown: what came of asking the same copy again and again, where its files differ and its list does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ripening: Option<Ripening>,
    /// The same of entries of which more came of it later.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub later: Vec<Ripening>,
}

/// Under which settings OpenSC was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum AskKind {
    /// Caching on, and an empty cache.
    Fresh,
    /// Caching off.
    Live,
    /// As it is configured, over a copy of a cache.
    Shown,
}

/// What lists a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AskTool {
    /// `pkcs15-tool -D`
    #[serde(rename = "pkcs15-tool")]
    Pkcs15,
    /// `pkcs11-tool -O`: what applications of the module read besides.
    #[serde(rename = "pkcs11-tool")]
    Pkcs11,
}

/// How an ask ended. Text is fit to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum AskEnd {
    /// OpenSC listed the card.
    Done,
    /// OpenSC ended and listed no card; what it said.
    ListsNothing(String),
    /// OpenSC could not be run, did not end, or failed; how.
    Failed(String),
    /// The card was not idle, so it was not asked; who has it.
    NotIdle(String),
    /// The card moved or was used by another program meanwhile, again and again.
    Restless(String),
    /// Nobody has to be asked: no program reads this directory. Its files were compared alone.
    NoProgram,
}

/// A file of a cache beside the card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AskedFile {
    /// Its name.
    #[cfg_attr(feature = "schema", schemars(with = "ByteString"))]
    pub name: EntryName,
    /// Its size in bytes.
    pub size: u64,
    /// A digest: equal within one snapshot means equal content, and nothing else can be told by it.
    pub digest: Bytes,
    /// Its content, if that is a certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Bytes>,
    /// Shown: how it compares with the fresh file of the same name; none if OpenSC wrote no such file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<Against>,
}

/// How a cache entry compares with what OpenSC would write today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Against {
    /// The same.
    Equal,
    /// So many copies of the same, one behind the other.
    Copies(u64),
    /// The beginning of it, up to the end of one of its elements, or nothing at all.
    Prefix,
    /// The beginning of it, cut off in the middle.
    Cut,
    /// Something else, from this byte on.
    Differs(u64),
}

/// What came of asking one copy of a cache again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Ripening {
    /// How often it was asked in all.
    pub readings: u32,
    /// The last of them was answered from these entries. (Otherwise they only go on growing.)
    pub turned: bool,
    /// They were not asked for before entries that are stale already had been taken out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub behind: bool,
    /// The entries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<ByteString>"))]
    pub entries: Vec<EntryName>,
}

impl Ask {
    /// Is it about this card?
    #[must_use]
    pub fn is_of(&self, card: &Card) -> bool {
        self.reader == card.reader && self.atr == card.atr
    }

    /// Did OpenSC list the card?
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.ended == AskEnd::Done
    }
}
