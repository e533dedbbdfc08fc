//! `snapshot`: everything observed, in a file.

use std::path::PathBuf;

use super::args::Selection;
use super::output;
use crate::error::{Error, Exit};
use crate::observe::{Cards, Wish, observe, save, select_serial};
use crate::snapshot::GapKind;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Do not open PC/SC: caches and configuration only
    #[arg(long, conflicts_with = "reader")]
    offline: bool,
    /// The file to write, mode 0600; without it standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<Exit, Error> {
    let cards = match (&args.selection.reader, args.offline) {
        (_, true) => Cards::None,
        (reader, false) => Cards::In(reader.as_deref()),
    };
    let mut snapshot = observe(&Wish { cards, status: true })?;
    if let Some(serial) = &args.selection.serial {
        select_serial(&mut snapshot, serial, args.offline);
    }
    match &args.output {
        Some(path) => save(&snapshot, path)?,
        None => output::print_json(&serde_json::json!(snapshot))?,
    }
    for gap in &snapshot.coverage {
        output::complain(&format!("not read: {}: {}", gap.what, gap.why));
    }
    let missing = snapshot.coverage.iter().any(|gap| gap.asked_for && gap.kind == GapKind::Card);
    Ok(if missing { Exit::NotRead } else { Exit::Clean })
}
