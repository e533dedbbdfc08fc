//! What was typed: one file per command, each only wires the rooms together.

mod args;
mod audit;
mod check;
mod compare;
mod complete;
mod config;
mod explain;
mod fault;
mod fix;
mod flush;
mod generate;
mod ls;
mod output;
mod quarantine;
mod report;
mod run;
mod screen;
mod show;
mod snapshot;
mod undo;
mod verify;
mod watch;

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use clap::{CommandFactory, Parser, Subcommand};

use crate::error::{Error, Exit};
use crate::judge::ending::State;
use crate::log;
use crate::observe::{LIST_MODULE, LOOK_ASIDE, allow_aside, serve_aside, serve_module};
use crate::patience;
use crate::repair::config::{KEEPER, keep_until};
use crate::report::json::Failure;
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
    #[command(flatten)]
    everywhere: Everywhere,
    #[command(flatten)]
    verbosity: screen::Verbosity,
}

/// Options of all commands.
#[derive(Debug, Clone, clap::Args)]
struct Everywhere {
    /// Colour what is made for people
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t)]
    color: Color,
    /// Write what is sent to the card and what it answers to this file (mode 0600), for a bug report; PINs, the content of
    /// files and what keys answer are left out
    #[arg(long, global = true, value_name = "FILE")]
    log: Option<PathBuf>,
}

/// When to colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Color {
    /// On a terminal
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Everywhere {
    /// From now on.
    fn begin(&self) -> Result<(), Error> {
        match self.color {
            Color::Auto => {}
            Color::Always => anstream::ColorChoice::Always.write_global(),
            Color::Never => anstream::ColorChoice::Never.write_global(),
        }
        let Some(path) = &self.log else { return Ok(()) };
        let open = || {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed()).open(path)
        };
        let file =
            open().map_err(|source| Error::Io { what: "cannot write to", path: path.clone(), source })?;
        log::begin(Box::new(file));
        log::line(|| format!("stalecard {} on {}", env!("CARGO_PKG_VERSION"), crate::host::hostname()));
        Ok(())
    }
}

const EXIT_CODES: &str = "Exit codes: 0 nothing wrong or done; 1 findings at or above --fail-on; 2 usage error or a \
                          repair that failed; 3 something could not be read; 4 something would change (--dry-run \
                          --exit-code). `run` ends as its command does, or with 126 or 127, as in a shell, if that \
                          cannot be run.";

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
    /// Write a report for other eyes: one HTML file, or Markdown for a forum
    Report(report::Args),
    /// Check again whenever a card comes, a program lets go of one, or a cache changes
    Watch(watch::Args),
    /// Look for another process of this program at what may not answer
    #[command(hide = true, name = LOOK_ASIDE)]
    LookAside,
    /// Wait for the end of a process, and remove the configuration that it was given
    #[command(hide = true, name = KEEPER)]
    KeepAside { process: i32, directory: PathBuf },
    /// Load a PKCS#11 module for another process of this program
    #[command(hide = true, name = LIST_MODULE)]
    ListModule { module: PathBuf },
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
        (true, json) => {
            if json == Some(check::Format::Json) {
                let message = crate::text::tame_lines(error.to_string().trim_end());
                output::print_failure(None, Failure { message, exit_code: Exit::Failed.code() });
            }
            Exit::Failed
        }
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

/// With the options of all commands behind the command, where they stood before it: without a command they are options of `check`.
fn in_order(mut words: Vec<OsString>) -> Vec<OsString> {
    let mut leading = 0;
    while let Some(word) = words.get(leading + 1).and_then(|word| word.to_str()) {
        leading += match word {
            "-v" | "--verbose" | "-q" | "--quiet" => 1,
            "--color" | "--log" => 2,
            _ if word.starts_with("--color=") || word.starts_with("--log=") => 1,
            _ => break,
        };
    }
    let command = words.get(leading + 1).and_then(|word| Cli::command().find_subcommand(word).map(|_| ()));
    if let Some(place) = command.and_then(|()| words.get_mut(1..=leading + 1)) {
        place.rotate_right(1);
    }
    words
}

/// Runs the program: what was typed, done, and how it ended.
#[must_use]
pub fn run() -> Exit {
    fault::begin();
    fault::caught(done)
}

