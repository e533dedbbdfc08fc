//! `possession-not-proved`: nothing on the card proves that a private key matches its public key
//!
//! A SmartCard-HSM signs a request for each key it generates: the inner signature, by the new
//! key itself, proves that whoever made the request had the private key; the outer one, by
//! the device, that it was made there. This finding says that there is no such proof, or that
//! it is bad. The usual reason is harmless: a certificate was written for the key, and on this
//! card it takes the request's place.
//!
//! What a good proof does not say: that it is that key still. The request is an ordinary
//! file, and keys can be deleted, imported and overwritten.
//!
//! What a bad one says: the request was damaged or altered, or is another card's. A bad inner
//! signature means that the public key shown may not be this key's at all.
//!
//! Cure: none is needed for a key whose certificate works. To know, have the key sign: `stalecard
//! verify` asks for a fresh signature, which proves what no file can.

use std::collections::BTreeSet;

use crate::case::claim::{Claim, claim};
use crate::case::possession::{Device, Possession, possession};
use crate::case::proofs::{is_certificate, named_by_card, private_key, proof};
use crate::case::token::{Case, object_name, side};
use crate::crypto::{Outcome, same_form, together, x509};
use crate::finding::{Deed, Evidence, Finding, Id, Remedy};
use crate::text::{count, escape, hex, key_reference};
use crate::view::{Class, Object};

/// Applies the rule to one token.
pub fn apply(case: &Case<'_>, sink: &mut Vec<Finding>) {
    let device = Device::of(case);
    // A list may name a key more than once.
    let mut seen = BTreeSet::new();
    let mut keys = Vec::new();
    for key in case.live.private_keys().filter(|key| seen.insert(key.ef)) {
        let Class::PrivateKey { reference: Some(reference), .. } = key.class else { continue };
        // Most families keep no requests, and then nothing is missing.
        if case.layout.request(key.ef).is_none() {
            continue;
        }
        let public = named_by_card(case, key).next();
        // The device's own key has its certificate elsewhere; what nothing public belongs to is another finding.
        if !case.layout.is_device_key(key) && public.is_some() && !signed_just_now(case, key) {
            keys.push((key, reference));
        }
    }
    let states = together::each(&keys, |(key, _)| possession(case, device.as_ref(), key));
    let mut without = Vec::new();
    for ((key, reference), state) in keys.into_iter().zip(states) {
        match state {
            state if state.is_proved() => {}
            Possession::NoRequest => without.push((key, reference)),
            state => sink.push(bad(case, key, reference, &state)),
        }
    }
    if !without.is_empty() {
        sink.push(none(case, &without));
    }
}

/// A signature of today proves more than any file.
fn signed_just_now(case: &Case<'_>, key: &Object) -> bool {
    let of_key = |trial: &&crate::snapshot::Trial| {
        private_key(case, trial).is_some_and(|own| own.place() == key.place())
    };
    let proof = case.card.trials.iter().find(of_key).and_then(|trial| proof(case, trial));
    proof.is_some_and(|proof| proof.tried.iter().any(|one| one.fits))
}

/// A proof that is not good.
fn bad(case: &Case<'_>, key: &Object, reference: u8, state: &Possession) -> Finding {
    let mut finding = finding(
        case,
        format!("The request for key reference {}: {}.", key_reference(reference), state.words()),
    );
    finding.object = Some(object_name(&case.live, key));
    let public = named_by_card(case, key).next();
    finding.evidence.push(Evidence { card: Some(side(public)), ..Evidence::default() });
    finding
}

/// Keys without a request: one finding for all, because most often it is harmless.
fn none(case: &Case<'_>, keys: &[(&Object, u8)]) -> Finding {
    let names: Vec<String> = keys.iter().map(|(_, reference)| key_reference(*reference)).collect();
    let summary = format!(
        "{} whose request a certificate has replaced (key reference {}): no file on the card proves that \
         certificate and key belong together.",
        count(keys.len(), "key", "keys"),
        names.join(", ")
    );
    let mut finding = finding(case, summary);
    for (key, reference) in keys {
        for object in named_by_card(case, key).filter(|object| is_certificate(object)) {
            let notes = notes(object);
            if !notes.is_empty() {
                let mut card = side(Some(object));
                card.attributes = notes
                    .iter()
                    .map(|note| format!("key reference {}: {note}", key_reference(*reference)))
                    .collect();
                finding.evidence.push(Evidence { card: Some(card), ..Evidence::default() });
            }
        }
    }
    finding
}

/// What else can be said of a certificate without its key.
fn notes(object: &Object) -> Vec<String> {
    let Class::Certificate { certificate: Some(certificate), .. } = &object.class else { return Vec::new() };
    let mut notes = Vec::new();
    let key = &same_form(&certificate.key);
    let claim = claim(certificate);
    if matches!(claim, Claim::OwnKey | Claim::Unsaid) {
        match x509::signed_by(&certificate.der, &certificate.key) {
            Ok(Outcome::Valid(_)) => {}
            Ok(Outcome::Invalid) if claim == Claim::Unsaid => {
                notes.push(
                    "issuer and subject have one name, and its signature is not by the key it names"
                        .to_owned(),
                );
            }
            Ok(Outcome::Invalid) => {
                notes.push("it is self-signed, and its signature is not by the key it names".to_owned());
            }
            Ok(Outcome::Otherwise(how)) => {
                notes.push(format!(
                    "it is self-signed by the key it names, and its signature is invalid: {how}"
                ));
            }
            Ok(Outcome::NotDecidable(why)) => {
                notes.push(format!("it is self-signed, and its signature cannot be checked: {why}"));
            }
            Err(_) => notes.push("its signature cannot be taken out of it".to_owned()),
        }
    }
    if object.id.len() == 20 && object.id != key.intrinsic_id() {
        notes.push(format!(
            "its ID is not the hash that OpenSC derives from this public key ({}): another key's certificate, or an \
             ID that somebody chose",
            hex(&key.intrinsic_id())
        ));
    }
    notes
}

fn finding(case: &Case<'_>, summary: String) -> Finding {
    let mut finding = Finding::new(
        Id::PossessionNotProved,
        summary,
        "Not an error by itself: only a fresh signature proves which key is on the card.".to_owned(),
    );
    finding.token = Some(escape(case.serial.as_bytes()));
    finding
        .fix
        .push(Remedy::new("have the keys sign, which takes the PIN", Deed::Prove(case.serial.to_owned())));
    finding
}
