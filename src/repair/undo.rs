//! Bringing back what an operation took, or the text it changed.
//!
//! Hides that it may be the second try: what to do follows from what is in the
//! quarantine and what is in the place now, not from how far the journal says
//! an earlier run came. First every place is looked at; if one is taken by
//! something else, nothing moves.

use serde::{Deserialize, Serialize};

use super::Error;
use super::config::{self, Edited};
use super::journal::{self, Journal, Record, UndoRecord};
use super::outcome::{UndoOutcome, UndoResult};
use super::placed::{self, Ours};
use super::quarantine::{
    Operation, OperationState, StateDir, UNDONE, existing_section, file_name, is_undone, operations, order,
};
use super::reason::Reason;
use crate::host::clock;
use crate::patience::undisturbed;
use crate::safe_fs::{self, Dir, Opened};
use crate::snapshot::{ByteString, EntryName};
use file::{Work, failed};

mod file;

/// What came of an undo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

/// What an undo would bring back.
#[derive(Debug, Clone, Copy)]
pub struct Return<'a> {
    /// A configuration, and its text (`None`: there was no file).
    pub text: Option<(&'a ByteString, Option<&'a [u8]>)>,
    /// Cache entries.
    pub entries: &'a [Returning],
}

/// A cache entry that an undo would bring back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returning {
    /// The cache directory.
    pub directory: ByteString,
    /// The entry.
    pub name: EntryName,
    /// Its owner.
    pub uid: u32,
    /// Where it is now: a directory, and its name there.
    pub kept: Option<(ByteString, ByteString)>,
    /// Why it was taken.
    pub reason: Reason,
    /// Whether it is not certain that programs read it right before it was taken, with the caching of today.
    pub was_unread: bool,
}

/// Asked about what would come back before anything moves; true: it is not to come back.
pub type Objects<'a> = dyn FnMut(&Return<'_>) -> bool + 'a;

/// How an undo ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum UndoState {
    /// Everything that was kept is back.
    Undone,
    /// It had been undone before; nothing was done.
    AlreadyUndone,
    /// There is no operation that is not undone yet; nothing was done.
    NothingToUndo,
    /// A place is taken by different content; nothing was moved.
    Conflict,
    /// Stale cache entries would come back to life; nothing was moved.
    Refused,
    /// Some files could not be brought back; repeat it when the cause is removed.
    Incomplete,
}

/// Takes back the newest run that is not undone yet, or that of the named operation, in one quarantine. With `force`, what stands in the
/// place of a file is moved to the quarantine; without, that is a conflict.
///
/// # Errors
/// When the quarantine cannot be used or there is no operation of that name.
pub fn undo(state: &StateDir, operation: Option<&str>, force: bool) -> Result<Undone, Error> {
    undo_in(std::slice::from_ref(state), operation, force, false, &mut |_| false)
}

