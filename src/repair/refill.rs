//! Putting into caches what OpenSC itself would write there: the only writing into a cache that there is.
//!
//! Hides what makes it safe. Nothing that stands there is ever replaced; each file is written beside its place and gets
//! its name when it is whole and on the disk; no link is followed, and into a directory that others can change nothing is put.
//! The journal names every file with its digest before the first is written, so that an undo takes away what is still as it
//! was put there, and nothing else.

use sha2::{Digest, Sha256};

use super::Error;
use super::journal::{self, Journal, Placed};
use super::outcome::{Refill, Refilling};
use super::plan::{Consent, Safety};
use super::quarantine::{Run, StateDir, section};
use crate::host::clock;
use crate::patience::undisturbed;
use crate::safe_fs::{self, Dir, Like, Opened, Over};
use crate::snapshot::{ByteString, Bytes, Inode};
use crate::text::count;

/// Rights that OpenSC gives to an entry, whatever the umask is.
const MOST_RIGHTS: u32 = 0o664;
const LEAST_RIGHTS: u32 = 0o600;

/// An entry as OpenSC would write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// The real cache directory.
    pub directory: ByteString,
    /// The file's name in it.
    pub name: ByteString,
    /// Its content.
    pub content: Vec<u8>,
    /// The rights of the entries that OpenSC has made there.
    pub mode: u32,
}

/// Where a file may be put.
struct Place {
    dir: Dir,
    /// Whose it has to be, if not the caller's.
    owner: Option<Inode>,
}

/// Says what [`refill_in`] would do now as far as the directories are concerned, and changes nothing.
#[must_use]
pub fn rehearse_refill(entries: &[NewEntry], consent: Consent) -> Vec<Refill> {
    let told = |entry: &NewEntry| {
        // What stands there now is to go before.
        let outcome = match directory(entry, consent) {
            Ok(place) => {
                place.dir.may_place(None).map_or_else(|error| failed(&error), |()| Refilling::Placed)
            }
            Err(outcome) => outcome,
        };
        entry.told(outcome)
    };
    entries.iter().map(told).collect()
}

/// Puts the entries of one owner in their places, as a part of a run; also gives the operation, if there is one.
///
/// # Errors
/// When the quarantine cannot be used (then nothing was put anywhere), or the journal could not be completed.
pub fn refill_in(
    entries: &[NewEntry],
    consent: Consent,
    state: &StateDir,
    run: &mut Run,
) -> Result<(Option<String>, Vec<Refill>), Error> {
    let mut told: Vec<Refill> = Vec::new();
    let mut due: Vec<(usize, Place, &NewEntry)> = Vec::new();
    for (number, entry) in entries.iter().enumerate() {
        match look(entry, consent) {
            Ok(place) => {
                due.push((number, place, entry));
                told.push(entry.told(Refilling::Placed));
            }
            Err(outcome) => told.push(entry.told(outcome)),
        }
    }
    if due.is_empty() {
        return Ok((None, told));
    }
    let _undisturbed = undisturbed();
    let locked = state.lock()?;
    let (id, operation) = locked.begin(run)?;
    let mut journal = Journal::new(run.began(), rustix::process::geteuid().as_raw(), Vec::new());
    journal.placed = due.iter().map(|(.., entry)| entry.planned()).collect();
    let begun = section(&operation, "files").and_then(|_| journal::begin(&operation, &journal));
    let room = match begun {
        Ok(room) => room,
        Err(error) => {
            locked.discard(run, &operation, &id, None);
            return Err(error.into());
        }
    };
    for (number, place, entry) in &due {
        let outcome = put(place, entry);
        if let Some(told) = told.get_mut(*number) {
            told.outcome = outcome;
        }
    }
    let is_placed = |number: &usize| told.get(*number).is_some_and(|one| one.outcome == Refilling::Placed);
    journal.placed =
        due.iter().filter(|(number, ..)| is_placed(number)).map(|(.., entry)| entry.planned()).collect();
    let done = journal.placed.len();
    if done == 0 && locked.discard(run, &operation, &id, None) {
        return Ok((None, told));
    }
    journal.finished_at = Some(clock::now());
    let what = count(
        done,
        "cache entry was put there, and the cache",
        "cache entries were put there, and the cache",
    );
    journal::finish(&operation, room, &mut journal).map_err(|source| Error::Unfinished {
        id: id.clone(),
        what,
        source,
    })?;
    Ok((Some(id), told))
}

impl NewEntry {
    fn told(&self, outcome: Refilling) -> Refill {
        let (directory, name) = (self.directory.clone(), self.name.clone());
        Refill { directory, name, size: self.content.len() as u64, outcome }
    }

    fn planned(&self) -> Placed {
        Placed {
            directory: self.directory.clone(),
            name: self.name.clone(),
            size: self.content.len() as u64,
            sha256: Bytes(Sha256::digest(&self.content).to_vec()),
        }
    }

    const fn rights(&self) -> u32 {
        self.mode & MOST_RIGHTS | LEAST_RIGHTS
    }
}

/// Checks everything that has to be true of a place; what is not is its outcome.
fn look(entry: &NewEntry, consent: Consent) -> Result<Place, Refilling> {
    let place = directory(entry, consent)?;
    match place.dir.facts(&entry.name) {
        Ok(None) => Ok(place),
        Ok(Some(_)) => Err(Refilling::Taken),
        Err(error) => Err(failed(&error)),
    }
}

/// The same of its directory alone.
fn directory(entry: &NewEntry, consent: Consent) -> Result<Place, Refilling> {
    let why_not = |why: &str| Refilling::Failed(why.to_owned());
    let dir = match Dir::open(entry.directory.as_path()).map_err(|error| failed(&error))? {
        Opened::Dir(dir) => dir,
        Opened::Missing => return Err(why_not("the cache directory is gone")),
        Opened::Symlink(_) => return Err(why_not("the cache directory is a symbolic link by now")),
    };
    let inode = dir.inode().map_err(|error| failed(&error))?;
    if inode.mode & 0o022 != 0 {
        return Err(why_not("others can change its directory, so nothing is put there"));
    }
    let me = rustix::process::geteuid();
    let is_ones_own = inode.uid == me.as_raw();
    if !is_ones_own && !consent.allows(Safety::Guarded) {
        return Err(Refilling::NeedsConsent(Safety::Guarded));
    }
    if !is_ones_own && !me.is_root() {
        return Err(why_not("its directory belongs to another user"));
    }
    let mode = entry.rights();
    Ok(Place { dir, owner: (!is_ones_own).then_some(Inode { mode, ..inode }) })
}

fn put(place: &Place, entry: &NewEntry) -> Refilling {
    let like = place.owner.as_ref().map_or(Like::Mode(entry.rights()), Like::Inode);
    match place.dir.place_file(&entry.name, &entry.content, like, Over::Nothing) {
        Ok(()) => Refilling::Placed,
        Err(safe_fs::Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => {
            Refilling::Taken
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &safe_fs::Error) -> Refilling {
    Refilling::Failed(error.to_string())
}
