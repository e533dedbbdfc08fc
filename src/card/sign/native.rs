//! Keys of a MyEID or OsEID, as OpenSC's `card-myeid.c` uses them: MANAGE SECURITY ENVIRONMENT (22 41) with
//! the key's file, then COMPUTE DIGITAL SIGNATURE (2A 9E9A), or GENERAL AUTHENTICATE (86) for a shared secret.
//!
//! Which PIN a key wants stands in its description (authentication ID, then the description of that PIN),
//! and so does whether it wants it before each use (`userConsent`). Both were read from the card, never
//! from a cache. The PIN of the security officer is never asked for.
//!
//! VERIFY without data tells the tries; logout (2E) ends the login of one PIN.

use std::collections::BTreeSet;

use super::super::apdu::{Channel, Command, Response, StatusWord};
use super::super::application::Application;
use super::super::native::MY_EID;
use super::error::{SignError, not_asked};
use super::family::{FamilySigner, still_holds};
use super::key_channel::KeyChannel;
use super::plan::{Access, Asks, Attempt, Key, Operation, Order, Pin, Plan};
use crate::format::pkcs15::{self, Directory, FLAG_PRIVATE, KeyType, PinEntry, PrivateKeyEntry, Zeros};
use crate::format::tlv::encode;
use crate::snapshot::{Card, PinState, Scheme};
use crate::text::hex;

/// Usage of a key: sign, signRecover, nonRepudiation; derive.
const SIGNS: u32 = 0x20C;
const DERIVES: u32 = 0x100;

/// PIN flags (PKCS#15 `PinFlags`): needs padding, of the security officer.
const NEEDS_PADDING: u32 = 1 << 5;
const SO_PIN: u32 = 1 << 7;
/// PIN types: ASCII digits, UTF-8.
const TYPED: std::ops::RangeInclusive<i32> = 1..=2;

/// Algorithm references of the security environment: RSA with PKCS#1 v1.5 padding by the card; ECDSA, ECDH.
const PKCS1: u8 = 0x02;
const CURVE: u8 = 0x04;

pub(super) fn plan(card: &Card, key: &Key) -> Result<Plan, String> {
    if card.driver.as_deref() != Some(MY_EID) {
        return Err("it is on a card of another kind than MyEID, OsEID and the IsoApplet".to_owned());
    }
    let path = key.path.ok_or("its description names no file")?;
    let scheme = match key.key_type {
        KeyType::Rsa => Scheme::RsaPkcs1Sha256,
        KeyType::Ec if key.usage & SIGNS == 0 && key.usage & DERIVES != 0 => Scheme::Ecdh,
        KeyType::Ec => Scheme::Ecdsa,
        KeyType::Edwards | KeyType::Montgomery | KeyType::Other => {
            return Err("it is neither RSA nor EC".to_owned());
        }
    };
    let (application, keys, pins) = described(card).ok_or("the descriptions on the card cannot be read")?;
    let described = keys.into_iter().find(|entry| application.file(&entry.path) == Some(path));
    let entry = described.ok_or("it is not described on the card any more")?;
    Ok(Plan {
        access: access(&entry, &pins)?,
        operations: vec![Operation {
            scheme,
            bits: key.bits,
            digest: key.bytes().clamp(1, 64),
            hashed: false,
        }],
    })
}

