//! Cards made of files in the hands of the real OpenSC: it takes each for what it is meant to be, lists what is on it, caches
//! the files that it is known to cache, and shows an old certificate where it is known to.
//!
//! With `STAND_ROOT` the OpenSC of another suite is asked (`make matrix`); what differs between versions is said where it does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod defaults;
#[path = "../support/file_histories.rs"]
mod file_histories;
mod histories;
mod kinds;
#[path = "../support/random.rs"]
mod random;
mod stale;
#[path = "../stand/mod.rs"]
mod stand;

use stalecard::opensc::Version;
use stand::listing::Pkcs15Listing;
use stand::{FileCard, Host, Kind};

/// The kinds that this OpenSC takes.
fn kinds() -> impl Iterator<Item = Kind> {
    let version = stand::opensc_version();
    Kind::ALL.into_iter().filter(move |kind| match kind {
        // Debian's 0.23 refuses its certificates since a security update (CVE-2024-45619).
        Kind::Tcos => version >= Version::of(24),
        Kind::Dtrust => version >= Version::of(27),
        _ => true,
    })
}

/// The serial numbers of certificates as `pkcs15-tool -D` prints them, in its order.
fn shown(listing: &Pkcs15Listing) -> Vec<String> {
    let serial = |object: &&stand::listing::Pkcs15Object| {
        object.block.get("Encoded serial").unwrap_or("none").to_owned()
    };
    listing.certificates().iter().map(serial).collect()
}

/// The same, of what is on the card.
fn real(card: &FileCard) -> Vec<String> {
    (0..card.len()).map(|nth| serial(card, nth)).collect()
}

/// Tag, length and value of the serial number, as it is printed.
fn serial(card: &FileCard, nth: usize) -> String {
    format!("02 05 {}", data_encoding::HEXUPPER.encode(&card.certificate(nth).serial()))
}

/// What a host shows, from a copy of its cache; the real tools write the cache that they read.
fn peek(host: &Host) -> Vec<String> {
    shown(&host.with_cache_copy().pkcs15_list())
}
