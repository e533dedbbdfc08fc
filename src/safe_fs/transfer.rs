//! Moving one file from one directory to another, never over an existing one.
//!
//! Hides the difference between one file system and two, and what each step
//! leaves behind when the program is killed right after it: at every moment the
//! whole file is at its old place, at its new place, or at both.

use std::fs::File;
use std::io::Write;

use rustix::fs::{AtFlags, Mode, Timespec, Timestamps, fchmod, fchown, futimens, linkat};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use sha2::{Digest, Sha256};

use super::Error;
use super::attributes::{self, Without};
use super::dir::Dir;
use super::facts::Facts;
use super::held::HeldFile;
use crate::snapshot::{ByteString, Bytes};

/// Cache entries have a few KiB; nothing larger is copied between file systems.
pub(super) const MAX_COPY: u64 = 64 << 20;

/// How a move ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// The file is at its new place. Its name is durable after [`Dir::sync`] of both directories.
    Done,
    /// Something stands at the new place; nothing was moved.
    Exists,
    /// The file was exchanged or written meanwhile; it was left, or put back.
    Changed,
}

impl Dir {
    /// Moves the held file `name` to the place `to_name` in `to`: by renaming, or
    /// else by copying with owner, extended attributes, mode and times. `sha256` is what its content
    /// has to be; `tag` makes the name of a temporary file unique.
    ///
    /// # Errors
    /// When the system refuses; the file is then still at its old place.
    pub fn move_file(
        &self,
        name: &ByteString,
        held: &HeldFile,
        to: &Self,
        to_name: &ByteString,
        sha256: Option<&Bytes>,
        tag: &str,
    ) -> Result<Moved, Error> {
        let io = |what| move |e: Errno| Error::io(what, self.path_of(name), e);
        held.file.sync_all().map_err(|e| Error::io("sync", self.path_of(name), e))?;
        match rename(self, name, to, to_name) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Ok(Moved::Exists),
            Err(Errno::NOENT) => return Ok(Moved::Changed),
            Err(Errno::BUSY) => return Err(Error::MountPoint(self.path_of(name))),
            Err(Errno::XDEV) => return self.copy_file(name, held, to, to_name, sha256, tag),
            Err(e) => return Err(io("move")(e)),
        }
        // The name may have meant another file by then, and a program that had
        // the file open may have written to it.
        let arrived = to.facts(to_name)?;
        let is_it = arrived.is_some_and(|facts| facts.is_same_file(&held.facts) && facts.inode.nlink == 1)
            && content_is(held, sha256)?;
        if is_it {
            return Ok(Moved::Done);
        }
        match rename(to, to_name, self, name) {
            Ok(()) => Ok(Moved::Changed),
            Err(_) => Err(Error::Stranded { path: self.path_of(name), kept: to.path_of(to_name) }),
        }
    }

    /// Removes the held file `name`; false if another file is there by now.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn remove_file(&self, name: &ByteString, held: &HeldFile) -> Result<bool, Error> {
        if !self.facts(name)?.is_some_and(|facts| facts.is_untouched(&held.facts)) {
            return Ok(false);
        }
        self.unlink(name)?;
        Ok(true)
    }

    fn copy_file(
        &self,
        name: &ByteString,
        held: &HeldFile,
        to: &Self,
        to_name: &ByteString,
        sha256: Option<&Bytes>,
        tag: &str,
    ) -> Result<Moved, Error> {
        let size = held.facts.inode.size;
        if size > MAX_COPY {
            return Err(Error::TooBigToCopy { path: self.path_of(name), size });
        }
        let part = ByteString::from(format!(".stalecard-{tag}.part").as_str());
        let file = to.create(&part)?;
        let placed = fill(&file, held, &to.path_of(&part), sha256).and_then(|whole| {
            if !whole {
                return Ok(Moved::Changed);
            }
            match rename(to, &part, to, to_name) {
                Ok(()) => Ok(Moved::Done),
                Err(Errno::EXIST) => Ok(Moved::Exists),
                Err(e) => Err(Error::io("create", to.path_of(to_name), e)),
            }
        });
        if !matches!(placed, Ok(Moved::Done)) {
            to.unlink(&part)?;
            return placed;
        }
        to.sync()?;
        // The last look before the original goes; its owner may have been at it.
        match self.remove_file(name, held) {
            Ok(true) => Ok(Moved::Done),
            Ok(false) => {
                to.unlink(to_name)?;
                Ok(Moved::Changed)
            }
            Err(error) => {
                to.unlink(to_name)?;
                Err(error)
            }
        }
    }
}

/// Copies content, owner, extended attributes, mode and times; false if the content is not what it should be.
fn fill(mut file: &File, held: &HeldFile, path: &ByteString, sha256: Option<&Bytes>) -> Result<bool, Error> {
    let Facts { inode, times: [accessed, modified], .. } = held.facts;
    let mut digest = Sha256::new();
    let copied = held.each_block(inode.size.saturating_add(1), |block| {
        digest.update(block);
        file.write_all(block).map_err(|e| Error::io("write", path.clone(), e))
    })?;
    let digest = Bytes(digest.finalize().to_vec());
    if copied != inode.size || sha256.is_some_and(|meant| *meant != digest) || !held.is_unchanged()? {
        return Ok(false);
    }
    let io = |what| move |e: Errno| Error::io(what, path.clone(), e);
    // Owner first, and the mode after the access list: these two change bits of it.
    fchown(file, Some(Uid::from_raw(inode.uid)), Some(Gid::from_raw(inode.gid)))
        .map_err(io("keep the owner of"))?;
    attributes::copy(held, file, Without::Unheld).map_err(io("keep the extended attributes of"))?;
    fchmod(file, Mode::from_raw_mode(inode.mode)).map_err(io("keep the mode of"))?;
    let time = |(tv_sec, tv_nsec)| Timespec { tv_sec, tv_nsec };
    futimens(file, &Timestamps { last_access: time(accessed), last_modification: time(modified) })
        .map_err(io("keep the times of"))?;
    file.sync_all().map_err(|e| Error::io("sync", path.clone(), e))?;
    Ok(true)
}

fn content_is(held: &HeldFile, sha256: Option<&Bytes>) -> Result<bool, Error> {
    match sha256 {
        Some(meant) => Ok(held.sha256(held.facts.inode.size)? == *meant),
        None => held.is_unchanged(),
    }
}

/// Renames without replacing. Where the system or the file system cannot do
/// that in one step, a second link and the removal of the first do; killed in
/// between, the file is at both places.
pub(super) fn rename(from: &Dir, name: &ByteString, to: &Dir, to_name: &ByteString) -> Result<(), Errno> {
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    {
        use rustix::fs::{RenameFlags, renameat_with};
        let flags = RenameFlags::NOREPLACE;
        match renameat_with(from.fd(), name.as_os_str(), to.fd(), to_name.as_os_str(), flags) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            other => return other,
        }
    }
    linkat(from.fd(), name.as_os_str(), to.fd(), to_name.as_os_str(), AtFlags::empty())?;
    rustix::fs::unlinkat(from.fd(), name.as_os_str(), AtFlags::empty())
}
