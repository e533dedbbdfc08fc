//! Where operations are kept: one private directory, one directory per operation.
//!
//! ```text
//! STATE/lock                            held while files move
//! STATE/20261123T095012Z-70001/journal.json
//! STATE/20261123T095012Z-70001/files/0      a quarantined file, named by its step
//! STATE/20261123T095012Z-70001/undo.json    once it was undone
//! STATE/20261123T095012Z-70001/undone       in place of `files`, if there was no room to write that
//! STATE/20261123T095012Z-70001/displaced/0  a newcomer that a forced undo moved aside
//! STATE/20261123T095012Z-70002              what the same run, the seventh, did besides
//! ```
//!
//! Hides the lock, how runs get their numbers ([`id`]), and what a process that was killed left half done. What is there is
//! told by [`operations`].

use std::path::PathBuf;

use time::OffsetDateTime;

use super::Error;
use super::journal::{self, Journal, MAX_WRITTEN, Record, UndoRecord};
use super::placed::remove_part;
use crate::host::{Caller, clock};
use crate::safe_fs::{self, Dir, Lock, Room};
use crate::snapshot::ByteString;

mod id;
mod operations;

pub(super) use id::order;
pub use operations::{
    EditedFile, Keeping, KeptFile, Operation, OperationState, PlacedFile, keeping, newest_first, operations,
};

/// What `files` is called when everything in it is back, and that could not be written.
pub(super) const UNDONE: &str = "undone";

/// What is held while files move.
const LOCK: &str = "lock";

/// Files and directories of an operation that is under way, besides what it keeps: its own directory and `files`, the
/// journal and the room for its completion.
const FILES: u64 = 4;

/// More entries than any quarantine has.
const MAX_LISTED: usize = 500_000;

/// The state directory of one quarantine.
#[derive(Debug, Clone)]
pub struct StateDir {
    path: PathBuf,
    /// The directory with the quarantines of other owners, which are numbered with this one.
    siblings: Option<PathBuf>,
    limit: u64,
}

/// One run of the program: whatever it does in however many quarantines is taken back by one undo.
#[derive(Debug)]
pub struct Run {
    began: OffsetDateTime,
    /// Its number, and how many operations it has.
    numbered: Option<(u64, u64)>,
}

/// How long to wait for another process that is just taking a number.
const NUMBER_TRIES: u32 = 200;
const NUMBER_WAIT: std::time::Duration = std::time::Duration::from_millis(10);

/// A state directory that is locked for this process.
pub(super) struct Locked {
    pub dir: Dir,
    siblings: Option<PathBuf>,
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
        let path = caller.state_dir(owner)?;
        let siblings = path.parent().filter(|_| caller.user.uid == 0).map(PathBuf::from);
        Ok(Self { siblings, ..Self::at(path) })
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
        Self { path, siblings: None, limit: MAX_WRITTEN }
    }

    /// The same, with journals of about this many bytes at most; what is longer becomes several operations.
    #[must_use]
    pub fn with_journals_of(self, limit: u64) -> Self {
        Self { limit: limit.min(MAX_WRITTEN), ..self }
    }

    pub(super) const fn limit(&self) -> u64 {
        self.limit
    }

    /// Opens it for reading; `None` if nothing was ever quarantined.
    pub(super) fn open(&self) -> Result<Option<Dir>, Error> {
        Ok(Dir::open_private(&self.path)?)
    }

    /// Whether [`StateDir::lock`] may open or make it, for an operation with journals of this many bytes, as far as
    /// that can be told without writing. Says what room there is besides.
    pub(super) fn may_lock(&self, bytes: u64) -> Result<Room, Error> {
        let room = Dir::may_create_private(&self.path, bytes, if bytes > 0 { FILES } else { 0 })?;
        if let Some(dir) = self.open()? {
            dir.may_lock(&ByteString::from(LOCK))?;
        }
        Ok(room)
    }

    /// Locks it against every other stalecard; made if it is not there.
    pub(super) fn lock(&self) -> Result<Locked, Error> {
        Locked::take(Dir::create_private(&self.path)?, self)
    }

    /// As [`StateDir::lock`]; `None` if nothing was ever quarantined.
    pub(super) fn lock_existing(&self) -> Result<Option<Locked>, Error> {
        self.open()?.map(|dir| Locked::take(dir, self)).transpose()
    }
}

impl Run {
    /// A run that begins now.
    #[must_use]
    pub fn begin() -> Self {
        Self::began_at(clock::now())
    }

    /// A run that began at this time.
    #[must_use]
    pub const fn began_at(began: OffsetDateTime) -> Self {
        Self { began, numbered: None }
    }

    /// When it began.
    #[must_use]
    pub const fn began(&self) -> OffsetDateTime {
        self.began
    }
}

impl Locked {
    fn take(dir: Dir, state: &StateDir) -> Result<Self, Error> {
        let name = ByteString::from(LOCK);
        match dir.lock(&name)? {
            Some(lock) => {
                let locked = Self { dir, siblings: state.siblings.clone(), _lock: lock };
                locked.tidy();
                Ok(locked)
            }
            None => Err(Error::Locked(dir.path_of(&name))),
        }
    }

    /// Takes away what a process that was killed had begun to write, or had reserved: nobody else is at work. What
    /// cannot be removed does no harm.
    fn tidy(&self) {
        for id in ids(&self.dir).unwrap_or_default() {
            let Ok(operation) = self.dir.subdir(&ByteString::from(id.as_str())) else { continue };
            remove_parts(&operation);
            let parts =
                [Journal::FILE, UndoRecord::FILE].map(|name| operation.unreserve(&ByteString::from(name)));
            let journal = operation.facts(&ByteString::from(Journal::FILE));
            if parts.iter().all(Result::is_ok) && matches!(journal, Ok(None)) {
                // Without a journal nothing has moved; what is not empty stays.
                let _ = operation.remove_subdir(&ByteString::from("files"));
                let _ = self.dir.remove_subdir(&ByteString::from(id.as_str()));
            }
        }
    }

