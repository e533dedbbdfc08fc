//! `flush`: stale cache entries go to the quarantine.

use clap::ArgGroup;

use super::args::{AgreedArgs, CachesOf, Format, Selection, Time};
use super::output;
use crate::error::{Error, Exit};
use crate::fix::flush::{Request, flush};
use crate::repair::flush::Scope;
use crate::report::{human, json::Answer, json::Document, repaired};

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
    whom: CachesOf,
    #[command(flatten)]
    agreed: AgreedArgs,
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
    // The whole directory is looked at, whichever card is meant; only what is stale takes a card to tell.
    let selection = Selection { reader: args.reader.clone(), serial: None };
    let subject = selection.subject(&args.whom, !matches!(scope, Scope::Stale));
    let agreed = args.agreed.plain();
    let done = flush(&Request { subject, scope, agreed })?;
    match args.format {
        Format::Human if matches!(done.error, Some(Error::NoCardToFlush)) => {
            let mut text = String::new();
            human::coverage(&mut text, &done.after.coverage);
            output::print(&text)?;
        }
        Format::Human => {
            let mut text = repaired::flushed(&done.operations, agreed.dry_run, &done.after);
            let missed: Vec<_> = done.after.coverage.iter().filter(|gap| gap.asked_for).cloned().collect();
            human::coverage(&mut text, &missed);
            output::print(&text)?;
        }
        Format::Json => {
            let answer = Answer::Flush { dry_run: agreed.dry_run, operations: &done.operations };
            let document = Document::of(answer, &done.host).changed(done.changed);
            output::print_json(&document.verdict(&done.after))?;
        }
    }
    done.error.map_or(Ok(done.exit), Err)
}
