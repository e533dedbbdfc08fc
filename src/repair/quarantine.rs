//! Where operations are kept: one private directory, one directory per operation.
//!
//! ```text
//! STATE/lock                            held while files move
//! STATE/20261123T095012Z-1/journal.json
//! STATE/20261123T095012Z-1/files/0      a quarantined file, named by its step
//! STATE/20261123T095012Z-1/undo.json    once it was undone
//! STATE/20261123T095012Z-1/displaced/0  a newcomer that a forced undo moved aside
//! ```
//!
//! Hides how an operation gets an id that is readable, unique, and sorts by
//! time even if the clock is set back. No name in here comes from a cache.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::macros::format_description;

use super::Error;
use super::apply::Outcome;
use super::journal::{self, Journal, TextEdit, UndoRecord};
use super::plan::Action;
use crate::host::Caller;
use crate::safe_fs::{self, Dir, Lock};
use crate::snapshot::{Inode, Name};

/// More entries than any quarantine has.
const MAX_LISTED: usize = 100_000;

/// The state directory of one quarantine.
#[derive(Debug, Clone)]
pub struct StateDir {
    path: PathBuf,
}

/// One operation as `quarantine list` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Its id, to be named to `undo`.
    pub id: String,
    /// How it stands.
    pub state: OperationState,
    /// When it began; none if its journal is damaged.
    #[serde(with = "time::serde::rfc3339::option")]
    pub started_at: Option<OffsetDateTime>,
    /// Files kept in the quarantine now.
    pub kept_files: usize,
    /// Their bytes.
    pub kept_bytes: u64,
    /// What it was to take.
    pub files: Vec<KeptFile>,
    /// The texts it was to change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<EditedFile>,
}

/// One text of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditedFile {
    /// The directory of the file.
    pub directory: Name,
    /// Its name.
    pub name: Name,
    /// Why.
    pub reason: String,
    /// The copy of the old file beside it.
    pub backup: Option<Name>,
    /// Whether it was finished.
    pub done: bool,
}

/// How an operation stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OperationState {
    /// Done.
    Done,
    /// It was interrupted; what it took is in the quarantine and can be undone.
    Interrupted,
    /// Undone.
    Undone,
    /// An undo was interrupted or could not bring back everything: repeat it.
    PartlyUndone,
    /// Its journal cannot be read, and why.
    Damaged(String),
}

/// One file of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptFile {
    /// The cache directory.
    pub directory: Name,
    /// The file's name in it.
    pub name: Name,
    /// As it was.
    pub inode: Inode,
    /// What was to be done with it.
    pub action: Action,
    /// Why.
    pub reason: String,
    /// How that ended; none after an interruption.
    pub outcome: Option<Outcome>,
    /// Whether it is in the quarantine now.
    pub kept: bool,
}

/// A state directory that is locked for this process.
pub(super) struct Locked {
    pub dir: Dir,
    _lock: Lock,
}

impl StateDir {
    /// Where the caller keeps what was taken from the caches of user `owner`:
    /// `$XDG_STATE_HOME/stalecard` or `~/.local/state/stalecard`; for root
    /// `/var/lib/stalecard/<owner>`, whatever its environment says.
    ///
    /// # Errors
    /// When the caller has no home.
    pub fn of(caller: &Caller, owner: u32) -> Result<Self, Error> {
        Ok(Self { path: caller.state_dir(owner)? })
    }

    /// All quarantines the caller has: the own one, and for root those of every owner
    /// whose files it has taken.
    ///
    /// # Errors
    /// When the caller has no home, or root's directory cannot be read or is open to others.
    pub fn all(caller: &Caller) -> Result<Vec<Self>, Error> {
        let own = Self::of(caller, caller.user.uid)?;
        let mut all = vec![own.clone()];
        if caller.user.uid == 0
            && let Some(parent) = own.path.parent()
            && let Some(dir) = Dir::open_private(parent)?
        {
            for name in dir.list(MAX_LISTED)?.names {
                let owner = name.as_str().and_then(|name| name.parse().ok());
                if let Some(owner) = owner.filter(|&owner| owner != caller.user.uid) {
                    all.push(Self::of(caller, owner)?);
                }
            }
        }
        Ok(all)
    }

    /// A quarantine at another place (absolute path), under the same conditions.
    #[must_use]
    pub const fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Opens it for reading; `None` if nothing was ever quarantined.
    pub(super) fn open(&self) -> Result<Option<Dir>, Error> {
        Ok(Dir::open_private(&self.path)?)
    }

    /// Whether [`StateDir::lock`] may open or make it, as far as that can be told without writing.
    pub(super) fn may_lock(&self) -> Result<(), Error> {
        Ok(Dir::may_create_private(&self.path)?)
    }

    /// Locks it against every other stalecard; made if it is not there.
    pub(super) fn lock(&self) -> Result<Locked, Error> {
        Locked::take(Dir::create_private(&self.path)?)
    }

    /// As [`StateDir::lock`]; `None` if nothing was ever quarantined.
    pub(super) fn lock_existing(&self) -> Result<Option<Locked>, Error> {
        self.open()?.map(Locked::take).transpose()
    }
}

impl Locked {
    fn take(dir: Dir) -> Result<Self, Error> {
        let name = Name::from("lock");
        match dir.lock(&name)? {
            Some(lock) => Ok(Self { dir, _lock: lock }),
            None => Err(Error::Locked(dir.path_of(&name))),
        }
    }

