//! What another text of the configuration would bring back to life: cache entries that programs
//! do not show today and would show then, although they are stale.
//!
//! Both commands that can switch caching on, `enable-cache` and `undo`, ask here first. An undo can also bring
//! entries back under a configuration that reads what was not read when they were taken. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::case::config::rows;
use crate::finding::{Id, Shows, Unasked};
use crate::judge::judge;
use crate::opensc::cache_name::Serial;
use crate::opensc::config::{Situation, Source};
use crate::opensc::differences::{HEAD, LISTED_DRIVER, OTHER_DRIVER, cached_by_default};
use crate::opensc::{CacheLocation, CacheName, Caching, Outcome};
use crate::repair::Returning;
use crate::repair::config::Revived;
use crate::snapshot::{ByteString, CacheDir, ConfigFile, ConfigState, Snapshot};
use crate::view::layout;

/// Why nobody can tell whether an entry is stale.
const NOT_READ: &str = "its card was not read";

/// The cache directories that programs would read and do not read today.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct SwitchedOn {
    /// With a card of a driver that is not in OpenSC's own list.
    other: BTreeSet<ByteString>,
    /// With a card of some driver.
    any: BTreeSet<ByteString>,
    /// Why a directory cannot be told, and for which programs.
    pub untold: BTreeMap<String, Vec<String>>,
}

/// The snapshot as it would be with this text (`None`: no file) where OpenSC opens its configuration.
#[must_use]
pub fn with_text(snapshot: &Snapshot, text: Option<&[u8]>) -> Snapshot {
    let mut snapshot = snapshot.clone();
    if let Source::Environment(path) | Source::Compiled(path) = Situation::of(&snapshot).source() {
        let state = text.map_or(ConfigState::Missing, |text| ConfigState::Text(text.to_vec().into()));
        snapshot.configs = vec![ConfigFile::new(path, state)];
    }
    snapshot
}

/// What a change of the configuration switches on, over all programs that matter on the host.
#[must_use]
pub fn switched_on(before: &Snapshot, after: &Snapshot) -> SwitchedOn {
    let situation = Situation::of(after);
    let (old, new) = (Situation::of(before).configuration(), situation.configuration());
    let mut on = SwitchedOn::default();
    for row in rows(after, &new, situation.version().unwrap_or(HEAD)) {
        for (driver, outcome) in [(OTHER_DRIVER, &row.other), (LISTED_DRIVER, &row.listed)] {
            let reads = reads(outcome);
            if reads != self::reads(&old.outcome(&row.program, Some(driver))) {
                on.add(driver, reads, &row.program.label);
            }
        }
    }
    on
}

/// What programs read with this configuration.
#[must_use]
pub fn read_today(snapshot: &Snapshot) -> SwitchedOn {
    let situation = Situation::of(snapshot);
    let mut on = SwitchedOn::default();
    for row in rows(snapshot, &situation.configuration(), situation.version().unwrap_or(HEAD)) {
        for (driver, outcome) in [(OTHER_DRIVER, &row.other), (LISTED_DRIVER, &row.listed)] {
            on.add(driver, reads(outcome), &row.program.label);
        }
    }
    on
}

/// The directory a program reads, or why it cannot be told; `None` if it reads none.
fn reads(outcome: &Outcome) -> Option<Result<ByteString, String>> {
    let Outcome::Runs(effective) = outcome else { return None };
    match (&effective.caching, &effective.cache_dir) {
        (Caching::No, _) | (_, CacheLocation::Nowhere(_)) => None,
        (_, CacheLocation::At { path, relative: false, .. }) => Some(Ok(path.clone())),
        (_, CacheLocation::At { path, .. }) => {
            Some(Err(format!("file_cache_dir = {path} is relative to where a program is started")))
        }
        (_, CacheLocation::Undecided(why)) => Some(Err(why.clone())),
    }
}

/// Is a driver in OpenSC's own list, whose cards it caches without any setting?
fn is_listed(driver: &str) -> bool {
    cached_by_default(HEAD, driver)
}

impl SwitchedOn {
    fn add(&mut self, driver: &str, reads: Option<Result<ByteString, String>>, program: &str) {
        match reads {
            Some(Ok(dir)) => {
                if !is_listed(driver) {
                    self.other.insert(dir.clone());
                }
                self.any.insert(dir);
            }
            Some(Err(why)) => {
                let programs = self.untold.entry(why).or_default();
                if programs.last().is_none_or(|last| last != program) {
                    programs.push(program.to_owned());
                }
            }
            None => {}
        }
    }

    /// The directories.
    pub fn directories(&self) -> impl Iterator<Item = &ByteString> {
        self.any.iter()
    }

