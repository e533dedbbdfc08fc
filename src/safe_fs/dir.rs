//! One directory by handle: what is in it, and its regular files.
//!
//! Hides the checks that lie between a name and a file that may be read: no
//! link, no pipe, no device, no other mount, and the handle is the very file
//! that the name showed.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{
    AtFlags, FlockOperation, Mode, OFlags, fchown, flock, fstat, fsync, openat, renameat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::{Gid, Uid, geteuid};

use super::Error;
use super::facts::Facts;
use super::held::HeldFile;
use super::walk::{self, Care, Walked, facts_at, join, make_dir};
use crate::snapshot::{ByteString, FileKind, Inode};

/// A directory that is held open.
#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
    path: ByteString,
}

/// What was found in the place of a directory.
#[derive(Debug)]
pub enum Opened {
    /// The directory.
    Dir(Dir),
    /// Nothing.
    Missing,
    /// A symbolic link to this target; it was not followed.
    Symlink(ByteString),
}

/// A lock that is held until this is dropped or the process ends.
#[derive(Debug)]
pub struct Lock(OwnedFd);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing alone would not release it while a child that another thread
        // is just starting still has a copy of the handle.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

/// A file that is to get a content later, with its room on the disk.
#[derive(Debug)]
pub struct Reserved {
    file: File,
    name: ByteString,
    size: u64,
}

impl Reserved {
    /// How many bytes there is room for.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }
}

/// The names in a directory.
#[derive(Debug)]
pub struct Listing {
    /// The names, sorted.
    pub names: Vec<ByteString>,
    /// False if there were more than the bound; the rest was not looked at.
    pub complete: bool,
}

impl Dir {
    pub(super) const fn new(fd: OwnedFd, path: ByteString) -> Self {
        Self { fd, path }
    }

    pub(super) const fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// Opens the directory at an absolute path. A link in the last component is
    /// reported; one before it is followed only where nobody else can place it.
    ///
    /// # Errors
    /// When it cannot be opened, or the way to it is not to be trusted.
    pub fn open(path: &Path) -> Result<Opened, Error> {
        Ok(match walk::walk(path, Care::Plain)? {
            Walked::Dir(dir) => Opened::Dir(dir),
            Walked::Missing { .. } => Opened::Missing,
            Walked::Link(target) => Opened::Symlink(target),
        })
    }

    /// Opens the directory at an absolute path; a trusted link in the last
    /// component is followed as well. `None`: there is none.
    ///
    /// # Errors
    /// As [`Dir::open`].
    pub fn open_following(path: &Path) -> Result<Option<Self>, Error> {
        match walk::walk(path, Care::FollowLast)? {
            Walked::Dir(dir) => Ok(Some(dir)),
            Walked::Missing { .. } | Walked::Link(_) => Ok(None),
        }
    }

    /// Opens a directory that belongs to the effective user alone and lies where
    /// nobody else can exchange it; `None` if there is none.
    ///
    /// # Errors
    /// When it or a directory above it is open to others, or the system refuses.
    pub fn open_private(path: &Path) -> Result<Option<Self>, Error> {
        match walk::walk(path, Care::Private)? {
            Walked::Dir(dir) => dir.private().map(Some),
            Walked::Link(_) => Err(Error::NotADirectory(path.into())),
            Walked::Missing { .. } => Ok(None),
        }
    }

    /// As [`Dir::open_private`], and makes it (0700) if it is not there.
    ///
    /// # Errors
    /// As [`Dir::open_private`].
    pub fn create_private(path: &Path) -> Result<Self, Error> {
        match walk::walk(path, Care::Private)? {
            Walked::Dir(dir) => dir.private(),
            Walked::Link(_) => Err(Error::NotADirectory(path.into())),
            Walked::Missing { at, rest } => {
                let mut dir = at;
                for name in rest {
                    (dir, _) = make_dir(&dir, &name.into())?;
                }
                dir.private()
            }
        }
    }

