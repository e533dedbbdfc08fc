//! When caches were flushed last: what was read through them before is old.

use std::collections::BTreeSet;

use super::Error;
use super::journal::{self, Journal, Planned, UndoRecord};
use super::outcome::Outcome;
use super::quarantine::{StateDir, ids, is_undone};
use super::reason::Reason;
use crate::snapshot::{ByteString, Flushed};

/// The newest flush in a quarantine that took away what programs could see, and was not taken back; and the newest
/// that took what was found to be stale, if that is another. Reads only, and takes no lock.
///
/// # Errors
/// When the quarantine or a journal in it cannot be read.
pub fn newest_flushes(state: &StateDir) -> Result<Vec<Flushed>, Error> {
    let mut newest: Vec<Flushed> = Vec::new();
    let Some(dir) = state.open()? else { return Ok(newest) };
    for operation in ids(&dir)?.into_iter().rev() {
        let kept = dir.subdir(&ByteString::from(operation.as_str()))?;
        let Some(journal) = journal::read::<Journal>(&kept)? else { continue };
        let taken_back = is_undone(&kept, journal::read::<UndoRecord>(&kept)?.as_ref())?;
        let taken = journal.files.iter().filter(|planned| {
            // After an interruption nobody knows: it counts.
            matches!(planned.outcome, None | Some(Outcome::Moved | Outcome::Removed))
                && planned.step.reason.was_ever_seen()
        });
        let taken: Vec<&Planned> = taken.collect();
        let Some(first) = taken.first().filter(|_| !taken_back) else { continue };
        let directories = |is_meant: fn(&Reason) -> bool| {
            let meant = taken.iter().filter(|planned| is_meant(&planned.step.reason));
            let all: BTreeSet<&ByteString> = meant.map(|planned| &planned.step.directory).collect();
            all.into_iter().cloned().collect::<Vec<_>>()
        };
        let stale = directories(Reason::was_ever_stale);
        let asked = directories(|reason| reason.found().is_none());
        let (is_first, is_stale) = (newest.is_empty(), !stale.is_empty());
        if is_first || is_stale {
            let uid = first.step.expect.inode.uid;
            newest.push(Flushed { uid, operation, at: journal.started_at, stale, asked });
        }
        if is_stale {
            break;
        }
    }
    Ok(newest)
}
