//! What a text means, asked of our own reading and not of the planner.

use std::collections::BTreeMap;

use stalecard::opensc::{Caching, Outcome, Program, Situation, Version};
use stalecard::repair::config::{Goal, Planned, Refusal, Request, Scope, plan};
use stalecard::scconf::{self, Dialect, Statement};
use stalecard::snapshot::{ByteString, ConfigFile, ConfigState, Installation, User};

pub const INSTALLED: Version = Version::of(23);

pub fn planned(text: &[u8], goal: Goal, scope: &Scope) -> Result<Planned, Refusal> {
    planned_for(Some(INSTALLED), Some(text), goal, scope)
}

pub fn planned_for(
    installed: Option<Version>,
    text: Option<&[u8]>,
    goal: Goal,
    scope: &Scope,
) -> Result<Planned, Refusal> {
    plan(text, &Request { path: &ByteString::from("/etc/opensc.conf"), goal, scope, installed })
}

/// What `program` does with a card of `driver`.
pub fn outcome(text: &[u8], program: &Program, version: Version, driver: &str) -> Outcome {
    let path = ByteString::from("/etc/opensc.conf");
    let user =
        User { uid: 0, name: None, env: BTreeMap::from([("HOME".to_owned(), ByteString::from("/h"))]) };
    let installation = Installation {
        library: "/l".into(),
        version: Some(version.to_string()),
        config_path: Some(path.clone()),
    };
    let configs = [ConfigFile::new(path, ConfigState::Text(text.to_vec().into()))];
    Situation { user: &user, installation: Some(&installation), configs: &configs }
        .outcome(program, Some(driver))
}

pub fn caching(text: &[u8], program: &Program, version: Version, driver: &str) -> Caching {
    match outcome(text, program, version, driver) {
        Outcome::Runs(effective) => effective.caching,
        Outcome::Crashes(crash) => panic!("{crash}\n{}", String::from_utf8_lossy(text)),
    }
}

/// Every program there can be under this text: each with a block of its own under any of its
/// names, with and without executable, and one of each kind that has none.
pub fn everybody(text: &[u8]) -> Vec<Program> {
    let exe = || Some(ByteString::from("/opt/other/program"));
    let mut programs = vec![
        Program::pkcs15_tool(Some("/usr/bin/pkcs15-tool".into())),
        Program::pkcs11(exe()),
        Program::named("opensc-tool", Some("/usr/bin/opensc-tool".into())),
        Program::named("default", exe()),
    ];
    let document = scconf::parse(text, Dialect::Since023).unwrap();
    for statement in &document.root().0 {
        let Statement::Block(block) = statement else { continue };
        for name in block.names.iter().filter_map(|word| std::str::from_utf8(&word.value).ok()) {
            if !is_read(name) {
                continue;
            }
            programs.push(Program::named(name, exe()));
            for app in ["opensc-pkcs11", "pkcs15-tool", "whatever"] {
                programs.push(Program::named(app, Some(ByteString::from(name))));
            }
        }
    }
    programs
}

/// Whether a program of some release looks for a block of this name.
fn is_read(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let called = |minor| Program::called(&name, &BTreeMap::new(), Version::of(minor));
    name.starts_with('/') || (19..=27).filter_map(called).any(|program| program.app_name == name)
}

/// Off for everybody, in every release, for listed drivers and others.
pub fn is_off(text: &[u8]) {
    is_off_in(text, &(19..=27).map(Version::of).collect::<Vec<_>>());
}

/// As [`is_off`], in some releases. Whether a program is called by its path is told only of all.
pub fn is_off_in(text: &[u8], versions: &[Version]) {
    let by_path = |program: &Program| program.app_name.starts_with('/');
    for program in everybody(text).iter().filter(|program| versions.len() > 1 || !by_path(program)) {
        for &version in versions {
            for driver in ["cac", "sc-hsm", "dnie"] {
                let caching = caching(text, program, version, driver);
                assert_eq!(
                    caching,
                    Caching::No,
                    "{program:?} {version} {driver}\n{}",
                    String::from_utf8_lossy(text)
                );
            }
        }
    }
}

/// The lines that went and those that came.
pub fn difference(old: &[u8], new: &[u8]) -> (Vec<String>, Vec<String>) {
    let diff = scconf::edit::unified_diff("x", old, new);
    let text = String::from_utf8_lossy(&diff).into_owned();
    let body = text.lines().skip(2);
    let starting = |sign| {
        body.clone().filter_map(|line| line.strip_prefix(sign)).map(|line| line.trim().to_owned()).collect()
    };
    (starting('-'), starting('+'))
}
