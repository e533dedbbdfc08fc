//! What `disable-cache` and `enable-cache` have in common.

use std::path::{Path, PathBuf};

use crate::cli::args::{Format, Time};
use crate::cli::output;
use crate::cli::quarantine::silent;
use crate::error::{Error, Exit};
use crate::fix::revival::{is_read_here, revival, taken};
use crate::observe::{Cards, Wish, observe};
use crate::opensc::config::{Situation, Source};
use crate::patience::{SILENCE, within};
use crate::repair::config::{Goal, Request, Scope, Target, check, plan, rehearse, write_in};
use crate::repair::{Run, StateDir, is_there};
use crate::report::edited::{Change, Report, human};
use crate::report::json::{Answer, Document, SCHEMA};
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
    /// Say what would be changed, and change nothing. Fails as the edit itself would for want of permission
    /// or of room in the quarantine; only what writing alone can tell is not known
    #[arg(long)]
    dry_run: bool,
    /// Show the change as a unified diff
    #[arg(long)]
    diff: bool,
    /// Also a file that belongs to another user
    #[arg(long)]
    guarded: bool,
    #[command(flatten)]
    time: Time,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// No card may be looked at.
    #[arg(skip)]
    offline: bool,
}

impl EditArgs {
    /// For every program, in the file that OpenSC reads.
    pub const fn plain(dry_run: bool, diff: bool, guarded: bool, offline: bool) -> Self {
        Self {
            app: None,
            exe: None,
            file: None,
            dry_run,
            diff,
            guarded,
            time: Time::USUAL,
            format: Format::Human,
            offline,
        }
    }
}

/// Edits, and says so; see [`perform`].
pub fn run(args: &EditArgs, goal: Goal, command: &'static str, force: bool) -> Result<Exit, Error> {
    args.time.begin();
    let snapshot = observe(&Wish { cards: Cards::None, status: false })?;
    let report = perform(args, &snapshot, goal, command, force, &mut Run::begin())?;
    match args.format {
        Format::Human => output::print(&human(&report, goal))?,
        Format::Json => {
            let answer = match goal {
                Goal::Off => Answer::DisableCache { edit: &report },
                Goal::Public | Goal::Yes => Answer::EnableCache { edit: &report },
            };
            let document = Document {
                schema: SCHEMA,
                changed: !report.changes.is_empty() && !report.refused,
                host: &snapshot.host,
                tokens: &[],
                programs: &[],
                findings: &[],
                coverage: &snapshot.coverage,
                answer,
            };
            output::print_json(&document.value())?;
        }
    }
    Ok(if report.refused && !args.dry_run { Exit::Failed } else { Exit::Clean })
}

/// Makes the edit, or says what it would be. `force`: also if stale entries come back to life, or the last copy of a right
/// public key is hidden. `run` is
/// what `undo` takes back together.
pub fn perform(
    args: &EditArgs,
    snapshot: &Snapshot,
    goal: Goal,
    command: &str,
    force: bool,
    run: &mut Run,
) -> Result<Report, Error> {
    let situation = Situation::of(snapshot);
    let (path, is_read_here) = file(args.file.as_deref(), &situation.source())?;
    let guarded = args.guarded;
    let target = within(SILENCE, move |_| Target::open(&path, guarded))
        .map_err(|why| Error::Overdue { what: "the configuration", why })??;
    let scope = scope(args)?;
    let real = target.path();
    let request = Request { path: &real, goal, scope: &scope, installed: situation.version() };
    let planned = plan(target.text(), &request)?;
    let changed = !planned.edits.is_empty();
    let old = target.text().unwrap_or_default();

    let mut notes: Vec<String> = planned.notes.iter().map(ToString::to_string).collect();
    notes.extend(host_notes(snapshot, &real, is_read_here));
    let mut revived = Vec::new();
    if changed
        && is_read_here
        && goal != Goal::Off
        && let Some(revival) = revival(snapshot, Some(Some(&planned.new)), &[])?
    {
        notes.extend(revival.notes);
        revived = revival.revived;
    }
    let mut held = Vec::new();
    if changed && is_read_here && goal == Goal::Off && !args.offline {
        held = taken(snapshot, Some(&planned.new))?;
    }
    let is_harmless = revived.is_empty() && held.is_empty();
    let refused = !force && !is_harmless;
    let mut written = None;
    if changed && !refused {
        let caller = crate::host::Caller::current()?;
        // With the caller's own operations, whoever owns the file: there `undo` looks.
        let state = StateDir::of(&caller, caller.user.uid)?;
        is_there(&state).map_err(silent)?;
        let verify = |text: &[u8]| check(&request, target.text(), text);
        if args.dry_run {
            rehearse(&target, &state)?;
        } else {
            written = Some(write_in(&target, &planned, command, &verify, &state, run)?);
        }
    }

    let changes = planned.edits.as_slice().iter().map(|edit| Change {
        at: Position::of(old, edit.range.start).to_string(),
        old: String::from_utf8_lossy(old.get(edit.range.clone()).unwrap_or_default()).into_owned(),
        new: String::from_utf8_lossy(&edit.text).into_owned(),
    });
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
        held,
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
    match (named, read_here) {
        (Some(named), _) => Ok((absolute(named)?, is_read_here(named, source))),
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
