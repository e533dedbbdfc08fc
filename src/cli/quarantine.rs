//! `quarantine`: what was taken out of caches.

use clap::Subcommand;
use serde_json::json;

use super::args::Format;
use super::output;
use crate::error::{Error, Exit};
use crate::repair::{self, StateDir};
use crate::report::{human, json::Document, json::SCHEMA};

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
}

pub fn run(args: &Args) -> Result<Exit, Error> {
    let Command::List { format } = args.command;
    let caller = crate::host::Caller::current()?;
    let mut operations = Vec::new();
    for state in StateDir::all(&caller)? {
        operations.extend(repair::operations(&state)?);
    }
    // Each quarantine is sorted; root sees several.
    operations.sort_by_key(|operation| std::cmp::Reverse(operation.started_at));
    match format {
        Format::Human => output::print(&human::operations(&operations))?,
        Format::Json => {
            let host = crate::host::hostname();
            let document = Document {
                schema: SCHEMA,
                command: "quarantine list",
                changed: false,
                host: &host,
                tokens: &[],
                programs: &[],
                findings: &[],
                coverage: &[],
            };
            output::print_json(&document.with(json!({ "operations": operations })))?;
        }
    }
    Ok(Exit::Clean)
}
