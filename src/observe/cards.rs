//! The cards in the readers: as what each is read, and which of its files.
//!
//! Hides that a cache decides what is read of a card, too: a stale description can name a file that the card's own
//! ones do not, and OpenSC then reads that.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::caches::caches;
use super::privacy::Privacy;
use crate::card::family::{self, Kind};
use crate::card::{self, Guess, Link, Reading};
use crate::opensc::card_driver::Taken;
use crate::opensc::config::Situation;
use crate::opensc::{Program, Version, atr_tables, differences};
use crate::snapshot::{CacheDir, CacheEntry, Card, Content, EfPath, Snapshot};
use crate::view::layout;

/// Reads them. `finds`: of a card of which nothing tells, and that nobody has, it is found out which application it has.
pub(super) fn read_cards(snapshot: &Snapshot, reader: Option<&str>, status: bool, finds: bool) -> Reading {
    let version = Situation::of(snapshot).version();
    let caches = caches(snapshot, &Arc::new(Privacy::for_links())).0;
    let newest = version.unwrap_or(differences::HEAD);
    let options = card::Options {
        read_c400: version.is_some_and(|version| differences::shows_device_key(version) != Some(false)),
        status,
        cached_links: &|card| cached_links(&caches, card, newest),
        cached_keys: &|card| cached_keys(&caches, card, newest),
    };
    let mut reading = card::read_all(reader, &options, &|atr| guess(snapshot, atr, finds));
    for card in &mut reading.cards {
        if let Some(layout) = layout(card.family) {
            card.serial = layout.serial(card, newest);
        }
    }
    reading
}

/// As what a card is read; where neither its ATR nor a setting tells, and no driver may know it by that, by which
/// applications OpenSC would take it.
fn guess(snapshot: &Snapshot, atr: &[u8], finds: bool) -> Guess {
    let kind = kind(snapshot, atr);
    let configuration = Situation::of(snapshot).configuration();
    let mut by_application = Vec::new();
    let tells_nothing = layout(kind.family).is_none() && kind.driver.is_none();
    if finds && tells_nothing && !snapshot.opensc.is_empty() {
        let asked = |program: &Program| configuration.by_application(program, atr);
        let first = Program::judged(&snapshot.executables).iter().map(asked).find(|asked| !asked.is_empty());
        let may_know = || snapshot.opensc.iter().any(|one| atr_tables::may_know(one.library.as_path(), atr));
        by_application = first.filter(|_| !may_know()).unwrap_or_default();
    }
    let by_application = by_application.into_iter().filter_map(family::of_driver).collect();
    Guess { kind, by_application }
}

/// As what a card is read: as what its ATR tells, or, if no program's OpenSC takes it for that, as what the
/// first one takes it for that names a driver which can be read.
fn kind(snapshot: &Snapshot, atr: &[u8]) -> Kind {
    let usual = family::of_atr(atr);
    let configuration = Situation::of(snapshot).configuration();
    let taken = Program::judged(&snapshot.executables)
        .map(|program| configuration.driver(&program, atr, usual.driver).taken)
        .into_iter()
        .filter_map(|taken| if let Taken::By(name) = taken { family::of_driver(&name) } else { None })
        .collect::<Vec<_>>();
    let may_be = |kind: &&Kind| usual.may_be(**kind) && !family::is_never(atr, **kind);
    let wanted = || taken.iter().find(may_be).copied();
    if taken.contains(&usual) { usual } else { wanted().unwrap_or(usual) }
}

/// The cached copies of a card's files, each with its file.
fn copies<'c>(
    caches: &'c [CacheDir],
    card: &'c Card,
    version: Version,
) -> impl Iterator<Item = (EfPath, &'c [u8])> {
    let of_entry = move |entry: &'c CacheEntry| {
        let (Some(name), Content::Bytes(bytes)) = (entry.name.of_copy(), &entry.content) else {
            return None;
        };
        let layout = layout(card.family)?;
        let of_card = |file: &EfPath| layout.cache_name(card, version, *file).as_ref() == Ok(name);
        name.ef().filter(of_card).map(|file| (file, bytes.as_slice()))
    };
    caches.iter().flat_map(|dir| &dir.entries).filter_map(of_entry)
}

/// The files of the private keys that cached copies describe and the card does not.
fn cached_keys(caches: &[CacheDir], card: &Card, version: Version) -> Vec<EfPath> {
    let Some(layout) = layout(card.family) else { return Vec::new() };
    let described = |(file, bytes): (EfPath, &[u8])| layout.key_files(card, file, bytes);
    let on_card = card.files.iter().filter_map(|file| Some((file.path, card.content(file.path)?)));
    let listed: BTreeSet<EfPath> = on_card.flat_map(described).collect();
    let cached: BTreeSet<EfPath> = copies(caches, card, version).flat_map(described).collect();
    cached.difference(&listed).copied().collect()
}

/// The files that the cached descriptions of a card's objects name, each with the file of that
/// description. An old one can name another file than the card's own, and that one OpenSC then
/// reads from the card.
fn cached_links(caches: &[CacheDir], card: &Card, version: Version) -> Vec<Link> {
    let Some(layout) = layout(card.family) else { return Vec::new() };
    let of_copy = |(file, bytes): (EfPath, &[u8])| -> Vec<Link> {
        let named = layout.names(file, bytes);
        named.into_iter().filter(|named| !named.private).map(|named| (file, named.file)).collect()
    };
    copies(caches, card, version).flat_map(of_copy).collect()
}
