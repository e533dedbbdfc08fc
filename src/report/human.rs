//! For people: 80 columns, full IDs and paths, the exact command to run next.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};

use crate::finding::{Evidence, Finding, Severity, Side};
use crate::rules::inventory::Item;
use crate::rules::sides::{Sides, Unlisted};
use crate::rules::users::Cache;
use crate::rules::{ProgramState, Token, Verdict};
use crate::snapshot::Gap;
use crate::text::{count, key_reference, shell_word};

pub(super) const WIDTH: usize = 80;
/// Pieces of evidence that are shown for one finding.
const MOST_EVIDENCE: usize = 20;
/// Commands at the end of a report.
const MOST_COMMANDS: usize = 12;
/// Caches that a check lists one by one.
const MOST_CACHES: usize = 40;
pub(super) const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
pub(super) const GREEN: Style = AnsiColor::Green.on_default();

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
        let fits = |label: &&String| serial.chars().count() + label.chars().count() < 70;
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

/// One line for a cache directory: whose it is, and who reads it.
pub fn cache(out: &mut String, cache: &Cache) {
    let (state, used) = (&cache.state, cache.use_today.replace('-', " "));
    let _ = writeln!(out, "{} ({state}, {used})", cache.path);
    let whose = cache.user.as_ref().map_or_else(String::new, |user| format!("of {user}"));
    let readers = if cache.programs.is_empty() {
        String::new()
    } else {
        format!("read by {}", cache.programs.join(", "))
    };
    let parts: Vec<String> = [whose, readers].into_iter().filter(|part| !part.is_empty()).collect();
    if !parts.is_empty() {
        wrap(out, "    ", "    ", &parts.join(", "));
    }
}

/// Caches of several users; of very many only how many there are.
fn cache_list(out: &mut String, caches: &[Cache]) {
    if caches.is_empty() {
        return;
    }
    let in_use = caches.iter().filter(|cache| cache.use_today == "in-use").count();
    let entries = caches.iter().map(|cache| cache.entries).sum();
    let _ = writeln!(
        out,
        "{BOLD}{}{BOLD:#}, {}, {in_use} in use",
        count(caches.len(), "cache", "caches"),
        count(entries, "entry", "entries")
    );
    if caches.len() <= MOST_CACHES {
        for known in caches {
            out.push_str("  ");
            cache(out, known);
        }
    } else {
        wrap(out, "  ", "  ", "`stalecard ls` with the same options lists them.");
    }
    out.push('\n');
}

