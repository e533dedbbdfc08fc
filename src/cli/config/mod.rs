//! `config`: what opensc.conf means, and what is wrong with it.

mod lint;
mod show;

use clap::Subcommand;

use crate::error::{Error, Exit};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what holds for each program, and which line says so
    Show(show::Args),
    /// Find mistakes in configuration files; needs no card
    Lint(lint::Args),
}

pub fn run(command: &Command) -> Result<Exit, Error> {
    match command {
        Command::Show(args) => show::run(args),
        Command::Lint(args) => lint::run(args),
    }
}
