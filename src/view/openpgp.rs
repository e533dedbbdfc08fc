//! An OpenPGP card as OpenSC's `openpgp` emulation (`pkcs15-openpgp.c`) lists it.
//!
//! Which keys there are, of what kind and size, OpenSC always asks the card. Only the public keys
//! themselves are cached, and they are not in the list of `pkcs15-tool -D`: with a new key the listing
//! stays as it was, and what is handed out is the old public key. Certificates are
//! never cached.
//!
//! Of the objects for private use those are listed that the card says hold something; what they hold is cached
//! once somebody reads it, if private data may be. OpenSC selects the application and logs nobody in, so 0103 and 0104,
//! which take a PIN, are not listed.

mod listed;
mod unlisted;

use std::collections::BTreeMap;

use listed::{kind, listed_certificates, role};

use super::objects::Draft;
use super::unlisted::Unlisted;
use super::{
    Behaviour, Class, Condition, Described, FILE_BUFFER, Layout, Named, Note, Object, Part, Place,
    PublicKeyEntry, Read, Source, View, x509_as,
};
use crate::format::key::PublicKey;
use crate::format::openpgp::{self, CERTIFICATES, Key, PRIVATE_USE};
use crate::format::pkcs15::{FLAG_PRIVATE, KeyType, Path, Value};
use crate::opensc::cache_name::{NotCached, Serial};
use crate::opensc::{CacheName, Version};
use crate::snapshot::{Answer, Card, EfPath};
use crate::text::escape;

/// Sensitive, always sensitive, never extractable, local; extractable.
const PRIVATE_ACCESS: u32 = 0x1D;
const PUBLIC_ACCESS: u32 = 0x02;
/// Object flag: it can be changed.
const MODIFIABLE: u32 = 0x02;

/// All that keys on curves may do.
const SIGN: u32 = 0x04;
/// verify, verifyRecover
const VERIFY: u32 = 0xC0;
const DERIVE: u32 = 0x100;

/// The layout of an OpenPGP card.
pub struct OpenPgp;

