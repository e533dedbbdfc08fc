//! What `disable-cache` and `enable-cache` have in common.

use std::path::{Path, PathBuf};

use serde_json::json;
use time::OffsetDateTime;

use crate::cli::args::Format;
use crate::cli::output;
use crate::error::{Error, Exit};
use crate::observe::{Cards, Wish, observe};
use crate::opensc::config::{Situation, Source};
use crate::repair::StateDir;
use crate::repair::config::{Goal, Request, Scope, Target, check, plan, write_at};
use crate::report::edited::{Change, Report, Revived, human};
use crate::report::json::{Document, SCHEMA};
use crate::scconf::Position;
use crate::scconf::edit::unified_diff;
use crate::snapshot::{Name, Snapshot};

#[derive(Debug, clap::Args)]
pub struct EditArgs {
    /// Only for the program with this application name (`pkcs15-tool`; `opensc-pkcs11` is any
    /// application that loads the module)
    #[arg(long, value_name = "NAME", conflicts_with = "exe")]
    app: Option<String>,
    /// Only for the program with this executable (OpenSC 0.24 and later)
    #[arg(long, value_name = "PATH")]
    exe: Option<PathBuf>,
    /// Edit this file instead of the one that OpenSC reads here
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Say what would be changed, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Show the change as a unified diff
    #[arg(long)]
    diff: bool,
    /// Also a file that belongs to another user
    #[arg(long)]
    guarded: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl EditArgs {
    /// For every program, in the file that OpenSC reads.
    pub const fn plain(dry_run: bool, diff: bool, guarded: bool) -> Self {
        Self { app: None, exe: None, file: None, dry_run, diff, guarded, format: Format::Human }
    }
}

/// Which entries would be served again under a new text.
type Revivals<'a> = &'a dyn Fn(&Snapshot, &[u8]) -> Result<Vec<Revived>, Error>;

/// What stands in the way of an edit besides the file.
pub enum Guard<'a> {
    /// Nothing.
    None,
    /// Stale cache entries that the edit would bring back to life.
    Stale { force: bool, revived: Revivals<'a> },
}

pub fn run(args: &EditArgs, goal: Goal, command: &'static str, guard: &Guard<'_>) -> Result<Exit, Error> {
    let snapshot = observe(&Wish { cards: Cards::None, status: false })?;
    let report = perform(args, &snapshot, goal, command, guard, OffsetDateTime::now_utc())?;
    match args.format {
        Format::Human => output::print(&human(&report, goal))?,
        Format::Json => {
            let document = Document {
                schema: SCHEMA,
                command,
                changed: !report.changes.is_empty() && !report.refused,
                host: &snapshot.host,
                tokens: &[],
                programs: &[],
                findings: &[],
                coverage: &snapshot.coverage,
            };
            output::print_json(&document.with(json!({ "edit": report })))?;
        }
    }
    Ok(if report.refused && !args.dry_run { Exit::Failed } else { Exit::Clean })
}

/// Makes the edit, or says what it would be. `now` is the time of the run, for `undo`.
pub fn perform(
    args: &EditArgs,
    snapshot: &Snapshot,
    goal: Goal,
    command: &str,
    guard: &Guard<'_>,
    now: OffsetDateTime,
) -> Result<Report, Error> {
    let situation = Situation::of(snapshot);
    let (path, is_read_here) = file(args.file.as_deref(), &situation.source())?;
    let target = Target::open(&path, args.guarded)?;
    let scope = scope(args)?;
    let real = target.path();
    let request = Request { path: &real, goal, scope: &scope, installed: situation.version() };
    let planned = plan(target.text(), &request)?;
    let changed = !planned.edits.is_empty();
    let old = target.text().unwrap_or_default();

    let mut revived = Vec::new();
    let mut refused = false;
    if let (Guard::Stale { force, revived: look }, true, true) = (guard, changed, is_read_here) {
        revived = look(snapshot, &planned.new)?;
        refused = !force && !revived.is_empty();
    }
    let written = if changed && !refused && !args.dry_run {
        let caller = crate::host::Caller::current()?;
        // With the caller's own operations, whoever owns the file: there `undo` looks.
        let state = StateDir::of(&caller, caller.user.uid)?;
        let verify = |text: &[u8]| check(&request, target.text(), text);
        Some(write_at(&target, &planned, command, &verify, &state, now)?)
    } else {
        None
    };

    let changes = planned.edits.as_slice().iter().map(|edit| Change {
        at: Position::of(old, edit.range.start).to_string(),
        old: String::from_utf8_lossy(old.get(edit.range.clone()).unwrap_or_default()).into_owned(),
        new: String::from_utf8_lossy(&edit.text).into_owned(),
    });
    let mut notes: Vec<String> = planned.notes.iter().map(ToString::to_string).collect();
    notes.extend(host_notes(snapshot, &real, is_read_here));
    if let (Guard::Stale { .. }, true) = (guard, changed) {
        notes.push(
            "Only your own caches were looked at; other users of this host may have stale entries too."
                .to_owned(),
        );
    }
    Ok(Report {
        file: real.clone(),
        created: target.text().is_none(),
        dry_run: args.dry_run,
        refused,
        changes: changes.collect(),
        diff: args.diff.then(|| unified_diff(&real.to_string(), old, &planned.new)),
        programs: planned.effects,
        notes,
        revived,
        operation: written.as_ref().map(|written| written.operation.clone()),
        backup: written.and_then(|written| written.backup),
    })
}

/// The file to edit, and whether OpenSC reads it here.
fn file(named: Option<&Path>, source: &Source) -> Result<(PathBuf, bool), Error> {
    let absolute = |path: &Path| {
        std::path::absolute(path).map_err(|source| Error::Io {
            what: "cannot find",
            path: path.to_owned(),
            source,
        })
    };
    let read_here = match source {
        Source::Environment(path) | Source::Compiled(path) => Some(path.as_path()),
        Source::Unknown => None,
    };
    let real = |path: &Path| path.canonicalize().ok();
    match (named, read_here) {
        (Some(named), read_here) => {
            let same = read_here
                .is_some_and(|here| here == named || real(here).is_some_and(|h| Some(h) == real(named)));
            Ok((absolute(named)?, same))
        }
        (None, Some(path)) if !path.as_os_str().is_empty() => Ok((absolute(path)?, true)),
        (None, Some(_)) => {
            Err(Error::NoConfiguration("OPENSC_CONF is set but empty, so that OpenSC reads no file"))
        }
        (None, None) => Err(Error::NoConfiguration("no OpenSC with a configuration path was found")),
    }
}

fn scope(args: &EditArgs) -> Result<Scope, Error> {
    Ok(match (&args.app, &args.exe) {
        (Some(app), _) => Scope::App(app.clone()),
        (None, Some(exe)) => {
            // OpenSC compares with the real path; a program that is not installed yet has none.
            let path = exe.canonicalize().or_else(|_| std::path::absolute(exe));
            Scope::Exe(
                path.map_err(|source| Error::Io { what: "cannot find", path: exe.clone(), source })?.into(),
            )
        }
        (None, None) => Scope::All,
    })
}

/// What this host has besides the file.
fn host_notes(snapshot: &Snapshot, file: &Name, is_read_here: bool) -> Vec<String> {
    let mut notes = Vec::new();
    let source = Situation::of(snapshot).source();
    match &source {
        Source::Environment(path) | Source::Compiled(path) if !is_read_here => {
            notes.push(format!("OpenSC reads {path} here, not {file}."));
        }
        Source::Environment(_) => {
            notes
                .push(format!("OPENSC_CONF names {file}; programs without that variable read another file."));
        }
        Source::Compiled(_) | Source::Unknown => {}
    }
    let first = snapshot.opensc.first().and_then(|first| first.config_path.as_ref());
    for other in snapshot.opensc.iter().skip(1) {
        if let Some(path) = other.config_path.as_ref().filter(|path| Some(*path) != first) {
            notes.push(format!("Another OpenSC, {}, reads {path}; it was not edited.", other.library));
        }
    }
    notes
}
