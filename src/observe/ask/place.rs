//! Where OpenSC is asked: a directory of this process alone, with one room for each ask, which holds a home, a cache and a
//! configuration.
//!
//! Copies are made by content, never by link: OpenSC appends through links. Which of them it reads is seen by inotify(7).

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init};

use crate::repair::config::{own_directory, remove_directory};
use crate::safe_fs::MAX_CONTENT;
use crate::snapshot::{ByteString, EntryName};

/// The most files that one card can have made OpenSC write.
const MOST_FILES: usize = 4096;

/// The private directory. It is gone when this is dropped, and when the process ends.
pub(super) struct Place {
    directory: PathBuf,
    rooms: u32,
}

impl Place {
    pub(super) fn new() -> io::Result<Self> {
        let [runtime, temporary] =
            ["XDG_RUNTIME_DIR", "TMPDIR"].map(|name| std::env::var_os(name).map(PathBuf::from));
        Ok(Self { directory: own_directory(runtime.as_deref(), temporary.as_deref())?, rooms: 0 })
    }

    /// A room with these files in its cache.
    ///
    /// # Errors
    /// When it cannot be made, with the place.
    pub(super) fn room(&mut self, files: &[Copy<'_>]) -> io::Result<Room> {
        let place = self.directory.display().to_string();
        self.new_room(files).map_err(|why| io::Error::new(why.kind(), format!("{place}: {why}")))
    }

    fn new_room(&mut self, files: &[Copy<'_>]) -> io::Result<Room> {
        self.rooms += 1;
        let home = self.directory.join(self.rooms.to_string());
        let room = Room { cache: home.join("cache"), home };
        for directory in [&room.home, &room.cache] {
            DirBuilder::new().mode(0o700).create(directory)?;
        }
        for (name, content) in files {
            write(&room.cache.join(name.as_os_str()), content)?;
        }
        Ok(room)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        remove_directory(&self.directory);
    }
}

/// A file to be put into a cache.
pub(super) type Copy<'a> = (&'a ByteString, &'a [u8]);

/// Where one ask happens.
pub(super) struct Room {
    /// The home that OpenSC is told.
    pub(super) home: PathBuf,
    /// The only directory that it may cache in.
    pub(super) cache: PathBuf,
}

impl Room {
    /// Puts a configuration there; its path.
    pub(super) fn configure(&self, text: &[u8]) -> io::Result<PathBuf> {
        let path = self.home.join("opensc.conf");
        let _ = std::fs::remove_file(&path);
        write(&path, text)?;
        Ok(path)
    }

    /// The files that are in the cache now, sorted by name.
    pub(super) fn files(&self) -> io::Result<Vec<(EntryName, Vec<u8>)>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.cache)?.take(MOST_FILES) {
            let entry = entry?;
            if !entry.file_type()?.is_file() {
                continue;
            }
            let mut content = Vec::new();
            File::open(entry.path())?.take(MAX_CONTENT + 1).read_to_end(&mut content)?;
            files.push((EntryName::from(ByteString::from(entry.file_name())), content));
        }
        files.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(files)
    }

    /// Takes files out of the cache.
    pub(super) fn without(&self, names: &[EntryName]) -> io::Result<()> {
        for name in names {
            match std::fs::remove_file(self.cache.join(OsStr::from_bytes(&name.bytes().0))) {
                Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
                _ => {}
            }
        }
        Ok(())
    }

    /// From now on it is seen what is done there.
    pub(super) fn watch(&self) -> io::Result<Watched> {
        let inotify = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let seen = WatchFlags::ACCESS | WatchFlags::OPEN | WatchFlags::MODIFY | WatchFlags::CREATE;
        add_watch(&inotify, self.cache.as_path(), seen)?;
        Ok(Watched(inotify))
    }
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(content)
}

/// What is seen of a cache.
pub(super) struct Watched(OwnedFd);

/// What was done there.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// Files whose content was read; of empty ones those that were opened.
    pub(super) read: BTreeSet<ByteString>,
    /// Was any read or written?
    pub(super) is_used: bool,
}

impl Watched {
    /// What was done in this room so far.
    pub(super) fn done(&self, room: &Room) -> Done {
        let mut done = Done::default();
        let mut buffer = [MaybeUninit::uninit(); 8192];
        let mut reader = Reader::new(&self.0, &mut buffer);
        // It ends when there is nothing more.
        while let Ok(event) = reader.next() {
            let flags = event.events();
            let Some(name) = event.file_name() else { continue };
            let name = ByteString(name.to_bytes().to_vec());
            let is_read = flags.contains(ReadFlags::ACCESS);
            done.is_used |= is_read || flags.intersects(ReadFlags::MODIFY | ReadFlags::CREATE);
            let is_empty = || {
                let path = room.cache.join(OsStr::from_bytes(&name.0));
                std::fs::symlink_metadata(path).is_ok_and(|found| found.len() == 0)
            };
            if is_read || (flags.contains(ReadFlags::OPEN) && is_empty()) {
                done.is_used = true;
                done.read.insert(name);
            }
        }
        done
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_is_read_is_seen_and_what_is_only_opened_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let mut place = Place { directory: dir.path().to_owned(), rooms: 0 };
        let names = ["read", "opened", "left", "empty"].map(ByteString::from);
        let files: Vec<Copy<'_>> =
            names.iter().map(|name| (name, if name.0 == b"empty" { &b""[..] } else { b"content" })).collect();
        let room = place.room(&files).unwrap();
        let watched = room.watch().unwrap();
        assert!(!watched.done(&room).is_used);
        std::fs::read(room.cache.join("read")).unwrap();
        File::open(room.cache.join("opened")).unwrap();
        std::fs::read(room.cache.join("empty")).unwrap();
        let done = watched.done(&room);
        assert_eq!(done.read.iter().map(ToString::to_string).collect::<Vec<_>>(), ["empty", "read"]);
        assert_eq!(room.files().unwrap().len(), 4);
        // It is no directory that `remove_directory` would take.
        std::mem::forget(place);
    }
}
