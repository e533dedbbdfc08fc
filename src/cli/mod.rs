//! What was typed: one file per command, each only wires the rooms together.

mod args;
mod audit;
mod check;
mod compare;
mod config;
mod explain;
mod fix;
mod flush;
mod generate;
mod ls;
mod output;
mod quarantine;
mod run;
mod show;
mod snapshot;
mod undo;
mod verify;
mod watch;

use std::ffi::OsString;

use clap::{Parser, Subcommand};

use crate::error::Exit;
use crate::judge::ending::State;
use crate::observe::{LOOK_ASIDE, allow_aside, serve_aside};
use crate::patience;
use crate::repair::config::{KEEPER, keep_until};
use crate::report::nagios;

/// Finds, explains and repairs stale OpenSC file caches.
///
/// OpenSC can keep the files of a smart card in an on-disk cache. When the card
/// changes elsewhere, nothing notices: key IDs, public keys and certificates are
/// shown that are no longer on the card. stalecard reads the card itself,
/// compares it with what OpenSC shows from its cache, and says what is wrong.
///
/// Without a command it runs `check`, which changes nothing.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, disable_help_subcommand = true, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    check: check::Args,
}

const EXIT_CODES: &str = "Exit codes: 0 nothing wrong or done; 1 findings at or above --fail-on; \
                          2 usage error or a repair that failed; 3 something could not be read.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Compare the card with what OpenSC shows (changes nothing)
    Check(check::Args),
    /// Prove by fresh signatures which keys are sound, or tell which key made a signature
    Verify(verify::Args),
    /// Tell which certificates, lists and signatures in files were made by another key than they name
    Audit(audit::Args),
    /// List the cache entries, decoded
    Ls(ls::Args),
    /// Show tokens, keys or entries, on the card and as OpenSC shows them
    Show(show::Args),
    /// Do what the findings call for, as far as that is safe; say what else to do
    Fix(fix::Args),
    /// Move stale cache entries to the quarantine
    Flush(flush::Args),
    /// Take back the newest repair, or the one named
    Undo(undo::Args),
    /// Look at what was taken out of caches, or let go of it
    Quarantine(quarantine::Args),
    /// Explain a finding: cause, symptoms, cure
    Explain(explain::Args),
    /// Show, check and change what opensc.conf says about the cache
    #[command(subcommand)]
    Config(config::Command),
    /// Run a command, with caching off for all OpenSC programs below it
    Run(run::Args),
    /// Write everything observed to a file, for later or for another host
    Snapshot(snapshot::Args),
    /// Put the snapshots of several hosts side by side: who shows what, and who is stale
    Compare(compare::Args),
    /// Check again whenever a card comes, a program lets go of one, or a cache changes
    Watch(watch::Args),
    /// Look for another process of this program at what may not answer
    #[command(hide = true, name = LOOK_ASIDE)]
    LookAside,
    /// Wait for the end of a process, and remove the configuration that it was given
    #[command(hide = true, name = KEEPER)]
    KeepAside { process: i32, directory: std::path::PathBuf },
    /// Write man pages and shell completions
    #[command(hide = true)]
    Generate(generate::Args),
}

/// What is said of what was typed wrongly, or is all that was asked for (help, version).
fn misunderstood(error: &clap::Error, format: Option<check::Format>) -> Exit {
    let exit = match (error.use_stderr(), format) {
        (false, _) => Exit::Clean,
        // Monitoring takes 2 for CRITICAL; what was typed wrongly is UNKNOWN.
        (true, Some(check::Format::Nagios)) => {
            let why = error.to_string();
            let line = nagios::failed(State::Unknown, why.lines().next().unwrap_or_default());
            // Nowhere to say that it could not be written.
            let _ = output::print(&(line + "\n"));
            Exit::NotRead
        }
        (true, _) => Exit::Failed,
    };
    match output::written(error.print()) {
        Err(why) if exit == Exit::Clean => {
            output::complain(&why.to_string());
            why.exit()
        }
        // Nowhere to say that a complaint could not be written.
        _ => exit,
    }
}

/// Runs the program: what was typed, done, and how it ended.
#[must_use]
pub fn run() -> Exit {
    let words: Vec<OsString> = std::env::args_os().collect();
    let cli = match Cli::try_parse_from(&words) {
        Ok(cli) => cli,
        Err(error) => return misunderstood(&error, check::Format::named_in(&words)),
    };
    allow_aside();
    let command = cli.command.unwrap_or(Command::Check(cli.check));
    if !matches!(command, Command::Watch(_) | Command::LookAside | Command::KeepAside { .. }) {
        // Whoever is told another time begins anew with it.
        args::Time::USUAL.begin();
    }
    let result = match command {
        Command::Check(args) => check::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Audit(args) => audit::run(&args),
        Command::Ls(args) => ls::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Fix(args) => fix::run(&args),
        Command::Flush(args) => flush::run(&args),
        Command::Undo(args) => undo::run(&args),
        Command::Quarantine(args) => quarantine::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Config(command) => config::run(&command),
        Command::Run(args) => run::run(&args),
        Command::Snapshot(args) => snapshot::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Watch(args) => watch::run(&args),
        Command::Generate(args) => generate::run(&args),
        Command::KeepAside { process, directory } => {
            keep_until(process, &directory, &mut std::io::stdout().lock());
            return Exit::Clean;
        }
        Command::LookAside => {
            serve_aside(std::io::stdin().lock(), std::io::stdout().lock());
            return Exit::Clean;
        }
    };
    match result {
        // Something did not answer, so not everything was looked at.
        Ok(Exit::Clean) if patience::was_lost() => {
            output::complain("something did not answer in time, so not everything was looked at");
            Exit::NotRead
        }
        Ok(exit) => exit,
        Err(error) => {
            output::complain(&error.to_string());
            error.exit()
        }
    }
}
