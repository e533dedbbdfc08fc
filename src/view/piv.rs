//! A PIV card as OpenSC's `PIV-II` emulation (`pkcs15-piv.c`) lists it.
//!
//! A key is listed if the certificate of its slot can be read, and what is said of the key
//! is taken from that certificate: one stale file, and type, size, usage and public key are the old
//! ones. Which retired keys are looked at says the key history, which OpenSC always reads from the
//! card. The data objects are listed with what stands around the certificates, a second copy.

mod unlisted;

use std::collections::BTreeMap;

use super::unlisted::Unlisted;
use super::{
    Behaviour, Class, Condition, Described, Draft, FILE_BUFFER, KeyFacts, KeyInPlace, Layout, Named, Note,
    Object, Part, Place, PublicKeyEntry, Read, Source, View, x509_as,
};
use crate::card::piv::NO_SERIAL;
use crate::format::key::PublicKey;
use crate::format::piv::{self, MESSAGING, Slot};
use crate::format::pkcs15::{self, FLAG_PRIVATE, KeyType, Value};
use crate::format::tlv::tagged;
use crate::format::x509::{self, Certificate};
use crate::opensc::cache_name::{NotCached, Serial};
use crate::opensc::{CacheName, Version, differences};
use crate::snapshot::{Answer, Card, EfPath};
use crate::text::{escape, hex};

/// The PIN that protects keys and private objects.
const PIN: u8 = 1;
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

/// A data object as OpenSC lists it.
struct DataObject {
    name: &'static str,
    /// The end of its OID, behind 2.16.840.1.101.3.7.
    oid: &'static [u8],
    container: u16,
    access: Access,
}

#[derive(PartialEq, Eq)]
enum Access {
    Public,
    /// Listed whether it is there or not, and never read: no card has it.
    Unread,
    /// Behind the PIN, which the list says.
    Pin,
    /// Behind the PIN, which the list does not say.
    UnsaidPin,
}

/// In OpenSC's order; those of the retired keys follow.
const DATA: [DataObject; 14] = [
    data("Card Capability Container", &[1, 0x81, 0x5B, 0], 0xDB00, Access::Public),
    data("Card Holder Unique Identifier", &[2, 48, 0], 0x3000, Access::Public),
    data("Unsigned Card Holder Unique Identifier", &[2, 48, 2], 0x3010, Access::Unread),
    data("X.509 Certificate for PIV Authentication", &[2, 1, 1], 0x0101, Access::Public),
    data("Cardholder Fingerprints", &[2, 96, 16], 0x6010, Access::Pin),
    data("Printed Information", &[2, 48, 1], 0x3001, Access::Pin),
    data("Cardholder Facial Image", &[2, 96, 48], 0x6030, Access::Pin),
    data("X.509 Certificate for Digital Signature", &[2, 1, 0], 0x0100, Access::Public),
    data("X.509 Certificate for Key Management", &[2, 1, 2], 0x0102, Access::Public),
    data("X.509 Certificate for Card Authentication", &[2, 5, 0], 0x0500, Access::Public),
    data("Security Object", &[2, 0x81, 0x10, 0], 0x9000, Access::Public),
    data("Discovery Object", &[2, 96, 80], 0x6050, Access::Public),
    data("Key History Object", &[2, 96, 96], 0x6060, Access::Public),
    data("Cardholder Iris Image", &[2, 16, 21], 0x1015, Access::UnsaidPin),
];

/// What follows those of the retired keys, in versions that know secure messaging.
const MESSAGING_DATA: [DataObject; 3] = [
    data("Biometric Information Templates Group Template", &[2, 16, 22], 0x1016, Access::Public),
    data("Secure Messaging Certificate Signer", &[2, 16, 23], 0x1017, Access::Public),
    data("Pairing Code Reference Data Container", &[2, 16, 24], 0x1018, Access::UnsaidPin),
];

const fn data(name: &'static str, oid: &'static [u8], container: u16, access: Access) -> DataObject {
    DataObject { name, oid, container, access }
}

/// 2.16.840.1.101.3.7, OID content.
const ARC: [u8; 7] = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x07];

