//! Taking back a flush or an edit, unless stale entries would come back to life by that.

use std::collections::BTreeSet;

use super::quarantine::states;
use super::revival::{Revival, is_read_here, revival};
use super::revived::read_today;
use crate::error::{Error, Exit};
use crate::host::Caller;
use crate::observe::{Asking, Cards, ObserveOptions, Progress, observe};
use crate::opensc::config::Situation;
use crate::patience::{SILENCE, within};
use crate::repair::{
    Operation, OperationState, Return, UndoOutcome, UndoResult, UndoState, Undone, newest_first, operations,
    undo_in,
};
use crate::snapshot::{ByteString, CacheDir, Snapshot};

/// What was taken back.
#[derive(Debug)]
pub struct Undo {
    /// What came of it.
    pub undone: Undone,
    /// What would come, or came, back to life.
    pub revival: Revival,
    /// Whether entries of the quarantine were to come back.
    pub returns: bool,
    /// How much of what was put back, or would be, had been found stale or damaged where programs read it.
    pub stale: usize,
    /// And programs of today read it there.
    pub is_shown: bool,
    /// Nothing was done.
    pub dry_run: bool,
}

/// Takes back this operation, or the newest that is not undone yet. `force`: whatever was written since, or comes back to
/// life. `dry_run`: says what that would be.
///
/// # Errors
/// When there is no such operation, or nothing could be observed or moved at all.
pub fn undo(operation: Option<&str>, force: bool, dry_run: bool, progress: Progress) -> Result<Undo, Error> {
    let caller = Caller::current()?;
    let states = states(&caller)?;
    let known: Vec<Operation> = states.iter().filter_map(|state| operations(state).ok()).flatten().collect();
    places_answer(known.clone(), operation.map(str::to_owned))?;
    let mut found = Ok(Revival::default());
    let mut returns = false;
    let undone = undo_in(&states, operation, force, dry_run, &mut |back| {
        returns = !back.entries.is_empty();
        found = look(back, progress);
        found.as_ref().map_or(true, |found| !force && !found.revived.is_empty())
    })?;
    let stale = stale(&undone, &known);
    let is_shown = match stale.first() {
        Some(_) => {
            let here = look_without_cards(progress)?;
            let read = read_today(&here);
            let is_read = |dir: &CacheDir| read.directories().any(|path| *path == dir.path);
            let read: BTreeSet<ByteString> =
                here.caches.iter().filter(|dir| is_read(dir)).map(CacheDir::real_path).collect();
            stale.iter().any(|directory| read.contains(*directory))
        }
        None => false,
    };
    let stale = stale.len();
    Ok(Undo { stale, is_shown, undone, revival: found?, returns, dry_run })
}

/// The directories of what came back, or would, and had been taken because it was stale.
fn stale<'a>(undone: &'a Undone, known: &[Operation]) -> Vec<&'a ByteString> {
    let meant = known.iter().find(|one| Some(&one.id) == undone.operation.as_ref());
    let run = |one: &&Operation| meant.is_some_and(|meant| one.started_at == meant.started_at);
    let files: Vec<_> = known.iter().filter(run).flat_map(|one| &one.files).collect();
    let is_back = |outcome: &UndoOutcome| {
        matches!(outcome, UndoOutcome::Restored | UndoOutcome::Replaced(_) | UndoOutcome::Waiting)
    };
    let is_stale = |file: &&UndoResult| {
        is_back(&file.outcome)
            && undone.state == UndoState::Undone
            && files.iter().any(|kept| {
                (&kept.directory, &kept.name) == (&file.directory, &file.name) && kept.reason.was_stale()
            })
    };
    undone.files.iter().filter(is_stale).map(|file| &file.directory).collect()
}

/// Nothing is begun where a place does not answer that something would come back to.
fn places_answer(mut all: Vec<Operation>, operation: Option<String>) -> Result<(), Error> {
    let asked = within(SILENCE, move |pulse| {
        newest_first(&mut all);
        let meant = all.iter().find(|one| match &operation {
            Some(id) => one.id == *id,
            None => one.state != OperationState::Undone,
        });
        let Some(began) = meant.map(|meant| meant.started_at) else { return };
        for one in all.iter().filter(|one| one.started_at == began) {
            let files = one.files.iter().map(|file| &file.directory);
            for place in files.chain(one.edits.iter().map(|edit| &edit.directory)).collect::<BTreeSet<_>>() {
                // What is not there is said later on.
                let _ = std::fs::symlink_metadata(place.as_path());
                pulse.beat();
            }
        }
    });
    asked.map_err(|why| Error::Overdue { what: "a place that files would come back to", why })
}

fn look_without_cards(progress: Progress) -> Result<Snapshot, Error> {
    observe(&ObserveOptions { cards: Cards::None, status: false, asking: Asking::Never, progress })
}

/// What would come back to life.
fn look(back: &Return<'_>, progress: Progress) -> Result<Revival, Error> {
    let snapshot = look_without_cards(progress)?;
    let source = Situation::of(&snapshot).source();
    let text = back.text.filter(|(file, _)| is_read_here(file.as_path(), &source)).map(|(_, text)| text);
    Ok(revival(&snapshot, text, back.entries, progress)?.unwrap_or_default())
}

impl Undo {
    /// How the run ends.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self.undone.state {
            UndoState::Conflict | UndoState::Refused | UndoState::Incomplete => Exit::Failed,
            UndoState::Undone | UndoState::AlreadyUndone | UndoState::NothingToUndo => Exit::Clean,
        }
    }
}