/// As [`undo`] over several quarantines: root keeps one for each owner of files, and what one run did is taken
/// back together, or not at all if one place is taken. `objects` is asked about what would come back before
/// anything moves. `rehearse`: nothing moves, and what is told is what would come of it, as far as looking tells.
///
/// # Errors
/// As [`undo`].
pub fn undo_in(
    states: &[StateDir],
    operation: Option<&str>,
    force: bool,
    rehearse: bool,
    objects: &mut Objects<'_>,
) -> Result<Undone, Error> {
    // Locked first: what is seen is what is undone.
    let mut locks = Vec::new();
    for state in states {
        if let Some(locked) = state.lock_existing()? {
            locks.push((state, locked));
        }
    }
    let mut known = Vec::new();
    for (state, locked) in &locks {
        known.extend(operations(state)?.into_iter().map(|found| (found, &locked.dir)));
    }
    let Some(meant) = meant(&known, operation)?.cloned() else {
        let state = UndoState::NothingToUndo;
        return Ok(Undone { operation: None, state, changed: false, files: Vec::new() });
    };
    // What was taken back since is as if it had not been.
    let was_edited_since = known.iter().any(|(one, _)| {
        !one.edits.is_empty() && one.state != OperationState::Undone && order(&one.id) > order(&meant.id)
    });
    known.retain(|(one, _)| is_one_run(one, &meant));
    // By the name under which it is known: the one that was typed, or the one that the run itself has told.
    let told = known.iter().map(|(one, _)| &one.id).min_by_key(|id| order(id));
    let name = operation.map(str::to_owned).or_else(|| told.cloned()).unwrap_or_else(|| meant.id.clone());
    let mut parts = Vec::new();
    let mut files = Vec::new();
    let ours = placed::ours(&journals(&known));
    for (one, dir) in &known {
        match Part::open(&one.id, dir, force, &ours) {
            Ok(Some(part)) => parts.push(part),
            Ok(None) => {}
            // Alone, it is all that there is to say.
            Err(error) if known.len() == 1 => return Err(error),
            Err(error) => files.push(UndoResult {
                directory: dir.path().clone(),
                name: ByteString::from(one.id.as_str()),
                outcome: UndoOutcome::Failed(error.to_string()),
            }),
        }
    }
    // Places are free for what was moved only once what was put there is gone.
    parts.sort_by_key(|part| part.journal.placed.is_empty());
    let ended = |parts: &[Part<'_>], mut files: Vec<UndoResult>, state, changed| {
        files.extend(parts.iter().flat_map(|part| part.results.iter().cloned()));
        Undone { operation: Some(name.clone()), state, changed, files }
    };
    if files.is_empty() && parts.iter().all(|part| part.is_undone) {
        return Ok(ended(&parts, files, UndoState::AlreadyUndone, false));
    }
    if parts.iter().any(Part::conflicts) {
        return Ok(ended(&parts, files, UndoState::Conflict, false));
    }
    if is_refused(&parts, was_edited_since, objects) {
        return Ok(ended(&parts, files, UndoState::Refused, false));
    }
    if rehearse {
        let (is_whole, changed) = rehearsed(&mut parts);
        let state = if is_whole && files.is_empty() { UndoState::Undone } else { UndoState::Incomplete };
        return Ok(ended(&parts, files, state, changed));
    }
    let _undisturbed = undisturbed();
    let mut unwritten = None;
    let mut changed = false;
    for part in parts.iter_mut().filter(|part| !part.is_undone) {
        match part.take_back()? {
            Ok(()) => {}
            Err(source) => unwritten = Some(source),
        }
        changed |= part.changed;
    }
    let whole = files.is_empty() && parts.iter().all(|part| part.is_undone || part.is_whole());
    let state = match (whole, unwritten) {
        (false, _) => UndoState::Incomplete,
        (true, Some(source)) if changed => return Err(Error::NotRecorded { id: name, source }),
        (true, Some(_)) => UndoState::AlreadyUndone,
        (true, None) => UndoState::Undone,
    };
    Ok(ended(&parts, files, state, changed))
}

/// The operation that is named, or the newest that is not undone.
fn meant<'k>(
    known: &'k [(Operation, &Dir)],
    operation: Option<&str>,
) -> Result<Option<&'k Operation>, Error> {
    let all = known.iter().map(|(operation, _)| operation);
    let is_undone = |operation: &Operation| operation.state == OperationState::Undone;
    match operation {
        // Two quarantines may have an operation with one id from before there were numbers: then the one
        // that is not undone yet.
        Some(id) => all
            .filter(|operation| operation.id == id)
            .max_by_key(|operation| (!is_undone(operation), operation.started_at))
            .ok_or_else(|| Error::UnknownOperation(id.to_owned()))
            .map(Some),
        None => Ok(all.filter(|operation| !is_undone(operation)).max_by_key(|one| order(&one.id))),
    }
}

