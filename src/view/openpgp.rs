//! An OpenPGP card as OpenSC's `openpgp` emulation (`pkcs15-openpgp.c`) lists it.
//!
//! Which keys there are, of what kind and size, OpenSC always asks the card. Only the public keys
//! themselves are cached, and they are not in the list of `pkcs15-tool -D`: with a new key the listing
//! stays as it was, and what is handed out is the old public key. Certificates are
//! never cached.

use std::collections::BTreeMap;

use super::{
    Behaviour, Class, Condition, Described, FILE_BUFFER, Layout, Named, Note, Object, Part, Place,
    PublicKeyEntry, Read, Source, View, x509_as,
};
use crate::format::key::PublicKey;
use crate::format::openpgp::{self, CERTIFICATES, Key};
use crate::format::pkcs15::{FLAG_PRIVATE, KeyType};
use crate::opensc::cache_name::{NotCached, Serial};
use crate::opensc::{CacheName, Version};
use crate::snapshot::{Card, EfPath};

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

const AUTHENTICATION: &str = "Authentication key";

/// What OpenSC says of a key: label, PIN, use of private and public key.
struct Role {
    label: &'static str,
    pin: u8,
    private: u32,
    public: u32,
}

/// By number of the key.
const fn role(number: u8, deciphers: bool) -> Role {
    match number {
        // sign, signRecover, nonRepudiation; verify, verifyRecover
        0 => Role { label: "Signature key", pin: 1, private: 0x20C, public: 0xC0 },
        // decrypt, unwrap; encrypt, wrap
        1 => Role { label: "Encryption key", pin: 2, private: 0x22, public: 0x11 },
        _ if deciphers => Role { label: AUTHENTICATION, pin: 2, private: 0x222, public: 0x51 },
        _ => Role { label: AUTHENTICATION, pin: 2, private: 0x200, public: 0x40 },
    }
}

/// The layout of an OpenPGP card.
pub struct OpenPgp;

impl Layout for OpenPgp {
    fn name(&self) -> &'static str {
        "OpenPGP card"
    }

    fn decode(&self, card: &Card, source: &dyn Source, behaviour: Behaviour) -> View {
        let mut view = View { objects: Vec::new(), unknown: Vec::new() };
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
        let certificates = if behaviour.openpgp_by_key { CERTIFICATES.len() } else { 1 };
        for certificate in CERTIFICATES.iter().take(certificates) {
            self::certificate(&mut view, card, certificate, behaviour);
        }
        view
    }

    fn cache_name(&self, card: &Card, version: Version, file: EfPath) -> Result<CacheName, NotCached> {
        if number(file).is_none() {
            return Err(NotCached::Version);
        }
        let serial = card.serial.as_deref().ok_or(NotCached::NoSerial)?.as_bytes().to_vec();
        CacheName::generate(version, &Serial::Text(serial), None, None, None, file.as_slice())
    }

    fn buffer(&self, _file: EfPath) -> usize {
        FILE_BUFFER
    }

    fn condition(&self, _card: Option<&Card>, _file: EfPath, bytes: &[u8]) -> Condition {
        if bytes.is_empty() {
            return Condition::Empty;
        }
        Condition::of_element(bytes, openpgp::decode_public_key(bytes).is_some())
    }

    fn is_listed(&self, card: &Card, file: EfPath) -> bool {
        number(file).is_none() || keys(card).iter().any(|key| key.file() == file)
    }

    fn describe(&self, _card: Option<&Card>, file: EfPath, bytes: &[u8]) -> Described {
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

    /// Keys first, by number.
    fn order(&self, object: &Object) -> (u8, u8, u8) {
        (u8::from(!object.part.is_of_key()), object.id.first().copied().unwrap_or_default(), 0)
    }

    fn label(&self, _card: &Card) -> Option<Vec<u8>> {
        Some(b"OpenPGP card".to_vec())
    }

    fn status(&self, _card: &Card) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    fn notes(&self, _card: &Card, _version: Option<Version>, _live: &View) -> Vec<Note> {
        Vec::new()
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
    view: &mut View,
    key: &Key,
    source: &dyn Source,
    behaviour: Behaviour,
    deciphers: bool,
) -> Result<(), String> {
    let key_type = match key.attributes.first() {
        Some(&openpgp::RSA) => KeyType::Rsa,
        Some(&(openpgp::ECDH | openpgp::ECDSA)) if key.bits() > 0 => KeyType::Ec,
        _ => return Err("it is a key of a kind (as Ed25519) whose listing is not known here".to_owned()),
    };
    let file = key.file();
    let public_key = match source.read(file, FILE_BUFFER) {
        // A key that has become one of another type since is none to OpenSC.
        Read::Content(bytes) => openpgp::decode_public_key(&bytes)
            .filter(|key| matches!(key, PublicKey::Rsa { .. }) == (key_type == KeyType::Rsa)),
        Read::Absent | Read::Failed => None,
        Read::Unknown(why) => return Err(why),
    };
    let role = role(key.number, deciphers);
    let by_key = behaviour.openpgp_by_key;
    let (private_usage, public_usage) = match key.attributes.first() {
        Some(&openpgp::ECDH) if by_key => (DERIVE, DERIVE),
        Some(&openpgp::ECDSA) if by_key => (SIGN, VERIFY),
        _ => (role.private, role.public),
    };
    let private_bits = if by_key || key_type == KeyType::Rsa { key.bits() } else { 0 };
    // Where the curve's size is not taken from what the card says of the key, it is that of the key which is read.
    let read_bits = || public_key.as_ref().and_then(|key| i32::try_from(key.bits()).ok()).unwrap_or_default();
    let public_bits = if by_key || key_type == KeyType::Rsa { key.bits() } else { read_bits() };
    let mut add = |part, files, auth_id, class| {
        view.objects.push(Object {
            slot: file,
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
            bits: private_bits,
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

fn certificate(view: &mut View, card: &Card, &(path, id, label): &(&[u8], u8, &str), behaviour: Behaviour) {
    let Some(file) = EfPath::new(path) else { return };
    let certificate = match card.read(file, FILE_BUFFER) {
        Read::Content(bytes) => x509_as(&bytes, behaviour),
        Read::Absent | Read::Failed | Read::Unknown(_) => return,
    };
    let (label, flags) =
        if behaviour.openpgp_by_key { (label, MODIFIABLE) } else { ("Cardholder certificate", 0) };
    view.objects.push(Object {
        slot: file,
        part: Part::Whole,
        files: vec![file],
        label: label.as_bytes().to_vec(),
        id: vec![id],
        auth_id: Vec::new(),
        class: Class::Certificate { certificate, authority: false, flags },
    });
}
