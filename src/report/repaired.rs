//! What a repair did and left, what came back, and what the quarantine holds: for people, like
//! [`human`](super::human).

use std::fmt::Write;

use super::causes;
use super::edited::{alive, refusal};
use super::human::{coverage, doubtful, ending, headline};
use super::lines::{BOLD, Detail, Page, Screen, bytes, width, wrap};
use crate::finding::Window;
use crate::repair::config::Revived;
use crate::repair::{
    Applied, Left, Operation, OperationState, Outcome, Purged, Refill, Refilled, Refilling, StepResult,
    UndoOutcome, UndoState, Undone,
};
use crate::text::count;
use crate::verdict::Verdict;
use crate::verdict::brief::Brief;

/// Files that are told one by one.
const MOST_FILES: usize = 12;

/// What was, or would be, done with each file.
pub fn flushed_steps(out: &mut Page<'_>, results: &[Applied], dry_run: bool) {
    let all: Vec<&StepResult> = results.iter().flat_map(|applied| &applied.steps).collect();
    // What was in the way is told of each.
    let is_plain =
        |step: &StepResult| matches!(step.outcome, Outcome::Moved | Outcome::Removed | Outcome::AlreadyGone);
    let most = if out.screen.detail == Detail::All { usize::MAX } else { MOST_FILES };
    let mut plain = 0;
    for step in &all {
        plain += usize::from(is_plain(step));
        if !is_plain(step) || plain <= most {
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
                Outcome::NeedsConsent(_) => {
                    let why = step.left().map(Left::consequence).unwrap_or_default();
                    format!("left alone: {path}: {why}")
                }
                Outcome::Failed(why) => format!("FAILED: {path}: {why}"),
            };
            wrap(out, "  ", "    ", &text);
        }
    }
    if let Some(more) = plain.checked_sub(most).filter(|more| *more > 0) {
        let _ = writeln!(out, "  and {} more: -v", count(more, "file", "files"));
    }
}

/// What was, or would be, put in place of what was moved, and what is left to the next listing.
pub fn refilled(out: &mut Page<'_>, refilled: Option<&Refilled>, dry_run: bool) {
    let Some(refilled) = refilled else { return };
    let is_placed = |entry: &&Refill| entry.outcome == Refilling::Placed;
    if out.screen.detail == Detail::All {
        let verb = if dry_run { "would fill" } else { "filled" };
        for Refill { directory, name, .. } in refilled.entries.iter().filter(is_placed) {
            wrap(out, "  ", "    ", &format!("{verb} {directory}/{name}"));
        }
    }
    for left in refilled.left_over() {
        let text = format!("not filled: {}: {}. The next listing fills it", left.what, left.why);
        wrap(out, "  ", "    ", &text);
    }
}

/// What a flush did and what remains.
#[must_use]
pub fn flushed(
    screen: &Screen,
    results: &[Applied],
    refilled: Option<&Refilled>,
    dry_run: bool,
    after: &Verdict,
    brief: &Brief,
    window: Option<Window>,
) -> String {
    let mut out = Page::new(screen);
    headline(&mut out, &brief.headline, &brief.dangers);
    if screen.detail >= Detail::Usual {
        flushed_steps(&mut out, results, dry_run);
        self::refilled(&mut out, refilled, dry_run);
        if let Some(window) = window.filter(|window| window.flushed_at.is_some()) {
            doubtful(&mut out, window);
        }
        if !dry_run {
            causes::show(&mut out, after, &brief.causes);
        }
    }
    if screen.detail == Detail::All {
        coverage(&mut out, &after.coverage);
    }
    ending(&mut out, brief);
    out.text()
}

