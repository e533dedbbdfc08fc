//! A SmartCard-HSM as OpenSC's `sc-hsm` emulation (`pkcs15-sc-hsm.c`) lists it.
//!
//! The walk follows the card's key list. The quirks are OpenSC's own: an empty file hides its
//! object, only the first element of a file counts, a certificate request becomes a public key, an
//! X.509 certificate a certificate, anything else nothing.

mod list;

use std::collections::BTreeMap;

pub use list::decode;

use super::{
    Behaviour, Class, Condition, Described, FILE_BUFFER, Layout, Named, Note, Object, Read, Source, View,
};
use crate::crypto::cvc::Origin;
use crate::format::pkcs15::{self, Value};
use crate::format::{cvc, x509};
use crate::opensc::cache_name::NotCached;
use crate::opensc::{CacheName, Version, differences};
use crate::snapshot::{Card, EfPath, Fid, PinState};
use crate::text::{count, escape};

/// Prefixes of a SmartCard-HSM's file identifiers.
pub mod prefix {
    /// Key object; never readable.
    pub const KEY: u8 = 0xCC;
    /// Description of a private key.
    pub const PRIVATE_KEY: u8 = 0xC4;
    /// Certificate request or certificate of a key.
    pub const CERTIFICATE: u8 = 0xCE;
    /// Description of a CA certificate.
    pub const CA_DESCRIPTION: u8 = 0xC8;
    /// CA certificate.
    pub const CA_CERTIFICATE: u8 = 0xCA;
    /// Description of a data object.
    pub const DATA_DESCRIPTION: u8 = 0xC9;
    /// Data that need the PIN.
    pub const PRIVATE_DATA: u8 = 0xCD;
    /// Public data.
    pub const DATA: u8 = 0xCF;
}

/// Device certificate of a SmartCard-HSM.
pub const DEVICE_CERTIFICATE: EfPath = EfPath::at(0x2F02);
/// TokenInfo of a SmartCard-HSM.
pub const TOKEN_INFO: EfPath = EfPath::at(0x2F03);

/// How many bytes OpenSC's buffer holds for the description and the certificate of a key.
pub const KEY_BUFFER: usize = 4096;
/// The same for descriptions of certificates and data.
pub const DESCRIPTION_BUFFER: usize = 512;
/// The layout of a SmartCard-HSM.
pub struct ScHsm;

