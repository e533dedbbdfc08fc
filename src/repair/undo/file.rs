//! One file on its way back: what there is to do for it follows from what the quarantine keeps and what stands in its
//! place now, and is looked at again at the moment it moves.

use std::collections::BTreeMap;

use crate::repair::journal::Planned;
use crate::repair::outcome::{Outcome, UndoOutcome};
use crate::repair::placed::{Ours, is_ours};
use crate::repair::plan::Action;
use crate::repair::quarantine::{file_name, section};
use crate::safe_fs::{self, Dir, HeldFile, Moved, Opened};
use crate::snapshot::ByteString;

/// Brings back the files of one operation, one by one.
pub(super) struct Work<'a> {
    /// Where the operation keeps its files, if it keeps any.
    stored: Option<&'a Dir>,
    operation: &'a Dir,
    id: &'a str,
    /// An undo had begun, and may have brought back any file.
    begun: bool,
    force: bool,
    /// What a refill of the same run has put there, and is taken away first.
    ours: &'a Ours,
    directories: BTreeMap<ByteString, Dir>,
    /// Whether any file moved.
    pub(super) changed: bool,
}

/// What stands where a file has to go.
enum Place {
    Free,
    Same,
    Taken(HeldFile),
}

impl<'a> Work<'a> {
    pub(super) const fn new(
        stored: Option<&'a Dir>,
        operation: &'a Dir,
        id: &'a str,
        begun: bool,
        force: bool,
        ours: &'a Ours,
    ) -> Self {
        Self { stored, operation, id, begun, force, ours, directories: BTreeMap::new(), changed: false }
    }

    /// What there is to do for a file: [`UndoOutcome::Waiting`], or nothing.
    pub(super) fn look(&self, index: usize, planned: &Planned) -> UndoOutcome {
        let held = match self.kept(index) {
            Ok(Some(held)) => held,
            Ok(None) => return self.not_kept(planned),
            Err(error) => return failed(&error),
        };
        if let Err(outcome) = intact(&held, planned) {
            return outcome;
        }
        let place = match Dir::open(planned.step.directory.as_path()) {
            Ok(Opened::Dir(dir)) => place(&dir, &planned.step.name, &held),
            Ok(Opened::Missing) => Ok(Place::Free),
            Ok(Opened::Symlink(target)) => {
                return UndoOutcome::Conflict(format!("its directory is now a symbolic link to {target}"));
            }
            Err(error) => Err(error),
        };
        match place {
            Ok(Place::Free | Place::Same) => UndoOutcome::Waiting,
            Ok(Place::Taken(_)) if self.force => UndoOutcome::Waiting,
            Ok(Place::Taken(newcomer)) => {
                match is_ours(self.ours, &planned.step.directory, &planned.step.name, &newcomer) {
                    Ok(true) => UndoOutcome::Waiting,
                    Ok(false) => UndoOutcome::Conflict("another file stands in its place".to_string()),
                    Err(error) => failed(&error),
                }
            }
            Err(safe_fs::Error::Special { kind, .. }) => {
                UndoOutcome::Conflict(format!("{} stands in its place", safe_fs::kind_words(kind)))
            }
            Err(error) => failed(&error),
        }
    }

    #[deny(clippy::wildcard_enum_match_arm, reason = "a new outcome is to say what became of the file")]
    fn not_kept(&self, planned: &Planned) -> UndoOutcome {
        match (&planned.outcome, planned.step.action) {
            (Some(Outcome::Removed), _) => UndoOutcome::NotKept,
            // Whether it was removed before the interruption, only its place can tell.
            (None, Action::Remove) => match Dir::open(planned.step.directory.as_path()) {
                Ok(Opened::Dir(dir)) if dir.facts(&planned.step.name).is_ok_and(|facts| facts.is_some()) => {
                    UndoOutcome::InPlace
                }
                Ok(Opened::Dir(_) | Opened::Missing | Opened::Symlink(_)) | Err(_) => UndoOutcome::NotKept,
            },
            (Some(Outcome::Moved), _) if !self.begun && !is_back(planned) => {
                UndoOutcome::Failed("it is no longer in the quarantine".to_string())
            }
            (
                Some(
                    Outcome::Moved
                    | Outcome::AlreadyGone
                    | Outcome::Changed(_)
                    | Outcome::NeedsConsent(_)
                    | Outcome::Failed(_),
                ),
                _,
            )
            | (None, Action::Quarantine) => UndoOutcome::InPlace,
        }
    }

    fn kept(&self, index: usize) -> Result<Option<HeldFile>, safe_fs::Error> {
        self.stored.map_or(Ok(None), |stored| stored.hold(&file_name(index)))
    }