    /// Whether nothing is switched on for any program.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.any.is_empty() && self.untold.is_empty()
    }

    /// The entries of a directory that programs would read again.
    pub fn entries<'s>(&'s self, dir: &'s CacheDir) -> impl Iterator<Item = (&'s ByteString, &'s CacheName)> {
        let (any, other) = (self.any.contains(&dir.path), self.other.contains(&dir.path));
        dir.entries.iter().filter_map(move |entry| {
            let name = entry.name.of_copy()?;
            let is_read = if name.driver().is_some_and(|driver| !is_listed(driver)) { other } else { any };
            is_read.then(|| (entry.name.bytes(), name))
        })
    }
}

/// The entries that would be shown again although they are stale, or although nobody can tell because
/// their card was not read. `after`: the cards, the caches, and the new configuration.
#[must_use]
pub fn revived(after: &Snapshot, on: &SwitchedOn) -> Vec<Revived> {
    let verdict = judge(after);
    let named = verdict.by_file();
    let was_read = |name: &CacheName| {
        after.cards.iter().any(|card| match (&name.serial, &card.serial) {
            (Serial::Text(text), Some(serial)) => {
                layout(card.family).is_some() && serial.as_bytes().eq_ignore_ascii_case(text)
            }
            _ => false,
        })
    };
    let mut revived = Vec::new();
    for dir in &after.caches {
        for (name, parsed) in on.entries(dir) {
            let findings = named.get(&(&dir.path, name)).map(Vec::as_slice).unwrap_or_default();
            let why = match findings.iter().find(|finding| finding.is_moved(Unasked::ByFlush)) {
                Some(finding) => finding.id.name().to_owned(),
                None if was_read(parsed) => continue,
                None => NOT_READ.to_owned(),
            };
            revived.push(Revived { directory: dir.path.clone(), name: name.clone(), why });
        }
    }
    revived
}

/// The entries that programs read today and would not any more, and that hold a public key which is, or may be, the right
/// one and not on the card. `now`: the cards, the caches, and today's configuration.
#[must_use]
pub fn taken_away(now: &Snapshot, off: &SwitchedOn) -> Vec<Revived> {
    let verdict = judge(now);
    let mut held: BTreeMap<(&ByteString, &ByteString), Id> = BTreeMap::new();
    for finding in
        verdict.findings.iter().filter(|finding| finding.holds_its_entries() || finding.is_in_doubt())
    {
        for file in finding.evidence.iter().filter_map(|evidence| evidence.file.as_ref()) {
            held.entry((&file.directory, &file.name)).or_insert(finding.id);
        }
    }
    let mut taken = Vec::new();
    for dir in &now.caches {
        for (name, _) in off.entries(dir) {
            if let Some(id) = held.get(&(&dir.path, name)) {
                let why = id.name().to_owned();
                taken.push(Revived { directory: dir.path.clone(), name: name.clone(), why });
            }
        }
    }
    taken
}

/// The entries of an undo that would be shown again although they were not when they were taken, or are of
/// another user's cache, of which only the reason is known for which they were taken. `theirs`: the real directories that another
/// user's programs read, and whether that is all of them. `all`: every entry that
/// comes back is asked about, because caching is switched on in the same stroke.
#[must_use]
pub fn returned(
    after: &Snapshot,
    read: &SwitchedOn,
    entries: &[Returning],
    all: bool,
    theirs: &BTreeMap<u32, (bool, BTreeSet<ByteString>)>,
) -> Vec<Revived> {
    let asked = || entries.iter().filter(|entry| all || entry.was_unread);
    let here: BTreeSet<(&ByteString, &ByteString)> =
        asked().map(|entry| (&entry.directory, entry.name.bytes())).collect();
    let mut found = revived(after, read);
    let real: BTreeMap<&ByteString, ByteString> =
        after.caches.iter().map(|dir| (&dir.path, dir.real_path())).collect();
    found.retain(|one| {
        real.get(&one.directory).is_some_and(|directory| here.contains(&(directory, &one.name)))
    });
    let known: BTreeSet<&ByteString> = real.values().collect();
    let others = asked().filter(|entry| {
        entry.uid != after.user.uid && !known.contains(&entry.directory) && entry.name.of_copy().is_some()
    });
    // By what their programs read, not by what the caller's do; who is not known reads what the caller does.
    let is_read = |entry: &Returning| match theirs.get(&entry.uid) {
        Some((is_all, places)) => !is_all || places.contains(&entry.directory),
        None => !read.is_empty(),
    };
    found.extend(
        others.filter(|entry| is_read(entry)).map(|entry| Revived {
            directory: entry.directory.clone(),
            name: entry.name.bytes().clone(),
            why: entry
                .reason
                .found()
                .filter(|id| id.shows() != Shows::Other)
                .map_or(NOT_READ, Id::name)
                .to_owned(),
        }),
    );
    found
}
