//! The cards in the readers: as what each is read, and which of its files.
//!
//! Hides that a cache decides what is read of a card, too: a stale description can name a file that the card's own
//! ones do not, and OpenSC then reads that.

use std::sync::Arc;

use super::caches::caches;
use super::privacy::Privacy;
use crate::card::family::{self, Kind};
use crate::card::{self, Link, Reading};
use crate::opensc::cache_name::parse;
use crate::opensc::card_driver::Taken;
use crate::opensc::config::Situation;
use crate::opensc::{Program, Recognised, Version, differences};
use crate::snapshot::{CacheDir, CacheEntry, Card, Content, EfPath, Snapshot};
use crate::view::layout;

pub(super) fn read_cards(snapshot: &Snapshot, reader: Option<&str>, status: bool) -> Reading {
    let version = Situation::of(snapshot).version();
    let caches = caches(snapshot, &Arc::new(Privacy::for_links())).0;
    let newest = version.unwrap_or(differences::HEAD);
    let options = card::Options {
        read_c400: version.is_some_and(|version| differences::shows_device_key(version) != Some(false)),
        status,
        cached_links: &|card| cached_links(&caches, card, newest),
    };
    card::read_all(reader, &options, &|atr| kind(snapshot, atr))
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

/// The files that the cached descriptions of a card's objects name, each with the file of that
/// description. An old one can name another file than the card's own, and that one OpenSC then
/// reads from the card.
fn cached_links(caches: &[CacheDir], card: &Card, version: Version) -> Vec<Link> {
    let Some(layout) = layout(card.family) else { return Vec::new() };
    let of_entry = |entry: &CacheEntry| -> Vec<Link> {
        let (Recognised::Entry(name), Content::Bytes(bytes)) = (parse(&entry.name), &entry.content) else {
            return Vec::new();
        };
        let of_card = |file: &EfPath| layout.cache_name(card, version, *file).as_ref() == Ok(&name);
        let Some(file) = name.ef().filter(of_card) else { return Vec::new() };
        let named = layout.names(file, bytes.as_slice());
        named.into_iter().filter(|named| !named.private).map(|named| (file, named.file)).collect()
    };
    caches.iter().flat_map(|dir| &dir.entries).flat_map(of_entry).collect()
}
