//! Programs that start others with an environment of their own: an OpenSC below them would not see `OPENSC_CONF`.
//!
//! Hides by which options each of them hands a variable on after all (sudo(8), su(1), runuser(1), systemd-run(1), env(1)).

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// Where OpenSC looks for the name of its configuration.
pub const VARIABLE: &str = "OPENSC_CONF";

/// What to do instead of running a program that hands on nothing of its environment, or another configuration; none
/// if it hands it on.
#[must_use]
pub fn forgets(program: &OsStr, arguments: &[OsString]) -> Option<&'static str> {
    let words: Vec<&str> =
        [program].into_iter().chain(arguments.iter().map(OsString::as_os_str)).map(text).collect();
    forgotten_by(&words)
}

/// What is no text is no word that means anything here.
fn text(word: &OsStr) -> &str {
    word.to_str().unwrap_or_default()
}

/// The options of a program that takes others' words for a command, in front of that.
struct Own<'w> {
    /// The letter or the whole name of each, and what it was given.
    options: Vec<(&'w str, &'w str)>,
    /// The first word that is none, and all that follow.
    rest: &'w [&'w str],
}

/// Which options of a program take the next word as their value, and how options and other words may be mixed.
struct Takes {
    letters: &'static str,
    names: &'static [&'static str],
    /// Names of options without a value that matter here: any of them may be cut short.
    flags: &'static [&'static str],
    /// Options may come after other words (GNU's `getopt`), up to `--`.
    mixed: bool,
}

