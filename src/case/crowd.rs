//! Many findings of one kind about the entries of one cache.
//!
//! Whoever can write to a cache can put a hundred thousand bad entries there. Nobody reads what is wrong with each,
//! so beyond a full card's leftovers only what a repair needs is kept of them, in one finding.

use crate::case::token::file_evidence;
use crate::finding::{Evidence, Finding};
use crate::snapshot::{CacheDir, CacheEntry};
use crate::text::count;

/// So many findings of one kind in one user's caches are told one by one: more than a full card leaves behind.
pub(crate) const ONE_BY_ONE: usize = 1000;

/// Names these entries in a finding about all of them: as evidence as many as anybody reads, the others for its repair.
pub(crate) fn name_entries(finding: &mut Finding, dir: &CacheDir, entries: &[&CacheEntry]) {
    let (told, others) = entries.split_at(entries.len().min(ONE_BY_ONE));
    let evidence =
        |entry: &&CacheEntry| Evidence { file: Some(file_evidence(dir, entry, None)), ..Evidence::default() };
    finding.evidence.extend(told.iter().map(evidence));
    finding.crowd.extend(others.iter().map(|entry| (dir.path.clone(), entry.name.bytes().clone())));
}

/// Findings of one rule about the entries of one directory.
pub(crate) struct Crowd<'a> {
    dir: &'a CacheDir,
    told: usize,
    rest: Option<Finding>,
}

impl<'a> Crowd<'a> {
    pub(crate) const fn new(dir: &'a CacheDir) -> Self {
        Self { dir, told: 0, rest: None }
    }

    /// Adds the finding about this entry; it is only made where it is told.
    pub(crate) fn add(
        &mut self,
        sink: &mut Vec<Finding>,
        entry: &CacheEntry,
        finding: impl FnOnce() -> Finding,
    ) {
        if self.told < ONE_BY_ONE {
            self.told += 1;
            sink.push(finding());
            return;
        }
        let rest =
            self.rest.get_or_insert_with(|| Finding { object: None, evidence: Vec::new(), ..finding() });
        rest.crowd.push((self.dir.path.clone(), entry.name.bytes().clone()));
    }

    /// Adds what stands for all that were not told.
    pub(crate) fn end(self, sink: &mut Vec<Finding>) {
        if let Some(mut rest) = self.rest {
            let more = count(rest.crowd.len(), "more entry is", "more entries are");
            rest.summary =
                format!("{more} like this in {}, beside the {ONE_BY_ONE} told one by one.", self.dir.path)
                    .into();
            sink.push(rest);
        }
    }
}