/// The layout of a PIV card.
pub struct Piv;

impl Layout for Piv {
    fn name(&self) -> &'static str {
        "PIV card"
    }

    fn decode(&self, card: &Card, source: &dyn Source, behaviour: Behaviour) -> View {
        let mut view = Draft::default();
        for slot in slots(card).filter(|slot| behaviour.lists_messaging || *slot != MESSAGING) {
            if let Err(why) = key(&mut view, card, slot, source, behaviour) {
                view.unknown.push((Place::whole(slot.object()), why));
            }
        }
        let mut list = Objects { card, source, behaviour, view: &mut view };
        let add = |list: &mut Objects<'_>, object: &DataObject| {
            list.add(object.name.to_owned(), object.oid, EfPath::at(object.container), &object.access);
        };
        DATA.iter().for_each(|object| add(&mut list, object));
        for (slot, number) in slots(card).filter_map(|slot| Some((slot, slot.retired_number()?))) {
            let name = format!("Retired X.509 Certificate for Key Management {number}");
            list.add(name, &[2, 16, number], slot.object(), &Access::Public);
        }
        if behaviour.lists_messaging {
            MESSAGING_DATA.iter().for_each(|object| add(&mut list, object));
        }
        view.view(&[PIN])
    }

    fn unlisted(&self, card: &Card, behaviour: Behaviour, live: &View) -> Vec<Unlisted> {
        unlisted::unlisted(card, behaviour, live)
    }

    fn key_in(&self, card: &Card, ef: EfPath) -> KeyInPlace {
        key_in(card, ef)
    }

    fn cache_name(&self, card: &Card, version: Version, file: EfPath) -> Result<CacheName, NotCached> {
        let serial = serial(card, version).into_bytes();
        CacheName::generate(version, &Serial::Text(serial), None, None, None, file.as_slice())
    }

    fn serial_in_names(&self, card: &Card, version: Version) -> Option<String> {
        Some(serial(card, version))
    }

    fn buffer(&self, _file: EfPath) -> usize {
        FILE_BUFFER
    }

    fn condition(&self, _card: Option<&Card>, file: EfPath, bytes: &[u8]) -> Condition {
        if bytes.is_empty() {
            return Condition::Empty;
        }
        let is_certificate = Slot::of(file).is_some_and(|slot| slot.certificate() == file);
        let decodes =
            if is_certificate { x509::decode(bytes).is_some() } else { piv::content(bytes).is_some() };
        Condition::of_element(bytes, decodes)
    }

    fn is_listed(&self, card: &Card, file: EfPath) -> bool {
        Slot::of(file).is_none_or(|slot| slots(card).any(|known| known == slot))
    }

    fn describe(&self, _card: Option<&Card>, file: EfPath, bytes: &[u8]) -> Described {
        let Some(slot) = Slot::of(file) else {
            let known =
                DATA.iter().chain(&MESSAGING_DATA).find(|object| EfPath::at(object.container) == file);
            let words = known.map_or_else(|| format!("file {file}"), |object| object.name.to_owned());
            return Described { words, ..Described::default() };
        };
        let words = match slot.reference {
            0 => "certificate for secure messaging".to_owned(),
            reference => format!("certificate of slot {reference:02X}"),
        };
        let found = if slot.certificate() == file {
            x509::decode(bytes)
        } else {
            piv::certificate(bytes).ok().flatten().and_then(|certificate| x509::decode(&certificate))
        };
        match found {
            Some(certificate) => Described {
                words: format!("{words}, {}", escape(certificate.subject().as_bytes())),
                id: Some(vec![id(slot)]),
                key: Some(certificate.key),
                ..Described::default()
            },
            None => Described { words: format!("{words}: not a certificate"), ..Described::default() },
        }
    }

    fn names(&self, _file: EfPath, _bytes: &[u8]) -> Vec<Named> {
        Vec::new()
    }

    fn may_be_private(&self, _card: Option<&Card>, file: EfPath) -> bool {
        let is_public = |object: &piv::Object| EfPath::at(object.container) == file;
        Slot::of(file).is_none() && !piv::PUBLIC.iter().any(is_public)
    }

    fn is_private(&self, file: EfPath) -> bool {
        let is_behind_pin = |access: &Access| matches!(access, Access::Pin | Access::UnsaidPin);
        let mut known = DATA.iter().chain(&MESSAGING_DATA);
        known.any(|object| EfPath::at(object.container) == file && is_behind_pin(&object.access))
    }

    /// Keys first, by number.
    fn order(&self, object: &Object) -> (u8, u8, u8) {
        let number = Slot::of(object.ef).map_or(u8::MAX, id);
        (u8::from(!object.part.is_of_key()), number, 0)
    }

    fn label(&self, card: &Card) -> Option<Vec<u8>> {
        Some(self.label_in(card, card)?.0)
    }

    /// The name on the first certificate.
    fn label_in(&self, card: &Card, source: &dyn Source) -> Option<(Vec<u8>, EfPath)> {
        let first = slots(card).find_map(|slot| match source.read(slot.certificate(), FILE_BUFFER) {
            Read::Content(bytes) => Some((x509::decode(&bytes)?, slot.certificate())),
            Read::Absent | Read::Failed | Read::Unknown(_) => None,
        });
        let (certificate, file) = first?;
        Some((certificate.common_name().unwrap_or_else(|| b"PIV_II".to_vec()), file))
    }

    fn label_by_view(&self, _card: &Card, view: &View) -> Vec<u8> {
        let first = view.objects.iter().find_map(|object| match &object.class {
            Class::Certificate { certificate, .. } => certificate.as_ref(),
            _ => None,
        });
        first.and_then(Certificate::common_name).unwrap_or_else(|| b"PIV_II".to_vec())
    }

    fn emulation(&self) -> Option<&'static str> {
        Some("PIV-II")
    }

    fn status(&self, _card: &Card) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    fn notes(&self, card: &Card, _version: Option<Version>, live: &View) -> Vec<Note> {
        let (_, elsewhere) = history(card);
        let note = |what: String, why: &str| Note { what, why: why.to_owned(), asked_for: false };
        let off_card = (elsewhere > 0).then(|| {
            note(
                format!("{elsewhere} certificates of retired keys"),
                "the card says that they are kept elsewhere, as files that the user puts into the cache directory",
            )
        });
        // Somebody who sees no key at all may have made one.
        let is_silent = card.keys.is_none() && live.private_keys().next().is_none();
        let bare = is_silent.then(|| {
            note(
                "keys without a certificate".to_owned(),
                "OpenSC lists no key of such a card without one, and this card does not tell which keys it has",
            )
        });
        off_card.into_iter().chain(bare).collect()
    }

    fn keeps_ids(&self) -> bool {
        false
    }

    fn knows_keys_by_certificate(&self) -> bool {
        true
    }

    fn serial(&self, card: &Card, version: Version) -> Option<String> {
        Some(serial(card, version))
    }

    fn shared_identity(&self, card: &Card, version: Version) -> Option<String> {
        if serial(card, version).bytes().any(|digit| digit != b'0') {
            return None;
        }
        let has_guid = piv::serial(&chuid(card), true).is_some();
        let why = if has_guid {
            "its FASC-N is zeros, as that of many cards, and this version of OpenSC does not look at the GUID beside it"
        } else {
            "it has no CHUID that tells it from others, and every such card counts as this one"
        };
        Some(why.to_owned())
    }

    /// Nothing on such a card ever changes the names of cache files.
    fn signals_change(&self, _card: &Card, _version: Version) -> bool {
        false
    }
}

