//! Switching the cache on or off in `opensc.conf`.
//!
//! [`plan`] finds the smallest edit that makes the effective value right for every
//! program concerned, in the installed OpenSC and in all releases from 0.19 to
//! 0.27 where that is possible; it is pure. [`Target`] is the file, looked at with
//! care; `write` replaces it, keeps what it replaced, and looks whether the
//! promise was kept.
//!
//! What is decided here and not by OpenSC:
//! - a value that already means the wanted thing everywhere stays as it is
//!   (`false` is off in every version);
//! - a word glued to its `=` (`use_file_caching=yes;`), which OpenSC ignores, is
//!   written anew where it decides; a commented setting stays, the real one comes below it;
//! - duplicates, second names and blocks that OpenSC never looks at stay, and so does, of what is done for all programs,
//!   a block that keeps a program which changes cards from caching;
//! - a file that OpenSC cannot parse, or that kills a program concerned, is not edited:
//!   what it means afterwards would depend on more than the edit.

mod asked;
mod edit_report;
mod keeper;
mod kept;
mod layout;
mod planner;
mod private;
mod programs;
mod refusal;
mod undo;
mod write;

use serde::{Deserialize, Serialize};

pub use asked::{Wanted, asked};
pub use edit_report::{Change, EditReport, Revived};
pub use keeper::{KEEPER, keep_until, own_directory, remove as remove_directory};
pub use planner::{Planned, plan};
pub use private::Private;
pub use programs::{Effect, check, releases};
pub use refusal::Refusal;
pub(super) use undo::{Edited, bring_back, comes_back, look};
pub use write::{Target, Written, rehearse, write, write_in};

use crate::opensc::{Caching, Version};
use crate::safe_fs;
use crate::snapshot::ByteString;

/// What the effective value is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// Off.
    Off,
    /// On, except for objects flagged private. Known from 0.23.
    Public,
    /// On for everything.
    Yes,
}

/// Whose effective value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// That of every program on this host.
    All,
    /// That of the program with this application name, whatever its executable.
    App(String),
    /// That of the program with this executable.
    Exe(ByteString),
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The configuration file, for messages.
    pub path: &'a ByteString,
    /// The value.
    pub goal: Goal,
    /// The programs.
    pub scope: &'a Scope,
    /// The installed OpenSC; without it all releases have to come right.
    pub installed: Option<Version>,
}

/// Something the caller should know about an edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// What is cached is trusted for as long as the card tells no change.
    GoesStale,
    /// `public` is unknown to these.
    PublicIsNew,
    /// `yes` stores private objects unprotected.
    YesStoresPrivate,
    /// Blocks for executables are new.
    ExecutablesAreNew,
    /// Settings of another block were copied into a new one that hides it.
    CarriedAlong {
        /// How many.
        settings: usize,
        /// The `app` block they come from.
        from: ByteString,
    },
    /// These blocks keep programs that change cards from caching, and stay.
    Guarded(Vec<ByteString>),
    /// A program that changes cards caches from now on.
    WriterCaches,
    /// No program looks for these blocks: they stay.
    Nobodys(Vec<ByteString>),
    /// `yes` became `public`.
    YesReplaced,
    /// A byte-order mark hides the first statement.
    ByteOrderMark,
    /// The installed OpenSC does what is wanted already; these did not.
    OnlyElsewhere(Vec<Version>),
    /// Some releases cannot be made to do what is wanted.
    NotIn {
        /// The releases.
        versions: Vec<Version>,
        /// A program that shows it.
        program: String,
        /// What happens there.
        what: String,
    },
}

