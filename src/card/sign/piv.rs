//! Keys of a PIV card (NIST SP 800-73-4, part 2, 3.2): GENERAL AUTHENTICATE (00 87). The padding of RSA is
//! the host's work, so a key for deciphering proves itself by the same bare operation; a key for key
//! management on a curve agrees on a secret (tag 85), which is all that the standard lets it do.
//!
//! - The PIN is 80, or the global one (00) where the discovery object prefers that.
//! - VERIFY without data tells the tries (3.2.1). It is sent here, to a card that has answered as PIV, and
//!   never by `check`. A card that does not answer it with a number gets no PIN. Whether somebody is logged in
//!   not every card tells so (OpenSC's `CI_VERIFY_LC0_FAIL`): of those that are not known to, nobody can
//!   be, unless another program has it open.
//! - Key 9E works for everybody; key 9C wants its PIN before each use. Others may want that too, by a policy
//!   that only their maker's commands tell: they refuse, and get the PIN once more.
//! - SELECT does not end a login on every card (3.1.1 even forbids it); VERIFY with P1 = FF does.
//!
//! What a slot's certificate says of its key need not be true. A YubiKey 5 tells what key it is (GET
//! METADATA, 00 F7, Yubico's from 5.3 on); if another card refuses such a key, the other kinds are tried.

use std::collections::BTreeSet;

use super::super::apdu::{Command, Response, StatusWord, TransportError};
use super::super::family;
use super::super::piv::is_discovery;
use super::error::{SignError, not_asked};
use super::family::FamilySigner;
use super::key_channel::{KeyChannel, Long};
use super::plan::{Access, Asks, Attempt, Key, Operation, Order, Pin, Plan};
use crate::format::piv::{CHUID, DISCOVERY, SLOTS, Slot, Tag, prefers_global_pin, retired};
use crate::format::pkcs15::KeyType;
use crate::format::tlv::{encode, first, tagged};
use crate::snapshot::{Card, EfPath, PinState, Scheme};

/// Digital signature; card authentication.
const SIGNATURE: u8 = 0x9C;
const CARD_AUTHENTICATION: u8 = 0x9E;

/// PIN of the application, and the one of the whole card.
const PIN: u8 = 0x80;
const GLOBAL_PIN: u8 = 0x00;

/// Algorithm identifiers (SP 800-78-4, table 6-2; RSA 4096 as Yubico has it).
const ALGORITHMS: [(KeyType, usize, u8); 6] = [
    (KeyType::Ec, 256, 0x11),
    (KeyType::Rsa, 2048, 0x07),
    (KeyType::Ec, 384, 0x14),
    (KeyType::Rsa, 3072, 0x05),
    (KeyType::Rsa, 4096, 0x16),
    (KeyType::Rsa, 1024, 0x06),
];

pub(super) fn plan(card: &Card, key: &Key) -> Result<Plan, String> {
    let reference = key.reference.ok_or("it has no reference")?;
    let is_own = |&&(key_type, bits, _): &&(KeyType, usize, u8)| key_type == key.key_type && bits == key.bits;
    let own = ALGORITHMS.iter().find(is_own).ok_or_else(|| {
        format!("{} with {} bits has no number among PIV's algorithms", key.key_type.name(), key.bits)
    })?;
    let operations = std::iter::once(own).chain(ALGORITHMS.iter().filter(|other| *other != own));
    let operation = |&(key_type, bits, _): &(KeyType, usize, u8)| {
        let scheme = match key_type {
            KeyType::Ec if matches!(reference, 0x9A | SIGNATURE | CARD_AUTHENTICATION) => Scheme::Ecdsa,
            KeyType::Ec => Scheme::Ecdh,
            KeyType::Rsa => Scheme::RsaPkcs1Sha256,
            KeyType::Edwards | KeyType::Montgomery | KeyType::Other => return None,
        };
        Some(Operation { scheme, bits, digest: bits / 8, hashed: false })
    };
    let discovery = card.content(EfPath::at(DISCOVERY.container)).unwrap_or_default();
    let pin = if prefers_global_pin(discovery) { GLOBAL_PIN } else { PIN };
    let access = Access {
        pin: Pin { reference: pin, label: None, lengths: (6, 8), pad: Some((0xFF, 8)) },
        reference: pin,
        asks: if reference == SIGNATURE { Asks::Always } else { Asks::OnceOrMore },
    };
    Ok(Plan {
        access: (reference != CARD_AUTHENTICATION).then_some(access),
        operations: operations.filter_map(operation).collect(),
    })
}

/// One such card.
pub(super) struct Piv<'c> {
    pub card: &'c Card,
    /// Somebody's login is to be used, not begun.
    pub existing: bool,
}

impl Piv<'_> {
    fn tells_logins(&self) -> bool {
        family::answers_empty_verify(self.card.atr.as_slice())
    }
}

