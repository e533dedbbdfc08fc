//! What the rules on the safety of caches say of every directory.

use crate::case::cache::CacheCase;
use crate::finding::Finding;
use crate::rules;
use crate::snapshot::{ByteString, Snapshot};

/// Applies the rules to every cache directory. `in_use` names programs and the directories they read.
#[must_use]
pub fn apply(snapshot: &Snapshot, in_use: &[(String, ByteString)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_own_home = snapshot.home.as_ref().is_none_or(|home| home.taken.is_some() || home.owner.is_none());
    for dir in &snapshot.caches {
        let readers = in_use.iter().filter(|(_, path)| *path == dir.path);
        let programs = readers.map(|(program, _)| program.clone()).collect();
        findings.extend(rules::of_cache(&CacheCase { user: &snapshot.user, is_own_home, dir, programs }));
    }
    findings
}