/// The way to a key, as its description and that of its PIN say.
pub(super) fn access(entry: &PrivateKeyEntry, pins: &[PinEntry]) -> Result<Option<Access>, String> {
    let common = &entry.common;
    let auth_id = if common.auth_id.is_empty() { &common.use_auth_id } else { &common.auth_id };
    if auth_id.is_empty() {
        return match common.flags & FLAG_PRIVATE {
            0 => Ok(None),
            _ => Err("its description does not say which PIN it wants".to_owned()),
        };
    }
    let pin = pins.iter().find(|pin| pin.id == *auth_id);
    let pin = pin.ok_or_else(|| {
        format!("the PIN that it wants (authentication ID {}) is not described", hex(auth_id))
    })?;
    if pin.flags & SO_PIN != 0 {
        return Err("it wants the PIN of the security officer, which is never asked for here".to_owned());
    }
    if !TYPED.contains(&pin.kind) {
        return Err("its PIN is not of characters as they are typed".to_owned());
    }
    let length = |length: i32| usize::try_from(length).ok().filter(|length| (1..=64).contains(length));
    let [least, stored, most] = pin.lengths.map(length);
    let (Some(least), Some(stored)) = (least, stored) else {
        return Err("the lengths in the description of its PIN are none".to_owned());
    };
    let padded = pin.flags & NEEDS_PADDING != 0;
    let reference =
        u8::try_from(pin.reference).map_err(|_| format!("its PIN has the reference {}", pin.reference))?;
    Ok(Some(Access {
        pin: Pin {
            reference,
            label: Some(pin.common.label.clone()).filter(|label| !label.is_empty()),
            // What is longer than what is stored would be cut.
            lengths: (least, most.unwrap_or(stored).min(stored)),
            pad: padded.then(|| (pin.pad.unwrap_or(0xFF), stored)),
        },
        reference,
        // A key that ends the login with each use ends it for the others, too.
        asks: if common.user_consent > 0 { Asks::Always } else { Asks::OnceOrMore },
    }))
}

/// The application on the card with its private keys and PINs.
pub(super) fn described(card: &Card) -> Option<(Application, Vec<PrivateKeyEntry>, Vec<PinEntry>)> {
    let application = Application::of(card)?;
    let directories = pkcs15::object_directory(card.content(application.odf)?).ok()?;
    let (mut keys, mut pins) = (Vec::new(), Vec::new());
    for (kind, path) in directories {
        let Some(bytes) = application.directory(&path).and_then(|file| card.content(file)) else { continue };
        match kind {
            Directory::PrivateKeys => {
                pkcs15::directory(bytes, Zeros::Skipped, |entry| {
                    pkcs15::private_key(entry).map(|key| keys.push(key))
                });
            }
            Directory::Authentication => {
                pkcs15::directory(bytes, Zeros::Skipped, |entry| {
                    pkcs15::pin(entry).map(|pin| pins.push(pin))
                });
            }
            Directory::PublicKeys | Directory::SecretKeys | Directory::Certificates | Directory::Data => {}
        }
    }
    Some((application, keys, pins))
}

/// One such card.
pub(super) struct Native<'c> {
    pub card: &'c Card,
}

