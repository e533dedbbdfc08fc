//! What there is to say of a change first and last: what it came to, what is left to do after it, and how it is taken
//! back. Pure.

use super::findings::Fixed;
use super::flush::Flushed;
use super::undo::Undo;
use std::collections::BTreeSet;

use crate::error::{Error, Exit};
use crate::finding::{Finding, Id, Prose, Shows, doubtful_since};
use crate::judge::brief::{brief, unread};
use crate::judge::steps::{proof, reissue, restart_of_the_unseen};
use crate::naming;
use crate::repair::config::{EditReport, Goal};
use crate::repair::{Applied, Became, Left, Outcome, Refilled, UndoOutcome, UndoState};
use crate::text::count;
use crate::verdict::Verdict;
use crate::verdict::brief::{Brief, Headline, Purpose, Step, Word};

/// How the steps of a repair ended, by number.
#[derive(Default)]
struct Sum<'a> {
    moved: usize,
    removed: usize,
    /// What takes more consent, by why.
    left: Vec<(Left, usize)>,
    failed: Option<&'a str>,
    /// Programs may have read what was taken.
    was_seen: bool,
    operation: Option<&'a String>,
    /// What was put in place of it.
    refilled: usize,
}

impl<'a> Sum<'a> {
    fn of(results: &'a [Applied], refilled: Option<&Refilled>) -> Self {
        let mut sum = Self {
            operation: results.iter().find_map(|one| one.operation.as_ref()),
            refilled: refilled.map_or(0, Refilled::placed),
            ..Self::default()
        };
        for step in results.iter().flat_map(|applied| &applied.steps) {
            match &step.outcome {
                Outcome::Moved => sum.moved += 1,
                Outcome::Removed => sum.removed += 1,
                Outcome::AlreadyGone => {}
                Outcome::NeedsConsent(_) => sum.leave(step.left()),
                Outcome::Changed(why) | Outcome::Failed(why) => sum.failed = sum.failed.or(Some(why)),
            }
            let is_taken = matches!(step.outcome, Outcome::Moved | Outcome::Removed);
            let is_seen = Id::from_name(&step.reason).is_none_or(|id| id.shows() == Shows::OldView);
            sum.was_seen |= is_taken && is_seen;
        }
        sum
    }

    const fn changed(&self) -> bool {
        self.moved + self.removed > 0
    }

    fn leave(&mut self, why: Option<Left>) {
        let Some(why) = why else { return };
        match self.left.iter_mut().find(|(known, _)| *known == why) {
            Some((_, number)) => *number += 1,
            None => self.left.push((why, 1)),
        }
    }

