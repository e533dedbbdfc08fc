//! `config show`: what the configuration means for each program.

use std::path::PathBuf;

use clap_complete::ArgValueCandidates;

use crate::cli::args::{Format, Time, host_or, screen_of};
use crate::cli::complete::programs;
use crate::cli::output;
use crate::error::{Error, Exit};
use crate::listing::settings::{Wanted, settings};
use crate::opensc::program::real_path;
use crate::report::lines::Screen;
use crate::report::{config, json::Answer, json::Document};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this program: pkcs15-tool, opensc-pkcs11 (any application that loads the module) …
    #[arg(long = "for", value_name = "PROGRAM", conflicts_with = "exe", add = ArgValueCandidates::new(programs))]
    program: Option<String>,
    /// Only the program with this executable; from OpenSC 0.24 it may have a block of its own
    #[arg(long, value_name = "PATH")]
    exe: Option<PathBuf>,
    /// Show the configuration in this snapshot file instead of this machine's
    #[arg(long, value_name = "FILE")]
    snapshot: Option<PathBuf>,
    #[command(flatten)]
    time: Time,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub fn run(args: &Args, screen: &Screen) -> Result<Exit, Error> {
    args.time.begin();
    let snapshot = host_or(args.snapshot.as_deref())?;
    let wanted = match (&args.program, &args.exe) {
        (Some(program), _) => Wanted::Called(program),
        // A snapshot of another host says nothing of this host's links.
        (None, Some(exe)) if args.snapshot.is_some() => Wanted::Executable(exe.as_path().into()),
        (None, Some(exe)) => Wanted::Executable(real_path(exe)),
        (None, None) => Wanted::All,
    };
    let Some(settings) = settings(&snapshot, &wanted) else {
        return Err(Error::NoProgramCalled(args.program.clone().unwrap_or_default()));
    };
    match args.format {
        Format::Human => {
            let screen = &screen_of(screen, args.snapshot.as_deref(), &snapshot);
            let one = matches!(wanted, Wanted::Called(_) | Wanted::Executable(_));
            output::print(&if one {
                config::one(screen, &settings)
            } else {
                config::table(screen, &settings)
            })?;
        }
        Format::Json => {
            let states = settings.states();
            let answer = Answer::ConfigShow { config: &settings };
            let document = Document::of(answer, &snapshot.host).programs(&states);
            output::print_json(&document.coverage(&snapshot.coverage))?;
        }
    }
    Ok(if settings.is_decided() { Exit::Clean } else { Exit::NotRead })
}
