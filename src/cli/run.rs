//! `run`: become a command for whose OpenSC there is no cache.
//!
//! This process is replaced by the command, so its exit code, signals and streams are the
//! command's own; signals that were ignored stay ignored. All but one: whether SIGPIPE was ignored nobody can
//! tell any more, because Rust's runtime ignores it before the first line of this program; it is set to its default.
//!
//! A command that would take the variable away again, with which everything below it would use a cache after
//! all, is not begun.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::output;
use crate::error::{Error, Exit};
use crate::host::Caller;
use crate::opensc::{install, program};
use crate::patience::{SILENCE, within};
use crate::repair::config::Private;
use crate::snapshot::Name;
use crate::text::escape;

/// Where OpenSC looks for the name of its configuration.
const VARIABLE: &str = "OPENSC_CONF";

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
        install::find(tools.get("pkcs15-tool").map(Name::as_path))
    });
    let found = found.map_err(|why| Error::Overdue { what: "OpenSC's programs and libraries", why })?;
    let private = Private::derive(&caller.user, found.installations.first())?;
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

/// What to do instead of running a program that hands on nothing of its environment; none if it does.
fn forgets(program: &OsStr, arguments: &[OsString]) -> Option<&'static str> {
    let name = Path::new(program).file_name()?.to_str()?;
    // Its own options end where its command begins; what they take is no option.
    let words = || arguments.iter().map(|word| word.to_str().unwrap_or_default());
    let options = || words().take_while(|word| *word != "--");
    let own = || words().take_while(|word| word.starts_with('-') && *word != "--");
    let lists = |word: &str| word.split(['=', ',']).any(|part| part == VARIABLE);
    let short =
        |word: &str, letter| word.starts_with('-') && !word.starts_with("--") && word.contains(letter);
    match name {
        "sudo" | "sudo-rs" => {
            let kept = |word: &str| {
                short(word, 'E')
                    || word == "--preserve-env"
                    || (word.starts_with("--preserve-env=") && lists(word))
            };
            (!options().take_while(|word| word.starts_with('-') || !word.contains('/')).any(kept))
                .then_some("call `sudo stalecard run -- COMMAND`")
        }
        "doas" | "pkexec" | "run0" => Some("call stalecard below it: `PROGRAM stalecard run -- COMMAND`"),
        "su" | "runuser" => {
            let fresh = |word: &str| word == "-" || word == "--login" || short(word, 'l');
            let kept = |word: &str| word.contains(VARIABLE);
            (options().any(fresh) && !options().any(kept)).then_some(
                "leave out the login shell (-, -l), or name the variable with --whitelist-environment",
            )
        }
        "systemd-run" => {
            let kept = |word: &str| word.contains(VARIABLE) || word == "--scope";
            (!options().any(kept)).then_some("name the variable with --setenv=OPENSC_CONF")
        }
        "env" => {
            let fresh = |word: &str| word == "-" || word == "--ignore-environment" || short(word, 'i');
            own().any(fresh).then_some("leave the environment as it is")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_forgets_the_environment_is_not_begun() {
        let forgets = |line: &str| {
            let mut words = line.split(' ').map(OsString::from);
            let program = words.next().unwrap_or_default();
            forgets(&program, &words.collect::<Vec<_>>()).is_some()
        };
        for line in [
            "sudo pkcs15-tool -D",
            "/usr/bin/sudo -u nobody pkcs15-tool",
            "sudo --preserve-env=HOME pkcs15-tool",
            "sudo -- pkcs15-tool -E",
            "doas pkcs15-tool",
            "pkexec pkcs15-tool",
            "su - ca",
            "su -l ca -c pkcs15-tool",
            "runuser -l ca -c x",
            "systemd-run --pipe pkcs15-tool",
            "env -i pkcs15-tool",
            "env - pkcs15-tool",
        ] {
            assert!(forgets(line), "{line}");
        }
        for line in [
            "sudo -E pkcs15-tool",
            "sudo --preserve-env=HOME,OPENSC_CONF -u nobody pkcs15-tool",
            "sudo -nE x",
            "runuser -u nobody -- pkcs15-tool -l",
            "su ca -c pkcs15-tool",
            "setpriv --reuid 1 pkcs15-tool",
            "systemd-run --setenv=OPENSC_CONF x",
            "systemd-run --scope x",
            "env A=b x -i",
            "sh -c sudo",
            "ls -l",
        ] {
            assert!(!forgets(line), "{line}");
        }
    }
}
