//! Making a planned edit on the disk.
//!
//! Hides the order: the old text and the journal are safe first, then a copy of the
//! old file stands beside it, then the new file takes its name, and is read again.
//! What fails before that leaves nothing behind; what fails after puts the old file back.

use std::path::Path;

use super::kept::{MAX_TEXT, digest, kept_name};
use super::{Error, Planned, Refusal};
use crate::host::clock;
use crate::patience::undisturbed;
use crate::repair::journal::{self, Journal, TextEdit};
use crate::repair::plan::Precondition;
use crate::repair::quarantine::{Run, StateDir, section};
use crate::safe_fs::{self, Dir, HeldFile, Like, Over, Place, Reserved};
use crate::snapshot::ByteString;

/// Room for the journal of one edit.
const JOURNAL: u64 = 4 << 10;

/// A configuration file that may be edited, or the place for one.
#[derive(Debug)]
pub struct Target {
    place: Place,
    old: Option<(HeldFile, Vec<u8>)>,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The operation that `undo` takes back.
    pub operation: String,
    /// The copy of the old file beside the new one.
    pub backup: Option<ByteString>,
}

impl Target {
    /// Finds and reads the file that an absolute path leads to. `guarded`: it may belong to another user.
    ///
    /// # Errors
    /// When the file is not one that may be replaced, or cannot be read.
    pub fn open(path: &Path, guarded: bool) -> Result<Self, Error> {
        let me = rustix::process::geteuid().as_raw();
        let found = match Place::find(path, !guarded) {
            // Another user's directory is not safe for anybody else; say what it is about.
            Err(error @ safe_fs::Error::Unsafe { .. }) => {
                if let Some(place) = Place::find(path, false)? {
                    owner_fits(&place, place.dir.hold(&place.name)?.as_ref(), me, guarded)?;
                }
                return Err(error.into());
            }
            found => found?,
        };
        let place = found.ok_or_else(|| Error::NoDirectory { path: path.into() })?;
        let held = place.dir.hold(&place.name)?;
        owner_fits(&place, held.as_ref(), me, guarded)?;
        let owner = held.as_ref().map_or(me, |held| held.facts().inode.uid);
        if let Some(why) = place.dir.open_to(&[me, owner])? {
            return Err(safe_fs::Error::Unsafe { path: place.dir.path().clone(), why }.into());
        }
        let old = match held {
            None => None,
            Some(held) => {
                let (links, size) = (held.facts().inode.nlink, held.facts().inode.size);
                let path = held.path().clone();
                if links != 1 {
                    return Err(Error::HardLinks { path, links });
                }
                let text = held.read(MAX_TEXT + 1)?;
                if text.len() as u64 > MAX_TEXT {
                    return Err(Error::TooBig { path, size });
                }
                Some((held, text))
            }
        };
        Ok(Self { place, old })
    }

    /// Where the file really is.
    #[must_use]
    pub fn path(&self) -> ByteString {
        self.place.dir.path_of(&self.place.name)
    }

    /// Its text; none if there is no file yet.
    #[must_use]
    pub fn text(&self) -> Option<&[u8]> {
        self.old.as_ref().map(|(_, text)| text.as_slice())
    }
}

fn owner_fits(place: &Place, held: Option<&HeldFile>, me: u32, guarded: bool) -> Result<(), Error> {
    let Some(uid) = held.map(|held| held.facts().inode.uid).filter(|uid| *uid != 0 && *uid != me) else {
        return Ok(());
    };
    let path = place.dir.path_of(&place.name);
    match (me, guarded) {
        (0, true) => Ok(()),
        (0, false) => Err(Error::NeedsGuarded { path, uid }),
        _ => Err(Error::Foreign { path, uid }),
    }
}

/// Whether the file may be replaced, as far as that can be told without writing.
///
/// # Errors
/// The same that [`write()`] has then.
pub fn rehearse(target: &Target, state: &StateDir) -> Result<(), Error> {
    // The old text, and a journal.
    let old = target.text().map_or(0, |text| text.len() as u64);
    state.may_lock(old + JOURNAL).map_err(boxed)?;
    Ok(target.place.dir.may_place(target.old.as_ref().map(|(held, _)| held))?)
}

/// Replaces the file. `verify` looks at what then stands there; if it refuses, the old file comes back.
///
/// # Errors
/// When it could not be done; unless the error says otherwise, nothing was changed.
pub fn write(
    target: &Target,
    planned: &Planned,
    reason: &str,
    verify: &dyn Fn(&[u8]) -> Result<(), Refusal>,
    state: &StateDir,
) -> Result<Written, Error> {
    write_in(target, planned, reason, verify, state, &mut Run::begin())
}

