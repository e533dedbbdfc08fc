//! `undo`: take back a flush, or an edit of the configuration.

use super::args::{Format, Time};
use super::output;
use crate::error::{Error, Exit};
use crate::fix::undo::undo;
use crate::report::{json::Document, repaired};

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
    let done = undo(args.operation.as_deref(), args.force, output::PROGRESS)?;
    let (undone, revival) = (&done.undone, &done.revival);
    match args.format {
        Format::Human => {
            output::print(&repaired::undone(undone, &revival.revived, &revival.notes, done.returns))?;
        }
        Format::Json => {
            let host = crate::host::hostname();
            let document = Document::of("undo", &host).changed(undone.changed).with("undo", undone)?;
            let document = document.with("revived", &revival.revived)?;
            output::print_json(document.with("notes", &revival.notes)?)?;
        }
    }
    Ok(done.exit())
}