impl Layout for ScHsm {
    fn name(&self) -> &'static str {
        "SmartCard-HSM"
    }

    fn decode(&self, card: &Card, source: &dyn Source, behaviour: Behaviour) -> View {
        decode(&card.key_list, source, behaviour)
    }

    fn cache_name(&self, card: &Card, version: Version, file: EfPath) -> Result<CacheName, NotCached> {
        // Read before the serial is known: OpenSC never caches these two.
        if file == DEVICE_CERTIFICATE || file == TOKEN_INFO || !differences::sc_hsm_is_cached(version) {
            return Err(NotCached::Version);
        }
        let serial = card.serial.as_deref().ok_or(NotCached::NoSerial)?;
        let last_update = token_info(card).and_then(|info| info.last_update);
        let last_update = last_update.and_then(|date| String::from_utf8(date).ok());
        CacheName::for_sc_hsm(serial, last_update.as_deref(), file)
    }

    fn buffer(&self, file: EfPath) -> usize {
        match split(file).0 {
            prefix::PRIVATE_KEY | prefix::CERTIFICATE => KEY_BUFFER,
            prefix::CA_DESCRIPTION | prefix::DATA_DESCRIPTION => DESCRIPTION_BUFFER,
            _ => FILE_BUFFER,
        }
    }

    fn condition(&self, _card: Option<&Card>, file: EfPath, bytes: &[u8]) -> Condition {
        if bytes.is_empty() {
            return Condition::Empty;
        }
        let decodes = match split(file).0 {
            prefix::PRIVATE_KEY => {
                pkcs15::private_key(bytes).is_ok() || pkcs15::is_of_other_kind(bytes, &[0x30, 0xA0, 0xA4])
            }
            prefix::CERTIFICATE => match bytes.first() {
                Some(0x67 | 0x7F) => cvc::decode(bytes).is_ok(),
                _ => x509::decode(bytes).is_some(),
            },
            prefix::CA_CERTIFICATE => x509::decode(bytes).is_some(),
            prefix::CA_DESCRIPTION => pkcs15::certificate(bytes).is_ok(),
            prefix::DATA_DESCRIPTION => pkcs15::data_object(bytes).is_ok(),
            _ => return Condition::Whole,
        };
        Condition::of_element(bytes, decodes)
    }

    fn is_listed(&self, card: &Card, file: EfPath) -> bool {
        let (kind, number) = split(file);
        let listed = |file: EfPath| file.fid().is_some_and(|fid| card.key_list.contains(&fid));
        let content = |slot: &Fid| match card.read((*slot).into(), FILE_BUFFER) {
            Read::Content(bytes) => bytes,
            _ => Vec::new(),
        };
        match kind {
            // The device key's description never belongs to a user's key.
            prefix::PRIVATE_KEY if number == 0 => true,
            prefix::PRIVATE_KEY | prefix::CERTIFICATE => listed(fid(prefix::KEY, number)),
            prefix::CA_DESCRIPTION | prefix::DATA_DESCRIPTION => listed(file),
            prefix::CA_CERTIFICATE | prefix::DATA => {
                listed(file)
                    || card
                        .key_list
                        .iter()
                        .flat_map(|slot| referenced(&content(slot)))
                        .any(|fid| file == fid.into())
            }
            _ => true,
        }
    }

    fn describe(&self, _card: Option<&Card>, file: EfPath, bytes: &[u8]) -> Described {
        let plain = |words: String| Described { words, ..Described::default() };
        if bytes.is_empty() {
            return plain(format!("{}: empty, stands for \"not on the card\"", words(file)));
        }
        let failed = |error: &dyn std::fmt::Display| plain(format!("{}: {error}", words(file)));
        match split(file).0 {
            prefix::PRIVATE_KEY => match pkcs15::private_key(bytes) {
                Ok(entry) => description(file, entry.id, entry.common.label),
                Err(error) => failed(&error),
            },
            prefix::CERTIFICATE | prefix::CA_CERTIFICATE if bytes.first() == Some(&0x30) => {
                match x509::decode(bytes) {
                    Some(certificate) => Described {
                        words: format!("{}, {}", words(file), escape(certificate.subject.as_bytes())),
                        key: Some(certificate.key),
                        ..Described::default()
                    },
                    None => failed(&"not a certificate"),
                }
            }
            prefix::CERTIFICATE => {
                let request = cvc::decode(bytes).ok();
                match request.and_then(|request| request.key.public_key(false)) {
                    Some(key) => Described {
                        words: format!("request of key {}, {}", split(file).1, key.describe()),
                        key: Some(key),
                        ..Described::default()
                    },
                    None => failed(&"no public key in it"),
                }
            }
            prefix::CA_DESCRIPTION => match pkcs15::certificate(bytes) {
                Ok(entry) => description(file, entry.id, entry.common.label),
                Err(error) => failed(&error),
            },
            prefix::DATA_DESCRIPTION => match pkcs15::data_object(bytes) {
                Ok(entry) => {
                    Described { words: words(file), label: Some(entry.common.label), ..Described::default() }
                }
                Err(error) => failed(&error),
            },
            _ => plain(words(file)),
        }
    }

    fn names(&self, file: EfPath, bytes: &[u8]) -> Vec<Named> {
        let (kind, number) = split(file);
        let at = |path: &Value| match path {
            Value::Path(path) => file_of(&path.bytes),
            Value::Direct(_) => None,
        };
        let named = match kind {
            prefix::PRIVATE_KEY => pkcs15::private_key(bytes).ok().map(|entry| Named {
                file: fid(prefix::CERTIFICATE, number),
                private: false,
                id: entry.id,
            }),
            prefix::CA_DESCRIPTION => pkcs15::certificate(bytes)
                .ok()
                .and_then(|entry| Some(Named { file: at(&entry.value)?, private: false, id: entry.id })),
            prefix::DATA_DESCRIPTION => pkcs15::data_object(bytes).ok().and_then(|entry| {
                let private = entry.common.flags & pkcs15::FLAG_PRIVATE != 0;
                Some(Named { file: at(&entry.value)?, private, id: Vec::new() })
            }),
            _ => None,
        };
        named.into_iter().collect()
    }

    fn may_be_private(&self, _card: Option<&Card>, file: EfPath) -> bool {
        split(file).0 == prefix::DATA
    }

    fn is_private(&self, file: EfPath) -> bool {
        split(file).0 == prefix::PRIVATE_DATA
    }

    /// Keys first, by number.
    fn order(&self, object: &Object) -> (u8, u8, u8) {
        let (kind, number) = split(object.slot);
        (u8::from(kind != prefix::KEY), kind, number)
    }

    fn label(&self, card: &Card) -> Option<Vec<u8>> {
        token_info(card)?.label
    }

    fn status(&self, card: &Card) -> BTreeMap<String, String> {
        let mut status = BTreeMap::new();
        let Some(known) = &card.status else { return status };
        if let Some((major, minor)) = known.firmware {
            status.insert("firmware".to_owned(), format!("{major}.{minor}"));
        }
        if let Some(pin) = known.user_pin {
            status.insert("user PIN".to_owned(), pin_words(pin, known.in_use));
        }
        if let Some(pin) = known.so_pin {
            status.insert("SO-PIN".to_owned(), pin_words(pin, known.in_use));
        }
        if let Some(device) = device_words(card) {
            status.insert("device".to_owned(), device);
        }
        if let Some(dkek) = &known.dkek {
            let shares = count(dkek.shares.into(), "share", "shares");
            let text = if dkek.outstanding > 0 {
                format!("{shares}, {} still missing", dkek.outstanding)
            } else {
                format!("{shares}, key check value {}", dkek.check_value.hex().to_uppercase())
            };
            status.insert("DKEK".to_owned(), text);
        }
        status
    }

    fn notes(&self, card: &Card, version: Option<Version>, live: &View) -> Vec<Note> {
        let mut notes = Vec::new();
        let mut note = |what: String, why: &str| {
            notes.push(Note { what, why: why.to_owned(), asked_for: false });
        };
        let undecided = version.is_some_and(|version| differences::shows_device_key(version).is_none());
        if undecided && matches!(card.read(fid(prefix::PRIVATE_KEY, 0), KEY_BUFFER), Read::Content(_)) {
            note("device key (slot CC00)".to_owned(), "whether this version of OpenSC lists it is not known");
        }
        for object in &live.objects {
            if let Class::Data { content: None, path: Value::Path(path), .. } = &object.class
                && file_of(&path.bytes).is_some_and(is_private)
            {
                note(
                    format!("content of data object \"{}\" (slot {})", escape(&object.label), object.slot),
                    "private: it takes the PIN to read it from the card",
                );
            }
        }
        notes
    }

    fn request(&self, slot: EfPath) -> Option<EfPath> {
        let (kind, number) = split(slot);
        (kind == prefix::KEY).then(|| fid(prefix::CERTIFICATE, number))
    }

    /// OpenSC never writes a date of last update to such a card.
    fn signals_change(&self, _card: &Card, _version: Version) -> bool {
        false
    }
}

