//! `show`: tokens, keys or entries, both views side by side.

use std::path::PathBuf;

use clap_complete::ArgValueCandidates;

use super::args::{Asks, Facts, Format};
use super::complete::known_names;
use super::output;
use crate::error::{Error, Exit};
use crate::judge::ending::exit_unjudged;
use crate::judge::{tokens, verdict};
use crate::listing::asked::{asked, names};
use crate::listing::objects::{beside, everything, not_listed, pick, show, token_names};
use crate::listing::provided::ProviderListing;
use crate::listing::providers::{self, providers};
use crate::naming::{self, Names, Naming};
use crate::observe::ask_providers;
use crate::report::lines::{Page, Screen};
use crate::report::{human, json::Answer, json::Document};
use crate::verdict::user_name;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Serial number, key ID (in any spelling, or its first 6 digits), label, key reference, PKCS#11 URI, slot or cache
    /// entry; without it everything
    #[arg(add = ArgValueCandidates::new(known_names))]
    what: Option<String>,
    #[command(flatten)]
    facts: Facts,
    #[command(flatten)]
    asks: Asks,
    /// Show also what this PKCS#11 module lists without a login, beside what is on the cards; may be repeated. A child process
    /// loads it while no program has a card open, with a home and a cache of its own. As root only what nobody else can change
    #[arg(long, value_name = "FILE", conflicts_with_all = ["offline", "snapshot"])]
    provider: Vec<PathBuf>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub fn run(args: &Args, screen: &Screen) -> Result<Exit, Error> {
    let naming = args.what.as_deref().map(Naming::parse).transpose()?;
    let mut snapshot = args.facts.look(true, args.asks.usual())?;
    ask_providers(&mut snapshot, &args.provider, output::PROGRESS);
    let screen = &args.facts.screen_of(screen, &snapshot);
    let tokens = tokens(&snapshot);
    let mut verdict = verdict(&tokens);
    let mut all = show(&tokens);
    if let Some(invoker) = snapshot.of_invoker() {
        beside(&mut all, show(&crate::judge::tokens(&invoker)), &user_name(&invoker.user));
        verdict.scope.users.push(user_name(&invoker.user));
    }
    let apart = not_listed(&tokens);
    let mut asked = asked(&tokens);
    // What is called so among all of them: a key of one card may have another's ID.
    let listed: Vec<Names> = asked.iter().map(names).collect();
    if let Some(naming) = &naming {
        let picked = naming.pick(&listed)?;
        let mut place = 0..;
        asked.retain(|_| place.next().is_some_and(|place| picked.contains(&place)));
    }
    let mut modules = providers(&tokens);
    if let Some(naming) = &naming {
        for module in &mut modules {
            let picked = naming.pick(&providers::names(module))?;
            let mut place = 0..;
            module.keep(|| place.next().is_some_and(|place| picked.contains(&place)));
        }
        modules.retain(|module| !module.tokens.is_empty() || !module.missing.is_empty());
    }
    let ((objects, unlisted), missing) = match &naming {
        None => (everything(all, apart), None),
        // Without a card there is nothing that anything could be called.
        Some(naming) => match pick(all, apart, &token_names(&snapshot), naming) {
            Ok(picked) => (picked, None),
            Err(error) => {
                let is_unknown = verdict.compared && asked.is_empty() && modules.is_empty();
                let error = with_asked(error, &listed);
                ((Vec::new(), Vec::new()), Some(Error::from(error)).filter(|_| is_unknown))
            }
        },
    };
    let exit = exit_unjudged(&verdict, args.facts.offline);
    match args.format {
        Format::Human => {
            let mut text = Page::new(screen);
            human::tokens(&mut text, &verdict.tokens);
            if !verdict.tokens.is_empty() {
                human::live_note(&mut text, &verdict.tokens);
            }
            human::programs(&mut text, &verdict.programs);
            human::sides(&mut text, &objects);
            human::not_listed(&mut text, &unlisted);
            human::asked(&mut text, &asked);
            human::providers(&mut text, &modules);
            human::coverage(&mut text, &verdict.coverage);
            let is_equal = objects.iter().all(|object| object.equal)
                && asked.iter().all(|object| object.equal)
                && modules.iter().all(ProviderListing::is_right);
            // Nor is it whole where something was not looked at.
            if !is_equal || exit == Exit::NotRead || !verdict.coverage.is_empty() {
                human::ask_check(&mut text);
            }
            output::print(&text.text())?;
        }
        Format::Json => {
            let answer =
                Answer::Show { objects: &objects, unlisted: &unlisted, asked: &asked, providers: &modules };
            let document = Document::of(answer, &snapshot.host).verdict(&verdict).findings(&[]);
            output::print_json(&document.error(missing.as_ref()))?;
        }
    }
    missing.map_or(Ok(exit), Err)
}

/// What there is, with what OpenSC lists.
fn with_asked(error: naming::Error, listed: &[Names]) -> naming::Error {
    match error {
        naming::Error::Nothing { what, typed, mut known } => {
            known.extend(listed.iter().map(|names| names.what.clone()));
            naming::Error::Nothing { what, typed, known }
        }
        other => other,
    }
}
