//! What a repair did and left, what came back, and what the quarantine holds: for people, like
//! [`human`](super::human).

use std::fmt::Write;

use super::edited::{alive, refusal};
use super::lines::{BOLD, GREEN, bytes, wrap};
use crate::finding::{Safety, Severity};
use crate::repair::config::Revived;
use crate::repair::{Applied, Operation, OperationState, Outcome, Purged, UndoOutcome, UndoState, Undone};
use crate::text::count;
use crate::verdict::Verdict;

/// What was, or would be, done with each file.
pub fn flushed_steps(out: &mut String, results: &[Applied], dry_run: bool) {
    for applied in results {
        for step in &applied.steps {
            let path = format!("{}/{}", step.directory, step.name);
            let text = match &step.outcome {
                Outcome::Moved | Outcome::Removed => {
                    let verb = match (dry_run, &step.outcome) {
                        (true, Outcome::Removed) => "would remove",
                        (true, _) => "would move",
                        (false, Outcome::Removed) => "removed",
                        (false, _) => "moved",
                    };
                    format!("{verb} {path} ({})", step.reason)
                }
                Outcome::AlreadyGone => format!("gone already: {path}"),
                Outcome::Changed(why) => format!("left alone: {path}: {why}"),
                Outcome::NeedsConsent(safety) => {
                    let option = if *safety == Safety::Guarded { "--guarded" } else { "--unsafe" };
                    format!("left alone: {path}: it takes {option}")
                }
                Outcome::Failed(why) => format!("FAILED: {path}: {why}"),
            };
            wrap(out, "", "  ", &text);
        }
    }
}

/// How to take back what one run moved: any of its operations stands for all.
pub fn taken_back(out: &mut String, results: &[Applied]) {
    let steps = results.iter().flat_map(|applied| &applied.steps);
    let moved = steps.filter(|step| step.outcome == Outcome::Moved).count();
    if let Some(id) = results.iter().find_map(|applied| applied.operation.as_ref()).filter(|_| moved > 0) {
        let what = count(moved, "entry is", "entries are");
        let _ = writeln!(out, "{what} in the quarantine.\nTo take back: stalecard undo {id}");
    }
}

/// What a flush did and what remains.
#[must_use]
pub fn flushed(results: &[Applied], dry_run: bool, after: &Verdict) -> String {
    let mut out = String::new();
    flushed_steps(&mut out, results, dry_run);
    let changed = results.iter().any(|applied| applied.changed);
    if results.iter().all(|applied| applied.steps.is_empty()) {
        out.push_str("Nothing to move.\n");
    } else if !changed {
        out.push_str("Nothing was moved.\n");
    } else if !dry_run {
        taken_back(&mut out, results);
        holders(&mut out, after);
        wrap(&mut out, "", "", "OpenSC fills the cache again with what is on the card.");
    }
    let remain: Vec<_> =
        after.findings.iter().filter(|finding| finding.severity >= Severity::Error).collect();
    if !dry_run && !remain.is_empty() {
        let _ = writeln!(out, "{}:", count(remain.len(), "finding remains", "findings remain"));
        for finding in remain {
            wrap(&mut out, "  ", "    ", &format!("{}: {}", finding.id.name(), finding.summary));
        }
    }
    out
}

/// Who still goes on with what was read before a flush.
pub fn holders(out: &mut String, after: &Verdict) {
    let mut named = after.findings.iter().filter(|finding| finding.is_of_running_programs()).peekable();
    if named.peek().is_none() {
        let text = "Programs that had the card open still hold the old view: restart them (browsers, signing \
                    services, p11-kit, sssd). None was found running, as far as you may look.";
        wrap(out, "", "", text);
        return;
    }
    out.push_str("These programs still hold the old view; restart them:\n");
    for finding in named {
        wrap(out, "  ", "    ", &finding.summary);
        for fix in &finding.fix {
            match fix.command() {
                Some(command) => {
                    let _ = writeln!(out, "    {GREEN}{command}{GREEN:#}");
                }
                None => wrap(out, "    ", "      ", &fix.what),
            }
        }
    }
}

