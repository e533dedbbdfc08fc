//! What is the same for all asks of one observation: OpenSC's tools, its configuration, the other readers; and which
//! programs read which cache, so that each is asked once for all whose settings are the same.

use std::path::{Path, PathBuf};

use super::trust;
use crate::opensc::config::{Situation, Source};
use crate::opensc::differences::{self, CachingWords, EITHER_DRIVER};
use crate::opensc::program::{PKCS11_TOOL, PKCS15_TOOL};
use crate::opensc::{Caching, Outcome, Program, Version};
use crate::repair::config::{Goal, Wanted, asked};
use crate::scconf::{self, Body, Word};
use crate::snapshot::{
    Ask, AskEnd, AskKind, AskTool, ByteString, Bytes, CacheDir, CacheOrigin, ConfigState, Snapshot,
};

/// The name of the program that lists.
pub(super) const fn tool_name(tool: AskTool) -> &'static str {
    match tool {
        AskTool::Pkcs15 => PKCS15_TOOL,
        AskTool::Pkcs11 => PKCS11_TOOL,
    }
}

/// What it is told.
pub(super) const fn arguments(tool: AskTool) -> &'static [&'static str] {
    match tool {
        AskTool::Pkcs15 => &["-D"],
        AskTool::Pkcs11 => &["-O"],
    }
}

/// Who is asked about a cache, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Speaker {
    pub(super) tool: AskTool,
    pub(super) programs: Vec<String>,
    /// Is everything cached, whatever the card?
    pub(super) caches_all: bool,
    /// Does the tool only stand for a program whose settings are not its own?
    pub(super) stands_in: bool,
    /// Is anything cached of some card?
    pub(super) may_cache: bool,
}

/// See above.
pub(super) struct Setting {
    path: ByteString,
    text: Result<Option<Vec<u8>>, String>,
    version: Option<Version>,
    opensc: Option<String>,
    readers: Vec<String>,
    tools: [Option<PathBuf>; 2],
}

impl Setting {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let situation = Situation::of(snapshot);
        let path = match situation.source() {
            Source::Environment(path) | Source::Compiled(path) => path,
            Source::Unknown => ByteString::from("opensc.conf"),
        };
        let found = snapshot.configs.iter().find(|config| config.path == path).map(|config| &config.state);
        let text = match found {
            Some(ConfigState::Text(text)) => is_safe(&path)
                .and_then(|()| are_safe(&text.0, situation.version()))
                .map(|()| Some(text.0.clone())),
            Some(ConfigState::Missing) | None => Ok(None),
            Some(ConfigState::Unreadable(why)) => Err(format!("{path}: {why}")),
        };
        let tool =
            |tool: AskTool| snapshot.executables.get(tool_name(tool)).map(|path| path.as_path().to_owned());
        Self {
            path,
            text,
            version: situation.version(),
            opensc: snapshot.opensc.first().and_then(|opensc| opensc.version.clone()),
            readers: snapshot.readers.iter().map(|reader| reader.name.clone()).collect(),
            tools: [tool(AskTool::Pkcs15), tool(AskTool::Pkcs11)],
        }
    }

    /// Where a tool is.
    pub(super) fn path(&self, tool: AskTool) -> Result<&Path, String> {
        let [pkcs15, pkcs11] = &self.tools;
        let path = match tool {
            AskTool::Pkcs15 => pkcs15,
            AskTool::Pkcs11 => pkcs11,
        };
        path.as_deref().ok_or_else(|| {
            format!("{} was not found where programs usually are (package opensc)", tool_name(tool))
        })
    }

    /// How a tool is to cache that lists for these programs: as it is configured, or as they are.
    pub(super) fn goal(&self, speaker: &Speaker) -> Option<Goal> {
        let is_all = speaker.caches_all || !self.knows_public();
        speaker.stands_in.then_some(if is_all { Goal::Yes } else { Goal::Public })
    }

    /// Does OpenSC know of caching what is public alone?
    pub(super) fn knows_public(&self) -> bool {
        let version = self.version.unwrap_or(differences::HEAD);
        matches!(differences::caching_words(version), CachingWords::Words)
    }

    /// Does a setting make OpenSC forget PINs, for any program?
    pub(super) fn forgets_pins(&self) -> bool {
        fn is_off(body: &Body) -> bool {
            let keys = ["use_pin_caching", "cache_pins"];
            let is_no = |word: &Word| matches!(word.value.first(), Some(b'n' | b'N' | b'f' | b'F' | b'0'));
            body.assignments()
                .any(|one| keys.iter().any(|key| one.key.is(key)) && one.values.iter().any(is_no))
                || body.all_blocks().any(|block| is_off(&block.body))
        }
        let Ok(text) = &self.text else { return true };
        let version = self.version.unwrap_or(differences::HEAD);
        text.as_ref().is_some_and(|text| {
            scconf::parse(text, differences::dialect(version))
                .map_or(true, |document| is_off(document.root()))
        })
    }

    /// The private configuration of one ask.
    pub(super) fn configuration(
        &self,
        cache: &Path,
        reader: &str,
        caching: Option<Goal>,
    ) -> Result<Vec<u8>, String> {
        let text = self.text.as_ref().map_err(Clone::clone)?;
        let wanted = Wanted { caching, cache, reader, others: &self.readers };
        asked(&self.path, text.as_deref(), self.version, &wanted).map_err(|error| error.to_string())
    }

    /// The same for a program that talks to the cards in all readers, as it is configured.
    pub(super) fn configuration_of_all(&self, cache: &Path) -> Result<Vec<u8>, String> {
        let text = self.text.as_ref().map_err(Clone::clone)?;
        let wanted = Wanted { caching: None, cache, reader: "", others: &[] };
        asked(&self.path, text.as_deref(), self.version, &wanted).map_err(|error| error.to_string())
    }

    #[allow(clippy::too_many_arguments, reason = "the members of an ask")]
    pub(super) fn ask(
        &self,
        reader: &str,
        atr: &Bytes,
        kind: AskKind,
        tool: AskTool,
        programs: Vec<String>,
        directory: Option<&ByteString>,
        ended: AskEnd,
    ) -> Ask {
        Ask {
            reader: reader.to_owned(),
            atr: atr.clone(),
            kind,
            tool,
            programs,
            opensc: self.opensc.clone(),
            directory: directory.cloned(),
            ended,
            beside: false,
            blocks: Vec::new(),
            cached: false,
            read: Vec::new(),
            files: Vec::new(),
            settled: None,
            ripening: None,
            later: Vec::new(),
        }
    }
}