/// What would come of all of them, as far as looking tells: whether everything would come back, and whether anything would.
fn rehearsed(parts: &mut [Part<'_>]) -> (bool, bool) {
    parts.iter_mut().for_each(Part::rehearse);
    let is_whole = parts.iter().all(|part| part.is_undone || !part.fails());
    let waits = |result: &UndoResult| matches!(result.outcome, UndoOutcome::Waiting | UndoOutcome::TakenAway);
    (is_whole, parts.iter().flat_map(|part| &part.results).any(waits))
}

/// The journals of these operations, as far as they can be read.
fn journals(operations: &[(Operation, &Dir)]) -> Vec<Journal> {
    let journal = |(one, dir): &(Operation, &Dir)| {
        let operation = dir.subdir(&ByteString::from(one.id.as_str())).ok()?;
        journal::read::<Journal>(&operation).ok()?
    };
    operations.iter().filter(|(one, _)| !one.placed.is_empty()).filter_map(journal).collect()
}

/// Whether two operations are of one run. Before runs had numbers, the operations of one had one time; where a
/// journal is damaged the name alone says what belongs together.
fn is_one_run(one: &Operation, meant: &Operation) -> bool {
    let (Some(first), Some(second)) = (order(&one.id), order(&meant.id)) else { return false };
    if !first.is_of_no_run() || !second.is_of_no_run() {
        return first.is_of_run(&second);
    }
    one.id == meant.id && (one.started_at.is_none() || meant.started_at.is_none())
        || one.started_at.is_some() && one.started_at == meant.started_at
}

/// Whether somebody objects to what would come back: each text, with the entries of the run, or the entries
/// alone where programs may not have read them when they were taken, or caching was switched on or off since.
fn is_refused(parts: &[Part<'_>], was_edited_since: bool, objects: &mut Objects<'_>) -> bool {
    let pending = || parts.iter().filter(|part| !part.is_undone);
    let edits = || pending().flat_map(|part| (0..part.journal.edits.len()).filter_map(|at| part.edited(at)));
    let was_edited = was_edited_since || edits().next().is_some();
    let entries: Vec<Returning> = pending().flat_map(|part| part.returning(was_edited)).collect();
    let texts: Vec<(ByteString, Option<Vec<u8>>)> = edits().filter_map(config::comes_back).collect();
    if texts.is_empty() {
        return entries.iter().any(|entry| entry.was_unread)
            && objects(&Return { text: None, entries: &entries });
    }
    texts
        .iter()
        .any(|(file, text)| objects(&Return { text: Some((file, text.as_deref())), entries: &entries }))
}

/// One operation of the run that is taken back.
struct Part<'a> {
    id: String,
    operation: Dir,
    journal: Journal,
    stored: Option<Dir>,
    results: Vec<UndoResult>,
    /// It had been undone before.
    is_undone: bool,
    /// An undo had begun, and may have brought back any file.
    begun: bool,
    force: bool,
    /// What refills of the run have put into caches.
    ours: &'a Ours,
    changed: bool,
}

impl<'a> Part<'a> {
    /// Looks at everything it would bring back; `None` if it was interrupted before its journal.
    fn open(id: &str, state: &Dir, force: bool, ours: &'a Ours) -> Result<Option<Self>, Error> {
        let operation = state.subdir(&ByteString::from(id))?;
        let Some(journal) = journal::read::<Journal>(&operation)? else { return Ok(None) };
        let earlier = journal::read::<UndoRecord>(&operation)?;
        let is_undone = is_undone(&operation, earlier.as_ref())?;
        let stored = existing_section(&operation, "files")?;
        let begun = earlier.is_some();
        let results = earlier.map(|record| record.results).filter(|_| is_undone).unwrap_or_default();
        let mut part = Self {
            id: id.to_owned(),
            operation,
            journal,
            stored,
            results,
            is_undone,
            begun,
            force,
            ours,
            changed: false,
        };
        if !is_undone {
            part.results = part.look();
        }
        Ok(Some(part))
    }

    fn look(&self) -> Vec<UndoResult> {
        let work = self.work();
        let files = self.journal.files.iter().enumerate().map(|(index, planned)| UndoResult {
            directory: planned.step.directory.clone(),
            name: planned.step.name.clone(),
            outcome: work.look(index, planned),
        });
        let edits = (0..self.journal.edits.len()).filter_map(|index| self.edited(index));
        let edits = edits.map(|edited| UndoResult {
            directory: edited.edit.directory.clone(),
            name: edited.edit.name.clone(),
            outcome: config::look(edited),
        });
        let placed = self.journal.placed.iter().map(|placed| UndoResult {
            directory: placed.directory.clone(),
            name: placed.name.clone(),
            outcome: placed::look_at_placed(placed),
        });
        files.chain(edits).chain(placed).collect()
    }

    const fn work(&self) -> Work<'_> {
        Work::new(self.stored.as_ref(), &self.operation, self.id.as_str(), self.begun, self.force, self.ours)
    }

    fn edited(&self, index: usize) -> Option<Edited<'_>> {
        Some(Edited {
            edit: self.journal.edits.get(index)?,
            index,
            operation: &self.operation,
            stored: self.stored.as_ref(),
            force: self.force,
        })
    }

    fn conflicts(&self) -> bool {
        !self.is_undone
            && self.results.iter().any(|result| matches!(result.outcome, UndoOutcome::Conflict(_)))
    }

    fn is_whole(&self) -> bool {
        !self.results.iter().any(|result| {
            matches!(result.outcome, UndoOutcome::Conflict(_) | UndoOutcome::Failed(_) | UndoOutcome::Waiting)
        })
    }

    /// Could a file not be brought back?
    fn fails(&self) -> bool {
        self.results.iter().any(|result| matches!(result.outcome, UndoOutcome::Failed(_)))
    }

    /// Looks whether what is waiting may be put where it belongs.
    fn rehearse(&mut self) {
        let waiting = self.results.iter_mut().filter(|result| result.outcome == UndoOutcome::Waiting);
        for result in waiting {
            let may = match Dir::open(result.directory.as_path()) {
                Ok(Opened::Dir(dir)) => dir.may_place(None),
                // It would be made anew, or has been looked at before.
                Ok(Opened::Missing | Opened::Symlink(_)) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = may {
                result.outcome = failed(&error);
            }
        }
        let others = self.journal.files.len() + self.journal.edits.len();
        for result in self.results.iter_mut().skip(others) {
            if result.outcome == UndoOutcome::Waiting {
                result.outcome = UndoOutcome::TakenAway;
            }
        }
    }

    /// The entries that would come back.
    fn returning(&self, was_edited: bool) -> impl Iterator<Item = Returning> {
        let files = self.journal.files.iter().zip(&self.results);
        files.enumerate().filter(|(_, (_, result))| result.outcome == UndoOutcome::Waiting).map(
            move |(index, (planned, _))| {
                let step = &planned.step;
                Returning {
                    directory: step.directory.clone(),
                    name: EntryName::from(step.name.clone()),
                    kept: self.stored.as_ref().map(|stored| (stored.path().clone(), file_name(index))),
                    uid: step.expect.inode.uid,
                    reason: step.reason.clone(),
                    was_unread: was_edited || step.unread,
                }
            },
        )
    }

    /// Brings back what is waiting. The outer error says that nothing was tried, the inner one that what was
    /// done could not be written down.
    fn take_back(&mut self) -> Result<Result<(), safe_fs::Error>, Error> {
        // What an interrupted repair had reserved is of no use any more, and may be all the room there is.
        self.operation.unreserve(&ByteString::from(Journal::FILE))?;
        let mut record = UndoRecord::new(clock::now(), self.force);
        record.results.clone_from(&self.results);
        // To bring a file back takes no room, and where each file is tells how far an undo came: a full
        // disk is no reason not to begin.
        let room = journal::begin(&self.operation, &record);
        let mut results = std::mem::take(&mut self.results);
        let mut work = self.work();
        for ((index, planned), result) in self.journal.files.iter().enumerate().zip(&mut results) {
            if result.outcome == UndoOutcome::Waiting {
                result.outcome = work.bring_back(index, planned);
            }
        }
        let edits = results.iter_mut().skip(self.journal.files.len());
        for (index, result) in edits.take(self.journal.edits.len()).enumerate() {
            if let Some(edited) = self.edited(index).filter(|_| result.outcome == UndoOutcome::Waiting) {
                let (outcome, changed) = config::bring_back(edited);
                result.outcome = outcome;
                work.changed |= changed;
            }
        }
        let others = self.journal.files.len() + self.journal.edits.len();
        for (placed, result) in self.journal.placed.iter().zip(results.iter_mut().skip(others)) {
            // What was interrupted beside a place goes in any case.
            if matches!(result.outcome, UndoOutcome::Waiting | UndoOutcome::NotOurs) {
                let (outcome, changed) = placed::take_away(placed);
                result.outcome = outcome;
                work.changed |= changed;
            }
        }
        let synced = work.sync();
        let changed = work.changed;
        (self.results, self.changed) = (results, changed);
        record.results.clone_from(&self.results);
        record.finished_at = self.is_whole().then(clock::now);
        let recorded = synced.and_then(|()| {
            let written = match room {
                Ok(room) => journal::finish(&self.operation, room, &mut record),
                // Copies that went may have made room.
                Err(_) => journal::begin(&self.operation, &record)
                    .and_then(|room| journal::finish(&self.operation, room, &mut record)),
            };
            written.or_else(|error| if self.is_whole() { self.mark().map_err(|_| error) } else { Err(error) })
        });
        Ok(recorded)
    }

    /// Says by a name, which takes no room, that everything is back.
    fn mark(&self) -> Result<(), safe_fs::Error> {
        self.operation.rename_entry(&ByteString::from("files"), &ByteString::from(UNDONE))?;
        self.operation.sync()
    }
}
