//! What flushes took out of caches and keep: read where it is, under the same rules as in its cache.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::privacy::Privacy;
use crate::host::Caller;
use crate::patience::{SILENCE, within};
use crate::repair::{Keeping, StateDir, keeping};
use crate::safe_fs::{Classification, observe_cache_dir};
use crate::snapshot::{
    ByteString, CacheDir, CacheOrigin, EntryName, Gap, GapKind, Quarantined, Snapshot, Withheld,
};

/// The newest operations of each quarantine that are looked into.
const MOST_OPERATIONS: usize = 64;

/// Adds what the caller's quarantines keep; what could not be read is coverage that nobody asked for.
pub fn look_into_quarantine(snapshot: &mut Snapshot) {
    let privacy = Arc::new(Privacy::of(snapshot));
    let looked = within(SILENCE, move |pulse| {
        let states = match Caller::current()
            .map_err(crate::repair::Error::Host)
            .and_then(|caller| StateDir::all(&caller))
        {
            Ok(states) => states,
            // Without a home there is no quarantine.
            Err(crate::repair::Error::Host(_)) => Vec::new(),
            Err(error) => return (Vec::new(), vec![error.to_string()]),
        };
        let (mut found, mut why) = (Vec::new(), Vec::new());
        for state in &states {
            match keeping(state, MOST_OPERATIONS) {
                Ok(kept) => {
                    found.extend(kept.iter().inspect(|_| pulse.beat()).flat_map(|one| read(one, &privacy)));
                }
                Err(error) => why.push(error.to_string()),
            }
        }
        (found, why)
    });
    let (found, why) = looked.unwrap_or_else(|overdue| (Vec::new(), vec![overdue.to_string()]));
    snapshot.quarantine.extend(found);
    let what = "what was flushed and is kept";
    let gap = |why| Gap::new(GapKind::Signature, false, what.to_owned(), why);
    snapshot.coverage.extend(why.into_iter().map(gap));
}

/// The entries that an operation keeps, each back under its name in its directory.
fn read(kept: &Keeping, privacy: &Privacy) -> Vec<Quarantined> {
    let names: BTreeMap<&ByteString, (&ByteString, EntryName)> = kept
        .files
        .iter()
        .map(|(file, directory, name)| (file, (directory, EntryName::from(name.clone()))))
        .collect();
    let withheld = Classification::Withhold(Withheld::Unknown);
    let classify =
        |name: &EntryName| names.get(name.bytes()).map_or(withheld, |(_, entry)| privacy.classify(entry));
    let (seen, _) = observe_cache_dir(kept.place.as_path(), CacheOrigin::Configured, false, &classify);
    let mut directories: BTreeMap<&ByteString, CacheDir> = BTreeMap::new();
    for mut entry in seen.entries {
        let Some((directory, name)) = names.get(entry.name.bytes()) else { continue };
        entry.name.clone_from(name);
        let origin = CacheOrigin::Configured;
        let empty = || CacheDir {
            path: (*directory).clone(),
            origin,
            state: seen.state.clone(),
            entries: Vec::new(),
        };
        directories.entry(directory).or_insert_with(empty).entries.push(entry);
    }
    let whole = |mut directory: CacheDir| {
        directory.entries.sort_by(|one, other| one.name.cmp(&other.name));
        privacy.withhold(&mut directory);
        Quarantined { operation: kept.operation.clone(), directory }
    };
    directories.into_values().map(whole).collect()
}
