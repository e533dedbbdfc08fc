//! What is written down about an operation and about its undo.
//!
//! Two files beside the quarantined ones, each written twice and each time
//! atomically: before anything moves, and after everything is on the disk.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::Error;
use super::apply::Outcome;
use super::plan::{Precondition, Step};
use super::undo::{UndoOutcome, UndoResult};
use crate::safe_fs::Dir;
use crate::snapshot::{Bytes, Name};
use crate::text::tame;

/// Name and version of the format.
const SCHEMA: &str = "stalecard-journal/1";

/// The journal's own bound: about 100 000 steps.
const MAX_JOURNAL: u64 = 64 << 20;

/// A record that has a file of its own.
pub(super) trait Record: Serialize + DeserializeOwned {
    /// The file's name.
    const FILE: &'static str;
    /// Whether its schema is ours.
    fn schema(&self) -> &str;
    /// Its sentences for people, which a damaged file need not have from us.
    fn words(&mut self) -> Vec<&mut String>;
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
}

/// One text of an operation. What it replaces is kept in the quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TextEdit {
    /// The directory of the file, links resolved.
    pub directory: Name,
    /// Its name there.
    pub name: Name,
    /// The file before; none if there was none.
    pub before: Option<Precondition>,
    /// Length of the new text.
    pub size: u64,
    /// SHA-256 of the new text.
    pub sha256: Bytes,
    /// The copy of the old file beside it.
    pub backup: Option<Name>,
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
        Self { schema: SCHEMA.to_string(), started_at: now, finished_at: None, by, files, edits: Vec::new() }
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
            words.push(&mut step.reason);
            if let Some(Outcome::Changed(why) | Outcome::Failed(why)) = outcome {
                words.push(why);
            }
        }
        words
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
}

/// Writes a record into the operation's directory; durable on return.
pub(super) fn write<R: Record>(operation: &Dir, record: &R) -> Result<(), crate::safe_fs::Error> {
    let name = Name::from(R::FILE);
    let mut text = serde_json::to_vec_pretty(record).map_err(|e| crate::safe_fs::Error::Io {
        what: "write",
        path: operation.path_of(&name),
        source: e.into(),
    })?;
    text.push(b'\n');
    operation.write_atomic(&name, &text)
}

/// Reads a record; `None` if there is none.
pub(super) fn read<R: Record>(operation: &Dir) -> Result<Option<R>, Error> {
    let name = Name::from(R::FILE);
    let Some(held) = operation.hold(&name)? else { return Ok(None) };
    let bad = |why: String| Error::Journal { path: operation.path_of(&name), why };
    let text = held.read(MAX_JOURNAL)?;
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
