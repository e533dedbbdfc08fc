//! `undo`: take back a flush, or an edit of the configuration.

use serde_json::json;

use super::args::{Format, Time};
use super::output;
use super::revival::{Revival, is_read_here, revival};
use crate::error::{Error, Exit};
use crate::observe::{Cards, Wish, observe};
use crate::opensc::config::Situation;
use crate::repair::{self, StateDir, UndoState};
use crate::report::{edited, json::Document, json::SCHEMA, repaired};
use crate::snapshot::Name;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The operation, as `stalecard quarantine list` names it; without it the newest
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
    let states = StateDir::all(&caller)?;
    let mut found = Ok(Revival { revived: Vec::new(), notes: Vec::new() });
    let undone = repair::undo_in(&states, args.operation.as_deref(), args.force, &mut |file, text| {
        found = look(file, text);
        found.as_ref().map_or(true, |found| !args.force && !found.revived.is_empty())
    })?;
    let Revival { revived, notes } = found?;
    match args.format {
        Format::Human => {
            let lead = repaired::undone(&undone);
            let command = format!("`stalecard undo {}`", undone.operation.as_deref().unwrap_or_default());
            let more = match undone.state {
                UndoState::Refused => edited::refusal(&revived, &command),
                UndoState::Undone => edited::alive(&revived, &notes),
                _ => String::new(),
            };
            output::print(&(lead + &more))?;
        }
        Format::Json => {
            let host = crate::host::hostname();
            let document = Document {
                schema: SCHEMA,
                command: "undo",
                changed: undone.changed,
                host: &host,
                tokens: &[],
                programs: &[],
                findings: &[],
                coverage: &[],
            };
            output::print_json(
                &document.with(json!({ "undo": undone, "revived": revived, "notes": notes })),
            )?;
        }
    }
    Ok(match undone.state {
        UndoState::Conflict | UndoState::Refused | UndoState::Incomplete => Exit::Failed,
        UndoState::Undone | UndoState::AlreadyUndone | UndoState::NothingToUndo => Exit::Clean,
    })
}

/// What an old configuration would bring back to life.
fn look(file: &Name, text: Option<&[u8]>) -> Result<Revival, Error> {
    let snapshot = observe(&Wish { cards: Cards::None, status: false })?;
    let none = Revival { revived: Vec::new(), notes: Vec::new() };
    if !is_read_here(file.as_path(), &Situation::of(&snapshot).source()) {
        return Ok(none);
    }
    Ok(revival(&snapshot, text)?.unwrap_or(none))
}
