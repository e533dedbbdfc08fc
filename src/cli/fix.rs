//! `fix`: everything the findings call for, as far as the caller agrees; then a second look.

use super::args::{
    AgreedArgs, Asks, CachesOf, Fills, Format, Selection, Time, typed_as_check, typed_for_real,
};
use super::output;
use crate::error::{Error, Exit};
use crate::fix::brief::fixed;
use crate::fix::ending::exit;
use crate::fix::findings::{Request, fix};
use crate::host::clock::now;
use crate::report::fixed::human;
use crate::report::lines::Screen;
use crate::report::{json::Answer, json::Document};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Do not open PC/SC: repair what is wrong whatever the card holds
    #[arg(long, conflicts_with_all = ["reader", "refill"])]
    offline: bool,
    #[command(flatten)]
    fills: Fills,
    #[command(flatten)]
    whom: CachesOf,
    #[command(flatten)]
    asks: Asks,
    #[command(flatten)]
    agreed: AgreedArgs,
    /// Show edits of the configuration as a unified diff
    #[arg(long)]
    diff: bool,
    #[command(flatten)]
    time: Time,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub fn run(args: &Args, screen: &Screen) -> Result<Exit, Error> {
    args.time.begin();
    let subject = args.selection.subject(&args.whom, args.offline, args.asks.usual());
    let done = fix(&Request { subject, agreed: args.fills.agreed(args.agreed.plain()), diff: args.diff })?;
    let brief = fixed(&done, &typed_for_real(), &typed_as_check());
    match args.format {
        Format::Human => {
            // What was filled meanwhile is not of the future.
            let screen = &screen.at(now().unix_timestamp());
            let text = human(screen, &done.report, &done.after, &brief);
            output::print(&text)?;
        }
        Format::Json => {
            let document = Document::of(Answer::Fix(&done.report), &done.host);
            let document = document.changed(done.changed).verdict(&done.after).brief(&brief, done.checked_at);
            output::print_json(&document.error(done.unedited.as_ref()))?;
        }
    }
    if let Some(error) = &done.unedited {
        output::complain(&error.to_string());
    }
    Ok(args.agreed.rehearsal.exit(exit(brief.headline.state), done.changed))
}
