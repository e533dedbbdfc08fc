//! The cache that a running program answers from, as far as its environment and the configuration tell: it may have begun
//! under another configuration than that of today, and it may be told to read another file.

use std::collections::BTreeMap;

use crate::opensc::cache_dir::cache_dir;
use crate::opensc::config::Configuration;
use crate::opensc::differences::{HEAD, OTHER_DRIVER};
use crate::opensc::launchers::VARIABLE as CONFIGURATION;
use crate::opensc::{CacheLocation, Caching, Outcome, Program, Situation};
use crate::snapshot::{ByteString, Process, Snapshot};

/// The cache of a process, as far as its environment tells.
pub struct OwnCache {
    /// Does it read one, by the configuration of today?
    is_on: bool,
    /// Where; none: nobody knows, and any may be the one.
    place: Option<CacheLocation>,
}

/// Does its environment name another configuration than that of the user?
fn has_own_file(snapshot: &Snapshot, process: &Process) -> bool {
    let named = |env: &BTreeMap<String, ByteString>| env.get(CONFIGURATION).cloned();
    process.env.as_ref().is_some_and(|env| named(env) != named(&snapshot.user.env))
}

impl OwnCache {
    /// What is known of that of a process.
    #[must_use]
    pub fn of(snapshot: &Snapshot, configuration: &Configuration<'_>, process: &Process) -> Self {
        let version = Situation::of(snapshot).version();
        let own = &snapshot.user.env;
        let is_unknown = process.env.is_none() && process.uid != snapshot.user.uid;
        let env = process.env.as_ref().unwrap_or(own);
        if has_own_file(snapshot, process) {
            // Its file was not looked at: it may well cache, where it would without one.
            return Self { is_on: true, place: Some(cache_dir(version.unwrap_or(HEAD), env, None)) };
        }
        let program = Program::of_executable(process.program.clone());
        match configuration.outcome(&program, Some(OTHER_DRIVER)).in_environment(version, env) {
            Outcome::Runs(effective) => Self {
                is_on: matches!(effective.caching, Caching::Public | Caching::All),
                place: Some(effective.cache_dir).filter(|_| !is_unknown),
            },
            // It runs, so the configuration was another when it began.
            Outcome::Crashes(_) => Self { is_on: false, place: None },
        }
    }

    /// Does it read a cache of which this is true?
    #[must_use]
    pub fn reads(&self, is_meant: &dyn Fn(&ByteString) -> bool) -> bool {
        self.is_on && self.may_read(is_meant)
    }

    /// Would it, if caching were on?
    #[must_use]
    pub fn may_read(&self, is_meant: &dyn Fn(&ByteString) -> bool) -> bool {
        self.place.as_ref().is_none_or(|place| place.path().is_some_and(is_meant))
    }
}

/// Was the process started before the configuration was written that OpenSC reads today? None where that is not known.
#[must_use]
pub fn is_of_older_configuration(snapshot: &Snapshot, process: &Process) -> Option<bool> {
    if has_own_file(snapshot, process) {
        return None;
    }
    let changed_at = Situation::of(snapshot).file()?.changed_at?;
    Some(process.started_at < changed_at)
}

/// Is a directory one of these, which links do not lead to?
#[must_use]
pub fn is_among(snapshot: &Snapshot, dir: &ByteString, real: &[ByteString]) -> bool {
    let known = snapshot.caches.iter().find(|known| known.path == *dir);
    real.iter().any(|other| other == dir || known.is_some_and(|known| known.real_path() == *other))
}
