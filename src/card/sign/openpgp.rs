//! Keys of an OpenPGP card (functional specification 3.4.1, 7.2): COMPUTE DIGITAL SIGNATURE (2A 9E9A) for
//! the first, DECIPHER (2A 8086) for the second, INTERNAL AUTHENTICATE (88) for the third.
//!
//! - PW1 is one secret with one counter and two references, each with a login of its own: 81 for a
//!   signature, 82 for the rest. Its tries stand in the PW status bytes (DO C4), to be read at no cost; so
//!   does whether 81 is over after one signature.
//! - Whether somebody is logged in a card tells from version 3 on (VERIFY without data). Of an older one
//!   nobody can be, unless another program has it open.
//! - VERIFY with P1 = FF ends a login from version 3 on; before that SELECT does.
//! - A card may want the PIN derived (KDF-DO, F9) or packed: then none is sent.

use std::collections::BTreeSet;

use super::super::apdu::{Command, OPENPGP_AID, OpenPgpData, Response, StatusWord};
use super::error::SignError;
use super::family::FamilySigner;
use super::key_channel::{KeyChannel, Long};
use super::plan::{Access, Asks, Attempt, Key, Operation, Order, Pin, Plan};
use crate::format::openpgp::{self, APPLICATION, PwStatus};
use crate::format::pkcs15::KeyType;
use crate::format::tlv::{encode, tagged};
use crate::snapshot::{Card, PinState, Scheme};

/// PW1 for signatures, and for everything else.
const SIGNING: u8 = 0x81;
const OTHER: u8 = 0x82;

/// The shortest PW1 (4.2).
const SHORTEST: usize = 6;

/// The longest answer asked for in one extended APDU: RSA 4096 and its status.
const LONGEST: u32 = 1024;

pub(super) fn plan(card: &Card, key: &Key) -> Result<Plan, String> {
    let number =
        key.reference.filter(|number| *number < 3).ok_or("there is no such key on an OpenPGP card")?;
    let scheme = match (number, key.key_type) {
        (1, KeyType::Rsa) => Scheme::RsaDecipher,
        (1, KeyType::Ec) => Scheme::Ecdh,
        (_, KeyType::Rsa) => Scheme::RsaPkcs1Sha256,
        (_, KeyType::Ec) => Scheme::Ecdsa,
        (0 | 2, KeyType::Edwards) => Scheme::Ed25519,
        (1, KeyType::Montgomery) => Scheme::X25519,
        (_, KeyType::Edwards | KeyType::Montgomery | KeyType::Other) => {
            return Err("it is neither RSA nor EC".to_owned());
        }
    };
    let known = related(card).and_then(openpgp::pw_status);
    let status = known.ok_or("the card does not say what its password is like (DO C4)")?;
    let access = Access {
        pin: Pin { reference: SIGNING, label: None, lengths: (SHORTEST, status.longest), pad: None },
        reference: if number == 0 { SIGNING } else { OTHER },
        asks: if number == 0 && status.once { Asks::Always } else { Asks::Once },
    };
    Ok(Plan {
        access: Some(access),
        // Hashes up to SHA-512.
        operations: vec![Operation {
            scheme,
            bits: key.bits,
            digest: key.bytes().clamp(1, 64),
            hashed: false,
        }],
    })
}

/// One such card.
pub(super) struct OpenPgp<'c> {
    pub card: &'c Card,
    /// Somebody's login is to be used, not begun.
    pub existing: bool,
}

impl OpenPgp<'_> {
    fn tells_logins(&self) -> bool {
        related(self.card).and_then(openpgp::aid).is_some_and(openpgp::is_version_3)
    }

    /// How it takes long data: chained if it says that it can.
    fn long(&self) -> Long {
        if related(self.card).is_some_and(openpgp::takes_only_extended) {
            Long::Extended(LONGEST)
        } else {
            Long::Chained
        }
    }
}

