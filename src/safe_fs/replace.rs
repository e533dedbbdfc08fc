//! A file that many programs read, replaced so that each of them sees the old or
//! the new one, whole.
//!
//! Hides where the file really is (links are followed only where nobody else can
//! place them) and what has to be done before its name may point to a new file:
//! the content, owner, access rights, labels and other extended attributes are on the
//! disk first, and the old file is looked at once more.

use std::fs::File;
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, fchmod, fchown, readlinkat, renameat};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};

use super::Error;
use super::attributes::{self, Without};
use super::dir::Dir;
use super::held::HeldFile;
use super::transfer::rename;
use super::walk::{self, Care, Walked, only_ours};
use crate::snapshot::{ByteString, FileKind, Inode};

/// Links followed from one file to the next; Linux has the same bound.
const MAX_LINKS: usize = 40;

/// Where a file is: its directory, and its name in it.
#[derive(Debug)]
pub struct Place {
    /// The directory.
    pub dir: Dir,
    /// The name. Nothing has to be there.
    pub name: ByteString,
}

/// Owner, rights and attributes of a new file.
#[derive(Debug, Clone, Copy)]
pub enum Like<'a> {
    /// Those of this file.
    File(&'a HeldFile),
    /// These owner and rights; attributes as the directory gives them.
    Inode(&'a Inode),
    /// The caller's, readable for all, as configuration files are.
    New,
    /// The caller's, with these rights; attributes as the directory gives them.
    Mode(u32),
}

/// What may stand at the name.
#[derive(Debug, Clone, Copy)]
pub enum Over<'a> {
    /// Nothing.
    Nothing,
    /// This file, as it was when it was opened.
    File(&'a HeldFile),
}

impl Place {
    /// Finds the file that an absolute path leads to, through trusted links; `None` if
    /// its directory does not exist. If `private`, only directories that nobody but
    /// root and the effective user can exchange may lie on the way.
    ///
    /// # Errors
    /// When the way is not to be trusted, or the system refuses.
    pub fn find(path: &Path, private: bool) -> Result<Option<Self>, Error> {
        let care = if private { Care::Private } else { Care::FollowLast };
        let mut path = path.to_path_buf();
        for _ in 0..=MAX_LINKS {
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
                return Err(Error::BadName(path.into()));
            };
            let name = ByteString::from(name.to_owned());
            let Walked::Dir(dir) = walk::walk(parent, care)? else { return Ok(None) };
            if dir.facts(&name)?.is_none_or(|facts| facts.kind != FileKind::Symlink) {
                return Ok(Some(Self { dir, name }));
            }
            if !only_ours(&dir.inode()?) {
                return Err(Error::UntrustedLink { link: dir.path_of(&name) });
            }
            let target = readlinkat(dir.fd(), name.as_os_str(), Vec::new())
                .map_err(|e| Error::io("look at", dir.path_of(&name), e))?;
            // From here on relative to where the link lies.
            path =
                dir.path().as_path().join(PathBuf::from(std::ffi::OsString::from_vec(target.into_bytes())));
        }
        Err(Error::TooManyLinks(path.into()))
    }
}

impl Dir {
    /// Why others could change what is in this directory; `None` if nobody but root and `owners` can.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn open_to(&self, owners: &[u32]) -> Result<Option<String>, Error> {
        let inode = self.inode()?;
        Ok(if inode.uid != 0 && !owners.contains(&inode.uid) {
            Some(format!("it belongs to user {}", inode.uid))
        } else {
            walk::writers(&inode).map(str::to_owned)
        })
    }

    /// Makes or replaces the file `name`. After a crash the old or the new file is there, whole;
    /// on return the new one is durable.
    ///
    /// # Errors
    /// When the system refuses, or something else came to the place. The old file is then
    /// untouched, except that the last step, making the name durable, may fail alone.
    pub fn place_file(
        &self,
        name: &ByteString,
        content: &[u8],
        like: Like<'_>,
        over: Over<'_>,
    ) -> Result<(), Error> {
        let part = part_name(name);
        let file = self.create(&part)?;
        let placed =
            fill(file, content, like, &self.path_of(&part)).and_then(|()| self.put(&part, name, over));
        if placed.is_err() {
            // What went wrong before is what the caller has to know.
            let _ = self.unlink(&part);
        }
        placed?;
        self.sync()
    }

    fn put(&self, part: &ByteString, name: &ByteString, over: Over<'_>) -> Result<(), Error> {
        let failed = |e: Errno| Error::io("replace", self.path_of(name), e);
        match over {
            Over::Nothing => rename(self, part, self, name).map_err(failed),
            Over::File(held) => {
                if !self.facts(name)?.is_some_and(|facts| facts.is_untouched(&held.facts)) {
                    return Err(Error::Swapped(self.path_of(name)));
                }
                renameat(self.fd(), part.as_os_str(), self.fd(), name.as_os_str()).map_err(failed)
            }
        }
    }

    /// Removes what an interrupted [`Dir::place_file`] left.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn remove_part(&self, name: &ByteString) -> Result<(), Error> {
        let part = part_name(name);
        if self.facts(&part)?.is_some_and(|facts| facts.kind == FileKind::File) {
            self.unlink(&part)?;
        }
        Ok(())
    }

    /// Removes the empty directory `name`.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn remove_subdir(&self, name: &ByteString) -> Result<(), Error> {
        rustix::fs::unlinkat(self.fd(), name.as_os_str(), AtFlags::REMOVEDIR)
            .map_err(|e| Error::io("remove", self.path_of(name), e))
    }
}

/// A hidden name that no configuration has.
fn part_name(name: &ByteString) -> ByteString {
    ByteString([b".", name.0.as_slice(), b".stalecard-part"].concat())
}

fn fill(mut file: File, content: &[u8], like: Like<'_>, path: &ByteString) -> Result<(), Error> {
    let io = |what| move |e: Errno| Error::io(what, path.clone(), e);
    file.write_all(content).map_err(|e| Error::io("write", path.clone(), e))?;
    let inode = match like {
        Like::File(held) => Some(&held.facts.inode),
        Like::Inode(inode) => Some(inode),
        Like::New | Like::Mode(_) => None,
    };
    if let Some(inode) = inode {
        fchown(&file, Some(Uid::from_raw(inode.uid)), Some(Gid::from_raw(inode.gid)))
            .map_err(io("keep the owner of"))?;
    }
    if let Like::File(held) = like {
        attributes::copy(held, &file, Without::None).map_err(io("keep the extended attributes of"))?;
    }
    // Last: a change of owner or of an access list changes bits of the mode.
    let mode = match like {
        Like::Mode(mode) => mode,
        Like::File(_) | Like::Inode(_) | Like::New => inode.map_or(0o644, |inode| inode.mode),
    };
    fchmod(&file, Mode::from_raw_mode(mode)).map_err(io("keep the mode of"))?;
    file.sync_all().map_err(|e| Error::io("sync", path.clone(), e))
}
