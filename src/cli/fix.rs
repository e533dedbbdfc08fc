//! `fix`: everything the findings call for, as far as the caller agrees; then a second look.

use std::collections::{BTreeMap, BTreeSet};

use super::args::{Format, Selection, Time, Whom};
use super::config::edit::{EditArgs, perform};
use super::output;
use crate::error::{Error, Exit};
use crate::finding::{Finding, Id, Safety, Severity};
use crate::fix::caches::{Agreed, Done, Repair};
use crate::judge::{judge, judge_processes};
use crate::observe::Wish;
use crate::observe::holders;
use crate::opensc::config::{Situation, Source};
use crate::opensc::install::observe_config;
use crate::repair::config::Goal;
use crate::repair::flush::fix_plan;
use crate::repair::{Outcome, Run};
use crate::report::fixed::{Repaired, Report, Result as Fixed, human, needs};
use crate::report::{human as people, json::Answer, json::Document, json::SCHEMA};
use crate::snapshot::{Name, Snapshot};
use crate::verdict::Verdict;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Do not open PC/SC: repair what is wrong whatever the card holds
    #[arg(long, conflicts_with = "reader")]
    offline: bool,
    #[command(flatten)]
    whom: Whom,
    #[command(flatten)]
    agreed: Agreed,
    /// Show edits of the configuration as a unified diff
    #[arg(long)]
    diff: bool,
    #[command(flatten)]
    time: Time,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub fn run(args: &Args) -> Result<Exit, Error> {
    args.time.begin();
    let mut repair = Repair::new(args.agreed)?;
    let mut repairs: Vec<Repaired> = Vec::new();
    let mut unread = false;
    let mut failed = false;
    let wish = Wish { cards: args.selection.cards(args.offline), status: false };
    let whose = args.whom.whose();
    let mut snapshot = args.selection.each(&wish, &whose, args.offline, &mut |snapshot| {
        let done = repair.user(snapshot, &fix_plan)?;
        // Only a look at the card's side of the first user says what could not be read of it.
        unread |= output::exit(&done.before, Severity::Critical, args.offline) == Exit::NotRead;
        failed |= done.steps.iter().any(|(.., outcome)| matches!(outcome, Outcome::Failed(_)));
        repairs.extend(what_became(&done, args.agreed));
        repair.add(snapshot, done.after);
        Ok(())
    })?;
    let moved = repair.changed();
    let (operations, mut after, mut run) = repair.end();
    // What several users have in common is one finding.
    let mut said = BTreeSet::new();
    repairs.retain(|Repaired { finding, .. }| {
        !finding.evidence.is_empty()
            || said.insert((finding.id, finding.token.clone(), finding.summary.clone()))
    });
    let edited = edit(args, &mut snapshot, &mut repairs, &mut after, &mut run);
    // What was moved before has to be told all the same.
    let (edit, unedited) = match edited {
        Ok(edit) => (edit, None),
        Err(error) if moved => (None, Some(error)),
        Err(error) => return Err(error),
    };
    if moved && !args.agreed.dry_run {
        let gaps = holders::look_beside(&after.findings, &mut snapshot)?;
        after.coverage.extend(gaps);
        judge_processes(&snapshot, &mut after);
    }
    let changed = moved
        || edit.as_ref().is_some_and(|edit| {
            !edit.changes.is_empty() && (args.agreed.dry_run || edit.operation.is_some())
        });
    failed |= repairs.iter().any(|repaired| repaired.result == Fixed::NotCured);
    let report = Report { dry_run: args.agreed.dry_run, operations, edit, repairs };
    match args.format {
        Format::Human => {
            let mut text = human(&report, &after);
            people::coverage(&mut text, &after.coverage);
            output::print(&text)?;
        }
        Format::Json => {
            let document = Document {
                schema: SCHEMA,
                changed,
                host: &snapshot.host,
                tokens: &after.tokens,
                programs: &after.programs,
                findings: &after.findings,
                coverage: &after.coverage,
                answer: Answer::Fix(&report),
            };
            output::print_json(&document.value())?;
        }
    }
    if let Some(error) = unedited {
        return Err(error);
    }
    Ok(if failed {
        Exit::Failed
    } else if args.agreed.dry_run {
        Exit::Clean
    } else if unread {
        Exit::NotRead
    } else {
        Exit::Clean
    })
}