impl Takes {
    fn read<'w>(&self, words: &'w [&'w str]) -> Own<'w> {
        let mut options = Vec::new();
        let mut at = 0;
        let mut command = None;
        while let Some(&word) = words.get(at) {
            at += 1;
            let next = || words.get(at).copied().unwrap_or_default();
            if word == "--" {
                command = command.or(Some(at));
                break;
            } else if let Some(long) = word.strip_prefix("--") {
                let (name, given) =
                    long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
                let known = |known: &&&'static str| known.starts_with(name);
                let (names, flags) = (self.names.iter(), self.flags.iter());
                let exact = |all: &[&'static str]| all.contains(&name);
                let takes = !exact(self.flags) && (exact(self.names) || names.clone().any(|one| known(&one)));
                let whole = if exact(self.flags) || exact(self.names) {
                    name
                } else {
                    flags.chain(names).find(known).copied().unwrap_or(name)
                };
                let takes = takes && !self.flags.contains(&whole);
                options.push((whole, given.unwrap_or_else(|| if takes { next() } else { "" })));
                at += usize::from(takes && given.is_none());
            } else if word.len() > 1 && word.starts_with('-') {
                let letters = word.get(1..).unwrap_or_default();
                for (place, letter) in letters.char_indices() {
                    let end = place + letter.len_utf8();
                    let name = letters.get(place..end).unwrap_or_default();
                    if self.letters.contains(letter) {
                        let glued = letters.get(end..).unwrap_or_default();
                        options.push((name, if glued.is_empty() { next() } else { glued }));
                        at += usize::from(glued.is_empty());
                        break;
                    }
                    options.push((name, ""));
                }
            } else if word == "-" && (self.mixed || self.flags.contains(&"ignore-environment")) {
                options.push((word, ""));
            } else {
                command = command.or(Some(at - 1));
                if !self.mixed {
                    break;
                }
            }
        }
        let rest = words.get(command.unwrap_or(words.len())..).unwrap_or_default();
        Own { options, rest }
    }
}

impl Own<'_> {
    /// Was one of these options given, with a value that is so?
    fn has(&self, names: &[&str], value: impl Fn(&str) -> bool) -> bool {
        self.options.iter().any(|(name, given)| names.contains(name) && value(given))
    }
}

const SUDO: Takes = Takes {
    letters: "aCcDghpRrTtUu",
    names: &[
        "auth-type",
        "close-from",
        "login-class",
        "chdir",
        "group",
        "host",
        "prompt",
        "chroot",
        "role",
        "type",
        "command-timeout",
        "other-user",
        "user",
    ],
    flags: &["preserve-env"],
    mixed: false,
};
const SU: Takes = Takes {
    letters: "cgGsuw",
    names: &["command", "session-command", "group", "supp-group", "shell", "user", "whitelist-environment"],
    flags: &["login", "fast", "preserve-environment", "pty"],
    mixed: true,
};
const SYSTEMD_RUN: Takes = Takes {
    letters: "HMpuE",
    names: &[
        "host",
        "machine",
        "property",
        "unit",
        "description",
        "slice",
        "uid",
        "gid",
        "nice",
        "working-directory",
        "setenv",
        "on-active",
        "on-boot",
        "on-startup",
        "on-unit-active",
        "on-unit-inactive",
        "on-calendar",
        "timer-property",
        "path-property",
        "socket-property",
        "service-type",
        "background",
        "job-mode",
    ],
    flags: &["scope"],
    mixed: false,
};
const ENV: Takes = Takes {
    letters: "uCSa",
    names: &["unset", "chdir", "split-string", "argv0"],
    flags: &["ignore-environment"],
    mixed: false,
};
const SETPRIV: Takes = Takes {
    letters: "",
    names: &[
        "ambient-caps",
        "inh-caps",
        "bounding-set",
        "ruid",
        "euid",
        "rgid",
        "egid",
        "reuid",
        "regid",
        "groups",
        "securebits",
        "pdeathsig",
        "ptracer",
        "selinux-label",
        "apparmor-profile",
        "landlock-access",
        "landlock-rule",
        "seccomp-filter",
    ],
    flags: &["reset-env"],
    mixed: false,
};
/// Programs that hand everything on, with the letters of their options that take a value, and how many words of their
/// own come before the command.
const THROUGH: [(&str, &str, usize); 6] = [
    ("nohup", "", 0),
    ("setsid", "", 0),
    ("nice", "n", 0),
    ("ionice", "cn", 0),
    ("stdbuf", "ioe", 0),
    ("timeout", "ks", 1),
];

fn forgotten_by(words: &[&str]) -> Option<&'static str> {
    let (program, words) = words.split_first()?;
    let name = Path::new(program).file_name()?.to_str()?;
    let ours = |word: &str| word == VARIABLE;
    // With a value it is another configuration.
    let set = |word: &&str| word.split_once('=').is_some_and(|(name, _)| name == VARIABLE);
    let assigned = |rest: &[&str]| rest.iter().take_while(|word| word.contains('=')).any(&set);
    let command = |rest: &[&str]| {
        let at = rest.iter().take_while(|word| word.contains('=')).count();
        forgotten_by(rest.get(at..).unwrap_or_default())
    };
    match name {
        "sudo" | "sudo-rs" => {
            let own = SUDO.read(words);
            let kept = own.has(&["E"], |_| true)
                || own.has(&["preserve-env"], |list| list.is_empty() || list.split(',').any(ours));
            if !kept || assigned(own.rest) {
                return Some("call `sudo stalecard run -- COMMAND`");
            }
            command(own.rest)
        }
        "doas" | "pkexec" | "run0" => Some("call stalecard below it: `PROGRAM stalecard run -- COMMAND`"),
        "su" | "runuser" => {
            let own = SU.read(words);
            let fresh = own.has(&["-", "l", "login"], |_| true);
            let kept = own.has(&["w", "whitelist-environment"], |list| list.split(',').any(ours));
            (fresh && !kept).then_some(
                "leave out the login shell (-, -l), or name the variable with --whitelist-environment",
            )
        }
        "systemd-run" => {
            let own = SYSTEMD_RUN.read(words);
            let other = own.has(&["E", "setenv"], |value| set(&value));
            let kept = own.has(&["E", "setenv"], ours) || own.has(&["scope"], |_| true);
            if other || !kept {
                return Some("name the variable with --setenv=OPENSC_CONF");
            }
            command(own.rest)
        }
        "env" => {
            let own = ENV.read(words);
            let fresh = own.has(&["-", "i", "ignore-environment"], |_| true)
                || own.has(&["u", "unset"], ours)
                || assigned(own.rest);
            // A string that is to be words.
            let inner = own.options.iter().filter(|(name, _)| ["S", "split-string"].contains(name));
            let inner = inner.flat_map(|(_, string)| string.split_whitespace());
            let inner: Vec<&str> = inner.map(|word| word.trim_matches(['"', '\''])).collect();
            if fresh {
                Some("leave the environment as it is")
            } else if inner.is_empty() {
                command(own.rest)
            } else {
                forgotten_by(&[&["env"], inner.as_slice(), own.rest].concat())
            }
        }
        "setpriv" => {
            let own = SETPRIV.read(words);
            if own.has(&["reset-env"], |_| true) {
                Some("leave out --reset-env")
            } else {
                forgotten_by(own.rest)
            }
        }
        _ => {
            let (_, letters, before) = THROUGH.into_iter().find(|(through, ..)| *through == name)?;
            let takes = Takes { letters, names: &[], flags: &[], mixed: false };
            forgotten_by(takes.read(words).rest.get(before..).unwrap_or_default())
        }
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
            "sudo -uEve pkcs15-tool",
            "sudo -gE pkcs15-tool",
            "sudo -u E pkcs15-tool",
            "sudo --user --preserve-env pkcs15-tool",
            "sudo -E OPENSC_CONF=/x pkcs15-tool",
            "sudo -E env -i pkcs15-tool",
            "env -C / -i pkcs15-tool",
            "env --ignore-env pkcs15-tool",
            "env --ignore pkcs15-tool",
            "env -u OPENSC_CONF pkcs15-tool",
            "env -uOPENSC_CONF pkcs15-tool",
            "env --unset=OPENSC_CONF pkcs15-tool",
            "env --unset OPENSC_CONF pkcs15-tool",
            "env A=b OPENSC_CONF=/dev/null pkcs15-tool",
            "env -S -i pkcs15-tool",
            "env A=b sudo pkcs15-tool",
            "nohup sudo pkcs15-tool",
            "timeout -k 1 5 sudo pkcs15-tool",
            "su --log root",
            "su root --login",
            "su -ml root",
            "setpriv --reset-env pkcs15-tool",
            "setpriv --reuid 1 --reset-env pkcs15-tool",
            "setpriv --reset pkcs15-tool",
            "systemd-run --setenv=OPENSC_CONF=/x y",
            "systemd-run --unit --scope x",
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
            "env -C / x -i",
            "env -u A B=OPENSC_CONF=c x",
            "env -- x -u OPENSC_CONF",
            "env sh -c x",
            "sudo -nEu nobody x",
            "sudo --preserve-env x",
            "sudo -u nobody -E x --user=y",
            "su ca -c env",
            "su -c -l ca",
            "su -l ca -w A,OPENSC_CONF",
            "setpriv --ruid --reset-env x",
            "setpriv x --reset-env",
            "systemd-run -E OPENSC_CONF x",
            "systemd-run -u a --scope x",
            "timeout 5 x",
            "sh -c sudo",
            "ls -l",
        ] {
            assert!(!forgets(line), "{line}");
        }
    }
}
