//! `--version -v`, and `--version --format json`: what this program is, and which OpenSC it would judge here. `--version`
//! alone is answered where the words are taken apart, and looks at nothing.

use std::ffi::OsString;

use clap::error::ErrorKind;

use super::args::Time;
use super::check;
use super::output;
use super::screen::Verbosity;
use crate::error::{Error, Exit};
use crate::observe;
use crate::report::about::about;
use crate::report::json::{Answer, Document, Failure};

/// How it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// To people.
    Lines,
    /// To scripts.
    Json,
}

/// Is more asked for than the version?
pub fn wanted(why: &clap::Error, words: &[OsString]) -> Option<Wanted> {
    if why.kind() != ErrorKind::DisplayVersion {
        return None;
    }
    if check::Format::named_in(words) == Some(check::Format::Json) {
        return Some(Wanted::Json);
    }
    let is_verbose = |word: &str| {
        let letters = word.strip_prefix('-').filter(|letters| !letters.starts_with('-'));
        word == "--verbose" || letters.is_some_and(|letters| letters.contains('v'))
    };
    let mut words = words.iter().skip(1).filter_map(|word| word.to_str()).take_while(|word| *word != "--");
    words.any(is_verbose).then_some(Wanted::Lines)
}

pub fn run(wanted: Wanted) -> Exit {
    Time::USUAL.begin();
    told(wanted).unwrap_or_else(|error| {
        output::complain(&error.to_string());
        if wanted == Wanted::Json {
            output::print_failure(Some("version"), Failure::of(&error));
        }
        error.exit()
    })
}

fn told(wanted: Wanted) -> Result<Exit, Error> {
    let (program, host) = observe::about()?;
    match wanted {
        Wanted::Lines => {
            let screen = Verbosity::default().screen();
            output::print(&about(&screen, &program, &host.coverage))?;
        }
        Wanted::Json => {
            let document = Document::of(Answer::Version { about: &program }, &host.host);
            output::print_json(&document.coverage(&host.coverage))?;
        }
    }
    let is_missing = host.coverage.iter().any(|gap| gap.asked_for);
    Ok(if is_missing { Exit::NotRead } else { Exit::Clean })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn more_than_the_version_is_told_only_if_it_is_asked_for() {
        let wanted = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            wanted(&Cli::try_parse_from(&words).unwrap_err(), &words)
        };
        for line in
            ["stalecard --version", "stalecard -V", "stalecard -q --version", "stalecard --version check"]
        {
            assert_eq!(wanted(line), None, "{line}");
        }
        for line in ["--version -v", "-v --version", "-vV", "-Vv", "-V --verbose", "--verbose --version"] {
            assert_eq!(wanted(&format!("stalecard {line}")), Some(Wanted::Lines), "{line}");
        }
        for line in ["--version --format json", "-V -v --format=json", "--format json --version"] {
            assert_eq!(wanted(&format!("stalecard {line}")), Some(Wanted::Json), "{line}");
        }
        assert_eq!(wanted("stalecard --help -v"), None);
    }
}