impl Layout for OpenPgp {
    fn name(&self) -> &'static str {
        "OpenPGP card"
    }

    fn decode(&self, card: &Card, source: &dyn Source, behaviour: Behaviour) -> View {
        let mut view = Draft::default();
        if let Read::Unknown(why) = card.read(openpgp::APPLICATION, FILE_BUFFER) {
            view.unknown.push((Place::whole(openpgp::APPLICATION), why));
        }
        let [before_version_3, later] = behaviour.authentication_deciphers;
        let deciphers = if is_version_3(card) { later } else { before_version_3 };
        for known in keys(card) {
            if let Err(why) = key(&mut view, &known, source, behaviour, deciphers) {
                view.unknown.push((Place::whole(known.file()), why));
            }
        }
        for certificate in CERTIFICATES.iter().take(listed_certificates(behaviour)) {
            self::certificate(&mut view, card, certificate, behaviour);
        }
        for (number, place) in (1..).zip(PRIVATE_USE) {
            private_use(&mut view, card, number, place);
        }
        view.view(&[2, 1])
    }

    fn unlisted(&self, card: &Card, behaviour: Behaviour, _live: &View) -> Vec<Unlisted> {
        unlisted::unlisted(card, behaviour)
    }

    fn cache_name(&self, card: &Card, version: Version, file: EfPath) -> Result<CacheName, NotCached> {
        if number(file).is_none() && !is_private_use(file) {
            return Err(NotCached::Version);
        }
        let serial = card.serial.as_deref().ok_or(NotCached::NoSerial)?.as_bytes().to_vec();
        CacheName::generate(version, &Serial::Text(serial), None, None, None, file.as_slice())
    }

    fn buffer(&self, _file: EfPath) -> usize {
        FILE_BUFFER
    }

    fn condition(&self, _card: Option<&Card>, file: EfPath, bytes: &[u8]) -> Condition {
        if bytes.is_empty() {
            return Condition::Empty;
        }
        if is_private_use(file) {
            return Condition::Whole;
        }
        Condition::of_element(bytes, openpgp::decode_public_key(bytes).is_some())
    }

    fn is_listed(&self, card: &Card, file: EfPath) -> bool {
        match number(file) {
            Some(_) => keys(card).iter().any(|key| key.file() == file),
            None => !is_private_use(file) || holds_something(card, file) != Ok(false),
        }
    }

    fn describe(&self, _card: Option<&Card>, file: EfPath, bytes: &[u8]) -> Described {
        if let Some(at) = PRIVATE_USE.iter().position(|(known, _)| *known == file) {
            return Described { words: format!("content of PrivDO{}", at + 1), ..Described::default() };
        }
        let Some(number) = number(file) else {
            return Described { words: format!("file {file}"), ..Described::default() };
        };
        let label = role(number, true).label;
        let key = openpgp::decode_public_key(bytes);
        let what = key.as_ref().map_or_else(|| "not a public key".to_owned(), PublicKey::describe);
        Described {
            words: format!("public key of the {}, {what}", label.to_lowercase()),
            id: Some(vec![number + 1]),
            label: Some(label.as_bytes().to_vec()),
            key,
        }
    }

    fn names(&self, _file: EfPath, _bytes: &[u8]) -> Vec<Named> {
        Vec::new()
    }

    /// Everything but the public keys: names, addresses, data for private use.
    fn may_be_private(&self, _card: Option<&Card>, file: EfPath) -> bool {
        number(file).is_none()
    }

    fn is_private(&self, file: EfPath) -> bool {
        is_private_use(file)
    }

    /// Keys first, by number; data last.
    fn order(&self, object: &Object) -> (u8, u8, u8) {
        let class = match object.class {
            Class::Data { .. } => 2,
            _ => u8::from(!object.part.is_of_key()),
        };
        (class, object.id.first().copied().unwrap_or_default(), 0)
    }

    fn label(&self, _card: &Card) -> Option<Vec<u8>> {
        Some(b"OpenPGP card".to_vec())
    }

    fn pin_label(&self, auth_id: &[u8]) -> Option<&'static str> {
        Some(if auth_id == [1] { "User PIN (sig)" } else { "User PIN" })
    }

    fn emulation(&self) -> Option<&'static str> {
        Some("openpgp")
    }

    fn signature_pin(&self) -> Option<[&'static str; 2]> {
        Some(["OpenPGP card (User PIN)", "OpenPGP card (User PIN (sig))"])
    }

    fn status(&self, _card: &Card) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    fn notes(&self, _card: &Card, _version: Option<Version>, live: &View) -> Vec<Note> {
        let listed = live.objects.iter().filter(|object| matches!(object.class, Class::Data { .. }));
        let note = |object: &Object| Note {
            what: format!("content of data object \"{}\" ({})", escape(&object.label), object.ef),
            why: "private to OpenSC: neither kept nor compared".to_owned(),
            asked_for: false,
        };
        listed.map(note).collect()
    }

    fn keeps_ids(&self) -> bool {
        false
    }

    fn computes_public_keys(&self) -> bool {
        true
    }

    /// Nothing on such a card ever changes the names of cache files.
    fn signals_change(&self, _card: &Card, _version: Version) -> bool {
        false
    }
}

fn is_version_3(card: &Card) -> bool {
    let Read::Content(bytes) = card.read(openpgp::APPLICATION, FILE_BUFFER) else { return false };
    openpgp::aid(&bytes).is_some_and(openpgp::is_version_3)
}

fn keys(card: &Card) -> Vec<Key> {
    match card.read(openpgp::APPLICATION, FILE_BUFFER) {
        Read::Content(bytes) => openpgp::keys(&bytes),
        _ => Vec::new(),
    }
}

fn is_private_use(file: EfPath) -> bool {
    PRIVATE_USE.iter().any(|(known, _)| *known == file)
}

/// Is there anything in an object for private use? The card alone says so.
fn holds_something(card: &Card, file: EfPath) -> Result<bool, String> {
    match card.files.iter().find(|known| known.path == file).map(|known| &known.answer) {
        Some(Answer::Content(_) | Answer::Withheld) => Ok(true),
        Some(Answer::Absent | Answer::Refused(_)) => Ok(false),
        Some(Answer::NotRead(why)) => Err(why.clone()),
        None => Err("it was not read".to_owned()),
    }
}

/// The number of the key whose public half a file holds.
fn number(file: EfPath) -> Option<u8> {
    match file.as_slice() {
        [0xB6, 0x01] => Some(0),
        [0xB8, 0x01] => Some(1),
        [0xA4, 0x01] => Some(2),
        _ => None,
    }
}

