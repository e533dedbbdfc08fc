//! What there is to say of a change that was taken back. Pure.

use super::super::undo::Undo;
use super::{again, check, list};
use crate::repair::{UndoOutcome, UndoState};
use crate::text::count;
use crate::verdict::brief::{Brief, Headline, Purpose, Step, Word};

/// Of a change that was taken back. `typed`: the command, without `--dry-run`.
#[must_use]
pub fn undone(done: &Undo, typed: &str) -> Brief {
    let undone = &done.undone;
    let id = undone.operation.as_deref().unwrap_or_default();
    let back = |outcome: &UndoOutcome| match outcome {
        UndoOutcome::Restored | UndoOutcome::Replaced(_) => true,
        UndoOutcome::Waiting => done.dry_run,
        UndoOutcome::SameContent
        | UndoOutcome::InPlace
        | UndoOutcome::NotKept
        | UndoOutcome::Conflict(_)
        | UndoOutcome::Failed(_)
        | UndoOutcome::TakenAway
        | UndoOutcome::NotOurs => false,
    };
    let number = undone.files.iter().filter(|file| back(&file.outcome)).count();
    let files = count(number, "file", "files");
    let is_there = |outcome: &UndoOutcome| matches!(outcome, UndoOutcome::SameContent | UndoOutcome::InPlace);
    let there = undone.files.iter().filter(|file| is_there(&file.outcome)).count();
    let put_back = match (number, there) {
        (0, there) if there == undone.files.len() => {
            "nothing had to be put back, the same content is there".to_owned()
        }
        (_, 0) => format!("{files} put back"),
        (_, there) => format!("{files} put back, {there} there already"),
    };
    let them = match (done.stale, number) {
        (1, 1) => "It was".to_owned(),
        (stale, number) if stale == number => "They were".to_owned(),
        (1, _) => "1 of them was".to_owned(),
        (stale, _) => format!("{stale} of them were"),
    };
    let stale = match (done.stale, done.is_shown, done.dry_run) {
        (0, ..) => String::new(),
        (_, true, false) => format!(" {them} found stale before, and programs show that again."),
        (_, true, true) => format!(" {them} found stale before, and programs would show that again."),
        (_, false, _) => format!(" {them} found stale before."),
    };
    let (state, sentence) = match (undone.state, done.dry_run) {
        (UndoState::Undone, false) => (Word::Done, format!("Operation {id} is undone: {put_back}.{stale}")),
        (UndoState::Undone, true) => (
            Word::Planned,
            format!("Operation {id} would be undone: {put_back}.{stale} Nothing was changed."),
        ),
        (UndoState::AlreadyUndone, _) => {
            (Word::Unchanged, format!("Operation {id} was undone before; nothing changed."))
        }
        (UndoState::NothingToUndo, _) => (Word::Unchanged, "There is nothing to undo.".to_owned()),
        (UndoState::Conflict, _) => (
            Word::Failed,
            format!(
                "Nothing was changed: something else has been written since operation {id}. It is newer than what is \
                 in the quarantine."
            ),
        ),
        (UndoState::Refused, _) => (
            Word::Failed,
            format!(
                "Nothing was changed: programs would show {} again that {} stale, or cannot be told; see below.",
                count(done.revival.revived.len(), "cache entry", "cache entries"),
                if done.revival.revived.len() == 1 { "is" } else { "are" }
            ),
        ),
        (UndoState::Incomplete, false) => (
            Word::Failed,
            format!(
                "Not everything of operation {id} is back: {files} put back. Remove the cause and repeat."
            ),
        ),
        (UndoState::Incomplete, true) => {
            (Word::Failed, format!("Not everything of operation {id} would come back. Nothing was changed."))
        }
    };
    let step = |purpose, command: String, what: &str| Step::new(purpose, Some(command), what);
    let steps = match undone.state {
        UndoState::Undone if done.dry_run => {
            vec![again(typed)]
        }
        UndoState::Undone => vec![check("tells what programs show now")],
        UndoState::AlreadyUndone => vec![list("lists what can be taken back")],
        UndoState::NothingToUndo => Vec::new(),
        UndoState::Conflict => vec![
            check("tells whether what is there now is right: then leave it"),
            step(
                Purpose::Undo,
                format!("stalecard undo --force {id}"),
                "puts the old content back nevertheless",
            ),
        ],
        // A check would only say that all is well without them.
        UndoState::Refused => {
            let what = format!("leave it; or nevertheless: stalecard undo --force {id}");
            vec![Step::new(Purpose::Mend, None, what)]
        }
        UndoState::Incomplete => vec![
            Step::again(Purpose::Mend, format!("stalecard undo {id}"), "when the cause is removed"),
            list("what was done before it can be taken back by name"),
        ],
    };
    let headline = Headline { state, sentence: sentence.into(), ..Headline::default() };
    Brief { headline, steps, ..Brief::default() }
}
