//! `explain`: the manual of a finding.

use std::fmt::Write;

use super::output;
use crate::error::{Error, Exit};
use crate::finding::Id;
use crate::report::lines::{Page, Screen, wrap};
use crate::rules::manual;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The finding; without it all are listed
    finding: Option<String>,
}

pub fn run(args: &Args, screen: &Screen) -> Result<Exit, Error> {
    let mut text = Page::new(screen);
    match &args.finding {
        None => {
            for &id in Id::ALL {
                let page = manual(id);
                let title = page.lines().next().unwrap_or_default();
                let title = title.split_once(": ").map_or(title, |(_, title)| title);
                wrap(&mut text, &format!("{:<27} ", id.name()), &" ".repeat(28), title);
            }
        }
        Some(name) => {
            let id = Id::from_name(name).ok_or_else(|| Error::UnknownFinding(name.clone()))?;
            let severity = format!("{:?}", id.severity()).to_lowercase();
            let safety = format!("{:?}", id.safety()).to_lowercase();
            let _ = writeln!(text, "{}\n\nSeverity: {severity}. Repair: {safety}.", manual(id));
        }
    }
    output::print(&text.text())?;
    Ok(Exit::Clean)
}
