//! What `fix` did about each finding, for people.

use std::fmt::Write;

use super::edited;
use super::lines::wrap;
use super::repaired::{flushed_steps, holders, taken_back};
use crate::finding::{Finding, Remedy, Severity};
use crate::repair::config::Goal;
use crate::repair::{Became, FixReport};
use crate::text::count;
use crate::verdict::Verdict;

/// For people; `after` is what is found now.
#[must_use]
pub fn human(report: &FixReport, after: &Verdict) -> String {
    let mut out = String::new();
    if report.repairs.is_empty() {
        out.push_str("Nothing to repair.\n");
        return out;
    }
    flushed_steps(&mut out, &report.operations, report.dry_run);
    if let Some(edit) = &report.edit {
        out.push_str(&edited::human(edit, Goal::Off));
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
        let _ = writeln!(out, "{title}:");
        for finding in of_group {
            wrap(&mut out, "  ", "    ", &format!("{}: {}", finding.id.name(), finding.summary));
            if result == Became::NeedsGuarded && finding.edit().is_some() {
                let text = "It edits the configuration, for every program and user, as `stalecard config disable-cache` does.";
                wrap(&mut out, "    ", "      ", text);
            }
            if result == Became::Manual {
                finding.fix.iter().for_each(|remedy| advice(&mut out, remedy));
            }
        }
    }
    if !report.dry_run && report.operations.iter().any(|applied| applied.changed) {
        taken_back(&mut out, &report.operations);
        holders(&mut out, after);
    }
    let bad = report.repairs.iter().filter(|repaired| {
        repaired.finding.severity >= Severity::Error
            && !matches!(repaired.result, Became::Cured | Became::Unproven | Became::Gone | Became::WouldTry)
    });
    let remain = bad.count();
    if remain > 0 {
        let _ = writeln!(out, "{} at or above error.", count(remain, "finding remains", "findings remain"));
    }
    out
}

fn advice(out: &mut String, remedy: &Remedy) {
    wrap(out, "    ", "      ", &remedy.what);
    if let Some(command) = remedy.command() {
        let _ = writeln!(out, "      {command}");
    }
}
