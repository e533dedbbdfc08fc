//! Putting in place of what was moved what OpenSC itself writes of the card today, so that the next listing is neither old nor
//! slow. What OpenSC would write is found on a copy ([`crate::observe::next_listing`]); whatever keeps it from being found or
//! put there leaves the flush as it is, and is told: the next listing fills it.

use std::collections::{BTreeMap, BTreeSet};

use crate::host::Caller;
use crate::observe::{Progress, next_listing};
use crate::repair::{
    self, Consent, NewEntry, NotRefilled, Outcome, Plan, Refill, Refilled, Run, StateDir, refill_in,
    rehearse_refill,
};
use crate::snapshot::{ByteString, EntryName, Inode, Snapshot};
use crate::text::escape;

/// An entry: its real directory, and its name there.
pub(super) type Entry = (ByteString, EntryName);

/// Rights of an entry, if there is none to learn them from.
const USUAL_RIGHTS: u32 = 0o644;

/// Who fills, and how.
pub(super) struct Filler<'a> {
    pub(super) caller: &'a Caller,
    pub(super) consent: Consent,
    /// Nothing is done; it is said what would be.
    pub(super) dry_run: bool,
    pub(super) progress: Progress,
    /// What was to be moved, as it was.
    pub(super) planned: &'a BTreeMap<Entry, Inode>,
}

/// What a plan moves out of the caches of a snapshot, as it was.
pub(super) fn planned(snapshot: &Snapshot, plan: &Plan) -> BTreeMap<Entry, Inode> {
    let steps: BTreeSet<(&ByteString, &ByteString)> =
        plan.steps.iter().map(|step| (&step.directory, &step.name)).collect();
    let mut planned = BTreeMap::new();
    for dir in &snapshot.caches {
        let real = dir.real_path();
        for entry in dir.entries.iter().filter(|entry| steps.contains(&(&real, entry.name.bytes()))) {
            planned.insert((real.clone(), entry.name.clone()), entry.inode);
        }
    }
    planned
}

/// What of it went to the quarantine, or would.
pub(super) fn moved(
    planned: &BTreeMap<Entry, Inode>,
    steps: &[(ByteString, ByteString, Outcome)],
) -> BTreeSet<Entry> {
    let moved = steps.iter().filter(|(.., outcome)| *outcome == Outcome::Moved);
    let moved: BTreeSet<(&ByteString, &ByteString)> =
        moved.map(|(directory, name, _)| (directory, name)).collect();
    planned.keys().filter(|(directory, name)| moved.contains(&(directory, name.bytes()))).cloned().collect()
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
            let mode = self.rights_of(&entry.directory, &entry.name);
            let name = entry.name.bytes().clone();
            let new = NewEntry { directory: entry.directory, name, content: entry.content, mode };
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
        let consent = self.consent;
        if self.dry_run {
            return Ok((None, rehearse_refill(entries, consent)));
        }
        let state = StateDir::of(self.caller, owner).map_err(|error| error.to_string())?;
        repair::is_there(&state).map_err(|why| format!("the quarantine does not answer: {why}"))?;
        refill_in(entries, consent, &state, run).map_err(|error| error.to_string())
    }

    /// Its own rights, as they were; of a new one those of another that was there.
    fn rights_of(&self, directory: &ByteString, name: &EntryName) -> u32 {
        let own = self.planned.get(&(directory.clone(), name.clone()));
        own.or_else(|| self.another_in(directory)).map_or(USUAL_RIGHTS, |inode| inode.mode)
    }

    /// Whose the entries of a directory were.
    fn owner(&self, directory: &ByteString) -> u32 {
        self.another_in(directory).map_or(self.caller.user.uid, |inode| inode.uid)
    }

    fn another_in(&self, directory: &ByteString) -> Option<&Inode> {
        self.planned.iter().find(|((known, _), _)| known == directory).map(|(_, inode)| inode)
    }
}
