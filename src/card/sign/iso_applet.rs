//! Keys of a card with the IsoApplet, as OpenSC's `card-isoApplet.c` uses them: MANAGE SECURITY ENVIRONMENT (22 41 B6) with
//! algorithm and number of the key, then COMPUTE DIGITAL SIGNATURE (2A 9E9A).
//!
//! Where the applet's interface is version 0.x it hashes what it gets for ECDSA with SHA-1, under the same algorithm that
//! takes a hash as it is from 1.0 on. Its version is asked for (GET DATA 0101), which 0.x does not know.
//!
//! VERIFY without data tells the tries, and never that somebody is logged in. That an environment that nothing stores (22 F3)
//! tells: it is refused for want of a PIN first, and else because there is no such thing; it changes nothing. There is no
//! logout: the applet forgets the PIN when it is selected again.

use std::collections::BTreeSet;

use super::super::apdu::{Channel, Command, Response, StatusWord};
use super::error::SignError;
use super::family::{FamilySigner, still_holds};
use super::key_channel::KeyChannel;
use super::native::{access, described};
use super::plan::{Attempt, Key, Operation, Order, Pin, Plan};
use crate::format::pkcs15::{self, Directory, KeyType};
use crate::snapshot::{Card, EfPath, PinState, Scheme};

/// Algorithm references of the security environment: RSA with PKCS#1 v1.5 padding by the card; ECDSA.
const PKCS1: u8 = 0x11;
const ECDSA: u8 = 0x21;

pub(super) fn plan(card: &Card, key: &Key) -> Result<Plan, String> {
    let number = key.reference.ok_or("its description names no key")?;
    let operation =
        |scheme, hashed| Operation { scheme, bits: key.bits, digest: key.bytes().clamp(1, 64), hashed };
    let operations = match key.key_type {
        KeyType::Rsa => vec![operation(Scheme::RsaPkcs1Sha256, false)],
        // The card tells which.
        KeyType::Ec => vec![operation(Scheme::Ecdsa, false), operation(Scheme::Ecdsa, true)],
        KeyType::Edwards | KeyType::Montgomery | KeyType::Other => {
            return Err("it is neither RSA nor EC".to_owned());
        }
    };
    let (_, keys, pins) = described(card).ok_or("the descriptions on the card cannot be read")?;
    let entry = keys.into_iter().find(|entry| entry.key_reference == Some(i32::from(number)));
    let entry = entry.ok_or("it is not described on the card any more")?;
    Ok(Plan { access: access(&entry, &pins)?, operations })
}

/// One such card.
pub(super) struct IsoApplet<'c> {
    pub card: &'c Card,
}

impl IsoApplet<'_> {
    /// Is somebody logged in?
    fn is_open(channel: &mut KeyChannel<'_>) -> Result<bool, SignError> {
        Ok(channel.single([0x00, 0x22, 0xF3, 0x00], &[], 0)?.status != StatusWord::SECURITY_STATUS)
    }

    /// Does it hash what it is to sign on a curve?
    fn hashes(channel: &mut KeyChannel<'_>) -> Result<bool, SignError> {
        let version = channel.plain(Command::IsoAppletVersion)?;
        Ok(!(version.status == StatusWord::OK && version.data.first().is_some_and(|&major| major > 0)))
    }

    /// What tells one state of a card from another: TokenInfo, and the descriptions of the keys.
    fn witnesses(&self) -> Option<Vec<EfPath>> {
        let (application, ..) = described(self.card)?;
        let directories = pkcs15::object_directory(self.card.content(application.odf)?).ok()?;
        let keys = directories.iter().filter(|(kind, _)| *kind == Directory::PrivateKeys);
        let keys = keys.filter_map(|(_, path)| application.directory(path));
        Some(std::iter::once(application.token_info).chain(keys).collect())
    }
}

impl FamilySigner for IsoApplet<'_> {
    fn state(&mut self, channel: &mut KeyChannel<'_>, pin: Option<&Pin>) -> Result<PinState, SignError> {
        // Whoever is logged in to it stays so: it is only selected where no file of it answers.
        let file = self.witnesses().and_then(|files| files.first().copied());
        let file =
            file.ok_or(SignError::Moved("the card's descriptions are not those that were read before"))?;
        if !channel.plain(Command::SelectPath(file))?.status.carries_data() {
            let status = channel.plain(Command::SelectIsoApplet)?.status;
            if status != StatusWord::OK {
                return Err(SignError::NoApplication(status));
            }
        }
        if Self::is_open(channel)? {
            return Ok(PinState::LoggedIn);
        }
        let Some(pin) = pin else { return Ok(PinState::NotInitialised) };
        Ok(match channel.status(pin.reference)?.pin_state() {
            // It wants none, and has let nobody in.
            PinState::LoggedIn => PinState::NotInitialised,
            state @ (PinState::Tries(_)
            | PinState::Blocked
            | PinState::NotInitialised
            | PinState::Other(_)) => state,
        })
    }

    /// Such a card has no number of its own: it is the one that was read if it says the same of itself and its keys.
    fn same_card(&mut self, channel: &mut KeyChannel<'_>, _orders: &[Order]) -> Result<(), SignError> {
        let mut channel = Channel::new(channel);
        let moved = SignError::Moved(
            "the card was changed or swapped since it was read (its TokenInfo or the descriptions of its keys are other \
             ones)",
        );
        let Some(files) = self.witnesses() else { return Err(moved) };
        let known = files.into_iter().filter_map(|file| Some((file, self.card.content(file)?)));
        let known: Vec<_> = known.filter(|(_, content)| !content.is_empty()).collect();
        if known.is_empty() {
            return Err(moved);
        }
        for (file, known) in known {
            if !still_holds(&mut channel, file, known)? {
                return Err(moved);
            }
        }
        Ok(())
    }

    fn fitting(&mut self, channel: &mut KeyChannel<'_>, order: &Order) -> Result<Vec<Attempt>, SignError> {
        let hashes = Self::hashes(channel)?;
        let fits = |attempt: &&Attempt| attempt.scheme != Scheme::Ecdsa || attempt.is_hashed() == hashes;
        Ok(order.attempts.iter().filter(fits).cloned().collect())
    }

    fn ask(
        &mut self,
        channel: &mut KeyChannel<'_>,
        order: &Order,
        attempt: &Attempt,
    ) -> Result<Response, SignError> {
        let algorithm = if attempt.scheme == Scheme::Ecdsa { ECDSA } else { PKCS1 };
        let environment = [0x80, 0x01, algorithm, 0x84, 0x01, order.key];
        let set = channel.single([0x00, 0x22, 0x41, 0xB6], &environment, 0)?;
        if set.status != StatusWord::OK {
            return Ok(set);
        }
        Ok(channel.single([0x00, 0x2A, 0x9E, 0x9A], &attempt.data, 256)?)
    }

    fn leave(&mut self, channel: &mut KeyChannel<'_>, _references: &BTreeSet<u8>) -> Result<(), SignError> {
        let status = channel.plain(Command::SelectIsoApplet)?.status;
        if status != StatusWord::OK || Self::is_open(channel)? {
            return Err(SignError::NoLogout(status));
        }
        Ok(())
    }
}
