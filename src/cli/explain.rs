//! `explain`: the manual of a finding, and what the first word of a report says.

use std::ffi::OsStr;
use std::fmt::Write;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::ErrorKind;

use super::output;
use crate::error::{Error, Exit};
use crate::finding::Id;
use crate::report::lines::{Page, Screen, wrap};
use crate::rules::manual;
use crate::text::escape;
use crate::verdict::brief::Word;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The finding, or the first word of a report; without it all are listed
    #[arg(value_name = "FINDING", value_parser = Named, hide_possible_values = true)]
    finding: Option<Subject>,
}

/// What can be explained.
#[derive(Debug, Clone, Copy)]
enum Subject {
    Finding(Id),
    Word(Word),
}

/// Names that are suggested.
const MOST: usize = 3;

/// The names that there are: completed by shells, and of what is none the nearest are suggested.
#[derive(Debug, Clone, Copy)]
struct Named;

impl TypedValueParser for Named {
    type Value = Subject;

    fn parse_ref(
        &self,
        command: &clap::Command,
        _: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Self::Value, clap::Error> {
        let typed = value.to_string_lossy();
        // As screens show it, too: in whatever letters.
        let finding = || Id::from_name(&typed.to_lowercase()).map(Subject::Finding);
        let mut words = Word::ALL.into_iter();
        let word = words.find(|word| word.text().eq_ignore_ascii_case(&typed)).map(Subject::Word);
        word.or_else(finding).ok_or_else(|| {
            let near = match near(&typed).as_slice() {
                [] => String::new(),
                near => format!("; near it: {}", near.join(", ")),
            };
            let why = format!(
                "no finding is called \"{}\"{near}; `stalecard explain` lists them all\n",
                escape(typed.as_bytes())
            );
            clap::Error::raw(ErrorKind::InvalidValue, why).with_cmd(command)
        })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let words = Word::ALL.iter().map(|word| word.text());
        Some(Box::new(Id::ALL.iter().map(|id| id.name()).chain(words).map(PossibleValue::new)))
    }
}

/// The names that come next to what was typed, the nearest first: those that share much of it, or a word.
fn near(typed: &str) -> Vec<&'static str> {
    let typed = typed.to_lowercase().replace(['_', ' '], "-");
    let is_word = |name: &str| !typed.is_empty() && name.split('-').any(|word| word == typed);
    let likeness = |name: &str| {
        strsim::jaro_winkler(name, &typed).max(if is_word(name) || name.contains(&typed) { 0.9 } else { 0.0 })
    };
    let mut near: Vec<(f64, &str)> = Id::ALL.iter().map(|id| (likeness(id.name()), id.name())).collect();
    near.retain(|(likeness, _)| *likeness >= 0.85);
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    near.into_iter().map(|(_, name)| name).take(MOST).collect()
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
            let words: Vec<&str> = Word::ALL.iter().map(|word| word.text()).collect();
            let first = format!("First words of reports, which are explained as well: {}.", words.join(", "));
            wrap(&mut text, "", "", &first);
        }
        Some(Subject::Word(word)) => wrap(&mut text, &format!("{}: ", word.text()), "", word.meaning()),
        Some(Subject::Finding(id)) => {
            let severity = id.severity().word();
            let safety = format!("{:?}", id.safety()).to_lowercase();
            let _ = writeln!(text, "{}\n\nSeverity: {severity}. Repair: {safety}.", manual(id));
        }
    }
    output::print(&text.text())?;
    Ok(Exit::Clean)
}

#[cfg(test)]
mod tests {
    use super::near;

    #[test]
    fn what_is_nearly_a_name_suggests_it() {
        for (typed, first) in [
            ("stale-key", "stale-key-id"),
            ("stale_key_id", "stale-key-id"),
            ("Stale Public Key", "stale-public-key"),
            ("ghost", "ghost-object"),
            ("orphan-entri", "orphan-entry"),
            ("hosts-disagrees", "hosts-disagree"),
        ] {
            assert_eq!(near(typed).first(), Some(&first), "{typed}: {:?}", near(typed));
        }
        assert!(
            near("stale").len() == super::MOST && near("stale").iter().all(|name| name.contains("stale"))
        );
        assert_eq!(near("nothing of the kind"), [""; 0]);
    }
}
