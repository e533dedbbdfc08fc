//! Bringing back what an operation took, or the text it changed.
//!
//! Hides that it may be the second try: what to do follows from what is in the
//! quarantine and what is in the place now, not from how far the journal says
//! an earlier run came. First every place is looked at; if one is taken by
//! something else, nothing moves.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::Error;
use super::apply::Outcome;
use super::config::{self, Edited, Objects};
use super::journal::{self, Journal, Planned, UndoRecord};
use super::plan::Action;
use super::quarantine::{
    Operation, OperationState, StateDir, existing_section, file_name, ids, operations, section,
};
use crate::safe_fs::{self, Dir, Held, Moved, Opened};
use crate::snapshot::Name;

/// What came of an undo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undone {
    /// The operation; none if there never was one.
    pub operation: Option<String>,
    /// How it stands now.
    pub state: UndoState,
    /// Whether any file moved.
    pub changed: bool,
    /// Each file of the operation.
    pub files: Vec<UndoResult>,
}

/// How an undo ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UndoState {
    /// Everything that was kept is back.
    Undone,
    /// It had been undone before; nothing was done.
    AlreadyUndone,
    /// No operation was ever recorded; nothing was done.
    NothingToUndo,
    /// A place is taken by different content; nothing was moved.
    Conflict,
    /// An old configuration would bring stale cache entries back to life; nothing was moved.
    Refused,
    /// Some files could not be brought back; repeat it when the cause is removed.
    Incomplete,
}

/// What came of one file, moved or edited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoResult {
    /// Its directory.
    pub directory: Name,
    /// The file.
    pub name: Name,
    /// How it ended.
    pub outcome: UndoOutcome,
}

/// How the undo of one file ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UndoOutcome {
    /// It is back as it was.
    Restored,
    /// It is back; what had taken its place is kept in the quarantine, here.
    Replaced(Name),
    /// The same content stands in its place: nothing was to be done.
    SameContent,
    /// It had never been moved, or an earlier undo brought it back.
    InPlace,
    /// It was removed and not kept (private data): it cannot come back.
    NotKept,
    /// Left in the quarantine, because others are in conflict.
    Waiting,
    /// Its place is taken, and by what.
    Conflict(String),
    /// It could not be brought back. Why.
    Failed(String),
}

/// Takes back the newest operation, or the named one. With `force`, what stands
/// in the place of a file is moved to the quarantine; without, that is a conflict.
///
/// # Errors
/// When the quarantine cannot be used or there is no operation of that name.
pub fn undo(state: &StateDir, operation: Option<&str>, force: bool) -> Result<Undone, Error> {
    let unknown = |id: &str| Error::UnknownOperation(id.to_string());
    let nothing =
        Undone { operation: None, state: UndoState::NothingToUndo, changed: false, files: Vec::new() };
    let Some(locked) = state.lock_existing()? else {
        return operation.map_or(Ok(nothing), |id| Err(unknown(id)));
    };
    // Newest first; one that was interrupted before its journal took nothing.
    for id in ids(&locked.dir)?.into_iter().rev() {
        if operation.is_some_and(|named| named != id) {
            continue;
        }
        let dir = locked.dir.subdir(&Name::from(id.as_str()))?;
        if let Some(journal) = journal::read::<Journal>(&dir)? {
            return take_back(id, &dir, &journal, force);
        }
    }
    operation.map_or(Ok(nothing), |id| Err(unknown(id)))
}

