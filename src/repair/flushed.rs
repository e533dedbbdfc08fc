//! When caches were flushed last: what was read through them before is old.

use super::Error;
use super::journal::{self, Journal, UndoRecord};
use super::outcome::Outcome;
use super::quarantine::{StateDir, ids, is_undone};
use crate::finding::{Id, Shows};
use crate::snapshot::{ByteString, Flushed};

/// The newest flush in a quarantine that took away what programs could see, and was not taken
/// back. Reads only, and takes no lock.
///
/// # Errors
/// When the quarantine or a journal in it cannot be read.
pub fn newest_flush(state: &StateDir) -> Result<Option<Flushed>, Error> {
    let Some(dir) = state.open()? else { return Ok(None) };
    for operation in ids(&dir)?.into_iter().rev() {
        let kept = dir.subdir(&ByteString::from(operation.as_str()))?;
        let Some(journal) = journal::read::<Journal>(&kept)? else { continue };
        let taken_back = is_undone(&kept, journal::read::<UndoRecord>(&kept)?.as_ref())?;
        let taken = journal.files.iter().filter(|planned| {
            // After an interruption nobody knows: it counts.
            matches!(planned.outcome, None | Some(Outcome::Moved | Outcome::Removed))
                && was_seen(&planned.step.reason)
        });
        let owner = taken.map(|planned| planned.step.expect.inode.uid).next();
        if let Some(uid) = owner.filter(|_| !taken_back) {
            return Ok(Some(Flushed { uid, operation, at: journal.started_at }));
        }
    }
    Ok(None)
}

/// Whether programs could see what was taken for this reason: the name of a finding, or that somebody asked for it.
fn was_seen(reason: &str) -> bool {
    Id::from_name(reason).is_none_or(|id| id.shows() != Shows::Nowhere)
}
