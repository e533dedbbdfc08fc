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
//! Hides how an operation gets an id that is readable, unique, and sorts by the order in which runs began
//! ([`Order`]), whatever the clock says. No name in here comes from a cache.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::macros::format_description;

use super::Error;
use super::journal::{self, Journal, MAX_WRITTEN, Record, TextEdit, UndoRecord};
use super::outcome::Outcome;
use super::plan::Action;
use crate::host::{Caller, clock};
use crate::safe_fs::{self, Dir, Lock, Room};
use crate::snapshot::{ByteString, Inode};

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

/// What operations sort by: the number of their run, which no clock has a say in; the stamp, for those from
/// before runs were numbered, when what follows it counted the operations of one second; and the number within
/// the run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Order {
    run: u64,
    stamp: String,
    part: u64,
}

/// One run has fewer operations.
const PARTS: u64 = 10_000;

/// How long to wait for another process that is just taking a number.
const NUMBER_TRIES: u32 = 200;
const NUMBER_WAIT: std::time::Duration = std::time::Duration::from_millis(10);

/// One operation as `quarantine list` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Operation {
    /// Its id, to be named to `undo`.
    pub id: String,
    /// How it stands.
    pub state: OperationState,
    /// When it began; none if its journal is damaged.
    #[serde(with = "crate::host::clock::whole_seconds")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Rfc3339>"))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EditedFile {
    /// The directory of the file.
    pub directory: ByteString,
    /// Its name.
    pub name: ByteString,
    /// Why.
    pub reason: String,
    /// The copy of the old file beside it.
    pub backup: Option<ByteString>,
    /// Whether it was finished.
    pub done: bool,
}

/// How an operation stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KeptFile {
    /// The cache directory.
    pub directory: ByteString,
    /// The file's name in it.
    pub name: ByteString,
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
        let format = format_description!("[year][month][day]T[hour][minute][second]Z");
        let stamp = run.began.format(&format).unwrap_or_default();
        let beside = self.siblings.as_deref().map(Dir::open_private).transpose()?.flatten();
        // Nobody else takes a number in one of the quarantines meanwhile.
        let _numbers = beside.as_ref().map(one_at_a_time).transpose()?;
        let (number, mut part) = match run.numbered {
            Some(numbered) => numbered,
            None => (self.newest_of_all(beside.as_ref())?.saturating_add(1), 0),
        };
        let id = loop {
            part += 1;
            let count = number.checked_mul(PARTS).and_then(|count| count.checked_add(part));
            let Some(count) = count.filter(|_| part < PARTS) else {
                return Err(Error::NoNumber(self.dir.path().clone()));
            };
            let id = format!("{stamp}-{count}");
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
    Ok(ids(dir)?.last().and_then(|id| order(id)).map_or(0, |order| order.run))
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

/// What an id sorts by; `None` if it is no id. Before there were numbers, ids were a stamp and a count.
pub(super) fn order(id: &str) -> Option<Order> {
    let (stamp, count) = id.split_once('-')?;
    let shape: String = stamp.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    if shape != "00000000T000000Z" || count.starts_with(['0', '+']) {
        return None;
    }
    let count: u64 = count.parse().ok()?;
    Some(Order { run: count / PARTS, stamp: stamp.to_owned(), part: count % PARTS })
}

impl Order {
    /// Whether both are of one run, as far as their names tell: those from before there were numbers do not.
    pub(super) fn is_of_run(&self, other: &Self) -> bool {
        self.run != 0 && (self.run, &self.stamp) == (other.run, &other.stamp)
    }

    /// Whether the names tell nothing of their runs.
    pub(super) const fn is_of_no_run(&self) -> bool {
        self.run == 0
    }

    /// When it began, by the clock of then.
    pub(super) fn stamped(&self) -> Option<OffsetDateTime> {
        let format = format_description!("[year][month][day]T[hour][minute][second]Z");
        time::PrimitiveDateTime::parse(&self.stamp, &format).ok().map(time::PrimitiveDateTime::assume_utc)
    }
}

/// Sorts the operations of several quarantines as [`operations`] sorts those of one.
pub fn newest_first(operations: &mut [Operation]) {
    operations.sort_by_cached_key(|operation| std::cmp::Reverse(order(&operation.id)));
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
            // It moved nothing.
            Ok(None) => {}
            Err(error) => {
                let (kept_files, kept_bytes) =
                    dir.subdir(&ByteString::from(id.as_str())).and_then(|dir| kept(&dir)).unwrap_or_default();
                found.push(Operation {
                    id,
                    state: OperationState::Damaged(error.to_string()),
                    started_at: None,
                    kept_files,
                    kept_bytes,
                    files: Vec::new(),
                    edits: Vec::new(),
                });
            }
        }
    }
    Ok(found)
}

