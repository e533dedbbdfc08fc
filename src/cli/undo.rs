//! `undo`: take back a flush, or an edit of the configuration.

use std::collections::BTreeSet;

use super::args::{Format, Time};
use super::output;
use super::quarantine::states;
use crate::error::{Error, Exit};
use crate::fix::revival::{Revival, is_read_here, revival};
use crate::observe::{Cards, Wish, observe};
use crate::opensc::config::Situation;
use crate::patience::{SILENCE, within};
use crate::repair::{self, Operation, OperationState, Return, StateDir, UndoState, newest_first, operations};
use crate::report::{edited, json::Answer, json::Document, json::SCHEMA, repaired};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The operation, as `stalecard quarantine list` names it; without it the newest that is not undone yet
    operation: Option<String>,
    /// Put files back even where others were written since; those go to the quarantine. Switch
    /// caching on again even if stale entries come back to life
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    time: Time,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub fn run(args: &Args) -> Result<Exit, Error> {
    args.time.begin();
    let caller = crate::host::Caller::current()?;
    let states = states(&caller)?;
    places_answer(&states, args.operation.clone())?;
    let mut found = Ok(Revival { revived: Vec::new(), notes: Vec::new() });
    let mut returns = false;
    let undone = repair::undo_in(&states, args.operation.as_deref(), args.force, &mut |back| {
        returns = !back.entries.is_empty();
        found = look(back);
        found.as_ref().map_or(true, |found| !args.force && !found.revived.is_empty())
    })?;
    let Revival { revived, notes } = found?;
    match args.format {
        Format::Human => {
            let lead = repaired::undone(&undone);
            let command = format!("`stalecard undo {}`", undone.operation.as_deref().unwrap_or_default());
            let more = match undone.state {
                UndoState::Refused => edited::refusal(&revived, &command, returns),
                UndoState::Undone => edited::alive(&revived, &notes),
                _ => String::new(),
            };
            output::print(&(lead + &more))?;
        }
        Format::Json => {
            let host = crate::host::hostname();
            let document = Document {
                schema: SCHEMA,
                changed: undone.changed,
                host: &host,
                tokens: &[],
                programs: &[],
                findings: &[],
                coverage: &[],
                answer: Answer::Undo { undo: &undone, revived: &revived, notes: &notes },
            };
            output::print_json(&document.value())?;
        }
    }
    Ok(match undone.state {
        UndoState::Conflict | UndoState::Refused | UndoState::Incomplete => Exit::Failed,
        UndoState::Undone | UndoState::AlreadyUndone | UndoState::NothingToUndo => Exit::Clean,
    })
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
fn look(back: &Return<'_>) -> Result<Revival, Error> {
    let snapshot = observe(&Wish { cards: Cards::None, status: false })?;
    let source = Situation::of(&snapshot).source();
    let text = back.text.filter(|(file, _)| is_read_here(file.as_path(), &source)).map(|(_, text)| text);
    let none = Revival { revived: Vec::new(), notes: Vec::new() };
    Ok(revival(&snapshot, text, back.entries)?.unwrap_or(none))
}