/// As root no configuration is followed that somebody else can change: it may name libraries to be loaded.
fn is_safe(path: &ByteString) -> Result<(), String> {
    // What is not there is not loaded.
    if !trust::is_root() || !path.as_path().exists() {
        return Ok(());
    }
    let refused =
        |place| format!("{place} can be changed by others than root, so root's OpenSC is not asked under it");
    trust::roots(path.as_path()).map(|_| ()).map_err(refused)
}

/// The same of the libraries that it names: drivers and emulations from elsewhere (`module = /path/to/library;`).
fn are_safe(text: &[u8], version: Option<Version>) -> Result<(), String> {
    fn named(body: &Body) -> Vec<ByteString> {
        let own = body.assignments().filter(|one| one.key.is("module")).flat_map(|one| &one.values);
        let own = own.map(|word| ByteString(word.value.clone()));
        own.chain(body.all_blocks().flat_map(|block| named(&block.body))).collect()
    }
    let version = version.unwrap_or(differences::HEAD);
    // What does not parse OpenSC does not follow.
    let Ok(document) = scconf::parse(text, differences::dialect(version)) else { return Ok(()) };
    let mut libraries = named(document.root()).into_iter().filter(|name| name.0.contains(&b'/'));
    libraries.try_for_each(|library| is_safe(&library))
}

/// Who reads this directory as this user, each with those whose settings are the same. None does: its entries are dormant.
pub(super) fn speakers(snapshot: &Snapshot, dir: &CacheDir) -> Vec<Speaker> {
    let situation = Situation::of(snapshot);
    let version = situation.version();
    let configuration = situation.configuration();
    let of = |program: &Program| -> Option<[Caching; 2]> {
        let mut reads = false;
        let caching = EITHER_DRIVER.map(|driver| {
            let outcome = configuration.outcome(program, Some(driver));
            match outcome.in_environment(version, &snapshot.user.env) {
                Outcome::Runs(effective) => {
                    // A directory that was named is asked about as if it were the program's own.
                    reads |=
                        effective.cache_dir.path() == Some(&dir.path) || dir.origin == CacheOrigin::Named;
                    effective.caching.clone()
                }
                Outcome::Crashes(crash) => Caching::Undecided(crash.to_string()),
            }
        });
        reads.then_some(caching)
    };
    let usual = Program::judged(&snapshot.executables);
    let [first, second] = &usual;
    let speaker = |tool, programs: &[&Program], caching: &[Caching]| Speaker {
        stands_in: programs.iter().all(|program| !usual.contains(program)),
        tool,
        programs: programs.iter().map(|program| program.label.clone()).collect(),
        caches_all: caching.iter().all(|caching| *caching == Caching::All),
        may_cache: caching.iter().any(|caching| *caching != Caching::No),
    };
    let mut speakers: Vec<Speaker> = match (of(first), of(second)) {
        (Some(one), Some(other)) if one == other => vec![speaker(AskTool::Pkcs15, &[first, second], &one)],
        (one, other) => {
            let one = one.map(|caching| speaker(AskTool::Pkcs15, &[first], &caching));
            let other = other.map(|caching| speaker(AskTool::Pkcs11, &[second], &caching));
            one.into_iter().chain(other).collect()
        }
    };
    // Whoever has settings of its own reads files as the tools do: one of them speaks for it.
    let (all, _) = configuration.judged(&snapshot.executables, &snapshot.user.env, &EITHER_DRIVER);
    for program in all.iter().filter(|program| !usual.contains(program)) {
        let tool = if program.is_module() { AskTool::Pkcs11 } else { AskTool::Pkcs15 };
        speakers.extend(of(program).map(|caching| speaker(tool, &[program], &caching)));
    }
    speakers
}

/// Do applications of OpenSC's module read this directory?
pub(super) fn reads_as_module(snapshot: &Snapshot, dir: &CacheDir) -> bool {
    let is_usual = |speaker: &&Speaker| !speaker.stands_in;
    let is_module = |speaker: &Speaker| speaker.tool == AskTool::Pkcs11 || speaker.programs.len() > 1;
    speakers(snapshot, dir).iter().filter(is_usual).any(is_module)
}
