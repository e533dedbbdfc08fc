//! Putting in place of what was moved what OpenSC itself writes of the card today, so that the next listing is neither old nor
//! slow. What OpenSC would write is found on a copy ([`crate::observe::next_listing`]); whatever keeps it from being found or
//! put there leaves the flush as it is, and is told: the next listing fills it.

use std::collections::{BTreeMap, BTreeSet};

use super::caches::Agreed;
use crate::host::Caller;
use crate::observe::{Progress, next_listing};
use crate::repair::{
    self, NewEntry, NotRefilled, Outcome, Plan, Refill, Refilled, Run, StateDir, refill_in, rehearse_refill,
};
use crate::snapshot::{ByteString, Inode, Snapshot};
use crate::text::escape;

/// An entry: its real directory, and its name there.
pub(super) type Entry = (ByteString, ByteString);

/// Rights of an entry, if there is none to learn them from.
const USUAL_RIGHTS: u32 = 0o644;

/// Who fills, and how.
pub(super) struct Filler<'a> {
    pub(super) caller: &'a Caller,
    pub(super) agreed: Agreed,
    pub(super) progress: Progress,
    /// What was to be moved, as it was.
    pub(super) planned: &'a BTreeMap<Entry, Inode>,
}

/// What a plan moves, as it was.
pub(super) fn planned(plan: &Plan) -> impl Iterator<Item = (Entry, Inode)> {
    plan.steps.iter().map(|step| ((step.directory.clone(), step.name.clone()), step.expect.inode))
}

/// What went to the quarantine, or would.
pub(super) fn moved(steps: &[(ByteString, ByteString, Outcome)]) -> BTreeSet<Entry> {
    let moved = steps.iter().filter(|(.., outcome)| *outcome == Outcome::Moved);
    moved.map(|(directory, name, _)| (directory.clone(), name.clone())).collect()
}

/// Adds what came of a later try to what came of the earlier ones.
pub(super) fn join(all: &mut Refilled, new: Refilled) {
    let is_new = |known: &Refill| {
        new.entries.iter().any(|one| (&one.directory, &one.name) == (&known.directory, &known.name))
    };
    all.entries.retain(|known| !is_new(known));
    all.left.retain(|known| !new.left.iter().any(|one| one.what == known.what));
    all.operations.extend(new.operations);
    all.entries.extend(new.entries);
    all.left.extend(new.left);
}

impl Filler<'_> {
    /// Fills the caches as they are in the snapshot, of the cards that these entries are of.
    pub(super) fn refill(&self, snapshot: &Snapshot, moved: &BTreeSet<Entry>, run: &mut Run) -> Refilled {
        let mut refilled = Refilled::default();
        if moved.is_empty() {
            return refilled;
        }
        let next = next_listing(snapshot, moved, self.progress);
        refilled.left.extend(next.left.into_iter().map(|(what, why)| NotRefilled { what, why }));
        let mut of_owner: BTreeMap<u32, Vec<NewEntry>> = BTreeMap::new();
        for entry in next.entries {
            let mode = self.rights_of(&(entry.directory.clone(), entry.name.clone()));
            let new = NewEntry { directory: entry.directory, name: entry.name, content: entry.content, mode };
            of_owner.entry(self.owner(&new.directory)).or_default().push(new);
        }
        for (owner, entries) in of_owner {
            match self.put(owner, &entries, run) {
                Ok((operation, told)) => {
                    refilled.operations.extend(operation);
                    refilled.entries.extend(told);
                }
                Err(why) => {
                    let what = entries.first().map(|entry| escape(&entry.directory.0)).unwrap_or_default();
                    refilled.left.push(NotRefilled { what, why });
                }
            }
        }
        refilled
    }

    fn put(
        &self,
        owner: u32,
        entries: &[NewEntry],
        run: &mut Run,
    ) -> Result<(Option<String>, Vec<Refill>), String> {
        let consent = self.agreed.consent;
        if self.agreed.dry_run {
            return Ok((None, rehearse_refill(entries, consent)));
        }
        let state = StateDir::of(self.caller, owner).map_err(|error| error.to_string())?;
        repair::is_there(&state).map_err(|why| format!("the quarantine does not answer: {why}"))?;
        refill_in(entries, consent, &state, run).map_err(|error| error.to_string())
    }

    /// Its own rights, as they were; of a new one those of another that was there.
    fn rights_of(&self, entry: &Entry) -> u32 {
        let of_another = || self.another_in(&entry.0).map(|inode| inode.mode);
        self.planned.get(entry).map(|inode| inode.mode).or_else(of_another).unwrap_or(USUAL_RIGHTS)
    }

    /// Whose the entries of a directory were.
    fn owner(&self, directory: &ByteString) -> u32 {
        self.another_in(directory).map_or(self.caller.user.uid, |inode| inode.uid)
    }

    fn another_in(&self, directory: &ByteString) -> Option<&Inode> {
        self.planned.iter().find(|((known, _), _)| known == directory).map(|(_, inode)| inode)
    }
}
