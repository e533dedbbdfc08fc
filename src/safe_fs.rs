//! Files in directories that somebody else may be changing at this moment.
//!
//! Hides everything that makes touching such a directory dangerous, above all
//! for root in a user's home. A directory is opened once and then only its
//! handle is used: no path is resolved twice. A symbolic link is followed only
//! in a directory that nobody but root and the effective user can change, and
//! never below a cache directory; a mount in another user's directory is not
//! entered, because it may be a file system of his own. Only regular files are opened, without
//! blocking, and the open handle is compared with what was seen by name. A file
//! is moved only while it is the one that was meant, and it is looked at again
//! where it arrived. What cannot be done with handles on Unix is `unlink` and
//! `rename`: they take a name in a held directory, so the worst a race can do
//! is to move or remove another entry of that same directory, which its owner
//! could do anyway; a file that arrived by such a race is put back.
//!
//! `rustix` and not `cap-std`: `RENAME_NOREPLACE`, `openat2` without crossing
//! mounts, `fsync` of directories and owner and times by handle are needed, and
//! `cap-std` resolves intermediate links in user-owned directories.

mod attributes;
mod below;
mod dir;
mod facts;
mod held;
mod named;
mod observe;
mod rehearse;
mod replace;
mod transfer;
mod walk;

use std::io;

pub use dir::{Dir, Listing, Lock, Opened, Reserved};
pub use facts::Facts;
pub use held::HeldFile;
pub use named::{open_named, read_named};
pub use observe::{Classification, MAX_CONTENT, MAX_ENTRIES, observe_below, observe_cache_dir};
pub use rehearse::Room;
pub use replace::{Like, Over, Place};
pub use transfer::Moved;

use crate::snapshot::{ByteString, FileKind};

/// Who could do it, where the system says that the calling user may not.
fn who_may(refused: &io::Error) -> &'static str {
    match refused.kind() {
        io::ErrorKind::PermissionDenied => "; only its owner and root (sudo) may",
        _ => "",
    }
}

/// Why a file or directory was left alone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system refused.
    #[error("cannot {what} {path}: {source}{}", who_may(source))]
    Io {
        /// What was attempted ("open", "rename", …).
        what: &'static str,
        /// Where.
        path: ByteString,
        /// The system's reason.
        source: io::Error,
    },
    /// A path that depends on the current directory.
    #[error("{0} is not an absolute path; give the whole path, beginning with /")]
    Relative(ByteString),
    /// A symbolic link that somebody else may have placed.
    #[error(
        "{link} is a symbolic link in a directory that other users can change; \
         not followed: use the real path, or take write permission on the directory from the others"
    )]
    UntrustedLink {
        /// The link.
        link: ByteString,
    },
    /// More links than any honest path has.
    #[error("{0}: too many symbolic links on the way; look for a loop with `namei -l`")]
    TooManyLinks(ByteString),
    /// Something else is where a directory was expected.
    #[error("{0} is not a directory; move it away or correct the path")]
    NotADirectory(ByteString),
    /// A directory that must be private is not.
    #[error("{path} is not safe to keep files in: {why}")]
    Unsafe {
        /// The directory.
        path: ByteString,
        /// What is wrong and what repairs it.
        why: String,
    },
    /// A name that is not one component.
    #[error("`{0}` is not the name of a directory entry (it may not be empty, `.`, `..` or contain `/`)")]
    BadName(ByteString),
    /// Not a regular file; it was not opened.
    #[error("{path} is {} and was not opened; look at it with `ls -l` and remove it by hand", kind_words(*kind))]
    Special {
        /// The entry.
        path: ByteString,
        /// What it is.
        kind: FileKind,
    },
    /// The entry was exchanged between two looks at it.
    #[error("{0} was exchanged for another file at this moment; try again")]
    Swapped(ByteString),
    /// The entry is a mount point.
    #[error("{0} is a mount point and was left alone; unmount it first")]
    MountPoint(ByteString),
    /// Copying to another file system has a bound.
    #[error(
        "{path} has {size} bytes, too many to be copied to another file system; move or remove it by hand"
    )]
    TooBigToCopy {
        /// The file.
        path: ByteString,
        /// Its size.
        size: u64,
    },
    /// Another file was moved by a race, and could not go back.
    #[error(
        "{path} was exchanged while it was being moved, and its place is taken again; \
         what was moved is kept as {kept}: look at it and decide by hand"
    )]
    Stranded {
        /// Where it was.
        path: ByteString,
        /// Where it is.
        kept: ByteString,
    },
}

impl Error {
    fn io(what: &'static str, path: ByteString, source: impl Into<io::Error>) -> Self {
        Self::Io { what, path, source: source.into() }
    }
}

/// The kind of a directory entry in words, for messages.
#[must_use]
pub const fn kind_words(kind: FileKind) -> &'static str {
    match kind {
        FileKind::File => "a regular file",
        FileKind::Directory => "a directory",
        FileKind::Symlink => "a symbolic link",
        FileKind::Fifo => "a named pipe",
        FileKind::Socket => "a socket",
        FileKind::Device => "a device",
    }
}
