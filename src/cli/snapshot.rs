//! `snapshot`: everything observed, in a file.

use std::path::PathBuf;

use super::args::{Selection, Whom};
use super::{holders, output};
use crate::error::{Error, Exit};
use crate::observe::{Whose, Wish, observe_all, save, select_serial};
use crate::snapshot::GapKind;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    whom: Whom,
    /// Do not open PC/SC: caches and configuration only
    #[arg(long, conflicts_with = "reader")]
    offline: bool,
    /// The file to write, mode 0600; without it standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<Exit, Error> {
    let wish = Wish { cards: args.selection.cards(args.offline), status: true };
    let mut snapshot = observe_all(&wish, &args.whom.whose())?;
    let gaps = holders::look(&mut snapshot)?;
    snapshot.coverage.extend(gaps);
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
    // Of the caller's own caches all there is goes into the file; others were asked for by name.
    let others = args.whom.whose() != Whose::Caller;
    let missing = snapshot
        .coverage
        .iter()
        .any(|gap| gap.asked_for && (gap.kind == GapKind::Card || (others && gap.kind == GapKind::Cache)));
    Ok(if missing { Exit::NotRead } else { Exit::Clean })
}
