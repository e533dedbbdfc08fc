//! `snapshot`: everything observed, in a file; or what is to be remembered of each token.

use std::path::{Path, PathBuf};

use super::args::{Selection, Whom};
use super::{holders, output};
use crate::baseline::Baseline;
use crate::error::{Error, Exit};
use crate::observe::{Whose, Wish, observe_all, save, select_serial, write_whole};
use crate::rules::cases;
use crate::rules::held::{Held, held};
use crate::snapshot::{GapKind, Snapshot};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    whom: Whom,
    /// Do not open PC/SC: caches and configuration only
    #[arg(long, conflicts_with = "reader")]
    offline: bool,
    /// Write what the tokens hold as baselines, for `check --against`: to be reviewed and committed
    #[arg(long, conflicts_with = "offline")]
    baseline: bool,
    /// The file to write, mode 0600 (a baseline: 0644, or in a directory SERIAL.toml for each
    /// token); without it standard output
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
    if args.baseline {
        return baseline(&snapshot, args.output.as_deref());
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

/// Writes what each token holds.
fn baseline(snapshot: &Snapshot, path: Option<&Path>) -> Result<Exit, Error> {
    if let Some(gap) = snapshot.coverage.iter().find(|gap| gap.asked_for && gap.kind == GapKind::Card) {
        return Err(Error::NoBaseline(format!("{}: {}", gap.what, gap.why)));
    }
    let held: Vec<Held> = cases(snapshot).iter().map(held).collect();
    if let Some((token, why)) = held.iter().find_map(|held| Some((&held.now.serial, held.unknown.first()?))) {
        return Err(Error::NoBaseline(format!("token {token}, {why}")));
    }
    let into_directory = path.is_some_and(Path::is_dir);
    if held.len() > 1 && !into_directory {
        let serials: Vec<&str> = held.iter().map(|held| held.now.serial.as_str()).collect();
        return Err(Error::Usage(format!(
            "there are {} tokens ({}): name one with --serial, or give a directory with --output",
            held.len(),
            serials.join(", ")
        )));
    }
    for Held { now, .. } in &held {
        let name = || {
            let why =
                format!("the serial number {} makes no file name: name the file with --output", now.serial);
            Baseline::file_name(&now.serial).ok_or(Error::Usage(why))
        };
        match path {
            Some(folder) if into_directory => {
                write_whole(&folder.join(name()?), now.text().as_bytes(), 0o644)?;
            }
            Some(path) => write_whole(path, now.text().as_bytes(), 0o644)?,
            None => output::print(&now.text())?,
        }
    }
    Ok(Exit::Clean)
}
