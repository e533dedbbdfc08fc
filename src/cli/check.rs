//! `check`: compare the card with what OpenSC shows. Strictly read-only.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use clap::ValueEnum;

use super::args::{Asks, CachesOf, Facts, FailOn, typed_again};
use super::output::{self, is_stdout};
use crate::case::token_content::{absent_cards, serials};
use crate::error::{Error, Exit};
use crate::finding::{Severity, Window};
use crate::judge::brief::brief;
use crate::judge::ending::{State, exit};
use crate::judge::{Cache, Tally, hold_against, judge_processes, mismatches};
use crate::observe::holders;
use crate::observe::{CacheOwners, baselines, write_whole};
use crate::patience::aside;
use crate::report::lines::Screen;
use crate::report::{human, json::Answer, json::Document, junit, nagios, prometheus};
use crate::snapshot::Snapshot;
use crate::text::rfc3339;
use crate::verdict::Verdict;

/// How long the check may take to say what it has seen after the time for looking is over.
const FAREWELL: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(flatten)]
    facts: Facts,
    #[command(flatten)]
    whom: CachesOf,
    #[command(flatten)]
    asks: Asks,
    /// Compare the tokens with their baselines too: a file, or the one named after the token in a directory; or with an
    /// earlier snapshot
    #[arg(long, value_name = "FILE|DIR")]
    against: Option<PathBuf>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The least severity that makes the exit code 1 [default: error; for nagios: warning, which is then a WARNING]
    #[arg(long, value_enum, value_name = "SEVERITY")]
    fail_on: Option<FailOn>,
    /// Write the report to this file, mode 0644, whole or not at all; - is standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// How to print a check.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Human,
    /// For scripts: schema stalecard/1
    Json,
    /// One line for Nagios and its kin, with their exit codes: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN
    Nagios,
    /// For Prometheus' textfile collector
    Prometheus,
    /// For pipelines that provision tokens: JUnit XML
    Junit,
}

impl Format {
    /// The format that was asked for by words that make no command.
    pub fn named_in(words: &[OsString]) -> Option<Self> {
        let words =
            words.iter().map(|word| word.to_str().unwrap_or_default()).take_while(|word| *word != "--");
        let mut follows = false;
        let values = words.filter_map(|word| {
            let is_value = std::mem::replace(&mut follows, word == "--format");
            word.strip_prefix("--format=").or_else(|| is_value.then_some(word))
        });
        values.last().and_then(|value| Self::from_str(value, false).ok())
    }
}

/// What a check came to.
struct Checked {
    snapshot: Snapshot,
    verdict: Verdict,
    /// The caches of the host, if there may be several users'.
    caches: Vec<Cache>,
    took: Duration,
}

pub fn run(args: &Args, screen: &Screen) -> Result<Exit, Error> {
    match (in_time(args, args.facts.time.begin()), args.format) {
        // Monitoring takes 2 for CRITICAL; a result that could not be told is UNKNOWN.
        (Ok(checked), Format::Nagios) => report(args, &checked, screen).or_else(|error| {
            output::complain(&error.to_string());
            Ok(Exit::NotRead)
        }),
        (Ok(checked), _) => report(args, &checked, screen),
        (Err(error), Format::Nagios) => {
            if let Err(error) = deliver(args, &(nagios::failed(State::Unknown, &error.to_string()) + "\n")) {
                output::complain(&error.to_string());
            }
            Ok(Exit::NotRead)
        }
        (Err(error), _) => Err(error),
    }
}

fn check(args: &Args) -> Result<Checked, Error> {
    let begun = Instant::now();
    // A baseline knows the DKEK.
    let status = args.against.is_some();
    let mut tally = Tally::new(args.facts.caller()?);
    let mut against = None;
    let asking = match args.format {
        Format::Human | Format::Json | Format::Junit => args.asks.usual(),
        // Nobody is there who would mind how long a card is held.
        Format::Nagios | Format::Prometheus => args.asks.if_said()?,
    };
    let mut snapshot = args.facts.each(&args.whom, status, asking, &mut |snapshot| {
        let tokens = tally.tokens(snapshot);
        let verdict = tally.judge_tokens(&tokens);
        // The cards are the same for all users.
        if let Some(path) = args.against.as_ref().filter(|_| tokens.is_first) {
            let absent = absent_cards(snapshot);
            let known = baselines(path, &serials(snapshot, &absent))?;
            let said = mismatches(&tokens, &absent, &known);
            against = Some((known, said));
        }
        tally.add(snapshot, verdict);
        Ok(())
    })?;
    let (mut verdict, mut caches) = tally.verdict();
    if args.facts.snapshot.is_none() {
        let gaps = holders::look_beside(&verdict, &mut snapshot)?;
        verdict.coverage.extend(gaps);
    }
    // Whether the card has changed is evidence.
    if let Some((known, said)) = against {
        hold_against(&mut verdict, &known, said);
    }
    judge_processes(&snapshot, &mut verdict);
    let is_alone = snapshot.others.is_empty() && snapshot.invoked_by.is_none();
    if args.whom.whose() == CacheOwners::Caller && is_alone {
        caches.clear();
    }
    Ok(Checked { snapshot, verdict, caches, took: begun.elapsed() })
}

