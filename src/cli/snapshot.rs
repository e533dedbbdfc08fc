//! `snapshot`: everything observed, in a file; or what is to be remembered of each token.

use std::path::{Path, PathBuf};

use super::args::{Format, Selection, Time, Whom};
use super::output;
use crate::baseline::Baseline;
use crate::case::token_content::{Held, held_by};
use crate::error::{Error, Exit};
use crate::judge::cases;
use crate::observe::holders;
use crate::observe::{Whose, Wish, keep, observe_all, save, select_serial};
use crate::report::{json::Answer, json::Document, json::SCHEMA, json::WrittenBaseline};
use crate::snapshot::{GapKind, Name, Snapshot};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    whom: Whom,
    #[command(flatten)]
    time: Time,
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
    /// How to say which baselines were written
    #[arg(long, value_enum, default_value_t, requires_all = ["baseline", "output"])]
    format: Format,
}

pub fn run(args: &Args) -> Result<Exit, Error> {
    args.time.begin();
    let wish = Wish { cards: args.selection.cards(args.offline), status: true };
    let mut snapshot = observe_all(&wish, &args.whom.whose())?;
    let gaps = holders::look(&mut snapshot)?;
    snapshot.coverage.extend(gaps);
    if let Some(serial) = &args.selection.serial {
        select_serial(&mut snapshot, serial, args.offline);
    }
    if args.baseline {
        return baseline(&snapshot, args);
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

/// Writes what each token holds, where it is not written yet.
fn baseline(snapshot: &Snapshot, args: &Args) -> Result<Exit, Error> {
    let path = args.output.as_deref();
    if let Some(gap) = snapshot.coverage.iter().find(|gap| gap.asked_for && gap.kind == GapKind::Card) {
        return Err(Error::NoBaseline(format!("{}: {}", gap.what, gap.why)));
    }
    let cases = cases(snapshot);
    let held: Vec<Held> = held_by(&cases).into_iter().map(|(_, held)| held).collect();
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
    let mut written = Vec::new();
    for Held { now, .. } in &held {
        let Some(path) = path else {
            output::print(&now.text())?;
            continue;
        };
        let file = if into_directory {
            let why =
                format!("the serial number {} makes no file name: name the file with --output", now.serial);
            path.join(Baseline::file_name(&now.serial).ok_or(Error::Usage(why))?)
        } else {
            path.to_owned()
        };
        let changed = keep(&file, &now.text())?;
        written.push((Name::from(file.as_path()), &now.serial, changed));
    }
    match args.format {
        Format::Human => {
            for (file, serial, changed) in &written {
                let what = if *changed { "written" } else { "already as the token is, not touched" };
                output::print(&format!("{file}: baseline of token {serial}, {what}\n"))?;
            }
        }
        Format::Json => {
            let baselines: Vec<_> = written
                .iter()
                .map(|(file, token, changed)| WrittenBaseline {
                    file: file.clone(),
                    token,
                    changed: *changed,
                })
                .collect();
            let document = Document {
                schema: SCHEMA,
                changed: written.iter().any(|(.., changed)| *changed),
                host: &snapshot.host,
                tokens: &[],
                programs: &[],
                findings: &[],
                coverage: &snapshot.coverage,
                answer: Answer::Snapshot { baselines: &baselines },
            };
            output::print_json(&document.value())?;
        }
    }
    Ok(Exit::Clean)
}
