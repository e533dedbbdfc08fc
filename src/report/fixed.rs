//! What `fix` did about each finding, for people.

use std::fmt::Write;

use super::edited;
use super::human::{coverage, ending, headline};
use super::lines::{Detail, Page, Screen, wrap};
use super::repaired::{flushed_steps, refilled};
use crate::finding::{Finding, Remedy};
use crate::repair::{Became, FixReport};
use crate::verdict::Verdict;
use crate::verdict::brief::Brief;

/// For people; `after` is what is found now.
#[must_use]
pub fn human(screen: &Screen, report: &FixReport, after: &Verdict, brief: &Brief) -> String {
    let mut out = Page::new(screen);
    headline(&mut out, &brief.headline, &brief.dangers);
    if screen.detail >= Detail::Usual {
        body(&mut out, report);
    }
    if screen.detail == Detail::All {
        coverage(&mut out, &after.coverage);
    }
    ending(&mut out, brief);
    out.text()
}

fn body(out: &mut Page<'_>, report: &FixReport) {
    flushed_steps(out, &report.operations, report.dry_run);
    refilled(out, report.refilled.as_ref(), report.dry_run);
    if let Some(edit) = &report.edit {
        wrap(out, "  ", "    ", &edited::sentence(edit));
        edited::body(out, edit);
    }
    let groups = [
        (Became::Cured, "Cured"),
        (Became::Unproven, "Done; that signatures verify now no file proves, `stalecard verify` would"),
        (Became::WouldTry, "To be repaired"),
        (Became::NotCured, "NOT CURED"),
        (Became::NeedsGuarded, "Left alone: it takes --guarded"),
        (Became::NeedsUnsafe, "Left alone: it takes --unsafe"),
        (Became::Manual, "Only you can do this"),
    ];
    for (result, title) in groups {
        let of_group: Vec<&Finding> =
            report.repairs.iter().filter(|r| r.result == result).map(|r| &r.finding).collect();
        if of_group.is_empty() {
            continue;
        }
        wrap(out, "", "  ", &format!("{title}:"));
        for finding in of_group {
            let summary = out.screen.prose(&finding.summary);
            wrap(out, "  ", "    ", &format!("{}: {summary}", finding.id.name()));
            if result == Became::NeedsGuarded && finding.edit().is_some() {
                let text = "It edits the configuration, for every program and user, as `stalecard config disable-cache` does.";
                wrap(out, "    ", "      ", text);
            }
            if result == Became::NeedsUnsafe {
                let text = "`stalecard fix --unsafe` takes it, too; what may be private goes for good, and no undo \
                            brings it back.";
                wrap(out, "    ", "      ", text);
            }
            if result == Became::Manual {
                finding.fix.iter().for_each(|remedy| advice(out, remedy));
            }
        }
    }
}

fn advice(out: &mut Page<'_>, remedy: &Remedy) {
    wrap(out, "    ", "      ", &remedy.what);
    if let Some(command) = remedy.command() {
        let _ = writeln!(out, "      {command}");
    }
}