/// As [`undo`] over several quarantines: root keeps one for each owner of files, and what one
/// run took from several owners has one time in all of them. `objects` is asked about every text before
/// anything moves.
///
/// # Errors
/// As [`undo`].
pub fn undo_in(
    states: &[StateDir],
    operation: Option<&str>,
    force: bool,
    objects: &mut Objects<'_>,
) -> Result<Undone, Error> {
    let mut known = Vec::new();
    for state in states {
        let operations = operations(state)?;
        known.extend(operations.into_iter().map(|found| (found, state)));
    }
    let began = |(operation, _): &&(Operation, &StateDir)| operation.started_at;
    let meant = match operation {
        // Two quarantines may have an operation with one id: then the one that is not undone yet.
        Some(id) => known
            .iter()
            .filter(|(operation, _)| operation.id == id)
            .max_by_key(|one| (one.0.state != OperationState::Undone, began(one)))
            .ok_or_else(|| Error::UnknownOperation(id.to_owned()))
            .map(Some)?,
        // One whose journal is damaged has no time; the newest of all it may be nevertheless.
        None => match (states, known.first()) {
            ([_], newest) => newest,
            _ => known.iter().max_by_key(began),
        },
    };
    let meant = meant.map(|(operation, _)| (operation.started_at, operation.id.clone()));
    let Some((time, meant_id)) = meant else {
        let state = UndoState::NothingToUndo;
        return Ok(Undone { operation: None, state, changed: false, files: Vec::new() });
    };
    let mut all: Option<Undone> = None;
    // A damaged journal has no time: then the name alone says what belongs together.
    let same_run = |one: &Operation| one.started_at == time && (time.is_some() || one.id == meant_id);
    known.retain(|(one, _)| same_run(one));
    // What the run took comes back to where it was; what lay there all the time is asked about.
    for (one, state) in &known {
        if !one.edits.is_empty() && is_refused(state, &one.id, force, objects)? {
            let files = one.edits.iter().map(|edit| UndoResult {
                directory: edit.directory.clone(),
                name: edit.name.clone(),
                outcome: UndoOutcome::Waiting,
            });
            let (files, state) = (files.collect(), UndoState::Refused);
            return Ok(Undone { operation: Some(one.id.clone()), state, changed: false, files });
        }
    }
    for (one, state) in &known {
        let one = undo(state, Some(&one.id), force)?;
        all = Some(match all {
            None => one,
            Some(all) => all.and(one),
        });
    }
    all.ok_or(Error::UnknownOperation(meant_id))
}

/// Whether somebody objects to a text that an operation would bring back.
fn is_refused(state: &StateDir, id: &str, force: bool, objects: &mut Objects<'_>) -> Result<bool, Error> {
    let Some(locked) = state.lock_existing()? else { return Ok(false) };
    let operation = locked.dir.subdir(&Name::from(id))?;
    let undone = journal::read::<UndoRecord>(&operation)?.is_some_and(|record| record.finished_at.is_some());
    let Some(journal) = journal::read::<Journal>(&operation)?.filter(|_| !undone) else { return Ok(false) };
    let stored = existing_section(&operation, "files")?;
    let edits = journal.edits.iter().enumerate();
    let mut edits = edits.map(|(index, edit)| Edited {
        edit,
        index,
        operation: &operation,
        stored: stored.as_ref(),
        force,
    });
    Ok(edits.any(|edited| config::is_refused(edited, objects)))
}

impl Undone {
    /// Both results in one: as bad as the worse, as changed as either.
    fn and(mut self, other: Self) -> Self {
        let badness = |state| match state {
            UndoState::NothingToUndo => 0,
            UndoState::AlreadyUndone => 1,
            UndoState::Undone => 2,
            UndoState::Refused => 3,
            UndoState::Conflict => 4,
            UndoState::Incomplete => 5,
        };
        self.changed |= other.changed;
        self.files.extend(other.files);
        if badness(other.state) > badness(self.state) {
            self.state = other.state;
        }
        // Nothing moved here, but it did there: the rest has to be repeated.
        if self.changed && self.state == UndoState::Conflict {
            self.state = UndoState::Incomplete;
        }
        self
    }
}

