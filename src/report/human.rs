//! For people: 80 columns, full IDs and paths, the exact command to run next.

use std::fmt::Write;

pub use super::cache_entries::{cache, item};
pub use super::findings::findings;
pub use super::objects::{live_note, sides};

use super::cache_entries::cache_list;
use super::findings::severity_name;
use super::lines::{BOLD, GREEN, row, width, wrap};
use crate::finding::Severity;
use crate::judge::tally::Cache;
use crate::snapshot::Gap;
use crate::text::shell_word;
use crate::verdict::{ProgramState, Token, Verdict};

/// Commands at the end of a report.
const MOST_COMMANDS: usize = 12;

/// The report of `check`; `caches` of several users are listed.
#[must_use]
pub fn check(verdict: &Verdict, caches: &[Cache]) -> String {
    let mut out = String::new();
    tokens(&mut out, &verdict.tokens);
    programs(&mut out, &verdict.programs);
    cache_list(&mut out, caches);
    findings(&mut out, &verdict.findings, verdict.tokens.len() > 1);
    coverage(&mut out, &verdict.coverage);
    conclusion(&mut out, verdict);
    out
}

/// One paragraph for each token.
pub fn tokens(out: &mut String, tokens: &[Token]) {
    for token in tokens {
        let serial = token.serial.as_deref().map_or_else(|| "without serial number".to_owned(), shell_word);
        let label = token.label.as_ref().map(|label| format!("\"{label}\""));
        let fits = |label: &&String| width(&serial) + width(label) < 70;
        let beside = label.as_ref().filter(fits).map(|label| format!(" {label}")).unwrap_or_default();
        let _ = writeln!(out, "{BOLD}Token {serial}{BOLD:#}{beside}");
        if let Some(label) = label.as_ref().filter(|label| !fits(label)) {
            row(out, "label", label);
        }
        row(out, "reader", &token.reader);
        row(out, "card", &token.family);
        for (name, value) in &token.status {
            row(out, name, value);
        }
        if let Some(objects) = &token.objects {
            row(out, "objects", objects);
        }
        out.push('\n');
    }
}

/// How each program caches.
pub fn programs(out: &mut String, programs: &[ProgramState]) {
    if programs.is_empty() {
        return;
    }
    for program in programs {
        let _ = writeln!(out, "{BOLD}{}{BOLD:#}", program.name);
        row(out, "caching", &program.caching_text);
        if let Some(dir) = &program.cache_dir {
            row(out, "cache", dir);
        }
    }
    out.push('\n');
}

/// What was not looked at.
pub fn coverage(out: &mut String, gaps: &[Gap]) {
    if gaps.is_empty() {
        return;
    }
    let _ = writeln!(out, "{BOLD}Not looked at{BOLD:#}");
    for gap in gaps {
        wrap(out, "  ", "    ", &format!("{}: {}", gap.what, gap.why));
    }
    out.push('\n');
}

/// Said when nothing is wrong.
const SOUND: &str = "What OpenSC shows here is what is on the card.";

fn conclusion(out: &mut String, verdict: &Verdict) {
    let number = |severity| verdict.findings.iter().filter(|finding| finding.severity == severity).count();
    let parts: Vec<String> = [Severity::Critical, Severity::Error, Severity::Warning, Severity::Info]
        .into_iter()
        .filter(|&severity| number(severity) > 0)
        .map(|severity| format!("{} {}", number(severity), severity_name(severity).to_lowercase()))
        .collect();
    let harmless = verdict.findings.iter().all(|finding| finding.severity == Severity::Info);
    if harmless && !verdict.findings.is_empty() && verdict.compared && verdict.coverage.is_empty() {
        let _ = writeln!(out, "{GREEN}{SOUND}{GREEN:#}");
    }
    let _ = match (verdict.findings.len(), verdict.compared) {
        (0, true) if !verdict.coverage.is_empty() => {
            writeln!(out, "Nothing wrong in what was looked at; see above for what was not.")
        }
        (0, true) => {
            writeln!(out, "{GREEN}{SOUND}{GREEN:#}")
        }
        (0, false) => writeln!(out, "Nothing found, but no card was compared with its cache."),
        (1, _) => writeln!(out, "1 finding: {}.", parts.join(", ")),
        (n, _) => writeln!(out, "{n} findings: {}.", parts.join(", ")),
    };
    if !verdict.findings.is_empty() && verdict.coverage.iter().any(|gap| gap.asked_for) {
        out.push_str("Not everything could be looked at: there may be more, see above.\n");
    }
    let mut commands: Vec<String> = Vec::new();
    for fix in verdict.findings.iter().flat_map(|finding| &finding.fix) {
        if let Some(command) = fix.command().filter(|command| !commands.contains(command)) {
            commands.push(command);
        }
    }
    for command in commands.iter().take(MOST_COMMANDS) {
        let _ = writeln!(out, "To repair:  {GREEN}{command}{GREEN:#}");
    }
    if let Some(more) = commands.len().checked_sub(MOST_COMMANDS).filter(|more| *more > 0) {
        let _ = writeln!(out, "and {more} more, each with its finding; `stalecard fix --dry-run` plans all.");
    }
    if let Some(first) = verdict.findings.first() {
        let _ = writeln!(out, "To learn more:  stalecard explain {}", first.id.name());
    }
}