fn description(file: EfPath, id: Vec<u8>, label: Vec<u8>) -> Described {
    Described { words: words(file), id: Some(id), label: Some(label), key: None }
}

/// What a file is, in words.
fn words(file: EfPath) -> String {
    let (kind, number) = split(file);
    match kind {
        prefix::PRIVATE_KEY => format!("description of private key {number}"),
        prefix::CERTIFICATE => format!("certificate of key {number}"),
        prefix::CA_DESCRIPTION => format!("description of certificate {number}"),
        prefix::CA_CERTIFICATE => format!("CA certificate {number}"),
        prefix::DATA_DESCRIPTION => format!("description of data object {number}"),
        prefix::DATA => format!("data object {number}"),
        prefix::PRIVATE_DATA => format!("private data object {number}"),
        _ => format!("file {file}"),
    }
}

fn token_info(card: &Card) -> Option<pkcs15::TokenInfo> {
    match card.read(TOKEN_INFO, FILE_BUFFER) {
        Read::Content(bytes) => pkcs15::token_info(&bytes).ok(),
        _ => None,
    }
}

/// The serial as OpenSC takes it from a device certificate: the holder reference
/// without its last five characters.
#[must_use]
pub fn serial_of(device_certificate: &[u8]) -> Option<String> {
    let chr = cvc::decode(device_certificate).ok()?.chr;
    // OpenSC stops at a NUL and gives up below eight characters.
    let chr = chr.split(|&byte| byte == 0).next()?;
    if chr.len() < 8 {
        return None;
    }
    String::from_utf8(chr.get(..chr.len() - 5)?.to_vec()).ok()
}