fn done() -> Exit {
    complete::answer();
    let words = in_order(std::env::args_os().collect());
    let cli = match Cli::try_parse_from(&words) {
        Ok(cli) => cli,
        Err(error) => return misunderstood(&error, check::Format::named_in(&words)),
    };
    allow_aside();
    output::tell_so(cli.verbosity.manner());
    let screen = &cli.verbosity.screen();
    let command = cli.command.unwrap_or(Command::Check(cli.check));
    // What follows these is not ours.
    let is_ours =
        !matches!(command, Command::Run(_) | Command::Explain(_) | Command::Report(_) | Command::Generate(_));
    let wants_json = is_ours && check::Format::named_in(&words) == Some(check::Format::Json);
    let name = command.name();
    let fail = |error: &Error| {
        output::complain(&error.to_string());
        if wants_json {
            output::print_failure(Some(name), Failure::of(error));
        }
        error.exit()
    };
    if let Err(error) = cli.everywhere.begin() {
        return fail(&error);
    }
    log::line(|| name.to_owned());
    if !matches!(command, Command::Watch(_) | Command::LookAside | Command::KeepAside { .. }) {
        // Whoever is told another time begins anew with it.
        args::Time::USUAL.begin();
    }
    let result = match command {
        Command::Check(args) => check::run(&args, screen),
        Command::Verify(args) => verify::run(&args, screen),
        Command::Audit(args) => audit::run(&args, screen),
        Command::Ls(args) => ls::run(&args, screen),
        Command::Show(args) => show::run(&args, screen),
        Command::Fix(args) => fix::run(&args, screen),
        Command::Flush(args) => flush::run(&args, screen),
        Command::Undo(args) => undo::run(&args, screen),
        Command::Quarantine(args) => quarantine::run(&args, screen),
        Command::Explain(args) => explain::run(&args, screen),
        Command::Config(command) => config::run(&command, screen),
        Command::Run(args) => run::run(&args),
        Command::Snapshot(args) => snapshot::run(&args, screen),
        Command::Compare(args) => compare::run(&args, screen),
        Command::Report(args) => report::run(&args, screen),
        Command::Watch(args) => watch::run(&args, screen),
        Command::Generate(args) => generate::run(&args),
        Command::KeepAside { process, directory } => {
            keep_until(process, &directory, &mut std::io::stdout().lock());
            return Exit::Clean;
        }
        Command::ListModule { module } => {
            serve_module(&module);
            return Exit::Clean;
        }
        Command::LookAside => {
            serve_aside(std::io::stdin().lock(), std::io::stdout().lock());
            return Exit::Clean;
        }
    };
    let exit = match result {
        // Something did not answer, so not everything was looked at.
        Ok(Exit::Clean) if patience::was_lost() => {
            output::complain("not everything was looked at: see what is named as not read");
            Exit::NotRead
        }
        Ok(exit) => exit,
        Err(error) => fail(&error),
    };
    log::line(|| format!("exit code {}", exit.code()));
    exit
}

impl Command {
    /// Its name in JSON.
    const fn name(&self) -> &'static str {
        match self {
            Self::Check(_) => "check",
            Self::Verify(_) => "verify",
            Self::Audit(_) => "audit",
            Self::Ls(_) => "ls",
            Self::Show(_) => "show",
            Self::Fix(_) => "fix",
            Self::Flush(_) => "flush",
            Self::Undo(_) => "undo",
            Self::Quarantine(args) => args.name(),
            Self::Explain(_) => "explain",
            Self::Config(command) => command.name(),
            Self::Run(_) => "run",
            Self::Snapshot(_) => "snapshot",
            Self::Compare(_) => "compare",
            Self::Report(_) => "report",
            Self::Watch(_) => "watch",
            Self::LookAside => LOOK_ASIDE,
            Self::ListModule { .. } => LIST_MODULE,
            Self::KeepAside { .. } => KEEPER,
            Self::Generate(_) => "generate",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{OsString, in_order};

    #[test]
    fn how_much_is_told_may_be_said_before_the_command() {
        let ordered = |line: &str| {
            let words = in_order(line.split(' ').map(OsString::from).collect());
            words.join(&OsString::from(" ")).into_string().unwrap_or_default()
        };
        assert_eq!(ordered("stalecard -v flush --all"), "stalecard flush -v --all");
        assert_eq!(ordered("stalecard -q --verbose run -v x"), "stalecard run -q --verbose -v x");
        for line in ["stalecard", "stalecard -v", "stalecard -v --serial flush", "stalecard flush -v"] {
            assert_eq!(ordered(line), line);
        }
    }
}
