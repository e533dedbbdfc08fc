//! Emptying the quarantine of what is old enough. What goes here cannot come back.
//!
//! The files of an operation go first and its journal last: killed in between,
//! the journal still says what was taken, and that it is not kept any more.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::Error;
use super::quarantine::{Operation, OperationState, StateDir, existing_section, operations};
use crate::safe_fs::{self, Dir};
use crate::snapshot::{FileKind, Name};

/// More files than any operation has.
const MAX_LISTED: usize = 200_000;

/// One operation that went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purged {
    /// Its id.
    pub id: String,
    /// When it began.
    #[serde(with = "time::serde::rfc3339::option")]
    pub started_at: Option<OffsetDateTime>,
    /// Files that were kept until now.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// Removes every operation that began before this moment, or says which it would remove. One whose
/// journal cannot be read has no known age and stays.
///
/// # Errors
/// When the quarantine cannot be used, or something in it does not go.
pub fn purge(state: &StateDir, before: OffsetDateTime, dry_run: bool) -> Result<Vec<Purged>, Error> {
    let locked = if dry_run { None } else { state.lock_existing()? };
    let mut purged = Vec::new();
    for operation in operations(state)? {
        if !is_old(&operation, before) {
            continue;
        }
        if let Some(locked) = &locked {
            remove(&locked.dir, &operation.id)?;
        }
        let Operation { id, started_at, kept_files, kept_bytes, .. } = operation;
        purged.push(Purged { id, started_at, files: kept_files, bytes: kept_bytes });
    }
    Ok(purged)
}

fn is_old(operation: &Operation, before: OffsetDateTime) -> bool {
    !matches!(operation.state, OperationState::Damaged(_))
        && operation.started_at.is_some_and(|started| started < before)
}

fn remove(state: &Dir, id: &str) -> Result<(), Error> {
    let id = Name::from(id);
    let dir = state.subdir(&id)?;
    for name in ["files", "displaced"] {
        if let Some(section) = existing_section(&dir, name)? {
            remove_files(&section)?;
            dir.remove_subdir(&Name::from(name))?;
        }
    }
    dir.sync()?;
    remove_files(&dir)?;
    state.remove_subdir(&id)?;
    state.sync()?;
    Ok(())
}

fn remove_files(dir: &Dir) -> Result<(), safe_fs::Error> {
    for name in dir.list(MAX_LISTED)?.names {
        if dir.facts(&name)?.is_some_and(|facts| facts.kind == FileKind::File)
            && let Some(held) = dir.hold(&name)?
        {
            dir.remove_file(&name, &held)?;
        }
    }
    dir.sync()
}
