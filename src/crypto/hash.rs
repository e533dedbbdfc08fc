//! The hashes that cards and certificates sign with, and what they are applied to.

use std::cell::OnceCell;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::fs::FileExt;

use blake2::{Blake2b512, Blake2s256};
use hex_literal::hex;
use md5::Md5;
use ripemd::Ripemd160;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512, Sha512_224, Sha512_256};
use sha3::{Sha3_224, Sha3_256, Sha3_384, Sha3_512};
use sm3::Sm3;

use crate::format::tlv::encode;

/// The largest message that is held in memory.
pub const IN_MEMORY: u64 = 16 << 20;

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
        // What is in memory can be read.
        self.digest_of(&Source::Message(message)).unwrap_or_default()
    }

    fn digest_of(self, message: &Source<'_>) -> io::Result<Vec<u8>> {
        match self {
            Self::Sha1 => message.hashed::<Sha1>(),
            Self::Sha224 => message.hashed::<Sha224>(),
            Self::Sha256 => message.hashed::<Sha256>(),
            Self::Sha384 => message.hashed::<Sha384>(),
            Self::Sha512 => message.hashed::<Sha512>(),
            Self::Sha512To224 => message.hashed::<Sha512_224>(),
            Self::Sha512To256 => message.hashed::<Sha512_256>(),
            Self::Sha3To224 => message.hashed::<Sha3_224>(),
            Self::Sha3To256 => message.hashed::<Sha3_256>(),
            Self::Sha3To384 => message.hashed::<Sha3_384>(),
            Self::Sha3To512 => message.hashed::<Sha3_512>(),
            Self::Md5 => message.hashed::<Md5>(),
            Self::Md5Sha1 => Ok([message.hashed::<Md5>()?, message.hashed::<Sha1>()?].concat()),
            Self::Ripemd160 => message.hashed::<Ripemd160>(),
            Self::Sm3 => message.hashed::<Sm3>(),
            Self::Blake2s => message.hashed::<Blake2s256>(),
            Self::Blake2b => message.hashed::<Blake2b512>(),
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

/// Where the bytes are.
#[derive(Debug, Clone, Copy)]
enum Source<'a> {
    Message(&'a [u8]),
    Digest(&'a [u8]),
    /// A message that is not held in memory.
    File(&'a File),
}

impl<'a> Source<'a> {
    fn hashed<D: Digest>(&self) -> io::Result<Vec<u8>> {
        let mut hash = D::new();
        match self {
            Self::Message(bytes) | Self::Digest(bytes) => hash.update(bytes),
            Self::File(file) => {
                let mut buffer = vec![0; 1 << 16];
                let mut offset = 0;
                loop {
                    let read = file.read_at(&mut buffer, offset)?;
                    let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
                    hash.update(bytes);
                    offset += read as u64;
                }
            }
        }
        Ok(hash.finalize().to_vec())
    }

    const fn in_memory(&self) -> Option<&'a [u8]> {
        match self {
            Self::Message(bytes) | Self::Digest(bytes) => Some(bytes),
            Self::File(_) => None,
        }
    }
}

/// Why there is no whole message.
pub(super) enum NotWhole {
    /// Only its digest is known.
    Digest,
    /// It is larger than [`IN_MEMORY`].
    TooLarge,
}

/// What was signed: a message, or its digest, or whatever else the signer was given in the
/// place of a digest. Each digest is computed once, however many keys are tried.
#[derive(Debug)]
pub struct Signed<'a> {
    source: Source<'a>,
    digests: [OnceCell<Vec<u8>>; Hash::ALL.len()],
    /// The content of a file, where a key wants all of it; none if it is too large.
    content: OnceCell<Option<Vec<u8>>>,
    failed: OnceCell<io::Error>,
}

impl<'a> Signed<'a> {
    /// A message.
    #[must_use]
    pub fn message(bytes: &'a [u8]) -> Self {
        Self::of(Source::Message(bytes))
    }

    /// A message in a file, which is read anew for each digest that is asked for, and is not held in
    /// memory. It is too long to be signed as it is. See [`Self::failure`].
    #[must_use]
    pub fn file(file: &'a File) -> Self {
        Self::of(Source::File(file))
    }

    /// What the signer was given in place of a digest.
    #[must_use]
    pub fn digest(bytes: &'a [u8]) -> Self {
        Self::of(Source::Digest(bytes))
    }

    fn of(source: Source<'a>) -> Self {
        Self { source, digests: Default::default(), content: OnceCell::new(), failed: OnceCell::new() }
    }

    /// The hashes that can have been used: of a digest, those with its length.
    #[must_use]
    pub fn hashes(&self) -> Vec<Hash> {
        let fits = |hash: &Hash| match self.source {
            Source::Digest(bytes) => hash.length() == bytes.len(),
            Source::Message(_) | Source::File(_) => true,
        };
        Hash::ALL.into_iter().filter(fits).collect()
    }

    /// The digest by this hash. A digest is its own; without a hash the message is.
    #[must_use]
    pub fn digest_by(&self, hash: Option<Hash>) -> &[u8] {
        let Some(hash) = hash.filter(|_| self.is_message()) else {
            return self.source.in_memory().unwrap_or_default();
        };
        let place = Hash::ALL.iter().zip(&self.digests).find(|(usual, _)| **usual == hash);
        let digest = || self.noted(hash.digest_of(&self.source));
        place.map(|(_, place)| place.get_or_init(digest).as_slice()).unwrap_or_default()
    }

    /// Are these the bytes of a message, not of a digest?
    #[must_use]
    pub const fn is_message(&self) -> bool {
        !matches!(self.source, Source::Digest(_))
    }

    /// What kept a file from being read: then no answer about it means anything.
    pub fn failure(&mut self) -> Option<io::Error> {
        self.failed.take()
    }

    /// Can the bytes as they are have been signed, where at most so many are taken?
    pub(super) fn is_at_most(&self, length: usize) -> bool {
        self.source.in_memory().is_some_and(|bytes| bytes.len() <= length)
    }

    /// A message that is as short as a digest.
    pub(super) fn whole_if_at_most(&self, length: usize) -> Option<&'a [u8]> {
        self.source.in_memory().filter(|bytes| self.is_message() && bytes.len() <= length)
    }

    /// The message itself, where a key signs that; no more of a file is held in memory than [`IN_MEMORY`].
    pub(super) fn whole(&self) -> Result<&[u8], NotWhole> {
        match self.source {
            Source::Message(bytes) => Ok(bytes),
            Source::Digest(_) => Err(NotWhole::Digest),
            Source::File(file) => {
                let content = self.content.get_or_init(|| {
                    let mut content = Vec::new();
                    let mut file = file;
                    let read =
                        file.rewind().and_then(|()| file.take(IN_MEMORY + 1).read_to_end(&mut content));
                    let content = self.noted(read.map(|_| content));
                    u64::try_from(content.len()).is_ok_and(|length| length <= IN_MEMORY).then_some(content)
                });
                content.as_deref().ok_or(NotWhole::TooLarge)
            }
        }
    }

    fn noted(&self, result: io::Result<Vec<u8>>) -> Vec<u8> {
        result.unwrap_or_else(|error| {
            let _ = self.failed.set(error);
            Vec::new()
        })
    }
}