    pub(super) fn private(self) -> Result<Self, Error> {
        let inode = self.inode()?;
        let me = geteuid().as_raw();
        let why = if inode.uid != me {
            format!("it belongs to user {}, not to user {me}; move it away", inode.uid)
        } else if inode.mode & 0o077 != 0 {
            format!("its mode is {:04o}; check what is in it, then `chmod 700` it", inode.mode)
        } else {
            return Ok(self);
        };
        Err(Error::Unsafe { path: self.path, why })
    }

    /// Opens a directory, and makes it again (0700, for `owner`) if it is gone.
    /// More than its last component is made only inside a directory of `owner`,
    /// so that the home of a user who was removed does not come back.
    ///
    /// # Errors
    /// As [`Dir::open`], and when it may not be made.
    pub fn open_or_recreate(path: &Path, owner: (u32, u32)) -> Result<Self, Error> {
        let (mut dir, rest) = match walk::walk(path, Care::Plain)? {
            Walked::Dir(dir) => return Ok(dir),
            Walked::Link(_) => return Err(Error::NotADirectory(path.into())),
            Walked::Missing { at, rest } => (at, rest),
        };
        let count = rest.len();
        for (index, name) in rest.into_iter().enumerate() {
            let name = ByteString::from(name);
            if index + 1 < count && dir.inode()?.uid != owner.0 {
                let why = format!("`{name}` is missing in it, and it does not belong to user {}", owner.0);
                return Err(Error::Unsafe { path: dir.path, why });
            }
            let (made, fresh) = make_dir(&dir, &name)?;
            let inode = made.inode()?;
            if fresh && (inode.uid, inode.gid) != owner {
                // Only what was just made is given away, and that is ours and empty.
                if inode.uid != geteuid().as_raw() || !made.list(0)?.complete {
                    return Err(Error::Swapped(made.path));
                }
                fchown(&made.fd, Some(Uid::from_raw(owner.0)), Some(Gid::from_raw(owner.1)))
                    .map_err(|e| Error::io("give away", made.path.clone(), e))?;
            }
            dir = made;
        }
        Ok(dir)
    }

