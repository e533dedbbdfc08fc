//! Private key, public key and certificate of one slot, all made of what is in the place of its certificate.

use super::slots::{PIN, chuid, id};
use crate::format::key::PublicKey;
use crate::format::piv::{self, MESSAGING, Slot};
use crate::format::pkcs15::{FLAG_PRIVATE, KeyType};
use crate::format::tlv::tagged;
use crate::format::x509::{self, Certificate};
use crate::snapshot::Card;
use crate::view::objects::Draft;
use crate::view::{Behaviour, Class, FILE_BUFFER, Object, Part, PublicKeyEntry, Read, Source, x509_as};

/// Sensitive, always sensitive, never extractable, local; extractable.
const PRIVATE_ACCESS: u32 = 0x1D;
const PUBLIC_ACCESS: u32 = 0x02;
/// OpenSC's bits for the use of keys.
const ENCRYPT: u32 = 0x01;
const DECRYPT: u32 = 0x02;
const SIGN: u32 = 0x04;
const SIGN_RECOVER: u32 = 0x08;
const WRAP: u32 = 0x10;
const UNWRAP: u32 = 0x20;
const VERIFY: u32 = 0x40;
const VERIFY_RECOVER: u32 = 0x80;
const DERIVE: u32 = 0x100;
const NON_REPUDIATION: u32 = 0x200;

/// What key and certificate in a slot are called: private key, public key, certificate.
fn labels(slot: Slot) -> [String; 3] {
    let named = |name: &str, purpose: &str| {
        [format!("{name} key"), format!("{name} pubkey"), format!("Certificate for {purpose}")]
    };
    match slot.reference {
        0 => [const { String::new() }, String::new(), "Secure Messaging Certificate Signer".to_owned()],
        0x9A => named("PIV AUTH", "PIV Authentication"),
        0x9C => named("SIGN", "Digital Signature"),
        0x9D => named("KEY MAN", "Key Management"),
        0x9E => named("CARD AUTH", "Card Authentication"),
        _ => {
            let number = slot.retired_number().unwrap_or_default();
            let key = format!("Retired KEY MAN {number}");
            [key.clone(), key, format!("Retired Certificate for Key Management {number}")]
        }
    }
}

/// The objects of one slot.
pub(super) fn list(
    view: &mut Draft,
    card: &Card,
    slot: Slot,
    source: &dyn Source,
    behaviour: Behaviour,
) -> Result<(), String> {
    let file = slot.certificate();
    let certificate = match source.read(file, FILE_BUFFER) {
        Read::Content(bytes) => x509_as(&bytes, behaviour),
        Read::Absent | Read::Failed => None,
        Read::Unknown(why) => return Err(why),
    };
    let Some(certificate) = certificate else { return Ok(()) };
    let [private, public, label] = labels(slot);
    let mut add = |part, label: String, auth_id, class| {
        view.objects.push(Object {
            ef: slot.object(),
            part,
            files: vec![file],
            label: label.into_bytes(),
            id: vec![id(slot)],
            auth_id,
            class,
        });
    };
    // Of a key of another type, or where there is none, only the certificate is listed.
    let key_type = match &certificate.key {
        _ if slot == MESSAGING => None,
        PublicKey::Rsa { .. } => Some(KeyType::Rsa),
        PublicKey::Ec { .. } => Some(KeyType::Ec),
        key if behaviour.lists_edwards_keys && key.is_ed25519() => Some(KeyType::Edwards),
        PublicKey::Other(_) => None,
    };
    if let Some(key_type) = key_type {
        let bits = match &certificate.key {
            PublicKey::Rsa { modulus, .. } => modulus.len() * 8,
            key => key.bits(),
        };
        let bits = if key_type == KeyType::Edwards {
            behaviour.curve_25519_bits
        } else {
            i32::try_from(bits).unwrap_or_default()
        };
        let (private_usage, public_usage) = usages(card, slot, key_type, &certificate);
        let reference = Some(slot.reference);
        // The key for card authentication is there for everybody.
        let protected = slot.reference != 0x9E;
        add(
            Part::PrivateKey,
            private,
            if protected { vec![PIN] } else { Vec::new() },
            Class::PrivateKey {
                reference,
                key_type,
                bits,
                usage: private_usage,
                access: PRIVATE_ACCESS,
                flags: if protected { FLAG_PRIVATE } else { 0 },
                native: true,
                path: None,
            },
        );
        let entry = PublicKeyEntry {
            key_type,
            bits,
            usage: public_usage,
            access: PUBLIC_ACCESS,
            flags: 0,
            native: true,
            reference,
            path: None,
        };
        let class = Class::PublicKey { key: Some(certificate.key.clone()), entry: Some(entry) };
        add(Part::Public, public, Vec::new(), class);
    }
    let class = Class::Certificate { certificate: Some(certificate), authority: false, flags: 0 };
    add(Part::Certificate, label, Vec::new(), class);
    Ok(())
}

