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
pub mod objects;
pub mod openpgp;
pub mod piv;
pub mod pkcs11;
pub mod pkcs11_names;
pub mod pkcs15;
pub mod public;
pub mod sc_hsm;
pub mod unlisted;

use objects::Draft;
pub use objects::{Objects, Unknown};

pub use family::{is_private, layout, layout_of, of_files, unread};
pub use public::is_surely_public;

pub use layout::{Condition, Described, KeyFacts, KeyInPlace, Layout, Named, Note};

use crate::format::key::PublicKey;
use crate::format::pkcs15::{KeyType, Value, Zeros};
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

/// A token as a program shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Objects in the order OpenSC finds them.
    pub objects: Objects,
    /// Places about which nothing can be said, and why.
    pub unknown: Unknown,
    /// Authentication IDs of the PINs with which users log in, on cards of which no PINs are listed.
    pub pins: &'static [u8],
}

/// Where an object stands. What stands in one place in two views of a card is the same object,
/// whatever it looks like.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The entry of the key list, the container, or the directory file.
    pub ef: EfPath,
    /// Which of the EF's objects.
    pub part: Part,
}

/// Which of the objects of a EF.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The only one; or all of them.
    Whole,
    /// The private key of a key's EF.
    PrivateKey,
    /// What is public of it: a public key, or a certificate in its place.
    Public,
    /// The certificate beside a public key.
    Certificate,
    /// An entry of a directory file that holds many: told from the others by its class and its
    /// ID (or its name, without one), and by its number among those that have all this in common.
    Entry(&'static str, Vec<u8>, usize),
}

impl Part {
    /// Does it stand in the EF of one key, whose description it shares?
    #[must_use]
    pub const fn is_of_key(&self) -> bool {
        matches!(self, Self::PrivateKey | Self::Public | Self::Certificate)
    }
}

impl Place {
    /// The whole EF.
    #[must_use]
    pub const fn whole(ef: EfPath) -> Self {
        Self { ef, part: Part::Whole }
    }

    /// What is shown or hidden together: a key's EF, but one entry of a directory file.
    #[must_use]
    pub fn unit(&self) -> Self {
        match self.part {
            Part::Entry(..) => self.clone(),
            _ => Self::whole(self.ef),
        }
    }

    /// Is the other place this one, or a part of it?
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.ef == other.ef && (self.part == Part::Whole || self.part == other.part)
    }
}

/// One object of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Which entry of the key list it comes from (`CC01`, `C801`), or which directory file (`50154402`).
    pub ef: EfPath,
    /// Which of the EF's objects it is.
    pub part: Part,
    /// The files it was made of.
    pub files: Vec<EfPath>,
    /// Label.
    pub label: Vec<u8>,
    /// ID (`CKA_ID`); empty for data objects.
    pub id: Vec<u8>,
    /// ID of the PIN that protects it, if it names one.
    pub auth_id: Vec<u8>,
    /// The rest depends on its class.
    pub class: Class,
}

/// The class of an object and what belongs to it alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Class {
    /// A private key.
    PrivateKey {
        /// Key reference, the number of the key on the card; none if the card tells none.
        reference: Option<u8>,
        /// RSA or EC.
        key_type: KeyType,
        /// Modulus or field length in bits as shown.
        bits: i32,
        /// Usage flags.
        usage: u32,
        /// Access flags.
        access: u32,
        /// Object flags.
        flags: u32,
        /// Native flag.
        native: bool,
        /// Where it is, if the card tells.
        path: Option<EfPath>,
    },
    /// A public key.
    PublicKey {
        /// The key. `None` if it could not be made out: OpenSC lists it all the same.
        key: Option<PublicKey>,
        /// What its description says; none if it has none of its own (as one that was made
        /// from a certificate request).
        entry: Option<PublicKeyEntry>,
    },
    /// An X.509 certificate. `None` if its bytes do not parse: OpenSC lists it
    /// but nothing can use it.
    Certificate {
        /// The certificate.
        certificate: Option<Certificate>,
        /// A certificate authority's?
        authority: bool,
        /// Object flags.
        flags: u32,
    },
    /// A secret key: what is said of it, for nobody gets to see itself.
    SecretKey(SecretKey),
    /// A PIN, or another way to authenticate.
    Pin(Pin),
    /// A data object.
    Data {
        /// Application name.
        application: Vec<u8>,
        /// Application OID, DER content.
        oid: Option<Vec<u8>>,
        /// Object flags.
        flags: u32,
        /// Where the content is.
        path: Value,
        /// The content, if it is public and was read.
        content: Option<Vec<u8>>,
        /// There is something that cannot be read: `pkcs15-tool -D` ends its list of data objects there. A file that
        /// does not exist does it no harm.
        is_unreadable: bool,
    },
}

