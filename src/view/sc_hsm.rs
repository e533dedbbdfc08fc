//! A SmartCard-HSM as OpenSC's `sc-hsm` emulation (`pkcs15-sc-hsm.c`) lists it.
//!
//! The walk follows the card's key list. The quirks are OpenSC's own: an empty file hides its
//! object, only the first element of a file counts, a certificate request becomes a public key, an
//! X.509 certificate a certificate, anything else nothing.

mod buffer;
mod list;
mod unlisted;

use std::collections::BTreeMap;

use buffer::{DESCRIPTION_BUFFER, KEY_BUFFER};
pub use list::decode;

use super::unlisted::Unlisted;
use super::{
    Behaviour, Class, Condition, Described, FILE_BUFFER, Layout, Named, Note, Object, Part, Read, Source,
    View,
};
use crate::crypto::cvc::Origin;
use crate::format::pkcs15::{self, Value};
use crate::format::sc_hsm::{
    DEVICE_CERTIFICATE, DEVICE_CERTIFICATE_NAME, DEVICE_KEY, TOKEN_INFO, fid, file_of, is_private, prefix,
    referenced, split,
};
use crate::format::{cvc, x509};
use crate::naming::Maker;
use crate::opensc::cache_name::{LastUpdate, NotCached, Serial};
use crate::opensc::{CacheName, Version, differences};
use crate::snapshot::{Bytes, Card, EfPath, Family, Fid, PinState};
use crate::text::{count, escape};

/// The layout of a SmartCard-HSM.
pub struct ScHsm;

