//! `generate`: man pages and shell completions, from the one definition of the
//! command line. Hidden: packagers use it.

use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap_complete::env::Shells;

use super::Cli;
use super::complete::VARIABLE;
use crate::error::{Error, Exit};

/// Shells, the files they look for, and what is added. zsh runs the file at the first Tab, as a function of its name.
const SCRIPTS: [(&str, &str, &str); 3] = [
    ("bash", "stalecard.bash", ""),
    (
        "zsh",
        "_stalecard",
        "\nif [ \"$funcstack[1]\" = \"_stalecard\" ]; then _clap_dynamic_completer_stalecard \"$@\"; fi\n",
    ),
    ("fish", "stalecard.fish", ""),
];

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
    // Each script asks the program itself, which knows the serial numbers, labels and users of the host.
    for (shell, file, end) in SCRIPTS {
        let path = args.folder.join(file);
        let mut script = Vec::new();
        let shells = Shells::builtins();
        let Some(shell) = shells.completer(shell) else { continue };
        shell
            .write_registration(VARIABLE, "stalecard", "stalecard", "stalecard", &mut script)
            .and_then(|()| std::fs::write(&path, [&script, end.as_bytes()].concat()))
            .map_err(failed(&path))?;
    }
    Ok(Exit::Clean)
}
