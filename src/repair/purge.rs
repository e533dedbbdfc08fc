//! Emptying the quarantine of what is old enough. What goes here cannot come back.
//!
//! The files of an operation go first and its journal last: killed in between,
//! the journal still says what was taken, and that it is not kept any more.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::Error;
use super::quarantine::{Operation, StateDir, UNDONE, existing_section, ids, operations, order};
use crate::patience::undisturbed;
use crate::safe_fs::{self, Dir};
use crate::snapshot::{ByteString, FileKind};

/// More files than any operation has.
const MAX_LISTED: usize = 500_000;

/// One operation that went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Purged {
    /// Its id.
    pub id: String,
    /// When it began.
    #[serde(with = "crate::host::clock::whole_seconds")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Rfc3339>"))]
    pub started_at: Option<OffsetDateTime>,
    /// Files that were kept until now.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// Removes every operation that began before this moment, or says which it would remove. Of one whose journal
/// cannot be read, the name says when it began. Those that moved nothing go too, and are not spoken of.
///
/// # Errors
/// When the quarantine cannot be used, or something in it does not go. For a rehearsal too, as far as that can
/// be told without writing.
pub fn purge(state: &StateDir, before: OffsetDateTime, dry_run: bool) -> Result<Vec<Purged>, Error> {
    let Some(locked) = (if dry_run { None } else { state.lock_existing()? }) else {
        let purged = old(state, before)?;
        if dry_run && !purged.is_empty() {
            state.may_lock(0)?;
        }
        return Ok(purged);
    };
    let _undisturbed = undisturbed();
    let purged = old(state, before)?;
    for Purged { id, .. } in &purged {
        remove(&locked.dir, id)?;
    }
    let is_old = |id: &String| order(id).and_then(|order| order.stamped()).is_some_and(|at| at < before);
    let known: BTreeSet<String> = operations(state)?.into_iter().map(|operation| operation.id).collect();
    for id in ids(&locked.dir)?.iter().filter(|id| is_old(id) && !known.contains(*id)) {
        // What is no directory is nobody's loss.
        let _ = remove(&locked.dir, id);
    }
    Ok(purged)
}

fn old(state: &StateDir, before: OffsetDateTime) -> Result<Vec<Purged>, Error> {
    let began = |operation: &Operation| {
        operation.started_at.or_else(|| order(&operation.id).and_then(|order| order.stamped()))
    };
    let mut found = operations(state)?;
    found.retain(|operation| began(operation).is_some_and(|began| began < before));
    let purged = |operation| {
        let Operation { id, started_at, kept_files, kept_bytes, .. } = operation;
        Purged { id, started_at, files: kept_files, bytes: kept_bytes }
    };
    Ok(found.into_iter().map(purged).collect())
}

fn remove(state: &Dir, id: &str) -> Result<(), Error> {
    let id = ByteString::from(id);
    let dir = state.subdir(&id)?;
    for name in ["files", "displaced", UNDONE] {
        if let Some(section) = existing_section(&dir, name)? {
            remove_files(&section)?;
            dir.remove_subdir(&ByteString::from(name))?;
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
