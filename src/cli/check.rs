//! `check`: compare the card with what OpenSC shows. Strictly read-only.

use serde_json::json;

use super::args::{Facts, FailOn, Format};
use super::output;
use crate::error::{Error, Exit};
use crate::report::{human, json::Document, json::SCHEMA};
use crate::rules::judge;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    facts: Facts,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The least severity that makes the exit code 1
    #[arg(long, value_enum, value_name = "SEVERITY", default_value = "error")]
    fail_on: FailOn,
}

pub fn run(args: &Args) -> Result<Exit, Error> {
    let snapshot = args.facts.look(false)?;
    let verdict = judge(&snapshot);
    match args.format {
        Format::Human => output::print(&human::check(&verdict))?,
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
