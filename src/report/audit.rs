//! What an audit has found: for people the verdict first, what is wrong and what to do in which order; for tables a line
//! an artefact.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use super::human::headline;
use super::lines::{BOLD, Page, Screen, row, whole, wrap};
use crate::audit::{Audit, Group, Item, Kind, MissingFile, Step, Verdict};
use crate::case::attribution::Attributed;
use crate::finding::Finding;
use crate::snapshot::Gap;
use crate::text::count;

/// Groups, and files of a step, that are shown.
const MOST_GROUPS: usize = 12;
const MOST_FILES: usize = 6;
/// What is missing or not decided that is shown.
const MOST_OTHERS: usize = 10;

/// For people.
#[must_use]
pub fn human(screen: &Screen, audit: &Audit, findings: &[Finding], coverage: &[Gap]) -> String {
    let mut out = Page::new(screen);
    headline(&mut out, &audit.headline(coverage), &[]);
    out.gap();
    for (group, finding) in audit.groups.iter().zip(findings).take(MOST_GROUPS) {
        show_group(&mut out, group, finding);
    }
    if let Some(more) = audit.groups.len().checked_sub(MOST_GROUPS).filter(|more| *more > 0) {
        let _ = writeln!(out, "and {more} more groups; --format json and --format csv have all\n");
    }
    steps(&mut out, &audit.steps);
    others(&mut out, audit);
    super::human::coverage(&mut out, coverage.get(..MOST_OTHERS).unwrap_or(coverage));
    if coverage.len() > MOST_OTHERS {
        let _ = writeln!(out, "and {} more reasons; --format json has all\n", coverage.len() - MOST_OTHERS);
    }
    looked_at(&mut out, audit);
    if let Some(next) = audit.next(coverage) {
        wrap(&mut out, "Next: ", "  ", next);
    }
    out.text()
}

fn show_group(out: &mut Page<'_>, group: &Group, finding: &Finding) {
    let summary = out.screen.prose(&finding.summary);
    wrap(out, "", "  ", &summary);
    if let Some(why) = &group.why {
        wrap(out, "  ", "  ", &format!("({why})"));
    }
    out.push_str("\n");
}

fn steps(out: &mut Page<'_>, steps: &[Step]) {
    if steps.is_empty() {
        return;
    }
    let _ = writeln!(out, "{BOLD}Do now{BOLD:#}");
    for (number, step) in steps.iter().enumerate() {
        wrap(out, &format!("  {}. ", number + 1), "     ", &step.what);
        for file in step.files.iter().take(MOST_FILES) {
            whole(out, 7, file);
        }
        if let Some(more) = step.files.len().checked_sub(MOST_FILES).filter(|more| *more > 0) {
            let _ = writeln!(out, "       and {more} more files");
        }
    }
    wrap(
        out,
        "",
        "  ",
        "Each one: `stalecard audit --format csv FOLDER`. Why: `stalecard explain signed-by-other-key`.",
    );
    out.push('\n');
}

fn others(out: &mut Page<'_>, audit: &Audit) {
    if !audit.missing.is_empty() {
        let _ = writeln!(out, "{BOLD}Noted by the CA as valid, and in no file{BOLD:#}");
        for missing in audit.missing.iter().take(MOST_OTHERS) {
            wrap(
                out,
                "  ",
                "    ",
                &format!("serial number {} {} ({})", missing.serial, missing.subject, missing.index),
            );
        }
        if audit.missing.len() > MOST_OTHERS {
            let _ = writeln!(out, "  and {} more", audit.missing.len() - MOST_OTHERS);
        }
        out.push_str("\n");
    }
}

