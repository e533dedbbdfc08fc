//! `flush`: stale cache entries go to the quarantine.

use clap::ArgGroup;
use serde_json::json;

use super::args::Format;
use super::output;
use crate::error::{Error, Exit};
use crate::finding::Severity;
use crate::observe::{Cards, Wish, observe, observe_again};
use crate::repair::flush::{Scope, flush_plan};
use crate::repair::{self, Consent, Outcome};
use crate::report::{human, json::Document, json::SCHEMA};
use crate::rules::judge;

#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("scope"))]
pub struct Args {
    /// Only the card in this reader (its name, or its number counted from 0)
    #[arg(long, value_name = "NAME|N", group = "scope")]
    reader: Option<String>,
    /// All entries of the card with this serial number, stale or not; needs no card
    #[arg(long, value_name = "SERIAL", group = "scope")]
    serial: Option<String>,
    /// All entries of all cards, stale or not; needs no card
    #[arg(long, group = "scope")]
    all: bool,
    /// Say what would be moved, and move nothing
    #[arg(long)]
    dry_run: bool,
    /// Also entries that belong to another user
    #[arg(long)]
    guarded: bool,
    /// Also private data; it is removed and not kept
    #[arg(long = "unsafe")]
    dangerous: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub fn run(args: &Args) -> Result<Exit, Error> {
    let scope = match (&args.serial, args.all) {
        (Some(serial), _) => Scope::Serial(serial),
        (None, true) => Scope::All,
        (None, false) => Scope::Stale,
    };
    let cards = match scope {
        Scope::Stale => Cards::In(args.reader.as_deref()),
        _ => Cards::None,
    };
    let mut snapshot = observe(&Wish { cards, status: false })?;
    let verdict = judge(&snapshot);
    let unread =
        matches!(scope, Scope::Stale) && output::exit(&verdict, Severity::Critical, false) == Exit::NotRead;
    if unread && !verdict.compared {
        let mut text = String::new();
        human::coverage(&mut text, &verdict.coverage);
        output::print(&text)?;
        return Err(Error::NoCardToFlush);
    }

    let plan = flush_plan(&snapshot, &verdict, scope);
    let mut consent = Consent::safe();
    if args.guarded {
        consent = consent.and_guarded();
    }
    if args.dangerous {
        consent = consent.and_unsafe();
    }
    let results = if args.dry_run {
        vec![repair::rehearse(&plan, &consent)]
    } else {
        let caller = crate::host::Caller::current()?;
        let now = time::OffsetDateTime::now_utc();
        let mut results = Vec::new();
        for (owner, plan) in plan.by_owner() {
            results.push(repair::apply_at(&plan, &consent, &repair::StateDir::of(&caller, owner)?, now)?);
        }
        results
    };
    let changed = results.iter().any(|applied| applied.changed);
    // Nothing was moved: what was found still stands.
    let after = if changed && !args.dry_run {
        snapshot.caches = observe_again(&snapshot);
        judge(&snapshot)
    } else {
        verdict
    };
    match args.format {
        Format::Human => output::print(&human::flushed(&results, args.dry_run, &after))?,
        Format::Json => {
            let document = Document {
                schema: SCHEMA,
                command: "flush",
                changed,
                host: &snapshot.host,
                tokens: &after.tokens,
                programs: &after.programs,
                findings: &after.findings,
                coverage: &after.coverage,
            };
            output::print_json(&document.with(json!({ "dry_run": args.dry_run, "operations": results })))?;
        }
    }
    let unfinished = |outcome: &Outcome| matches!(outcome, Outcome::Failed(_) | Outcome::Changed(_));
    let failed = results.iter().flat_map(|applied| &applied.steps).any(|step| unfinished(&step.outcome));
    Ok(if failed {
        Exit::Failed
    } else if unread {
        Exit::NotRead
    } else {
        Exit::Clean
    })
}
