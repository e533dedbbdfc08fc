//! The hashes that cards and certificates sign with, and what they are applied to.

use std::cell::OnceCell;

use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use crate::format::tlv::encode;

/// A hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hash {
    /// SHA-1.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// All of them, the likeliest first.
    pub const USUAL: [Self; 5] = [Self::Sha256, Self::Sha1, Self::Sha224, Self::Sha384, Self::Sha512];

    /// Its standard's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA-1",
            Self::Sha224 => "SHA-224",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        }
    }

    /// OID content (RFC 8017, appendix B.1).
    #[must_use]
    pub const fn oid(self) -> &'static [u8] {
        match self {
            Self::Sha1 => &[0x2B, 0x0E, 0x03, 0x02, 0x1A],
            Self::Sha224 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x04],
            Self::Sha256 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01],
            Self::Sha384 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02],
            Self::Sha512 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03],
        }
    }

    /// The hash with this OID content.
    #[must_use]
    pub fn by_oid(oid: &[u8]) -> Option<Self> {
        Self::USUAL.into_iter().find(|hash| hash.oid() == oid)
    }

    /// Bytes of a digest; no two hashes have the same.
    #[must_use]
    pub const fn length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The digest of a message.
    #[must_use]
    pub fn digest(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(message).to_vec(),
            Self::Sha224 => Sha224::digest(message).to_vec(),
            Self::Sha256 => Sha256::digest(message).to_vec(),
            Self::Sha384 => Sha384::digest(message).to_vec(),
            Self::Sha512 => Sha512::digest(message).to_vec(),
        }
    }

    /// DigestInfo around a digest, as PKCS#1 v1.5 signs it.
    #[must_use]
    pub fn digest_info(self, digest: &[u8]) -> Vec<u8> {
        let algorithm = [encode(0x06, self.oid()), encode(0x05, &[])].concat();
        encode(0x30, &[encode(0x30, &algorithm), encode(0x04, digest)].concat())
    }
}

/// What was signed: a message, or its digest, or whatever else the signer was given in the
/// place of a digest. Each digest is computed once, however many keys are tried.
#[derive(Debug, Clone)]
pub struct Signed<'a> {
    bytes: &'a [u8],
    is_message: bool,
    digests: [OnceCell<Vec<u8>>; Hash::USUAL.len()],
}

impl<'a> Signed<'a> {
    /// A message.
    #[must_use]
    pub fn message(bytes: &'a [u8]) -> Self {
        Self { bytes, is_message: true, digests: Default::default() }
    }

    /// What the signer was given in place of a digest.
    #[must_use]
    pub fn digest(bytes: &'a [u8]) -> Self {
        Self { bytes, is_message: false, digests: Default::default() }
    }

    /// The hashes that can have been used: of a digest, those with its length.
    #[must_use]
    pub fn hashes(&self) -> Vec<Hash> {
        let fits = |hash: &Hash| self.is_message || hash.length() == self.bytes.len();
        Hash::USUAL.into_iter().filter(fits).collect()
    }

    /// The digest by this hash. A digest is its own; without a hash the message is.
    #[must_use]
    pub fn digest_by(&self, hash: Option<Hash>) -> &[u8] {
        let Some(hash) = hash.filter(|_| self.is_message) else { return self.bytes };
        let place = Hash::USUAL.iter().zip(&self.digests).find(|(usual, _)| **usual == hash);
        place.map_or(self.bytes, |(_, digest)| digest.get_or_init(|| hash.digest(self.bytes)))
    }

    /// Are these the bytes of a message, not of a digest?
    #[must_use]
    pub const fn is_message(&self) -> bool {
        self.is_message
    }

    pub(super) fn whole(&self) -> Option<&'a [u8]> {
        self.is_message.then_some(self.bytes)
    }
}