    /// The directory `name` inside this one, no link followed.
    ///
    /// # Errors
    /// When it is not a directory or cannot be opened.
    pub fn subdir(&self, name: &ByteString) -> Result<Self, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let path = self.path_of(name);
        match openat(&self.fd, name.as_os_str(), flags, Mode::empty()) {
            Ok(fd) => Ok(Self { fd, path }),
            Err(Errno::NOTDIR | Errno::LOOP | Errno::MLINK) => Err(Error::NotADirectory(path)),
            Err(e) => Err(Error::io("open", path, e)),
        }
    }

    /// Makes the directory `name` (0700) inside this one; false if it is there.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn create_subdir(&self, name: &ByteString) -> Result<bool, Error> {
        match rustix::fs::mkdirat(&self.fd, name.as_os_str(), Mode::RWXU) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(e) => Err(Error::io("create", self.path_of(name), e)),
        }
    }

    /// Its path as it was asked for.
    #[must_use]
    pub const fn path(&self) -> &ByteString {
        &self.path
    }

    /// The path of an entry, for messages.
    #[must_use]
    pub fn path_of(&self, name: &ByteString) -> ByteString {
        join(&self.path, name)
    }

    /// Owner, mode and identity of the directory itself.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn inode(&self) -> Result<Inode, Error> {
        let stat = fstat(&self.fd).map_err(|e| Error::io("look at", self.path.clone(), e))?;
        Ok(Facts::of(&stat).inode)
    }

    /// The names in it, at most `limit`.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn list(&self, limit: usize) -> Result<Listing, Error> {
        let failed = |e: Errno| Error::io("list", self.path.clone(), e);
        let mut names = Vec::new();
        let mut complete = true;
        for entry in rustix::fs::Dir::read_from(&self.fd).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name().to_bytes().to_vec();
            if name == b"." || name == b".." {
                continue;
            }
            if names.len() == limit {
                complete = false;
                break;
            }
            names.push(ByteString(name));
        }
        names.sort_unstable();
        Ok(Listing { names, complete })
    }

    /// What stands at `name`; `None` if nothing does.
    ///
    /// # Errors
    /// When the name is not one component, or the system refuses.
    pub fn facts(&self, name: &ByteString) -> Result<Option<Facts>, Error> {
        one_component(name)?;
        facts_at(&self.fd, name).map_err(|e| Error::io("look at", self.path_of(name), e))
    }

    /// Opens the regular file `name` for reading; `None` if nothing is there.
    ///
    /// # Errors
    /// When it is anything but a regular file, or is exchanged meanwhile.
    pub fn hold(&self, name: &ByteString) -> Result<Option<HeldFile>, Error> {
        let Some(seen) = self.facts(name)? else { return Ok(None) };
        self.hold_seen(name, &seen)
    }

    /// Opens a regular file that was seen already, if it is still the same one.
    pub(super) fn hold_seen(&self, name: &ByteString, seen: &Facts) -> Result<Option<HeldFile>, Error> {
        let path = self.path_of(name);
        if seen.kind != FileKind::File {
            return Err(Error::Special { path, kind: seen.kind });
        }
        // NONBLOCK: should a pipe have come in its place by now, opening does not wait.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let fd = match open_here(&self.fd, name, flags) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP | Errno::MLINK) => return Err(Error::Swapped(path)),
            Err(Errno::XDEV) => return Err(Error::MountPoint(path)),
            Err(e) => return Err(Error::io("open", path, e)),
        };
        let facts = Facts::of(&fstat(&fd).map_err(|e| Error::io("look at", path.clone(), e))?);
        if facts.kind != FileKind::File || !facts.is_same_file(seen) {
            return Err(Error::Swapped(path));
        }
        Ok(Some(HeldFile { file: File::from(fd), facts, path }))
    }

    /// Replaces or makes the file `name` (0600) so that after a crash either the
    /// old or the new content is there, whole.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn write_atomic(&self, name: &ByteString, content: &[u8]) -> Result<(), Error> {
        let part = Self::part_of(name);
        let failed = |what| move |e: std::io::Error| Error::io(what, self.path_of(name), e);
        let mut file = self.create(&part)?;
        let written =
            file.write_all(content).and_then(|()| file.sync_all()).map_err(failed("write")).and_then(|()| {
                renameat(&self.fd, part.as_os_str(), &self.fd, name.as_os_str())
                    .map_err(|e| failed("write")(e.into()))
            });
        if written.is_err() {
            // On a full disk every byte counts.
            let _ = self.unlink(&part);
        }
        written?;
        self.sync()
    }

    /// Takes the room on the disk for a later content of the file `name`, so that
    /// [`Dir::write_reserved`] will not want for it.
    ///
    /// # Errors
    /// When there is no such room, or the system refuses; nothing is left of it then.
    pub fn reserve(&self, name: &ByteString, size: u64) -> Result<Reserved, Error> {
        let part = Self::part_of(name);
        let mut file = self.create(&part)?;
        let zeros = [0_u8; 16 << 10];
        let mut left = size;
        let mut taken = Ok(());
        while left > 0 && taken.is_ok() {
            let now = usize::try_from(left).unwrap_or(usize::MAX).min(zeros.len());
            taken = file.write_all(zeros.get(..now).unwrap_or_default());
            left -= now as u64;
        }
        // Some systems only tell at this moment that there is no room.
        match taken.and_then(|()| file.sync_all()) {
            Ok(()) => Ok(Reserved { file, name: name.clone(), size }),
            Err(e) => {
                let _ = self.unlink(&part);
                Err(Error::io("write", self.path_of(&part), e))
            }
        }
    }

    /// As [`Dir::write_atomic`], into room that was taken before.
    ///
    /// # Errors
    /// When the system refuses; the old content is still there then.
    pub fn write_reserved(&self, reserved: Reserved, content: &[u8]) -> Result<(), Error> {
        let Reserved { mut file, name, .. } = reserved;
        let part = Self::part_of(&name);
        let failed = |e: std::io::Error| Error::io("write", self.path_of(&name), e);
        let written = file
            .seek(SeekFrom::Start(0))
            .and_then(|_| file.write_all(content))
            .and_then(|()| file.set_len(content.len() as u64))
            .and_then(|()| file.sync_all())
            .and_then(|()| Ok(renameat(&self.fd, part.as_os_str(), &self.fd, name.as_os_str())?));
        if let Err(e) = written {
            let _ = self.unlink(&part);
            return Err(failed(e));
        }
        self.sync()
    }

    /// Gives back what was reserved, by this process or by one that was interrupted.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn unreserve(&self, name: &ByteString) -> Result<(), Error> {
        let part = Self::part_of(name);
        match self.facts(&part)? {
            Some(_) => self.unlink(&part),
            None => Ok(()),
        }
    }

    /// Is there room reserved for a later content of this file?
    ///
    /// # Errors
    /// When the system refuses.
    pub fn has_reserved(&self, name: &ByteString) -> Result<bool, Error> {
        Ok(self.facts(&Self::part_of(name))?.is_some())
    }

    fn part_of(name: &ByteString) -> ByteString {
        let mut part = name.clone();
        part.0.extend_from_slice(b".part");
        part
    }

    /// Gives the entry `name` another name in this directory, if that is free. Takes no room for content.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn rename_entry(&self, name: &ByteString, to: &ByteString) -> Result<(), Error> {
        super::transfer::rename(self, name, self, to).map_err(|e| Error::io("rename", self.path_of(name), e))
    }

    /// Locks the directory itself, against those who lock it in the same way, for as long as the value lives;
    /// `None` if another holds it.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn lock_self(&self) -> Result<Option<Lock>, Error> {
        let failed = |e: Errno| Error::io("lock", self.path.clone(), e);
        let again =
            openat(&self.fd, c".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .map_err(failed)?;
        match flock(&again, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Lock(again))),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(e) => Err(failed(e)),
        }
    }

    /// Takes the lock file `name`, made if need be, without waiting; `None` if
    /// another process holds it.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn lock(&self, name: &ByteString) -> Result<Option<Lock>, Error> {
        let failed = |e: Errno| Error::io("lock", self.path_of(name), e);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.fd, name.as_os_str(), flags, Mode::RUSR | Mode::WUSR).map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Lock(file))),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(e) => Err(failed(e)),
        }
    }

    /// Makes the new file `name` (0600), removing what an earlier, interrupted
    /// run left under that name.
    pub(super) fn create(&self, name: &ByteString) -> Result<File, Error> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = || openat(&self.fd, name.as_os_str(), flags, Mode::RUSR | Mode::WUSR);
        let made = match open() {
            Err(Errno::EXIST) => {
                self.unlink(name)?;
                open()
            }
            other => other,
        };
        made.map(File::from).map_err(|e| Error::io("create", self.path_of(name), e))
    }

    pub(super) fn unlink(&self, name: &ByteString) -> Result<(), Error> {
        unlinkat(&self.fd, name.as_os_str(), AtFlags::empty())
            .map_err(|e| Error::io("remove", self.path_of(name), e))
    }

    /// Makes the directory's names durable.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn sync(&self) -> Result<(), Error> {
        fsync(&self.fd).map_err(|e| Error::io("sync", self.path.clone(), e))
    }
}

/// On Linux also refuses to enter another mount, even one of the same device.
fn open_here(dir: &OwnedFd, name: &ByteString, flags: OFlags) -> Result<OwnedFd, Errno> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{ResolveFlags, openat2};
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        match openat2(dir, name.as_os_str(), flags, Mode::empty(), resolve) {
            // Before Linux 5.6, or refused by a container's filter.
            Err(Errno::NOSYS | Errno::PERM) => {}
            other => return other,
        }
    }
    openat(dir, name.as_os_str(), flags, Mode::empty())
}

fn one_component(name: &ByteString) -> Result<(), Error> {
    let bytes = name.0.as_slice();
    if bytes.is_empty() || bytes == b"." || bytes == b".." || bytes.contains(&b'/') || bytes.contains(&0) {
        return Err(Error::BadName(name.clone()));
    }
    Ok(())
}