impl FamilySigner for OpenPgp<'_> {
    fn state(&mut self, channel: &mut KeyChannel<'_>, _pin: Option<&Pin>) -> Result<PinState, SignError> {
        let witness = channel.plain(Command::OpenPgpData(OpenPgpData::Aid))?;
        let answers = witness.status == StatusWord::OK && witness.data.starts_with(&OPENPGP_AID);
        // Whoever is logged in to it stays so.
        if !answers {
            let status = channel.plain(Command::SelectOpenPgp)?.status;
            if status != StatusWord::OK {
                return Err(SignError::NoApplication(status));
            }
        } else if self.tells_logins() {
            for reference in [SIGNING, OTHER] {
                if channel.status(reference)? == StatusWord::OK {
                    return Ok(PinState::LoggedIn);
                }
            }
        } else if channel.link.is_shared() {
            return if self.existing { Ok(PinState::LoggedIn) } else { Err(SignError::Undecided) };
        }
        let related = channel.plain(Command::OpenPgpData(OpenPgpData::Application))?;
        let Some(status) = openpgp::pw_status(&related.data) else {
            return Err(SignError::Uncounted(related.status));
        };
        if status.is_packed {
            return Err(SignError::Form("PIN block format 2"));
        }
        if openpgp::may_derive(&related.data) {
            let kdf = channel.single([0x00, 0xCA, 0x00, 0xF9], &[], 256)?;
            // 00: as it is typed.
            if kdf.status == StatusWord::OK && !matches!(tagged(&kdf.data, 0x81), None | Some([0])) {
                return Err(SignError::Form("derived from what is typed, KDF-DO"));
            }
        }
        Ok(tries(status))
    }

    /// By its identifier and the fingerprints of its keys.
    fn same_card(&mut self, channel: &mut KeyChannel<'_>, _orders: &[Order]) -> Result<(), SignError> {
        let now = channel.plain(Command::OpenPgpData(OpenPgpData::Application))?.data;
        let before = related(self.card).unwrap_or_default();
        if openpgp::aid(&now).is_none() || openpgp::aid(&now) != openpgp::aid(before) {
            return Err(SignError::Moved("another card is in the reader now"));
        }
        if openpgp::keys(&now) != openpgp::keys(before) {
            return Err(SignError::Moved("the card's keys are not those that were read before"));
        }
        Ok(())
    }

    fn ask(
        &mut self,
        channel: &mut KeyChannel<'_>,
        order: &Order,
        attempt: &Attempt,
    ) -> Result<Response, SignError> {
        let header = match order.key {
            0 => [0x00, 0x2A, 0x9E, 0x9A],
            1 => [0x00, 0x2A, 0x80, 0x86],
            _ => [0x00, 0x88, 0x00, 0x00],
        };
        let data = match attempt.scheme {
            // The padding indicator: none but that of RSA.
            Scheme::RsaDecipher => [&[0x00], attempt.data.as_slice()].concat(),
            Scheme::Ecdh | Scheme::X25519 => encode(0xA6, &encode(0x7F49, &encode(0x86, &attempt.data))),
            Scheme::Ecdsa | Scheme::RsaPkcs1Sha256 | Scheme::Ed25519 => attempt.data.clone(),
        };
        Ok(channel.whole(header, &data, self.long())?)
    }

    fn tries_after(&mut self, channel: &mut KeyChannel<'_>) -> Option<u8> {
        let related = channel.plain(Command::OpenPgpData(OpenPgpData::Application)).ok()?;
        openpgp::pw_status(&related.data).map(|status| status.tries)
    }

    /// Each has a login of its own.
    fn references(&self, _pin: &Pin) -> BTreeSet<u8> {
        BTreeSet::from([SIGNING, OTHER])
    }

    fn leave(&mut self, channel: &mut KeyChannel<'_>, references: &BTreeSet<u8>) -> Result<(), SignError> {
        if self.tells_logins() {
            let mut left = true;
            for &reference in references {
                channel.log_out(reference)?;
                left &= channel.status(reference)? != StatusWord::OK;
            }
            if left {
                return Ok(());
            }
        }
        match channel.plain(Command::SelectOpenPgp)?.status {
            StatusWord::OK => Ok(()),
            status => Err(SignError::NoLogout(status)),
        }
    }
}

const fn tries(status: PwStatus) -> PinState {
    match status.tries {
        0 => PinState::Blocked,
        left => PinState::Tries(left),
    }
}

/// Application related data as it was read.
fn related(card: &Card) -> Option<&[u8]> {
    card.content(APPLICATION)
}
