//! Our reading of configurations against the real OpenSC with a card in the reader: which
//! programs die, which files are dropped, what `use_file_caching` comes to and which directory is
//! asked for cached files, as OpenSC's own debug log says it.
//!
//! For `pkcs15-tool` and for `opensc-pkcs11` (`pkcs11-tool -O`; with the onepin module where a text names it), on generated configurations and on
//! the fixtures. Seeded: a failing case prints its text. `STALECARD_LONG` asks for more cases,
//! `STALECARD_OPENSC_ROOT` for an OpenSC in a chroot (see `tests/matrix`), whose pcscd the stand
//! then runs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod configurations;
mod stand;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use configurations::{OPEN, Random, configuration, replaced};
use stalecard::opensc::config::FileUse;
use stalecard::opensc::{CacheLocation, Caching, Outcome, Program, Situation, Version, install, program};
use stalecard::snapshot::{ConfigFile, ConfigState, Installation, Name, User};
use stand::{Host, PIN, SO_PIN, Stand};

/// A user who can write nowhere but in the home made for him: what OpenSC caches goes nowhere else.
const NOBODY: u32 = 65534;

/// What a program did, or is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Died,
    /// It ran; was the file dropped, the level of caching, the directories it asked.
    Ran {
        dropped: bool,
        level: u8,
        dirs: BTreeSet<String>,
    },
}

/// The OpenSC that is asked.
struct Asked {
    stand: Stand,
    root: Option<PathBuf>,
    installation: Installation,
    version: Version,
}

impl Asked {
    fn start() -> Self {
        let root = std::env::var_os("STALECARD_OPENSC_ROOT").map(PathBuf::from);
        let found = match &root {
            None => install::find(program::tools().get("pkcs15-tool").map(Name::as_path)),
            Some(root) => install::find_among(libraries(root), None),
        };
        let installation = found.installations.into_iter().next().expect("OpenSC's library");
        let version = installation.version.as_deref().expect("its version").parse().unwrap();
        let stand = Stand::start();
        let asked = Self { stand, root, installation, version };
        let host = asked.stand.host("maker");
        let so_pin = ["sc-hsm-tool", "--initialize", "--label", "x", "--pin", PIN, "--so-pin", SO_PIN];
        asked.run(&host, &so_pin).ok();
        let key = ["pkcs11-tool", "--login", "--pin", PIN, "--keypairgen", "--key-type", "EC:prime256v1"];
        asked.run(&host, &key).ok();
        asked
    }

    /// Runs a program of this OpenSC in the home of a host.
    fn run(&self, host: &Host, words: &[&str]) -> stand::Output {
        let Some(root) = &self.root else { return host.run(words) };
        let (root, home) = (root.to_str().unwrap(), host.home().to_str().unwrap());
        let mut command = vec!["unshare", "--root", root, "--wd", home];
        command.extend(words);
        host.run(&command)
    }

    /// A host of its own for one case.
    fn host(&self, case: &str, text: &[u8]) -> Host {
        let host = self.stand.host(case);
        std::fs::write(host.conf(), text).unwrap();
        // In a chroot nothing outside it can be written anyway.
        if Host::can_switch_users() && self.root.is_none() { host.for_user(NOBODY) } else { host }
    }

    fn expected(&self, host: &Host, text: &[u8], program: &Program) -> Option<Seen> {
        let path = Name::from(host.conf());
        let env = BTreeMap::from([
            ("OPENSC_CONF".to_owned(), path.clone()),
            ("HOME".to_owned(), Name::from(host.home())),
        ]);
        let user = User { uid: 0, name: None, env };
        let configs = [ConfigFile { path, state: ConfigState::Text(text.to_vec().into()) }];
        let situation = Situation { user: &user, installation: Some(&self.installation), configs: &configs };
        let effective = match situation.outcome(program, Some("sc-hsm")) {
            Outcome::Crashes(_) => return Some(Seen::Died),
            Outcome::Runs(effective) => effective,
        };
        // It may die: either answer is right.
        if effective.may_crash.is_some() {
            return None;
        }
        let level = match &effective.caching {
            Caching::No => 0,
            Caching::All if self.version < Version::of(23) => 1,
            Caching::Public => 1,
            Caching::All => 2,
            Caching::Undecided(_) => return None,
        };
        let dirs = match &effective.cache_dir {
            _ if level == 0 => BTreeSet::new(),
            // What stands before the slash in front of the file's name.
            CacheLocation::At { path, .. } if *path == "/".into() => BTreeSet::from([String::new()]),
            CacheLocation::At { path, .. } => BTreeSet::from([String::from_utf8_lossy(&path.0).into_owned()]),
            CacheLocation::Nowhere(_) => BTreeSet::new(),
            CacheLocation::Undecided(_) => return None,
        };
        Some(Seen::Ran { dropped: matches!(effective.file, FileUse::Dropped(..)), level, dirs })
    }