fn looked_at(out: &mut Page<'_>, audit: &Audit) {
    let _ = writeln!(out, "{BOLD}Looked at{BOLD:#}");
    row(out, "files", &audit.files.to_string());
    let total = |is: fn(Verdict) -> bool| {
        let mut kinds: BTreeMap<Kind, usize> = BTreeMap::new();
        for counted in audit.counts.iter().filter(|counted| is(counted.verdict)) {
            *kinds.entry(counted.kind).or_default() += counted.count;
        }
        let words = |(kind, number): (Kind, usize)| count(number, kind.words().0, kind.words().1);
        kinds.into_iter().map(words).collect::<Vec<_>>().join(", ")
    };
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            row(out, name, &value);
        }
    };
    line("sound", total(|verdict| verdict == Verdict::Sound));
    line("issuer unknown", total(|verdict| verdict == Verdict::IssuerNotKnown));
    line("not decided", total(|verdict| verdict == Verdict::NotDecided));
    line("bad", total(Verdict::is_bad));
    let mut number = |name: &str, value: usize, what: &str| {
        if value > 0 {
            row(out, name, &format!("{value} {what}"));
        }
    };
    number("revoked", audit.revoked, "of the bad ones by their CA; they do not count");
    number("repeated", audit.repeated, "that were there more than once");
    number("older", audit.older, "files that were not changed since");
    number(
        "large",
        audit.passed,
        "files over 16 MiB that are no text and do not begin like anything signed, not looked at",
    );
    number("links", audit.links, "that were not followed");
    number("not files", audit.special, "pipes, devices or sockets, not opened");
    number(
        "kernel's",
        audit.kernels,
        "folders of proc, sysfs and the like, where to read is to act, not entered",
    );
    let closed: Vec<String> =
        audit.not_opened.iter().map(|(name, count)| format!("{count} {name}")).collect();
    if !closed.is_empty() {
        row(out, "not opened", &closed.join(", "));
    }
}

/// The first line of the table.
const COLUMNS: [&str; 17] = [
    "verdict",
    "kind",
    "file",
    "place",
    "serial",
    "issuer",
    "subject",
    "made",
    "until",
    "names_id",
    "names_known",
    "made_by_id",
    "made_by_known",
    "revoked",
    "replaced",
    "why",
    "also",
];

/// For tables: RFC 4180, a line an artefact that is bad or not decided, and one for each that a CA has noted and that is in no
/// file.
///
/// # Errors
/// When a verdict or a kind has no word: a cell is never left empty for it.
pub fn csv(audit: &Audit) -> Result<String, serde_json::Error> {
    let mut out = COLUMNS.join(",");
    out.push_str("\r\n");
    let missing = audit.missing.iter().map(|missing| Ok(cells_of_missing(missing)));
    for cells in audit.items.iter().map(cells).chain(missing) {
        let line: Vec<String> = cells?.iter().map(|cell| quoted(cell)).collect();
        out.push_str(&line.join(","));
        out.push_str("\r\n");
    }
    Ok(out)
}

fn cells(item: &Item) -> Result<[String; 17], serde_json::Error> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let id = |key: &Option<Attributed>| {
        key.as_ref()
            .map(|key| key.places.first().map_or(&key.id, |place| &place.id).clone())
            .unwrap_or_default()
    };
    let known = |key: &Option<Attributed>| {
        key.as_ref().and_then(|key| Some(key.places.first()?.place.clone())).unwrap_or_default()
    };
    let candidates: Vec<&str> = item.candidates.iter().map(|key| key.id.as_str()).collect();
    let made_by = if item.made_by.is_some() { id(&item.made_by) } else { candidates.join(" or ") };
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    Ok([
        word(item.verdict)?,
        word(item.kind)?,
        item.file.clone(),
        item.place.to_string(),
        text(&item.serial),
        text(&item.issuer),
        text(&item.subject),
        text(&item.made),
        text(&item.until),
        id(&item.names),
        known(&item.names),
        made_by,
        known(&item.made_by),
        yes(item.revoked),
        yes(item.replaced),
        text(&item.why.as_ref().map(ToString::to_string)),
        item.also.join("; "),
    ])
}

/// The word that JSON has for it.
fn word(value: impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::from_value(serde_json::to_value(value)?)
}

/// Of a certificate that a CA has noted, and that is in no file: the file is the one in which it is noted.
fn cells_of_missing(missing: &MissingFile) -> [String; 17] {
    let mut cells = std::array::from_fn(|_| String::new());
    let told = [
        (0, "no-file"),
        (1, "certificate"),
        (2, missing.index.as_str()),
        (4, missing.serial.as_str()),
        (6, missing.subject.as_str()),
        (13, "no"),
        (14, "no"),
        (15, "noted by the CA as valid, and in no file"),
    ];
    for (place, text) in told {
        if let Some(cell) = cells.get_mut(place) {
            text.clone_into(cell);
        }
    }
    cells
}

/// A cell: in quotes where it needs them; what a spreadsheet would take for a formula is not one.
fn quoted(cell: &str) -> String {
    let acts = cell.starts_with(['=', '+', '-', '@']);
    let cell = if acts { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains([',', '"', '\r', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_text_for_every_spreadsheet() {
        assert_eq!(quoted("plain"), "plain");
        assert_eq!(quoted("CN=a, O=\"b\""), "\"CN=a, O=\"\"b\"\"\"");
        assert_eq!(quoted("=1+1"), "'=1+1");
    }
}
