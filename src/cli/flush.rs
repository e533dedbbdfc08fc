//! `flush`: stale cache entries go to the quarantine.

use std::cell::RefCell;

use clap::ArgGroup;

use super::args::{Format, Selection, Time, Whom};
use super::output;
use crate::error::{Error, Exit};
use crate::finding::Severity;
use crate::fix::caches::{Agreed, Repair};
use crate::judge::judge_processes;
use crate::observe::holders;
use crate::observe::{Cards, Wish};
use crate::repair::flush::{Scope, flush_plan, is_named};
use crate::repair::{Applied, Outcome};
use crate::report::{human, json::Answer, json::Document, json::SCHEMA, repaired};
use crate::verdict::Verdict;

#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("scope"))]
pub struct Args {
    /// These entries, by file name or path, whatever they are; needs no card
    #[arg(value_name = "ENTRY", group = "scope")]
    entries: Vec<String>,
    /// Only the card in this reader (its name, or its number counted from 0)
    #[arg(long, value_name = "NAME|N", group = "scope")]
    reader: Option<String>,
    /// All entries of the card with this serial number, stale or not; needs no card
    #[arg(long, value_name = "SERIAL", group = "scope")]
    serial: Option<String>,
    /// All entries of all cards, stale or not; needs no card
    #[arg(long, group = "scope")]
    all: bool,
    #[command(flatten)]
    whom: Whom,
    #[command(flatten)]
    agreed: Agreed,
    #[command(flatten)]
    time: Time,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub fn run(args: &Args) -> Result<Exit, Error> {
    args.time.begin();
    let scope = match (&args.serial, args.all) {
        (Some(serial), _) => Scope::Serial(serial),
        (None, true) => Scope::All,
        (None, false) if !args.entries.is_empty() => Scope::Named(&args.entries),
        (None, false) => Scope::Stale,
    };
    let cards = match scope {
        Scope::Stale => Cards::In(args.reader.as_deref()),
        _ => Cards::None,
    };
    let missing = RefCell::new(args.entries.clone());
    let mut repair = Repair::new(args.agreed)?;
    let mut unread = None;
    let mut failed = false;
    // The whole directory is looked at, whichever card is meant.
    let selection = Selection { reader: args.reader.clone(), serial: None };
    let mut snapshot =
        selection.each(&Wish { cards, status: false }, &args.whom.whose(), false, &mut |snapshot| {
            let done = repair.user(snapshot, &|snapshot, verdict, caller| {
                for dir in &snapshot.caches {
                    let here = |name: &String| {
                        dir.entries.iter().any(|e| is_named(dir, e, std::slice::from_ref(name)))
                    };
                    missing.borrow_mut().retain(|name| !here(name));
                }
                let first = unread_first(verdict);
                // Without a card nothing is proven stale, and damage alone is no reason here.
                if matches!(scope, Scope::Stale) && first && !verdict.compared {
                    return crate::repair::Plan::default();
                }
                flush_plan(snapshot, verdict, scope, caller)
            })?;
            if unread.is_none() {
                let is_unread = matches!(scope, Scope::Stale) && unread_first(&done.before);
                unread = Some(is_unread);
                if is_unread && !done.before.compared {
                    match args.format {
                        Format::Human => {
                            let mut text = String::new();
                            human::coverage(&mut text, &done.before.coverage);
                            output::print(&text)?;
                        }
                        Format::Json => print_json(args, &snapshot.host, false, &done.before, &[])?,
                    }
                    return Err(Error::NoCardToFlush);
                }
            }
            let bad = |outcome: &Outcome| matches!(outcome, Outcome::Failed(_) | Outcome::Changed(_));
            failed |= done.steps.iter().any(|(.., outcome)| bad(outcome));
            repair.add(snapshot, done.after);
            Ok(())
        })?;
    let changed = repair.changed();
    let (results, mut after, _) = repair.end();
    if changed && !args.agreed.dry_run {
        let gaps = holders::look_beside(&after.findings, &mut snapshot)?;
        after.coverage.extend(gaps);
        judge_processes(&snapshot, &mut after);
    }
    match args.format {
        Format::Human => {
            let mut text = repaired::flushed(&results, args.agreed.dry_run, &after);
            let missed: Vec<_> = after.coverage.iter().filter(|gap| gap.asked_for).cloned().collect();
            human::coverage(&mut text, &missed);
            output::print(&text)?;
        }
        Format::Json => print_json(args, &snapshot.host, changed, &after, &results)?,
    }
    if let Some(name) = missing.into_inner().into_iter().next() {
        return Err(Error::NoSuchEntry(name));
    }
    // Whoever asks for others' caches has to know that one could not be looked at.
    let others = args.whom.whose() != crate::observe::Whose::Caller;
    let gaps = others
        && after.coverage.iter().any(|gap| gap.asked_for && gap.kind == crate::snapshot::GapKind::Cache);
    Ok(if failed {
        Exit::Failed
    } else if unread == Some(true) || gaps {
        Exit::NotRead
    } else {
        Exit::Clean
    })
}

fn print_json(
    args: &Args,
    host: &str,
    changed: bool,
    verdict: &Verdict,
    operations: &[Applied],
) -> Result<(), Error> {
    let document = Document {
        schema: SCHEMA,
        changed,
        host,
        tokens: &verdict.tokens,
        programs: &verdict.programs,
        findings: &verdict.findings,
        coverage: &verdict.coverage,
        answer: Answer::Flush { dry_run: args.agreed.dry_run, operations },
    };
    output::print_json(&document.value())
}

/// Was something that was asked for not read?
fn unread_first(verdict: &Verdict) -> bool {
    output::exit(verdict, Severity::Critical, false) == Exit::NotRead
}
