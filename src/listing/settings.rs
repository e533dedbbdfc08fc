//! What `config show` shows: for each program the value, its place, what it means in the
//! installed version, the cache directory, and what has no effect.

use serde::Serialize;

use crate::case::config::{Row, row, rows};
use crate::judge::brief::names;
use crate::judge::{config_coverage, judge_config};
use crate::opensc::config::{FileUse, Situation, Source, Written};
use crate::opensc::differences::LISTED_DRIVER;
use crate::opensc::{
    CacheLocation, Caching, Effective, Outcome, Program, Shadowed, Version, WhyShadowed, differences,
};
use crate::snapshot::{ByteString, Snapshot};
use crate::text::escape;
use crate::verdict::{CachingState, ProgramState};

/// Which programs are wanted.
#[derive(Debug, Clone)]
pub enum Wanted<'a> {
    /// All that matter on this host.
    All,
    /// The one that is called this.
    Called(&'a str),
    /// The one with this executable.
    Executable(ByteString),
}

/// Why OpenSC opens its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum FileOrigin {
    /// `OPENSC_CONF` names it.
    Environment,
    /// The library was made for it.
    CompiledIn,
}

/// The configuration and what it means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Settings {
    /// The installed version.
    pub opensc: Option<String>,
    /// Its library.
    #[cfg_attr(feature = "schema", schemars(with = "Option<ByteString>"))]
    pub library: Option<String>,
    /// The file it opens.
    #[cfg_attr(feature = "schema", schemars(with = "Option<ByteString>"))]
    pub file: Option<String>,
    /// Why it opens that one.
    pub file_origin: Option<FileOrigin>,
    /// What became of the file, if not simply read.
    pub file_note: Option<String>,
    /// The drivers whose cards are cached without any setting.
    pub cached_by_default: Vec<&'static str>,
    /// The programs.
    pub programs: Vec<ProgramSettings>,
    /// There is more to be said of the file: something in it is not as it should be, or could not be read.
    #[serde(skip)]
    pub is_questionable: bool,
}

/// What the configuration means for one program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProgramSettings {
    /// What it is called.
    pub name: String,
    /// The name of its `app` block.
    pub app: String,
    /// Its executable, if it is known.
    #[cfg_attr(feature = "schema", schemars(with = "Option<ByteString>"))]
    pub executable: Option<String>,
    /// With a SmartCard-HSM and any other card of a driver outside the default list.
    pub caching: CachingState,
    /// The same with a card of a driver in the default list.
    pub caching_by_default_list: CachingState,
    /// In a few words.
    pub meaning: String,
    /// Where `use_file_caching` is written.
    pub use_file_caching: Option<Place>,
    /// Where `file_cache_dir` is written.
    pub file_cache_dir: Option<Place>,
    /// The `framework pkcs15` block that decides.
    pub block: Option<Block>,
    /// The cache directory, also while caching is off.
    #[cfg_attr(feature = "schema", schemars(with = "Option<ByteString>"))]
    pub cache_dir: Option<String>,
    /// Where that comes from, or why there is none.
    pub cache_dir_note: String,
    /// Cache settings in the file that have no effect on this program.
    pub without_effect: Vec<Ineffective>,
}

/// A setting and its place in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "SettingPlace"))]
pub struct Place {
    /// The value.
    pub value: Option<String>,
    /// Line, from 1.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub line: usize,
    /// Column in bytes, from 1.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub column: usize,
}

/// The block that decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "ConfigBlock"))]
pub struct Block {
    /// The name of its `app` block.
    #[cfg_attr(feature = "schema", schemars(with = "ByteString"))]
    pub app: String,
    /// Line of the `framework pkcs15` block.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub line: usize,
    /// Its column.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub column: usize,
}

/// A setting without effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Ineffective {
    /// The key as written.
    pub key: String,
    /// The value.
    pub value: Option<String>,
    /// Line, from 1.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub line: usize,
    /// Column in bytes, from 1.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub column: usize,
    /// Why.
    pub why: String,
}

