//! What became of each finding: cured, and not only acted upon. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::caches::Done;
use crate::finding::{Finding, Matter};
use crate::repair::{Became, Outcome, Repaired};
use crate::snapshot::ByteString;

/// What became of each finding on one user's caches.
#[must_use]
pub fn what_became(done: &Done, dry_run: bool) -> Vec<Repaired> {
    let mut steps: BTreeMap<&ByteString, Vec<(&ByteString, &Outcome)>> = BTreeMap::new();
    for (directory, name, outcome) in &done.steps {
        steps.entry(name).or_default().push((directory, outcome));
    }
    let remaining: BTreeSet<Matter> = done.after.findings.iter().flat_map(Finding::matters).collect();
    let of = |finding: &Finding| {
        let files = finding.evidence.iter().filter_map(|evidence| evidence.file.as_ref());
        let files = files.map(|file| (&file.directory, &file.name));
        let files = files.chain(finding.crowd.iter().map(|(directory, name)| (directory, name)));
        let outcomes = files.filter_map(|(directory, name)| {
            let known = steps.get(name)?;
            // A linked directory was repaired where it really is.
            let (_, outcome) = known.iter().find(|(dir, _)| *dir == directory).or(known.first())?;
            Some(*outcome)
        });
        let (mut tried, mut fails, mut refused) = (false, false, None);
        for outcome in outcomes {
            match outcome {
                Outcome::NeedsConsent(level) => refused = Some(Became::needs(*level)),
                Outcome::AlreadyGone => {}
                // What a rehearsal fails at is not even tried.
                Outcome::Failed(_) if dry_run => fails = true,
                Outcome::Moved | Outcome::Removed | Outcome::Failed(_) | Outcome::Changed(_) => tried = true,
            }
        }
        let remains = finding.matters().iter().any(|matter| remaining.contains(matter));
        match (tried, refused) {
            (_, Some(refused)) => refused,
            _ if fails => Became::NotCured,
            (true, None) if dry_run => Became::WouldTry,
            (true, None) if remains => Became::NotCured,
            (true, None) if done.after.unproven.iter().any(|key| key.concerns(finding)) => Became::Unproven,
            (true, None) => Became::Cured,
            (false, None) if !remains && !dry_run => Became::Gone,
            // No step is made for what has to be named, or is no file.
            (false, None) => Became::Manual,
        }
    };
    done.before
        .findings
        .iter()
        .map(|finding| Repaired { result: of(finding), finding: finding.clone() })
        .collect()
}

/// Leaves of what several users have in common one.
pub fn say_once(repairs: &mut Vec<Repaired>) {
    let mut said = BTreeSet::new();
    repairs.retain(|Repaired { finding, .. }| {
        !finding.evidence.is_empty()
            || said.insert((finding.id, finding.token.clone(), finding.summary.clone()))
    });
}
