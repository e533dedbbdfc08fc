//! `ls`: the cache entries, decoded, and whose caches they are in.

use super::args::{Asks, CachesOf, Facts, Format};
use super::output;
use crate::error::{Error, Exit};
use crate::judge::Tally;
use crate::listing::cache_entries::inventory;
use crate::observe::CacheOwners;
use crate::report::lines::{Page, Screen};
use crate::report::{human, json::Answer, json::Document};
use crate::snapshot::GapKind;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    facts: Facts,
    #[command(flatten)]
    whom: CachesOf,
    #[command(flatten)]
    asks: Asks,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub fn run(args: &Args, screen: &Screen) -> Result<Exit, Error> {
    let mut tally = Tally::new(args.facts.caller()?);
    let mut all = Vec::new();
    let mut is_found = false;
    let mut is_listed = false;
    let wanted = args.facts.selection.serial.as_ref();
    let snapshot = args.facts.each(&args.whom, false, args.asks.usual(), &mut |snapshot| {
        let verdict = tally.judge(snapshot);
        let mut items = inventory(snapshot, &verdict);
        items.retain(|item| wanted.is_none() || item.card.is_some());
        is_listed |= !items.is_empty();
        is_found |= items.iter().any(|item| !item.findings.is_empty());
        let known = tally.caches.len();
        tally.add(snapshot, verdict);
        match args.format {
            // One user after the other: there may be many.
            Format::Human => {
                let screen = args.facts.screen_of(screen, snapshot);
                let mut text = Page::new(&screen);
                for cache in tally.caches.get(known..).unwrap_or_default() {
                    human::cache(&mut text, cache);
                    let entries = items.iter().filter(|item| item.directory == cache.path);
                    entries.for_each(|item| human::item(&mut text, item));
                }
                output::print(&text.text())
            }
            Format::Json => {
                all.append(&mut items);
                Ok(())
            }
        }
    })?;
    let (mut verdict, caches) = tally.verdict();
    // The list is of cache entries: a card only adds which of them are orphans.
    let named = args.facts.selection.reader.is_some() || (wanted.is_some() && !is_listed);
    for gap in &mut verdict.coverage {
        gap.asked_for &= gap.kind == GapKind::Cache || (named && gap.kind == GapKind::Card);
    }
    let missing = verdict.coverage.iter().any(|gap| gap.asked_for);
    match args.format {
        Format::Human => {
            let screen = args.facts.screen_of(screen, &snapshot);
            let mut text = Page::new(&screen);
            if caches.is_empty() {
                text.push_str(match args.whom.whose() {
                    CacheOwners::Caller => "No OpenSC cache directory exists for this user.\n",
                    _ => "No OpenSC cache directory exists there.\n",
                });
            }
            human::coverage(&mut text, &verdict.coverage);
            // Whether it is stale what is listed, nobody knows then.
            let is_open = !verdict.compared && caches.iter().any(|cache| cache.entries > 0);
            if is_found || missing || is_open || !verdict.coverage.is_empty() {
                human::ask_check(&mut text);
            }
            output::print(&text.text())?;
        }
        Format::Json => {
            let answer = Answer::Ls { entries: &all, caches: &caches };
            output::print_json(&Document::of(answer, &snapshot.host).verdict(&verdict).findings(&[]))?;
        }
    }
    Ok(if missing { Exit::NotRead } else { Exit::Clean })
}
