//! What lies on an OpenPGP card and is not listed: a key without a fingerprint, keys of kinds that this version of OpenSC does
//! not know, certificates that it does not look at.
//!
//! A fingerprint is written by the software that makes or imports a key, not by the card (functional specification,
//! 4.4.3.9). A run that is interrupted, or a tool that fails at it, leaves a key without one, and OpenSC takes its place for
//! empty.

use super::super::unlisted::{Because, Cure, Unlisted};
use super::super::{Behaviour, FILE_BUFFER, Read, Source, x509_as};
use super::listed::{kind, listed_certificates, role};
use crate::finding::ObjectClass;
use crate::format::key::PublicKey;
use crate::format::openpgp::{self, CERTIFICATES, Key};
use crate::snapshot::{Card, EfPath};
use crate::text::key_reference;

/// In the order of the keys.
pub(super) fn unlisted(card: &Card, behaviour: Behaviour) -> Vec<Unlisted> {
    let Read::Content(related) = card.read(openpgp::APPLICATION, FILE_BUFFER) else { return Vec::new() };
    let keys = openpgp::places(&related);
    let keys = keys.iter().filter_map(|key| of_key(card, key, behaviour));
    let certificates = CERTIFICATES.iter().skip(listed_certificates(behaviour));
    keys.chain(certificates.filter_map(|(path, ..)| certificate(card, EfPath::new(path)?, behaviour)))
        .collect()
}

fn of_key(card: &Card, key: &Key, behaviour: Behaviour) -> Option<Unlisted> {
    let Read::Content(public) = card.read(key.file(), FILE_BUFFER) else { return None };
    let (why, because) = if !key.is_named() {
        let object = format!("00{:02X}", 0xC7 + key.number);
        let what = format!(
            "write its fingerprint to the card, that of its OpenPGP key if it has one (20 bytes, PUT DATA of object {object} \
             after PW3), or have the program that made the key do it; do not generate or import a key in its place"
        );
        let why = "it has no fingerprint, and OpenSC takes a place without one for empty".to_owned();
        (why, Because::Fault(Cure { what, missing: false }))
    } else if kind(key, behaviour).is_none() {
        ("this version of OpenSC lists no key of its kind".to_owned(), Because::Limit)
    } else {
        return None;
    };
    let label = role(key.number, true).label.to_lowercase();
    let known: Option<PublicKey> = openpgp::decode_public_key(&public);
    Some(Unlisted {
        ef: key.file(),
        class: ObjectClass::PrivateKey,
        reference: Some(key.number),
        what: format!("the {label}, key reference {}", key_reference(key.number)),
        why,
        because,
        key: known,
    })
}

/// One that this version does not look at.
fn certificate(card: &Card, file: EfPath, behaviour: Behaviour) -> Option<Unlisted> {
    let Read::Content(bytes) = card.read(file, FILE_BUFFER) else { return None };
    let certificate = x509_as(&bytes, behaviour)?;
    Some(Unlisted {
        ef: file,
        class: ObjectClass::Certificate,
        reference: None,
        what: format!("the certificate in object {file}"),
        why: "this version of OpenSC looks only at the first certificate of such a card".to_owned(),
        because: Because::Limit,
        key: Some(certificate.key),
    })
}