fn take_back(id: String, operation: &Dir, journal: &Journal, force: bool) -> Result<Undone, Error> {
    let earlier = journal::read::<UndoRecord>(operation)?;
    if let Some(UndoRecord { finished_at: Some(_), results, .. }) = earlier {
        let state = UndoState::AlreadyUndone;
        return Ok(Undone { operation: Some(id), state, changed: false, files: results });
    }
    let kept_texts = existing_section(operation, "files")?;
    let mut work = Work {
        stored: existing_section(operation, "files")?,
        operation,
        id: &id,
        // An undo that had begun may have brought back any file.
        begun: earlier.is_some(),
        force,
        directories: BTreeMap::new(),
        changed: false,
    };
    let mut results: Vec<_> = journal
        .files
        .iter()
        .enumerate()
        .map(|(index, planned)| UndoResult {
            directory: planned.step.directory.clone(),
            name: planned.step.name.clone(),
            outcome: work.look(index, planned),
        })
        .collect();
    let edited = |index: usize| -> Option<Edited<'_>> {
        let edit = journal.edits.get(index)?;
        Some(Edited { edit, index, operation, stored: kept_texts.as_ref(), force })
    };
    let edits = (0..journal.edits.len()).filter_map(edited);
    results.extend(edits.map(|edited| UndoResult {
        directory: edited.edit.directory.clone(),
        name: edited.edit.name.clone(),
        outcome: config::look(edited),
    }));
    let ended = |results: Vec<UndoResult>, state, changed| Undone {
        operation: Some(id.clone()),
        state,
        changed,
        files: results,
    };
    if results.iter().any(|result| matches!(result.outcome, UndoOutcome::Conflict(_))) {
        return Ok(ended(results, UndoState::Conflict, false));
    }
    let mut record = UndoRecord::new(OffsetDateTime::now_utc(), force);
    record.results.clone_from(&results);
    journal::write(operation, &record)?;
    for ((index, planned), result) in journal.files.iter().enumerate().zip(&mut results) {
        if result.outcome == UndoOutcome::Waiting {
            result.outcome = work.bring_back(index, planned);
        }
    }
    for (index, result) in results.iter_mut().skip(journal.files.len()).enumerate() {
        if let Some(edited) = edited(index).filter(|_| result.outcome == UndoOutcome::Waiting) {
            let (outcome, changed) = config::bring_back(edited);
            result.outcome = outcome;
            work.changed |= changed;
        }
    }
    let whole = !results.iter().any(|r| {
        matches!(r.outcome, UndoOutcome::Conflict(_) | UndoOutcome::Failed(_) | UndoOutcome::Waiting)
    });
    let changed = work.changed;
    let mut finish = || {
        work.sync()?;
        record.results.clone_from(&results);
        record.finished_at = whole.then(OffsetDateTime::now_utc);
        journal::write(operation, &record)
    };
    finish().map_err(|source| Error::Unfinished { id: id.clone(), source })?;
    let state = if whole { UndoState::Undone } else { UndoState::Incomplete };
    Ok(ended(results, state, changed))
}

struct Work<'a> {
    stored: Option<Dir>,
    operation: &'a Dir,
    id: &'a str,
    begun: bool,
    force: bool,
    directories: BTreeMap<Name, Dir>,
    changed: bool,
}

/// What stands where a file has to go.
enum Place {
    Free,
    Same,
    Taken(Held),
}

