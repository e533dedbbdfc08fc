//! The findings on the safety of a cache: `fixtures/caches/` has for each a snapshot that has it, and
//! one (`.nearly`) that nearly has it. They were written by hand, after what the tests in
//! `tests/shared_host` make on a disk.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use std::path::{Path, PathBuf};

use stalecard::finding::{Finding, Id};
use stalecard::observe::load;
use stalecard::repair::Safety;
use stalecard::repair::flush::fix_plan;
use stalecard::rules::judge;

const SAFETY: [Id; 5] =
    [Id::UnsafePermissions, Id::ForeignOwner, Id::SymlinkedCache, Id::UnexpectedFile, Id::SecretInCache];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/caches").join(format!("{name}.json"))
}

fn findings(name: &str) -> Vec<Finding> {
    let snapshot = load(&fixture(name)).unwrap();
    let mut findings = judge(&snapshot).findings;
    findings.retain(|finding| SAFETY.contains(&finding.id));
    findings
}

#[test]
fn each_is_found_where_it_is_and_only_there() {
    for id in SAFETY {
        let found = findings(id.name());
        assert!(!found.is_empty() && found.iter().all(|finding| finding.id == id), "{found:#?}");
        for finding in &found {
            assert!(!finding.fix.is_empty() && !finding.consequence.is_empty(), "{finding:#?}");
        }
        let nearly = findings(&format!("{}.nearly", id.name()));
        assert!(nearly.iter().all(|finding| finding.id != id), "{nearly:#?}");
    }
}

/// What was not made by OpenSC, and what a card needs, is in no plan; what is no use is.
#[test]
fn only_what_can_come_again_is_in_a_plan() {
    for (name, planned) in [
        ("unsafe-permissions", vec![]),
        ("symlinked-cache", vec![]),
        ("unexpected-file", vec![]),
        ("foreign-owner", vec![Safety::Guarded]),
        ("secret-in-cache", vec![Safety::Unsafe]),
    ] {
        let snapshot = load(&fixture(name)).unwrap();
        let plan = fix_plan(&snapshot, &judge(&snapshot), snapshot.user.uid);
        let levels: Vec<_> = plan.steps.iter().map(|step| step.safety).collect();
        assert_eq!(levels, planned, "{name}: {plan:#?}");
    }
}
