//! `check`: compare the card with what OpenSC shows. Strictly read-only.

use std::path::PathBuf;

use serde_json::json;

use super::args::{Facts, FailOn, Format, Whom};
use super::{holders, output};
use crate::error::{Error, Exit};
use crate::observe::{Whose, baselines};
use crate::report::{human, json::Document, json::SCHEMA};
use crate::rules::held::serials;
use crate::rules::{Tally, judge_processes};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    facts: Facts,
    #[command(flatten)]
    whom: Whom,
    /// Compare the tokens with their baselines too: a file, or the one named after the token in a directory
    #[arg(long, value_name = "FILE|DIR")]
    against: Option<PathBuf>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The least severity that makes the exit code 1
    #[arg(long, value_enum, value_name = "SEVERITY", default_value = "error")]
    fail_on: FailOn,
}

pub fn run(args: &Args) -> Result<Exit, Error> {
    let mut tally = Tally::new(args.facts.caller()?);
    // A baseline knows the DKEK.
    let status = args.against.is_some();
    let mut snapshot = args.facts.each(&args.whom, status, &mut |snapshot| {
        let verdict = tally.judge(snapshot);
        tally.add(snapshot, verdict);
        Ok(())
    })?;
    let (mut verdict, caches) = tally.verdict();
    if args.facts.snapshot.is_none() {
        verdict.coverage.extend(holders::look(&mut snapshot)?);
    }
    judge_processes(&snapshot, &mut verdict);
    if let Some(path) = &args.against {
        verdict.hold_against(&snapshot, &baselines(path, &serials(&snapshot))?);
    }
    let several = args.whom.whose() != Whose::Caller || !snapshot.others.is_empty();
    match args.format {
        Format::Human => {
            output::print(&human::check(&verdict, if several { caches.as_slice() } else { &[] }))?;
        }
        Format::Json => {
            let document = Document {
                schema: SCHEMA,
                command: "check",
                changed: false,
                host: &snapshot.host,
                tokens: &verdict.tokens,
                programs: &verdict.programs,
                findings: &verdict.findings,
                coverage: &verdict.coverage,
            };
            output::print_json(&document.with(json!({})))?;
        }
    }
    Ok(output::exit(&verdict, args.fail_on.severity(), args.facts.offline))
}
