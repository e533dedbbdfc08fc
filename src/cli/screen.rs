//! What a report is told on: how wide the terminal is, whether it can show more than ASCII (the locale, by POSIX:
//! `LC_ALL`, `LC_CTYPE`, `LANG`, the first that is not empty), the time, and how much is wanted.

use std::collections::BTreeMap;
use std::io::IsTerminal;

use rustix::termios::tcgetwinsize;

use super::output::Manner;
use crate::host::clock::{Zone, now};
use crate::host::is_by_sudo;
use crate::report::lines::{Detail, Screen, USUAL_WIDTH, WIDTHS};

/// How much is told.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct Verbosity {
    /// Show the evidence too: files, sizes, hashes, offsets, and what each program is set to
    #[arg(long, short, global = true, conflicts_with = "quiet")]
    verbose: bool,
    /// Say only what it comes to and what to do next, and nothing while waiting
    #[arg(long, short, global = true)]
    quiet: bool,
}

impl Verbosity {
    /// How complaints and what is waited for are told.
    pub fn manner(self) -> Manner {
        Manner { is_quiet: self.quiet, is_ascii: is_ascii(), by_sudo: is_by_sudo() }
    }

    /// The screen of this process.
    pub fn screen(self) -> Screen {
        let detail = match (self.quiet, self.verbose) {
            (true, _) => Detail::Least,
            (false, false) => Detail::Usual,
            (false, true) => Detail::All,
        };
        Screen {
            width: columns().clamp(*WIDTHS.start(), *WIDTHS.end()),
            is_ascii: is_ascii(),
            detail,
            now: now().unix_timestamp(),
            zone: Zone::here(),
            users: BTreeMap::new(),
            elsewhere: None,
            by_sudo: is_by_sudo(),
        }
    }
}

/// `COLUMNS`, or what the terminal says.
fn columns() -> usize {
    let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let stdout = std::io::stdout();
    let seen = || {
        let size = stdout.is_terminal().then(|| tcgetwinsize(&stdout))?.ok()?;
        Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
    };
    said.filter(|columns| *columns > 0).or_else(seen).unwrap_or(USUAL_WIDTH)
}

/// Is the locale's character set another than UTF-8?
fn is_ascii() -> bool {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG"));
    !locale.is_some_and(|locale| is_utf_8(&locale))
}

/// `de_DE.UTF-8`, `C.utf8`.
fn is_utf_8(locale: &str) -> bool {
    let set = locale.split('@').next().and_then(|name| name.split_once('.')).map(|(_, set)| set);
    set.is_some_and(|set| set.eq_ignore_ascii_case("utf-8") || set.eq_ignore_ascii_case("utf8"))
}

#[cfg(test)]
mod tests {
    use super::is_utf_8;

    #[test]
    fn a_locale_says_its_character_set() {
        for locale in ["C.UTF-8", "de_DE.utf8", "en_US.UTF-8", "ca_ES.UTF-8@valencia"] {
            assert!(is_utf_8(locale), "{locale}");
        }
        for locale in ["", "C", "POSIX", "de_DE", "de_DE@euro", "ru_RU.KOI8-R", "en_US.ISO-8859-1", "utf8"] {
            assert!(!is_utf_8(locale), "{locale}");
        }
    }
}
