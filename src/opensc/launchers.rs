//! Programs that start others with an environment of their own: an OpenSC below them would not see `OPENSC_CONF`.
//!
//! Hides by which options each of them hands a variable on after all (sudo(8), su(1), runuser(1), systemd-run(1), env(1)).

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// Where OpenSC looks for the name of its configuration.
pub const VARIABLE: &str = "OPENSC_CONF";

/// What to do instead of running a program that hands on nothing of its environment; none if it does.
#[must_use]
pub fn forgets(program: &OsStr, arguments: &[OsString]) -> Option<&'static str> {
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
