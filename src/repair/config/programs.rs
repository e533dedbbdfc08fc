//! The programs an edit concerns, and what a text means to them.
//!
//! Which values are effective is asked of [`Situation`], as everywhere; here only
//! the host around it is made up: one file, one version after the other.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Goal, Refusal, Request, Scope};
use crate::opensc::config::Configuration;
use crate::opensc::differences::{EITHER_DRIVER, RELEASES};
use crate::opensc::program::{PKCS11, PKCS15_TOOL};
use crate::opensc::{Caching, Effective, Outcome, Program, Situation, Version, differences};
use crate::scconf::{self, Block, Body, Document, Statement};
use crate::snapshot::{ByteString, ConfigFile, ConfigState, Installation, User};
use crate::text::escape;

/// An executable that no block can be named after: words hold no NUL.
const NO_BLOCK: &[u8] = b"\0";
/// What an edit does to one program, in the installed OpenSC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Effect {
    /// The program.
    pub program: String,
    /// The cache before.
    pub before: String,
    /// The cache after.
    pub after: String,
}

/// All releases an edit is made for, the installed one in the place of its series. What is only in the development head is
/// nothing that somebody is promised something about.
#[must_use]
pub fn releases(installed: Option<Version>) -> Vec<Version> {
    let minor = |version: Version| (version.major, version.minor);
    let others =
        RELEASES.map(Version::of).filter(|v| installed.is_none_or(|known| minor(known) != minor(*v)));
    let mut versions: Vec<Version> = others.chain(installed).collect();
    versions.sort_unstable();
    versions
}

/// The versions in which the edit has to come right.
pub(super) fn required(installed: Option<Version>) -> Vec<Version> {
    installed.map_or_else(|| releases(None), |version| vec![version])
}

/// Whether a block's name is that of an executable.
pub(super) fn is_executable(name: &[u8]) -> bool {
    name.first() == Some(&b'/')
}

/// The names of all `app` blocks that OpenSC can find, in the order of the text.
pub(super) fn block_names(document: &Document) -> Vec<&[u8]> {
    let mut names: Vec<&[u8]> = Vec::new();
    for block in document.root().all_blocks().filter(|block| block.key.is("app")) {
        let name = block.name();
        if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            names.push(name);
        }
    }
    names
}

/// Whether a program of some release looks for the `app` block of this name.
pub(super) fn is_read(name: &[u8]) -> bool {
    let text = String::from_utf8_lossy(name).to_ascii_lowercase();
    let looks = |minor| Program::called(&text, &BTreeMap::new(), Version::of(minor));
    is_executable(name) || RELEASES.filter_map(looks).any(|program| program.app_name == text)
}

/// Whether the `app` block of this name keeps a program that changes cards from caching, as Red Hat's file does: what is
/// done for all programs leaves it as it is.
pub(super) fn is_guard(document: &Document, name: &[u8]) -> bool {
    let program = match std::str::from_utf8(name) {
        Ok(text) if !is_executable(name) => Program::named(&text.to_ascii_lowercase(), None),
        _ => Program::of_executable(ByteString(name.to_vec())),
    };
    let value = first_app(document, name).and_then(framework).and_then(|framework| {
        let setting = framework.body.setting("use_file_caching").ok()??;
        Some(setting.first?.value.clone())
    });
    let off = |value: &[u8]| {
        RELEASES.map(Version::of).all(|version| {
            EITHER_DRIVER
                .iter()
                .all(|driver| crate::opensc::config::caching_of(version, Some(value), driver) == Caching::No)
        })
    };
    program.is_writer() && value.is_some_and(|value| off(&value))
}

/// The programs concerned: those with a block of their own, and one for all that have none.
pub(super) fn concerned(document: &Document, request: &Request<'_>) -> Vec<Program> {
    let guarded = |program: &Program| {
        let names = program.exe.iter().map(|exe| exe.0.as_slice()).chain([program.app_name.as_bytes()]);
        let own = names.into_iter().find(|name| first_app(document, name).and_then(framework).is_some());
        own.is_some_and(|name| is_guard(document, name))
    };
    let all = everybody(document, request.scope);
    let leaves_guards = *request.scope == Scope::All && request.goal != Goal::Off;
    all.into_iter().filter(|program| !leaves_guards || !guarded(program)).collect()
}

/// The same, whatever is to be done.
fn everybody(document: &Document, scope: &Scope) -> Vec<Program> {
    // A block may be called anything.
    let plain = |app: &str| Program {
        label: escape(app.as_bytes()),
        ..Program::named(app, Some(ByteString(NO_BLOCK.to_vec())))
    };
    let names = block_names(document);
    let executables = names
        .iter()
        .filter(|name| is_executable(name))
        .map(|name| Program::of_executable(ByteString(name.to_vec())));
    match scope {
        Scope::Exe(exe) => vec![Program::of_executable(exe.clone())],
        Scope::App(app) => {
            let own = executables.filter(|program| program.app_name.eq_ignore_ascii_case(app));
            std::iter::once(plain(app)).chain(own).collect()
        }
        Scope::All => {
            let mut programs = vec![plain(PKCS15_TOOL), plain(PKCS11)];
            let named = names.iter().filter(|name| !is_executable(name) && is_read(name));
            for name in named.filter_map(|name| std::str::from_utf8(name).ok()) {
                let known = programs.iter().any(|program| program.app_name.eq_ignore_ascii_case(name));
                if !known && !name.eq_ignore_ascii_case("default") {
                    programs.push(plain(name));
                }
            }
            programs.extend(executables);
            let mut others = plain("default");
            others.label = "every other program".to_owned();
            programs.push(others);
            programs
        }
    }
}

