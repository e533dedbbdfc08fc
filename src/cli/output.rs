//! The way out: standard output for results, standard error for complaints.

use std::fmt::Write as _;
use std::io::{ErrorKind, Write};

use serde_json::Value;

use crate::error::{Error, Exit};
use crate::finding::Severity;
use crate::patience::undisturbed;
use crate::snapshot::GapKind;
use crate::text;
use crate::verdict::Verdict;

/// Prints text made for people; colour only on a terminal.
pub fn print(text: &str) -> Result<(), Error> {
    // Whoever reads it may take their time (a pager).
    let _undisturbed = undisturbed();
    written(anstream::stdout().lock().write_all(text.as_bytes()))
}

/// Prints JSON.
pub fn print_json(value: &Value) -> Result<(), Error> {
    let _undisturbed = undisturbed();
    written(std::io::stdout().lock().write_all(json_text(value).as_bytes()))
}

/// The same in one line, without its end.
pub fn json_line(value: &Value) -> String {
    in_ascii_where_it_acts(&value.to_string())
}

/// JSON as it is printed. What acts on a terminal is written as `\uNNNN`, which is the same JSON.
pub fn json_text(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    in_ascii_where_it_acts(&text) + "\n"
}

fn in_ascii_where_it_acts(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        if character != '\n' && text::acts(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(character);
        }
    }
    out
}

/// Somebody who closes the pipe has seen enough: no failure.
pub fn written(result: std::io::Result<()>) -> Result<(), Error> {
    match result {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Error::Io { what: "cannot write to", path: "standard output".into(), source: error })
        }
        _ => Ok(()),
    }
}

/// Says on standard error why something failed. The reason may quote what a file held.
pub fn complain(why: &str) {
    // If standard error is gone there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "stalecard: {}", text::tame(why));
}

/// Says on standard error what somebody has to do now.
pub fn note(what: &str) {
    // If standard error is gone there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "stalecard: {what}");
}

/// The exit status of a command that reads: see the contract in README.
pub fn exit(verdict: &Verdict, fail_on: Severity, offline: bool) -> Exit {
    let asked_for = verdict.coverage.iter().any(|gap| gap.asked_for);
    let no_card =
        !verdict.compared && verdict.coverage.iter().any(|gap| gap.asked_for && gap.kind == GapKind::Card);
    if no_card && !offline {
        Exit::NotRead
    } else if verdict.findings.iter().any(|finding| finding.severity >= fail_on) {
        Exit::Findings
    } else if asked_for {
        Exit::NotRead
    } else {
        Exit::Clean
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn json_stays_the_same_json_without_what_acts() {
        let value = serde_json::json!({ "label": "a\u{202e}\u{9b}\u{7f}\u{e0041}\x1b\n\"ü\\" });
        let text = in_ascii_where_it_acts(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!text.chars().any(|c| c != '\n' && text::acts(c)), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
