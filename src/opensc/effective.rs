//! What a configuration comes to: whether a program's OpenSC answers from its cache, and where that is.
//!
//! The file, the version, the driver of the card and the environment decide together (`ctx.c`, `pkcs15.c`,
//! `pkcs15-cache.c`). How the file is read is told in [`super::config`]; here is what comes out, and what holds where there is
//! no file. Pure.

use std::collections::BTreeMap;

use super::crash::Crash;
use super::differences::{self, CachingWords};
use super::shadowed::Shadowed;
use super::{CacheLocation, Version, cache_dir};
use crate::scconf::{ParseError, Spot};
use crate::snapshot::{ByteString, ConfigFile, Installation, Snapshot, User};

/// What decides which configuration applies: a part of a snapshot.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The user, for the environment.
    pub user: &'a User,
    /// The library the program loads, if it was found.
    pub installation: Option<&'a Installation>,
    /// The configuration files that were looked at.
    pub configs: &'a [ConfigFile],
}

/// Whether a program's OpenSC answers from its cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caching {
    /// Off.
    No,
    /// On, except for objects flagged private (from 0.23).
    Public,
    /// On for everything.
    All,
    /// Cannot be told, and why.
    Undecided(String),
}

/// What happens to a program under the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It runs.
    Runs(Box<Effective>),
    /// The configuration kills it.
    Crashes(Crash),
}

/// The configuration as it works for one program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// What became of the file.
    pub file: FileUse,
    /// The `framework pkcs15` block that wins, if there is one.
    pub block: Option<Winner>,
    /// Whether the cache is on.
    pub caching: Caching,
    /// Where `use_file_caching` is written; `None`: the default of the version and driver holds.
    pub use_file_caching: Option<Written>,
    /// Where `file_cache_dir` is written; `None`: the default holds.
    pub file_cache_dir: Option<Written>,
    /// Where the cache is, whether it is on or not.
    pub cache_dir: CacheLocation,
    /// Settings of the same names that have no effect on this program.
    pub shadowed: Vec<Shadowed>,
    /// A trap that kills the program, but not always.
    pub may_crash: Option<Crash>,
}

/// What became of the configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileUse {
    /// It was read.
    Read(ByteString),
    /// There is none: the built-in defaults hold.
    Missing(ByteString),
    /// OpenSC cannot parse it and drops it whole: the built-in defaults hold.
    Dropped(ByteString, ParseError),
    /// It cannot be told what OpenSC finds, and why.
    Unknown(String),
}

/// The block that decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Winner {
    /// The name of its `app` block.
    pub app: ByteString,
    /// The key of the `framework pkcs15` block.
    pub at: Spot,
}

/// A setting and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The first value; none for `key = ;`, which counts as not set.
    pub value: Option<ByteString>,
    /// The value, or the key where there is none.
    pub at: Spot,
}

/// Which file OpenSC opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The one `OPENSC_CONF` names.
    Environment(ByteString),
    /// The one compiled in.
    Compiled(ByteString),
    /// No OpenSC was found, or not its path.
    Unknown,
}

impl<'a> Situation<'a> {
    /// The situation of a snapshot: its user, and the library the tools load.
    #[must_use]
    pub fn of(snapshot: &'a Snapshot) -> Self {
        Self { user: &snapshot.user, installation: snapshot.opensc.first(), configs: &snapshot.configs }
    }

    /// The installed version, if it is known.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.installation?.version.as_deref()?.parse().ok()
    }

    /// Which file OpenSC opens here.
    #[must_use]
    pub fn source(&self) -> Source {
        match (self.user.env.get("OPENSC_CONF"), self.installation.and_then(|i| i.config_path.as_ref())) {
            (Some(path), _) => Source::Environment(path.clone()),
            (None, Some(path)) => Source::Compiled(path.clone()),
            (None, None) => Source::Unknown,
        }
    }

    pub(super) fn defaults(&self, file: FileUse, version: Version, driver: &str) -> Outcome {
        Outcome::Runs(Box::new(Effective {
            file,
            block: None,
            caching: caching_of(version, None, driver),
            use_file_caching: None,
            file_cache_dir: None,
            cache_dir: cache_dir::cache_dir(version, &self.user.env, None),
            shadowed: Vec::new(),
            may_crash: None,
        }))
    }

    pub(super) fn unknown(&self, why: String) -> Outcome {
        Outcome::Runs(Box::new(Effective {
            file: FileUse::Unknown(why.clone()),
            block: None,
            caching: Caching::Undecided(why.clone()),
            use_file_caching: None,
            file_cache_dir: None,
            cache_dir: CacheLocation::Undecided(why),
            shadowed: Vec::new(),
            may_crash: None,
        }))
    }

    /// What two possible cases have in common.
    pub(super) fn join(&self, one: Outcome, other: Outcome) -> Outcome {
        let why = "it depends on the OpenSC version or the card's driver, which are not known";
        match (one, other) {
            (one, other) if one == other => one,
            (Outcome::Runs(mut one), Outcome::Runs(other)) if one.file == other.file => {
                if one.caching != other.caching {
                    one.caching = Caching::Undecided(why.into());
                }
                if one.cache_dir != other.cache_dir {
                    one.cache_dir = CacheLocation::Undecided(why.into());
                }
                Outcome::Runs(one)
            }
            _ => self.unknown(why.into()),
        }
    }
}

impl Outcome {
    /// The same for a user who differs in nothing but this environment.
    #[must_use]
    pub fn in_environment(&self, version: Option<Version>, env: &BTreeMap<String, ByteString>) -> Self {
        let mut outcome = self.clone();
        if let (Self::Runs(effective), Some(version)) = (&mut outcome, version)
            && matches!(
                effective.cache_dir,
                CacheLocation::At { configured: false, .. } | CacheLocation::Nowhere(_)
            )
        {
            effective.cache_dir = cache_dir::cache_dir(version, env, None);
        }
        outcome
    }
}

/// What a value of `use_file_caching` means (`None`: not set, or set to nothing).
#[must_use]
pub fn caching_of(version: Version, value: Option<&[u8]>, driver: &str) -> Caching {
    match (differences::caching_words(version), value.filter(|value| !is_template(value))) {
        (CachingWords::Bool, Some([b't' | b'T' | b'y' | b'Y', ..])) | (CachingWords::Words, Some(b"yes")) => {
            Caching::All
        }
        (CachingWords::Words, Some(b"public")) => Caching::Public,
        (CachingWords::Words, None) if differences::cached_by_default(version, driver) => Caching::Public,
        _ => Caching::No,
    }
}

/// `@…@` is what a build would have replaced; the readers take it for not set.
pub(super) fn is_template(value: &[u8]) -> bool {
    value.first() == Some(&b'@') && value.last() == Some(&b'@')
}
