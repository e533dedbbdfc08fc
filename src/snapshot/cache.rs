//! A cache directory with its entries: who owns them, since when they are there, and what is in them. Content that is
//! not to be known, or not known to be public, is [`Withheld`].

use serde::{Deserialize, Serialize};

use super::{ByteString, Bytes, EntryName};

/// No entry that OpenSC writes has more bytes: its own files have at most some 20 KiB.
pub const LARGEST_ENTRY: u64 = 128 << 10;

/// One cache directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CacheDir {
    /// Its path.
    pub path: ByteString,
    /// Why it is looked at.
    pub origin: CacheOrigin,
    /// What was found there.
    pub state: DirState,
    /// Its entries, sorted by name.
    pub entries: Vec<CacheEntry>,
}

impl CacheDir {
    /// The path of one of its entries.
    #[must_use]
    pub fn path_of(&self, entry: &ByteString) -> ByteString {
        ByteString::from(self.path.as_path().join(entry.as_os_str()))
    }

    /// Where its entries really are.
    #[must_use]
    pub fn real_path(&self) -> ByteString {
        match &self.state {
            DirState::Symlink(target) => {
                let parent = self.path.as_path().parent().unwrap_or(self.path.as_path());
                ByteString::from(parent.join(target.as_path()))
            }
            _ => self.path.clone(),
        }
    }
}

/// What one operation took out of one cache directory, and keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Quarantined {
    /// The operation, as `undo` takes it.
    pub operation: String,
    /// The directory, with the entries that are kept.
    pub directory: CacheDir,
}

/// Why a directory counts as an OpenSC cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CacheOrigin {
    /// The directory OpenSC uses by default in the user's environment.
    Default,
    /// `file_cache_dir` of a configuration file.
    Configured,
    /// `~/.eid/cache`, used up to OpenSC 0.21.
    Former,
    /// Of a program in a sandbox (snap, flatpak), which has an OpenSC and a configuration of its own.
    Sandbox,
    /// Of a system service with a place of its own (SSSD).
    Service,
    /// Named on the command line.
    Named,
}

/// What is in the place of a cache directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum DirState {
    /// A directory.
    Present(Inode),
    /// Nothing.
    Missing,
    /// A symbolic link to this target; OpenSC follows it.
    Symlink(ByteString),
    /// Could not be read, and why.
    Unreadable(String),
}

/// Owner, mode and identity of a file or directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Inode {
    /// Device number.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// Number of hard links.
    pub nlink: u64,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits (07777).
    #[cfg_attr(feature = "schema", schemars(range(max = 4095)))]
    pub mode: u32,
    /// Size in bytes.
    pub size: u64,
    /// Time of the last change of content, Unix seconds.
    pub mtime: i64,
}

/// One entry of a cache directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CacheEntry {
    /// File name, and what it means.
    #[cfg_attr(feature = "schema", schemars(with = "ByteString"))]
    pub name: EntryName,
    /// Kind of file.
    pub kind: FileKind,
    /// Owner, size, times.
    pub inode: Inode,
    /// Its content, or why it is not here.
    pub content: Content,
}

/// Kind of a directory entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// Regular file.
    File,
    /// Directory.
    Directory,
    /// Symbolic link.
    Symlink,
    /// Named pipe.
    Fifo,
    /// Socket.
    Socket,
    /// Block or character device.
    Device,
}

impl FileKind {
    /// In words, with an article.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::File => "a regular file",
            Self::Directory => "a directory",
            Self::Symlink => "a symbolic link",
            Self::Fifo => "a named pipe",
            Self::Socket => "a socket",
            Self::Device => "a device",
        }
    }
}

/// The content of a cache entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// The file's bytes.
    Bytes(Bytes),
    /// Never read or never kept, and why.
    Withheld(Withheld),
    /// Could not be read, and why.
    Unreadable(String),
}

/// Why the content of an entry is not part of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Withheld {
    /// A card access number.
    Can,
    /// Data that the card gives only after the PIN.
    Private,
    /// The name is not an OpenSC cache name.
    Unknown,
    /// Not a regular file.
    NotAFile,
    /// Larger than OpenSC ever reads.
    TooBig,
    /// Whether it is private cannot be told: of a card of another kind, or a data object that
    /// nothing describes.
    Undecided,
}
