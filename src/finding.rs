//! What a finding is: its id in a closed catalogue, what is wrong, how it is proved, what it leads to and what to do.
//!
//! What cures a finding is its [`Remedy`]. No repair and no command lists ids to tell what it has to do.

use serde::Serialize;

use crate::snapshot::{ByteString, Inode};

mod catalogue;
mod class;
mod danger;
mod matter;
mod prose;
mod remedy;
mod window;

pub use catalogue::{Id, Safety, Severity, Shows, Told};
pub use class::{ObjectClass, SideState};
pub use danger::Danger;
pub use matter::Matter;
pub use prose::Prose;
pub use remedy::{Deed, How, Manager, Remedy, Unasked};
pub use window::{Doubt, Window, WrittenWindow};

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Finding {
    /// What kind.
    pub id: Id,
    /// How bad.
    pub severity: Severity,
    /// How safe its repair is.
    pub safety: Safety,
    /// Serial of the token, if it concerns one.
    pub token: Option<String>,
    /// The object, if it concerns one.
    pub object: Option<ObjectName>,
    /// Whose cache it is, if it is not the calling user's: login name, or number. Escaped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The programs that are affected.
    pub program: Vec<String>,
    /// What is wrong, in one sentence.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub summary: Prose,
    /// What not to do.
    pub danger: Option<Danger>,
    /// What the user will experience.
    pub consequence: String,
    /// What proves it.
    pub evidence: Vec<Evidence>,
    /// Further cache entries that it stands for without telling them one by one, as directory and name: what a
    /// repair needs of them.
    #[serde(skip)]
    pub crowd: Vec<(ByteString, ByteString)>,
    /// Further findings of its kind that it stands for, and that name no cache entry.
    #[serde(skip)]
    pub more: usize,
    /// What it is about where it names no cache entry, process, line or object: a directory, a configuration, a reader.
    #[serde(skip)]
    pub place: Option<String>,
    /// The running processes it is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<RunningProcess>,
    /// What to do, most specific first.
    pub fix: Vec<Remedy>,
}

/// A running process. Text is escaped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Holder"))]
pub struct RunningProcess {
    /// Its number.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub pid: u32,
    /// Its effective user.
    pub uid: u32,
    /// That user's name.
    pub user: Option<String>,
    /// The systemd service it belongs to.
    pub unit: Option<String>,
    /// What of OpenSC it has loaded.
    pub modules: Vec<String>,
}

/// Since when what this host signs may name a key that is gone: when the oldest file was cached that shows one to
/// whoever signs (Unix seconds). The key was replaced at some time after that.
#[must_use]
pub fn doubtful_since(findings: &[Finding]) -> Option<i64> {
    let signing = findings.iter().filter(|finding| finding.severity == Severity::Critical);
    let files = signing.flat_map(|finding| &finding.evidence).filter_map(|evidence| evidence.file.as_ref());
    files.map(|file| file.inode.mtime).min()
}

/// Which object a finding is about. Text is escaped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ObjectName {
    /// Its class.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub class: ObjectClass,
    /// Key reference on the card.
    pub reference: Option<u8>,
    /// Label on the card, or the one shown if it is not there.
    pub label: String,
    /// ID on the card, hex.
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Hex>"))]
    pub id: Option<String>,
    /// ID shown, hex.
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Hex>"))]
    pub shown_id: Option<String>,
}

/// What proves a finding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Evidence {
    /// The cache file that is the cause, if there is one.
    pub file: Option<FileEvidence>,
    /// Offset of the first byte in which it differs from the card's file.
    pub first_difference: Option<usize>,
    /// What is shown.
    pub shown: Option<Side>,
    /// What is on the card.
    pub card: Option<Side>,
    /// The place in a configuration file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceLine>,
}

/// A line of a configuration file and what is meant in it. Text is escaped, except for
/// tabs; of a very long line only the surroundings are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SourceLine {
    /// The file.
    pub file: String,
    /// Line, from 1.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub line: usize,
    /// Column in bytes, from 1.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub column: usize,
    /// The line up to that column.
    pub before: String,
    /// What is meant.
    pub marked: String,
    /// The rest of the line.
    pub after: String,
    /// What is to be said of it.
    pub note: String,
    /// How the line would have to read, where that can be told: it stands for the whole line.
    pub corrected: Option<String>,
    /// The last of the lines that the corrected one stands for, if there is more than one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 2)))]
    pub last_line: Option<usize>,
}

/// A cache file as evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FileEvidence {
    /// Its full path, escaped.
    #[cfg_attr(feature = "schema", schemars(with = "ByteString"))]
    pub path: String,
    /// Its directory.
    #[serde(skip)]
    pub directory: ByteString,
    /// Its name.
    #[serde(skip)]
    pub name: ByteString,
    /// The file on the card that it stands for, four hex digits.
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::snapshot::EfPath>"))]
    pub card_file: Option<String>,
    /// Owner, size and times.
    #[serde(skip)]
    pub inode: Inode,
    /// Numeric owner.
    pub owner: u32,
    /// When it was last written.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Rfc3339"))]
    pub modified: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of its content, if that was read.
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Sha256>"))]
    pub sha256: Option<String>,
}

/// One side of a comparison. Text is escaped.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Side {
    /// In one word or a few: "absent", "not read", "undecodable".
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub state: Option<SideState>,
    /// ID, hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Hex>"))]
    pub id: Option<String>,
    /// Label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Key type with curve or size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// SHA-256 of the SubjectPublicKeyInfo.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Sha256>"))]
    pub public_key: Option<String>,
    /// What proves that the private key belongs to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
    /// Subject of a certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Serial number of a certificate, hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Hex>"))]
    pub certificate_serial: Option<String>,
    /// Validity of a certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub validity: Option<Prose>,
    /// The first moment of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Rfc3339>"))]
    pub valid_from: Option<String>,
    /// The last moment of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Rfc3339>"))]
    pub valid_until: Option<String>,
    /// Other attributes that differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<String>,
}

impl Side {
    /// There is no such object.
    #[must_use]
    pub fn absent() -> Self {
        Self { state: Some(SideState::Absent), ..Self::default() }
    }

    /// Nobody knows what is there.
    #[must_use]
    pub fn unread() -> Self {
        Self { state: Some(SideState::NotRead), ..Self::default() }
    }

    /// Is there no such object?
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.state == Some(SideState::Absent)
    }
}

impl Finding {
    /// Does a program show an old view today because of the entries that it names?
    #[must_use]
    pub fn shows_an_old_view(&self) -> bool {
        self.id.shows() == Shows::OldView && !self.program.is_empty()
    }

    /// A finding with the usual severity and safety of its id.
    #[must_use]
    pub fn new(id: Id, summary: impl Into<Prose>, consequence: String) -> Self {
        Self {
            id,
            severity: id.severity(),
            safety: id.safety(),
            token: None,
            object: None,
            user: None,
            program: Vec::new(),
            summary: summary.into(),
            danger: None,
            consequence,
            evidence: Vec::new(),
            crowd: Vec::new(),
            more: 0,
            place: None,
            processes: Vec::new(),
            fix: Vec::new(),
        }
    }

    /// How many findings it stands for.
    #[must_use]
    pub fn number(&self) -> usize {
        // What tells its evidence is one, whatever else it names.
        let crowd = if self.evidence.is_empty() { self.crowd.len() } else { 0 };
        crowd.max(1) + self.more
    }
}
