//! What a refill has put into caches, found again: by what stands in the place now, never by how far a journal says that it
//! came. Only what is still as it was put there is taken away.

use std::collections::BTreeMap;

use super::journal::{Journal, Placed};
use super::outcome::UndoOutcome;
use crate::safe_fs::{self, Dir, HeldFile, Opened};
use crate::snapshot::{ByteString, Bytes};

/// Each place in which a refill has put something, with length and digest of that.
pub(super) type Ours = BTreeMap<(ByteString, ByteString), Vec<(u64, Bytes)>>;

/// Where the journals of a run say that entries were put.
pub(super) fn ours(journals: &[Journal]) -> Ours {
    let mut ours = Ours::new();
    for placed in journals.iter().flat_map(|journal| &journal.placed) {
        let place = (placed.directory.clone(), placed.name.clone());
        ours.entry(place).or_default().push((placed.size, placed.sha256.clone()));
    }
    ours
}

/// Is this what a refill has put there?
pub(super) fn is_ours(
    ours: &Ours,
    directory: &ByteString,
    name: &ByteString,
    held: &HeldFile,
) -> Result<bool, safe_fs::Error> {
    let Some(known) = ours.get(&(directory.clone(), name.clone())) else { return Ok(false) };
    let is_as_long = |(size, _): &&(u64, Bytes)| *size == held.facts().inode.size;
    for (size, sha256) in known.iter().filter(is_as_long) {
        if held.sha256(*size)? == *sha256 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What there is to do to take an entry away again: [`UndoOutcome::Waiting`], or nothing.
pub(super) fn look_at_placed(placed: &Placed) -> UndoOutcome {
    match held(placed) {
        Ok(Some(_)) => UndoOutcome::Waiting,
        Ok(None) => UndoOutcome::NotOurs,
        Err(error) => UndoOutcome::Failed(error.to_string()),
    }
}

/// Takes it away, if it is still what was put there; says whether anything changed.
pub(super) fn take_away(placed: &Placed) -> (UndoOutcome, bool) {
    let gone = || -> Result<bool, safe_fs::Error> {
        remove_part(placed)?;
        let Some((dir, held)) = held(placed)? else { return Ok(false) };
        let is_gone = dir.remove_file(&placed.name, &held)?;
        dir.sync()?;
        Ok(is_gone)
    };
    match gone() {
        Ok(true) => (UndoOutcome::TakenAway, true),
        Ok(false) => (UndoOutcome::NotOurs, false),
        Err(error) => (UndoOutcome::Failed(error.to_string()), false),
    }
}

/// Removes what was being written beside a place when the program was interrupted.
pub(super) fn remove_part(placed: &Placed) -> Result<(), safe_fs::Error> {
    match Dir::open(placed.directory.as_path())? {
        Opened::Dir(dir) => dir.remove_part(&placed.name),
        Opened::Missing | Opened::Symlink(_) => Ok(()),
    }
}

/// The entry, if it is as it was put there.
fn held(placed: &Placed) -> Result<Option<(Dir, HeldFile)>, safe_fs::Error> {
    let Opened::Dir(dir) = Dir::open(placed.directory.as_path())? else { return Ok(None) };
    let held = match dir.hold(&placed.name) {
        Ok(Some(held)) => held,
        // Whatever else stands there is not ours.
        Ok(None) | Err(safe_fs::Error::Special { .. } | safe_fs::Error::Swapped(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let is_it = held.facts().inode.size == placed.size && held.sha256(placed.size)? == placed.sha256;
    Ok(is_it.then_some((dir, held)))
}
