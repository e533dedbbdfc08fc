//! What a token holds, in the form of a baseline: from the card, or as far as a cache tells.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::baseline::{self, Baseline, Certificate, Key};
use crate::case::token::Case;
use crate::crypto::same_form;
use crate::format::curve;
use crate::format::key::PublicKey;
use crate::snapshot::{Card, Snapshot};
use crate::text::{escape, hex};
use crate::view::{Class, Layout, Object, View, unread};

/// What a token holds now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenContent {
    /// In the form of a baseline.
    pub now: Baseline,
    /// Why the list of its keys may lack some.
    pub unknown: Vec<String>,
    /// Its label is the name on a certificate, and changes with that.
    pub named_by_certificate: bool,
}

/// What the tokens hold, each serial number once: applications of one card that share it count as one.
#[must_use]
pub fn held_by<'c>(cases: &'c [Case<'_>]) -> Vec<(&'c Case<'c>, TokenContent)> {
    let mut all: Vec<(&Case<'_>, TokenContent)> = Vec::new();
    let mut known: BTreeMap<_, usize> = BTreeMap::new();
    for case in cases {
        let held = held(case);
        let at = *known.entry((case.serial, &case.card.reader, &case.card.atr)).or_insert(all.len());
        match all.get_mut(at) {
            Some((first, known)) if first.card.is_beside(case.card) => {
                known.now.keys.extend(held.now.keys);
                known.now.keys.sort_by(|a, b| order(a).cmp(&order(b)));
                known.unknown.extend(held.unknown);
            }
            _ => all.push((case, held)),
        }
    }
    all
}

/// What the card of a case holds.
fn held(case: &Case<'_>) -> TokenContent {
    let status = case.card.status.as_ref();
    let dkek = status
        .and_then(|status| status.dkek.as_ref())
        .filter(|dkek| dkek.shares > 0 && dkek.outstanding == 0);
    let now = Baseline {
        schema: baseline::SCHEMA.to_owned(),
        serial: escape(case.serial.as_bytes()),
        label: case.layout.label(case.card).map(|label| escape(&label)),
        firmware: status.and_then(|status| status.firmware).map(|(major, minor)| format!("{major}.{minor}")),
        dkek_key_check_value: dkek.map(|dkek| dkek.check_value.hex().to_uppercase()),
        keys: keys(case.layout, &case.live),
        written_at: None,
    };
    let named_by_certificate = case.layout.label_in(case.card, case.card).is_some();
    TokenContent { now, unknown: unknown(&case.live), named_by_certificate }
}

/// The private keys of a view with what is public of them, sorted by ID.
#[must_use]
pub fn keys(layout: &dyn Layout, view: &View) -> Vec<Key> {
    // The device's own key is no key of the user's.
    let own = view.private_keys().filter(|object| !layout.is_device_key(object));
    let mut keys: Vec<Key> = own.filter_map(|object| key(view, object)).collect();
    keys.sort_by(|a, b| order(a).cmp(&order(b)));
    keys
}

/// By what keys are sorted.
pub(super) const fn order(key: &Key) -> (&String, &Option<String>) {
    (&key.id, &key.public_key_sha256)
}

/// The places of which a view says nothing, and why.
#[must_use]
pub fn unknown(view: &View) -> Vec<String> {
    view.unknown.iter().map(|(place, why)| format!("EF {}: {why}", place.ef)).collect()
}

fn key(view: &View, object: &Object) -> Option<Key> {
    let Class::PrivateKey { key_type, bits, reference, .. } = &object.class else { return None };
    let public = view.public_parts(object).find_map(Object::public_key);
    let certificate = view.public_parts(object).find_map(|other| match &other.class {
        Class::Certificate { certificate: Some(certificate), authority: false, .. } => Some(Certificate {
            sha256: hex(&Sha256::digest(&certificate.der)),
            not_before: certificate.validity.and_then(|(from, _)| baseline::datetime(from)),
            not_after: certificate.validity.and_then(|(_, to)| baseline::datetime(to)),
        }),
        _ => None,
    });
    let curve = match public {
        Some(PublicKey::Ec { curve_oid, .. }) => curve::by_oid(curve_oid).map(|curve| curve.name.to_owned()),
        _ => None,
    };
    Some(Key {
        id: hex(&object.id),
        label: Some(escape(&object.label)),
        kind: Some(key_type.name().to_owned()),
        bits: if curve.is_none() { u32::try_from(*bits).ok() } else { None },
        curve,
        public_key_sha256: public.map(|key| hex(&same_form(key).fingerprint())),
        certificate,
        reference: *reference,
    })
}

/// The serials, fit to be shown, of the tokens that were read or that have cache entries.
#[must_use]
pub fn serials(snapshot: &Snapshot, absent: &[Card]) -> Vec<String> {
    let cards = snapshot.cards.iter().chain(absent);
    cards.filter_map(|card| Some(escape(card.serial.as_ref()?.as_bytes()))).collect()
}

/// A card for each that there are cache entries of whose names tell what it is, and that was not
/// read: its key list is made of those names, and nothing else of it is known. Through the
/// cache such a card shows what OpenSC would take from there.
#[must_use]
pub fn absent_cards(snapshot: &Snapshot) -> Vec<Card> {
    let lower = |serial: &String| serial.to_ascii_lowercase();
    let read: BTreeSet<String> =
        snapshot.cards.iter().filter_map(|card| card.serial.as_ref().map(lower)).collect();
    let (mut absent, mut known): (Vec<Card>, BTreeMap<Option<String>, usize>) = Default::default();
    for entry in snapshot.caches.iter().flat_map(|dir| &dir.entries) {
        let Some(found) = entry.name.of_copy().and_then(unread) else { continue };
        if found.serial.as_ref().is_some_and(|serial| read.contains(&lower(serial))) {
            continue;
        }
        let at = *known.entry(found.serial.clone()).or_insert(absent.len());
        match absent.get_mut(at) {
            Some(card) => card.key_list.extend(found.key_list),
            None => absent.push(found),
        }
    }
    for card in &mut absent {
        card.key_list.sort_unstable();
        card.key_list.dedup();
    }
    absent
}