    /// Makes the directory of a new operation, newer than all others.
    pub(super) fn begin(&self, now: OffsetDateTime) -> Result<(String, Dir), Error> {
        let format = format_description!("[year][month][day]T[hour][minute][second]Z");
        let mut key = (now.format(&format).unwrap_or_default(), 1);
        if let Some((stamp, number)) = ids(&self.dir)?.last().and_then(|id| order(id))
            && stamp >= key.0
        {
            key = (stamp, number + 1);
        }
        let id = format!("{}-{}", key.0, key.1);
        let name = Name::from(id.as_str());
        self.dir.create_subdir(&name)?;
        let operation = self.dir.subdir(&name)?;
        self.dir.sync()?;
        Ok((id, operation))
    }
}

/// The ids of all operations, oldest first.
pub(super) fn ids(dir: &Dir) -> Result<Vec<String>, Error> {
    let names = dir.list(MAX_LISTED)?.names;
    let mut ids: Vec<String> = names
        .iter()
        .filter_map(|name| name.as_str())
        .map(str::to_string)
        .filter(|id| order(id).is_some())
        .collect();
    ids.sort_unstable_by_key(|id| order(id));
    Ok(ids)
}

/// What an id sorts by: its time stamp and its number; `None` if it is no id.
pub(super) fn order(id: &str) -> Option<(String, u64)> {
    let (stamp, number) = id.split_once('-')?;
    let shape: String = stamp.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let is_number = !number.starts_with(['0', '+']);
    (shape == "00000000T000000Z" && is_number).then(|| Some((stamp.to_string(), number.parse().ok()?)))?
}

/// A directory inside an operation, made if need be.
pub(super) fn section(operation: &Dir, name: &str) -> Result<Dir, safe_fs::Error> {
    let name = Name::from(name);
    if operation.create_subdir(&name)? {
        operation.sync()?;
    }
    operation.subdir(&name)
}

/// A directory inside an operation, if it is there.
pub(super) fn existing_section(operation: &Dir, name: &str) -> Result<Option<Dir>, safe_fs::Error> {
    let name = Name::from(name);
    operation.facts(&name)?.map(|_| operation.subdir(&name)).transpose()
}

/// The name of a step's file in the quarantine.
pub(super) fn file_name(index: usize) -> Name {
    Name::from(index.to_string().as_str())
}

/// All operations, newest first. Reads only, and takes no lock.
///
/// # Errors
/// When the state directory cannot be read or is open to others.
pub fn operations(state: &StateDir) -> Result<Vec<Operation>, Error> {
    let Some(dir) = state.open()? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for id in ids(&dir)?.into_iter().rev() {
        match describe(&dir, &id) {
            Ok(Some(operation)) => found.push(operation),
            // It was interrupted before its first file.
            Ok(None) => {}
            Err(error) => found.push(Operation {
                id,
                state: OperationState::Damaged(error.to_string()),
                started_at: None,
                kept_files: 0,
                kept_bytes: 0,
                files: Vec::new(),
                edits: Vec::new(),
            }),
        }
    }
    Ok(found)
}

fn describe(state: &Dir, id: &str) -> Result<Option<Operation>, Error> {
    let dir = state.subdir(&Name::from(id))?;
    let Some(journal) = journal::read::<Journal>(&dir)? else { return Ok(None) };
    let undo = journal::read::<UndoRecord>(&dir)?;
    let state = match (&undo, journal.finished_at) {
        (Some(UndoRecord { finished_at: Some(_), .. }), _) => OperationState::Undone,
        (Some(_), _) => OperationState::PartlyUndone,
        (None, Some(_)) => OperationState::Done,
        (None, None) => OperationState::Interrupted,
    };
    let (mut kept_files, mut kept_bytes) = (0, 0);
    for section in ["files", "displaced"] {
        let Some(section) = existing_section(&dir, section)? else { continue };
        let names = section.list(MAX_LISTED)?.names;
        // What a copy was interrupted at (".stalecard-….part") is not a kept file.
        for name in names.into_iter().filter(|name| !name.0.starts_with(b".")) {
            if let Some(facts) = section.facts(&name)? {
                kept_files += 1;
                kept_bytes += facts.inode.size;
            }
        }
    }
    let stored = existing_section(&dir, "files")?;
    let mut files = Vec::new();
    for (index, planned) in journal.files.into_iter().enumerate() {
        let kept = match &stored {
            Some(stored) => stored.facts(&file_name(index))?.is_some(),
            None => false,
        };
        files.push(KeptFile {
            directory: planned.step.directory,
            name: planned.step.name,
            inode: planned.step.expect.inode,
            action: planned.step.action,
            reason: planned.step.reason,
            outcome: planned.outcome,
            kept,
        });
    }
    let edits = journal
        .edits
        .into_iter()
        .map(|TextEdit { directory, name, reason, backup, done, .. }| EditedFile {
            directory,
            name,
            reason,
            backup,
            done,
        })
        .collect();
    let started_at = Some(journal.started_at);
    Ok(Some(Operation { id: id.to_string(), state, started_at, kept_files, kept_bytes, files, edits }))
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn ids_sort_by_time_then_number() {
        assert!(order("20261123T095012Z-2") < order("20261123T095012Z-10"));
        assert!(order("20261123T095012Z-10") < order("20261123T095013Z-1"));
        for bad in ["lock", "20261123T095012Z", "20261123T095012Z-", "20261123T095012Z-+1", "x-1", "-"] {
            assert_eq!(order(bad), None, "{bad}");
        }
    }
}