impl Work<'_> {
    /// What there is to do for a file: [`UndoOutcome::Waiting`], or nothing.
    fn look(&self, index: usize, planned: &Planned) -> UndoOutcome {
        let held = match self.kept(index) {
            Ok(Some(held)) => held,
            Ok(None) => return self.not_kept(planned),
            Err(error) => return failed(&error),
        };
        if let Err(outcome) = intact(&held, planned) {
            return outcome;
        }
        let place = match Dir::open(planned.step.directory.as_path()) {
            Ok(Opened::Dir(dir)) => place(&dir, &planned.step.name, &held),
            Ok(Opened::Missing) => Ok(Place::Free),
            Ok(Opened::Symlink(target)) => {
                return UndoOutcome::Conflict(format!("its directory is now a symbolic link to {target}"));
            }
            Err(error) => Err(error),
        };
        match place {
            Ok(Place::Free | Place::Same) => UndoOutcome::Waiting,
            Ok(Place::Taken(_)) if self.force => UndoOutcome::Waiting,
            Ok(Place::Taken(_)) => UndoOutcome::Conflict("another file stands in its place".to_string()),
            Err(safe_fs::Error::Special { kind, .. }) => {
                UndoOutcome::Conflict(format!("{} stands in its place", safe_fs::kind_words(kind)))
            }
            Err(error) => failed(&error),
        }
    }

    fn not_kept(&self, planned: &Planned) -> UndoOutcome {
        match (&planned.outcome, planned.step.action) {
            (Some(Outcome::Removed), _) => UndoOutcome::NotKept,
            // Whether it was removed before the interruption, only its place can tell.
            (None, Action::Remove) => match Dir::open(planned.step.directory.as_path()) {
                Ok(Opened::Dir(dir)) if dir.facts(&planned.step.name).is_ok_and(|facts| facts.is_some()) => {
                    UndoOutcome::InPlace
                }
                _ => UndoOutcome::NotKept,
            },
            (Some(Outcome::Moved), _) if !self.begun => {
                UndoOutcome::Failed("it is no longer in the quarantine".to_string())
            }
            _ => UndoOutcome::InPlace,
        }
    }

    fn kept(&self, index: usize) -> Result<Option<Held>, safe_fs::Error> {
        self.stored.as_ref().map_or(Ok(None), |stored| stored.hold(&file_name(index)))
    }

    fn bring_back(&mut self, index: usize, planned: &Planned) -> UndoOutcome {
        match self.try_bring_back(index, planned) {
            Ok(outcome) => outcome,
            Err(error) => failed(&error),
        }
    }

    fn try_bring_back(&mut self, index: usize, planned: &Planned) -> Result<UndoOutcome, safe_fs::Error> {
        let (path, name) = (&planned.step.directory, &planned.step.name);
        if !self.directories.contains_key(path) {
            let dir = Dir::open_or_recreate(path.as_path(), planned.directory_owner)?;
            self.directories.insert(path.clone(), dir);
        }
        let (Some(dir), Some(stored)) = (self.directories.get(path), &self.stored) else {
            return Ok(UndoOutcome::InPlace);
        };
        let stored_name = file_name(index);
        let Some(held) = stored.hold(&stored_name)? else { return Ok(UndoOutcome::InPlace) };
        let tag = format!("{}-{index}", self.id);
        let mut replaced = None;
        match place(dir, name, &held)? {
            Place::Free => {}
            Place::Same => {
                // The place has it for sure before the copy goes.
                dir.sync()?;
                stored.remove_file(&stored_name, &held)?;
                self.changed = true;
                return Ok(UndoOutcome::SameContent);
            }
            Place::Taken(newcomer) if self.force => {
                let aside = section(self.operation, "displaced")?;
                let aside_name = free_name(&aside, index, &newcomer)?;
                if dir.move_file(name, &newcomer, &aside, &aside_name, None, &tag)? != Moved::Done {
                    return Ok(UndoOutcome::Conflict("its place is being written; try again".to_string()));
                }
                aside.sync()?;
                self.changed = true;
                replaced = Some(aside.path_of(&aside_name));
            }
            Place::Taken(_) => {
                return Ok(UndoOutcome::Conflict("another file came to its place".to_string()));
            }
        }
        match stored.move_file(&stored_name, &held, dir, name, planned.step.expect.sha256.as_ref(), &tag)? {
            Moved::Done => {
                self.changed = true;
                Ok(replaced.map_or(UndoOutcome::Restored, UndoOutcome::Replaced))
            }
            Moved::Exists => Ok(UndoOutcome::Conflict("another file came to its place".to_string())),
            Moved::Changed => Ok(UndoOutcome::Failed("it was written at this moment; try again".to_string())),
        }
    }

    fn sync(&self) -> Result<(), safe_fs::Error> {
        self.directories.values().try_for_each(Dir::sync)?;
        self.stored.as_ref().map_or(Ok(()), Dir::sync)
    }
}

/// What the journal says was moved has to be what is brought back.
fn intact(held: &Held, planned: &Planned) -> Result<(), UndoOutcome> {
    let meant = planned.step.expect.inode.size;
    let same = match &planned.step.expect.sha256 {
        Some(sha256) => held.sha256(meant).map_err(|e| failed(&e))? == *sha256,
        None => held.facts().inode.size == meant,
    };
    if same {
        return Ok(());
    }
    let why = format!("{} is not what was to be moved; look at it and decide by hand", held.path());
    Err(UndoOutcome::Failed(why))
}

fn place(dir: &Dir, name: &Name, kept: &Held) -> Result<Place, safe_fs::Error> {
    match dir.hold(name)? {
        None => Ok(Place::Free),
        Some(held) if held.same_content(kept)? => Ok(Place::Same),
        Some(held) => Ok(Place::Taken(held)),
    }
}

/// A free name for a newcomer; a copy of it that an interrupted undo made goes.
fn free_name(aside: &Dir, index: usize, newcomer: &Held) -> Result<Name, safe_fs::Error> {
    let mut name = file_name(index);
    let mut number = 1;
    while let Some(earlier) = aside.hold(&name)? {
        if earlier.same_content(newcomer)? {
            aside.remove_file(&name, &earlier)?;
            break;
        }
        name = Name::from(format!("{index}.{number}").as_str());
        number += 1;
    }
    Ok(name)
}

fn failed(error: &safe_fs::Error) -> UndoOutcome {
    UndoOutcome::Failed(error.to_string())
}
