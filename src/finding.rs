//! What a finding is: a closed catalogue of ids, and for each finding what is
//! wrong, how it is proved, what it leads to and what to do.
//!
//! What follows from an id is a column of the catalogue, so that a new id has to say it; what cures a finding is its
//! [`Remedy`]. No repair and no command lists ids to tell what it has to do.

use serde::{Deserialize, Serialize};

use crate::snapshot::{ByteString, Inode};

mod danger;
mod prose;
mod remedy;
mod window;

pub use danger::Danger;
pub use prose::Prose;
pub use remedy::{Deed, How, Manager, Remedy, Unasked};
pub use window::{Doubt, Window, WrittenWindow};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// A risk.
    Warning,
    /// Shown wrong, proven by bytes.
    Error,
    /// Signing through this view gives bad output.
    Critical,
}

/// How much consent the repair of a finding needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Safety {
    /// Regenerable data of the calling user, proven stale.
    Safe,
    /// Other users' caches, an edit of `opensc.conf`, or what no file proves stale.
    Guarded,
    /// Whole directories, unknown files, private data.
    Unsafe,
    /// Only a person can do it.
    Manual,
}

/// What the cache entries that a finding names do to what programs show. The journals in the quarantine name entries by
/// the finding they were taken for, also those of older versions: this is all that is known of them then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    /// Programs that read them show what the card held before.
    OldView,
    /// They are damaged or in doubt: whether what is shown is old cannot be said.
    Unsure,
    /// They are stale, and no program shows them.
    Nowhere,
    /// It is not about whether they are stale.
    Other,
}

/// What proves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Files and the configuration: `check` tells it.
    ByFiles,
    /// A fresh signature, if nothing else does: `verify` tells it, too.
    BySignature,
}

macro_rules! catalogue {
    ($($(#[$doc:meta])* $id:ident = $name:literal, $severity:ident, $safety:ident, $shows:ident, $told:ident;)*) => {
        /// The id of a finding.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum Id {
            $($(#[$doc])* #[serde(rename = $name)] $id,)*
        }

        impl Id {
            /// All ids, in the order in which findings are reported.
            pub const ALL: &[Self] = &[$(Self::$id),*];

            /// The id in kebab-case.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$id => $name,)* }
            }

            /// The severity it usually has; a rule may say otherwise for one finding.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$id => Severity::$severity,)* }
            }

            /// How safe its repair is.
            #[must_use]
            pub const fn safety(self) -> Safety {
                match self { $(Self::$id => Safety::$safety,)* }
            }

            /// What the entries that it names do to what programs show.
            #[must_use]
            pub const fn shows(self) -> Shows {
                match self { $(Self::$id => Shows::$shows,)* }
            }

            /// What proves it.
            #[must_use]
            pub const fn told(self) -> Told {
                match self { $(Self::$id => Told::$told,)* }
            }
        }
    };
}

catalogue! {
    /// Cache and card name different public keys for a key, and no file tells which is right.
    PublicKeyUndecided = "public-key-undecided", Error, Guarded, Unsure, ByFiles;
    /// The ID shown is not the card's.
    StaleKeyId = "stale-key-id", Critical, Safe, OldView, ByFiles;
    /// The public key shown is not the card's.
    StalePublicKey = "stale-public-key", Critical, Safe, OldView, ByFiles;
    /// The certificate shown is not the card's.
    StaleCertificate = "stale-certificate", Error, Safe, OldView, ByFiles;
    /// Another attribute is shown differently.
    StaleObject = "stale-object", Error, Safe, OldView, ByFiles;
    /// On the card, but not shown.
    HiddenObject = "hidden-object", Error, Safe, OldView, ByFiles;
    /// Shown, but gone from the card.
    GhostObject = "ghost-object", Error, Safe, OldView, ByFiles;
    /// A cache entry is truncated, doubled or undecodable.
    DamagedEntry = "damaged-entry", Error, Safe, Unsure, ByFiles;
    /// Wrong, but no program reads it today.
    DormantStaleEntry = "dormant-stale-entry", Warning, Safe, Nowhere, ByFiles;
    /// An entry whose object is not on the card any more.
    OrphanEntry = "orphan-entry", Warning, Safe, Nowhere, ByFiles;
    /// Left behind by an older state of the card or an older OpenSC.
    OldGeneration = "old-generation", Info, Safe, Other, ByFiles;
    /// Right today, old after the next readings.
    RipeningEntry = "ripening-entry", Error, Safe, Nowhere, ByFiles;
    /// One name for the cached files of several cards.
    SharedIdentity = "shared-identity", Error, Manual, Other, ByFiles;
    /// Caching is on for a card that never signals change.
    CacheCannotNoticeChange = "cache-cannot-notice-change", Warning, Guarded, Other, ByFiles;
    /// The configuration kills OpenSC.
    ConfigCrashesOpenSc = "config-crashes-opensc", Error, Manual, Other, ByFiles;
    /// OpenSC drops the whole configuration.
    ConfigUnreadable = "config-unreadable", Error, Manual, Other, ByFiles;
    /// A value means something else than it seems to.
    ConfigValueNotUnderstood = "config-value-not-understood", Warning, Manual, Other, ByFiles;
    /// A setting that nobody reads.
    ConfigSettingIgnored = "config-setting-ignored", Warning, Manual, Other, ByFiles;
    /// A block that hides the cache settings of another.
    ConfigBlockShadowed = "config-block-shadowed", Warning, Manual, Other, ByFiles;
    /// Programs of one host cache differently.
    ConfigDiffersBetweenPrograms =
        "config-differs-between-programs", Warning, Manual, Other, ByFiles;
    /// A program that writes to cards caches.
    ConfigCachesForWriter = "config-caches-for-writer", Warning, Manual, Other, ByFiles;
    /// A fresh signature fits the card's key and not the one shown.
    SignatureFailsWithCachedKey =
        "signature-fails-with-cached-key", Critical, Safe, OldView, BySignature;
    /// A fresh signature does not fit the card's own public key.
    SignatureFailsWithLiveKey =
        "signature-fails-with-live-key", Critical, Manual, Other, BySignature;
    /// A certificate on the card is another key's.
    CertificateKeyMismatch = "certificate-key-mismatch", Error, Manual, Other, BySignature;
    /// A signature or certificate was made by another key than it seems.
    SignedByOtherKey = "signed-by-other-key", Error, Manual, Other, ByFiles;
    /// On the card, and listed by no program whatever the caches hold.
    KeyNotListed = "key-not-listed", Error, Manual, Other, ByFiles;
    /// Nothing proves that a private key matches.
    PossessionNotProved = "possession-not-proved", Info, Manual, Other, ByFiles;
    /// Settings hide the card from programs.
    TokenNotVisible = "token-not-visible", Error, Manual, Other, ByFiles;
    /// Others can write to a cache, or read it.
    UnsafePermissions = "unsafe-permissions", Warning, Manual, Other, ByFiles;
    /// A cache or an entry belongs to somebody else.
    ForeignOwner = "foreign-owner", Warning, Guarded, Other, ByFiles;
    /// A cache directory or an entry is a symbolic link.
    SymlinkedCache = "symlinked-cache", Warning, Manual, Other, ByFiles;
    /// Something that OpenSC did not put there.
    UnexpectedFile = "unexpected-file", Warning, Unsafe, Other, ByFiles;
    /// A card access number or private data on the disk.
    SecretInCache = "secret-in-cache", Warning, Unsafe, Other, ByFiles;
    /// Two keys with one ID.
    DuplicateKeyId = "duplicate-key-id", Warning, Manual, Other, ByFiles;
    /// A private key without public key or certificate.
    KeyWithoutPublicPart = "key-without-public-part", Warning, Manual, Other, ByFiles;
    /// A running program read the old view.
    ProcessHoldsOldView = "process-holds-old-view", Error, Manual, Other, ByFiles;
    /// The token does not hold what its baseline says.
    BaselineMismatch = "baseline-mismatch", Error, Manual, Other, ByFiles;
    /// Hosts show different keys of one token.
    HostsDisagree = "hosts-disagree", Error, Manual, Other, ByFiles;
}

impl Id {
    /// The id with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|id| id.name() == name)
    }
}

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
    /// The running processes it is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<Holder>,
    /// What to do, most specific first.
    pub fix: Vec<Remedy>,
}

