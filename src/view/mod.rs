//! Files and decoder make the list of objects that a program shows.
//!
//! One decoder over two file sources: a family's decoder walks its cards the way OpenSC does
//! and asks a [`Source`] for every file. Over the card's files the result is the **live view**;
//! over the cache, with the card behind it, it is the **OpenSC view**.
//!
//! - [`layout`](mod@layout): the door to all that only a family knows
//! - [`family`]: which of them a card has
//! - [`sc_hsm`], [`piv`], [`openpgp`]: cards that OpenSC has a list of its own for
//! - [`native`]: cards with PKCS#15 files of their own
//! - [`object`]: one object, and the place where it stands
//! - [`objects`]: what a view holds, found without a search
//! - [`cached`]: the cache in front of a card
//! - [`difference`]: two views compared, object by object
//! - [`pkcs15`], [`pkcs11`]: what `pkcs15-tool` and applications see of a view
//! - [`pkcs11_names`]: what the PKCS#11 module calls tokens and objects
//! - [`listed`]: the door to both
//! - [`unlisted`]: what a card holds beside its view
//! - [`public`]: what tells that a copy is public although its card was not read

pub mod cached;
pub mod difference;
pub mod family;
pub mod inventory;
pub mod layout;
pub mod listed;
pub mod native;
pub mod object;
pub mod objects;
pub mod openpgp;
pub mod piv;
pub mod pkcs11;
pub mod pkcs11_names;
pub mod pkcs15;
pub mod public;
pub mod sc_hsm;
pub mod unlisted;

pub use object::{Class, Object, Part, Pin, Place, PublicKeyEntry, SecretKey};
pub use objects::{Objects, Unknown, View};

pub use family::{is_private, layout, layout_of, of_files, unread};
pub use public::is_surely_public;

pub use layout::{Condition, Described, KeyFacts, KeyInPlace, Layout, Named, Note};

use crate::format::key::PublicKey;
use crate::format::pkcs15::Zeros;
use crate::format::x509::{self, Certificate};
use crate::opensc::Version;
use crate::opensc::differences::{self, CurveMatch};
use crate::snapshot::{Answer, Card, EfPath};

/// The most OpenSC reads of a file for which it has no buffer of its own.
pub const FILE_BUFFER: usize = 65_535;

/// Gives the content of a card's files to the decoder.
pub trait Source {
    /// The content of a file as a program gets it into a buffer of this size.
    fn read(&self, fid: EfPath, buffer: usize) -> Read;

    /// A part of a file, or all of it; a part that reaches beyond the end is an error.
    fn read_part(&self, file: EfPath, part: Option<(usize, usize)>) -> Read {
        match (self.read(file, usize::MAX), part) {
            (Read::Content(bytes), Some((index, count))) => {
                match bytes.get(index..index.saturating_add(count)) {
                    Some(bytes) => Read::Content(bytes.to_vec()),
                    None => Read::Failed,
                }
            }
            (read, _) => read,
        }
    }
}

/// What a program gets when it reads a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// These bytes, possibly none.
    Content(Vec<u8>),
    /// There is no such file.
    Absent,
    /// Another error: the card refused, the file is too short.
    Failed,
    /// Not known: the file was not read when the snapshot was taken.
    Unknown(String),
}

