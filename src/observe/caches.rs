//! The cache directories of one user: where OpenSC keeps its cache, or kept it, and what lies there.
//!
//! Hides which places count (each program's own, the default without any configuration, the former one), and how
//! entries that the quarantine holds are seen as if they were back.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::look::Look;
use super::places::Home;
use super::privacy::Privacy;
use crate::opensc::config::Situation;
use crate::opensc::differences::EITHER_DRIVER;
use crate::opensc::differences::OTHER_DRIVER;
use crate::opensc::{Outcome, cache_dir, differences};
use crate::safe_fs::{Classification, observe_cache_dir};
use crate::snapshot::{ByteString, CacheDir, CacheOrigin, DirState, EntryName, Gap, Snapshot, Withheld};

/// The directories that OpenSC uses, or used, as this user.
pub(super) fn caches(snapshot: &Snapshot, privacy: &Arc<Privacy>) -> (Vec<CacheDir>, Vec<Gap>) {
    let situation = Situation::of(snapshot);
    let configuration = situation.configuration();
    let mut wanted: Vec<(ByteString, CacheOrigin)> = Vec::new();
    let mut add = |path: Option<ByteString>, origin| {
        let known = |path: &ByteString| wanted.iter().any(|(known, _)| known == path);
        if let Some(path) = path.filter(|path| path.as_path().is_absolute() && !known(path)) {
            wanted.push((path, origin));
        }
    };
    let (judged, _) = configuration.judged(&snapshot.executables, &snapshot.user.env, &EITHER_DRIVER);
    for program in judged {
        // The directory does not depend on the driver.
        if let Outcome::Runs(effective) = configuration.outcome(&program, Some(OTHER_DRIVER)) {
            let origin = match effective.file_cache_dir {
                Some(_) => CacheOrigin::Configured,
                None => CacheOrigin::Default,
            };
            add(effective.cache_dir.path().cloned(), origin);
        }
    }
    // Where OpenSC would look without any configuration: an entry there comes
    // alive when a setting goes.
    let version = situation.version().unwrap_or(differences::HEAD);
    add(cache_dir::cache_dir(version, &snapshot.user.env, None).path().cloned(), CacheOrigin::Default);
    add(cache_dir::former(&snapshot.user.env), CacheOrigin::Former);

    let (mut dirs, mut gaps) = look_into(wanted, privacy);
    let (sandboxed, more) = sandboxes(snapshot, privacy);
    dirs.extend(sandboxed);
    gaps.extend(more);
    (dirs, gaps)
}

/// Those of the user's own sandboxed programs, whose OpenSC has a home of its own.
fn sandboxes(snapshot: &Snapshot, privacy: &Arc<Privacy>) -> (Vec<CacheDir>, Vec<Gap>) {
    let Some(path) = snapshot.user.env.get("HOME").filter(|home| home.as_path().is_absolute()) else {
        return (Vec::new(), Vec::new());
    };
    let user = snapshot.user.name.clone().unwrap_or_else(|| snapshot.user.uid.to_string());
    let (found, gaps) = Look::new(privacy).sandboxes(Home { user, path: path.clone(), default: None });
    // That a home is not there is no news.
    (found, gaps.into_iter().map(|gap| Gap { asked_for: false, ..gap }).collect())
}

fn look_into(wanted: Vec<(ByteString, CacheOrigin)>, privacy: &Arc<Privacy>) -> (Vec<CacheDir>, Vec<Gap>) {
    let mut gaps = Vec::new();
    let mut dirs = Vec::new();
    let mut look = Look::new(privacy);
    for (path, origin) in wanted {
        let (dir, missing) = look.at(path, origin);
        dirs.push(dir);
        gaps.extend(missing);
    }
    (dirs, gaps)
}

/// Looks at these cache directories too, if they were not looked at.
pub fn observe_more_caches<'a>(snapshot: &mut Snapshot, paths: impl Iterator<Item = &'a ByteString>) {
    let known = |path: &ByteString| snapshot.caches.iter().any(|dir| dir.path == *path);
    let wanted: Vec<_> =
        paths.filter(|path| !known(path)).map(|path| (path.clone(), CacheOrigin::Configured)).collect();
    let (dirs, gaps) = look_into(wanted, &Arc::new(Privacy::of(snapshot)));
    snapshot.caches.extend(dirs);
    snapshot.coverage.extend(gaps);
}

/// Looks at the cache directories of a snapshot again, the same ones; none if one of them does not answer any more.
#[must_use]
pub fn observe_again(snapshot: &Snapshot) -> Option<Vec<CacheDir>> {
    let mut look = Look::new(&Arc::new(Privacy::of(snapshot)));
    let again = snapshot.caches.iter().map(|dir| look.at(dir.path.clone(), dir.origin).0).collect();
    (!look.has_lost()).then_some(again)
}

/// An entry that is kept outside of its cache.
#[derive(Debug, Clone, Copy)]
pub struct Kept<'a> {
    /// The real directory of its cache.
    pub directory: &'a ByteString,
    /// Its name there.
    pub name: &'a EntryName,
    /// Where it is: a directory, and its name there.
    pub kept: (&'a ByteString, &'a ByteString),
}

/// The snapshot with entries that an undo would bring back, as if they were back already; they are read where
/// they are kept, under the same rules as in their cache. Those of directories that are not in the snapshot are
/// left out.
pub fn with_returning(snapshot: &mut Snapshot, entries: &[Kept<'_>]) {
    let privacy = Privacy::of(snapshot);
    let mut kept: BTreeMap<&ByteString, BTreeMap<&ByteString, &Kept<'_>>> = BTreeMap::new();
    for entry in entries {
        kept.entry(entry.kept.0).or_default().insert(entry.kept.1, entry);
    }
    for (place, names) in kept {
        let withheld = Classification::Withhold(Withheld::Unknown);
        let classify =
            |name: &EntryName| names.get(name.bytes()).map_or(withheld, |entry| privacy.classify(entry.name));
        let (seen, _) = observe_cache_dir(place.as_path(), CacheOrigin::Configured, false, &classify);
        for mut entry in seen.entries {
            let Some(back) = names.get(entry.name.bytes()) else { continue };
            let meant = |dir: &&mut CacheDir| dir.real_path() == *back.directory;
            let Some(dir) = snapshot.caches.iter_mut().find(meant) else { continue };
            entry.name.clone_from(back.name);
            if dir.state == DirState::Missing {
                dir.state = DirState::Present(entry.inode);
            }
            dir.entries.retain(|known| known.name != entry.name);
            dir.entries.push(entry);
        }
    }
    for dir in &mut snapshot.caches {
        dir.entries.sort_by(|a, b| a.name.cmp(&b.name));
        privacy.withhold(dir);
    }
}