/// Where a device's certificates lead.
fn device_words(card: &Card) -> Option<String> {
    let Read::Content(certificates) = card.read(DEVICE_CERTIFICATE, FILE_BUFFER) else { return None };
    let device = crate::crypto::cvc::device(&certificates).ok()?;
    Some(match &device.origin {
        Origin::Root(root) if root.production => {
            format!("genuine: certified below CardContact's root {}", root.chr)
        }
        Origin::Root(root) => format!("a test device: certified below the test root {}", root.chr),
        Origin::SelfSigned => "self-signed certificate: nothing proves who made it (emulators)".to_owned(),
        Origin::UnknownIssuer(issuer) => format!("its issuer {} is not known here", escape(issuer)),
        Origin::Broken(holder) => {
            format!("NOT genuine: the certificate of {} is not signed by the issuer it names", escape(holder))
        }
        Origin::NotDecidable(holder, why) => {
            format!("the certificate of {} cannot be judged: {why}", escape(holder))
        }
    })
}

/// `in_use`: had another program the card open, if that is known?
fn pin_words(pin: PinState, in_use: Option<bool>) -> String {
    match pin {
        PinState::LoggedIn => match in_use {
            Some(true) => "another program is logged in",
            Some(false) => "a login is open, but no program has the card open",
            None => "a login is open",
        }
        .to_owned(),
        PinState::Tries(tries) => format!("{} left", count(tries.into(), "try", "tries")),
        PinState::Blocked => "blocked".to_owned(),
        PinState::NotInitialised => "not initialised".to_owned(),
        PinState::Other(status) => format!("status {status:04X}"),
    }
}
/// A file identifier of a SmartCard-HSM: prefix and number.
#[must_use]
pub const fn fid(prefix: u8, number: u8) -> EfPath {
    EfPath::at(u16::from_be_bytes([prefix, number]))
}

/// Prefix and number of a file identifier.
#[must_use]
pub const fn split(file: EfPath) -> (u8, u8) {
    match file.fid() {
        Some(fid) => {
            let [prefix, number] = fid.0.to_be_bytes();
            (prefix, number)
        }
        None => (0, 0),
    }
}

/// The file that a path of a SmartCard-HSM's entry names.
#[must_use]
pub fn file_of(path: &[u8]) -> Option<EfPath> {
    match path {
        [high, low] => Some(fid(*high, *low)),
        _ => None,
    }
}

/// The files that the descriptions on a card point to and that may be read
/// without the PIN: what a scan has to read besides the key list's own files.
#[must_use]
pub fn referenced(description: &[u8]) -> Vec<Fid> {
    let (value, private) = match (pkcs15::certificate(description), pkcs15::data_object(description)) {
        (Ok(entry), _) => (entry.value, false),
        (_, Ok(entry)) => (entry.value, entry.common.flags & pkcs15::FLAG_PRIVATE != 0),
        _ => return Vec::new(),
    };
    match value {
        Value::Path(path) if !private => {
            file_of(&path.bytes).filter(|&file| !is_private(file)).and_then(EfPath::fid).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// True for the files that a SmartCard-HSM gives only after the PIN.
#[must_use]
pub const fn is_private(file: EfPath) -> bool {
    matches!(split(file).0, prefix::PRIVATE_DATA | prefix::KEY)
}
