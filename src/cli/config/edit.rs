//! What `disable-cache` and `enable-cache` have in common.

use std::path::PathBuf;

use clap_complete::ArgValueCandidates;

use crate::cli::args::{Format, Rehearsal, Time, look_at_host, typed_for_real};
use crate::cli::complete::programs;
use crate::cli::output;
use crate::error::{Error, Exit};
use crate::fix::brief::edited;
use crate::fix::config::{Edit, Programs, edit};
use crate::repair::Run;
use crate::repair::config::Goal;
use crate::report::edited::human;
use crate::report::json::{Answer, Document};
use crate::report::lines::Screen;

#[derive(Debug, clap::Args)]
pub struct EditArgs {
    /// Only for the program with this application name (`pkcs15-tool`; `opensc-pkcs11` is any
    /// application that loads the module)
    #[arg(long, value_name = "NAME", conflicts_with = "exe", add = ArgValueCandidates::new(programs))]
    app: Option<String>,
    /// Only for the program with this executable (OpenSC 0.24 and later)
    #[arg(long, value_name = "PATH")]
    exe: Option<PathBuf>,
    /// Edit this file instead of the one that OpenSC reads here
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    rehearsal: Rehearsal,
    /// Show the change as a unified diff
    #[arg(long)]
    diff: bool,
    /// Also a file that belongs to another user
    #[arg(long)]
    guarded: bool,
    #[command(flatten)]
    time: Time,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Edits, and says so. `force`: also if stale entries come back to life, or the last copy of a right public key is
/// hidden.
pub fn run(
    args: &EditArgs,
    goal: Goal,
    command: &'static str,
    force: bool,
    screen: &Screen,
) -> Result<Exit, Error> {
    args.time.begin();
    let snapshot = look_at_host()?;
    let programs = match (&args.app, &args.exe) {
        (Some(app), _) => Programs::Called(app),
        (None, Some(exe)) => Programs::Executable(exe),
        (None, None) => Programs::All,
    };
    let wanted = Edit {
        goal,
        command,
        programs,
        file: args.file.as_deref(),
        dry_run: args.rehearsal.dry_run,
        diff: args.diff,
        guarded: args.guarded,
        force,
        offline: false,
        progress: output::PROGRESS,
    };
    let report = edit(&wanted, &snapshot, &mut Run::begin())?;
    match args.format {
        Format::Human => {
            output::print(&human(screen, &report, &edited(&report, goal, programs, &typed_for_real())))?;
        }
        Format::Json => {
            let answer = match goal {
                Goal::Off => Answer::DisableCache { edit: &report },
                Goal::Public | Goal::Yes => Answer::EnableCache { edit: &report },
            };
            let document = Document::of(answer, &snapshot.host).changed(report.changed());
            output::print_json(&document.coverage(&snapshot.coverage))?;
        }
    }
    let exit = if report.failed() { Exit::Failed } else { Exit::Clean };
    Ok(args.rehearsal.exit(exit, report.changed()))
}