/// What the card tells of the key in this place, if it tells of keys.
fn key_in(card: &Card, ef: EfPath) -> KeyInPlace {
    let (Some(keys), Some(slot)) = (&card.keys, Slot::of(ef)) else { return KeyInPlace::Untold };
    match keys.iter().find(|key| key.key == slot.reference) {
        None => KeyInPlace::None,
        Some(key) => facts(&key.answer).map_or(KeyInPlace::Untold, KeyInPlace::Told),
    }
}

fn facts(answer: &Answer) -> Option<KeyFacts> {
    let Answer::Content(bytes) = answer else { return None };
    let known = piv::metadata(bytes.as_slice())?;
    let policies = [("PIN", known.pin), ("touch", known.touch)];
    let policies = policies.into_iter().filter_map(|(what, when)| Some(format!("{what}: {}", when?)));
    let words = known.origin.map(str::to_owned).into_iter().chain(policies).collect();
    Some(KeyFacts { public: known.public, words })
}

/// The serial number as a version puts it into file names.
fn serial(card: &Card, version: Version) -> String {
    let chuid = chuid(card);
    let serial = piv::serial(&chuid, differences::piv_passes_over_zero_fasc_n(version));
    serial.map_or_else(|| NO_SERIAL.to_owned(), hex)
}

