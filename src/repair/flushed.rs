//! When caches were flushed last: what was read through them before is old.

use std::collections::BTreeSet;

use super::Error;
use super::journal::{self, Journal, Planned, UndoRecord};
use super::outcome::Outcome;
use super::quarantine::{StateDir, ids, is_undone};
use crate::finding::{Id, Shows};
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
                && was_seen(&planned.step.reason)
        });
        let taken: Vec<&Planned> = taken.collect();
        let Some(first) = taken.first().filter(|_| !taken_back) else { continue };
        let directories = |is_meant: fn(&str) -> bool| {
            let meant = taken.iter().filter(|planned| is_meant(&planned.step.reason));
            let all: BTreeSet<&ByteString> = meant.map(|planned| &planned.step.directory).collect();
            all.into_iter().cloned().collect::<Vec<_>>()
        };
        let stale = directories(was_stale);
        let asked = directories(|reason| Id::from_name(reason).is_none());
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

/// Whether it was stale where no program read it that was started then; an older one may have.
fn is_dormant(reason: &str) -> bool {
    Id::from_name(reason) == Some(Id::DormantStaleEntry)
}

/// Whether programs could see what was taken for this reason: the name of a finding, or that somebody asked for it.
fn was_seen(reason: &str) -> bool {
    is_dormant(reason) || Id::from_name(reason).is_none_or(|id| id.shows() != Shows::Nowhere)
}

/// Whether what was taken for this reason was found to be stale, or damaged, where programs read it or had read it.
fn was_stale(reason: &str) -> bool {
    is_dormant(reason)
        || Id::from_name(reason).is_some_and(|id| matches!(id.shows(), Shows::OldView | Shows::Unsure))
}
