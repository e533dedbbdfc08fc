//! What there is to say of a change first and last: what it came to, what is left to do after it, and how it is taken
//! back. Pure.

mod edited;
mod undone;

pub use edited::edited;
pub use undone::undone;

use std::collections::BTreeSet;

use super::ending::Ending;
use super::findings::Fixed;
use super::flush::Flushed;
use crate::error::Error;
use crate::finding::{Finding, Prose, Safety, Severity, Shows, doubtful_since};
use crate::judge::brief::{brief, unsaid};
use crate::judge::steps::{proof, reissue, restart_of_the_unseen};
use crate::naming;
use crate::repair::{Applied, Became, FixReport, Left, Outcome, Refilled};
use crate::text::count;
use crate::verdict::Verdict;
use crate::verdict::brief::{Brief, Cause, CauseKind, Headline, Purpose, Step, Word};

/// How the steps of a repair ended, by number.
#[derive(Default)]
struct Sum<'a> {
    moved: usize,
    removed: usize,
    /// What takes more consent, by why.
    left: Vec<(Left, usize)>,
    failed: Option<&'a str>,
    /// Something failed for another reason than that a file was no longer what it had been when it was looked at.
    has_cause: bool,
    /// Programs may have read what was taken.
    was_seen: bool,
    /// They may have, or it was asked for whatever it is.
    was_read: bool,
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
                Outcome::Changed(why) => sum.failed = sum.failed.or(Some(why)),
                Outcome::Failed(why) => {
                    // What has a cause to be removed is told first.
                    sum.failed = sum.failed.filter(|_| sum.has_cause).or(Some(why));
                    sum.has_cause = true;
                }
            }
            let is_taken = matches!(step.outcome, Outcome::Moved | Outcome::Removed);
            let is_seen = step.reason.found().is_none_or(|id| id.shows() == Shows::OldView);
            sum.was_seen |= is_taken && is_seen;
            sum.was_read |= is_taken && step.reason.was_seen();
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

    /// All of it, as a sentence or two.
    fn sentence(&self, dry_run: bool) -> String {
        let unchanged = if dry_run && self.changed() { " Nothing was changed." } else { "" };
        let nothing = nothing(dry_run);
        let said = match (self.failed, self.changed(), self.left()) {
            (Some(why), true, _) => format!("{}, and not all of it: {why}", self.done(dry_run)),
            (Some(why), false, _) => format!("{nothing}: {why}"),
            (None, true, Some(left)) => format!("{}; {left}", self.done(dry_run)),
            (None, true, None) => self.done(dry_run),
            (None, false, Some(left)) => format!("{nothing}: {left}"),
            (None, false, None) => "Nothing to move".to_owned(),
        };
        format!("{said}.{unchanged}")
    }

    /// Is all that was left for want of this one option?
    fn needs_only(&self, option: &str) -> bool {
        self.left.iter().all(|(why, _)| why.option() == option)
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

/// Of a flush. `typed`: the command, without `--dry-run`.
#[must_use]
pub fn flushed(done: &Flushed, dry_run: bool, typed: &str) -> Brief {
    let mut told = brief(&done.after);
    let sum = Sum::of(&done.operations, done.refilled.as_ref());
    // Of what is left wrong, what a flush is for: the entries that are shown. The rest is said.
    let wrong = left(&told);
    let is_for = |cause: &Cause| {
        cause.severity >= Severity::Error && cause.kind.is_seen() && cause.kind != CauseKind::Undecided
    };
    let ending = Ending {
        failed: done.failed,
        unread: done.unread,
        left: wrong.filter(|word| *word == Word::Stale && told.causes.iter().any(is_for)),
        dry_run,
        changed: sum.changed(),
    };
    let rest = told.headline.sentence.clone();
    let is_rest = wrong.is_some() || done.unread;
    let sentence = match (&done.error, done.serials.as_deref(), is_rest) {
        (Some(Error::NoSuchEntry { name, .. }), ..) => {
            let moved = if sum.changed() { sum.done(dry_run) } else { nothing(dry_run).to_owned() };
            Prose::from(format!("{moved}: nothing is called {name:?}."))
        }
        (Some(Error::NoCardToFlush), ..) => {
            let nothing = nothing(dry_run);
            Prose::from(format!("{nothing}: only its card tells whether an entry is stale. ")).then(&rest)
        }
        (_, Some(known), _) if !sum.changed() && sum.left.is_empty() => {
            let known = if known.is_empty() { "none at all".to_owned() } else { naming::list(known) };
            Prose::from(format!(
                "Nothing to move: no cache that was looked at has an entry of this card; the cards they know: {known}."
            ))
        }
        (_, _, true) if !dry_run || !sum.changed() => {
            Prose::from(format!("{} What is left: ", sum.sentence(dry_run))).then(&rest)
        }
        (_, _, true) if done.unread => Prose::from(sum.sentence(dry_run))
            .and(" Not everything that was asked for could be read: there may be more."),
        (_, _, false) if sum.changed() && sum.left.is_empty() && sum.failed.is_none() && !dry_run => {
            let is_cached = done.after.programs.iter().any(|program| program.caching.is_on());
            let taken = sum.moved + sum.removed;
            let after = match (sum.refilled, sum.was_read && is_cached) {
                (1, _) if taken == 1 => "It is as OpenSC writes it today.",
                (2.., _) if sum.refilled == taken => "They are as OpenSC writes them today.",
                (1.., _) => {
                    "What is filled anew is as OpenSC writes it today; the rest it reads from the card again."
                }
                (0, true) if taken == 1 => "OpenSC reads it from the card again.",
                (0, true) => "OpenSC reads them from the card again.",
                (0, false) if taken == 1 => "No program reads it today.",
                (0, false) => "No program reads them today.",
            };
            Prose::from(format!("{} {after}", sum.sentence(dry_run)))
        }
        (_, _, false) if !sum.changed() && sum.left.is_empty() && sum.failed.is_none() => {
            Prose::from(nothing_to_move(done))
        }
        _ => Prose::from(sum.sentence(dry_run)),
    };
    told.headline = Headline { state: ending.word(), sentence, card: told.headline.card };
    if done.unread {
        told.unread = unsaid(&done.after, &told.headline);
    }
    match done.error {
        Some(Error::NoCardToFlush) => {
            told.look_again_by(typed);
        }
        Some(_) if !sum.changed() => {
            told.steps.clear();
            let what = "lists what there is; --user and --cache-dir say where else to look";
            told.steps.push(Step::new(Purpose::Look, Some("stalecard ls".to_owned()), what));
        }
        _ => {
            if done.is_stale {
                told.look_again_by(typed);
            } else {
                // What was named takes no card, and so does its report: what programs show now a check tells.
                told.steps.retain(|step| step.purpose != Purpose::Look);
                if !dry_run {
                    told.steps.insert(0, check("tells what programs show now"));
                }
            }
            follow(&mut told, &sum, dry_run, &done.after, done.doubtful_since);
        }
    }
    if dry_run && sum.changed() {
        for_real(&mut told, typed);
    }
    // What each user's stale entries take is a step of its own already.
    let takes = |step: &Step| step.gives == Some(Safety::Guarded);
    let consented = sum.consented(&done.command).filter(|_| {
        let is_told = done.is_stale && sum.needs_only("--guarded");
        !(is_told && told.steps.iter().any(takes))
    });
    if let Some(step) = consented {
        told.steps.push(step);
        told.steps.sort_by_key(|step| step.purpose);
    }
    // After all that is known to cure something.
    if !sum.changed() {
        let prevents = |step: &Step| step.purpose >= Purpose::Prevent;
        let place = told.steps.iter().position(prevents).unwrap_or(told.steps.len());
        let steps = done.uncompared.iter().map(|(serial, command)| {
            let what = format!("needs no card: moves all entries of {serial}, stale or not");
            Step::new(Purpose::Mend, Some(command.clone()), what)
        });
        told.steps.splice(place..place, steps);
    }
    cause_first(&mut told, &sum, typed);
    told
}

/// What failed fails again until its cause is removed: that comes before any other flush. What only was written anew
/// meanwhile has none: it is looked at again.
fn cause_first(told: &mut Brief, sum: &Sum<'_>, typed: &str) {
    match sum.failed {
        Some(why) if sum.has_cause => {
            let what = format!("remove the cause first: {}", why.trim_end_matches('.'));
            told.steps.insert(0, Step::new(Purpose::Mend, None, what));
        }
        Some(_) => {
            let what = "again: looks anew at what was written meanwhile";
            told.steps.retain(|step| step.command.as_deref() != Some(typed));
            told.steps.insert(0, Step::new(Purpose::Flush, Some(typed.to_owned()), what));
        }
        None => {}
    }
}

/// That nothing came of it, or would.
const fn nothing(dry_run: bool) -> &'static str {
    if dry_run { "Nothing would be moved" } else { "Nothing was moved" }
}

