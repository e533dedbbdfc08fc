//! What an edit of the configuration did, for people.

use std::fmt::Write;

use super::human::{ending, headline};
use super::lines::{Detail, Page, Screen, padded, width, wrap};
use crate::repair::config::{EditReport, Effect, Revived};
use crate::verdict::brief::Brief;

/// For people.
#[must_use]
pub fn human(screen: &Screen, report: &EditReport, brief: &Brief) -> String {
    let mut out = Page::new(screen);
    headline(&mut out, &brief.headline, &brief.dangers);
    if screen.detail >= Detail::Usual {
        body(&mut out, report);
    } else if let Some(diff) = &report.diff {
        // Asked for by itself.
        out.push_str(&visible(diff));
    }
    ending(&mut out, brief);
    out.text()
}

/// Which file an edit is about, among other things that were done.
#[must_use]
pub fn sentence(report: &EditReport) -> String {
    let did = match (report.refused, report.changes.is_empty(), report.dry_run) {
        (true, ..) => "not edited",
        (false, true, _) => "nothing to change",
        (false, false, true) => "would be edited",
        (false, false, false) => "edited",
    };
    format!("{did}: {}", report.file)
}

/// What an edit changed, and what that means.
pub fn body(out: &mut Page<'_>, report: &EditReport) {
    if let Some(diff) = &report.diff {
        out.push_str(&visible(diff));
    }
    if report.refused {
        if report.held.is_empty() {
            refusal(out, &report.revived, None, false);
        } else {
            withheld(out, &report.held);
        }
        return;
    }
    let widest = report.programs.iter().map(|effect| width(&effect.program)).max().unwrap_or(0);
    for Effect { program, before, after } in &report.programs {
        let change = if before == after { after.clone() } else { format!("{before} -> {after}") };
        wrap(out, &format!("  {}  ", padded(program, widest)), "    ", &change);
    }
    for Revived { directory, name, why } in &report.held {
        wrap(out, "  ", "    ", &format!("hidden from now on: {directory}/{name} ({why})"));
    }
    alive(out, &report.revived, &report.notes);
    if let Some(backup) = &report.backup {
        wrap(out, "  ", "    ", &format!("the old file is kept as {backup}"));
    }
}

/// Entries that are shown again, and what else to know.
pub fn alive(out: &mut Page<'_>, revived: &[Revived], notes: &[String]) {
    for Revived { directory, name, why } in revived {
        wrap(out, "  ", "    ", &format!("comes alive again: {directory}/{name} ({why})"));
    }
    for note in notes {
        wrap(out, "", "  ", &format!("Note: {note}"));
    }
}

/// Why caching was not switched on, and what to do: by the `undo` of an operation, or by an edit. `returns`: it would also
/// bring entries back from the quarantine.
pub fn refusal(out: &mut Page<'_>, revived: &[Revived], undo: Option<&str>, returns: bool) {
    wrap(out, "", "", "With caching on, programs would show these cache entries again:");
    for Revived { directory, name, why } in revived {
        wrap(out, "  ", "    ", &format!("{directory}/{name} ({why})"));
    }
    let (again, forced) = match undo {
        Some(id) => (format!("`stalecard undo {id}`"), format!(": `stalecard undo --force {id}`")),
        None => ("the same command".to_owned(), ", add --force".to_owned()),
    };
    let text = if returns {
        format!(
            "What the quarantine holds of them programs do not see there. To bring it back nevertheless{forced}."
        )
    } else {
        format!(
            "Remove them first: `stalecard flush` with the card inserted, or `stalecard flush --all`; then repeat \
             {again}. To switch caching on nevertheless{forced}."
        )
    };
    wrap(out, "", "", &text);
}

/// Why caching was not switched off, and what decides.
fn withheld(out: &mut Page<'_>, held: &[Revived]) {
    let text = "With caching off, programs would not see these cache entries any more, whose public key is, or may be, the \
                right one, and the card's is not:";
    wrap(out, "", "", text);
    for Revived { directory, name, why } in held {
        wrap(out, "  ", "    ", &format!("{directory}/{name} ({why})"));
    }
    let text = "`stalecard check` says what to do first, `stalecard verify` which key is right. To switch caching off \
                nevertheless, add --force.";
    wrap(out, "", "", text);
}

/// Text of a file, harmless on a terminal: control characters but tab and line ends as `\xNN`.
fn visible(bytes: &[u8]) -> String {
    let mut out = String::new();
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        let body = line.strip_suffix(b"\n").unwrap_or(line);
        let body = body.strip_suffix(b"\r").unwrap_or(body);
        for chunk in body.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '\t' => out.push('\t'),
                    '\\' => out.push('\\'),
                    other => out.push_str(&crate::text::escape(other.encode_utf8(&mut [0; 4]).as_bytes())),
                }
            }
            chunk.invalid().iter().for_each(|byte| {
                let _ = write!(out, "\\x{byte:02x}");
            });
        }
        out.push_str(&String::from_utf8_lossy(line.get(body.len()..).unwrap_or_default()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::visible;

    #[test]
    fn a_diff_keeps_its_line_ends_and_loses_its_teeth() {
        assert_eq!(visible(b"+\ta = \\x;\r\n-\x1b[2J\xff\n"), "+\ta = \\x;\r\n-\\x1b[2J\\xff\n");
    }
}
