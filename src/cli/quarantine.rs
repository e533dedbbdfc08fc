//! `quarantine`: what was taken out of caches, and letting go of it.

use clap::Subcommand;
use time::Duration;

use super::args::{Format, Rehearsal};
use super::output;
use crate::error::{Error, Exit};
use crate::fix::quarantine;
use crate::report::lines::Screen;
use crate::report::{json::Answer, json::Document, repaired};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List what was flushed, newest first
    List {
        /// How to print
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Remove for good what is older; that cannot be undone
    Purge {
        /// The age: a number with h, d or w (hours, days, weeks)
        #[arg(long, value_name = "AGE", value_parser = age)]
        older_than: Duration,
        #[command(flatten)]
        rehearsal: Rehearsal,
        /// How to print
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

impl Args {
    /// The name of the command in JSON.
    pub const fn name(&self) -> &'static str {
        match self.command {
            Command::List { .. } => "quarantine list",
            Command::Purge { .. } => "quarantine purge",
        }
    }
}

pub fn run(args: &Args, screen: &Screen) -> Result<Exit, Error> {
    match args.command {
        Command::List { format } => list(screen, format),
        Command::Purge { older_than, rehearsal, format } => purge(screen, older_than, rehearsal, format),
    }
}

/// `12h`, `30d`, `2w`.
fn age(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{text}` is not an age; write 12h, 30d or 2w");
    let (unit, number) = text.as_bytes().split_last().ok_or_else(bad)?;
    let number = std::str::from_utf8(number).ok().filter(|number| !number.starts_with('+'));
    let number: u32 = number.and_then(|number| number.parse().ok()).ok_or_else(bad)?;
    let hours = match unit {
        b'h' => 1,
        b'd' => 24,
        b'w' => 7 * 24,
        _ => return Err(bad()),
    };
    Ok(Duration::hours(i64::from(number) * hours))
}

fn purge(screen: &Screen, older_than: Duration, rehearsal: Rehearsal, format: Format) -> Result<Exit, Error> {
    let dry_run = rehearsal.dry_run;
    let purged = quarantine::purge(older_than, dry_run)?;
    match format {
        Format::Human => output::print(&repaired::purged(screen, &purged, dry_run))?,
        Format::Json => {
            let host = crate::host::hostname();
            let answer = Answer::QuarantinePurge { dry_run, purged: &purged };
            output::print_json(&Document::of(answer, &host).changed(!purged.is_empty()))?;
        }
    }
    Ok(rehearsal.exit(Exit::Clean, !purged.is_empty()))
}

fn list(screen: &Screen, format: Format) -> Result<Exit, Error> {
    let operations = quarantine::list()?;
    match format {
        Format::Human => output::print(&repaired::operations(screen, &operations))?,
        Format::Json => {
            let host = crate::host::hostname();
            let answer = Answer::QuarantineList { operations: &operations };
            output::print_json(&Document::of(answer, &host))?;
        }
    }
    Ok(Exit::Clean)
}

#[cfg(test)]
mod tests {
    use super::{Duration, age};

    #[test]
    fn ages_are_a_number_and_a_unit() {
        assert_eq!(age("12h"), Ok(Duration::hours(12)));
        assert_eq!(age("30d"), Ok(Duration::days(30)));
        assert_eq!(age("2w"), Ok(Duration::weeks(2)));
        for bad in ["", "d", "30", "-1d", "+1d", "1 d", "1y", "99999999999d", "1\u{fc}"] {
            assert!(age(bad).is_err(), "{bad}");
        }
    }
}