/// Why a configuration was not edited. Nothing was changed unless the text says so.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The edit was not made.
    #[error("{0}; the file was not edited{advice}", advice = .0.advice())]
    Refused(#[from] Refusal),
    /// Nothing could be derived from it for a program below this one.
    #[error("{0}; nothing was started{advice}", advice = .0.advice())]
    NotDerived(Refusal),
    /// The file cannot be reached, read or written.
    #[error("{0}; the configuration was not changed")]
    File(#[from] safe_fs::Error),
    /// Another user's file.
    #[error("{path} belongs to user {uid}; to change another user's file add --guarded")]
    NeedsGuarded {
        /// The file.
        path: ByteString,
        /// Its owner.
        uid: u32,
    },
    /// Another user's file, and the caller is not root.
    #[error("{path} belongs to user {uid}; only that user or root may change it here")]
    Foreign {
        /// The file.
        path: ByteString,
        /// Its owner.
        uid: u32,
    },
    /// More than one name.
    #[error(
        "{path} has {links} hard links: replacing it would part them; make the others symbolic links, or edit by hand"
    )]
    HardLinks {
        /// The file.
        path: ByteString,
        /// How many.
        links: u64,
    },
    /// No configuration is that large.
    #[error("{path} has {size} bytes, more than any configuration; it was not read")]
    TooBig {
        /// The file.
        path: ByteString,
        /// Its size.
        size: u64,
    },
    /// The file cannot be made because its directory is not there.
    #[error("there is no {path}, and its directory does not exist; make the directory first")]
    NoDirectory {
        /// The file.
        path: ByteString,
    },
    /// The state directory cannot be used.
    #[error("{0}; the configuration was not changed")]
    State(Box<super::Error>),
    /// The edit was made, but its journal could not be completed.
    #[error(transparent)]
    Unfinished(Box<super::Error>),
    /// The new file did not do what was promised; the old one is back.
    #[error("{path}: {why}; the old file was put back")]
    Restored {
        /// The file.
        path: ByteString,
        /// What was wrong.
        why: String,
    },
    /// No private configuration could be made of it.
    #[error("cannot {what} {path}: {why}; nothing was started")]
    Private {
        /// What was attempted.
        what: &'static str,
        /// The configuration that OpenSC uses.
        path: ByteString,
        /// The reason.
        why: String,
    },
    /// The old file could not be put back.
    #[error("{path}: {why}; putting the old file back failed as well ({restore}). It is kept as {kept}")]
    NotRestored {
        /// The file.
        path: ByteString,
        /// What was wrong first.
        why: String,
        /// Why it could not be put back.
        restore: String,
        /// Where the old content is.
        kept: ByteString,
    },
}

impl Goal {
    /// The word to be written.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Off => "no",
            Self::Public => "public",
            Self::Yes => "yes",
        }
    }

    /// What it means where it can be had.
    #[must_use]
    pub fn promised(self, version: Version) -> Option<Caching> {
        match self {
            Self::Off => Some(Caching::No),
            Self::Public if version < Version::of(23) => None,
            Self::Public => Some(Caching::Public),
            Self::Yes => Some(Caching::All),
        }
    }
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::GoesStale => f.write_str(
                "What is cached stays when a card that signals no change is changed elsewhere; \
                 `stalecard watch --flush-stale` keeps it true.",
            ),
            Self::PublicIsNew => f.write_str("OpenSC up to 0.22 does not know `public`: there the cache is off."),
            Self::YesStoresPrivate => f.write_str(
                "`yes` also stores objects that the card gives only after the PIN, unprotected on the disk; \
                 `public` (OpenSC 0.23 and later) does not.",
            ),
            Self::ExecutablesAreNew => f.write_str(
                "OpenSC up to 0.23 does not look for blocks named after an executable: there this has no effect.",
            ),
            Self::CarriedAlong { settings, from } => write!(
                f,
                "The new block hides the `framework pkcs15` of `app {from}` from this program, so its other \
                 {settings} settings were copied."
            ),
            Self::Guarded(names) => write!(
                f,
                "{} stays as it is: it keeps a program that changes cards from reading old entries; `--app NAME` changes \
                 it.",
                blocks(names)
            ),
            Self::WriterCaches => f.write_str(
                "pkcs15-init caches then, too, and it changes cards: `stalecard config disable-cache --app pkcs15-init` \
                 keeps it from reading old entries.",
            ),
            Self::Nobodys(names) => {
                write!(f, "{} was left alone: no program looks for a block of this name.", blocks(names))
            }
            Self::YesReplaced => f.write_str(
                "`yes` becomes `public`, which does not store what the card gives only after the PIN; `--value yes` \
                 leaves it.",
            ),
            Self::ByteOrderMark => f.write_str(
                "The file begins with a byte-order mark, which hides its first statement from OpenSC; that was left \
                 as it is.",
            ),
            Self::OnlyElsewhere(versions) => write!(
                f,
                "The installed OpenSC did so already; the edit makes it so in OpenSC {} too.",
                series(versions)
            ),
            Self::NotIn { versions, program, what } => {
                write!(f, "Not so in OpenSC {} ({program}): {what}.", series(versions))
            }
        }
    }
}

/// `app firefox, app other`.
fn blocks(names: &[ByteString]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("app {name}")).collect();
    names.join(", ")
}

/// `0.24, 0.25`.
fn series(versions: &[Version]) -> String {
    let names: Vec<String> = versions.iter().map(|v| format!("{}.{}", v.major, v.minor)).collect();
    names.join(", ")
}
