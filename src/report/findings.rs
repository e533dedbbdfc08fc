//! Findings for people: what is wrong, both sides of it, the evidence, and the cure.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};

use super::lines::{BOLD, DIM, GREEN, Page, bytes, whole, width, wrap, wrap_in};
use super::source;
use crate::finding::{Evidence, Finding, ObjectName, Severity, Side};
use crate::judge::brief::capital;
use crate::text::key_reference;

/// Pieces of evidence that are shown for one finding.
const MOST_EVIDENCE: usize = 20;

/// The findings, worst first; of `several` tokens each says which it is about.
pub fn findings(out: &mut Page<'_>, findings: &[Finding], several: bool) {
    let mut warned = None;
    for finding in findings {
        let style = severity_style(finding.severity);
        let (severity, id) = (severity_name(finding.severity), finding.id.name());
        let object = finding.object.as_ref().map(describe).unwrap_or_default();
        let fits = severity.len() + id.len() + width(&object) + 4 <= out.width();
        let beside = if fits && !object.is_empty() { format!("  {object}") } else { String::new() };
        let apart = if severity.len() + id.len() + 2 <= out.width() { "  " } else { "\n  " };
        let _ = writeln!(out, "{style}{severity}{style:#}{apart}{BOLD}{id}{BOLD:#}{beside}");
        if !fits {
            wrap(out, "  ", "    ", &object);
        }
        // Findings with one cause share their warning: once is enough.
        if let Some(danger) = finding.danger.as_ref().filter(|danger| warned != Some(*danger)) {
            wrap(out, "  ! ", "    ", &danger.text);
            warned = Some(danger);
        }
        let summary = out.screen.prose(&finding.summary);
        wrap(out, "  ", "  ", &summary);
        for evidence in finding.evidence.iter().take(MOST_EVIDENCE) {
            show_evidence(out, evidence);
        }
        if let Some(more) = finding.evidence.len().checked_sub(MOST_EVIDENCE).filter(|more| *more > 0) {
            wrap(out, "    ", "    ", &format!("and {more} more; --format json has them all"));
        }
        wrap(out, "  ", "  ", &capital(&finding.consequence));
        if let Some(token) = finding.token.as_ref().filter(|_| several) {
            wrap(out, "  Token: ", "    ", token);
        }
        if let Some(user) = &finding.user {
            wrap(out, "  Cache of: ", "    ", user);
        }
        if !finding.program.is_empty() {
            wrap(out, "  Affects: ", "    ", &some(&finding.program));
        }
        for fix in &finding.fix {
            match fix.command() {
                Some(command) => {
                    let command = out.screen.command(&command).into_owned();
                    let _ = writeln!(out, "  Cure: {GREEN}{command}{GREEN:#}");
                }
                None => wrap(out, "  Cure: ", "    ", &fix.what),
            }
        }
        out.push('\n');
    }
}

/// The names, or of many the first.
fn some(names: &[String]) -> String {
    match names {
        [first, second, third, rest @ ..] if rest.len() > 2 => {
            format!("{first}, {second}, {third} and {} others", rest.len())
        }
        all => all.join(", "),
    }
}

fn describe(object: &ObjectName) -> String {
    let reference = object
        .reference
        .map(|number| format!("key reference {} ", key_reference(number)))
        .unwrap_or_default();
    format!("{reference}\"{}\"", object.label)
}

fn show_evidence(out: &mut Page<'_>, evidence: &Evidence) {
    if let Some(source) = &evidence.source {
        source::show(out, source);
    }
    if let Some(shown) = &evidence.shown {
        show_side(out, "shown by OpenSC", shown);
    }
    if let Some(card) = &evidence.card {
        show_side(out, "on the card", card);
    }
    if let Some(file) = &evidence.file {
        let _ = writeln!(out, "  {DIM}cache entry{DIM:#}");
        // A name that ends with blanks cannot be seen without quotes.
        let quote = if file.path.trim() == file.path { "" } else { "\"" };
        whole(out, 4, &format!("{quote}{}{quote}", file.path));
        let size = bytes(file.size);
        let (written, owner) = (out.screen.moment(file.inode.mtime), out.screen.user(file.owner));
        wrap(out, "    ", "      ", &format!("{size}, written {written}, owner {owner}"));
        if let Some(sha256) = &file.sha256 {
            wrap(out, "    SHA-256 ", "    ", sha256);
        }
        if let Some(offset) = evidence.first_difference {
            wrap(out, "    ", "      ", &format!("differs from the card's file from byte {offset} on"));
        }
    }
}

/// One side of a finding or an object, each of its properties in a row.
pub(super) fn show_side(out: &mut Page<'_>, title: &str, side: &Side) {
    wrap_in(out, DIM, "  ", "  ", title);
    let validity = side.validity.as_ref().map(|validity| out.screen.prose(validity));
    // A fingerprint of 64 digits just fits behind its name.
    let mut line = |name: &str, value: &Option<String>| {
        if let Some(value) = value {
            wrap(out, &format!("    {name:<11} "), &" ".repeat(16), value);
        }
    };
    line("what", &side.state.map(|state| state.to_string()));
    line("ID", &side.id);
    line("label", &side.label.as_ref().map(|label| format!("\"{label}\"")));
    line("key", &side.key);
    line("fingerprint", &side.public_key);
    line("proof", &side.proof);
    line("subject", &side.subject);
    line("serial no.", &side.certificate_serial);
    line("valid", &validity);
    for attribute in &side.attributes {
        wrap(out, &" ".repeat(16), &" ".repeat(16), attribute);
    }
}

pub(super) fn severity_name(severity: Severity) -> String {
    severity.word().to_ascii_uppercase()
}

pub(super) fn severity_style(severity: Severity) -> Style {
    match severity {
        Severity::Critical | Severity::Error => AnsiColor::Red.on_default().bold(),
        Severity::Warning => AnsiColor::Yellow.on_default().bold(),
        Severity::Info => Style::new().bold(),
    }
}
