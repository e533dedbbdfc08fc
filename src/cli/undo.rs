//! `undo`: take back a flush, or an edit of the configuration.

use clap_complete::ArgValueCandidates;

use super::args::{Format, Rehearsal, Time, typed_for_real};
use super::complete::operations;
use super::output;
use crate::error::{Error, Exit};
use crate::fix::brief::undone as undone_brief;
use crate::fix::undo::undo;
use crate::report::lines::Screen;
use crate::report::{json::Answer, json::Document, repaired};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The operation, as `stalecard quarantine list` names it; without it the newest that is not undone yet
    #[arg(add = ArgValueCandidates::new(operations))]
    operation: Option<String>,
    /// Put files back even where others were written since; those go to the quarantine. Switch
    /// caching on again even if stale entries come back to life
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    rehearsal: Rehearsal,
    #[command(flatten)]
    time: Time,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub fn run(args: &Args, screen: &Screen) -> Result<Exit, Error> {
    args.time.begin();
    let done = undo(args.operation.as_deref(), args.force, args.rehearsal.dry_run, output::PROGRESS)?;
    let (undone, revival) = (&done.undone, &done.revival);
    let brief = undone_brief(&done, &typed_for_real());
    match args.format {
        Format::Human => {
            output::print(&repaired::undone(
                screen,
                undone,
                &revival.revived,
                &revival.notes,
                done.returns,
                &brief,
            ))?;
        }
        Format::Json => {
            let host = crate::host::hostname();
            let (revived, notes) = (&revival.revived, &revival.notes);
            let answer = Answer::Undo { dry_run: done.dry_run, undo: undone, revived, notes };
            let document = Document::of(answer, &host).changed(undone.changed);
            output::print_json(&document.brief(&brief, crate::host::clock::now()))?;
        }
    }
    Ok(args.rehearsal.exit(done.exit(), done.undone.changed))
}