/// That nothing was to be moved, of no more than what was compared.
fn nothing_to_move(done: &Flushed) -> String {
    if !done.is_stale {
        return "Nothing to move: the caches that were looked at have no such entry.".to_owned();
    }
    match not_compared(&done.after) {
        None => "Nothing to move: nothing in these caches is stale.".to_owned(),
        Some(rest) => format!("Nothing to move: nothing that was compared is stale. {rest}"),
    }
}

/// What was not compared though nobody asked for more: the first, and how much else.
fn not_compared(after: &Verdict) -> Option<String> {
    let (first, rest) = after.coverage.split_first()?;
    let more = match rest.len() {
        0 => String::new(),
        number => format!("; and {}", count(number, "thing more", "things more")),
    };
    Some(format!("Not compared: {}: {}{more}.", first.what, first.why.trim_end_matches('.')))
}

/// Of a repair of all that is found. `typed`: the command, without `--dry-run`; `looks`: a check of the same.
#[must_use]
pub fn fixed(done: &Fixed, typed: &str, looks: &str) -> Brief {
    let mut told = brief(&done.after);
    let report = &done.report;
    let dry_run = report.dry_run;
    let sum = Sum::of(&report.operations, report.refilled.as_ref());
    let wrong = left(&told);
    let number = |of: &[Became]| report.repairs.iter().filter(|one| of.contains(&one.result)).count();
    let all = report.repairs.len();
    let cured = number(&[Became::Cured, Became::Unproven, Became::Gone]);
    let tried = number(&[Became::WouldTry]);
    let changed = if dry_run { tried > 0 } else { cured > 0 || done.changed };
    let ending = Ending { failed: done.failed, unread: done.unread, left: wrong, dry_run, changed };
    let of_all = |some: usize| {
        if some == all {
            count(all, "finding", "findings")
        } else {
            format!("{some} of {}", count(all, "finding", "findings"))
        }
    };
    let moved = if sum.changed() { format!(" {}.", sum.done(dry_run)) } else { String::new() };
    let rest = told.headline.sentence.clone();
    let is_rest = wrong.is_some() || done.unread;
    let did = match (all, dry_run) {
        (0, _) => "Nothing to repair.".to_owned(),
        (_, true) if tried == 0 => "Nothing would be repaired.".to_owned(),
        (_, true) => format!("{} would be repaired.{moved} Nothing was changed.", of_all(tried)),
        (_, false) if cured == 0 && !is_rest && !done.failed => {
            format!("Nothing was changed: {}.", what_it_takes(report))
        }
        // What is left is why.
        (_, false) if !changed && done.unread && !done.failed => "Nothing was repaired.".to_owned(),
        (_, false) => format!("{} cured.{moved}", of_all(cured)),
    };
    let did = if done.unedited.is_some() { did + " The configuration was not edited." } else { did };
    let sentence = match not_compared(&done.after) {
        _ if done.failed => Prose::from(did),
        _ if dry_run && tried > 0 => {
            let open = " Not everything that was asked for could be read: there may be more.";
            Prose::from(did).and(if done.unread { open } else { "" })
        }
        _ if is_rest && (all == 0 || dry_run || (!changed && done.unread)) => {
            Prose::from(did + " ").then(&rest)
        }
        _ if is_rest => Prose::from(did + " What is left: ").then(&rest),
        Some(open) if !changed => Prose::from(format!("{did} {open}")),
        _ => Prose::from(did),
    };
    told.headline = Headline { state: ending.word(), sentence, card: told.headline.card };
    told.unread = unsaid(&done.after, &told.headline);
    told.look_again_by(looks);
    let repaired: Vec<Finding> = report.repairs.iter().map(|one| one.finding.clone()).collect();
    let since = doubtful_since(&repaired);
    follow(&mut told, &sum, dry_run, &done.after, since);
    if dry_run && tried > 0 {
        for_real(&mut told, typed);
    }
    let edited = report.edit.as_ref().and_then(|edit| edit.operation.as_ref());
    if let Some(operation) = edited.filter(|_| sum.operation.is_none()) {
        told.steps.push(undo_of(operation));
    }
    cause_first(&mut told, &sum, typed);
    told
}