    pub(super) fn bring_back(&mut self, index: usize, planned: &Planned) -> UndoOutcome {
        match self.try_bring_back(index, planned) {
            Ok(outcome) => outcome,
            Err(error) => failed(&error),
        }
    }

    fn try_bring_back(&mut self, index: usize, planned: &Planned) -> Result<UndoOutcome, safe_fs::Error> {
        let (path, name) = (&planned.step.directory, &planned.step.name);
        if !self.directories.contains_key(path) {
            let dir = Dir::open_or_recreate(path.as_path(), planned.directory_owner)?;
            self.directories.insert(path.clone(), dir);
        }
        let (Some(dir), Some(stored)) = (self.directories.get(path), self.stored) else {
            return Ok(UndoOutcome::InPlace);
        };
        let stored_name = file_name(index);
        let Some(held) = stored.hold(&stored_name)? else { return Ok(UndoOutcome::InPlace) };
        let tag = format!("{}-{index}", self.id);
        let mut replaced = None;
        match place(dir, name, &held)? {
            Place::Free => {}
            Place::Same => {
                // The place has it for sure before the copy goes.
                dir.sync()?;
                stored.remove_file(&stored_name, &held)?;
                self.changed = true;
                return Ok(UndoOutcome::SameContent);
            }
            Place::Taken(newcomer) if self.force => {
                let aside = section(self.operation, "displaced")?;
                let aside_name = free_name(&aside, index, &newcomer)?;
                if dir.move_file(name, &newcomer, &aside, &aside_name, None, &tag)? != Moved::Done {
                    return Ok(UndoOutcome::Conflict("its place is being written; try again".to_string()));
                }
                aside.sync()?;
                self.changed = true;
                replaced = Some(aside.path_of(&aside_name));
            }
            Place::Taken(_) => {
                return Ok(UndoOutcome::Conflict("another file came to its place".to_string()));
            }
        }
        match stored.move_file(&stored_name, &held, dir, name, planned.step.expect.sha256.as_ref(), &tag)? {
            Moved::Done => {
                self.changed = true;
                Ok(replaced.map_or(UndoOutcome::Restored, UndoOutcome::Replaced))
            }
            Moved::Exists => Ok(UndoOutcome::Conflict("another file came to its place".to_string())),
            Moved::Changed => Ok(UndoOutcome::Failed("it was written at this moment; try again".to_string())),
        }
    }

    pub(super) fn sync(&self) -> Result<(), safe_fs::Error> {
        self.directories.values().try_for_each(Dir::sync)?;
        self.stored.map_or(Ok(()), Dir::sync)
    }
}

/// Whether an undo that could not write down its beginning has brought it back.
fn is_back(planned: &Planned) -> bool {
    let Ok(Opened::Dir(dir)) = Dir::open(planned.step.directory.as_path()) else { return false };
    dir.hold(&planned.step.name).is_ok_and(|held| held.is_some_and(|held| intact(&held, planned).is_ok()))
}

/// What the journal says was moved has to be what is brought back.
fn intact(held: &HeldFile, planned: &Planned) -> Result<(), UndoOutcome> {
    let meant = planned.step.expect.inode.size;
    let same = match &planned.step.expect.sha256 {
        Some(sha256) => held.sha256(meant).map_err(|e| failed(&e))? == *sha256,
        None => held.facts().inode.size == meant,
    };
    if same {
        return Ok(());
    }
    let why = format!("{} is not what was to be moved; look at it and decide by hand", held.path());
    Err(UndoOutcome::Failed(why))
}

fn place(dir: &Dir, name: &ByteString, kept: &HeldFile) -> Result<Place, safe_fs::Error> {
    match dir.hold(name)? {
        None => Ok(Place::Free),
        Some(held) if held.same_content(kept)? => Ok(Place::Same),
        Some(held) => Ok(Place::Taken(held)),
    }
}

/// A free name for a newcomer; a copy of it that an interrupted undo made goes.
fn free_name(aside: &Dir, index: usize, newcomer: &HeldFile) -> Result<ByteString, safe_fs::Error> {
    let mut name = file_name(index);
    let mut number = 1;
    while let Some(earlier) = aside.hold(&name)? {
        if earlier.same_content(newcomer)? {
            aside.remove_file(&name, &earlier)?;
            break;
        }
        name = ByteString::from(format!("{index}.{number}").as_str());
        number += 1;
    }
    Ok(name)
}

pub(super) fn failed(error: &safe_fs::Error) -> UndoOutcome {
    UndoOutcome::Failed(error.to_string())
}
