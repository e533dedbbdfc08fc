//! What is written down about an operation and about its undo.
//!
//! Two files beside the quarantined ones, each written twice and each time
//! atomically: before anything moves, and after everything is on the disk. The
//! room for the second writing is taken at the first ([`begin`]), so that what
//! was done can be written down on a disk that has become full meanwhile.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::Error;
use super::outcome::{Outcome, UndoOutcome, UndoResult};
use super::plan::{Precondition, Step};
use super::reason::Reason;
use crate::safe_fs::{self, Dir, Reserved};
use crate::snapshot::{ByteString, Bytes};
use crate::text::tame;

/// Name and version of the format.
const SCHEMA: &str = "stalecard-journal/1";

/// No record is written that is longer; an operation with more steps has several ([`split`]).
pub(super) const MAX_WRITTEN: u64 = 64 << 20;

/// The longest that is read: there are journals from before the bound on writing was kept.
const MAX_READ: u64 = 256 << 20;

/// What one step's or file's outcome adds to a record at most, in place of none.
const OUTCOME_ROOM: u64 = 160;

/// The same for the record itself: when it ended, and its last brackets.
const RECORD_ROOM: u64 = 512;

/// Stands for a reason that the room taken for a record does not hold.
const NO_ROOM: &str = "why was said when it ran";

/// A record that has a file of its own.
pub(super) trait Record: Serialize + DeserializeOwned {
    /// The file's name.
    const FILE: &'static str;
    /// Whether its schema is ours.
    fn schema(&self) -> &str;
    /// Its sentences for people, which a damaged file need not have from us.
    fn words(&mut self) -> Vec<&mut String>;
    /// How many outcomes it has or will have.
    fn outcomes(&self) -> usize;
    /// Makes it fit into the room that was taken for it: leaves out what is only for people.
    fn shorten(&mut self);
}

/// The journal of one operation.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Journal {
    schema: String,
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    /// When everything was on the disk; none after an interruption.
    #[serde(with = "time::serde::rfc3339::option")]
    pub finished_at: Option<OffsetDateTime>,
    /// The effective user who did it.
    pub by: u32,
    /// The files it was to take; the index is the name in the quarantine.
    pub files: Vec<Planned>,
    /// The texts it was to change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<TextEdit>,
    /// The entries that it was to put into caches, as OpenSC writes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub placed: Vec<Placed>,
}

/// A cache entry that was to be put in its place. After an interruption only what stands there tells whether it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Placed {
    /// The cache directory.
    pub directory: ByteString,
    /// Its name there.
    pub name: ByteString,
    /// Its length.
    pub size: u64,
    /// SHA-256 of its content.
    pub sha256: Bytes,
}

/// One text of an operation. What it replaces is kept in the quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TextEdit {
    /// The directory of the file, links resolved.
    pub directory: ByteString,
    /// Its name there.
    pub name: ByteString,
    /// The file before; none if there was none.
    pub before: Option<Precondition>,
    /// Length of the new text.
    pub size: u64,
    /// SHA-256 of the new text.
    pub sha256: Bytes,
    /// The copy of the old file beside it.
    pub backup: Option<ByteString>,
    /// Why, in a sentence for people.
    pub reason: String,
    /// Whether the new text is there and does what was promised; false after an interruption.
    pub done: bool,
}

/// One file of an operation.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Planned {
    /// What was to be done.
    pub step: Step,
    /// User and group of the directory, to make it again.
    pub directory_owner: (u32, u32),
    /// How it ended; none after an interruption.
    pub outcome: Option<Outcome>,
}

/// The journal of an undo.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct UndoRecord {
    schema: String,
    /// When it (last) began.
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    /// When every file was back; none while some are not.
    #[serde(with = "time::serde::rfc3339::option")]
    pub finished_at: Option<OffsetDateTime>,
    /// Whether newcomers were to be moved aside.
    pub force: bool,
    /// How it ended for each file.
    pub results: Vec<UndoResult>,
}

impl Journal {
    pub(super) fn new(now: OffsetDateTime, by: u32, files: Vec<Planned>) -> Self {
        Self {
            schema: SCHEMA.to_string(),
            started_at: now,
            finished_at: None,
            by,
            files,
            edits: Vec::new(),
            placed: Vec::new(),
        }
    }
}

impl UndoRecord {
    pub(super) fn new(now: OffsetDateTime, force: bool) -> Self {
        Self { schema: SCHEMA.to_string(), started_at: now, finished_at: None, force, results: Vec::new() }
    }
}