/// What an operation keeps of caches.
#[derive(Debug, Clone)]
pub struct Keeping {
    /// Its id.
    pub operation: String,
    /// The directory in which the files are.
    pub place: ByteString,
    /// Each file: its name there, its cache directory, its name in that.
    pub files: Vec<(ByteString, ByteString, ByteString)>,
}

/// What the newest operations keep, at most so many of them. Reads only, and takes no lock.
///
/// # Errors
/// When the state directory cannot be read or is open to others.
pub fn keeping(state: &StateDir, most: usize) -> Result<Vec<Keeping>, Error> {
    let Some(dir) = state.open()? else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    let kept = operations(state)?.into_iter().filter(|operation| operation.kept_files > 0);
    for Operation { id, files, .. } in kept.take(most) {
        let operation = dir.subdir(&ByteString::from(id.as_str()))?;
        let Some(stored) = existing_section(&operation, "files")? else { continue };
        let files = files.into_iter().enumerate().filter(|(_, file)| file.kept);
        all.push(Keeping {
            operation: id,
            place: stored.path().clone(),
            files: files.map(|(index, file)| (file_name(index), file.directory, file.name)).collect(),
        });
    }
    Ok(all)
}

/// How many files an operation keeps, and their bytes.
fn kept(operation: &Dir) -> Result<(usize, u64), safe_fs::Error> {
    let (mut files, mut bytes) = (0, 0);
    for section in ["files", "displaced"] {
        let Some(section) = existing_section(operation, section)? else { continue };
        let names = section.list(MAX_LISTED)?.names;
        // What a copy was interrupted at (".stalecard-….part") is not a kept file.
        for name in names.into_iter().filter(|name| !name.0.starts_with(b".")) {
            if let Some(facts) = section.facts(&name)? {
                files += 1;
                bytes += facts.inode.size;
            }
        }
    }
    Ok((files, bytes))
}

fn describe(state: &Dir, id: &str) -> Result<Option<Operation>, Error> {
    let dir = state.subdir(&ByteString::from(id))?;
    let Some(journal) = journal::read::<Journal>(&dir)? else { return Ok(None) };
    let undo = journal::read::<UndoRecord>(&dir)?;
    let state = match (is_undone(&dir, undo.as_ref())?, &undo, journal.finished_at) {
        (true, ..) => OperationState::Undone,
        (false, Some(_), _) => OperationState::PartlyUndone,
        (false, None, Some(_)) => OperationState::Done,
        (false, None, None) => OperationState::Interrupted,
    };
    let (kept_files, kept_bytes) = kept(&dir)?;
    // An operation that took nothing is none: it failed at every file, or was interrupted before the first.
    let took = |planned: &journal::Planned| match &planned.outcome {
        Some(outcome) => matches!(outcome, Outcome::Moved | Outcome::Removed),
        None => planned.step.action == Action::Remove,
    };
    let is_begun = matches!(state, OperationState::Done | OperationState::Interrupted);
    if is_begun && kept_files == 0 && journal.edits.is_empty() && !journal.files.iter().any(took) {
        return Ok(None);
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
    fn ids_sort_by_run_then_part_and_old_ones_by_their_stamp() {
        assert!(order("20261123T095012Z-2") < order("20261123T095012Z-10"));
        assert!(order("20261123T095012Z-10") < order("20261123T095013Z-1"));
        assert!(order("20991123T095013Z-7") < order("20261123T095012Z-10001"), "the clock has no say");
        assert!(order("20991123T095012Z-90001") < order("19700101T000000Z-100001"));
        assert!(order("19700101T000000Z-100009") < order("19700101T000000Z-100010"));
        for bad in [
            "lock",
            "20261123T095012Z",
            "20261123T095012Z-",
            "20261123T095012Z-+1",
            "x-1",
            "-",
            "20261123T095012Z-0",
            "20261123T095012Z-01",
            "20261123T095012Z-1-2",
            "20261123T095012Z-99999999999999999999999",
        ] {
            assert_eq!(order(bad), None, "{bad}");
        }
    }
}