/// As [`write()`], as a part of a run: one undo takes back what one run did.
///
/// # Errors
/// As [`write()`].
pub fn write_in(
    target: &Target,
    planned: &Planned,
    reason: &str,
    verify: &dyn Fn(&[u8]) -> Result<(), Refusal>,
    state: &StateDir,
    run: &mut Run,
) -> Result<Written, Error> {
    rehearse(target, state)?;
    let _undisturbed = undisturbed();
    let lock = state.lock().map_err(boxed)?;
    let (id, operation) = lock.begin(run).map_err(boxed)?;
    let mut journal = Journal::new(run.began(), rustix::process::geteuid().as_raw(), Vec::new());
    let backup = target.old.as_ref().map(|_| backup_name(&target.place.name, &id));
    journal.edits.push(record(target, &planned.new, reason, backup.clone()));
    let written =
        (Work { target, new: &planned.new, verify, operation: &operation }).run(&journal, backup.as_ref());
    let room = match written {
        Ok(room) => room,
        Err(error) => {
            if !matches!(error, Error::NotRestored { .. }) {
                lock.discard(run, &operation, &id, Some(&kept_name(0)));
            }
            return Err(error);
        }
    };
    journal.edits.iter_mut().for_each(|edit| edit.done = true);
    journal.finished_at = Some(clock::now());
    journal::finish(&operation, room, &mut journal).map_err(|source| {
        let what = format!("{} was", target.path());
        Error::Unfinished(Box::new(crate::repair::Error::Unfinished { id: id.clone(), what, source }))
    })?;
    Ok(Written { operation: id, backup: backup.map(|name| target.place.dir.path_of(&name)) })
}

/// `opensc.conf.stalecard-20261123T095012Z-1`.
fn backup_name(name: &ByteString, id: &str) -> ByteString {
    ByteString([name.0.as_slice(), b".stalecard-", id.as_bytes()].concat())
}

fn record(target: &Target, new: &[u8], reason: &str, backup: Option<ByteString>) -> TextEdit {
    let before = target
        .old
        .as_ref()
        .map(|(held, text)| Precondition { inode: held.facts().inode, sha256: Some(digest(text)) });
    TextEdit {
        directory: target.place.dir.path().clone(),
        name: target.place.name.clone(),
        before,
        size: new.len() as u64,
        sha256: digest(new),
        backup,
        reason: reason.to_owned(),
        done: false,
    }
}

struct Work<'a> {
    target: &'a Target,
    new: &'a [u8],
    verify: &'a dyn Fn(&[u8]) -> Result<(), Refusal>,
    operation: &'a Dir,
}

impl Work<'_> {
    fn run(&self, journal: &Journal, backup: Option<&ByteString>) -> Result<Reserved, Error> {
        let Place { dir, name } = &self.target.place;
        if let Some((_, text)) = &self.target.old {
            section(self.operation, "files")?.write_atomic(&kept_name(0), text)?;
        }
        let room = journal::begin(self.operation, journal)?;
        let over = match (&self.target.old, backup) {
            (Some((held, text)), Some(backup)) => {
                dir.place_file(backup, text, Like::File(held), Over::Nothing)?;
                Over::File(held)
            }
            _ => Over::Nothing,
        };
        let like = self.target.old.as_ref().map_or(Like::New, |(held, _)| Like::File(held));
        let placed = dir.place_file(name, self.new, like, over).map_err(Error::from);
        let result = placed.and_then(|()| self.look());
        let Err(error) = result else { return Ok(room) };
        let restored = self.restore();
        if let (Ok(_), Some(backup)) = (&restored, backup) {
            remove(dir, backup);
        }
        // What became of the file says the last part of the sentence.
        let why = match &error {
            Error::Refused(refusal) => refusal.to_string(),
            Error::File(error) => error.to_string(),
            error => error.to_string(),
        };
        match restored {
            // It had not come to that.
            Ok(false) => Err(error),
            Ok(true) => Err(Error::Restored { path: dir.path_of(name), why }),
            Err(restore) => Err(Error::NotRestored {
                path: dir.path_of(name),
                why,
                restore: restore.to_string(),
                kept: backup.map_or_else(ByteString::default, |backup| dir.path_of(backup)),
            }),
        }
    }

    /// Reads back what programs will read from now on.
    fn look(&self) -> Result<(), Error> {
        let Place { dir, name } = &self.target.place;
        let text = dir.hold(name)?.map(|held| held.read(MAX_TEXT + 1)).transpose()?.unwrap_or_default();
        if text == self.new {
            Ok((self.verify)(&text)?)
        } else {
            Err(safe_fs::Error::Swapped(dir.path_of(name)).into())
        }
    }

    /// Puts the old file back, if the new one stands in its place; false if it does not.
    fn restore(&self) -> Result<bool, safe_fs::Error> {
        let Place { dir, name } = &self.target.place;
        let Some(now) = dir.hold(name)? else { return Ok(false) };
        if now.read(MAX_TEXT + 1)? != self.new {
            return Ok(false);
        }
        match &self.target.old {
            Some((held, text)) => dir.place_file(name, text, Like::File(held), Over::File(&now))?,
            None => {
                dir.remove_file(name, &now)?;
                dir.sync()?;
            }
        }
        Ok(true)
    }
}

fn remove(dir: &Dir, name: &ByteString) {
    if let Ok(Some(held)) = dir.hold(name) {
        let _ = dir.remove_file(name, &held);
    }
}

fn boxed(error: crate::repair::Error) -> Error {
    Error::State(Box::new(error))
}