/// What became of each finding on one user's caches.
fn what_became(done: &Done, agreed: Agreed) -> Vec<Repaired> {
    let mut steps: BTreeMap<&Name, Vec<(&Name, &Outcome)>> = BTreeMap::new();
    for (directory, name, outcome) in &done.steps {
        steps.entry(name).or_default().push((directory, outcome));
    }
    let remaining: BTreeSet<_> = done.after.findings.iter().flat_map(keys).collect();
    let of = |finding: &Finding| {
        let files = finding.evidence.iter().filter_map(|evidence| evidence.file.as_ref());
        let files = files.map(|file| (&file.directory, &file.name));
        let files = files.chain(finding.crowd.iter().map(|(directory, name)| (directory, name)));
        let outcomes = files.filter_map(|(directory, name)| {
            let known = steps.get(name)?;
            // A linked directory was repaired where it really is.
            let (_, outcome) = known.iter().find(|(dir, _)| *dir == directory).or(known.first())?;
            Some(*outcome)
        });
        let (mut tried, mut fails, mut refused) = (false, false, None);
        for outcome in outcomes {
            match outcome {
                Outcome::NeedsConsent(level) => refused = Some(needs(*level)),
                Outcome::AlreadyGone => {}
                // What a rehearsal fails at is not even tried.
                Outcome::Failed(_) if agreed.dry_run => fails = true,
                Outcome::Moved | Outcome::Removed | Outcome::Failed(_) | Outcome::Changed(_) => tried = true,
            }
        }
        let remains = keys(finding).iter().any(|key| remaining.contains(key));
        match (tried, refused) {
            (_, Some(refused)) => refused,
            _ if fails => Fixed::NotCured,
            (true, None) if agreed.dry_run => Fixed::WouldTry,
            (true, None) if remains => Fixed::NotCured,
            (true, None) if done.after.unproven.iter().any(|key| key.concerns(finding)) => Fixed::Unproven,
            (true, None) => Fixed::Cured,
            (false, None) if !remains && !agreed.dry_run => Fixed::Gone,
            // No step is made for what has to be named, or is no file.
            (false, None) => Fixed::Manual,
        }
    };
    done.before
        .findings
        .iter()
        .map(|finding| Repaired { result: of(finding), finding: finding.clone() })
        .collect()
}

/// What a finding is about: each file, or where there is none what it says.
fn keys(finding: &Finding) -> Vec<(Id, Option<String>, String)> {
    let files = finding.evidence.iter().filter_map(|evidence| evidence.file.as_ref());
    let key = |what: &String| (finding.id, finding.token.clone(), what.clone());
    let crowd = finding.crowd.iter();
    let crowd =
        crowd.map(|(directory, name)| Name::from(directory.as_path().join(name.as_os_str())).to_string());
    let keys: Vec<_> = files.map(|file| file.path.clone()).chain(crowd).map(|path| key(&path)).collect();
    if keys.is_empty() { vec![key(&finding.summary)] } else { keys }
}

/// Switches the cache off where a finding calls for it.
fn edit(
    args: &Args,
    snapshot: &mut Snapshot,
    repairs: &mut [Repaired],
    after: &mut Verdict,
    run: &mut Run,
) -> Result<Option<crate::report::edited::Report>, Error> {
    let called_for = |repaired: &&mut Repaired| repaired.finding.edit().is_some();
    let mut concerned: Vec<&mut Repaired> = repairs.iter_mut().filter(called_for).collect();
    if concerned.is_empty() {
        return Ok(None);
    }
    // Caching off would hide the one copy of a right public key that no flush has taken.
    if after.findings.iter().filter_map(Finding::edit).any(|remedy| remedy.waits) {
        concerned.iter_mut().for_each(|repaired| repaired.result = Fixed::Manual);
        return Ok(None);
    }
    let Agreed { dry_run, guarded, .. } = args.agreed;
    if !guarded {
        concerned.iter_mut().for_each(|repaired| repaired.result = needs(Safety::Guarded));
        return Ok(None);
    }
    let edit = perform(
        &EditArgs::plain(dry_run, args.diff, guarded, args.offline),
        snapshot,
        Goal::Off,
        "fix",
        false,
        run,
    )?;
    let result = if edit.refused {
        Fixed::Manual
    } else if dry_run {
        Fixed::WouldTry
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
        if on { Fixed::NotCured } else { Fixed::Cured }
    };
    concerned.iter_mut().for_each(|repaired| repaired.result = result);
    Ok(Some(edit))
}
