//! `show`: tokens, keys or entries, both views side by side.

use super::args::{Facts, Format};
use super::output;
use crate::error::{Error, Exit};
use crate::judge::ending::exit_unjudged;
use crate::judge::{tokens, verdict};
use crate::listing::objects::{Wanted, show};
use crate::report::{human, json::Answer, json::Document};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Serial, key ID, label, key reference or cache entry; without it everything
    what: Option<String>,
    #[command(flatten)]
    facts: Facts,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub fn run(args: &Args) -> Result<Exit, Error> {
    let snapshot = args.facts.look(true)?;
    let tokens = tokens(&snapshot);
    let verdict = verdict(&tokens);
    let wanted = args.what.as_deref().map_or(Wanted::All, Wanted::Named);
    let objects = show(&tokens, &wanted);
    let known = |what: &str| {
        verdict.tokens.iter().any(|token| token.serial.as_deref() == Some(what))
            || snapshot.cards.iter().any(|card| card.serial.as_deref() == Some(what))
    };
    let missing = args.what.as_ref().filter(|what| objects.is_empty() && verdict.compared && !known(what));
    match args.format {
        Format::Human => {
            let mut text = String::new();
            human::tokens(&mut text, &verdict.tokens);
            if !verdict.tokens.is_empty() {
                human::live_note(&mut text);
            }
            human::programs(&mut text, &verdict.programs);
            human::sides(&mut text, &objects);
            human::coverage(&mut text, &verdict.coverage);
            output::print(&text)?;
        }
        Format::Json => {
            let answer = Answer::Show { objects: &objects };
            output::print_json(&Document::of(answer, &snapshot.host).verdict(&verdict).findings(&[]))?;
        }
    }
    if let Some(what) = missing {
        return Err(Error::NothingCalled(what.clone()));
    }
    Ok(exit_unjudged(&verdict, args.facts.offline))
}
