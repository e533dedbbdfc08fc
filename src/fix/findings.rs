//! Everything the findings call for, as far as the caller agrees; then a second look.

use time::OffsetDateTime;

use super::caches::{Agreed, Ended, Repair, Subject, look_for_holders};
use super::config::{Edit, Programs, edit};
use super::outcome::{say_once, what_became};
use crate::error::Error;
use crate::finding::{Finding, Safety, Severity};
use crate::judge::judge;
use crate::opensc::config::{Situation, Source};
use crate::opensc::install::observe_config;
use crate::repair::config::{EditReport, Goal};
use crate::repair::flush::fix_plan;
use crate::repair::{Became, FixReport, Outcome, Repaired, Run};
use crate::snapshot::Snapshot;
use crate::verdict::Verdict;

/// What to repair.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// Whose caches, and with which cards.
    pub subject: Subject<'a>,
    /// How far.
    pub agreed: Agreed,
    /// Give edits of the configuration as a unified diff, too.
    pub diff: bool,
}

/// What was repaired.
#[derive(Debug)]
pub struct Fixed {
    /// Name of the host.
    pub host: String,
    /// Did anything change, or would it?
    pub changed: bool,
    /// What was done, and what became of each finding.
    pub report: FixReport,
    /// What is found now.
    pub after: Verdict,
    /// When it was looked at first.
    pub checked_at: OffsetDateTime,
    /// Why the configuration was not edited after files were moved.
    pub unedited: Option<Error>,
    /// Something was tried and not done, or did not help.
    pub failed: bool,
    /// Something that was asked for could not be read.
    pub unread: bool,
}

/// Repairs what is found, and looks again.
///
/// # Errors
/// When nothing could be observed or repaired at all. What was moved before is told all the same.
pub fn fix(request: &Request<'_>) -> Result<Fixed, Error> {
    let Request { subject, agreed, .. } = request;
    let mut repair = Repair::new(*agreed, subject.wish.asking, subject.wish.progress)?;
    let mut repairs: Vec<Repaired> = Vec::new();
    let mut failed = false;
    let mut snapshot = subject.each(&mut |snapshot| {
        let done = repair.user(snapshot, &fix_plan)?;
        failed |= done.steps.iter().any(|(.., outcome)| matches!(outcome, Outcome::Failed(_)));
        repairs.extend(what_became(&done, agreed.dry_run));
        repair.add(snapshot, done.after);
        Ok(())
    })?;
    let moved = repair.changed();
    let Ended { operations, refilled, mut after, mut run } = repair.end();
    say_once(&mut repairs);
    let edited = switch_off(request, &mut snapshot, &mut repairs, &mut after, &mut run);
    // What was moved before has to be told all the same.
    let (edit, unedited) = match edited {
        Ok(edit) => (edit, None),
        Err(error) if moved => (None, Some(error)),
        Err(error) => return Err(error),
    };
    // Whether or not something was moved: a program that holds the old view is nothing that a repair ends.
    look_for_holders(&mut snapshot, &mut after)?;
    let held = after.findings.iter().filter(|one| one.is_of_running_programs());
    let held = held.filter(|finding| finding.severity >= Severity::Error);
    repairs.extend(held.map(|finding| Repaired { finding: finding.clone(), result: Became::Manual }));
    let is_edit =
        |edit: &EditReport| !edit.changes.is_empty() && (agreed.dry_run || edit.operation.is_some());
    let changed = moved || edit.as_ref().is_some_and(is_edit);
    failed |= unedited.is_some() || repairs.iter().any(|repaired| repaired.result == Became::NotCured);
    let unread = after.coverage.iter().any(|gap| gap.asked_for);
    let report = FixReport { dry_run: agreed.dry_run, operations, refilled, edit, repairs };
    let checked_at = snapshot.taken_at;
    Ok(Fixed { host: snapshot.host, changed, report, after, checked_at, unedited, failed, unread })
}

/// Switches the cache off where a finding calls for it.
fn switch_off(
    request: &Request<'_>,
    snapshot: &mut Snapshot,
    repairs: &mut [Repaired],
    after: &mut Verdict,
    run: &mut Run,
) -> Result<Option<EditReport>, Error> {
    let called_for = |repaired: &&mut Repaired| repaired.finding.edit().is_some();
    let mut concerned: Vec<&mut Repaired> = repairs.iter_mut().filter(called_for).collect();
    if concerned.is_empty() {
        return Ok(None);
    }
    // Caching off would hide the one copy of a right public key that no flush has taken.
    if after.findings.iter().filter_map(Finding::edit).any(|remedy| remedy.waits) {
        concerned.iter_mut().for_each(|repaired| repaired.result = Became::Manual);
        return Ok(None);
    }
    let Agreed { dry_run, consent, .. } = request.agreed;
    if !consent.allows(Safety::Guarded) {
        concerned.iter_mut().for_each(|repaired| repaired.result = Became::needs(Safety::Guarded));
        return Ok(None);
    }
    let wanted = Edit {
        goal: Goal::Off,
        command: "fix",
        programs: Programs::All,
        file: None,
        dry_run,
        diff: request.diff,
        guarded: true,
        force: false,
        offline: request.subject.is_offline(),
        progress: request.subject.wish.progress,
    };
    let report = edit(&wanted, snapshot, run)?;
    let result = if report.refused {
        Became::Manual
    } else if dry_run {
        Became::WouldTry
    } else {
        // Again as the programs will see it.
        if let Source::Environment(path) | Source::Compiled(path) = Situation::of(snapshot).source() {
            snapshot.configs.retain(|config| config.path != path);
            snapshot.configs.push(observe_config(&path));
        }
        let verdict = judge(snapshot);
        let on = verdict.programs.iter().any(|program| program.caching.is_on());
        if !on {
            after.findings.retain(|finding| finding.edit().is_none());
        }
        after.programs = verdict.programs;
        if on { Became::NotCured } else { Became::Cured }
    };
    concerned.iter_mut().for_each(|repaired| repaired.result = result);
    Ok(Some(report))
}