/// What differs between OpenSC versions in the way cards are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behaviour {
    /// The device key (`CC00`) is listed if `C400` exists (up to 0.23).
    pub shows_device_key: bool,
    /// A request without the inner authority reference decodes (0.23 on).
    pub car_optional: bool,
    /// Field length 528 is shown as 521 (0.26 on).
    pub rounds_521: bool,
    /// A curve is recognised by prime and coefficient (0.27 on), not by prime alone.
    pub matches_coefficient: bool,
    /// A certificate for a key on Curve25519 or Curve448 is understood (0.22 on).
    pub understands_edwards: bool,
    /// Such a key is listed of a PIV card (0.27 on).
    pub lists_edwards_keys: bool,
    /// A PIV card's objects for secure messaging are listed (0.26 on).
    pub lists_messaging: bool,
    /// An object of a PIV card with nothing in it cannot be read (up to 0.23), or counts as one that is not there.
    pub empty_piv_objects_fail: bool,
    /// An OpenPGP card's keys have a certificate each, and curves their own size and use (0.23 on).
    pub openpgp_by_key: bool,
    /// An OpenPGP card's key for authentication may decipher: of a card before version 3, and of a later one.
    pub authentication_deciphers: [bool; 2],
    /// An OpenPGP card may call curves as RFC 8410 does (0.27 on).
    pub openpgp_knows_rfc_8410: bool,
    /// Size of a key on Curve25519 as shown.
    pub curve_25519_bits: i32,
    /// What 00 in a directory file of a native card means.
    pub zeros_in_directories: Zeros,
    /// The point of an EC key of a native card may be a BIT STRING (0.27 on).
    pub takes_bits_for_point: bool,
}

impl Behaviour {
    /// Of the installed OpenSC, or of the newest one if none is known.
    #[must_use]
    pub fn of(version: Option<Version>) -> Self {
        let version = version.unwrap_or(differences::HEAD);
        Self {
            shows_device_key: differences::shows_device_key(version).unwrap_or(false),
            car_optional: differences::inner_car_is_optional(version),
            rounds_521: differences::corrects_field_length_528(version).unwrap_or(false),
            matches_coefficient: differences::curve_match(version) == CurveMatch::PrimeAndCoefficient,
            understands_edwards: differences::edwards_is_understood(version),
            lists_edwards_keys: differences::piv_lists_edwards_keys(version),
            lists_messaging: differences::piv_lists_messaging(version).unwrap_or(true),
            empty_piv_objects_fail: differences::piv_fails_at_empty_objects(version).unwrap_or(false),
            openpgp_by_key: differences::openpgp_lists_by_key(version).unwrap_or(true),
            authentication_deciphers: [false, true].map(|is_version_3| {
                differences::openpgp_authentication_deciphers(version, is_version_3).unwrap_or(true)
            }),
            openpgp_knows_rfc_8410: differences::openpgp_knows_rfc_8410(version),
            curve_25519_bits: differences::curve_25519_bits(version),
            takes_bits_for_point: differences::ec_point_may_be_bits(version),
            zeros_in_directories: match differences::directories_go_on_behind_zeros(version) {
                Some(false) => Zeros::End,
                Some(true) | None => Zeros::Skipped,
            },
        }
    }
}

/// The certificate, if this OpenSC can make anything of it.
fn x509_as(bytes: &[u8], behaviour: Behaviour) -> Option<Certificate> {
    // The twisted curves came into both tables together.
    let understood = |certificate: &Certificate| match certificate.key {
        PublicKey::Other(_) if !behaviour.understands_edwards => false,
        _ => certificate.is_understood(behaviour.matches_coefficient),
    };
    x509::decode(bytes).filter(understood)
}

/// The card's own files.
impl Source for Card {
    fn read(&self, fid: EfPath, buffer: usize) -> Read {
        match self.files.iter().find(|file| file.path == fid).map(|file| &file.answer) {
            Some(Answer::Content(bytes)) => {
                let bytes = bytes.as_slice();
                Read::Content(bytes.get(..buffer).unwrap_or(bytes).to_vec())
            }
            Some(Answer::Absent) => Read::Absent,
            Some(Answer::Refused(_)) => Read::Failed,
            Some(Answer::Withheld) => Read::Unknown(format!("file {fid} is private, and was not kept")),
            Some(Answer::NotRead(why)) => Read::Unknown(why.clone()),
            None => Read::Unknown(format!("file {fid} was not read")),
        }
    }
}

#[cfg(test)]
mod tests;
