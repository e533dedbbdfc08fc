//! The closed catalogue of findings. What follows from an id is a column of it, so that a new id has to say it; scripts rely
//! on the names.

use serde::{Deserialize, Serialize};

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

impl Severity {
    /// All of them, the worst first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::Error, Self::Warning, Self::Info];

    /// In one word, as scripts and people know it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
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
    fn a_severity_has_one_word() {
        for severity in Severity::ALL {
            assert_eq!(serde_json::to_value(severity).unwrap(), severity.word());
        }
        assert!(Severity::ALL.is_sorted_by(|one, other| one > other));
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