/// What the findings wait for that were left alone.
fn what_it_takes(report: &FixReport) -> String {
    let kinds = [
        (Became::NeedsGuarded, "takes --guarded", "take --guarded"),
        (Became::NeedsUnsafe, "takes --unsafe", "take --unsafe"),
        (Became::Manual, "only you can cure", "only you can cure"),
    ];
    let parts: Vec<String> = kinds
        .iter()
        .filter_map(|(result, one, many)| {
            let number = report.repairs.iter().filter(|repaired| repaired.result == *result).count();
            let verb = if number == 1 { one } else { many };
            (number > 0).then(|| format!("{} {verb}", count(number, "finding", "findings")))
        })
        .collect();
    if parts.is_empty() { "nothing is left to be done".to_owned() } else { parts.join("; ") }
}

/// What is still wrong, in a word.
fn left(told: &Brief) -> Option<Word> {
    match told.headline.state {
        Word::Stale | Word::Undecided | Word::Wrong | Word::Configuration => Some(told.headline.state),
        Word::Unread
        | Word::Risk
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
    let is_left =
        told.causes.iter().any(|cause| cause.severity >= Severity::Error) || !told.unread.is_empty();
    if dry_run || !sum.changed() {
        return;
    }
    if sum.was_seen {
        let restart = restart_of_the_unseen();
        let is_told = told.steps.iter().any(|step| step.call() == restart.call());
        if !is_told && !after.findings.iter().any(Finding::is_of_running_programs) {
            told.steps.push(restart);
        }
        // What OpenSC alone told of is not asked to sign.
        let is_provable = after.tokens.len() > after.asked.len();
        let told_by =
            |typed: &str| Step::new(Purpose::Verify, Some(typed.to_owned()), "tells what programs show now");
        let proof = if is_provable { proof() } else { told_by("stalecard check") };
        let steps = [proof, reissue(since)];
        for step in steps {
            if !told.steps.iter().any(|known| known.command == step.command) {
                told.steps.push(step);
            }
        }
    }
    // What is left to be cured is what the sentence says, so it stays first.
    let lead = usize::from(is_left);
    if let Some(steps) = told.steps.get_mut(lead..) {
        steps.sort_by_key(|step| step.purpose);
    }
    if let Some(operation) = sum.operation {
        told.steps.push(undo_of(operation));
    }
}

/// After a rehearsal the command itself comes in the place of any other that flushes.
fn for_real(told: &mut Brief, typed: &str) {
    told.steps.retain(|step| step.purpose != Purpose::Flush);
    told.steps.insert(0, again(typed));
}

fn again(typed: &str) -> Step {
    Step::new(Purpose::Flush, Some(typed.to_owned()), "does it")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repair::{Action, Reason, StepResult};
    use crate::verdict::brief::Headline;

    fn after(outcomes: &[Outcome]) -> Option<Step> {
        let step = |outcome: &Outcome| StepResult {
            directory: "/c".into(),
            name: "x".into(),
            action: Action::Quarantine,
            reason: Reason::Asked(String::new()),
            outcome: outcome.clone(),
        };
        let done = [Applied { operation: None, changed: false, steps: outcomes.iter().map(step).collect() }];
        let headline = Headline { state: Word::Failed, ..Headline::default() };
        let mut told = Brief { headline, steps: vec![again("stalecard flush")], ..Brief::default() };
        cause_first(&mut told, &Sum::of(&done, None), "stalecard flush");
        told.next()
    }

    /// Nobody can remove the cause of what was only written anew meanwhile.
    #[test]
    fn what_changed_meanwhile_is_looked_at_again_and_what_failed_has_a_cause() {
        let (changed, failed) = (Outcome::Changed("other size".into()), Outcome::Failed("no room".into()));
        let told = after(std::slice::from_ref(&changed));
        assert_eq!(told.and_then(|step| step.command).as_deref(), Some("stalecard flush"));
        for outcomes in [&[failed.clone()][..], &[changed.clone(), failed.clone()], &[failed, changed]] {
            let told = after(outcomes).map(|step| (step.command, step.what));
            assert_eq!(told, Some((None, "remove the cause first: no room".to_owned())));
        }
        assert_eq!(after(&[Outcome::Moved]).map(|step| step.what).as_deref(), Some("does it"));
    }
}
