//! `generate`: man pages and shell completions, from the one definition of the
//! command line. Hidden: packagers use it.

use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap_complete::Shell;

use super::Cli;
use crate::error::{Error, Exit};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder to write to
    folder: PathBuf,
}

pub fn run(args: &Args) -> Result<Exit, Error> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { what: "cannot write to", path, source }
    };
    std::fs::create_dir_all(&args.folder).map_err(failed(&args.folder))?;
    clap_mangen::generate_to(Cli::command(), &args.folder).map_err(failed(&args.folder))?;
    // Completions would offer what is hidden.
    let whole = Cli::command();
    let mut shown = clap::Command::new("stalecard")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .args(whole.get_arguments().cloned())
        .subcommands(whole.get_subcommands().filter(|command| !command.is_hide_set()).cloned());
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut shown, "stalecard", &args.folder)
            .map_err(failed(&args.folder))?;
    }
    Ok(Exit::Clean)
}