    fn seen(&self, host: &Host, words: &[&str]) -> (Seen, stand::Output) {
        let output = self.run(&host.clone().env("OPENSC_DEBUG", "3"), words);
        let log = &output.stderr;
        if output.code() == 139 {
            return (Seen::Died, output);
        }
        let levels: BTreeSet<&str> =
            log.split("use_file_cache=").skip(1).filter_map(|rest| rest.split_whitespace().next()).collect();
        assert_eq!(levels.len(), 1, "no card was bound, or twice and differently: {output}");
        let dirs = log.lines().filter_map(|line| line.split("read cached file ").nth(1));
        let dirs = dirs.filter_map(|path| path.rsplit_once("/DENK")).map(|(dir, _)| dir.to_owned()).collect();
        let level = levels.first().unwrap().parse().unwrap();
        (Seen::Ran { dropped: log.contains("scconf_parse failed"), level, dirs }, output)
    }

    /// The programs on one text; counts what happened.
    fn compare(&self, case: &str, text: &[u8], counts: &mut BTreeMap<&'static str, usize>) {
        let host = self.host(case, text);
        let onepin = Program { exe: Some("/usr/bin/pkcs11-tool".into()), ..Program::onepin(self.version) };
        let mut asked: Vec<(&[&str], Program)> = vec![
            (&["pkcs15-tool", "-D"], Program::of_executable("/usr/bin/pkcs15-tool".into())),
            (&["pkcs11-tool", "-O"], Program::of_executable("/usr/bin/pkcs11-tool".into())),
        ];
        // The module that had a name of its own up to 0.23, where it makes a difference.
        if text.windows(6).any(|window| window == b"onepin") {
            asked.push((&["pkcs11-tool", "--module", "onepin-opensc-pkcs11.so", "-O"], onepin));
        }
        for (words, program) in asked {
            let expected = self.expected(&host, text, &program);
            let Some(expected) = expected else {
                *counts.entry("open").or_default() += 1;
                continue;
            };
            let (seen, output) = self.seen(&host, words);
            if seen != expected {
                let shown = String::from_utf8_lossy(text);
                println!(
                    "DISAGREES: {case}: {words:?}: OpenSC {}: {seen:?}, we: {expected:?}, on {text:?}:\n{shown}\n{output}",
                    self.version
                );
                *counts.entry("disagreed").or_default() += 1;
            }
            let label = match seen {
                Seen::Died => "died",
                Seen::Ran { dropped: true, .. } => "refused",
                Seen::Ran { level: 0, .. } => "off",
                Seen::Ran { level: 1, .. } => "on (1)",
                Seen::Ran { .. } => "on (2)",
            };
            *counts.entry(label).or_default() += 1;
        }
        let _ = std::fs::remove_dir_all(host.home());
    }
}

/// The libraries in a chroot.
fn libraries(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(root.join("usr/lib")).max_depth(2).into_iter().flatten() {
        if entry.file_name().to_string_lossy().starts_with("libopensc.so.") {
            found.push(entry.into_path());
        }
    }
    found
}

#[test]
fn caching_and_its_directory_are_what_the_real_opensc_logs() {
    let long = std::env::var_os("STALECARD_LONG").is_some();
    let asked = Asked::start();
    let mut counts = BTreeMap::new();
    let cases: u64 = if long { 600 } else { 50 };
    for seed in 0..cases {
        let text = configuration(&mut Random(seed ^ 0x5EED_0000), &OPEN);
        let home = asked.stand.dir().join("homes").join(format!("case{seed}"));
        let absolute = home.join("absolute");
        let paths = [
            ("TOOL15", "/usr/bin/pkcs15-tool"),
            ("TOOL11", "/usr/bin/pkcs11-tool"),
            ("ABSOLUTE", absolute.to_str().unwrap()),
        ];
        asked.compare(&format!("case{seed}"), &replaced(text, &paths), &mut counts);
    }
    summary(&asked, "generated", cases, &counts);
    for label in ["died", "refused", "off", "on (1)"] {
        assert!(counts.contains_key(label), "no case of {label:?} in {counts:?}");
    }
}

#[test]
fn the_fixtures_mean_what_the_real_opensc_makes_of_them() {
    let asked = Asked::start();
    let mut counts = BTreeMap::new();
    let mut cases = 0;
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/config")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        asked.compare(&format!("fixture-{name}"), &std::fs::read(&path).unwrap(), &mut counts);
        cases += 1;
    }
    summary(&asked, "fixtures", cases, &counts);
}

/// One line for people and for `tests/matrix`; two programs or three are compared in each case. Fails the
/// test if they did not agree.
fn summary(asked: &Asked, what: &str, cases: u64, counts: &BTreeMap<&'static str, usize>) {
    let of = |label| counts.get(label).copied().unwrap_or_default();
    let disagreed = of("disagreed");
    let runs: usize = counts.values().sum::<usize>() - of("open") - disagreed;
    println!(
        "compared: OpenSC {} {what}: cases={cases} runs={runs} agreed={} refused={} died={} open={} {counts:?}",
        asked.version,
        runs - disagreed,
        of("refused"),
        of("died"),
        of("open"),
    );
    assert_eq!(disagreed, 0, "see DISAGREES above");
}
