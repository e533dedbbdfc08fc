//! Every public key that a snapshot knows, and where it knows it from: cards, caches in any
//! generation and what was flushed from them, certificates, and what the user has named.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::case::asked::AskedCase;
use crate::case::asked_blocks::Block;
use crate::case::asked_content::{self, Listed};
use crate::case::token::Case;
use crate::case::tokens::Tokens;
use crate::crypto::same_form;
use crate::format::key::PublicKey;
use crate::format::x509;
use crate::opensc::CacheName;
use crate::snapshot::{ByteString, CacheDir, CacheEntry, Content, EfPath, Snapshot};
use crate::text::{escape, hex, key_reference};
use crate::view::{Class, Layout, Object, layout_of};

/// A public key and where it is known from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownKey {
    /// The key, in the form by which keys are told from each other.
    pub key: PublicKey,
    /// The same as its first source has it, with what that allows it to sign.
    pub as_found: PublicKey,
    /// Where it is; the most telling place first.
    pub places: Vec<Place>,
}

/// Where a public key is known from. Text is escaped.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Place {
    /// What kind of place.
    pub kind: PlaceKind,
    /// The place in words.
    pub place: String,
    /// The ID under which it is known there, hex; without one the ID that OpenSC would give it.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Hex"))]
    pub id: String,
}

/// Kinds of places, the most telling first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PlaceKind {
    /// On a card that was read.
    Card,
    /// Named by the user.
    Given,
    /// In a file: the same, or one beside it.
    File,
    /// In a baseline, which knows it by its hash alone.
    Baseline,
    /// In a cache.
    Cache,
    /// In what was flushed from a cache.
    Quarantine,
}

impl PlaceKind {
    /// Is it where the keys of former lives of a card are?
    #[must_use]
    pub const fn is_of_the_past(self) -> bool {
        matches!(self, Self::Cache | Self::Quarantine)
    }
}

impl KnownKey {
    /// Is it on a card that was read, or named by the user?
    #[must_use]
    pub fn is_live_or_given(&self) -> bool {
        self.places.iter().any(|place| !place.kind.is_of_the_past())
    }
}

/// All keys that are known.
#[must_use]
pub fn known_keys(tokens: &Tokens<'_>, given: &[(String, PublicKey)]) -> Vec<KnownKey> {
    let snapshot = tokens.snapshot;
    let mut found: Vec<KnownKey> = Vec::new();
    let mut places: BTreeMap<PublicKey, (usize, BTreeSet<Place>)> = BTreeMap::new();
    let mut add = |as_found: &PublicKey, place: Place| {
        let key = same_form(as_found);
        let (at, known) = places.entry(key.clone()).or_insert_with(|| (found.len(), BTreeSet::new()));
        if !known.insert(place.clone()) {
            return;
        }
        match found.get_mut(*at) {
            Some(known) => known.places.push(place),
            None => found.push(KnownKey { key, as_found: as_found.clone(), places: vec![place] }),
        }
    };
    for case in &tokens.cases {
        for object in &case.live.objects {
            if let Some(key) = object.public_key() {
                add(key, on_card(case, object, key));
            }
        }
    }
    for case in AskedCase::all(tokens) {
        for listed in asked_content::certificates(&case) {
            add(&listed.certificate.key, in_list(&case, &listed));
        }
        let caches = case.caches.iter().flat_map(|cache| cache.guilty().map(move |entry| (cache, entry)));
        for (cache, entry) in caches {
            let [Some(shown), _] = entry.certificates() else { continue };
            let place = format!("in the cache ({})", cache.dir.path_of(&entry.entry.name));
            let id = case.object_in(entry).and_then(Block::id);
            let id = id.unwrap_or_else(|| hex(&same_form(&shown.key).intrinsic_id()));
            add(&shown.key, Place { kind: PlaceKind::Cache, place, id });
        }
    }
    for (name, key) in given {
        let place = given_with(name);
        let id = hex(&same_form(key).intrinsic_id());
        add(key, Place { kind: PlaceKind::Given, place, id });
    }
    for dir in &snapshot.caches {
        let ids = ids(snapshot, dir);
        for entry in &dir.entries {
            if let Some(key) = in_cache(snapshot, entry) {
                let id = ids.get(entry.name.bytes()).cloned();
                let id = id.unwrap_or_else(|| same_form(&key).intrinsic_id().to_vec());
                let path = dir.path_of(&entry.name);
                let place = format!("in the cache ({path})");
                add(&key, Place { kind: PlaceKind::Cache, place, id: hex(&id) });
            }
        }
    }
    for kept in &snapshot.quarantine {
        let ids = ids(snapshot, &kept.directory);
        for entry in &kept.directory.entries {
            if let Some(key) = in_cache(snapshot, entry) {
                let id = ids.get(entry.name.bytes()).cloned();
                let id = id.unwrap_or_else(|| same_form(&key).intrinsic_id().to_vec());
                let (path, operation) = (kept.directory.path_of(&entry.name), &kept.operation);
                let place = format!("in the quarantine ({}, from {path})", escape(operation.as_bytes()));
                add(&key, Place { kind: PlaceKind::Quarantine, place, id: hex(&id) });
            }
        }
    }
    for known in &mut found {
        known.places.sort_by_key(|place| place.kind);
    }
    found
}

