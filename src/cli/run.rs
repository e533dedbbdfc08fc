//! `run`: become a command for whose OpenSC there is no cache.
//!
//! This process is replaced by the command, so its exit code, signals and streams are the
//! command's own; signals that were ignored stay ignored. All but one: whether SIGPIPE was ignored nobody can
//! tell any more, because Rust's runtime ignores it before the first line of this program; it is set to its default.
//!
//! A command that would take the variable away again, with which everything below it would use a cache after
//! all, is not begun.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::output;
use crate::error::{Error, Exit};
use crate::host::Caller;
use crate::opensc::launchers::{VARIABLE, forgets};
use crate::opensc::{install, program};
use crate::patience::{SILENCE, within};
use crate::repair::config::Private;
use crate::snapshot::ByteString;
use crate::text::escape;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub fn run(args: &Args) -> Result<Exit, Error> {
    let (program, arguments) = args.command.split_first().unzip();
    let program = program.cloned().unwrap_or_default();
    if let Some(instead) = forgets(&program, arguments.unwrap_or_default()) {
        let program = escape(program.as_encoded_bytes());
        return Err(Error::Usage(format!(
            "{program} gives its command an environment of its own, without {VARIABLE}, so OpenSC below it would use \
             the cache; nothing was started: {instead}"
        )));
    }
    let caller = Caller::current()?;
    let found = within(SILENCE, |_| {
        let tools = program::tools();
        install::find(tools.get(program::PKCS15_TOOL).map(ByteString::as_path))
    });
    let found = found.map_err(|why| Error::Overdue { what: "OpenSC's programs and libraries", why })?;
    let (user, first) = (caller.user, found.installations.into_iter().next());
    let private = within(SILENCE, move |_| Private::derive(&user, first.as_ref()))
        .map_err(|why| Error::Overdue { what: "the configuration of OpenSC; nothing was started", why })??;
    if let Some(path) = private.hidden() {
        let text = "not everybody can read it, so programs of other users below this command would use OpenSC's defaults";
        output::note(&format!("{}: {text}", escape(&path.0)));
    }
    let mut command = Command::new(&program);
    command.args(arguments.unwrap_or_default()).env(VARIABLE, private.path());
    // It comes back only if it failed.
    let source = command.exec();
    Err(Error::Command { command: escape(program.as_encoded_bytes()), source })
}
