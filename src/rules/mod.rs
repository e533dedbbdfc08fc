//! From facts to opinions: nothing but rules, one a file, in groups by what they look at.
//!
//! Rules are pure: they see the world through what they are handed, never the file system, a card, the
//! clock or the environment (a test reads the sources for it). The table binds each id of the catalogue to
//! its rule, whose first comment is what `stalecard explain` prints.

pub mod cache;
pub mod config;
pub mod host;
pub mod signature;
pub mod token;

use crate::case::asked::AskedCase;
use crate::case::cache::CacheCase;
use crate::case::config::ConfigCase;
use crate::case::right_key::heed;
use crate::case::token::Case;
use crate::finding::{Finding, Id};

/// A rule, by what it looks at.
#[derive(Clone, Copy)]
enum Rule {
    /// At one token.
    Token(fn(&Case<'_>, &mut Vec<Finding>)),
    /// At one card that OpenSC was asked about.
    Asked(fn(&AskedCase<'_>, &mut Vec<Finding>)),
    /// At one cache directory, whatever the cards hold.
    Cache(fn(&CacheCase<'_>, &mut Vec<Finding>)),
    /// At one configuration, as one version of OpenSC reads it.
    Config(fn(&ConfigCase<'_>, &mut Vec<Finding>)),
    /// At more than the facts of one host, or at what is handed to it alone: whoever gathers that calls it.
    Called,
}

macro_rules! table {
    ($($id:ident: $room:ident / $file:ident, $($kind:ident)+;)*) => {
        /// What the rule of an id looks at.
        const fn rule(id: Id) -> &'static [Rule] {
            match id {
                $(Id::$id => {
                    const OWN: &[Rule] = &[$(table!(@ $kind $room $file)),+];
                    OWN
                })*
            }
        }

        /// The source of an id's rule.
        const fn source(id: Id) -> &'static str {
            match id {
                $(Id::$id => include_str!(concat!(stringify!($room), "/", stringify!($file), ".rs")),)*
            }
        }
    };
    (@ Called $room:ident $file:ident) => { Rule::Called };
    (@ Asked $room:ident $file:ident) => { Rule::Asked($room::$file::of_asked) };
    (@ $kind:ident $room:ident $file:ident) => { Rule::$kind($room::$file::apply) };
}

table! {
    PublicKeyUndecided: signature / public_key_undecided, Token;
    StaleKeyId: token / stale_key_id, Token;
    StalePublicKey: token / stale_public_key, Token;
    StaleCertificate: token / stale_certificate, Token Asked;
    StaleObject: token / stale_object, Token Asked;
    HiddenObject: token / hidden_object, Token Asked;
    GhostObject: token / ghost_object, Token Asked;
    DamagedEntry: token / damaged_entry, Token Asked;
    DormantStaleEntry: token / dormant_stale_entry, Token Asked;
    OrphanEntry: token / orphan_entry, Token;
    OldGeneration: token / old_generation, Token;
    RipeningEntry: token / ripening_entry, Asked;
    SharedIdentity: token / shared_identity, Token Asked;
    CacheCannotNoticeChange: token / cache_cannot_notice_change, Token;
    ConfigCrashesOpenSc: config / config_crashes_opensc, Config;
    ConfigUnreadable: config / config_unreadable, Config;
    ConfigValueNotUnderstood: config / config_value_not_understood, Config;
    ConfigSettingIgnored: config / config_setting_ignored, Config;
    ConfigBlockShadowed: config / config_block_shadowed, Config;
    ConfigDiffersBetweenPrograms: config / config_differs_between_programs, Config;
    ConfigCachesForWriter: config / config_caches_for_writer, Config;
    SignatureFailsWithCachedKey: signature / signature_fails_with_cached_key, Token;
    SignatureFailsWithLiveKey: signature / signature_fails_with_live_key, Token;
    CertificateKeyMismatch: signature / certificate_key_mismatch, Token;
    SignedByOtherKey: signature / signed_by_other_key, Called;
    KeyNotListed: token / key_not_listed, Token;
    PossessionNotProved: signature / possession_not_proved, Token;
    TokenNotVisible: host / token_not_visible, Called;
    UnsafePermissions: cache / unsafe_permissions, Cache;
    ForeignOwner: cache / foreign_owner, Cache;
    SymlinkedCache: cache / symlinked_cache, Cache;
    UnexpectedFile: cache / unexpected_file, Cache;
    SecretInCache: cache / secret_in_cache, Cache;
    DuplicateKeyId: token / duplicate_key_id, Token;
    KeyWithoutPublicPart: token / key_without_public_part, Token;
    ProcessHoldsOldView: host / process_holds_old_view, Called;
    BaselineMismatch: host / baseline_mismatch, Called;
    HostsDisagree: host / hosts_disagree, Called;
}

/// All rules that look at the same, in the order of the catalogue.
macro_rules! apply {
    ($kind:ident, $case:ident) => {{
        let mut findings = Vec::new();
        for rule in Id::ALL.iter().flat_map(|id| rule(*id)) {
            if let Rule::$kind(apply) = rule {
                apply($case, &mut findings);
            }
        }
        findings
    }};
}

/// What the rules say of one token.
#[must_use]
pub fn of_token(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = apply!(Token, case);
    heed(&mut findings);
    findings
}

/// What the rules say of one card that OpenSC was asked about.
#[must_use]
pub fn of_asked(case: &AskedCase<'_>) -> Vec<Finding> {
    apply!(Asked, case)
}

/// What the rules say of one cache directory.
#[must_use]
pub fn of_cache(case: &CacheCase<'_>) -> Vec<Finding> {
    apply!(Cache, case)
}

/// What the rules say of one configuration.
#[must_use]
pub fn of_config(case: &ConfigCase<'_>) -> Vec<Finding> {
    apply!(Config, case)
}

/// The manual page of a finding: the comment at the head of its rule.
#[must_use]
pub fn manual(id: Id) -> String {
    let lines = source(id).lines().map_while(|line| line.strip_prefix("//!"));
    let text: Vec<&str> = lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    text.join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_finding_has_a_manual_with_its_name() {
        for &id in Id::ALL {
            let manual = manual(id);
            assert!(manual.starts_with(&format!("`{}`", id.name())), "{manual}");
            assert!(manual.contains("\n\n"), "{manual}");
        }
    }

    /// Rules see the world through what they are handed alone, and so does what gathers it for them.
    #[test]
    fn rules_are_pure() {
        let mut files = 0;
        for room in ["rules", "case", "judge", "listing"] {
            let folder = format!("{}/src/{room}", env!("CARGO_MANIFEST_DIR"));
            for entry in walkdir::WalkDir::new(folder) {
                let path = entry.unwrap().into_path();
                // This list is not a use of what it forbids.
                if path.is_dir() || path.ends_with("rules/mod.rs") {
                    continue;
                }
                let source = std::fs::read_to_string(&path).unwrap();
                files += 1;
                for forbidden in [
                    "std::fs",
                    "std::env",
                    "std::process",
                    "SystemTime",
                    "now_utc",
                    "pcsc::",
                    "safe_fs",
                    "host::",
                    "observe::",
                ] {
                    let found =
                        source.lines().any(|line| line.replace("rules::host::", "").contains(forbidden));
                    assert!(!found, "{} uses {forbidden}", path.display());
                }
            }
        }
        assert!(files > 50);
    }

    /// Nothing but rules: every file of this room but those that only group is in the table.
    #[test]
    fn every_file_here_is_the_rule_of_its_id() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/rules");
        let files = walkdir::WalkDir::new(folder).into_iter().map(|entry| entry.unwrap().into_path());
        let mut names: Vec<String> = files
            .filter(|path| path.is_file() && !path.ends_with("mod.rs"))
            .map(|path| path.file_stem().unwrap().to_str().unwrap().replace('_', "-"))
            .collect();
        let mut ids: Vec<String> = Id::ALL.iter().map(|id| id.name().to_owned()).collect();
        names.sort();
        ids.sort();
        assert_eq!(names, ids);
    }
}
