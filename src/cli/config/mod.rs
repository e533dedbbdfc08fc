//! `config`: what opensc.conf means, what is wrong with it, and changing it.

mod disable_cache;
pub mod edit;
mod enable_cache;
mod lint;
mod show;

use clap::Subcommand;

use crate::error::{Error, Exit};
use crate::report::lines::Screen;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what holds for each program, and which line says so
    Show(show::Args),
    /// Find mistakes in configuration files; needs no card
    Lint(lint::Args),
    /// Switch OpenSC's file cache off, by the smallest edit that is effective
    DisableCache(disable_cache::Args),
    /// Switch OpenSC's file cache on, unless stale entries would come back to life
    EnableCache(enable_cache::Args),
}

impl Command {
    /// Its name in JSON.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Show(_) => "config show",
            Self::Lint(_) => "config lint",
            Self::DisableCache(_) => "config disable-cache",
            Self::EnableCache(_) => "config enable-cache",
        }
    }
}

pub fn run(command: &Command, screen: &Screen) -> Result<Exit, Error> {
    match command {
        Command::Show(args) => show::run(args, screen),
        Command::Lint(args) => lint::run(args, screen),
        Command::DisableCache(args) => disable_cache::run(args, screen),
        Command::EnableCache(args) => enable_cache::run(args, screen),
    }
}
