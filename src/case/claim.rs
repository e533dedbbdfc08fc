//! Whose signature a certificate claims to carry, by its names and identifiers.
//!
//! Whether it claims to be self-signed is read as RFC 5280 has it (3.2, 4.2.1.1): issued under its own name is not yet
//! signed by its own key.

use sha1::{Digest, Sha1};

use crate::format::curve::significant;
use crate::format::key::PublicKey;
use crate::format::x509::{self, Certificate};

/// Who should have signed, by what a certificate or request says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The key that it names.
    OwnKey,
    /// A key of the same name, and it does not say which: its own, or an older one of a CA.
    Unsaid,
    /// A key of the same name, by what it says another one: a new key of a CA, or its key for CRLs.
    SameName,
    /// Whoever has another name.
    AnotherName,
}

/// Whose signature a certificate claims to carry, by its names and its authority key identifier.
#[must_use]
pub fn claim(certificate: &Certificate) -> Claim {
    if !x509::is_same_name(&certificate.raw_issuer, &certificate.raw_subject) {
        return Claim::AnotherName;
    }
    let authority = x509::authority(&certificate.der);
    let own = x509::subject_key_id(&certificate.der);
    let own_serial = authority.serial.map(|serial| significant(serial) == significant(&certificate.serial));
    let other_issuer =
        authority.issuer.is_some_and(|issuer| !x509::is_same_name(issuer, &certificate.raw_issuer));
    if own_serial == Some(false) || other_issuer {
        return Claim::SameName;
    }
    let is_own = match (authority.key_id, own) {
        (Some(authority), Some(own)) => authority == own,
        // The commonest identifier is the hash of the key (RFC 5280, 4.2.1.2).
        (Some(authority), None) => authority == hash_of_bits(&certificate.key),
        (None, _) if own_serial == Some(true) => true,
        (None, _) => return Claim::Unsaid,
    };
    if is_own { Claim::OwnKey } else { Claim::SameName }
}

/// SHA-1 of the bits of a public key, the commonest identifier of one (RFC 5280, 4.2.1.2).
#[must_use]
pub fn hash_of_bits(key: &PublicKey) -> Vec<u8> {
    Sha1::digest(key.bits_of_spki()).to_vec()
}
