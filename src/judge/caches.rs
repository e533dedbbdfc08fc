//! What the rules on the safety of caches say of every directory.

use crate::case::cache::CacheCase;
use crate::finding::Finding;
use crate::opensc::differences::OTHER_DRIVER;
use crate::opensc::{Outcome, Program, Situation};
use crate::rules;
use crate::snapshot::{ByteString, CacheOrigin, FileKind, Snapshot};

/// Applies the rules to every cache directory. `in_use` names programs and the directories they read.
#[must_use]
pub fn apply(snapshot: &Snapshot, in_use: &[(String, ByteString)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_own_home = snapshot.home.as_ref().is_none_or(|home| home.taken.is_some() || home.owner.is_none());
    let mut entries = snapshot.caches.iter().flat_map(|dir| &dir.entries);
    // It is only asked of what a program waits at.
    let places =
        if entries.any(|entry| entry.kind == FileKind::Fifo) { places(snapshot) } else { Vec::new() };
    for dir in &snapshot.caches {
        let is_read = |(_, path): &&(String, ByteString)| *path == dir.path;
        let is_opened = |place: &&(String, ByteString)| dir.origin == CacheOrigin::Named || is_read(place);
        let names = |(program, _): &(String, ByteString)| program.clone();
        findings.extend(rules::of_cache(&CacheCase {
            user: &snapshot.user,
            is_own_home,
            dir,
            programs: in_use.iter().filter(is_read).map(names).collect(),
            opened_by: places.iter().filter(is_opened).map(names).collect(),
            version: Situation::of(snapshot).version(),
        }));
    }
    findings
}

/// The cache directory of each program, whether it caches or not.
fn places(snapshot: &Snapshot) -> Vec<(String, ByteString)> {
    if snapshot.opensc.is_empty() {
        return Vec::new();
    }
    let situation = Situation::of(snapshot);
    let configuration = situation.configuration();
    let place = |program: &Program| {
        // The directory does not depend on the driver.
        let outcome = configuration.outcome(program, Some(OTHER_DRIVER));
        match outcome.in_environment(situation.version(), &snapshot.user.env) {
            Outcome::Runs(effective) => Some((program.label.clone(), effective.cache_dir.path()?.clone())),
            Outcome::Crashes(_) => None,
        }
    };
    Program::judged(&snapshot.executables).iter().filter_map(place).collect()
}