impl FamilySigner for Piv<'_> {
    fn state(&mut self, channel: &mut KeyChannel<'_>, pin: Option<&Pin>) -> Result<PinState, SignError> {
        let answers = |channel: &mut KeyChannel<'_>| -> Result<bool, SignError> {
            let response = channel.plain(Command::PivObject(DISCOVERY.tag))?;
            Ok(response.status == StatusWord::OK && is_discovery(&response.data))
        };
        // Whoever is logged in to it stays so.
        let was_selected = answers(channel)?;
        if !was_selected {
            let status = channel.plain(Command::SelectPiv)?.status;
            if status != StatusWord::OK {
                return Err(SignError::NoApplication(status));
            }
        }
        let Some(pin) = pin else { return Ok(PinState::NotInitialised) };
        let state = channel.status(pin.reference)?.pin_state();
        if state != PinState::LoggedIn && !self.tells_logins() && was_selected && channel.link.is_shared() {
            return if self.existing { Ok(PinState::LoggedIn) } else { Err(SignError::Undecided) };
        }
        Ok(state)
    }

    /// By the CHUID; cards without one by the certificates of the keys that are to be asked.
    fn same_card(&mut self, channel: &mut KeyChannel<'_>, orders: &[Order]) -> Result<(), SignError> {
        let mut same = |command: Command, file: EfPath| -> Result<bool, SignError> {
            let response = channel.plain(command)?;
            Ok(response.status.carries_data() && self.card.content(file) == Some(response.data.as_slice()))
        };
        if self.card.content(EfPath::at(CHUID.container)).is_some() {
            return match same(Command::PivObject(CHUID.tag), EfPath::at(CHUID.container))? {
                true => Ok(()),
                false => Err(SignError::Moved(
                    "another card is in the reader now (its CHUID is not the one read before)",
                )),
            };
        }
        for order in orders {
            let slot = slot(order.key).ok_or(SignError::Moved("there is no such slot"))?;
            if !same(Command::PivObject(Tag::Usual(slot.tag)), slot.object())? {
                return Err(SignError::Moved("the certificate of a key is not the one that was read before"));
            }
        }
        Ok(())
    }

    fn fitting(&mut self, channel: &mut KeyChannel<'_>, order: &Order) -> Result<Vec<Attempt>, SignError> {
        if self.tells_logins() {
            let metadata = channel.single([0x00, 0xF7, 0x00, order.key], &[], 256)?;
            if metadata.status == StatusWord::OK
                && let Some([algorithm]) = tagged(&metadata.data, 0x01)
            {
                let fit = |attempt: &&Attempt| algorithm_of(attempt) == Some(*algorithm);
                let fitting: Vec<_> = order.attempts.iter().filter(fit).cloned().collect();
                if !fitting.is_empty() {
                    return Ok(fitting);
                }
            }
        }
        Ok(order.attempts.clone())
    }

    fn ask(
        &mut self,
        channel: &mut KeyChannel<'_>,
        order: &Order,
        attempt: &Attempt,
    ) -> Result<Response, SignError> {
        let algorithm = algorithm_of(attempt).ok_or(SignError::Moved("there is no such algorithm"))?;
        let input = match attempt.scheme {
            Scheme::RsaPkcs1Sha256 => encode(0x81, &padded(&attempt.data, attempt.bits / 8)),
            Scheme::Ecdh => encode(0x85, &attempt.data),
            Scheme::Ecdsa => encode(0x81, &attempt.data),
            Scheme::Ed25519 | Scheme::X25519 | Scheme::RsaDecipher => return Err(not_asked(attempt.scheme)),
        };
        let template = encode(0x7C, &[encode(0x82, &[]), input].concat());
        let mut response = channel.whole([0x00, 0x87, algorithm, order.key], &template, Long::Chained)?;
        if response.status == StatusWord::OK {
            let answer = first(&response.data).filter(|element| element.tag == 0x7C);
            let answer = answer.and_then(|element| tagged(element.value, 0x82)).map(<[u8]>::to_vec);
            response.data = answer
                .ok_or(TransportError::Nonsense("something else than a dynamic authentication template"))?;
        }
        Ok(response)
    }

    fn leave(&mut self, channel: &mut KeyChannel<'_>, references: &BTreeSet<u8>) -> Result<(), SignError> {
        for &reference in references {
            channel.log_out(reference)?;
            if self.tells_logins() && channel.status(reference)? != StatusWord::OK {
                continue;
            }
            // Before SP 800-73-4 there was no such command, and SELECT ended a login on many cards.
            channel.plain(Command::SelectPiv)?;
            if channel.status(reference)? == StatusWord::OK {
                return Err(SignError::NoLogout(StatusWord::OK));
            }
        }
        Ok(())
    }
}

fn algorithm_of(attempt: &Attempt) -> Option<u8> {
    let key_type = if attempt.scheme == Scheme::RsaPkcs1Sha256 { KeyType::Rsa } else { KeyType::Ec };
    let known = ALGORITHMS.iter().find(|(kind, bits, _)| *kind == key_type && *bits == attempt.bits);
    known.map(|(.., algorithm)| *algorithm)
}

/// EMSA-PKCS1-v1_5 (RFC 8017, 9.2) around a DigestInfo.
fn padded(info: &[u8], length: usize) -> Vec<u8> {
    let filling = length.saturating_sub(info.len() + 3);
    [&[0x00, 0x01], vec![0xFF; filling].as_slice(), &[0x00], info].concat()
}

fn slot(reference: u8) -> Option<Slot> {
    SLOTS.into_iter().chain(retired(u8::MAX)).find(|slot| slot.reference == reference)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_padding_fills_the_modulus() {
        assert_eq!(padded(&[7; 5], 12), [0, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0, 7, 7, 7, 7, 7]);
        assert_eq!(padded(&[7; 51], 256).len(), 256);
    }

    #[test]
    fn all_slots_are_known() {
        for reference in [0x9A, 0x9C, 0x9D, 0x9E, 0x82, 0x95] {
            assert_eq!(slot(reference).unwrap().reference, reference);
        }
        assert!(slot(0x9B).is_none() && slot(0x96).is_none());
    }
}
