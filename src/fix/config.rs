//! Switching OpenSC's file cache on or off: the edit of its configuration, unless stale entries would come back to
//! life by that.

use std::path::{Path, PathBuf};

use super::quarantine::silent;
use super::revival::{is_read_here, revival, taken};
use crate::error::Error;
use crate::host::Caller;
use crate::observe::Progress;
use crate::opensc::Program;
use crate::opensc::config::{Situation, Source};
use crate::opensc::differences::HEAD;
use crate::opensc::program::real_path;
use crate::patience::{SILENCE, within};
use crate::repair::config::{
    Change, EditReport, Error as Refused, Goal, Request, Scope, Target, check, plan, rehearse, write_in,
};
use crate::repair::{Run, StateDir, is_there};
use crate::scconf::Position;
use crate::scconf::edit::unified_diff;
use crate::snapshot::{ByteString, Snapshot};
use crate::text::escape;

/// Which edit.
#[derive(Debug, Clone, Copy)]
pub struct Edit<'a> {
    /// What the cache is to be.
    pub goal: Goal,
    /// The command that asks for it, for the journal.
    pub command: &'static str,
    /// For which programs.
    pub programs: Programs<'a>,
    /// This file, instead of the one that OpenSC reads here.
    pub file: Option<&'a Path>,
    /// Nothing is written.
    pub dry_run: bool,
    /// Give the change as a unified diff, too.
    pub diff: bool,
    /// Also a file that belongs to another user.
    pub guarded: bool,
    /// Also if stale entries come back to life, or the last copy of a right public key is hidden.
    pub force: bool,
    /// No card may be looked at.
    pub offline: bool,
    /// Who is told what is waited for.
    pub progress: Progress,
}

/// Programs, as they are named.
#[derive(Debug, Clone, Copy)]
pub enum Programs<'a> {
    /// All.
    All,
    /// With this application name.
    Called(&'a str),
    /// With this executable.
    Executable(&'a Path),
}

impl Programs<'_> {
    /// Whom an edit is about, as the end of a sentence: ` for pkcs15-init`.
    #[must_use]
    pub fn told(self) -> String {
        match self {
            Self::All => String::new(),
            Self::Called(app) => format!(" for {}", escape(app.as_bytes())),
            Self::Executable(exe) => format!(" for {}", ByteString::from(exe)),
        }
    }

    fn scope(self) -> Result<Scope, Error> {
        Ok(match self {
            Self::All => Scope::All,
            Self::Called(app) => Scope::App(app.to_owned()),
            Self::Executable(exe) => {
                // OpenSC compares with the real path; a program that is not installed yet has none.
                let path = exe.canonicalize().or_else(|_| std::path::absolute(exe));
                let failed = |source| Error::Io { what: "cannot find", path: exe.to_owned(), source };
                Scope::Exe(path.map_err(failed)?.into())
            }
        })
    }
}

/// Makes the edit, or says what it would be. `run` is what `undo` takes back together.
///
/// # Errors
/// When there is no such file, or it cannot be edited, or what would come back to life could not be looked at.
pub fn edit(wanted: &Edit<'_>, snapshot: &Snapshot, run: &mut Run) -> Result<EditReport, Error> {
    let situation = Situation::of(snapshot);
    let (path, is_read_here) = file(wanted.file, &situation.source())?;
    let guarded = wanted.guarded;
    let target = within(SILENCE, move |_| Target::open(&path, guarded))
        .map_err(|why| Error::Overdue { what: "the configuration", why })??;
    // A block that nobody looks for switches nothing.
    if let Programs::Called(app) = wanted.programs
        && Program::called(
            &app.to_ascii_lowercase(),
            &snapshot.executables,
            situation.version().unwrap_or(HEAD),
        )
        .is_none()
    {
        return Err(Error::NoProgramCalled(app.to_owned()));
    }
    let scope = wanted.programs.scope()?;
    let real = target.path();
    let request = Request { path: &real, goal: wanted.goal, scope: &scope, installed: situation.version() };
    let planned = plan(target.text(), &request).map_err(Refused::from)?;
    let changed = !planned.edits.is_empty();
    let old = target.text().unwrap_or_default();

    let mut notes: Vec<String> = planned.notes.iter().map(ToString::to_string).collect();
    notes.extend(host_notes(snapshot, &real, is_read_here));
    let mut revived = Vec::new();
    if changed
        && is_read_here
        && wanted.goal != Goal::Off
        && let Some(revival) = revival(snapshot, Some(Some(&planned.new)), &[], wanted.progress)?
    {
        notes.extend(revival.notes);
        revived = revival.revived;
    }
    let mut held = Vec::new();
    if changed && is_read_here && wanted.goal == Goal::Off && !wanted.offline {
        held = taken(snapshot, Some(&planned.new), wanted.progress)?;
    }
    let is_harmless = revived.is_empty() && held.is_empty();
    let refused = !wanted.force && !is_harmless;
    let mut written = None;
    if changed && !refused {
        let caller = Caller::current()?;
        // With the caller's own operations, whoever owns the file: there `undo` looks.
        let state = StateDir::of(&caller, caller.user.uid)?;
        is_there(&state).map_err(silent)?;
        let verify = |text: &[u8]| check(&request, target.text(), text);
        if wanted.dry_run {
            rehearse(&target, &state)?;
        } else {
            written = Some(write_in(&target, &planned, wanted.command, &verify, &state, run)?);
        }
    }

    let changes = planned.edits.as_slice().iter().map(|edit| Change {
        at: Position::of(old, edit.range.start).to_string(),
        old: String::from_utf8_lossy(old.get(edit.range.clone()).unwrap_or_default()).into_owned(),
        new: String::from_utf8_lossy(&edit.text).into_owned(),
    });
    Ok(EditReport {
        file: real.clone(),
        created: target.text().is_none(),
        dry_run: wanted.dry_run,
        refused,
        changes: changes.collect(),
        diff: wanted.diff.then(|| unified_diff(&real.to_string(), old, &planned.new)),
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

/// What this host has besides the file.
fn host_notes(snapshot: &Snapshot, file: &ByteString, is_read_here: bool) -> Vec<String> {
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
        // The name of another architecture may lead to the same file.
        let is_another = |path: &&ByteString| Some(*path) != first && real_path(path.as_path()) != *file;
        if let Some(path) = other.config_path.as_ref().filter(is_another) {
            notes.push(format!("Another OpenSC, {}, reads {path}; it was not edited.", other.library));
        }
    }
    notes
}
