//! The way out: standard output for results, standard error for complaints.

use std::io::{ErrorKind, Write};

use serde_json::Value;

use crate::error::{Error, Exit};
use crate::finding::Severity;
use crate::rules::Verdict;
use crate::snapshot::GapKind;

/// Prints text made for people; colour only on a terminal.
pub fn print(text: &str) -> Result<(), Error> {
    written(anstream::stdout().lock().write_all(text.as_bytes()))
}

/// Prints JSON.
pub fn print_json(value: &Value) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    written(writeln!(std::io::stdout().lock(), "{text}"))
}

/// Somebody who closes the pipe has seen enough: no failure.
fn written(result: std::io::Result<()>) -> Result<(), Error> {
    match result {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Error::Io { what: "cannot write to", path: "standard output".into(), source: error })
        }
        _ => Ok(()),
    }
}

/// Says on standard error why something failed.
pub fn complain(why: &str) {
    // If standard error is gone there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "stalecard: {why}");
}

/// The exit status of a command that reads: see the contract in README.
pub fn exit(verdict: &Verdict, fail_on: Severity, offline: bool) -> Exit {
    let asked_for = verdict.coverage.iter().any(|gap| gap.asked_for);
    let no_card = verdict.tokens.is_empty()
        && verdict.coverage.iter().any(|gap| gap.asked_for && gap.kind == GapKind::Card);
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