impl Record for Journal {
    const FILE: &'static str = "journal.json";
    fn schema(&self) -> &str {
        &self.schema
    }
    fn words(&mut self) -> Vec<&mut String> {
        let mut words: Vec<&mut String> = self.edits.iter_mut().map(|edit| &mut edit.reason).collect();
        for Planned { step, outcome, .. } in &mut self.files {
            if let Reason::Asked(asked) = &mut step.reason {
                words.push(asked);
            }
            if let Some(Outcome::Changed(why) | Outcome::Failed(why)) = outcome {
                words.push(why);
            }
        }
        words
    }
    fn outcomes(&self) -> usize {
        self.files.len()
    }
    fn shorten(&mut self) {
        for planned in &mut self.files {
            if let Some(Outcome::Changed(why) | Outcome::Failed(why)) = &mut planned.outcome {
                NO_ROOM.clone_into(why);
            }
        }
    }
}

impl Record for UndoRecord {
    const FILE: &'static str = "undo.json";
    fn schema(&self) -> &str {
        &self.schema
    }
    fn words(&mut self) -> Vec<&mut String> {
        let outcomes = self.results.iter_mut().map(|result| &mut result.outcome);
        outcomes
            .filter_map(|outcome| match outcome {
                UndoOutcome::Conflict(why) | UndoOutcome::Failed(why) => Some(why),
                _ => None,
            })
            .collect()
    }
    fn outcomes(&self) -> usize {
        self.results.len()
    }
    fn shorten(&mut self) {
        // What is back and what is not, the quarantine itself tells.
        self.results.clear();
    }
}

/// Parts of at most about `limit` bytes as a journal, in order; each has one step at least.
pub(super) fn split<T>(
    due: Vec<(T, Planned)>,
    limit: u64,
) -> Result<Vec<Vec<(T, Planned)>>, serde_json::Error> {
    let mut parts: Vec<Vec<(T, Planned)>> = Vec::new();
    let mut size = u64::MAX;
    for (place, planned) in due {
        let text = serde_json::to_vec_pretty(&planned)?;
        // In the record each line is indented by two levels more.
        let lines = text.iter().filter(|&&byte| byte == b'\n').count() + 2;
        let own = (text.len() + 4 * lines) as u64 + OUTCOME_ROOM;
        size = size.saturating_add(own);
        match parts.last_mut().filter(|_| size <= limit) {
            Some(part) => part.push((place, planned)),
            None => {
                size = RECORD_ROOM + own;
                parts.push(vec![(place, planned)]);
            }
        }
    }
    Ok(parts)
}

/// Writes a record for the first time, durable on return, and takes the room for its last writing.
pub(super) fn begin<R: Record>(operation: &Dir, record: &R) -> Result<Reserved, safe_fs::Error> {
    let name = ByteString::from(R::FILE);
    let text = text(operation, record)?;
    operation.write_atomic(&name, &text)?;
    let room = text.len() as u64 + RECORD_ROOM + OUTCOME_ROOM * record.outcomes() as u64;
    operation.reserve(&name, room)
}

/// Writes a record for the last time, into the room that was taken for it; durable on return.
pub(super) fn finish<R: Record>(
    operation: &Dir,
    room: Reserved,
    record: &mut R,
) -> Result<(), safe_fs::Error> {
    let mut words = text(operation, record)?;
    if words.len() as u64 > room.size().min(MAX_WRITTEN) {
        record.shorten();
        words = text(operation, record)?;
    }
    operation.write_reserved(room, &words)
}

/// How much room a journal takes on the disk while its operation runs.
pub(super) fn room_for(files: &[Planned]) -> u64 {
    let text = serde_json::to_vec_pretty(files).map_or(0, |text| text.len() as u64);
    let lines = 15 * 4 * files.len() as u64;
    2 * (text + lines + RECORD_ROOM) + OUTCOME_ROOM * files.len() as u64
}

fn text<R: Record>(operation: &Dir, record: &R) -> Result<Vec<u8>, safe_fs::Error> {
    let failed = |e: std::io::Error| safe_fs::Error::Io {
        what: "write",
        path: operation.path_of(&ByteString::from(R::FILE)),
        source: e,
    };
    let mut text = serde_json::to_vec_pretty(record).map_err(|e| failed(e.into()))?;
    text.push(b'\n');
    if text.len() as u64 > MAX_READ {
        return Err(failed(std::io::ErrorKind::FileTooLarge.into()));
    }
    Ok(text)
}

/// Reads a record; `None` if there is none.
pub(super) fn read<R: Record>(operation: &Dir) -> Result<Option<R>, Error> {
    let name = ByteString::from(R::FILE);
    let Some(held) = operation.hold(&name)? else { return Ok(None) };
    let bad = |why: String| Error::Journal { path: operation.path_of(&name), why };
    if held.facts().inode.size > MAX_READ {
        return Err(bad(format!("it has {} bytes, more than any journal", held.facts().inode.size)));
    }
    let text = held.read(MAX_READ)?;
    // What it says of a bad value is the value.
    let mut record: R = serde_json::from_slice(&text).map_err(|e| bad(tame(&e.to_string())))?;
    if record.schema() != SCHEMA {
        return Err(bad("it was written by another version of stalecard".to_string()));
    }
    for words in record.words() {
        *words = tame(words);
    }
    Ok(Some(record))
}
