//! What can be told of a write without writing.
//!
//! A quota or the rules of a security module only show when something is written, and so does a disk that
//! somebody else fills meanwhile.

use std::path::Path;

use rustix::fs::{Access, AtFlags, accessat};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid, getgroups};

use super::Error;
use super::dir::Dir;
use super::held::HeldFile;
use super::transfer::MAX_COPY;
use super::walk::{self, Care, Walked};
use crate::snapshot::{ByteString, FileKind, Inode};

impl Dir {
    /// Whether [`Dir::place_file`] may put a file into this directory, over `old` and like it.
    ///
    /// # Errors
    /// As `place_file` would have for want of permission, or on a read-only file system.
    pub fn may_place(&self, old: Option<&HeldFile>) -> Result<(), Error> {
        self.is_writable()?;
        if is_append_only(self, c".") {
            return Err(Error::io("rename in", self.path().clone(), Errno::PERM));
        }
        let Some(old) = old else { return Ok(()) };
        let path = old.path();
        let failed = |what, e: Errno| Err(Error::io(what, path.clone(), e));
        let name = path.as_path().file_name().unwrap_or_default();
        // To be replaced, a file need not be writable; but one that is immutable stays.
        if let Err(e @ (Errno::PERM | Errno::ROFS)) =
            accessat(self.fd(), name, Access::WRITE_OK, AtFlags::EACCESS)
        {
            return failed("replace", e);
        }
        if is_append_only(self, name) {
            return failed("replace", Errno::PERM);
        }
        if may_give(&old.facts().inode, Some(&self.inode()?)) {
            Ok(())
        } else {
            failed("keep the owner of", Errno::PERM)
        }
    }

    /// Whether [`Dir::create_private`] may open or make this directory, and then make so many files in it, of so many
    /// bytes in all. Says what room there is besides.
    ///
    /// # Errors
    /// As `create_private` and a later writing would have.
    pub fn may_create_private(path: &Path, bytes: u64, files: u64) -> Result<Room, Error> {
        let dir = match walk::walk(path, Care::Private)? {
            Walked::Dir(dir) => dir.private()?,
            Walked::Link(_) => return Err(Error::NotADirectory(path.into())),
            Walked::Missing { at, .. } => at,
        };
        dir.is_writable()?;
        dir.has_room(bytes, files)
    }

    /// Whether [`Dir::lock`] may open or make this lock file, in a directory that may be written.
    ///
    /// # Errors
    /// As it would have.
    pub fn may_lock(&self, name: &ByteString) -> Result<(), Error> {
        let failed = |e: Errno| Err(Error::io("lock", self.path_of(name), e));
        match self.facts(name)?.map(|facts| facts.kind) {
            None => Ok(()),
            Some(FileKind::Symlink) => failed(Errno::LOOP),
            Some(FileKind::Directory) => failed(Errno::ISDIR),
            Some(_) => {
                accessat(self.fd(), name.as_os_str(), Access::READ_OK | Access::WRITE_OK, AtFlags::EACCESS)
                    .or_else(failed)
            }
        }
    }

    /// Whether the entry `name` may be taken out of this directory, by renaming or, to another device,
    /// by copying.
    ///
    /// # Errors
    /// As [`Dir::move_file`] would have for want of permission, or on a read-only file system.
    pub fn may_take(&self, name: &ByteString, device: Option<u64>) -> Result<(), Error> {
        self.is_writable()?;
        let Some(facts) = self.facts(name)? else { return Ok(()) };
        let (entry, dir, me) = (facts.inode, self.inode()?, geteuid());
        let failed = |what, e: Errno| Err(Error::io(what, self.path_of(name), e));
        if dir.mode & 0o1000 != 0 && !me.is_root() && ![entry.uid, dir.uid].contains(&me.as_raw()) {
            return failed("move", Errno::PERM);
        }
        // One that is immutable stays, whoever asks.
        if let Err(e @ (Errno::PERM | Errno::ROFS)) =
            accessat(self.fd(), name.as_os_str(), Access::WRITE_OK, AtFlags::EACCESS)
        {
            return failed("move", e);
        }
        if is_append_only(self, c".") || is_append_only(self, name.as_os_str()) {
            return failed("move", Errno::PERM);
        }
        if device.is_some_and(|device| device != entry.dev) {
            if entry.size > MAX_COPY {
                return Err(Error::TooBigToCopy { path: self.path_of(name), size: entry.size });
            }
            if !may_give(&entry, None) {
                return failed("keep the owner of", Errno::PERM);
            }
        }
        Ok(())
    }

    /// The room that is left on its file system beside so many files of so many bytes in all. A quota is not known.
    fn has_room(&self, bytes: u64, files: u64) -> Result<Room, Error> {
        let device = self.inode()?.dev;
        let mut room = Room { device, block: 1, bytes: u64::MAX, files: u64::MAX };
        if let Ok(system) = rustix::fs::fstatvfs(self.fd()) {
            let free = if geteuid().is_root() { system.f_bfree } else { system.f_bavail };
            room.block = system.f_frsize.max(1);
            // Some file systems have no fixed number of files, or no bound on blocks, and say 0.
            if system.f_blocks > 0 {
                room.bytes = free.saturating_mul(system.f_frsize);
            }
            if system.f_files > 0 {
                room.files = system.f_favail;
            }
        }
        if room.takes(bytes, files) { Ok(room) } else { Err(self.is_full()) }
    }

    fn is_full(&self) -> Error {
        Error::io("write in", self.path().clone(), Errno::NOSPC)
    }

    fn is_writable(&self) -> Result<(), Error> {
        accessat(self.fd(), c".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)
            .map_err(|e| Error::io("write in", self.path().clone(), e))
    }
}

/// What a file system has room for, as far as it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Which one.
    pub device: u64,
    block: u64,
    bytes: u64,
    files: u64,
}

impl Room {
    /// Takes the room for so many files of so many bytes in all; false, and nothing is taken, if there is none.
    pub fn takes(&mut self, bytes: u64, files: u64) -> bool {
        let bytes = bytes.div_ceil(self.block).saturating_mul(self.block);
        match (self.bytes.checked_sub(bytes), self.files.checked_sub(files)) {
            (Some(bytes), Some(files)) => {
                (self.bytes, self.files) = (bytes, files);
                true
            }
            _ => false,
        }
    }
}

/// Whether a name in a directory is one that nothing may be taken from, whoever asks (`chattr +a`).
#[cfg(target_os = "linux")]
fn is_append_only(dir: &Dir, name: impl rustix::path::Arg) -> bool {
    use rustix::fs::{StatxAttributes, StatxFlags, statx};
    statx(dir.fd(), name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty())
        .is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::APPEND))
}

/// Elsewhere that is not asked for.
#[cfg(not(target_os = "linux"))]
fn is_append_only(_dir: &Dir, _name: impl rustix::path::Arg) -> bool {
    false
}

/// Whether a new file in `dir`, or in a directory that hands down no group, may get owner and group of `old`.
fn may_give(old: &Inode, dir: Option<&Inode>) -> bool {
    let me = geteuid();
    let inherited = dir.filter(|dir| dir.mode & 0o2000 != 0).map_or(getegid().as_raw(), |dir| dir.gid);
    let is_mine =
        |gid| gid == inherited || getgroups().is_ok_and(|groups| groups.iter().any(|g| g.as_raw() == gid));
    me.is_root() || old.uid == me.as_raw() && (old.gid == getegid().as_raw() || is_mine(old.gid))
}
