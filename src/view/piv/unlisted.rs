//! What lies on a PIV card and is not listed: keys without a certificate, certificates that the key history passes over or
//! whose bytes are none.
//!
//! OpenSC looks at so many retired slots as the key history object counts, and lists a key for a certificate that it can
//! read, in no other way. Most tools that fill such cards write no key history. Which keys there are, only a
//! YubiKey from firmware 5.3 on tells.

use super::super::unlisted::{Because, Cure, Unlisted};
use super::super::{Behaviour, FILE_BUFFER, KeyInPlace, Object, Read, Source, View, x509_as};
use super::slots::{facts, history, key_in, slots};
use crate::finding::ObjectClass;
use crate::format::key::PublicKey;
use crate::format::piv::{self, ATTESTATION, MESSAGING, SLOTS, Slot, content, retired};
use crate::format::tlv::tagged;
use crate::format::x509;
use crate::snapshot::{Card, EfPath};
use crate::text::{escape, key_reference};

/// In the order of slots.
pub(super) fn unlisted(card: &Card, behaviour: Behaviour, live: &View) -> Vec<Unlisted> {
    let of_slots = SLOTS.into_iter().chain(retired(piv::RETIRED)).filter_map(|slot| {
        let looked_at = slots(card).any(|known| known == slot);
        let certificate = certificate(card, slot, behaviour);
        let is_listed = live.of_ef(slot.object()).any(Object::is_private_key);
        match certificate {
            Certificate::Good(subject) if !looked_at => Some(hidden(card, slot, &subject)),
            Certificate::Bad(why) if looked_at => Some(undecodable(card, slot, &why)),
            Certificate::Good(_) => (!is_listed).then(|| of_unlisted_kind(card, slot)).flatten(),
            Certificate::Bad(_) | Certificate::None => bare(card, slot),
        }
    });
    of_slots.chain(messaging(card, behaviour)).chain(attestation(card)).collect()
}

/// What is in the place of a certificate.
enum Certificate {
    /// One, with this subject. Escaped.
    Good(String),
    /// Something else, and why OpenSC does not take it.
    Bad(String),
    None,
}

fn certificate(card: &Card, slot: Slot, behaviour: Behaviour) -> Certificate {
    let bytes = match card.read(slot.certificate(), FILE_BUFFER) {
        Read::Content(bytes) => bytes,
        Read::Absent | Read::Failed => Vec::new(),
        Read::Unknown(_) => return Certificate::None,
    };
    if x509_as(&bytes, behaviour).is_some() {
        let subject = x509::decode(&bytes).map(|certificate| escape(certificate.subject().as_bytes()));
        return Certificate::Good(subject.unwrap_or_default());
    }
    if x509::decode(&bytes).is_some() {
        return Certificate::Bad("is for a kind of key that this version of OpenSC does not know".to_owned());
    }
    let Read::Content(object) = card.read(slot.object(), FILE_BUFFER) else { return Certificate::None };
    // An object that was emptied is none, whether it is without content or without a certificate in it.
    match content(&object) {
        Some(content) if content.is_empty() || tagged(content, 0x70).is_some_and(<[u8]>::is_empty) => {
            Certificate::None
        }
        None if object.is_empty() => Certificate::None,
        _ => Certificate::Bad("does not decode".to_owned()),
    }
}

fn name(class: &str, slot: Slot) -> String {
    format!("the {class} of key reference {} (object {})", key_reference(slot.reference), tag(slot.tag))
}

fn tag(last: u8) -> String {
    format!("5FC1{last:02X}")
}

/// What puts a certificate into a slot.
fn import(slot: Slot) -> String {
    format!(
        "yubico-piv-tool --action import-certificate --slot {:02x} --input FILE, or the tool that fills such cards",
        slot.reference
    )
}