/// The `framework pkcs15` that decides for a program, with its `app` block.
pub(super) fn winner<'d>(
    document: &'d Document,
    program: &Program,
    version: Version,
) -> Option<(&'d Block, &'d Block)> {
    let exe = program.exe.as_ref().filter(|_| differences::has_executable_blocks(version));
    let names = exe.map(|exe| exe.0.as_slice()).into_iter().chain([program.app_name.as_bytes(), b"default"]);
    names.into_iter().find_map(|name| {
        let app = first_app(document, name)?;
        Some((app, framework(app)?))
    })
}

/// The first `app` block of this name.
pub(super) fn first_app<'d>(document: &'d Document, name: &[u8]) -> Option<&'d Block> {
    document.root().blocks("app", Some(name)).ok()?.first().copied()
}

/// Its first `framework pkcs15`.
pub(super) fn framework(app: &Block) -> Option<&Block> {
    app.body.blocks("framework", Some(b"pkcs15")).ok()?.first().copied()
}

/// A text as the configuration of an otherwise unknown host.
pub(super) struct Ground<'a> {
    request: &'a Request<'a>,
    user: User,
    configs: [ConfigFile; 1],
    installations: Vec<(Version, Installation)>,
}

impl<'a> Ground<'a> {
    pub(super) fn new(request: &'a Request<'a>, text: Option<&[u8]>) -> Self {
        let state = text.map_or(ConfigState::Missing, |text| ConfigState::Text(text.to_vec().into()));
        let user = User {
            uid: 0,
            name: None,
            env: BTreeMap::from([
                ("HOME".to_owned(), ByteString::from("/")),
                ("OPENSC_CONF".to_owned(), request.path.clone()),
            ]),
        };
        let configs = [ConfigFile::new(request.path.clone(), state)];
        let installed = |version: Version| Installation {
            library: ByteString::default(),
            version: Some(version.to_string()),
            config_path: Some(request.path.clone()),
        };
        let installations = releases(request.installed).into_iter().map(|v| (v, installed(v))).collect();
        Self { request, user, configs, installations }
    }

    /// The text as one of the releases reads it.
    pub(super) fn at(&self, version: Version) -> Configuration<'_> {
        let installation = self.installations.iter().find(|(known, _)| *known == version).map(|(_, i)| i);
        Situation { user: &self.user, installation, configs: &self.configs }.configuration()
    }

    /// What is wrong with a program in a version; `None` if the promise is kept or none was made.
    fn broken(&self, text: &Configuration<'_>, program: &Program, version: Version) -> Option<String> {
        let promised = self.request.goal.promised(version)?;
        if matches!(self.request.scope, Scope::Exe(_)) && !differences::has_executable_blocks(version) {
            return None;
        }
        outcomes(text, program).into_iter().find_map(|outcome| match outcome {
            Outcome::Crashes(crash) => Some(crash.to_string()),
            Outcome::Runs(effective) => wrong(&effective, &promised),
        })
    }
}

/// What becomes of a program, with a card of either kind.
pub(super) fn outcomes(text: &Configuration<'_>, program: &Program) -> [Outcome; 2] {
    EITHER_DRIVER.map(|driver| text.outcome(program, Some(driver)))
}

/// The cache of a program in words.
fn words(text: &Configuration<'_>, program: &Program) -> String {
    let [listed, other] = outcomes(text, program).map(|outcome| match outcome {
        Outcome::Runs(effective) => caching_words(&effective.caching).to_owned(),
        Outcome::Crashes(crash) => crash.to_string(),
    });
    if listed == other { other } else { format!("{other}; {listed} for drivers of OpenSC's own list") }
}

fn wrong(effective: &Effective, promised: &Caching) -> Option<String> {
    match &effective.caching {
        caching if caching == promised => None,
        Caching::Undecided(why) => Some(why.clone()),
        caching => Some(format!("the cache is {}", caching_words(caching))),
    }
}

fn caching_words(caching: &Caching) -> &str {
    match caching {
        Caching::No => "off",
        Caching::Public => "on (public)",
        Caching::All => "on (yes)",
        Caching::Undecided(why) => why,
    }
}

