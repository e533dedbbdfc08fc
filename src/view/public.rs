//! Which cached copies are surely public although their card was not read: by what is in them, as far as that is what
//! everybody may have.
//!
//! With caching `yes` OpenSC keeps what it read after the PIN, too, and most names do not tell. A certificate (RFC 5280),
//! a public key and the directory files of PKCS#15 (ISO 7816-15), which are read before any PIN, do; so do the objects
//! of PIV that NIST SP 800-73 gives to everybody, under their names. Anything else may be anything.

use crate::format::key::PublicKey;
use crate::format::piv::{self, Slot};
use crate::format::pkcs15::{self, Directory, FLAG_PRIVATE, Value};
use crate::format::tlv::{TlvError, first};
use crate::format::x509;
use crate::opensc::CacheName;
use crate::snapshot::EfPath;

/// More bytes than a public exponent ever has.
const LONG_EXPONENT: usize = 16;

/// Is what is cached under this name of a kind that a card gives to everybody?
#[must_use]
pub fn is_surely_public(name: &CacheName, bytes: &[u8]) -> bool {
    // Nothing is kept of nothing.
    bytes.is_empty()
        || name.ef().is_some_and(|file| is_piv_object(file, bytes))
        || are_certificates(bytes)
        || is_public_key(bytes)
        || KINDS.into_iter().any(|kind| is_public_directory(kind, bytes))
}

/// An object of PIV that takes no PIN, or the certificate of a slot.
fn is_piv_object(file: EfPath, bytes: &[u8]) -> bool {
    let is_whole = first(bytes).is_some_and(|object| is_padding(object.rest));
    let is_public = piv::PUBLIC.iter().any(|object| EfPath::at(object.container) == file);
    let is_certificate = || matches!(piv::certificate(bytes), Ok(Some(der)) if are_certificates(&der));
    is_whole && piv::content(bytes).is_some() && (is_public || Slot::of(file).is_some() && is_certificate())
}

/// Certificates and nothing else: OpenSC appends to an entry that is too short for it.
fn are_certificates(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(element) = first(rest).filter(|element| x509::decode(element.raw).is_some()) {
        rest = element.rest;
    }
    rest.len() < bytes.len() && is_padding(rest)
}

/// A public key alone: `SubjectPublicKeyInfo`, `RSAPublicKey` (RFC 8017: two numbers, where a private key has more), or
/// `ECPoint` (X9.62).
fn is_public_key(bytes: &[u8]) -> bool {
    let Some(element) = first(bytes).filter(|element| is_padding(element.rest)) else { return false };
    let is_point = matches!(element.value.split_first(), Some((4, numbers)) if is_pair(numbers));
    let is_rsa = || {
        let Some(modulus) = first(element.value).filter(|number| number.tag == 0x02) else { return false };
        let exponent = first(modulus.rest).filter(|number| number.tag == 0x02 && number.rest.is_empty());
        exponent.is_some_and(|number| {
            number.value.len() < LONG_EXPONENT && number.value.len() < modulus.value.len()
        })
    };
    match element.tag {
        0x30 => PublicKey::from_spki(element.raw).is_ok() || is_rsa(),
        0x04 => is_point,
        _ => false,
    }
}

/// Both coordinates of a point on a curve that is in use.
const fn is_pair(numbers: &[u8]) -> bool {
    matches!(numbers.len() / 2, 24 | 28 | 32 | 40 | 48 | 64 | 66) && numbers.len().is_multiple_of(2)
}

/// All kinds of directories, those first whose entries tell them apart.
const KINDS: [Directory; 6] = [
    Directory::Authentication,
    Directory::PublicKeys,
    Directory::PrivateKeys,
    Directory::SecretKeys,
    Directory::Certificates,
    Directory::Data,
];

/// A directory file, whole, with nothing private in it: what it says of keys and PINs is for everybody; of what is
/// public itself it may say where it is, or hold it.
fn is_public_directory(kind: Directory, bytes: &[u8]) -> bool {
    let (mut rest, mut public) = (bytes, false);
    while let Some(element) = first(rest) {
        let Ok(told) = told(kind, element.raw) else { return false };
        match told {
            Told::Public => public = true,
            Told::Place => {}
            Told::Private => return false,
        }
        rest = element.rest;
        while let [0, behind @ ..] = rest {
            rest = behind;
        }
    }
    public && is_padding(rest)
}

/// What an entry of a directory file tells.
enum Told {
    /// What everybody may know.
    Public,
    /// Where something private is.
    Place,
    /// Something private itself.
    Private,
}

fn told(kind: Directory, entry: &[u8]) -> Result<Told, TlvError> {
    let of = |flags: u32, value: Value| match (flags & FLAG_PRIVATE != 0, value) {
        (false, _) => Told::Public,
        (true, Value::Path(_)) => Told::Place,
        (true, _) => Told::Private,
    };
    match kind {
        Directory::PrivateKeys => pkcs15::private_key(entry).map(|_| Told::Public),
        Directory::SecretKeys => pkcs15::secret_key(entry).map(|_| Told::Public),
        Directory::Authentication => pkcs15::pin(entry).map(|_| Told::Public),
        Directory::PublicKeys => pkcs15::public_key(entry).map(|key| of(key.common.flags, key.value)),
        Directory::Certificates => pkcs15::certificate(entry).map(|one| of(one.common.flags, one.value)),
        Directory::Data => pkcs15::data_object(entry).map(|data| of(data.common.flags, data.value)),
    }
}

/// What a file is filled up with.
fn is_padding(rest: &[u8]) -> bool {
    rest.iter().all(|byte| matches!(byte, 0x00 | 0xFF))
}