/// The settings of a snapshot for the programs that are wanted; `None` for a name under which
/// OpenSC never looks for a block.
#[must_use]
pub fn settings(snapshot: &Snapshot, wanted: &Wanted<'_>) -> Option<Settings> {
    let situation = Situation::of(snapshot);
    let version = situation.version();
    let assumed = version.unwrap_or(differences::HEAD);
    let (path, file_origin) = match situation.source() {
        Source::Environment(path) => (Some(path), Some(FileOrigin::Environment)),
        Source::Compiled(path) => (Some(path), Some(FileOrigin::CompiledIn)),
        Source::Unknown => (None, None),
    };
    let configuration = situation.configuration();
    let rows = match wanted {
        Wanted::All => rows(snapshot, &configuration, assumed),
        Wanted::Called(name) => {
            let name = name.to_ascii_lowercase();
            vec![row(&configuration, Program::called(&name, &snapshot.executables, assumed)?)]
        }
        Wanted::Executable(exe) => vec![row(&configuration, Program::of_executable(exe.clone()))],
    };
    let file_note = rows.iter().find_map(|row| match &row.other {
        Outcome::Runs(effective) => note(&effective.file),
        Outcome::Crashes(_) => None,
    });
    Some(Settings {
        opensc: situation.installation.and_then(|found| found.version.clone()),
        library: situation.installation.map(|found| found.library.to_string()),
        file: path.map(|path| path.to_string()),
        file_origin,
        file_note,
        cached_by_default: version.map(differences::drivers_cached_by_default).unwrap_or_default(),
        programs: rows.iter().map(|row| program(row, version)).collect(),
        is_questionable: !judge_config(snapshot).is_empty()
            || config_coverage(snapshot, false).iter().any(|gap| gap.asked_for),
    })
}

impl Settings {
    /// The same in the words of every other command.
    #[must_use]
    pub fn states(&self) -> Vec<ProgramState> {
        let state = |program: &ProgramSettings| ProgramState {
            name: program.name.clone(),
            caching: program.caching,
            caching_text: program.meaning.clone(),
            set_at: None,
            cache_dir: program.cache_dir.clone().filter(|_| program.caching != CachingState::No),
            opensc: self.opensc.clone(),
        };
        self.programs.iter().map(state).collect()
    }

    /// What it comes to, in a sentence: the worst first.
    #[must_use]
    pub fn summary(&self) -> String {
        let file = self.file.as_deref().unwrap_or("a configuration that is not known");
        let who = |is: &dyn Fn(&ProgramSettings) -> bool| {
            let named: Vec<String> =
                self.programs.iter().filter(|one| is(one)).map(|one| one.name.clone()).collect();
            let all = named.len() == self.programs.len() && named.len() > 1;
            (!named.is_empty()).then(|| if all { "every program".to_owned() } else { names(&named) })
        };
        let place = || {
            let on = self.programs.iter().filter(|one| one.caching.is_on());
            let set = on.filter_map(|one| one.use_file_caching.as_ref()).next();
            set.map_or_else(|| " by default".to_owned(), |at| format!(" ({file}:{}:{})", at.line, at.column))
        };
        let state =
            |one: &ProgramSettings, state| one.caching == state || one.caching_by_default_list == state;
        if let Some(who) = who(&|one| state(one, CachingState::Crashes)) {
            return format!("OpenSC dies of {file}: {who}.");
        }
        if let Some(who) = who(&|one| state(one, CachingState::Undecided)) {
            return format!("Whether OpenSC caches cannot be told for {who}.");
        }
        if let Some(who) = who(&|one| one.caching.is_on()) {
            return format!("File caching is on for {who}{}.", place());
        }
        if let Some(who) = who(&|one| one.caching_by_default_list.is_on()) {
            return format!(
                "File caching is on by default for cards of some drivers, and off for all others: {who}."
            );
        }
        who(&|_| true).map_or_else(
            || "No program of OpenSC was found.".to_owned(),
            |who| format!("File caching is off for {who}."),
        )
    }

    /// The same, with what comes of it where caching is on: no mistake in the file, but it is what goes wrong one day.
    #[must_use]
    pub fn warning(&self) -> String {
        let is_on = |one: &ProgramSettings| one.caching.is_on() || one.caching_by_default_list.is_on();
        let comes = if self.programs.iter().any(is_on) {
            " That is no mistake, but with a card that never signals a change the next one would not show."
        } else {
            ""
        };
        self.summary() + comes
    }

    /// Can it be told what holds for every program?
    #[must_use]
    pub fn is_decided(&self) -> bool {
        self.programs.iter().all(|program| {
            ![program.caching, program.caching_by_default_list].contains(&CachingState::Undecided)
        })
    }
}

fn note(file: &FileUse) -> Option<String> {
    match file {
        FileUse::Read(_) => None,
        FileUse::Missing(_) => Some("there is no such file: the built-in defaults hold".to_owned()),
        FileUse::Dropped(_, error) => {
            Some(format!("OpenSC cannot parse it at {error}, drops it whole, and the built-in defaults hold"))
        }
        FileUse::Unknown(why) => Some(why.clone()),
    }
}

