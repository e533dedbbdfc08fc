//! Taking an edit back: the old bytes return if the file still is what was written.

use super::kept::{MAX_TEXT, digest, kept_name};
use crate::repair::journal::TextEdit;
use crate::repair::outcome::UndoOutcome;
use crate::repair::plan::Precondition;
use crate::repair::quarantine::section;
use crate::safe_fs::{self, Dir, HeldFile, Like, Opened, Over};
use crate::snapshot::{ByteString, Bytes};

/// An edit in the operation it belongs to.
#[derive(Clone, Copy)]
pub(in crate::repair) struct Edited<'a> {
    /// What was written down.
    pub edit: &'a TextEdit,
    /// Its number in the operation.
    pub index: usize,
    /// The operation's directory.
    pub operation: &'a Dir,
    /// Its quarantine.
    pub stored: Option<&'a Dir>,
    /// Other content may be moved aside.
    pub force: bool,
}

/// What stands in the place now.
enum Now {
    New(HeldFile),
    Old,
    Other(HeldFile),
    Gone,
}

/// What there is to do: [`UndoOutcome::Waiting`], or nothing.
pub(in crate::repair) fn look(edited: Edited<'_>) -> UndoOutcome {
    let looked = open(edited.edit).and_then(|dir| dir.map(|dir| now(edited.edit, &dir)).transpose());
    match looked {
        Err(error) => UndoOutcome::Failed(error.to_string()),
        Ok(None) => UndoOutcome::Conflict("its directory is gone".to_owned()),
        // Waiting, so that what an interruption left beside it goes.
        Ok(Some(Now::Old | Now::New(_))) => UndoOutcome::Waiting,
        Ok(Some(Now::Gone | Now::Other(_))) if edited.force => UndoOutcome::Waiting,
        Ok(Some(Now::Gone)) if edited.edit.before.is_none() => UndoOutcome::InPlace,
        Ok(Some(Now::Gone)) => UndoOutcome::Conflict("the file has been removed since".to_owned()),
        Ok(Some(Now::Other(_))) => UndoOutcome::Conflict("it has been changed since".to_owned()),
    }
}

/// The file and the old text (`None`: there was no file) that would come back. What comes back to its place by a
/// conflict, or not at all, is said later.
pub(in crate::repair) fn comes_back(edited: Edited<'_>) -> Option<(ByteString, Option<Vec<u8>>)> {
    let edit = edited.edit;
    let stands = open(edit).and_then(|dir| dir.map(|dir| now(edit, &dir)).transpose());
    if look(edited) != UndoOutcome::Waiting || matches!(stands, Ok(Some(Now::Old))) {
        return None;
    }
    let file = ByteString::from(edit.directory.as_path().join(edit.name.as_os_str()));
    match &edit.before {
        None => Some((file, None)),
        Some(before) => Some((file, Some(kept(edited, before).ok()??))),
    }
}

/// The old text, if the quarantine has it as it was.
fn kept(edited: Edited<'_>, before: &Precondition) -> Result<Option<Vec<u8>>, safe_fs::Error> {
    let held = edited.stored.map_or(Ok(None), |stored| stored.hold(&kept_name(edited.index)))?;
    let text = held.map(|held| held.read(MAX_TEXT)).transpose()?;
    Ok(text.filter(|text| before.sha256.as_ref() == Some(&digest(text))))
}

/// Brings the old text back; also says whether anything changed.
pub(in crate::repair) fn bring_back(edited: Edited<'_>) -> (UndoOutcome, bool) {
    match try_bring_back(edited) {
        Ok(done) => done,
        Err(error) => (UndoOutcome::Failed(error.to_string()), false),
    }
}

