//! Waiting until something is written into a cache directory, or OpenSC's configuration is
//! read (inotify).
//!
//! Hides that a directory may not exist yet: then the nearest one above it is watched for it.
//! What is removed is nobody's business here: a missing entry is read from the card. Links are
//! not followed at the last step to a cache, as everywhere.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init, remove_watch};
use rustix::io::Errno;

use super::event::Event;
use crate::patience::aside;

/// Where PC/SC's socket is made when its service starts.
const PCSC: (&str, &str) = ("/run/pcscd", "pcscd.comm");

/// What is interesting at a watched place.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Interest {
    /// Everything: it is a cache.
    Cache,
    /// That this name appears: a cache, or a directory on the way to it.
    Child(OsString),
    /// Everything: it is a configuration.
    Configuration,
    /// That PC/SC's socket appears.
    Socket,
}

type Interests = BTreeMap<i32, Vec<Interest>>;

/// The places that are watched.
pub(super) struct Files {
    inotify: Arc<OwnedFd>,
    interests: Arc<Mutex<Interests>>,
    configurations: Vec<i32>,
}

impl Files {
    /// Begins to watch PC/SC's directory, and whatever [`Self::set`] names later.
    pub(super) fn watch(tell: Sender<Event>) -> io::Result<Self> {
        let inotify = Arc::new(init(CreateFlags::CLOEXEC)?);
        let files =
            Self { inotify: Arc::clone(&inotify), interests: Arc::default(), configurations: Vec::new() };
        // Where it is elsewhere, PC/SC is tried again from time to time.
        files.add(Path::new(PCSC.0), Interest::Socket);
        let interests = Arc::clone(&files.interests);
        aside(move || follow(&inotify, &interests, &tell))?;
        Ok(files)
    }

    /// Watches these too; directories that do not exist are waited for.
    pub(super) fn set(&mut self, directories: &[PathBuf], configurations: &[PathBuf]) {
        for directory in directories {
            self.set_directory(directory);
        }
        let watches = configurations.iter().filter_map(|path| self.add(path, Interest::Configuration));
        self.configurations = watches.collect();
    }

    /// Reading them is not told any more.
    pub(super) fn forget_configurations(&mut self) {
        for watch in self.configurations.drain(..) {
            // It may have gone with its file.
            let _ = remove_watch(&*self.inotify, watch);
        }
    }

    fn set_directory(&self, directory: &Path) {
        let mut missing = directory;
        while self.add(directory, Interest::Cache).is_none() {
            let (Some(above), Some(name)) = (missing.parent(), missing.file_name()) else { return };
            let waiting = self.add(above, Interest::Child(name.to_owned())).is_some();
            // One that appeared in this moment is nothing to wait for; it is taken at the next check.
            if waiting {
                return;
            }
            missing = above;
        }
    }

    /// The watch; none if the place cannot be watched.
    fn add(&self, path: &Path, interest: Interest) -> Option<i32> {
        let appearing = WatchFlags::ONLYDIR | WatchFlags::CREATE | WatchFlags::MOVED_TO;
        let leaving = WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF;
        let flags = match interest {
            Interest::Cache => appearing | leaving | WatchFlags::DONT_FOLLOW | WatchFlags::CLOSE_WRITE,
            Interest::Child(_) | Interest::Socket => appearing,
            // An editor puts another file in its place: that changes the links of this one.
            Interest::Configuration => leaving | WatchFlags::OPEN | WatchFlags::ATTRIB,
        };
        // Held, so that no event comes before it is known what it means.
        let mut interests = lock(&self.interests);
        let watch = add_watch(&*self.inotify, path, flags | WatchFlags::MASK_ADD).ok()?;
        let known = interests.entry(watch).or_default();
        if !known.contains(&interest) {
            known.push(interest);
        }
        Some(watch)
    }
}

fn lock(interests: &Mutex<Interests>) -> MutexGuard<'_, Interests> {
    interests.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread that waits.
fn follow(inotify: &OwnedFd, interests: &Mutex<Interests>, tell: &Sender<Event>) {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut reader = Reader::new(inotify, &mut buffer);
    loop {
        let event = match reader.next() {
            Ok(event) => event,
            Err(Errno::INTR) => continue,
            Err(_) => return,
        };
        let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
        let meaning = {
            let mut interests = lock(interests);
            if event.events().contains(ReadFlags::IGNORED) {
                interests.remove(&event.wd());
                continue;
            }
            let known = interests.get(&event.wd()).map_or(&[][..], Vec::as_slice);
            // Too much to be told one by one: so everything.
            let overflow = event.events().contains(ReadFlags::QUEUE_OVERFLOW).then_some(Event::Cache);
            overflow.or_else(|| known.iter().find_map(|interest| meaning(interest, name)))
        };
        if let Some(event) = meaning
            && tell.send(event).is_err()
        {
            return;
        }
    }
}

fn meaning(interest: &Interest, name: Option<&OsStr>) -> Option<Event> {
    match interest {
        Interest::Cache => Some(Event::Cache),
        Interest::Child(child) => (name == Some(child)).then_some(Event::Cache),
        Interest::Configuration => Some(Event::Used),
        Interest::Socket => (name == Some(OsStr::new(PCSC.1))).then_some(Event::Socket),
    }
}