/// What an undo did, and what came back to life with it; why it did nothing, if that would have. `returns`: entries
/// were to come back from the quarantine.
#[must_use]
pub fn undone(undone: &Undone, revived: &[Revived], notes: &[String], returns: bool) -> String {
    let mut out = String::new();
    // What an earlier undo did is not told as if this one had.
    let files = undone.files.iter().filter(|_| undone.state != UndoState::AlreadyUndone);
    for file in files {
        let path = format!("{}/{}", file.directory, file.name);
        let text = match &file.outcome {
            UndoOutcome::Restored => format!("restored {path}"),
            UndoOutcome::Replaced(kept) => format!("restored {path}; what stood there is now {kept}"),
            UndoOutcome::SameContent => format!("{path}: the same content is there"),
            UndoOutcome::InPlace => format!("{path}: in place"),
            UndoOutcome::NotKept => format!("{path}: private data, was removed and not kept"),
            UndoOutcome::Waiting => format!("{path}: still in the quarantine"),
            UndoOutcome::Conflict(why) => format!("CONFLICT: {path}: {why}"),
            UndoOutcome::Failed(why) => format!("FAILED: {path}: {why}"),
        };
        wrap(&mut out, "", "  ", &text);
    }
    let id = undone.operation.as_deref().unwrap_or_default();
    let text = match undone.state {
        UndoState::Undone => format!("Operation {id} is undone."),
        UndoState::AlreadyUndone => format!("Operation {id} was undone before; nothing changed."),
        UndoState::NothingToUndo => "There is nothing to undo.".to_owned(),
        UndoState::Conflict => format!(
            "Nothing was changed: something else has been written since operation {id}. It is newer than what is \
             in the quarantine; to put the old content back nevertheless: stalecard undo --force {id}"
        ),
        UndoState::Refused => {
            format!(
                "Nothing was changed: without operation {id} programs would show cache entries again that are \
                 stale, or may be: their card was not read."
            )
        }
        UndoState::Incomplete => {
            format!(
                "Not everything of operation {id} is back; remove the cause and repeat: stalecard undo {id}. What \
                 was done before it can be taken back by name: stalecard quarantine list"
            )
        }
    };
    wrap(&mut out, "", "", &text);
    match undone.state {
        UndoState::Refused => out.push_str(&refusal(revived, &format!("`stalecard undo {id}`"), returns)),
        UndoState::Undone => out.push_str(&alive(revived, notes)),
        UndoState::AlreadyUndone | UndoState::NothingToUndo | UndoState::Conflict | UndoState::Incomplete => {
        }
    }
    out
}

/// What is in the quarantine.
#[must_use]
pub fn operations(operations: &[Operation]) -> String {
    if operations.is_empty() {
        return "The quarantine is empty.\n".to_owned();
    }
    let mut out = String::new();
    for operation in operations {
        let state = match &operation.state {
            OperationState::Done => "can be undone",
            OperationState::Interrupted => "was interrupted; can be undone",
            OperationState::Undone => "undone",
            OperationState::PartlyUndone => "partly undone; repeat the undo",
            OperationState::Damaged(_) => "its journal cannot be read",
        };
        let files = count(operation.kept_files, "file", "files");
        let _ = writeln!(
            out,
            "{BOLD}{}{BOLD:#}  {files}, {} kept; {state}",
            operation.id,
            bytes(operation.kept_bytes)
        );
        if let OperationState::Damaged(why) = &operation.state {
            wrap(&mut out, "  ", "    ", why);
        }
        for file in &operation.files {
            wrap(&mut out, "  ", "    ", &format!("{}/{} ({})", file.directory, file.name, file.reason));
        }
        for edit in &operation.edits {
            wrap(&mut out, "  ", "    ", &format!("{}/{} ({})", edit.directory, edit.name, edit.reason));
        }
    }
    out
}

/// What went out of the quarantine for good.
#[must_use]
pub fn purged(purged: &[Purged], dry_run: bool) -> String {
    if purged.is_empty() {
        return "Nothing in the quarantine is that old.\n".to_owned();
    }
    let mut out = String::new();
    let verb = if dry_run { "would remove" } else { "removed" };
    for operation in purged {
        let files = count(operation.files, "file", "files");
        let _ = writeln!(out, "{verb} {}: {files}, {}", operation.id, bytes(operation.bytes));
    }
    out
}
