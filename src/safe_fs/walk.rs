//! Walking to a directory, one held handle per component.
//!
//! Hides the question whom to trust on the way. A link is the choice of whoever
//! can change the directory it lies in; it is followed only if that is root or
//! the effective user alone. A mount is not entered from another user's directory:
//! it may be a file system of his own, which need never answer. `..` goes back to the handle that was walked
//! through, never through the file system.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, openat, readlinkat, statat};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::Error;
use super::below::enter;
use super::dir::Dir;
use super::facts::Facts;
use crate::snapshot::{ByteString, Inode};

/// Links followed on one path; Linux has the same bound.
const MAX_LINKS: usize = 40;

/// How careful to be on the way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Care {
    /// Any directory may be passed; a link in the last component is reported.
    Plain,
    /// As [`Care::Plain`], but a trusted link in the last component is followed.
    FollowLast,
    /// Only directories that nobody else can exchange may be passed.
    Private,
}

/// Where a walk ended.
pub(super) enum Walked {
    /// At the directory.
    Dir(Dir),
    /// At the last directory that exists, with what is missing below it.
    Missing {
        /// The last directory that exists (a handle to go on from, not to read).
        at: Dir,
        /// What is missing, in order; never empty.
        rest: Vec<OsString>,
    },
    /// The last component is a link to this target.
    Link(ByteString),
}

/// Walks to `path`, which must be absolute.
pub(super) fn walk(path: &Path, care: Care) -> Result<Walked, Error> {
    if !path.is_absolute() {
        return Err(Error::Relative(path.into()));
    }
    let mut todo = components(path);
    let mut links = 0;
    // Every handle of the way is kept, so that `..` needs no look-up.
    let mut way = vec![root()?];
    while let Some(next) = todo.pop_front() {
        if next == ".." {
            if way.len() > 1 {
                way.pop();
            }
            continue;
        }
        let Some(here) = way.last() else { return Err(Error::NotADirectory(path.into())) };
        let is_last = todo.is_empty();
        if care == Care::Private {
            must_be_unswappable(here)?;
        }
        match step(here, &next, is_last)? {
            Step::Into(dir) => way.push(dir),
            Step::Nothing => {
                let rest = std::iter::once(next).chain(todo).collect();
                let at = way.pop().ok_or_else(|| Error::NotADirectory(path.into()))?;
                return Ok(Walked::Missing { at, rest });
            }
            Step::Link(target) => {
                if is_last && care == Care::Plain {
                    return Ok(Walked::Link(target));
                }
                if !only_ours(&here.inode()?) {
                    return Err(Error::UntrustedLink { link: here.path_of(&next.into()) });
                }
                links += 1;
                if links > MAX_LINKS {
                    return Err(Error::TooManyLinks(path.into()));
                }
                if target.as_path().is_absolute() {
                    way.truncate(1);
                }
                for part in components(target.as_path()).into_iter().rev() {
                    todo.push_front(part);
                }
                if todo.is_empty() {
                    todo.push_front(OsString::from("."));
                }
            }
        }
    }
    let dir = way.pop().ok_or_else(|| Error::NotADirectory(path.into()))?;
    // Handles of the way may not be readable; the one that is handed out must be.
    let fd = openat(dir.fd(), c".", readable(), Mode::empty())
        .map_err(|e| Error::io("open", dir.path().clone(), e))?;
    Ok(Walked::Dir(Dir::new(fd, dir.path().clone())))
}

/// Opens `name` in `parent`, made (0700) if it is not there; true if it was.
pub(super) fn make_dir(parent: &Dir, name: &ByteString) -> Result<(Dir, bool), Error> {
    let fresh = parent.create_subdir(name)?;
    let made = parent.subdir(name)?;
    // The handle of the way cannot be synced; where the directory may not be
    // read either, the new name is left to the file system's own order.
    if let Ok(parent) = parent.subdir(&ByteString::from(".")) {
        parent.sync()?;
    }
    Ok((made, fresh))
}

/// Whether nobody but root and the effective user can change the directory.
pub(super) fn only_ours(dir: &Inode) -> bool {
    trusted_owner(dir) && writers(dir).is_none()
}