/// The findings, worst first; of `several` tokens each says which it is about.
pub fn findings(out: &mut String, findings: &[Finding], several: bool) {
    let mut warned = None;
    for finding in findings {
        let style = severity_style(finding.severity);
        let (severity, id) = (severity_name(finding.severity), finding.id.name());
        let object = finding.object.as_ref().map(describe).unwrap_or_default();
        let fits = severity.len() + id.len() + object.chars().count() + 4 <= WIDTH;
        let beside = if fits && !object.is_empty() { format!("  {object}") } else { String::new() };
        let _ = writeln!(out, "{style}{severity}{style:#}  {BOLD}{id}{BOLD:#}{beside}");
        if !fits {
            wrap(out, "  ", "    ", &object);
        }
        // Findings with one cause share their warning: once is enough.
        if let Some(danger) = finding.danger.as_ref().filter(|danger| warned != Some(*danger)) {
            wrap(out, "  ! ", "    ", danger);
            warned = Some(danger);
        }
        wrap(out, "  ", "  ", &finding.summary);
        for evidence in finding.evidence.iter().take(MOST_EVIDENCE) {
            show_evidence(out, evidence);
        }
        if let Some(more) = finding.evidence.len().checked_sub(MOST_EVIDENCE).filter(|more| *more > 0) {
            let _ = writeln!(out, "    and {more} more; --format json has them all");
        }
        wrap(out, "  ", "  ", &finding.consequence);
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
            match &fix.command {
                Some(command) => {
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

fn describe(object: &crate::finding::ObjectName) -> String {
    let reference = object
        .reference
        .map(|number| format!("key reference {} ", key_reference(number)))
        .unwrap_or_default();
    format!("{reference}\"{}\"", object.label)
}

fn show_evidence(out: &mut String, evidence: &Evidence) {
    if let Some(source) = &evidence.source {
        super::source::show(out, source);
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
        let _ = writeln!(out, "    {quote}{}{quote}", file.path);
        let size = bytes(file.size);
        let _ = writeln!(out, "    {size}, written {}, owner uid {}", file.modified, file.owner);
        if let Some(sha256) = &file.sha256 {
            let _ = writeln!(out, "    SHA-256 {sha256}");
        }
        if let Some(offset) = evidence.first_difference {
            let _ = writeln!(out, "    differs from the card's file from byte {offset} on");
        }
    }
}

fn show_side(out: &mut String, title: &str, side: &Side) {
    let _ = writeln!(out, "  {DIM}{title}{DIM:#}");
    // A fingerprint of 64 digits just fits behind its name.
    let mut line = |name: &str, value: &Option<String>| {
        if let Some(value) = value {
            wrap(out, &format!("    {name:<11} "), &" ".repeat(16), value);
        }
    };
    line("what", &side.state);
    line("ID", &side.id);
    line("label", &side.label.as_ref().map(|label| format!("\"{label}\"")));
    line("key", &side.key);
    line("fingerprint", &side.public_key);
    line("proof", &side.proof);
    line("subject", &side.subject);
    line("serial no.", &side.certificate_serial);
    line("valid", &side.validity);
    for attribute in &side.attributes {
        wrap(out, &" ".repeat(16), &" ".repeat(16), attribute);
    }
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
    let mut commands: Vec<&str> = Vec::new();
    for fix in verdict.findings.iter().flat_map(|finding| &finding.fix) {
        if let Some(command) = fix.command.as_deref().filter(|command| !commands.contains(command)) {
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

/// One line or two for a cache entry.
pub fn item(out: &mut String, item: &Item) {
    let ids: Vec<&str> = item.findings.iter().map(|id| id.name()).collect();
    let style = if ids.is_empty() { Style::new() } else { AnsiColor::Yellow.on_default() };
    // A name that begins or ends with blanks cannot be seen without quotes.
    let quote = if item.name.trim() == item.name { "" } else { "\"" };
    let _ = writeln!(out, "  {quote}{BOLD}{}{BOLD:#}{quote}", item.name);
    let label = item.label.as_ref().map(|label| format!(" \"{label}\"")).unwrap_or_default();
    wrap(out, "      ", "      ", &format!("{}{label}", item.object));
    if let Some(id) = &item.id {
        let _ = writeln!(out, "      ID {id}");
    }
    if let Some(key) = &item.public_key {
        let _ = writeln!(out, "      key {key}");
    }
    let age = match item.age_days {
        0 => "today".to_owned(),
        1 => "1 day ago".to_owned(),
        days => format!("{days} days ago"),
    };
    let what = format!("{}, written {} ({age}), owner uid {}", bytes(item.size), item.modified, item.owner);
    wrap(out, "      ", "      ", &what);
    let found = if ids.is_empty() { String::new() } else { format!(": {}", ids.join(", ")) };
    let _ = writeln!(out, "      {style}{}{found}{style:#}", item.state.words());
}

/// Says which half of the picture never comes from a cache.
pub fn live_note(out: &mut String) {
    wrap(
        out,
        "",
        "",
        "The lines above come from the card itself: OpenSC never caches them. Key IDs, labels, public keys and \
         certificates are what OpenSC answers from its cache.",
    );
    out.push('\n');
}

/// Both views of objects.
pub fn sides(out: &mut String, objects: &[Sides]) {
    for object in objects {
        let reference = object
            .reference
            .map(|number| format!(", key reference {}", key_reference(number)))
            .unwrap_or_default();
        let _ = writeln!(out, "{BOLD}slot {}{reference}{BOLD:#} (token {})", object.slot, object.token);
        show_side(out, "on the card", &object.card);
        // What is said of each cache is not said twice.
        let everywhere = object.shown.iter().any(|shown| !shown.program.is_empty());
        if !everywhere {
            show_unlisted(out, &object.unlisted);
        }
        for shown in &object.shown {
            let lists = |program: &&String| shown.unlisted.iter().all(|one| one.program != **program);
            let lists: Vec<&str> = shown.program.iter().filter(lists).map(String::as_str).collect();
            let who = if shown.program.is_empty() {
                format!("in {} (no program reads it today)", shown.directory)
            } else if lists.is_empty() {
                format!("read by {}", shown.program.join(", "))
            } else {
                format!("shown by {}", lists.join(", "))
            };
            if shown.side == object.card && !shown.entries.is_empty() {
                let _ = writeln!(out, "  {DIM}{who}{DIM:#}\n    the same");
            } else if shown.side != object.card {
                show_side(out, &who, &shown.side);
            }
            for entry in &shown.entries {
                let _ = writeln!(out, "    from {entry}");
            }
            show_unlisted(out, &shown.unlisted);
        }
        out.push('\n');
    }
}

fn show_unlisted(out: &mut String, unlisted: &[Unlisted]) {
    for Unlisted { program, why } in unlisted {
        wrap(out, "    ", "      ", &format!("not listed by {program}: {why}"));
    }
}

pub(super) fn bytes(size: u64) -> String {
    format!("{size} {}", if size == 1 { "byte" } else { "bytes" })
}

/// A name and its value, aligned.
pub fn row(out: &mut String, name: &str, value: &str) {
    let first = format!("  {name:<14} ");
    wrap(out, &first, &" ".repeat(17), value);
}

/// Writes text in lines of at most 80 columns; words are never broken, so that a
/// key ID or path can be copied.
pub fn wrap(out: &mut String, first: &str, other: &str, text: &str) {
    let mut line = first.to_owned();
    let mut empty = true;
    for word in text.split(' ') {
        if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(out, "{}", line.trim_end());
            other.clone_into(&mut line);
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    let _ = writeln!(out, "{}", line.trim_end());
}

const fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "CRITICAL",
        Severity::Error => "ERROR",
        Severity::Warning => "WARNING",
        Severity::Info => "INFO",
    }
}

fn severity_style(severity: Severity) -> Style {
    match severity {
        Severity::Critical | Severity::Error => AnsiColor::Red.on_default().bold(),
        Severity::Warning => AnsiColor::Yellow.on_default().bold(),
        Severity::Info => Style::new().bold(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_short_and_ids_whole() {
        let mut out = String::new();
        let id = "2caf2c01df2eb911514a169cc885c73d3a8dd07a";
        let text = format!("OpenSC shows ID {id} for key reference 1; the card's key there has ID {id}.");
        wrap(&mut out, "  ", "    ", &text);
        assert!(out.lines().all(|line| line.len() <= WIDTH), "{out}");
        assert_eq!(out.matches(id).count(), 2);
        let mut long = String::new();
        wrap(&mut long, "", "", &"x".repeat(200));
        assert_eq!(long.len(), 201);
    }
}
