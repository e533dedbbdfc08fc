//! The hashes that cards and certificates sign with, and what they are applied to.

use std::cell::OnceCell;

use blake2::{Blake2b512, Blake2s256};
use hex_literal::hex;
use md5::Md5;
use ripemd::Ripemd160;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512, Sha512_224, Sha512_256};
use sha3::{Sha3_224, Sha3_256, Sha3_384, Sha3_512};
use sm3::Sm3;

use crate::format::tlv::encode;

/// A hash: all that OpenSSL signs with, those apart that it has laid to rest (MD2, MD4).
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
    /// SHA-512, cut to 224 bits, with a beginning of its own.
    Sha512To224,
    /// The same with 256 bits.
    Sha512To256,
    /// SHA3-224.
    Sha3To224,
    /// SHA3-256.
    Sha3To256,
    /// SHA3-384.
    Sha3To384,
    /// SHA3-512.
    Sha3To512,
    /// MD5.
    Md5,
    /// MD5 and SHA-1 side by side, as TLS up to 1.1 signed: without a DigestInfo.
    Md5Sha1,
    /// RIPEMD-160.
    Ripemd160,
    /// SM3.
    Sm3,
    /// BLAKE2s with 256 bits.
    Blake2s,
    /// BLAKE2b with 512 bits.
    Blake2b,
}

/// Name, OID content (RFC 8017, appendix B.1, and NIST's, TeleTrusT's and OSCCA's), bytes of a digest.
type Facts = (&'static str, &'static [u8], usize);

impl Hash {
    /// Those that cards sign with, the likeliest first.
    pub const USUAL: [Self; 5] = [Self::Sha256, Self::Sha1, Self::Sha224, Self::Sha384, Self::Sha512];

    /// All of them, the likeliest first.
    pub const ALL: [Self; 17] = [
        Self::Sha256,
        Self::Sha1,
        Self::Sha224,
        Self::Sha384,
        Self::Sha512,
        Self::Sha3To256,
        Self::Sha3To384,
        Self::Sha3To512,
        Self::Sha3To224,
        Self::Sha512To256,
        Self::Sha512To224,
        Self::Md5,
        Self::Md5Sha1,
        Self::Ripemd160,
        Self::Sm3,
        Self::Blake2b,
        Self::Blake2s,
    ];

    const fn facts(self) -> Facts {
        match self {
            Self::Sha1 => ("SHA-1", &hex!("2b0e03021a"), 20),
            Self::Sha224 => ("SHA-224", &hex!("608648016503040204"), 28),
            Self::Sha256 => ("SHA-256", &hex!("608648016503040201"), 32),
            Self::Sha384 => ("SHA-384", &hex!("608648016503040202"), 48),
            Self::Sha512 => ("SHA-512", &hex!("608648016503040203"), 64),
            Self::Sha512To224 => ("SHA-512/224", &hex!("608648016503040205"), 28),
            Self::Sha512To256 => ("SHA-512/256", &hex!("608648016503040206"), 32),
            Self::Sha3To224 => ("SHA3-224", &hex!("608648016503040207"), 28),
            Self::Sha3To256 => ("SHA3-256", &hex!("608648016503040208"), 32),
            Self::Sha3To384 => ("SHA3-384", &hex!("608648016503040209"), 48),
            Self::Sha3To512 => ("SHA3-512", &hex!("60864801650304020a"), 64),
            Self::Md5 => ("MD5", &hex!("2a864886f70d0205"), 16),
            Self::Md5Sha1 => ("MD5 and SHA-1", &[], 36),
            Self::Ripemd160 => ("RIPEMD-160", &hex!("2b24030201"), 20),
            Self::Sm3 => ("SM3", &hex!("2a811ccf55018311"), 32),
            Self::Blake2s => ("BLAKE2s-256", &hex!("2b060104018d3a0c020208"), 32),
            Self::Blake2b => ("BLAKE2b-512", &hex!("2b060104018d3a0c020110"), 64),
        }
    }

    /// Its standard's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.facts().0
    }

    /// OID content; empty where it has none.
    #[must_use]
    pub const fn oid(self) -> &'static [u8] {
        self.facts().1
    }

    /// The hash with this OID content.
    #[must_use]
    pub fn by_oid(oid: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|hash| !oid.is_empty() && hash.oid() == oid)
    }

    /// Bytes of a digest.
    #[must_use]
    pub const fn length(self) -> usize {
        self.facts().2
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
            Self::Sha512To224 => Sha512_224::digest(message).to_vec(),
            Self::Sha512To256 => Sha512_256::digest(message).to_vec(),
            Self::Sha3To224 => Sha3_224::digest(message).to_vec(),
            Self::Sha3To256 => Sha3_256::digest(message).to_vec(),
            Self::Sha3To384 => Sha3_384::digest(message).to_vec(),
            Self::Sha3To512 => Sha3_512::digest(message).to_vec(),
            Self::Md5 => Md5::digest(message).to_vec(),
            Self::Md5Sha1 => [Self::Md5.digest(message), Self::Sha1.digest(message)].concat(),
            Self::Ripemd160 => Ripemd160::digest(message).to_vec(),
            Self::Sm3 => Sm3::digest(message).to_vec(),
            Self::Blake2s => Blake2s256::digest(message).to_vec(),
            Self::Blake2b => Blake2b512::digest(message).to_vec(),
        }
    }

    /// DigestInfo around a digest, as PKCS#1 v1.5 signs it.
    #[must_use]
    pub fn digest_info(self, digest: &[u8]) -> Vec<u8> {
        if self.oid().is_empty() {
            return digest.to_vec();
        }
        let algorithm = [encode(0x06, self.oid()), encode(0x05, &[])].concat();
        encode(0x30, &[encode(0x30, &algorithm), encode(0x04, digest)].concat())
    }

    /// What stands before the digest in its DigestInfo.
    pub(super) fn before_digest(self) -> Vec<u8> {
        let mut whole = self.digest_info(&vec![0; self.length()]);
        whole.truncate(whole.len() - self.length());
        whole
    }
}

/// What was signed: a message, or its digest, or whatever else the signer was given in the
/// place of a digest. Each digest is computed once, however many keys are tried.
#[derive(Debug, Clone)]
pub struct Signed<'a> {
    bytes: &'a [u8],
    is_message: bool,
    digests: [OnceCell<Vec<u8>>; Hash::ALL.len()],
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
        Hash::ALL.into_iter().filter(fits).collect()
    }

    /// The digest by this hash. A digest is its own; without a hash the message is.
    #[must_use]
    pub fn digest_by(&self, hash: Option<Hash>) -> &[u8] {
        let Some(hash) = hash.filter(|_| self.is_message) else { return self.bytes };
        let place = Hash::ALL.iter().zip(&self.digests).find(|(usual, _)| **usual == hash);
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
