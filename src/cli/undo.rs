//! `undo`: take back a flush, or an edit of the configuration.

use serde_json::json;

use super::args::Format;
use super::output;
use crate::error::{Error, Exit};
use crate::repair::{self, StateDir, UndoState};
use crate::report::{human, json::Document, json::SCHEMA};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The operation, as `stalecard quarantine list` names it; without it the newest
    operation: Option<String>,
    /// Put files back even where others were written since; those go to the quarantine
    #[arg(long)]
    force: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub fn run(args: &Args) -> Result<Exit, Error> {
    let caller = crate::host::Caller::current()?;
    let states = StateDir::all(&caller)?;
    let undone = repair::undo_in(&states, args.operation.as_deref(), args.force)?;
    match args.format {
        Format::Human => output::print(&human::undone(&undone))?,
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
            output::print_json(&document.with(json!({ "undo": undone })))?;
        }
    }
    Ok(match undone.state {
        UndoState::Conflict | UndoState::Incomplete => Exit::Failed,
        UndoState::Undone | UndoState::AlreadyUndone | UndoState::NothingToUndo => Exit::Clean,
    })
}
