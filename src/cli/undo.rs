//! `undo`: take back a flush, or an edit of the configuration.

use super::args::{Format, Time};
use super::output;
use crate::error::{Error, Exit};
use crate::fix::revival::{Revival, is_read_here, revival};
use crate::observe::{Cards, Wish, observe};
use crate::opensc::config::Situation;
use crate::repair::{self, Return, StateDir, UndoState};
use crate::report::{edited, json::Answer, json::Document, json::SCHEMA, repaired};

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

/// What would come back to life.
fn look(back: &Return<'_>) -> Result<Revival, Error> {
    let snapshot = observe(&Wish { cards: Cards::None, status: false })?;
    let source = Situation::of(&snapshot).source();
    let text = back.text.filter(|(file, _)| is_read_here(file.as_path(), &source)).map(|(_, text)| text);
    let none = Revival { revived: Vec::new(), notes: Vec::new() };
    Ok(revival(&snapshot, text, back.entries)?.unwrap_or(none))
}