/// What an undo did, and what came back to life with it; why it did nothing, if that would have. `returns`: entries
/// were to come back from the quarantine.
#[must_use]
pub fn undone(
    screen: &Screen,
    undone: &Undone,
    revived: &[Revived],
    notes: &[String],
    returns: bool,
    brief: &Brief,
) -> String {
    let mut out = Page::new(screen);
    headline(&mut out, &brief.headline, &brief.dangers);
    // Where nothing was changed only what was in the way is told, and not what an earlier undo did.
    let is_told = |outcome: &UndoOutcome| match undone.state {
        _ if screen.detail < Detail::Usual => false,
        UndoState::Undone | UndoState::Incomplete => true,
        UndoState::Conflict => matches!(outcome, UndoOutcome::Conflict(_) | UndoOutcome::Failed(_)),
        UndoState::AlreadyUndone | UndoState::NothingToUndo | UndoState::Refused => false,
    };
    for file in undone.files.iter().filter(|file| is_told(&file.outcome)) {
        let path = format!("{}/{}", file.directory, file.name);
        let text = match &file.outcome {
            UndoOutcome::Restored => format!("restored {path}"),
            UndoOutcome::Replaced(kept) => format!("restored {path}; what stood there is now {kept}"),
            UndoOutcome::SameContent => format!("{path}: the same content is there"),
            UndoOutcome::InPlace => format!("{path}: in place"),
            UndoOutcome::NotKept => format!("{path}: private data, was removed and not kept"),
            UndoOutcome::Waiting => format!("still in the quarantine: {path}"),
            UndoOutcome::Conflict(why) => format!("CONFLICT: {path}: {why}"),
            UndoOutcome::Failed(why) => format!("FAILED: {path}: {why}"),
            UndoOutcome::TakenAway => format!("taken away {path}, which was put there"),
            UndoOutcome::NotOurs => format!("{path}: gone or written anew since it was put there"),
        };
        wrap(&mut out, "  ", "    ", &text);
    }
    match undone.state {
        _ if screen.detail < Detail::Usual => {}
        UndoState::Refused => {
            let id = undone.operation.as_deref().unwrap_or_default();
            refusal(&mut out, revived, Some(id), returns);
        }
        UndoState::Undone => alive(&mut out, revived, notes),
        UndoState::AlreadyUndone | UndoState::NothingToUndo | UndoState::Conflict | UndoState::Incomplete => {
        }
    }
    ending(&mut out, brief);
    out.text()
}

/// What is in the quarantine.
#[must_use]
pub fn operations(screen: &Screen, operations: &[Operation]) -> String {
    if operations.is_empty() {
        return "The quarantine is empty.\n".to_owned();
    }
    let mut out = Page::new(screen);
    for operation in operations {
        let state = match &operation.state {
            OperationState::Done => "can be undone",
            OperationState::Interrupted => "was interrupted; can be undone",
            OperationState::Undone => "undone",
            OperationState::PartlyUndone => "partly undone; repeat the undo",
            OperationState::Damaged(_) => "its journal cannot be read",
        };
        let files = count(operation.kept_files, "file", "files");
        let age = operation.started_at.map(|at| screen.moment(at.unix_timestamp())).unwrap_or_default();
        if width(&operation.id) + width(&age) + 2 > out.width() || age.is_empty() {
            let _ = writeln!(out, "{BOLD}{}{BOLD:#}", operation.id);
            if !age.is_empty() {
                wrap(&mut out, "  ", "    ", &age);
            }
        } else {
            let _ = writeln!(out, "{BOLD}{}{BOLD:#}, {age}", operation.id);
        }
        wrap(&mut out, "  ", "    ", &format!("{files}, {} kept; {state}", bytes(operation.kept_bytes)));
        if let OperationState::Damaged(why) = &operation.state {
            wrap(&mut out, "  ", "    ", why);
        }
        for file in &operation.files {
            wrap(&mut out, "  ", "    ", &format!("{}/{} ({})", file.directory, file.name, file.reason));
        }
        for placed in &operation.placed {
            wrap(&mut out, "  ", "    ", &format!("{}/{} (put in its place)", placed.directory, placed.name));
        }
        for edit in &operation.edits {
            wrap(&mut out, "  ", "    ", &format!("{}/{} ({})", edit.directory, edit.name, edit.reason));
        }
    }
    out.text()
}

/// What went out of the quarantine for good.
#[must_use]
pub fn purged(screen: &Screen, purged: &[Purged], dry_run: bool) -> String {
    if purged.is_empty() {
        return "Nothing in the quarantine is that old.\n".to_owned();
    }
    let mut out = Page::new(screen);
    let verb = if dry_run { "would remove" } else { "removed" };
    for operation in purged {
        let files = count(operation.files, "file", "files");
        wrap(&mut out, "", "  ", &format!("{verb} {}: {files}, {}", operation.id, bytes(operation.bytes)));
    }
    out.text()
}
