//! What `fix` did about each finding, for people and as data.

use std::fmt::Write;

use serde::Serialize;

use super::edited;
use super::lines::wrap;
use super::repaired::{flushed_steps, holders, taken_back};
use crate::finding::{Finding, Remedy, Safety, Severity};
use crate::repair::Applied;
use crate::repair::config::Goal;
use crate::text::count;
use crate::verdict::Verdict;

/// One finding, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Repaired {
    /// The finding as it was.
    #[serde(flatten)]
    pub finding: Finding,
    /// What became of it.
    pub result: Result,
}

/// What became of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "RepairResult"))]
#[serde(rename_all = "kebab-case")]
pub enum Result {
    /// Something was done, and it is gone.
    Cured,
    /// Something was done, and programs show what is on the card; whether that is right no file proves.
    Unproven,
    /// Something was done, and it is still there.
    NotCured,
    /// Rehearsed only: something would be done.
    WouldTry,
    /// It takes `--guarded`.
    NeedsGuarded,
    /// It takes `--unsafe`.
    NeedsUnsafe,
    /// Only a person can.
    Manual,
    /// It went by itself.
    Gone,
}

/// What `fix` did.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub struct Report {
    /// Nothing was done.
    pub dry_run: bool,
    /// The files that were taken.
    pub operations: Vec<Applied>,
    /// The edit of the configuration, if one is called for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edit: Option<edited::Report>,
    /// Each finding, in the order of the report of `check`.
    pub repairs: Vec<Repaired>,
}

/// For people; `after` is what is found now.
#[must_use]
pub fn human(report: &Report, after: &Verdict) -> String {
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
        (Result::Cured, "Cured"),
        (Result::Unproven, "Done; that signatures verify now no file proves, `stalecard verify` would"),
        (Result::WouldTry, "To be repaired"),
        (Result::NotCured, "NOT CURED"),
        (Result::NeedsGuarded, "Left alone: it takes --guarded"),
        (Result::NeedsUnsafe, "Left alone: it takes --unsafe"),
        (Result::Manual, "Only you can do this"),
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
            if result == Result::Manual {
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
            && !matches!(repaired.result, Result::Cured | Result::Unproven | Result::Gone | Result::WouldTry)
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

/// What it takes to repair a finding that was left alone.
#[must_use]
pub const fn needs(safety: Safety) -> Result {
    match safety {
        Safety::Safe | Safety::Manual => Result::Manual,
        Safety::Guarded => Result::NeedsGuarded,
        Safety::Unsafe => Result::NeedsUnsafe,
    }
}