fn try_bring_back(edited: Edited<'_>) -> Result<(UndoOutcome, bool), safe_fs::Error> {
    let Edited { edit, index, operation, force, .. } = edited;
    let Some(dir) = open(edit)? else {
        return Ok((UndoOutcome::Conflict("its directory is gone".to_owned()), false));
    };
    let standing = now(edit, &dir)?;
    let mut replaced = None;
    match &standing {
        Now::Old => {
            let changed = clear(edit, &dir)?;
            return Ok((UndoOutcome::InPlace, changed));
        }
        Now::Gone if edit.before.is_none() => return Ok((UndoOutcome::InPlace, false)),
        Now::Other(_) | Now::Gone if !force => {
            return Ok((UndoOutcome::Conflict("it was changed at this moment".to_owned()), false));
        }
        Now::Other(newcomer) => {
            let aside = section(operation, "displaced")?;
            let name = free_name(&aside, index)?;
            aside.write_atomic(&name, &newcomer.read(MAX_TEXT)?)?;
            replaced = Some(aside.path_of(&name));
        }
        Now::New(_) | Now::Gone => {}
    }
    let over = match &standing {
        Now::New(held) | Now::Other(held) => Over::File(held),
        Now::Old | Now::Gone => Over::Nothing,
    };
    match (&edit.before, over) {
        (None, Over::File(held)) => {
            if !dir.remove_file(&edit.name, held)? {
                return Err(safe_fs::Error::Swapped(dir.path_of(&edit.name)));
            }
            dir.sync()?;
        }
        (None, Over::Nothing) => {}
        (Some(before), over) => {
            let Some(text) = kept(edited, before)? else {
                let why = "the old text is no longer in the quarantine as it was";
                return Ok((UndoOutcome::Failed(why.to_owned()), false));
            };
            let like = match over {
                Over::File(held) => Like::File(held),
                Over::Nothing => Like::Inode(&before.inode),
            };
            dir.place_file(&edit.name, &text, like, over)?;
        }
    }
    clear(edit, &dir)?;
    Ok((replaced.map_or(UndoOutcome::Restored, UndoOutcome::Replaced), true))
}

fn open(edit: &TextEdit) -> Result<Option<Dir>, safe_fs::Error> {
    match Dir::open(edit.directory.as_path())? {
        Opened::Dir(dir) => Ok(Some(dir)),
        Opened::Missing => Ok(None),
        Opened::Symlink(_) => Err(safe_fs::Error::NotADirectory(edit.directory.clone())),
    }
}

fn now(edit: &TextEdit, dir: &Dir) -> Result<Now, safe_fs::Error> {
    let Some(held) = dir.hold(&edit.name)? else {
        return Ok(Now::Gone);
    };
    let is = |size: u64, sha256: Option<&Bytes>| -> Result<bool, safe_fs::Error> {
        Ok(held.facts().inode.size == size && Some(&held.sha256(size)?) == sha256)
    };
    if is(edit.size, Some(&edit.sha256))? {
        return Ok(Now::New(held));
    }
    match &edit.before {
        Some(before) if is(before.inode.size, before.sha256.as_ref())? => Ok(Now::Old),
        _ => Ok(Now::Other(held)),
    }
}

/// Removes the copy beside the file, if it is still that copy, and what an interruption left.
fn clear(edit: &TextEdit, dir: &Dir) -> Result<bool, safe_fs::Error> {
    dir.remove_part(&edit.name)?;
    let (Some(backup), Some(before)) = (&edit.backup, &edit.before) else { return Ok(false) };
    dir.remove_part(backup)?;
    let Some(held) = dir.hold(backup)? else { return Ok(false) };
    if Some(&held.sha256(before.inode.size)?) != before.sha256.as_ref() {
        return Ok(false);
    }
    let removed = dir.remove_file(backup, &held)?;
    dir.sync()?;
    Ok(removed)
}

fn free_name(aside: &Dir, index: usize) -> Result<ByteString, safe_fs::Error> {
    let mut name = kept_name(index);
    let mut number = 1;
    while aside.facts(&name)?.is_some() {
        name = ByteString::from(format!("edit-{index}.{number}").as_str());
        number += 1;
    }
    Ok(name)
}
