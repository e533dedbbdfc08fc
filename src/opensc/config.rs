//! The configuration file that OpenSC opens, to be asked what it means for one program.
//!
//! OpenSC reads one file (`OPENSC_CONF`, even if that is empty or wrong, else the path
//! compiled in), takes the first `app` block of each of the program's names, and of
//! those the first that holds a `framework pkcs15` block wins whole (`ctx.c`,
//! `card.c`, `pkcs15.c`). A file it cannot parse is dropped whole. Pure.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use super::differences::{self, EITHER_DRIVER, UP_TO_HEAD};
pub use super::effective::{
    Caching, Effective, FileUse, Outcome, Situation, Source, Winner, Written, caching_of,
};
use super::program::that_matter;
use super::reading::Reading;
use super::unread::{self, Unread};
use super::{Program, Version};
use crate::scconf::{self, Body, Dialect, Document, ParseError, Why};
use crate::snapshot::{ByteString, ConfigFile, ConfigState};

/// Programs with settings of their own that are judged beside the usual ones: more than anybody has.
const MOST_OTHERS: usize = 8;

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
    Text(ByteString, &'a [u8]),
    /// Nothing.
    Missing(ByteString),
    /// It cannot be told, and why.
    Unknown(String),
}

impl<'a> Situation<'a> {
    /// The file that OpenSC opens here, to be asked about several programs.
    #[must_use]
    pub fn configuration(&self) -> Configuration<'a> {
        Configuration { situation: *self, file: self.find(), parsed: Default::default() }
    }

    /// What the configuration means for one program. Who asks for several parses it once: [`Self::configuration`].
    #[must_use]
    pub fn outcome(&self, program: &Program, driver: Option<&str>) -> Outcome {
        self.configuration().outcome(program, driver)
    }

    /// The file that OpenSC opens here as it was seen; none where it is not known which one that is.
    #[must_use]
    pub fn file(&self) -> Option<&'a ConfigFile> {
        let path = match self.source() {
            Source::Environment(path) | Source::Compiled(path) => path,
            Source::Unknown => return None,
        };
        self.configs.iter().find(|config| config.path == path)
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
}

impl<'a> Configuration<'a> {
    /// What the configuration means for `program` and a card of `driver` (OpenSC's short
    /// name of it, `sc-hsm`; `None`: any card).
    #[must_use]
    pub fn outcome(&self, program: &Program, driver: Option<&str>) -> Outcome {
        let situation = &self.situation;
        let versions: Vec<Version> =
            situation.version().map_or_else(|| UP_TO_HEAD.map(Version::of).collect(), |known| vec![known]);
        let drivers = driver.map_or(EITHER_DRIVER.to_vec(), |known| vec![known]);
        let mut outcomes = versions.iter().flat_map(|&version| {
            drivers.iter().map(move |driver| self.outcome_with(program, version, driver))
        });
        let first = outcomes.next().unwrap_or_else(|| situation.unknown("there is no version to ask".into()));
        outcomes.fold(first, |one, other| situation.join(one, other))
    }

    /// The programs whose views of cards of these drivers are judged: [`Program::judged`], and those with settings of their
    /// own by which they cache where these do not read; and how many of the latter are not, being too many. `env` is that
    /// of the user.
    #[must_use]
    pub fn judged(
        &self,
        executables: &BTreeMap<String, ByteString>,
        env: &BTreeMap<String, ByteString>,
        drivers: &[&str],
    ) -> (Vec<Program>, usize) {
        let version = self.situation.version();
        let places = |program: &Program| -> BTreeSet<(&str, ByteString)> {
            let place = |driver: &&'_ str| {
                let outcome = self.outcome(program, Some(driver)).in_environment(version, env);
                let Outcome::Runs(effective) = outcome else { return None };
                // Whether it caches may be undecided.
                let may_cache = effective.caching != Caching::No;
                effective.cache_dir.path().filter(|_| may_cache).cloned()
            };
            drivers.iter().filter_map(|driver| Some((*driver, place(driver)?))).collect()
        };
        let mut judged = Program::judged(executables).to_vec();
        let head = version.unwrap_or(differences::HEAD);
        let document = self.parsed(head).and_then(|parsed| parsed.as_ref().ok());
        let mut blocks = document.map(Document::root).into_iter().flat_map(Body::all_blocks);
        // Nobody has settings of its own, as almost everywhere.
        if !blocks.any(|block| block.key.is("app") && !block.name().eq_ignore_ascii_case(b"default")) {
            return (judged, 0);
        }
        let known: BTreeSet<(&str, ByteString)> = judged.iter().flat_map(places).collect();
        let others = that_matter(executables, head, document).into_iter().filter(Program::reads_pkcs15);
        let reads_alone = |program: &Program| places(program).iter().any(|place| !known.contains(place));
        let mut others = others.filter(reads_alone);
        judged.extend(others.by_ref().take(MOST_OTHERS));
        (judged, others.count())
    }

    /// What decides which file that is.
    pub(super) const fn situation(&self) -> &Situation<'a> {
        &self.situation
    }

    /// The file and its text, if there is one and it could be read.
    #[must_use]
    pub const fn text(&self) -> Option<(&ByteString, &'a [u8])> {
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

    /// What no program reads of the file, besides the cache settings; nothing of a file that is not parsed.
    #[must_use]
    pub fn unread(&self, version: Version) -> Vec<Unread> {
        match self.parsed(version) {
            Some(Ok(document)) => unread::unread(document, version),
            Some(Err(_)) | None => Vec::new(),
        }
    }

    /// What of that has no effect on this program only. What kills it is told elsewhere.
    #[must_use]
    pub fn unread_by(&self, program: &Program, version: Version) -> Vec<Unread> {
        let (Some((path, _)), Some(Ok(document))) = (self.text(), self.parsed(version)) else {
            return Vec::new();
        };
        let reading = Reading { situation: &self.situation, document, path, version };
        reading.unread(program).unwrap_or_default()
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
