//! `run`: become a command for whose OpenSC there is no cache.
//!
//! This process is replaced by the command, so its exit code, signals and streams are the
//! command's own.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::error::{Error, Exit};
use crate::host::Caller;
use crate::opensc::{install, program};
use crate::patience::{SILENCE, within};
use crate::repair::config::Private;
use crate::snapshot::Name;
use crate::text::escape;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub fn run(args: &Args) -> Result<Exit, Error> {
    let caller = Caller::current()?;
    let found = within(SILENCE, |_| {
        let tools = program::tools();
        install::find(tools.get("pkcs15-tool").map(Name::as_path))
    });
    let found = found.map_err(|why| Error::Overdue { what: "OpenSC's programs and libraries", why })?;
    let private = Private::derive(&caller.user, found.installations.first())?;
    let (program, arguments) = args.command.split_first().unzip();
    let program = program.cloned().unwrap_or_default();
    let mut command = Command::new(&program);
    command.args(arguments.unwrap_or_default()).env("OPENSC_CONF", private.path());
    // It comes back only if it failed.
    let source = command.exec();
    Err(Error::Command { command: escape(program.as_encoded_bytes()), source })
}
