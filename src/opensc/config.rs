//! What the configuration means for one program: whether the cache is on, and where.
//!
//! OpenSC reads one file (`OPENSC_CONF`, even if that is empty or wrong, else the path
//! compiled in), takes the first `app` block of each of the program's names, and of
//! those the first that holds a `framework pkcs15` block wins whole (`ctx.c`,
//! `card.c`, `pkcs15.c`). A file it cannot parse is dropped whole. Pure.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use super::crash::Crash;
use super::differences::{self, CachingWords};
use super::reading::Reading;
use super::shadowed::Shadowed;
use super::{CacheLocation, Program, Version, cache_dir};
use crate::scconf::{self, Dialect, Document, ParseError, Position, Why};
use crate::snapshot::{ConfigFile, ConfigState, Installation, Name, Snapshot, User};

/// Releases that stand for all when the installed version is unknown.
pub const RELEASES: std::ops::RangeInclusive<u16> = 19..=28;
/// A driver of the default list and one that never was in it, for an unknown card.
const ANY_DRIVER: [&str; 2] = ["cac", "sc-hsm"];

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
    Read(Name),
    /// There is none: the built-in defaults hold.
    Missing(Name),
    /// OpenSC cannot parse it and drops it whole: the built-in defaults hold.
    Dropped(Name, ParseError),
    /// It cannot be told what OpenSC finds, and why.
    Unknown(String),
}

/// The block that decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Winner {
    /// The name of its `app` block.
    pub app: Name,
    /// Where that begins.
    pub app_at: Position,
    /// Where the `framework pkcs15` block begins.
    pub at: Position,
}

/// A setting and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The first value; none for `key = ;`, which counts as not set.
    pub value: Option<Name>,
    /// Place of the value, or of the key where there is none.
    pub at: Position,
}

/// Which file OpenSC opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The one `OPENSC_CONF` names.
    Environment(Name),
    /// The one compiled in.
    Compiled(Name),
    /// No OpenSC was found, or not its path.
    Unknown,
}

/// The file that OpenSC opens, parsed once for each of its parsers, however many programs are asked about.
#[derive(Debug)]
pub struct Configuration<'a> {
    situation: Situation<'a>,
    file: Found<'a>,
    /// What the parsers up to 0.22 and from 0.23 make of it.
    parsed: [OnceCell<Result<Document, ParseError>>; 2],
}

/// What stands where OpenSC opens its file.
#[derive(Debug)]
enum Found<'a> {
    /// A text.
    Text(Name, &'a [u8]),
    /// Nothing.
    Missing(Name),
    /// It cannot be told, and why.
    Unknown(String),
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

    /// The file that OpenSC opens here, to be asked about several programs.
    #[must_use]
    pub fn configuration(&self) -> Configuration<'a> {
        Configuration { situation: *self, file: self.find(), parsed: Default::default() }
    }

    /// What the configuration means for one program; see [`Configuration::outcome`].
    #[must_use]
    pub fn outcome(&self, program: &Program, driver: Option<&str>) -> Outcome {
        self.configuration().outcome(program, driver)
    }

    fn find(&self) -> Found<'a> {
        let path = match self.source() {
            Source::Environment(path) | Source::Compiled(path) => path,
            Source::Unknown => {
                let why = "no OpenSC library with a configuration path was found; name one with OPENSC_CONF";
                return Found::Unknown(why.into());
            }
        };
        match self.configs.iter().find(|config| config.path == path).map(|config| &config.state) {
            Some(ConfigState::Text(text)) => Found::Text(path, text.as_slice()),
            Some(ConfigState::Missing) => Found::Missing(path),
            None if path.0.is_empty() => Found::Missing(path),
            Some(ConfigState::Unreadable(why)) => Found::Unknown(format!("{path}: {why}")),
            None => Found::Unknown(format!("{path} was not looked at")),
        }
    }

    fn defaults(&self, file: FileUse, version: Version, driver: &str) -> Outcome {
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
    fn join(&self, one: Outcome, other: Outcome) -> Outcome {
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
    pub fn in_environment(&self, version: Option<Version>, env: &BTreeMap<String, Name>) -> Self {
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

impl<'a> Configuration<'a> {
    /// What the configuration means for `program` and a card of `driver` (OpenSC's short
    /// name of it, `sc-hsm`; `None`: any card).
    #[must_use]
    pub fn outcome(&self, program: &Program, driver: Option<&str>) -> Outcome {
        let situation = &self.situation;
        let versions: Vec<Version> =
            situation.version().map_or_else(|| RELEASES.map(Version::of).collect(), |known| vec![known]);
        let drivers = driver.map_or(ANY_DRIVER.to_vec(), |known| vec![known]);
        let mut outcomes = versions.iter().flat_map(|&version| {
            drivers.iter().map(move |driver| self.outcome_with(program, version, driver))
        });
        let first = outcomes.next().unwrap_or_else(|| situation.unknown("there is no version to ask".into()));
        outcomes.fold(first, |one, other| situation.join(one, other))
    }

    /// What decides which file that is.
    pub(super) const fn situation(&self) -> &Situation<'a> {
        &self.situation
    }

    /// The file and its text, if there is one and it could be read.
    #[must_use]
    pub const fn text(&self) -> Option<(&Name, &'a [u8])> {
        match &self.file {
            Found::Text(path, text) => Some((path, *text)),
            Found::Missing(_) | Found::Unknown(_) => None,
        }
    }

    /// The text as a version parses it, if there is one and it could be read.
    #[must_use]
    pub fn parsed(&self, version: Version) -> Option<&Result<Document, ParseError>> {
        let Found::Text(_, text) = &self.file else { return None };
        let dialect = differences::dialect(version);
        let [until_022, since_023] = &self.parsed;
        let cell = match dialect {
            Dialect::Until022 => until_022,
            Dialect::Since023 => since_023,
        };
        Some(cell.get_or_init(|| scconf::parse(text, dialect)))
    }

    fn outcome_with(&self, program: &Program, version: Version, driver: &str) -> Outcome {
        let situation = &self.situation;
        let (path, parsed) = match (&self.file, self.parsed(version)) {
            (Found::Text(path, _), Some(parsed)) => (path, parsed),
            (Found::Text(path, _) | Found::Missing(path), _) => {
                return situation.defaults(FileUse::Missing(path.clone()), version, driver);
            }
            (Found::Unknown(why), _) => return situation.unknown(why.clone()),
        };
        match parsed {
            Ok(document) => Reading { situation, document, path, version }.outcome(program, driver),
            Err(error) if matches!(error.why, Why::Undefined(_)) => {
                situation.unknown(format!("{path}:{error}"))
            }
            Err(error) => situation.defaults(FileUse::Dropped(path.clone(), error.clone()), version, driver),
        }
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