/// What private and public key may be used for: as the certificate says, unless an agency issued
/// the card, or it says nothing.
fn usages(card: &Card, slot: Slot, key_type: KeyType, certificate: &Certificate) -> (u32, u32) {
    let chuid = chuid(card);
    let issued = piv::content(&chuid).and_then(|content| tagged(content, 0x30)).is_some_and(|fasc_n| {
        fasc_n.len() == 25 && piv::is_agency(fasc_n) && piv::serial(&chuid, false) == Some(fasc_n)
    });
    let stated = x509::key_usage(&certificate.der).filter(|_| !issued);
    let rsa = key_type == KeyType::Rsa;
    if let Some(stated) = stated {
        return usages_by_certificate(rsa, stated);
    }
    match (slot.reference, rsa) {
        (0x9A, true) => (DECRYPT | UNWRAP | SIGN | SIGN_RECOVER, ENCRYPT | WRAP | VERIFY | VERIFY_RECOVER),
        (0x9C, true) => (
            DECRYPT | SIGN | SIGN_RECOVER | NON_REPUDIATION,
            ENCRYPT | VERIFY | VERIFY_RECOVER | NON_REPUDIATION,
        ),
        (0x9C, false) => (SIGN | NON_REPUDIATION, VERIFY | NON_REPUDIATION),
        (0x9E, true) => (SIGN | SIGN_RECOVER, VERIFY | VERIFY_RECOVER),
        (0x9A | 0x9E, false) => (SIGN, VERIFY),
        (_, true) => (DECRYPT | UNWRAP, ENCRYPT | WRAP),
        (_, false) => (DERIVE, DERIVE),
    }
}

/// What follows from the bits of a certificate's key usage, the first one first.
fn usages_by_certificate(rsa: bool, stated: u32) -> (u32, u32) {
    let meanings: [(u32, u32); 9] = if rsa {
        [
            (DECRYPT | UNWRAP | SIGN | SIGN_RECOVER, ENCRYPT | WRAP | VERIFY | VERIFY_RECOVER),
            (
                DECRYPT | NON_REPUDIATION | SIGN | SIGN_RECOVER,
                ENCRYPT | NON_REPUDIATION | VERIFY | VERIFY_RECOVER,
            ),
            (DECRYPT | UNWRAP, ENCRYPT | WRAP),
            (DECRYPT, ENCRYPT),
            (DERIVE, DERIVE),
            (SIGN, VERIFY | VERIFY_RECOVER),
            (SIGN, VERIFY | VERIFY_RECOVER),
            (DECRYPT | UNWRAP, ENCRYPT | WRAP),
            (ENCRYPT | WRAP, DECRYPT | UNWRAP),
        ]
    } else {
        let nothing = (0, 0);
        [
            (SIGN, VERIFY),
            (NON_REPUDIATION, NON_REPUDIATION),
            nothing,
            nothing,
            (DERIVE, DERIVE),
            (SIGN, VERIFY),
            (SIGN, VERIFY),
            nothing,
            nothing,
        ]
    };
    let set = meanings.iter().zip(0..).filter(|(_, bit)| stated & 1 << bit != 0);
    set.fold((0, 0), |(private, public), ((a, b), _)| (private | a, public | b))
}
