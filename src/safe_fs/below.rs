//! From a held directory to one below it, as in another user's home.
//!
//! Hides that whoever owns the way may put anything on it at any moment: no link
//! is followed and no mount is entered (it may be that user's own file system,
//! which need never answer). Where the kernel can do that in one step, it does.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

use rustix::fs::{Mode, OFlags, openat, readlinkat};
use rustix::io::Errno;

use super::Error;
use super::dir::{Dir, Opened};
use crate::snapshot::ByteString;

const FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);

impl Dir {
    /// Opens the directory at `path` below this one. A link in the last component is reported.
    ///
    /// # Errors
    /// When there is a link before that, or a mount, or the system refuses.
    pub fn open_below(&self, path: &Path) -> Result<Opened, Error> {
        let whole = ByteString::from(self.path().as_path().join(path));
        #[cfg(target_os = "linux")]
        match open_in_one_step(self.fd(), path, FLAGS) {
            Ok(fd) => return Ok(Opened::Dir(Self::new(fd, whole))),
            Err(Errno::NOENT) => return Ok(Opened::Missing),
            // Somewhere on the way; or a kernel that cannot do it.
            Err(Errno::NOTDIR | Errno::LOOP | Errno::MLINK | Errno::XDEV | Errno::NOSYS | Errno::PERM) => {}
            Err(e) => return Err(Error::io("open", whole, e)),
        }
        self.open_step_by_step(path, whole)
    }

    fn open_step_by_step(&self, path: &Path, whole: ByteString) -> Result<Opened, Error> {
        let mut parts = Vec::new();
        for part in path.components() {
            let Component::Normal(part) = part else { return Err(Error::BadName(whole)) };
            parts.push(ByteString::from(OsString::from(part)));
        }
        let mut here: Option<Self> = None;
        let count = parts.len();
        for (index, name) in parts.iter().enumerate() {
            let parent = here.as_ref().unwrap_or(self);
            let path = parent.path_of(name);
            match enter(parent.fd(), name, FLAGS) {
                Ok(fd) => {
                    let next = Self::new(fd, path);
                    if next.inode()?.dev != self.inode()?.dev {
                        return Err(Error::MountPoint(next.path().clone()));
                    }
                    here = Some(next);
                }
                Err(Errno::NOENT) => return Ok(Opened::Missing),
                Err(Errno::XDEV) => return Err(Error::MountPoint(path)),
                Err(Errno::NOTDIR | Errno::LOOP | Errno::MLINK) => {
                    return match readlinkat(parent.fd(), name.as_os_str(), Vec::new()) {
                        Ok(target) if index + 1 == count => {
                            Ok(Opened::Symlink(ByteString(target.into_bytes())))
                        }
                        Ok(_) => Err(Error::UntrustedLink { link: path }),
                        Err(_) => Err(Error::NotADirectory(path)),
                    };
                }
                Err(e) => return Err(Error::io("open", path, e)),
            }
        }
        here.map(Opened::Dir).ok_or(Error::BadName(whole))
    }
}

/// Enters the directory `name` without leaving the mount, where the kernel can tell; elsewhere
/// only another file system is noticed, afterwards.
pub(super) fn enter(dir: &OwnedFd, name: &ByteString, flags: OFlags) -> Result<OwnedFd, Errno> {
    #[cfg(target_os = "linux")]
    match open_in_one_step(dir, name.as_path(), flags) {
        Err(Errno::NOSYS | Errno::PERM) => {}
        other => return other,
    }
    openat(dir, name.as_os_str(), flags, Mode::empty())
}

#[cfg(target_os = "linux")]
fn open_in_one_step(dir: &OwnedFd, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    use rustix::fs::{ResolveFlags, openat2};
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    openat2(dir, path, flags, Mode::empty(), resolve)
}