impl Layout for ScHsm {
    fn name(&self) -> &'static str {
        "SmartCard-HSM"
    }

    fn decode(&self, card: &Card, source: &dyn Source, behaviour: Behaviour) -> View {
        decode(&card.key_list, source, behaviour)
    }

    fn unlisted(&self, card: &Card, behaviour: Behaviour, _live: &View) -> Vec<Unlisted> {
        unlisted::unlisted(card, behaviour)
    }

    fn cache_name(&self, card: &Card, version: Version, file: EfPath) -> Result<CacheName, NotCached> {
        // Read before the serial is known: OpenSC never caches these two.
        if [DEVICE_CERTIFICATE, TOKEN_INFO].map(EfPath::from).contains(&file)
            || !differences::sc_hsm_is_cached(version)
        {
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
        let listed = |fid: Fid| card.key_list.contains(&fid);
        let itself = || file.fid().is_some_and(listed);
        let content = |ef: &Fid| match card.read((*ef).into(), FILE_BUFFER) {
            Read::Content(bytes) => bytes,
            _ => Vec::new(),
        };
        match kind {
            // The device key's description never belongs to a user's key.
            prefix::PRIVATE_KEY if number == 0 => true,
            prefix::PRIVATE_KEY | prefix::CERTIFICATE => listed(fid(prefix::KEY, number)),
            prefix::CA_DESCRIPTION | prefix::DATA_DESCRIPTION => itself(),
            prefix::CA_CERTIFICATE | prefix::DATA => {
                itself()
                    || card
                        .key_list
                        .iter()
                        .flat_map(|ef| referenced(&content(ef)))
                        .any(|fid| file == fid.into())
            }
            _ => true,
        }
    }

    fn key_of(&self, file: EfPath) -> Option<u8> {
        match split(file) {
            (prefix::PRIVATE_KEY | prefix::CERTIFICATE, number @ 1..) => Some(number),
            _ => None,
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
                        words: format!("{}, {}", words(file), escape(certificate.subject().as_bytes())),
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
                file: fid(prefix::CERTIFICATE, number).into(),
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
        let (kind, number) = split(object.ef);
        (u8::from(kind != prefix::KEY), kind, number)
    }

    fn label(&self, card: &Card) -> Option<Vec<u8>> {
        token_info(card)?.label
    }

    fn maker(&self, card: &Card) -> Maker {
        let told = token_info(card).and_then(|info| info.manufacturer);
        let told = told.filter(|name| !name.is_empty() && name != b"(unknown)");
        // A GoID has a name of its own.
        let is_goid = card.atr.as_slice().windows(4).any(|part| part == b"GoID");
        let usual = (!is_goid).then(|| b"www.CardContact.de".to_vec());
        Maker {
            manufacturer: told.or(usual),
            model: Some("PKCS#15 emulated"),
            elsewhere: Some(("CardContact", "SmartCard-HSM")),
        }
    }

    fn pin_label(&self, _auth_id: &[u8]) -> Option<&'static str> {
        Some("UserPIN")
    }

    fn emulation(&self) -> Option<&'static str> {
        Some("sc-hsm")
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

    fn numbers(&self, card: &Card) -> BTreeMap<&'static str, u32> {
        let mut numbers = BTreeMap::new();
        let Some(known) = &card.status else { return numbers };
        if let Some((major, minor)) = known.firmware {
            numbers.extend([("firmware_major", major.into()), ("firmware_minor", minor.into())]);
        }
        for (name, pin) in [("user_pin_tries", known.user_pin), ("so_pin_tries", known.so_pin)] {
            match pin {
                Some(PinState::Tries(left)) => numbers.extend([(name, left.into())]),
                Some(PinState::Blocked) => numbers.extend([(name, 0)]),
                // How many are left is not told then.
                Some(PinState::LoggedIn | PinState::NotInitialised | PinState::Other(_)) | None => {}
            }
        }
        if let Some(dkek) = &known.dkek {
            numbers.extend([
                ("dkek_shares", dkek.shares.into()),
                ("dkek_shares_missing", dkek.outstanding.into()),
            ]);
        }
        numbers
    }

    fn notes(&self, card: &Card, version: Option<Version>, live: &View) -> Vec<Note> {
        let mut notes = Vec::new();
        let mut note = |what: String, why: &str| {
            notes.push(Note { what, why: why.to_owned(), asked_for: false });
        };
        let undecided = version.is_some_and(|version| differences::shows_device_key(version).is_none());
        if undecided && matches!(card.read(fid(prefix::PRIVATE_KEY, 0).into(), KEY_BUFFER), Read::Content(_))
        {
            note("device key (EF CC00)".to_owned(), "whether this version of OpenSC lists it is not known");
        }
        for object in &live.objects {
            if let Class::Data { content: None, path: Value::Path(path), .. } = &object.class
                && file_of(&path.bytes).is_some_and(is_private)
            {
                note(
                    format!("content of data object \"{}\" (EF {})", escape(&object.label), object.ef),
                    "private: it takes the PIN to read it from the card",
                );
            }
        }
        notes
    }

    fn request(&self, ef: EfPath) -> Option<EfPath> {
        let (kind, number) = split(ef);
        (kind == prefix::KEY).then(|| fid(prefix::CERTIFICATE, number).into())
    }

    fn serial_source(&self) -> &'static str {
        DEVICE_CERTIFICATE_NAME
    }

    fn device_certificate(&self) -> Option<EfPath> {
        Some(DEVICE_CERTIFICATE.into())
    }

    fn is_device_key(&self, key: &Object) -> bool {
        key.ef == DEVICE_KEY.into() && key.part == Part::PrivateKey
    }

    /// A key for the entry of its description. One with a date is no longer read.
    fn unread(&self, name: &CacheName) -> Option<Card> {
        let (Serial::Text(serial), LastUpdate::NoDate) = (&name.serial, &name.last_update) else {
            return None;
        };
        let ef = match split(name.ef()?) {
            (prefix::PRIVATE_KEY, number @ 1..) => fid(prefix::KEY, number),
            _ => return None,
        };
        Some(Card {
            reader: String::new(),
            atr: Bytes::default(),
            family: Family::SmartCardHsm,
            driver: None,
            serial: Some(String::from_utf8(serial.clone()).ok()?),
            application: None,
            change_counter: None,
            key_list: vec![ef],
            files: Vec::new(),
            status: None,
            keys: None,
            trials: Vec::new(),
        })
    }

    fn is_frozen(&self, name: &CacheName) -> bool {
        name.last_update == LastUpdate::NoDate
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
    match card.read(TOKEN_INFO.into(), FILE_BUFFER) {
        Read::Content(bytes) => pkcs15::token_info(&bytes).ok(),
        _ => None,
    }
}

/// Where a device's certificates lead.
fn device_words(card: &Card) -> Option<String> {
    let Read::Content(certificates) = card.read(DEVICE_CERTIFICATE.into(), FILE_BUFFER) else { return None };
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

/// `in_use`: has another program the card open, if that is known?
fn pin_words(pin: PinState, in_use: Option<bool>) -> String {
    match pin {
        PinState::LoggedIn => match in_use {
            Some(true) => {
                "a login is open: of another program that has the card open, or left by one that has ended"
            }
            Some(false) => "a login is open, left by a program that has ended: none has the card open",
            None => "a login is open",
        }
        .to_owned(),
        PinState::Tries(tries) => format!("{} left", count(tries.into(), "try", "tries")),
        PinState::Blocked => "blocked".to_owned(),
        PinState::NotInitialised => "not initialised".to_owned(),
        PinState::Other(status) => format!("status {status:04X}"),
    }
}
