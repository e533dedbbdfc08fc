//! What can be told of a write without writing.
//!
//! A full disk, a quota or the rules of a security module only show when something is written.

use std::path::Path;

use rustix::fs::{Access, AtFlags, accessat};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid, getgroups};

use super::Error;
use super::dir::Dir;
use super::held::Held;
use super::walk::{self, Care, Walked};
use crate::snapshot::Inode;

impl Dir {
    /// Whether [`Dir::place_file`] may put a file into this directory, over `old` and like it.
    ///
    /// # Errors
    /// As `place_file` would have for want of permission, or on a read-only file system.
    pub fn may_place(&self, old: Option<&Held>) -> Result<(), Error> {
        self.is_writable()?;
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
        if may_give(&old.facts().inode, &self.inode()?) {
            Ok(())
        } else {
            failed("keep the owner of", Errno::PERM)
        }
    }

    /// Whether [`Dir::create_private`] may open or make this directory, and then write in it.
    ///
    /// # Errors
    /// As `create_private` would have.
    pub fn may_create_private(path: &Path) -> Result<(), Error> {
        match walk::walk(path, Care::Private)? {
            Walked::Dir(dir) => dir.private()?.is_writable(),
            Walked::Link(_) => Err(Error::NotADirectory(path.into())),
            Walked::Missing { at, .. } => at.is_writable(),
        }
    }

    fn is_writable(&self) -> Result<(), Error> {
        accessat(self.fd(), c".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)
            .map_err(|e| Error::io("write in", self.path().clone(), e))
    }
}

/// Whether a new file in `dir` may get owner and group of `old`.
fn may_give(old: &Inode, dir: &Inode) -> bool {
    let me = geteuid();
    let inherited = if dir.mode & 0o2000 == 0 { getegid().as_raw() } else { dir.gid };
    let is_mine =
        |gid| gid == inherited || getgroups().is_ok_and(|groups| groups.iter().any(|g| g.as_raw() == gid));
    me.is_root() || old.uid == me.as_raw() && (old.gid == getegid().as_raw() || is_mine(old.gid))
}