    /// Makes the directory of a new operation. The first of a run is newer than all others, in this quarantine
    /// and in those beside it.
    pub(super) fn begin(&self, run: &mut Run) -> Result<(String, Dir), Error> {
        let beside = self.siblings.as_deref().map(Dir::open_private).transpose()?.flatten();
        // Nobody else takes a number in one of the quarantines meanwhile.
        let _numbers = beside.as_ref().map(one_at_a_time).transpose()?;
        let (number, mut part) = match run.numbered {
            Some(numbered) => numbered,
            None => (self.newest_of_all(beside.as_ref())?.saturating_add(1), 0),
        };
        let id = loop {
            part += 1;
            let Some(id) = id::of(run.began, number, part) else {
                return Err(Error::NoNumber(self.dir.path().clone()));
            };
            if self.dir.create_subdir(&ByteString::from(id.as_str()))? {
                break id;
            }
        };
        run.numbered = Some((number, part));
        let operation = self.dir.subdir(&ByteString::from(id.as_str()))?;
        self.dir.sync()?;
        Ok((id, operation))
    }

    /// The highest number of a run in this quarantine and in those beside it.
    fn newest_of_all(&self, beside: Option<&Dir>) -> Result<u64, Error> {
        let names = beside.map(|dir| dir.list(MAX_LISTED)).transpose()?.map(|listing| listing.names);
        let parent = self.siblings.as_deref().unwrap_or_else(|| std::path::Path::new("/"));
        let paths = names.into_iter().flatten().map(|name| parent.join(name.as_os_str()));
        // What cannot be read is not undone either.
        let others = paths.filter_map(|path| Dir::open_private(&path).ok().flatten());
        Ok(others.filter_map(|dir| newest(&dir).ok()).fold(newest(&self.dir)?, u64::max))
    }

    /// Takes an operation away that changed nothing; what cannot be removed does no harm. `text` is the name
    /// under which it kept one. True if it is gone, false if something is kept in it.
    pub(super) fn discard(
        &self,
        run: &mut Run,
        operation: &Dir,
        id: &str,
        text: Option<&ByteString>,
    ) -> bool {
        let remove = |dir: &Dir, name: &ByteString| {
            if let Ok(Some(held)) = dir.hold(name) {
                let _ = dir.remove_file(name, &held);
            }
        };
        if let Ok(files) = operation.subdir(&ByteString::from("files")) {
            if let Some(text) = text {
                remove(&files, text);
                let _ = files.remove_part(text);
            }
            let names = files.list(MAX_LISTED).map(|listing| listing.names).unwrap_or_default();
            // What a copy was interrupted at.
            for part in names.iter().filter(|name| name.0.starts_with(b".")) {
                remove(&files, part);
            }
            if operation.remove_subdir(&ByteString::from("files")).is_err() {
                return false;
            }
        }
        for name in operation.list(16).map(|listing| listing.names).unwrap_or_default() {
            remove(operation, &name);
        }
        let _ = self.dir.remove_subdir(&ByteString::from(id));
        // The number is free again, and may be taken by another.
        if run.numbered.is_some_and(|(_, part)| part == 1) {
            run.numbered = None;
        }
        true
    }
}

/// Takes away what an operation that was interrupted was just writing into a cache.
fn remove_parts(operation: &Dir) {
    let is_interrupted =
        operation.has_reserved(&ByteString::from(Journal::FILE)).is_ok_and(|is_reserved| is_reserved);
    if is_interrupted && let Ok(Some(journal)) = journal::read::<Journal>(operation) {
        for placed in &journal.placed {
            let _ = remove_part(placed);
        }
    }
}

fn one_at_a_time(dir: &Dir) -> Result<Lock, Error> {
    for _ in 0..NUMBER_TRIES {
        if let Some(lock) = dir.lock_self()? {
            return Ok(lock);
        }
        std::thread::sleep(NUMBER_WAIT);
    }
    Err(Error::Locked(dir.path().clone()))
}

/// The highest number of a run.
fn newest(dir: &Dir) -> Result<u64, Error> {
    Ok(ids(dir)?.last().and_then(|id| order(id)).map_or(0, |order| order.run()))
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

/// Whether an operation is undone: written down, or shown by the name of its directory where there was no room
/// to write.
pub(super) fn is_undone(operation: &Dir, record: Option<&UndoRecord>) -> Result<bool, Error> {
    let written = record.is_some_and(|record| record.finished_at.is_some());
    Ok(written || operation.facts(&ByteString::from(UNDONE))?.is_some())
}

/// A directory inside an operation, made if need be.
pub(super) fn section(operation: &Dir, name: &str) -> Result<Dir, safe_fs::Error> {
    let name = ByteString::from(name);
    if operation.create_subdir(&name)? {
        operation.sync()?;
    }
    operation.subdir(&name)
}

/// A directory inside an operation, if it is there.
pub(super) fn existing_section(operation: &Dir, name: &str) -> Result<Option<Dir>, safe_fs::Error> {
    let name = ByteString::from(name);
    operation.facts(&name)?.map(|_| operation.subdir(&name)).transpose()
}

/// The name of a step's file in the quarantine.
pub(super) fn file_name(index: usize) -> ByteString {
    ByteString::from(index.to_string().as_str())
}
