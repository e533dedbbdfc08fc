//! Taking back a flush or an edit, unless stale entries would come back to life by that.

use std::collections::BTreeSet;

use super::quarantine::states;
use super::revival::{Revival, is_read_here, revival};
use crate::error::{Error, Exit};
use crate::host::Caller;
use crate::observe::{Asking, Cards, ObserveOptions, Progress, observe};
use crate::opensc::config::Situation;
use crate::patience::{SILENCE, within};
use crate::repair::{
    Operation, OperationState, Return, StateDir, UndoState, Undone, newest_first, operations, undo_in,
};

/// What was taken back.
#[derive(Debug)]
pub struct Undo {
    /// What came of it.
    pub undone: Undone,
    /// What would come, or came, back to life.
    pub revival: Revival,
    /// Whether entries of the quarantine were to come back.
    pub returns: bool,
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
    places_answer(&states, operation.map(str::to_owned))?;
    let mut found = Ok(Revival::default());
    let mut returns = false;
    let undone = undo_in(&states, operation, force, dry_run, &mut |back| {
        returns = !back.entries.is_empty();
        found = look(back, progress);
        found.as_ref().map_or(true, |found| !force && !found.revived.is_empty())
    })?;
    Ok(Undo { undone, revival: found?, returns, dry_run })
}

/// Nothing is begun where a place does not answer that something would come back to.
fn places_answer(states: &[StateDir], operation: Option<String>) -> Result<(), Error> {
    let found = states.iter().filter_map(|state| operations(state).ok());
    let mut all: Vec<Operation> = found.flatten().collect();
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

/// What would come back to life.
fn look(back: &Return<'_>, progress: Progress) -> Result<Revival, Error> {
    let snapshot =
        observe(&ObserveOptions { cards: Cards::None, status: false, asking: Asking::Never, progress })?;
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
