//! Keys of a SmartCard-HSM: SIGN (80 68) with algorithm 70 (ECDSA over a given hash) or 33 (PKCS#1 v1.5,
//! the card hashes with SHA-256), as in OpenSC's `card-sc-hsm.c`. SELECT of the application ends a login.

use std::collections::BTreeSet;

use super::super::apdu::{self, Channel, Command, Response, StatusWord};
use super::super::read::{Shape, read_file};
use super::super::sc_hsm_identity::mark;
use super::error::{SignError, not_asked};
use super::family::FamilySigner;
use super::key_channel::KeyChannel;
use super::plan::{Access, Asks, Attempt, Key, Operation, Order, Pin, Plan};
use crate::format::pkcs15::KeyType;
use crate::format::sc_hsm::{DEVICE_CERTIFICATE, key_list, prefix};
use crate::format::tlv;
use crate::snapshot::{Answer, Card, PinState, Scheme};

/// The user PIN.
const USER: u8 = apdu::Pin::User.reference();

/// Most nested templates in which a use counter is looked for.
const DEPTH: u32 = 4;

pub(super) fn plan(key: &Key) -> Result<Plan, String> {
    let scheme = match key.key_type {
        KeyType::Rsa => Scheme::RsaPkcs1Sha256,
        KeyType::Ec => Scheme::Ecdsa,
        KeyType::Edwards | KeyType::Montgomery | KeyType::Other => {
            return Err("it is neither RSA nor EC".to_owned());
        }
    };
    let pin = Pin { reference: USER, label: None, lengths: (6, 16), pad: None };
    Ok(Plan {
        access: Some(Access { pin, reference: USER, asks: Asks::Once }),
        operations: vec![Operation {
            scheme,
            bits: key.bits,
            digest: key.bytes().clamp(1, 32),
            hashed: false,
        }],
    })
}

/// One such card.
pub(super) struct ScHsm<'c> {
    pub card: &'c Card,
}

impl FamilySigner for ScHsm<'_> {
    fn state(&mut self, channel: &mut KeyChannel<'_>, _pin: Option<&Pin>) -> Result<PinState, SignError> {
        let status = Command::VerifyStatus(apdu::Pin::User);
        if channel.plain(status)?.status.pin_state() == PinState::LoggedIn {
            return Ok(PinState::LoggedIn);
        }
        // Nobody's login ends, and now it is certainly this application that answers.
        select(channel)?;
        Ok(channel.plain(status)?.status.pin_state())
    }

    fn same_card(&mut self, channel: &mut KeyChannel<'_>, _orders: &[Order]) -> Result<(), SignError> {
        let device = read_file(&mut Channel::new(channel), DEVICE_CERTIFICATE, Shape::Elements(2), false)?;
        let files = &self.card.files;
        let known = files.iter().find(|file| file.path == DEVICE_CERTIFICATE.into()).map(|file| &file.answer);
        let own = |answer: &Answer| match answer {
            Answer::Content(bytes) => mark(bytes.as_slice()),
            Answer::Absent | Answer::Withheld | Answer::Refused(_) | Answer::NotRead(_) => None,
        };
        if own(&device.answer).is_none() || known.and_then(own) != own(&device.answer) {
            return Err(SignError::Moved("another card is in the reader now"));
        }
        let listed = channel.plain(Command::EnumerateObjects)?.data;
        // A long list is cut here and was read whole before.
        if !key_list(&listed).eq(self.card.key_list.iter().copied().take(listed.len() / 2)) {
            return Err(SignError::Moved("the card's key list is not the one that was read before"));
        }
        Ok(())
    }

    /// Uses that a key has left, where the card tells: SELECT of the key answers with tag 90 (newer
    /// firmware, pico-hsm).
    fn spares(&mut self, channel: &mut KeyChannel<'_>, order: &Order) -> Result<Option<String>, SignError> {
        let response = channel.single([0x00, 0xA4, 0x00, 0x00], &[prefix::KEY, order.key], 256)?;
        let left = if response.status == StatusWord::OK { counter_in(&response.data, DEPTH) } else { None };
        Ok(left.map(|left| {
            format!(
                "it has a use counter ({left} left), and a signature is a use: stalecard verify --key {}",
                order.key
            )
        }))
    }

    fn ask(
        &mut self,
        channel: &mut KeyChannel<'_>,
        order: &Order,
        attempt: &Attempt,
    ) -> Result<Response, SignError> {
        let (algorithm, data, longest) = match attempt.scheme {
            Scheme::RsaPkcs1Sha256 => (0x33, &attempt.challenge, attempt.bits.div_ceil(8)),
            // Two numbers, each with its sign, tag and length.
            Scheme::Ecdsa => (0x70, &attempt.data, 2 * attempt.bits.div_ceil(8) + 16),
            Scheme::Ecdh | Scheme::Ed25519 | Scheme::X25519 | Scheme::RsaDecipher => {
                return Err(not_asked(attempt.scheme));
            }
        };
        // OpenSC asks for 512 bytes in extended form; the short one does for most.
        let ne = if longest > 256 { 0x0400 } else { 0x0100 };
        Ok(channel.single([0x80, 0x68, order.key, algorithm], data, ne)?)
    }

    fn leave(&mut self, channel: &mut KeyChannel<'_>, _references: &BTreeSet<u8>) -> Result<(), SignError> {
        select(channel)
    }
}

/// SELECT: makes sure of the application, and ends any login.
fn select(channel: &mut KeyChannel<'_>) -> Result<(), SignError> {
    match channel.plain(Command::SelectScHsm)?.status {
        StatusWord::OK => Ok(()),
        status => Err(SignError::NoLogout(status)),
    }
}

/// Tag 90 with four bytes, in whatever templates.
fn counter_in(bytes: &[u8], depth: u32) -> Option<u32> {
    let mut rest = bytes;
    while let Some(element) = tlv::first(rest) {
        match element.tag {
            0x90 if element.value.len() == 4 => {
                return Some(u32::from_be_bytes(element.value.try_into().ok()?));
            }
            0x62 | 0x6F | 0xA5 if depth > 0 => {
                if let Some(found) = counter_in(element.value, depth - 1) {
                    return Some(found);
                }
            }
            _ => {}
        }
        rest = element.rest;
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn use_counters_in_the_answer_to_select() {
        // An FCP without, one with in A5 (pico-hsm), one with on its own.
        assert_eq!(counter_in(b"\x6F\x06\x81\x02\x00\x00\x82\x00", DEPTH), None);
        assert_eq!(
            counter_in(b"\x6F\x0E\x81\x02\x00\x00\xA5\x08\x90\x04\x00\x00\x00\x07\x91\x00", DEPTH),
            Some(7)
        );
        assert_eq!(counter_in(b"\x62\x06\x90\x04\x00\x00\x01\x00", DEPTH), Some(256));
        // Lies about lengths, and templates without end.
        assert_eq!(counter_in(b"\x62\x7F\x90\x04", DEPTH), None);
        let deep = (0..40).fold(b"\x90\x04\0\0\0\x01".to_vec(), |inner, _| {
            [&[0xA5, u8::try_from(inner.len()).unwrap()], inner.as_slice()].concat()
        });
        assert_eq!(counter_in(&deep, DEPTH), None);
    }
}