/// The key history passes over it.
fn hidden(card: &Card, slot: Slot, subject: &str) -> Unlisted {
    let (on_card, elsewhere) = history(card);
    let holds = |slot: &Slot| matches!(card.read(slot.certificate(), FILE_BUFFER), Read::Content(_));
    let wanted = retired(piv::RETIRED).filter(holds).filter_map(Slot::retired_number).max().unwrap_or(1);
    let known = matches!(card.read(EfPath::at(piv::KEY_HISTORY.container), FILE_BUFFER), Read::Content(_));
    let why = if known {
        format!(
            "the key history object (5FC10C) says that the card holds {on_card} certificates of retired keys, and OpenSC \
             looks at no more"
        )
    } else {
        "there is no key history object (5FC10C), without which OpenSC looks at no retired key".to_owned()
    };
    let what = if elsewhere == 0 {
        format!(
            "write a key history object that counts {wanted}: printf 'C101{wanted:02X}C20100FE00' | yubico-piv-tool \
             --action write-object --id 0x5fc10c --format hex --input -"
        )
    } else {
        format!("write the key history object anew, with C1 {wanted} and the rest as it is")
    };
    Unlisted {
        ef: slot.object(),
        class: ObjectClass::Certificate,
        reference: Some(slot.reference),
        what: format!("{}, {subject}", name("certificate", slot)),
        why,
        because: Because::Fault(Cure { what, missing: false }),
        key: told(card, slot),
    }
}

fn undecodable(card: &Card, slot: Slot, why: &str) -> Unlisted {
    Unlisted {
        ef: slot.object(),
        class: ObjectClass::Certificate,
        reference: Some(slot.reference),
        what: name("certificate", slot),
        why: format!("what is in its place {why}, and OpenSC lists no key without its certificate"),
        because: Because::Fault(Cure {
            what: format!("write the certificate of the key anew: {}", import(slot)),
            missing: true,
        }),
        key: told(card, slot),
    }
}

/// A key without a certificate.
fn bare(card: &Card, slot: Slot) -> Option<Unlisted> {
    let KeyInPlace::Told(_) = key_in(card, slot.object()) else { return None };
    Some(Unlisted {
        ef: slot.object(),
        class: ObjectClass::PrivateKey,
        reference: Some(slot.reference),
        what: format!("the private key with key reference {}", key_reference(slot.reference)),
        why: "it has no certificate, and OpenSC lists no key of such a card without one".to_owned(),
        because: Because::Fault(Cure {
            what: format!("write a certificate of the key: {}", import(slot)),
            missing: true,
        }),
        key: told(card, slot),
    })
}

/// A key that only its certificate is listed of.
fn of_unlisted_kind(card: &Card, slot: Slot) -> Option<Unlisted> {
    let KeyInPlace::Told(_) = key_in(card, slot.object()) else { return None };
    Some(Unlisted {
        ef: slot.object(),
        class: ObjectClass::PrivateKey,
        reference: Some(slot.reference),
        what: format!("the private key with key reference {}", key_reference(slot.reference)),
        why: "this version of OpenSC lists no key of its kind, and its certificate alone".to_owned(),
        because: Because::Limit,
        key: told(card, slot),
    })
}

fn told(card: &Card, slot: Slot) -> Option<PublicKey> {
    match key_in(card, slot.object()) {
        KeyInPlace::Told(facts) => facts.public,
        KeyInPlace::Untold | KeyInPlace::None => None,
    }
}

/// The certificate of whoever signs for secure messaging, which older versions do not know.
fn messaging(card: &Card, behaviour: Behaviour) -> Option<Unlisted> {
    let Certificate::Good(subject) = certificate(card, MESSAGING, behaviour) else { return None };
    (!behaviour.lists_messaging).then(|| Unlisted {
        ef: MESSAGING.object(),
        class: ObjectClass::Certificate,
        reference: None,
        what: format!("the certificate in object {}, {subject}", tag(MESSAGING.tag)),
        why: "this version of OpenSC does not know certificates for secure messaging".to_owned(),
        because: Because::Limit,
        key: None,
    })
}

/// The key by which the device vouches for those that it makes.
fn attestation(card: &Card) -> Option<Unlisted> {
    let key = card.keys.iter().flatten().find(|key| key.key == ATTESTATION)?;
    let facts = facts(&key.answer)?;
    Some(Unlisted {
        ef: EfPath::default(),
        class: ObjectClass::PrivateKey,
        reference: Some(ATTESTATION),
        what: format!("the private key with key reference {}", key_reference(ATTESTATION)),
        why: "it is the device's own, by which it vouches for the keys that it makes".to_owned(),
        because: Because::Device,
        key: facts.public,
    })
}
