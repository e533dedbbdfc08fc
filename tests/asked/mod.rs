//! The OpenSC that is asked: the installed one, or one in a chroot (see `tests/matrix`), with a card in the
//! reader; what its programs do under a text, and what we say they do.
//!
//! `STAND_ROOT` names the chroot.
#![allow(
    dead_code,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use stalecard::opensc::config::FileUse;
use stalecard::opensc::{CacheLocation, Caching, Outcome, Program, Situation, Version};
use stalecard::snapshot::{ByteString, ConfigFile, ConfigState, Installation, User};

use crate::stand::{self, Host, PIN, SO_PIN, Stand};

/// Where every suite has its programs.
pub const TOOL15: &str = "/usr/bin/pkcs15-tool";
pub const TOOL11: &str = "/usr/bin/pkcs11-tool";

/// A user who can write nowhere but in the home made for him: what OpenSC caches goes nowhere else.
const NOBODY: u32 = 65534;

/// What a program did, or is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    Died,
    /// It ran; was the file dropped, the level of caching, the directories it asked.
    Ran {
        dropped: bool,
        level: u8,
        dirs: BTreeSet<String>,
    },
}

/// The OpenSC that is asked.
pub struct Asked {
    pub stand: Stand,
    pub root: Option<PathBuf>,
    installation: Installation,
    pub version: Version,
}

impl Asked {
    pub fn start() -> Self {
        let root = stand::opensc_root();
        let installation = stand::opensc();
        let version = installation.version.as_deref().expect("its version").parse().unwrap();
        let stand = Stand::start();
        let asked = Self { stand, root, installation, version };
        let host = asked.stand.host("maker");
        let so_pin = ["sc-hsm-tool", "--initialize", "--label", "x", "--pin", PIN, "--so-pin", SO_PIN];
        host.run(&so_pin).ok();
        let key = ["pkcs11-tool", "--login", "--pin", PIN, "--keypairgen", "--key-type", "EC:prime256v1"];
        host.run(&key).ok();
        asked
    }

    /// A host of its own for one case.
    pub fn host(&self, case: &str, text: &[u8]) -> Host {
        let host = self.stand.host(case);
        std::fs::write(host.conf(), text).unwrap();
        // In a chroot nothing outside it can be written anyway.
        if Host::can_switch_users() && self.root.is_none() { host.for_user(NOBODY) } else { host }
    }

    /// What our reading of a text says a program does; `None` where it says that cannot be told.
    pub fn expected(&self, host: &Host, text: &[u8], program: &Program) -> Option<Seen> {
        let path = ByteString::from(host.conf());
        let env = BTreeMap::from([
            ("OPENSC_CONF".to_owned(), path.clone()),
            ("HOME".to_owned(), ByteString::from(host.home())),
        ]);
        let user = User { uid: 0, name: None, env };
        let configs = [ConfigFile::new(path, ConfigState::Text(text.to_vec().into()))];
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

    /// What the real program does, and everything it said.
    pub fn seen(&self, host: &Host, words: &[&str]) -> (Seen, stand::Output) {
        let run = || host.clone().env("OPENSC_DEBUG", "3").run(words);
        let mut output = run();
        // On a busy machine pcscd 2 now and then fails a request (0x8010001F) or sees no card for a moment. That
        // is no answer: it is asked again, and if it never comes, the test fails.
        for _ in 0..3 {
            if output.code() == 139 || output.stderr.contains("use_file_cache=") {
                break;
            }
            output = run();
        }
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
}

/// The texts under `fixtures/config`, by name.
pub fn fixtures() -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/config");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_stem().unwrap().to_string_lossy().into_owned();
    paths.map(|path| (name(&path), std::fs::read(&path).unwrap())).collect()
}

/// The paths that generated texts name (see [`crate::configurations::replaced`]), for a host of this name.
pub fn generated(asked: &Asked, host: &str, text: Vec<u8>) -> Vec<u8> {
    let absolute = asked.stand.dir().join("homes").join(host).join("absolute");
    let paths = [("TOOL15", TOOL15), ("TOOL11", TOOL11), ("ABSOLUTE", absolute.to_str().unwrap())];
    crate::configurations::replaced(text, &paths)
}

/// What happened to the cases. One line for people and for `tests/matrix`; fails the test if not all was as said.
pub fn summary(asked: &Asked, what: &str, cases: usize, counts: &BTreeMap<&'static str, usize>) {
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

pub fn is_long() -> bool {
    std::env::var_os("STALECARD_LONG").is_some()
}