/// What the description of a secret key says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretKey {
    /// Its type, as OpenSC calls it.
    pub key_type: &'static str,
    /// Length in bits.
    pub bits: i32,
    /// Usage flags.
    pub usage: u32,
    /// Access flags.
    pub access: u32,
    /// Object flags.
    pub flags: u32,
    /// Native flag.
    pub native: bool,
    /// Key reference.
    pub reference: i32,
    /// Where it is, if its description tells.
    pub path: Option<EfPath>,
}

/// What the description of a PIN says (PKCS#15 `PinAttributes`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Object flags.
    pub object_flags: u32,
    /// PIN flags.
    pub flags: u32,
    /// Its type: 0 BCD, 1 ASCII digits, 2 UTF-8, 3 half nibble BCD, 4 ISO 9564-1.
    pub kind: i32,
    /// Least, stored and greatest length.
    pub lengths: [i32; 3],
    /// Reference in VERIFY.
    pub reference: i32,
    /// Pad character.
    pub pad: Option<u8>,
    /// Where it is, if it tells.
    pub path: Option<EfPath>,
}

/// What the description of a public key says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKeyEntry {
    /// RSA or EC.
    pub key_type: KeyType,
    /// Modulus or field length in bits as shown.
    pub bits: i32,
    /// Usage flags.
    pub usage: u32,
    /// Access flags.
    pub access: u32,
    /// Object flags.
    pub flags: u32,
    /// Native flag.
    pub native: bool,
    /// Key reference.
    pub reference: Option<u8>,
    /// Where it is, unless it stands in the description itself.
    pub path: Option<EfPath>,
}

impl Class {
    /// The name of the class as people use it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::PrivateKey { .. } => "private key",
            Self::PublicKey { .. } => "public key",
            Self::Certificate { .. } => "certificate",
            Self::SecretKey(_) => "secret key",
            Self::Pin(_) => "PIN",
            Self::Data { .. } => "data object",
        }
    }
}

impl Object {
    /// Where it stands.
    #[must_use]
    pub fn place(&self) -> Place {
        Place { ef: self.ef, part: self.part.clone() }
    }

    /// Is it a certificate that is listed without content?
    #[must_use]
    pub const fn is_broken_certificate(&self) -> bool {
        matches!(self.class, Class::Certificate { certificate: None, .. })
    }

    /// Is it a private key?
    #[must_use]
    pub const fn is_private_key(&self) -> bool {
        matches!(self.class, Class::PrivateKey { .. })
    }

    /// The public key behind a public key or certificate object.
    #[must_use]
    pub const fn public_key(&self) -> Option<&PublicKey> {
        match &self.class {
            Class::PublicKey { key, .. } => key.as_ref(),
            Class::Certificate { certificate: Some(certificate), .. } => Some(&certificate.key),
            _ => None,
        }
    }
}

impl View {
    /// The key reference of the private key that an object is or belongs to.
    #[must_use]
    pub fn reference(&self, object: &Object) -> Option<u8> {
        match self.private_key_of(object)?.class {
            Class::PrivateKey { reference, .. } => reference,
            _ => None,
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