/// Where a key is known from that the user named, in words.
#[must_use]
pub fn given_with(name: &str) -> String {
    format!("given with --pubkey {}", escape(name.as_bytes()))
}

/// The IDs of private keys that are known without their public keys too: hex, and where.
#[must_use]
pub fn known_ids(tokens: &Tokens<'_>) -> Vec<(String, String)> {
    let snapshot = tokens.snapshot;
    let live = tokens.cases.iter().flat_map(|case| {
        let on_card = |key: &Object| (hex(&key.id), format!("on card {}", escape(case.serial.as_bytes())));
        case.live.private_keys().map(on_card).collect::<Vec<_>>()
    });
    let cached = snapshot.caches.iter().flat_map(|dir| {
        ids(snapshot, dir)
            .into_values()
            .map(|id| (hex(&id), format!("in the cache {}", dir.path)))
            .collect::<Vec<_>>()
    });
    live.chain(cached).collect()
}

fn on_card(case: &Case<'_>, object: &Object, key: &PublicKey) -> Place {
    let what = match (&object.class, case.live.reference(object)) {
        (Class::Certificate { .. }, Some(number)) => {
            format!("certificate of key reference {}", key_reference(number))
        }
        (_, Some(number)) => format!("key reference {}", key_reference(number)),
        (_, None) => format!("{} in {}", object.class.name(), object.ef),
    };
    let label = escape(&object.label);
    let place = format!("on card {}: {what} \"{label}\"", escape(case.serial.as_bytes()));
    let id = if object.id.is_empty() { same_form(key).intrinsic_id().to_vec() } else { object.id.clone() };
    Place { kind: PlaceKind::Card, place, id: hex(&id) }
}

/// A certificate that OpenSC lists of a card.
fn in_list(case: &AskedCase<'_>, listed: &Listed<'_>) -> Place {
    let block = listed.block;
    let place = format!("on card {}, as OpenSC lists it: certificate \"{}\"", case.serial, block.label());
    let id = block.id().unwrap_or_else(|| hex(&same_form(&listed.certificate.key).intrinsic_id()));
    Place { kind: PlaceKind::Card, place, id }
}

/// The content of a cache entry, with all that its family knows.
fn entry_of<'s>(
    snapshot: &'s Snapshot,
    entry: &'s CacheEntry,
) -> Option<(&'s CacheName, &'static dyn Layout, EfPath, &'s [u8])> {
    let (Some(name), Content::Bytes(bytes)) = (entry.name.of_copy(), &entry.content) else {
        return None;
    };
    let (layout, _) = layout_of(&snapshot.cards, name)?;
    let file = name.ef()?;
    Some((name, layout, file, bytes.as_slice()))
}

/// The key in a cache entry.
fn in_cache(snapshot: &Snapshot, entry: &CacheEntry) -> Option<PublicKey> {
    match (entry_of(snapshot, entry), &entry.content) {
        (Some((_, layout, file, bytes)), _) => layout.describe(None, file, bytes).key,
        // Of a card that was not read certificates are kept, which tell for themselves.
        (None, Content::Bytes(bytes)) => x509::decode(bytes.as_slice()).map(|certificate| certificate.key),
        (None, _) => None,
    }
}

/// The IDs that the descriptions in a cache give to other entries, by the names of those.
fn ids(snapshot: &Snapshot, dir: &CacheDir) -> BTreeMap<ByteString, Vec<u8>> {
    let of_entry = |entry| {
        let (name, layout, file, bytes) = entry_of(snapshot, entry)?;
        let named = layout.names(file, bytes).into_iter().filter(|named| !named.id.is_empty());
        Some(named.map(|named| (name.at(named.file).name(), named.id)).collect::<Vec<_>>())
    };
    dir.entries.iter().filter_map(of_entry).flatten().collect()
}
