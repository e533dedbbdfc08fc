//! Of what was observed, what concerns one card: a narrower view of the same facts.

use crate::error::Error;
use crate::snapshot::Snapshot;
use crate::text::is_typed;

/// Leaves only what concerns the card with this serial: itself, and its cache entries. If
/// there is no such card and cards were to be read, that is a gap.
pub fn select_serial(snapshot: &mut Snapshot, serial: &str, offline: bool) {
    snapshot.select_serial(serial, offline);
    select_entries(snapshot, serial);
}

/// Leaves only the cache entries of the card with this serial.
pub fn select_entries(snapshot: &mut Snapshot, serial: &str) {
    let others = snapshot.others.iter_mut().flat_map(|other| &mut other.caches);
    for dir in snapshot.caches.iter_mut().chain(others) {
        dir.entries.retain(|entry| {
            // An entry may be of an older OpenSC that wrote the serial in another case.
            entry.name.of_copy().is_some_and(|name| {
                is_typed(&name.serial.text().to_ascii_lowercase(), &serial.to_ascii_lowercase())
            })
        });
    }
}

/// What is done with the facts about each user.
pub type Each<'a> = &'a mut dyn FnMut(&mut Snapshot) -> Result<(), Error>;

/// The same for facts that are handed over user by user: the first have the cards. Without a serial number all of
/// them are handed on.
pub fn selecting<'a>(
    serial: Option<&'a str>,
    offline: bool,
    each: Each<'a>,
) -> impl FnMut(&mut Snapshot) -> Result<(), Error> + 'a {
    let mut is_first = true;
    move |snapshot| {
        match (serial, std::mem::take(&mut is_first)) {
            (Some(serial), true) => select_serial(snapshot, serial, offline),
            (Some(serial), false) => select_entries(snapshot, serial),
            (None, _) => {}
        }
        each(snapshot)
    }
}