    /// `2 files left alone: private, or perhaps private`.
    fn left(&self) -> Option<String> {
        let of = |(why, number): &(Left, usize)| {
            format!("{} left alone: {}", count(*number, "file", "files"), why.words())
        };
        let parts: Vec<String> = self.left.iter().map(of).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// What takes them, too.
    fn consented(&self, command: &str) -> Option<Step> {
        let options: BTreeSet<&str> = self.left.iter().map(|(why, _)| why.option()).collect();
        let is_for_good = self.left.iter().any(|(why, _)| *why == Left::Private);
        let what = if is_for_good {
            "takes what is left, too; what may be private goes for good, and no undo brings it back"
        } else {
            "takes what is left, too"
        };
        let options: Vec<&str> = options.into_iter().collect();
        let command = format!("{command} {}", options.join(" "));
        (!options.is_empty()).then(|| Step::new(Purpose::Flush, Some(command), what))
    }

    /// `2 files moved to the quarantine, 1 file removed`.
    fn done(&self, dry_run: bool) -> String {
        let (moved, removed, filled) = if dry_run {
            ("would be moved to the quarantine", "would be removed", "would be filled anew")
        } else {
            ("moved to the quarantine", "removed", "filled anew")
        };
        let parts = [(self.moved, moved), (self.removed, removed), (self.refilled, filled)];
        let parts = parts.iter().filter(|(number, _)| *number > 0);
        parts
            .map(|(number, verb)| format!("{} {verb}", count(*number, "file", "files")))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

/// Of a flush.
#[must_use]
pub fn flushed(done: &Flushed, dry_run: bool) -> Brief {
    let mut told = brief(&done.after);
    if matches!(done.error, Some(Error::NoCardToFlush)) {
        return told;
    }
    let sum = Sum::of(&done.operations, done.refilled.as_ref());
    let left = left(&told, &done.after);
    let card = told.headline.card;
    let said = |state, sentence: String| Headline { state, sentence: sentence.into(), card };
    let rest = told.headline.sentence.clone();
    let withheld = sum.left();
    told.headline = match (sum.failed, sum.changed()) {
        (Some(why), true) => said(Word::Failed, format!("{}, and not all of it: {why}.", sum.done(dry_run))),
        (Some(why), false) => said(Word::Failed, format!("Nothing was moved: {why}.")),
        (None, true) if withheld.is_some() => {
            // What was named is all or nothing.
            let word = match (done.exit, dry_run) {
                (Exit::Failed, _) => Word::Failed,
                (_, true) => Word::Planned,
                (_, false) => left.unwrap_or(Word::Done),
            };
            let unchanged = if dry_run { " Nothing was changed." } else { "" };
            let withheld = withheld.unwrap_or_default();
            said(word, format!("{}; {withheld}.{unchanged}", sum.done(dry_run)))
        }
        (None, true) if dry_run => {
            said(Word::Planned, format!("{}. Nothing was changed.", sum.done(dry_run)))
        }
        (None, true) => match left {
            Some(word) => with_rest(&said(word, format!("{}. What is left: ", sum.done(false))), &rest),
            None if sum.refilled > 0 => {
                said(Word::Done, format!("{} as OpenSC writes them today.", sum.done(false)))
            }
            None => said(Word::Done, format!("{}. OpenSC reads them from the card again.", sum.done(false))),
        },
        (None, false) if done.serials.is_some() => {
            let known = done.serials.as_deref().unwrap_or_default();
            let known = if known.is_empty() { "none at all".to_owned() } else { naming::list(known) };
            let sentence = format!(
                "Nothing to move: no cache that was looked at has an entry of this card; the cards they know: {known}."
            );
            said(Word::Unchanged, sentence)
        }
        (None, false) => match withheld {
            Some(withheld) => said(Word::Failed, format!("Nothing was moved: {withheld}.")),
            None => match left {
                Some(word) => with_rest(&said(word, "Nothing to move. ".to_owned()), &rest),
                None => {
                    said(Word::Unchanged, "Nothing to move: nothing in these caches is stale.".to_owned())
                }
            },
        },
    };
    follow(&mut told, &sum, dry_run, &done.after, done.doubtful_since);
    if dry_run && sum.changed() {
        for_real(&mut told);
    }
    if let Some(step) = sum.consented(&done.command) {
        told.steps.push(step);
        told.steps.sort_by_key(|step| step.purpose);
    }
    told
}

/// Of a repair of all that is found.
#[must_use]
pub fn fixed(done: &Fixed) -> Brief {
    let mut told = brief(&done.after);
    let report = &done.report;
    let sum = Sum::of(&report.operations, report.refilled.as_ref());
    let left = left(&told, &done.after);
    let number = |of: &[Became]| report.repairs.iter().filter(|one| of.contains(&one.result)).count();
    let all = report.repairs.len();
    let cured = number(&[Became::Cured, Became::Unproven, Became::Gone]);
    let tried = number(&[Became::WouldTry]);
    let card = told.headline.card;
    let said = |state, sentence: String| Headline { state, sentence: sentence.into(), card };
    let of_all = |some: usize| {
        if some == all {
            count(all, "finding", "findings")
        } else {
            format!("{some} of {}", count(all, "finding", "findings"))
        }
    };
    let changed = if sum.changed() { format!(" {}.", sum.done(report.dry_run)) } else { String::new() };
    let rest = left.map(|word| (word, told.headline.sentence.clone()));
    told.headline = if all == 0 {
        match rest {
            Some((word, rest)) => with_rest(&said(word, "Nothing to repair. ".to_owned()), &rest),
            None => said(Word::Unchanged, "Nothing to repair.".to_owned()),
        }
    } else if done.unedited.is_some() || number(&[Became::NotCured]) > 0 {
        said(Word::Failed, format!("{} cured.{changed}", of_all(cured)))
    } else if let (true, 0, Some((word, rest))) = (report.dry_run, tried, &rest) {
        with_rest(&said(*word, "Nothing would be repaired. ".to_owned()), rest)
    } else if report.dry_run {
        told.unread = unread(&done.after);
        let word = if tried > 0 { Word::Planned } else { Word::Unchanged };
        said(word, format!("{} would be repaired.{changed} Nothing was changed.", of_all(tried)))
    } else {
        match rest {
            Some((word, rest)) => {
                with_rest(&said(word, format!("{} cured.{changed} What is left: ", of_all(cured))), &rest)
            }
            None if cured > 0 => said(Word::Done, format!("{} cured.{changed}", of_all(cured))),
            None => said(Word::Unchanged, "Nothing was changed: what is left only you can do.".to_owned()),
        }
    };
    let repaired: Vec<Finding> = report.repairs.iter().map(|one| one.finding.clone()).collect();
    let since = doubtful_since(&repaired);
    follow(&mut told, &sum, report.dry_run, &done.after, since);
    if report.dry_run && tried > 0 {
        for_real(&mut told);
    }
    let edited = report.edit.as_ref().and_then(|edit| edit.operation.as_ref());
    if let Some(operation) = edited.filter(|_| sum.operation.is_none()) {
        told.steps.push(undo_of(operation));
    }
    told
}

/// Of a change that was taken back.
#[must_use]
pub fn undone(done: &Undo) -> Brief {
    let undone = &done.undone;
    let id = undone.operation.as_deref().unwrap_or_default();
    let back = |outcome: &UndoOutcome| match outcome {
        UndoOutcome::Restored | UndoOutcome::Replaced(_) | UndoOutcome::SameContent => true,
        UndoOutcome::Waiting => done.dry_run,
        UndoOutcome::InPlace
        | UndoOutcome::NotKept
        | UndoOutcome::Conflict(_)
        | UndoOutcome::Failed(_)
        | UndoOutcome::TakenAway
        | UndoOutcome::NotOurs => false,
    };
    let number = undone.files.iter().filter(|file| back(&file.outcome)).count();
    let files = count(number, "file", "files");
    let (state, sentence) = match (undone.state, done.dry_run) {
        (UndoState::Undone, false) => (Word::Done, format!("Operation {id} is undone: {files} put back.")),
        (UndoState::Undone, true) => {
            (Word::Planned, format!("Operation {id} would be undone: {files} put back. Nothing was changed."))
        }
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
                "Nothing was changed: without operation {id} programs would show cache entries again that are stale, \
                 or may be: their card was not read."
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
            vec![again()]
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
        UndoState::Refused => vec![check("tells which are stale")],
        UndoState::Incomplete => vec![
            step(Purpose::Mend, format!("stalecard undo {id}"), "again, when the cause is removed"),
            list("what was done before it can be taken back by name"),
        ],
    };
    let headline = Headline { state, sentence: sentence.into(), ..Headline::default() };
    Brief { headline, steps, ..Brief::default() }
}

/// Of an edit of the configuration.
#[must_use]
pub fn edited(report: &EditReport, goal: Goal) -> Brief {
    let file = &report.file;
    let is_off = goal == Goal::Off;
    let switched = if is_off { "off" } else { "on" };
    let (state, sentence) = match (report.refused, report.changes.is_empty(), report.created, report.dry_run)
    {
        (true, ..) => (Word::Failed, format!("{file}: not edited.")),
        (false, true, ..) => {
            (Word::Unchanged, format!("{file}: nothing to change, the cache is {switched} already."))
        }
        (false, false, true, true) => {
            (Word::Planned, format!("{file}: would be created, to switch the cache {switched}."))
        }
        (false, false, false, true) => {
            (Word::Planned, format!("{file}: would be edited, to switch the cache {switched}."))
        }
        (false, false, true, false) => (Word::Done, format!("{file}: created; the cache is {switched}.")),
        (false, false, false, false) => (Word::Done, format!("{file}: edited; the cache is {switched}.")),
    };
    let mut steps = Vec::new();
    if report.refused {
        steps.push(check("tells what is wrong with these entries"));
    } else if let Some(operation) = &report.operation {
        let what = "restart running programs (browsers, signing services): they have read the old file";
        steps.push(Step::new(Purpose::Restart, None, what));
        if is_off {
            let what = "or what is in the caches is read again once caching is ever on";
            steps.push(Step::new(Purpose::Prevent, Some("stalecard flush".to_owned()), what));
        }
        steps.push(undo_of(operation));
    } else if report.dry_run && !report.changes.is_empty() {
        steps.push(again());
    }
    let headline = Headline { state, sentence: sentence.into(), ..Headline::default() };
    Brief { headline, steps, ..Brief::default() }
}

/// With what is left to be said.
fn with_rest(headline: &Headline, rest: &Prose) -> Headline {
    Headline { sentence: headline.sentence.clone().then(rest), ..*headline }
}

/// What is still wrong, in a word.
fn left(told: &Brief, after: &Verdict) -> Option<Word> {
    match told.headline.state {
        Word::Stale | Word::Undecided | Word::Wrong | Word::Configuration => Some(told.headline.state),
        Word::Unread => Some(Word::Unread).filter(|_| !unread(after).is_empty()),
        Word::Risk
        | Word::Partly
        | Word::Sound
        | Word::Done
        | Word::Planned
        | Word::Unchanged
        | Word::Failed => None,
    }
}

/// What follows from what was taken: who holds it, the proof, what was signed, the way back.
fn follow(told: &mut Brief, sum: &Sum<'_>, dry_run: bool, after: &Verdict, since: Option<i64>) {
    if dry_run || !sum.changed() {
        return;
    }
    if sum.was_seen {
        if !after.findings.iter().any(Finding::is_of_running_programs) {
            told.steps.push(restart_of_the_unseen());
        }
        // What OpenSC alone told of is not asked to sign.
        let is_provable = after.tokens.len() > after.asked.len();
        let steps = is_provable.then(proof).into_iter().chain([reissue(since)]);
        for step in steps {
            if !told.steps.iter().any(|known| known.command == step.command) {
                told.steps.push(step);
            }
        }
    }
    // What is left to be cured is what the sentence says, so it stays first.
    let lead = usize::from(left(told, after).is_some());
    if let Some(steps) = told.steps.get_mut(lead..) {
        steps.sort_by_key(|step| step.purpose);
    }
    if let Some(operation) = sum.operation {
        told.steps.push(undo_of(operation));
    }
}

/// After a rehearsal the command itself comes in the place of any other that flushes.
fn for_real(told: &mut Brief) {
    told.steps.retain(|step| step.purpose != Purpose::Flush);
    told.steps.insert(0, again());
}

fn again() -> Step {
    Step::new(Purpose::Flush, None, "the same command without --dry-run")
}

fn check(what: &str) -> Step {
    Step::new(Purpose::Look, Some("stalecard check".to_owned()), what)
}

fn list(what: &str) -> Step {
    Step::new(Purpose::Look, Some("stalecard quarantine list".to_owned()), what)
}

fn undo_of(operation: &str) -> Step {
    let command = Some(format!("stalecard undo {operation}"));
    Step::new(Purpose::Undo, command, "takes it back")
}