fn chuid(card: &Card) -> Vec<u8> {
    content(card, piv::CHUID)
}

/// How many retired keys have their certificate on the card, and how many elsewhere.
fn history(card: &Card) -> (u8, u8) {
    piv::key_history(&content(card, piv::KEY_HISTORY))
}

fn content(card: &Card, object: piv::Object) -> Vec<u8> {
    match card.read(EfPath::at(object.container), FILE_BUFFER) {
        Read::Content(bytes) => bytes,
        _ => Vec::new(),
    }
}

/// The slots that are looked at.
fn slots(card: &Card) -> impl Iterator<Item = Slot> {
    // In OpenSC's order, in which the certificate without a key is the last.
    piv::SLOTS.into_iter().chain(piv::retired(history(card).0)).chain([MESSAGING])
}

/// The ID of what is in a slot: its number, decimal digits read as hexadecimal ones.
fn id(slot: Slot) -> u8 {
    let number = match slot.reference {
        0 => 81,
        0x9A => 1,
        0x9C => 2,
        0x9D => 3,
        0x9E => 4,
        _ => 4 + slot.retired_number().unwrap_or_default(),
    };
    number / 10 * 16 + number % 10
}

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
fn key(
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

/// Lists data objects.
struct Objects<'a> {
    card: &'a Card,
    source: &'a dyn Source,
    behaviour: Behaviour,
    view: &'a mut Draft,
}

impl Objects<'_> {
    fn add(&mut self, name: String, oid: &[u8], file: EfPath, access: &Access) {
        let read = if *access == Access::Public { self.read(file) } else { Read::Absent };
        let is_unreadable = read == Read::Failed;
        let content = match read {
            Read::Content(bytes) => Some(bytes),
            Read::Absent | Read::Failed => None,
            Read::Unknown(why) => {
                self.view.unknown.push((Place { ef: file, part: Part::Whole }, why));
                return;
            }
        };
        let flags = if matches!(access, Access::Pin | Access::UnsaidPin) { FLAG_PRIVATE } else { 0 };
        self.view.objects.push(Object {
            ef: file,
            part: Part::Whole,
            files: vec![file],
            label: name.clone().into_bytes(),
            id: Vec::new(),
            auth_id: if *access == Access::Pin { vec![PIN] } else { Vec::new() },
            class: Class::Data {
                application: name.into_bytes(),
                oid: Some([&ARC[..], oid].concat()),
                flags,
                path: Value::Path(pkcs15::Path {
                    bytes: file.as_slice().to_vec(),
                    ..pkcs15::Path::default()
                }),
                content,
                is_unreadable,
            },
        });
    }

    /// What the card gives OpenSC takes out of its wrapping and fails if it is another than it expects; what is in the cache
    /// it takes as it is.
    fn read(&self, file: EfPath) -> Read {
        let read = self.source.read(file, FILE_BUFFER);
        let Read::Content(bytes) = &read else { return read };
        let of_card = self.card.read(file, FILE_BUFFER) == read;
        match piv::content(bytes) {
            None if of_card => Read::Failed,
            Some([]) if of_card && self.behaviour.empty_piv_objects_fail => Read::Failed,
            Some([]) if of_card => Read::Absent,
            _ => read,
        }
    }
}