/// The same in a thread, which dies with the process if it is not done in time: whatever it waits for.
fn in_time(args: &Args, limit: Duration) -> Result<Checked, Error> {
    let (done, result) = channel();
    let args = args.clone();
    // If nobody waits any more, nobody misses it.
    aside(move || drop(done.send(check(&args))))?;
    result.recv_timeout(limit.saturating_add(FAREWELL)).unwrap_or_else(|why| match why {
        RecvTimeoutError::Timeout => Err(Error::OutOfTime(limit.as_secs())),
        RecvTimeoutError::Disconnected => Err(Error::BrokeOff),
    })
}

fn report(args: &Args, checked: &Checked, screen: &Screen) -> Result<Exit, Error> {
    let Checked { snapshot, verdict, caches, took } = checked;
    let fail_on = args.fail_on.map_or(Severity::Error, FailOn::severity);
    let exit = exit(verdict, fail_on, args.facts.offline);
    let mut brief = brief(verdict);
    // For scripts as for people. Monitoring is typed by nobody.
    let is_typed = matches!(args.format, Format::Human | Format::Json);
    if is_typed && args.facts.snapshot.is_none() {
        brief.look_again_by(&typed_again());
    }
    match args.format {
        Format::Human => {
            let screen = args.facts.screen_of(screen, snapshot);
            deliver(args, &human::check(&screen, verdict, &brief, caches))?;
        }
        Format::Json => {
            let window = Window::of(&verdict.findings).map(Window::text);
            let doubtful_since = window.as_ref().map(|window| window.cached_at.clone());
            let answer = Answer::Check { doubtful_since, window };
            let document = Document::of(answer, &snapshot.host).verdict(verdict);
            let document = document.brief(&brief, snapshot.taken_at).value()?;
            deliver(args, &output::json_text("the document", &document)?)?;
        }
        Format::Nagios => {
            let least = args.fail_on.map_or(Severity::Warning, FailOn::severity);
            let state = State::of(verdict, least, args.facts.offline);
            deliver(args, &(nagios::line(screen, state, verdict, &brief, *took) + "\n"))?;
            return Ok(state.exit());
        }
        Format::Junit => {
            let time = rfc3339(snapshot.taken_at.unix_timestamp());
            deliver(args, &junit::suites(verdict, fail_on, &snapshot.host, &time, *took))?;
        }
        Format::Prometheus => {
            let complete = !verdict.coverage.iter().any(|gap| gap.asked_for);
            deliver(args, &prometheus::metrics(verdict, complete, snapshot.taken_at, *took))?;
        }
    }
    Ok(exit)
}

fn deliver(args: &Args, text: &str) -> Result<(), Error> {
    match &args.output {
        None => output::print(text),
        Some(path) if is_stdout(path) => output::print(&anstream::adapter::strip_str(text).to_string()),
        Some(path) => write_whole(path, anstream::adapter::strip_str(text).to_string().as_bytes(), 0o644),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_known_by_its_option_and_not_by_a_word() {
        let named = |line: &str| Format::named_in(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        for line in ["check --bogus --format nagios", "--format=nagios", "x --format json --format nagios y"]
        {
            assert_eq!(named(line), Some(Format::Nagios), "{line}");
        }
        assert_eq!(named("check --format json --bogus"), Some(Format::Json));
        for line in
            ["flush nagios --bogus", "show --nagios", "x -- --format nagios", "--format nagio", "--format"]
        {
            assert_eq!(named(line), None, "{line}");
        }
    }
}