/// Who besides its owner can write into the directory, in words.
pub(super) fn writers(dir: &Inode) -> Option<&'static str> {
    if dir.mode & 0o002 != 0 {
        Some("every user can write there; `chmod o-w` it")
    } else if dir.mode & 0o020 != 0 && !private_group(dir.gid) {
        Some("its group can write there; `chmod g-w` it")
    } else {
        None
    }
}

fn trusted_owner(dir: &Inode) -> bool {
    dir.uid == 0 || dir.uid == geteuid().as_raw()
}

/// The effective user's own group, where (as on Fedora) every user has one and
/// directories come with mode 0775: nobody else is in it.
fn private_group(gid: u32) -> bool {
    let uid = geteuid();
    if uid.is_root() {
        return false;
    }
    let Some(user) = uzers::get_user_by_uid(uid.as_raw()) else { return false };
    let Some(group) = uzers::get_group_by_gid(gid) else { return false };
    user.primary_group_id() == gid
        && user.name() == group.name()
        && uzers::os::unix::GroupExt::members(&group).iter().all(|member| member == user.name())
}

/// An entry of a sticky directory (`/tmp`) stays with its owner, so that such a
/// directory is passed although everybody writes there.
fn must_be_unswappable(dir: &Dir) -> Result<(), Error> {
    let inode = dir.inode()?;
    let why = if !trusted_owner(&inode) {
        format!("it belongs to user {}, who can exchange what is in it", inode.uid)
    } else if inode.mode & 0o1000 != 0 {
        return Ok(());
    } else if let Some(why) = writers(&inode) {
        why.to_string()
    } else {
        return Ok(());
    };
    Err(Error::Unsafe { path: dir.path().clone(), why })
}

enum Step {
    Into(Dir),
    Nothing,
    Link(ByteString),
}

fn step(here: &Dir, name: &OsString, is_last: bool) -> Result<Step, Error> {
    let flags = if is_last { readable() } else { passable() };
    let path = here.path_of(&name.clone().into());
    let opened = if trusted_owner(&here.inode()?) {
        openat(here.fd(), name, flags | OFlags::NOFOLLOW, Mode::empty())
    } else {
        enter(here.fd(), &name.clone().into(), flags | OFlags::NOFOLLOW)
    };
    match opened {
        Ok(fd) => Ok(Step::Into(Dir::new(fd, path))),
        Err(Errno::NOENT) => Ok(Step::Nothing),
        Err(Errno::XDEV) => Err(Error::MountPoint(path)),
        // Which of these a link gives depends on the system and the flags.
        Err(Errno::NOTDIR | Errno::LOOP | Errno::MLINK) => match readlinkat(here.fd(), name, Vec::new()) {
            Ok(target) => Ok(Step::Link(ByteString(target.into_bytes()))),
            Err(_) => Err(Error::NotADirectory(path)),
        },
        Err(e) => Err(Error::io("open", path, e)),
    }
}

fn root() -> Result<Dir, Error> {
    let path = ByteString::from("/");
    let fd =
        rustix::fs::open(c"/", passable(), Mode::empty()).map_err(|e| Error::io("open", path.clone(), e))?;
    Ok(Dir::new(fd, path))
}

fn readable() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC
}

/// To pass a directory, search permission is enough (`/home` is often 0711).
fn passable() -> OFlags {
    #[cfg(target_os = "linux")]
    return OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    #[cfg(not(target_os = "linux"))]
    return readable();
}

fn components(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some(OsString::from("..")),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
}

/// What stands at `name` in the directory, never following a link.
pub(super) fn facts_at(fd: &OwnedFd, name: &ByteString) -> Result<Option<Facts>, Errno> {
    match statat(fd, name.as_os_str(), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(Facts::of(&stat))),
        Err(Errno::NOENT) => Ok(None),
        Err(e) => Err(e),
    }
}

/// `directory/name` for messages.
pub(super) fn join(directory: &ByteString, name: &ByteString) -> ByteString {
    let mut path = PathBuf::from(OsString::from_vec(directory.0.clone()));
    path.push(std::ffi::OsStr::from_bytes(&name.0));
    path.into()
}
