//! `ls`: the cache entries, decoded.

use std::fmt::Write;

use serde_json::json;

use super::args::{Facts, Format};
use super::output;
use crate::error::{Error, Exit};
use crate::report::{human, json::Document, json::SCHEMA};
use crate::rules::inventory::inventory;
use crate::rules::judge;
use crate::snapshot::{DirState, GapKind};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    facts: Facts,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub fn run(args: &Args) -> Result<Exit, Error> {
    let snapshot = args.facts.look(false)?;
    let mut verdict = judge(&snapshot);
    // The list is of cache entries: a card only adds which of them are orphans.
    let named = args.facts.selection.reader.is_some();
    for gap in &mut verdict.coverage {
        gap.asked_for &= gap.kind == GapKind::Cache || (named && gap.kind == GapKind::Card);
    }
    let items: Vec<_> = inventory(&snapshot, &verdict)
        .into_iter()
        .filter(|item| {
            let wanted = args.facts.selection.serial.as_ref();
            wanted.is_none_or(|serial| item.card.as_ref().is_some_and(|card| card == serial))
        })
        .collect();
    match args.format {
        Format::Human => {
            let mut text = String::new();
            for dir in &snapshot.caches {
                let state = match &dir.state {
                    DirState::Present(inode) => format!("owner uid {}, mode {:04o}", inode.uid, inode.mode),
                    DirState::Missing => continue,
                    DirState::Symlink(target) => format!("symbolic link to {target}"),
                    DirState::Unreadable(why) => format!("not readable: {why}"),
                };
                let read = if verdict.cache_in_use(&dir.path) { "in use" } else { "dormant" };
                let _ = writeln!(text, "{} ({state}, {read})", dir.path);
                let path = dir.path.to_string();
                for item in items.iter().filter(|item| item.directory == path) {
                    human::item(&mut text, item);
                }
            }
            if text.is_empty() {
                text.push_str("No OpenSC cache directory exists for this user.\n");
            }
            human::coverage(&mut text, &verdict.coverage);
            output::print(&text)?;
        }
        Format::Json => {
            let document = Document {
                schema: SCHEMA,
                command: "ls",
                changed: false,
                host: &snapshot.host,
                tokens: &verdict.tokens,
                programs: &verdict.programs,
                findings: &[],
                coverage: &verdict.coverage,
            };
            output::print_json(&document.with(json!({ "entries": items })))?;
        }
    }
    let missing = verdict.coverage.iter().any(|gap| gap.asked_for);
    Ok(if missing { Exit::NotRead } else { Exit::Clean })
}
