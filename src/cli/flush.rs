//! `flush`: stale cache entries go to the quarantine.

use clap::ArgGroup;
use clap_complete::ArgValueCandidates;

use super::args::{AgreedArgs, Asks, CachesOf, Fills, Format, Selection, Time, typed_for_real};
use super::complete::{known_keys, known_readers, known_serials};
use super::output;
use crate::error::{Error, Exit};
use crate::finding::Window;
use crate::fix::brief::flushed;
use crate::fix::ending::exit;
use crate::fix::flush::{Request, flush};
use crate::host::clock::now;
use crate::repair::flush::Scope;
use crate::report::lines::Screen;
use crate::report::{json::Answer, json::Document, repaired};
use crate::text::rfc3339;

#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("scope"))]
pub struct Args {
    /// These entries, by file name or path, whatever they are; or all of one key, by its ID, label, key reference, file or
    /// PKCS#11 URI, or of one token, by its serial number or label; only a name that no cache tells takes the card
    #[arg(value_name = "ENTRY", group = "scope", add = ArgValueCandidates::new(known_keys))]
    entries: Vec<String>,
    /// Only the card in this reader (its name, or its number counted from 0)
    #[arg(long, value_name = "NAME|N", group = "scope", add = ArgValueCandidates::new(known_readers))]
    reader: Option<String>,
    /// All entries of the card with this serial number, stale or not; needs no card
    #[arg(long, value_name = "SERIAL", group = "scope", add = ArgValueCandidates::new(known_serials))]
    serial: Option<String>,
    /// All entries of all cards, stale or not; needs no card
    #[arg(long, group = "scope")]
    all: bool,
    #[command(flatten)]
    fills: Fills,
    #[command(flatten)]
    whom: CachesOf,
    #[command(flatten)]
    asks: Asks,
    #[command(flatten)]
    agreed: AgreedArgs,
    #[command(flatten)]
    time: Time,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub fn run(args: &Args, screen: &Screen) -> Result<Exit, Error> {
    args.time.begin();
    let scope = match (&args.serial, args.all) {
        (Some(serial), _) => Scope::Serial(serial),
        (None, true) => Scope::All,
        (None, false) if !args.entries.is_empty() => Scope::Named(&args.entries),
        (None, false) => Scope::Stale,
    };
    // The whole directory is looked at, whichever card is meant; only what is stale takes a card to tell.
    let selection = Selection { reader: args.reader.clone(), serial: None };
    // And what OpenSC would write.
    let is_offline = !matches!(scope, Scope::Stale) && !args.fills.refill;
    let subject = selection.subject(&args.whom, is_offline, args.asks.usual());
    let agreed = args.fills.agreed(args.agreed.plain());
    let done = flush(&Request { subject, scope, agreed })?;
    let brief = flushed(&done, agreed.dry_run, &typed_for_real());
    match args.format {
        Format::Human => {
            // What was filled meanwhile is not of the future.
            let screen = &screen.at(now().unix_timestamp());
            output::print(&repaired::flushed(
                screen,
                &done.operations,
                done.refilled.as_ref(),
                agreed.dry_run,
                &done.after,
                &brief,
                done.window,
            ))?;
        }
        Format::Json => {
            let answer = Answer::Flush {
                dry_run: agreed.dry_run,
                operations: &done.operations,
                refilled: done.refilled.as_ref(),
                serials: done.serials.as_deref(),
                doubtful_since: done.doubtful_since.map(rfc3339),
                window: done.window.map(Window::text),
            };
            let document = Document::of(answer, &done.host).changed(done.changed);
            let document = document.verdict(&done.after).brief(&brief, done.checked_at);
            output::print_json(&document.error(done.error.as_ref()))?;
        }
    }
    if let Some(error) = done.error.as_ref().filter(|error| !matches!(error, Error::NoCardToFlush)) {
        output::complain(&error.to_string());
    }
    Ok(args.agreed.rehearsal.exit(exit(brief.headline.state), done.changed))
}
