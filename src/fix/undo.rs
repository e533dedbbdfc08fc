//! Taking back a flush or an edit, unless stale entries would come back to life by that.

use super::revival::{Revival, is_read_here, revival};
use crate::error::{Error, Exit};
use crate::host::Caller;
use crate::observe::{Cards, Progress, Wish, observe};
use crate::opensc::config::Situation;
use crate::repair::{Return, StateDir, UndoState, Undone, undo_in};

/// What was taken back.
#[derive(Debug)]
pub struct Undo {
    /// What came of it.
    pub undone: Undone,
    /// What would come, or came, back to life.
    pub revival: Revival,
    /// Whether entries of the quarantine were to come back.
    pub returns: bool,
}

/// Takes back this operation, or the newest. `force`: whatever was written since, or comes back to life.
///
/// # Errors
/// When there is no such operation, or nothing could be observed or moved at all.
pub fn undo(operation: Option<&str>, force: bool, progress: Progress) -> Result<Undo, Error> {
    let caller = Caller::current()?;
    let states = StateDir::all(&caller)?;
    let mut found = Ok(Revival::default());
    let mut returns = false;
    let undone = undo_in(&states, operation, force, &mut |back| {
        returns = !back.entries.is_empty();
        found = look(back, progress);
        found.as_ref().map_or(true, |found| !force && !found.revived.is_empty())
    })?;
    Ok(Undo { undone, revival: found?, returns })
}

/// What would come back to life.
fn look(back: &Return<'_>, progress: Progress) -> Result<Revival, Error> {
    let snapshot = observe(&Wish { cards: Cards::None, status: false, progress })?;
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