/// Whether the new text does what was asked for, and nothing else, in every required version.
///
/// # Errors
/// [`Refusal::NotReached`] with what is wrong.
pub fn check(request: &Request<'_>, old: Option<&[u8]>, new: &[u8]) -> Result<(), Refusal> {
    let ground = Ground::new(request, Some(new));
    for version in required(request.installed) {
        let not_reached = |program: &str, what: String| Refusal::NotReached {
            path: request.path.clone(),
            program: program.to_owned(),
            version,
            what,
        };
        let before = scconf::parse(old.unwrap_or_default(), differences::dialect(version));
        let reading = ground.at(version);
        let (Ok(before), Some(Ok(after))) = (before, reading.parsed(version)) else {
            return Err(not_reached("every program", "the file cannot be parsed".to_owned()));
        };
        // Those that were meant keep their other settings, and those that were not keep all. A block
        // `default` is shared by definition.
        let meant = concerned(after, request);
        let shared = matches!(request.scope, Scope::App(app) if app.eq_ignore_ascii_case("default"));
        for program in &meant {
            if let Some(what) = ground.broken(&reading, program, version) {
                return Err(not_reached(&program.label, what));
            }
        }
        for program in everybody(after, &Scope::All).iter().chain(&meant) {
            let is_meant = meant
                .iter()
                .any(|m| m.app_name.eq_ignore_ascii_case(&program.app_name) && m.exe == program.exe);
            let keeps_all = !is_meant && !shared;
            let kept = |document| {
                winner(document, program, version)
                    .map_or_else(Vec::new, |(_, f)| settings(&f.body, keeps_all))
            };
            if kept(&before) != kept(after) {
                return Err(not_reached(&program.label, "other settings would change".to_owned()));
            }
        }
    }
    Ok(())
}

/// The releases where the promise cannot be kept, with one program that shows it.
pub(super) fn exceptions(request: &Request<'_>, document: &Document, new: &[u8]) -> Option<super::Note> {
    let ground = Ground::new(request, Some(new));
    let programs = concerned(document, request);
    let broken: Vec<(Version, String, String)> = releases(request.installed)
        .into_iter()
        .filter_map(|version| {
            let text = ground.at(version);
            programs.iter().find_map(|p| Some((version, p.label.clone(), ground.broken(&text, p, version)?)))
        })
        .collect();
    let (_, program, what) = broken.first()?.clone();
    Some(super::Note::NotIn {
        versions: broken.into_iter().map(|(version, ..)| version).collect(),
        program,
        what,
    })
}

/// The releases for which the edit is made, where it is not made for the installed one.
pub(super) fn only_elsewhere(
    request: &Request<'_>,
    document: &Document,
    old: Option<&[u8]>,
    new: &[u8],
) -> Option<super::Note> {
    let (before, after) = (Ground::new(request, old), Ground::new(request, Some(new)));
    let programs = concerned(document, request);
    let changes = |version| {
        let (before, after) = (before.at(version), after.at(version));
        programs.iter().any(|program| words(&before, program) != words(&after, program))
    };
    let versions: Vec<Version> =
        releases(request.installed).into_iter().filter(|version| changes(*version)).collect();
    let here = request.installed.is_none_or(changes);
    (!here && !versions.is_empty()).then_some(super::Note::OnlyElsewhere(versions))
}

/// What changes for each program concerned.
pub(super) fn effects(
    request: &Request<'_>,
    document: &Document,
    old: Option<&[u8]>,
    new: &[u8],
) -> Vec<Effect> {
    let version = request.installed.unwrap_or(Version::of(*RELEASES.end()));
    let (before, after) = (Ground::new(request, old), Ground::new(request, Some(new)));
    let (before, after) = (before.at(version), after.at(version));
    concerned(document, request)
        .into_iter()
        .map(|program| Effect {
            before: words(&before, &program),
            after: words(&after, &program),
            program: program.label,
        })
        .collect()
}

/// Whether a value means what is wanted in all releases. Also in a block for an executable,
/// although those are new: a few tools have always taken their path for their name.
pub(super) fn is_right(request: &Request<'_>, value: Option<&[u8]>) -> bool {
    releases(request.installed).into_iter().all(|version| {
        request.goal.promised(version).is_none_or(|promised| {
            EITHER_DRIVER
                .iter()
                .all(|driver| crate::opensc::config::caching_of(version, value, driver) == promised)
        })
    })
}

/// All settings below a block, flat and in order; `use_file_caching` itself only if it counts.
fn settings(body: &Body, with_caching: bool) -> Vec<Vec<u8>> {
    let mut flat = Vec::new();
    for statement in &body.0 {
        match statement {
            Statement::Assignment(a) if a.key.is("use_file_caching") && !with_caching => {}
            Statement::Assignment(a) => {
                flat.push(a.key.word().value.to_ascii_lowercase());
                flat.extend(a.values.iter().map(|word| word.value.clone()));
            }
            Statement::Block(block) => {
                flat.push(b"{".to_vec());
                flat.push(block.key.word().value.to_ascii_lowercase());
                flat.extend(block.names.iter().map(|word| word.value.clone()));
                flat.extend(settings(&block.body, true));
                flat.push(b"}".to_vec());
            }
            Statement::Discarded(_) => {}
        }
    }
    flat
}

/// The goal's word, for tests and messages.
impl std::fmt::Display for Goal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}
