//! From facts to opinions: a snapshot in, findings out.
//!
//! Rules are pure: they never touch the file system, a card, the clock or the
//! environment (a test reads the sources for it). Each is one file, and the
//! comment at its head is what `stalecard explain` prints.

pub mod case;

mod absent_card;
pub mod attribution;
pub mod baseline_mismatch;
mod cache_cannot_notice_change;
mod cache_case;
mod certificate_key_mismatch;
mod choices;
pub mod compare;
mod config;
mod config_block_shadowed;
pub mod config_case;
mod config_crashes_opensc;
mod config_differs_between_programs;
mod config_setting_ignored;
mod config_unreadable;
mod config_value_not_understood;
mod crowd;
mod damaged_entry;
mod danger;
mod dormant_stale_entry;
mod duplicate_key_id;
mod foreign_owner;
mod ghost_object;
pub mod held;
mod hidden_object;
mod hosts_disagree;
pub mod inventory;
mod judge;
mod key_without_public_part;
mod kin;
pub mod known_keys;
mod old_generation;
mod orphan_entry;
pub mod possession;
mod possession_not_proved;
mod process_holds_old_view;
pub mod proofs;
mod public_key_undecided;
pub mod right_key;
mod secret_in_cache;
pub mod settings;
mod shared_identity;
pub mod sides;
mod signature_fails_with_cached_key;
mod signature_fails_with_live_key;
pub mod signed_by_other_key;
pub mod signers;
mod stale_certificate;
mod stale_key_id;
mod stale_object;
mod stale_public_key;
mod symlinked_cache;
mod unexpected_file;
mod unsafe_permissions;
pub mod users;
mod verdict;

pub use cache_case::apply_to_caches;
pub use config::{config_coverage, judge_config};
pub use judge::{Judge, cases, judge, proofs_of, show};
pub use process_holds_old_view::shows_an_old_view;
pub use signers::signers;
pub use users::{Cache, Tally};
pub use verdict::{ProgramState, Token, Unread, Verdict};

use case::Case;

use crate::finding::Finding;
use crate::snapshot::Snapshot;

/// Adds to the verdict on a host which of its processes hold an old view.
pub fn judge_processes(snapshot: &Snapshot, verdict: &mut Verdict) {
    let (holders, unknown) = process_holds_old_view::apply(snapshot, &verdict.findings);
    verdict.findings.extend(holders);
    verdict.coverage.extend(unknown);
    verdict.sort();
}

/// Applies every rule to one token.
fn apply_all(case: &Case<'_>) -> Vec<Finding> {
    let rules: [fn(&Case<'_>, &mut Vec<Finding>); 19] = [
        public_key_undecided::apply,
        stale_key_id::apply,
        stale_public_key::apply,
        stale_certificate::apply,
        stale_object::apply,
        hidden_object::apply,
        ghost_object::apply,
        damaged_entry::apply,
        dormant_stale_entry::apply,
        orphan_entry::apply,
        old_generation::apply,
        shared_identity::apply,
        cache_cannot_notice_change::apply,
        duplicate_key_id::apply,
        key_without_public_part::apply,
        signature_fails_with_cached_key::apply,
        signature_fails_with_live_key::apply,
        certificate_key_mismatch::apply,
        possession_not_proved::apply,
    ];
    let mut findings = Vec::new();
    for rule in rules {
        rule(case, &mut findings);
    }
    right_key::heed(&mut findings);
    findings
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    /// Rules see the world through the snapshot alone.
    #[test]
    fn rules_are_pure() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/rules");
        let mut files = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().is_some_and(|name| name == "mod.rs") {
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap();
            files += 1;
            for forbidden in
                ["std::fs", "std::env", "std::process", "SystemTime", "now_utc", "pcsc", "safe_fs", "host::"]
            {
                assert!(!source.contains(forbidden), "{} uses {forbidden}", path.display());
            }
        }
        assert!(files > 10);
    }
}