fn program(row: &Row, version: Option<Version>) -> ProgramSettings {
    let name = row.program.label.clone();
    let app = row.program.app_name.clone();
    let executable = row.program.exe.as_ref().map(ToString::to_string);
    let (other, listed) = match (&row.other, &row.listed) {
        (Outcome::Runs(other), Outcome::Runs(listed)) => (other, listed),
        (Outcome::Crashes(crash), _) | (_, Outcome::Crashes(crash)) => {
            return ProgramSettings {
                name,
                app,
                executable,
                caching: CachingState::Crashes,
                caching_by_default_list: CachingState::Crashes,
                meaning: format!("dies {} of line {}", crash.when, crash.at),
                use_file_caching: None,
                file_cache_dir: None,
                block: None,
                cache_dir: None,
                cache_dir_note: "OpenSC does not get that far".to_owned(),
                without_effect: Vec::new(),
            };
        }
    };
    let (cache_dir, cache_dir_note) = directory(other);
    ProgramSettings {
        name,
        app,
        executable,
        caching: state(&other.caching),
        caching_by_default_list: state(&listed.caching),
        meaning: meaning(other, listed, version),
        use_file_caching: other.use_file_caching.as_ref().map(place),
        file_cache_dir: other.file_cache_dir.as_ref().map(place),
        block: other.block.as_ref().map(|winner| Block {
            app: winner.app.to_string(),
            line: winner.at.position.line,
            column: winner.at.position.column,
        }),
        cache_dir,
        cache_dir_note,
        without_effect: other.shadowed.iter().map(ineffective).collect(),
    }
}

const fn state(caching: &Caching) -> CachingState {
    match caching {
        Caching::No => CachingState::No,
        Caching::Public => CachingState::Public,
        Caching::All => CachingState::Yes,
        Caching::Undecided(_) => CachingState::Undecided,
    }
}

fn meaning(other: &Effective, listed: &Effective, version: Option<Version>) -> String {
    let default = match &other.use_file_caching {
        Some(Written { value: Some(_), .. }) => "",
        _ => "default: ",
    };
    let text = match (&other.caching, &listed.caching) {
        (Caching::No, Caching::Public) => {
            let count = version.map_or(0, |version| differences::drivers_cached_by_default(version).len());
            format!("off; on (public) for {count} drivers, {LISTED_DRIVER} for one")
        }
        (Caching::No, _) => "off".to_owned(),
        (Caching::Public, _) => "on, private objects excepted".to_owned(),
        (Caching::All, _) => "on, private objects included".to_owned(),
        (Caching::Undecided(why), _) => format!("undecided: {why}"),
    };
    format!("{default}{text}")
}

fn directory(effective: &Effective) -> (Option<String>, String) {
    match &effective.cache_dir {
        CacheLocation::At { path, relative: true, .. } => {
            (Some(path.to_string()), "relative: in the folder a program was started from".to_owned())
        }
        CacheLocation::At { path, configured: true, .. } => {
            (Some(path.to_string()), "set by file_cache_dir".to_owned())
        }
        CacheLocation::At { path, .. } => (Some(path.to_string()), "default for this user".to_owned()),
        CacheLocation::Nowhere(why) => (None, format!("none: {why}")),
        CacheLocation::Undecided(why) => (None, format!("undecided: {why}")),
    }
}

fn place(written: &Written) -> Place {
    Place {
        value: written.value.as_ref().map(|value| escape(&value.0)),
        line: written.at.position.line,
        column: written.at.position.column,
    }
}

fn ineffective(shadowed: &Shadowed) -> Ineffective {
    Ineffective {
        key: escape(&shadowed.key.0),
        value: shadowed.value.as_ref().map(|value| escape(&value.0)),
        line: shadowed.at.position.line,
        column: shadowed.at.position.column,
        why: match shadowed.why {
            WhyShadowed::LaterDuplicate => "the block sets the same key before".to_owned(),
            WhyShadowed::OtherFramework(at) => format!("the framework pkcs15 block at {at} wins whole"),
            WhyShadowed::DuplicateApp(at) => format!("the app block of the same name at {at} counts"),
            WhyShadowed::SecondName => "only the first name of a block counts".to_owned(),
            WhyShadowed::OutsideFramework => "outside framework pkcs15".to_owned(),
            WhyShadowed::OutsideApp => "outside an app block".to_owned(),
            WhyShadowed::NotAnAssignment => "no = of its own: blanks are missing".to_owned(),
        },
    }
}