/// A running process. Text is escaped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Holder {
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
    pub class: String,
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
    /// In one word or a few: "absent", "undecodable".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
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

/// The state of a side that has no such object.
const ABSENT: &str = "absent";

impl Side {
    /// There is no such object.
    #[must_use]
    pub fn absent() -> Self {
        Self { state: Some(ABSENT.to_owned()), ..Self::default() }
    }

    /// Is there no such object?
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.state.as_deref() == Some(ABSENT)
    }
}

impl Finding {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_id_is_found_by_its_name() {
        for &id in Id::ALL {
            assert_eq!(Id::from_name(id.name()), Some(id));
            assert_eq!(serde_json::to_value(id).unwrap(), id.name());
        }
    }

    #[test]
    fn the_catalogue_is_what_scripts_rely_on() {
        let list: Vec<String> =
            Id::ALL.iter().map(|id| format!("{} {:?} {:?}", id.name(), id.severity(), id.safety())).collect();
        assert_eq!(
            list,
            [
                "public-key-undecided Error Guarded",
                "stale-key-id Critical Safe",
                "stale-public-key Critical Safe",
                "stale-certificate Error Safe",
                "stale-object Error Safe",
                "hidden-object Error Safe",
                "ghost-object Error Safe",
                "damaged-entry Error Safe",
                "dormant-stale-entry Warning Safe",
                "orphan-entry Warning Safe",
                "old-generation Info Safe",
                "ripening-entry Error Safe",
                "shared-identity Error Manual",
                "cache-cannot-notice-change Warning Guarded",
                "config-crashes-opensc Error Manual",
                "config-unreadable Error Manual",
                "config-value-not-understood Warning Manual",
                "config-setting-ignored Warning Manual",
                "config-block-shadowed Warning Manual",
                "config-differs-between-programs Warning Manual",
                "config-caches-for-writer Warning Manual",
                "signature-fails-with-cached-key Critical Safe",
                "signature-fails-with-live-key Critical Manual",
                "certificate-key-mismatch Error Manual",
                "signed-by-other-key Error Manual",
                "key-not-listed Error Manual",
                "possession-not-proved Info Manual",
                "token-not-visible Error Manual",
                "unsafe-permissions Warning Manual",
                "foreign-owner Warning Guarded",
                "symlinked-cache Warning Manual",
                "unexpected-file Warning Unsafe",
                "secret-in-cache Warning Unsafe",
                "duplicate-key-id Warning Manual",
                "key-without-public-part Warning Manual",
                "process-holds-old-view Error Manual",
                "baseline-mismatch Error Manual",
                "hosts-disagree Error Manual",
            ]
        );
    }
}
