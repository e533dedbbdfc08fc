//! What the system says of a directory entry, the same on every Unix.

use rustix::fs::{FileType, Stat};

use crate::snapshot::{FileKind, Inode};

/// What the system says of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Its kind.
    pub kind: FileKind,
    /// Owner, mode, size, identity.
    pub inode: Inode,
    /// Last access and last change of content, seconds and nanoseconds.
    pub(super) times: [(i64, i64); 2],
    /// Last change of anything, which no user can set.
    pub(super) changed: (i64, i64),
}

impl Facts {
    #[allow(
        clippy::cast_sign_loss,
        clippy::cast_possible_wrap,
        clippy::unnecessary_cast,
        clippy::cast_lossless,
        reason = "the widths of these fields differ between systems; none is negative for a real file"
    )]
    pub(super) fn of(stat: &Stat) -> Self {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => FileKind::File,
            FileType::Directory => FileKind::Directory,
            FileType::Symlink => FileKind::Symlink,
            FileType::Fifo => FileKind::Fifo,
            FileType::Socket => FileKind::Socket,
            _ => FileKind::Device,
        };
        Self {
            kind,
            inode: Inode {
                dev: stat.st_dev as u64,
                ino: stat.st_ino as u64,
                nlink: stat.st_nlink as u64,
                uid: stat.st_uid,
                gid: stat.st_gid,
                mode: stat.st_mode as u32 & 0o7777,
                size: stat.st_size as u64,
                mtime: stat.st_mtime as i64,
            },
            times: [
                (stat.st_atime as i64, stat.st_atime_nsec as i64),
                (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            ],
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        }
    }

    pub(super) fn is_same_file(&self, other: &Self) -> bool {
        (self.inode.dev, self.inode.ino) == (other.inode.dev, other.inode.ino)
    }

    /// The same file, and nothing about it changed but perhaps that it was read.
    pub(super) fn is_untouched(&self, other: &Self) -> bool {
        self.is_same_file(other) && self.changed == other.changed && self.inode.size == other.inode.size
    }
}
