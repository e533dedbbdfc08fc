//! What a quarantine holds: its operations, how each stands, and what it keeps. Reads only.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::id::order;
use super::{MAX_LISTED, StateDir, existing_section, file_name, ids, is_undone};
use crate::repair::Error;
use crate::repair::journal::{self, Journal, Placed, TextEdit, UndoRecord};
use crate::repair::outcome::Outcome;
use crate::repair::plan::Action;
use crate::repair::reason::Reason;
use crate::safe_fs::{self, Dir};
use crate::snapshot::{ByteString, Inode};

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
    /// The cache entries that it put in their places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub placed: Vec<PlacedFile>,
}

/// One cache entry that an operation put in its place, as OpenSC writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlacedFile {
    /// The cache directory.
    pub directory: ByteString,
    /// The file's name in it.
    pub name: ByteString,
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
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub reason: Reason,
    /// How that ended; none after an interruption.
    pub outcome: Option<Outcome>,
    /// Whether it is in the quarantine now.
    pub kept: bool,
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

/// Sorts the operations of several quarantines as [`operations`] sorts those of one.
pub fn newest_first(operations: &mut [Operation]) {
    operations.sort_by_cached_key(|operation| std::cmp::Reverse(order(&operation.id)));
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
                    placed: Vec::new(),
                });
            }
        }
    }
    Ok(found)
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
    let is_empty = journal.edits.is_empty() && journal.placed.is_empty() && !journal.files.iter().any(took);
    if is_begun && kept_files == 0 && is_empty {
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
    let placed = journal.placed.into_iter();
    let placed = placed.map(|Placed { directory, name, .. }| PlacedFile { directory, name }).collect();
    let started_at = Some(journal.started_at);
    Ok(Some(Operation {
        id: id.to_string(),
        state,
        started_at,
        kept_files,
        kept_bytes,
        files,
        edits,
        placed,
    }))
}
