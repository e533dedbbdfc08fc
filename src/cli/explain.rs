//! `explain`: the manual of a finding.

use std::fmt::Write;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::output;
use crate::error::{Error, Exit};
use crate::finding::Id;
use crate::report::lines::{Page, Screen, wrap};
use crate::rules::manual;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The finding; without it all are listed
    #[arg(value_parser = names(), hide_possible_values = true)]
    finding: Option<Id>,
}

/// The names that there are: completed by shells, and the nearest is suggested.
fn names() -> impl TypedValueParser<Value = Id> {
    let name = |name: String| Id::from_name(&name).ok_or("no finding");
    PossibleValuesParser::new(Id::ALL.iter().map(|id| id.name())).try_map(name)
}

pub fn run(args: &Args, screen: &Screen) -> Result<Exit, Error> {
    let mut text = Page::new(screen);
    match args.finding {
        None => {
            for &id in Id::ALL {
                let page = manual(id);
                let title = page.lines().next().unwrap_or_default();
                let title = title.split_once(": ").map_or(title, |(_, title)| title);
                wrap(&mut text, &format!("{:<27} ", id.name()), &" ".repeat(28), title);
            }
        }
        Some(id) => {
            let severity = format!("{:?}", id.severity()).to_lowercase();
            let safety = format!("{:?}", id.safety()).to_lowercase();
            let _ = writeln!(text, "{}\n\nSeverity: {severity}. Repair: {safety}.", manual(id));
        }
    }
    output::print(&text.text())?;
    Ok(Exit::Clean)
}