impl FamilySigner for Native<'_> {
    /// There is one application, selected since the reset.
    fn state(&mut self, channel: &mut KeyChannel<'_>, pin: Option<&Pin>) -> Result<PinState, SignError> {
        match pin {
            Some(pin) => Ok(channel.status(pin.reference)?.pin_state()),
            None => Ok(PinState::NotInitialised),
        }
    }

    /// By the change counter, where it has one: every command that changes the card moves it. And by TokenInfo, with
    /// the serial number.
    fn same_card(&mut self, channel: &mut KeyChannel<'_>, _orders: &[Order]) -> Result<(), SignError> {
        let info = channel.plain(Command::AppletInfo)?.data;
        let counter = super::super::native::counter_of(&info);
        if counter != self.card.change_counter {
            return Err(SignError::Moved(
                "the card was changed or swapped since it was read (its change counter moved)",
            ));
        }
        let Some((application, ..)) = described(self.card) else {
            return Err(SignError::Moved("the card's descriptions are not those that were read before"));
        };
        let mut channel = Channel::new(channel);
        let known = self.card.content(application.token_info).unwrap_or_default();
        if known.is_empty() || !still_holds(&mut channel, application.token_info, known)? {
            return Err(SignError::Moved(
                "another card is in the reader now (its TokenInfo is not the one read before)",
            ));
        }
        Ok(())
    }

    fn ask(
        &mut self,
        channel: &mut KeyChannel<'_>,
        order: &Order,
        attempt: &Attempt,
    ) -> Result<Response, SignError> {
        let Some(path) = order.path else { return Err(SignError::Moved("the key is in no file")) };
        let [.., high, low] = *path.as_slice() else {
            return Err(SignError::Moved("the key's file has no name"));
        };
        // The environment names the file within the directory that is current then.
        let selected = channel.plain(Command::SelectPath(path))?;
        if !selected.status.carries_data() {
            return Ok(selected);
        }
        let (template, algorithm) = match attempt.scheme {
            Scheme::Ecdh => (0xA4, CURVE),
            Scheme::Ecdsa => (0xB6, CURVE),
            Scheme::RsaPkcs1Sha256 => (0xB6, PKCS1),
            Scheme::Ed25519 | Scheme::X25519 | Scheme::RsaDecipher => return Err(not_asked(attempt.scheme)),
        };
        let environment = [0x80, 0x01, algorithm, 0x81, 0x02, high, low, 0x84, 0x01, 0x00];
        let set = channel.single([0x00, 0x22, 0x41, template], &environment, 0)?;
        if set.status != StatusWord::OK {
            return Ok(set);
        }
        Ok(match attempt.scheme {
            Scheme::Ecdh => {
                let point = encode(0x85, &attempt.data);
                let template = encode(0x7C, &point);
                channel.single([0x00, 0x86, 0x00, 0x00], &template, 256)?
            }
            // The card takes a hash as a number as long as the field.
            Scheme::Ecdsa => {
                let zeros = vec![0; attempt.bits.div_ceil(8).saturating_sub(attempt.data.len())];
                channel.single([0x00, 0x2A, 0x9E, 0x9A], &[zeros, attempt.data.clone()].concat(), 256)?
            }
            Scheme::RsaPkcs1Sha256 => channel.single([0x00, 0x2A, 0x9E, 0x9A], &attempt.data, 256)?,
            Scheme::Ed25519 | Scheme::X25519 | Scheme::RsaDecipher => return Err(not_asked(attempt.scheme)),
        })
    }

    fn leave(&mut self, channel: &mut KeyChannel<'_>, references: &BTreeSet<u8>) -> Result<(), SignError> {
        for &reference in references {
            channel.single([0x00, 0x2E, 0x00, reference], &[], 0)?;
            if channel.status(reference)? == StatusWord::OK {
                return Err(SignError::NoLogout(StatusWord::OK));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    // Entries as pkcs15-init has made them for a MyEID: a key with userConsent behind PIN 01, that PIN.
    const KEY: &str = "a03730130c07636f6e73656e74030206c0040101020101300e04014703020430030203b8020103a110300e300804063f0050154b0302020180";
    const PIN: &str =
        "302b300a0c0475736572030206c03003040101a11830160302020c0a01010201040201080201088001010401ff";

    fn hex(text: &str) -> Vec<u8> {
        data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_way_to_a_key_is_what_its_description_says() {
        let key = pkcs15::private_key(&hex(KEY)).unwrap();
        let pin = pkcs15::pin(&hex(PIN)).unwrap();
        let found = access(&key, std::slice::from_ref(&pin)).unwrap().unwrap();
        let expected =
            Pin { reference: 1, label: Some(b"user".to_vec()), lengths: (4, 8), pad: Some((0xFF, 8)) };
        assert_eq!((found.pin, found.reference, found.asks), (expected, 1, Asks::Always));

        let refused =
            |key: &PrivateKeyEntry, pin: &PinEntry| access(key, std::slice::from_ref(pin)).unwrap_err();
        let other = PinEntry { id: vec![2], ..pin.clone() };
        assert!(refused(&key, &other).contains("authentication ID 01"));
        let officer = PinEntry { flags: pin.flags | SO_PIN, ..pin.clone() };
        assert!(refused(&key, &officer).contains("security officer"));
        for odd in [
            PinEntry { kind: 0, ..pin.clone() },
            PinEntry { lengths: [4, -1, 8], ..pin.clone() },
            PinEntry { lengths: [4, 1 << 20, 8], ..pin.clone() },
            PinEntry { reference: 4096, ..pin.clone() },
        ] {
            refused(&key, &odd);
        }

        let mut open = key;
        open.common.auth_id.clear();
        assert!(refused(&open, &pin).contains("does not say which PIN"));
        open.common.flags = 0;
        assert_eq!(access(&open, &[pin]), Ok(None));
    }
}
