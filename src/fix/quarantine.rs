//! The quarantines that the calling user sees, together: root keeps one for each owner of files.

use time::{Duration, OffsetDateTime};

use crate::error::Error;
use crate::host::{Caller, clock};
use crate::patience::{Overdue, SILENCE, within};
use crate::repair::{self, Operation, Purged, StateDir};

/// What is in them, newest first.
///
/// # Errors
/// When one cannot be read.
pub fn list() -> Result<Vec<Operation>, Error> {
    let mut operations = Vec::new();
    for state in states(&Caller::current()?)? {
        operations.extend(repair::operations(&state)?);
    }
    // Each quarantine is sorted; root sees several.
    repair::newest_first(&mut operations);
    Ok(operations)
}

/// Removes for good what is older than that, or says what would be removed.
///
/// # Errors
/// When one cannot be read or written.
pub fn purge(older_than: Duration, dry_run: bool) -> Result<Vec<Purged>, Error> {
    let caller = Caller::current()?;
    // Longer ago than there is a time: nothing is that old.
    let before = clock::now().checked_sub(older_than).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let mut purged = Vec::new();
    for state in states(&caller)? {
        purged.extend(repair::purge(&state, before, dry_run)?);
    }
    Ok(purged)
}

/// The caller's quarantines, each of which answers.
pub(super) fn states(caller: &Caller) -> Result<Vec<StateDir>, Error> {
    let owner = caller.clone();
    let states = within(SILENCE, move |_| StateDir::all(&owner)).map_err(silent)??;
    states.iter().try_for_each(|state| repair::is_there(state).map_err(silent))?;
    Ok(states)
}

/// Nothing can be done without it.
pub(super) const fn silent(why: Overdue) -> Error {
    Error::Overdue { what: "the quarantine", why }
}
