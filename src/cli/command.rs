//! What may be typed: the commands, each with the arguments of its file, and the options of all of them.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::{
    audit, check, compare, config, explain, fix, flush, generate, ls, quarantine, report, run, screen, show,
    snapshot, undo, verify, watch,
};
use crate::error::Error;
use crate::log;
use crate::observe::{LIST_MODULE, LOOK_ASIDE};
use crate::repair::config::KEEPER;

/// Finds, explains and repairs stale OpenSC file caches.
///
/// OpenSC can keep the files of a smart card in an on-disk cache. When the card
/// changes elsewhere, nothing notices: key IDs, public keys and certificates are
/// shown that are no longer on the card. stalecard reads the card itself,
/// compares it with what OpenSC shows from its cache, and says what is wrong.
///
/// Without a command it runs `check`, which changes nothing.
#[derive(Debug, Parser)]
#[command(version, disable_version_flag = true, args_conflicts_with_subcommands = true, disable_help_subcommand = true, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) check: check::Args,
    #[command(flatten)]
    pub(super) everywhere: Everywhere,
    #[command(flatten)]
    pub(super) verbosity: screen::Verbosity,
    /// Print the version; with -v also the commit, and which OpenSC would be judged here
    #[arg(long, short = 'V', action = clap::ArgAction::Version)]
    #[allow(dead_code, reason = "answered before there is a value: see `version`")]
    version: Option<bool>,
}

/// Options of all commands.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Everywhere {
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
    pub(super) fn begin(&self) -> Result<(), Error> {
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
pub(super) enum Command {
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

impl Command {
    /// Its name in JSON.
    pub(super) const fn name(&self) -> &'static str {
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