/// The two halves of a key.
fn key(
    view: &mut Draft,
    key: &Key,
    source: &dyn Source,
    behaviour: Behaviour,
    deciphers: bool,
) -> Result<(), String> {
    let Some((key_type, bits)) = kind(key, behaviour) else { return Ok(()) };
    let file = key.file();
    let public_key = match source.read(file, FILE_BUFFER) {
        // A key that has become one of another type since is none to OpenSC.
        Read::Content(bytes) => openpgp::decode_public_key(&bytes).filter(|key| match key_type {
            KeyType::Rsa => matches!(key, PublicKey::Rsa { .. }),
            KeyType::Edwards => key.ed25519().is_some(),
            KeyType::Montgomery => key.x25519().is_some(),
            KeyType::Ec | KeyType::Other => matches!(key, PublicKey::Ec { .. }),
        }),
        Read::Absent | Read::Failed => None,
        Read::Unknown(why) => return Err(why),
    };
    let role = role(key.number, deciphers && key_type != KeyType::Edwards);
    let by_key = behaviour.openpgp_by_key;
    let (private_usage, public_usage) = match key.attributes.first() {
        Some(&openpgp::ECDH) if by_key => (DERIVE, DERIVE),
        Some(&openpgp::ECDSA) if by_key => (SIGN, VERIFY),
        _ => (role.private, role.public),
    };
    // Where the curve's size is not taken from what the card says of the key, it is that of the key which is read.
    let read_bits = || public_key.as_ref().and_then(|key| i32::try_from(key.bits()).ok()).unwrap_or_default();
    let public_bits = if bits > 0 { bits } else { read_bits() };
    let mut add = |part, files, auth_id, class| {
        view.objects.push(Object {
            ef: file,
            part,
            files,
            label: role.label.as_bytes().to_vec(),
            id: vec![key.number + 1],
            auth_id,
            class,
        });
    };
    add(
        Part::PrivateKey,
        Vec::new(),
        vec![role.pin],
        Class::PrivateKey {
            reference: Some(key.number),
            key_type,
            bits,
            usage: private_usage,
            access: PRIVATE_ACCESS,
            flags: FLAG_PRIVATE | MODIFIABLE,
            native: true,
            path: None,
        },
    );
    let entry = PublicKeyEntry {
        key_type,
        bits: public_bits,
        usage: public_usage,
        access: PUBLIC_ACCESS,
        flags: MODIFIABLE,
        native: false,
        reference: None,
        path: Some(file),
    };
    add(Part::Public, vec![file], Vec::new(), Class::PublicKey { key: public_key, entry: Some(entry) });
    Ok(())
}

fn certificate(view: &mut Draft, card: &Card, &(path, id, label): &(&[u8], u8, &str), behaviour: Behaviour) {
    let Some(file) = EfPath::new(path) else { return };
    let certificate = match card.read(file, FILE_BUFFER) {
        Read::Content(bytes) => x509_as(&bytes, behaviour),
        Read::Absent | Read::Failed | Read::Unknown(_) => return,
    };
    let (label, flags) =
        if behaviour.openpgp_by_key { (label, MODIFIABLE) } else { ("Cardholder certificate", 0) };
    view.objects.push(Object {
        ef: file,
        part: Part::Whole,
        files: vec![file],
        label: label.as_bytes().to_vec(),
        id: vec![id],
        auth_id: Vec::new(),
        class: Class::Certificate { certificate, authority: false, flags },
    });
}

/// An object for private use, which is listed if there is anything in it.
fn private_use(view: &mut Draft, card: &Card, number: u8, (file, pin): (EfPath, u8)) {
    match holds_something(card, file) {
        Ok(true) => {}
        Ok(false) => return,
        Err(why) => return view.unknown.push((Place::whole(file), why)),
    }
    let name = format!("PrivDO{number}").into_bytes();
    let path = [&[0x3F, 0x00], file.as_slice()].concat();
    view.objects.push(Object {
        ef: file,
        part: Part::Whole,
        files: vec![file],
        label: name.clone(),
        id: Vec::new(),
        auth_id: vec![pin],
        class: Class::Data {
            application: name,
            oid: None,
            flags: FLAG_PRIVATE | MODIFIABLE,
            path: Value::Path(Path { bytes: path, ..Path::default() }),
            content: None,
            is_unreadable: false,
        },
    });
}
