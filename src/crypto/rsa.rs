//! RSA signatures (RFC 8017): PKCS#1 v1.5 and PSS, with the arithmetic of `crypto-bigint`.
//!
//! The number is raised once; whatever is asked about paddings and hashes is read from
//! the block that comes out. Limits are OpenSSL's, so that a key from a stranger costs little.

use super::modular::Modulus;
use super::{Hash, Opened, Reason, Signed};
use crate::format::curve::significant;
use crate::format::tlv::encode;

/// Twice what a SmartCard-HSM can hold. Beyond it a signature only costs time.
const MAX_BITS: usize = 16_384;
/// Above this size exponents have 64 bits at most.
const SMALL_BITS: usize = 3_072;
const MAX_EXPONENT: usize = 8;

/// A key that is one.
pub(super) struct Key {
    modulus: Modulus,
    exponent: Vec<u8>,
    bits: usize,
    /// Bytes of the modulus.
    digits: Vec<u8>,
}

/// The key to compute with.
pub(super) fn key(modulus: &[u8], exponent: &[u8]) -> Result<Key, Reason> {
    let (digits, exponent) = (significant(modulus), significant(exponent));
    let leading = digits.first().map_or(0, |first| first.leading_zeros() as usize);
    let bits = digits.len() * 8 - leading;
    if bits > MAX_BITS || (bits > SMALL_BITS && exponent.len() > MAX_EXPONENT) {
        return Err(Reason::KeyTooLarge);
    }
    // An even exponent has no inverse, so nobody can sign; that of 1 is no signature.
    let odd = exponent.last().is_some_and(|last| last & 1 == 1) && exponent != [1];
    let below = (exponent.len(), exponent) < (digits.len(), digits);
    let modulus = Modulus::new(digits).filter(|_| odd && below).ok_or(Reason::BadKey)?;
    Ok(Key { modulus, exponent: exponent.to_vec(), bits, digits: digits.to_vec() })
}

impl Key {
    /// A number raised with the public exponent, as long as the modulus; `None` if it is not of
    /// this length or not below the modulus.
    pub fn raise(&self, number: &[u8]) -> Option<Vec<u8>> {
        if number.len() != self.digits.len() || number >= self.digits.as_slice() {
            return None;
        }
        let raised = self.modulus.power(number, &self.exponent);
        Some([vec![0; self.digits.len().checked_sub(raised.len())?], raised].concat())
    }

    /// Bytes of a signature.
    pub const fn length(&self) -> usize {
        self.digits.len()
    }
}

/// What a block holds under the padding of PKCS#1 v1.5 (type 1); `None` if it is not padded like this.
pub(super) fn unpadded(block: &[u8]) -> Option<&[u8]> {
    let padded = block.strip_prefix(&[0, 1])?;
    let filling = padded.iter().take_while(|&&byte| byte == 0xFF).count();
    padded.get(filling..)?.strip_prefix(&[0]).filter(|_| filling >= 8)
}

/// PKCS#1 v1.5 over the digest of this hash, which is asked for only if it can be the one.
pub(super) fn pkcs1<'d>(block: &[u8], hash: Hash, digest: impl FnOnce() -> &'d [u8]) -> bool {
    let before = hash.before_digest();
    let found = unpadded(block).and_then(|content| content.strip_prefix(before.as_slice()));
    found.filter(|found| found.len() == hash.length()).is_some_and(|found| found == digest())
}

/// What a block is under the key that made it, whatever it is over: `None` if it is nothing that a
/// padding leaves. Each form has so much in it that is fixed that no other key's comes out like it.
pub(super) fn opened(key: &Key, block: &[u8], signed: &Signed<'_>) -> Option<Opened> {
    let Some(content) = unpadded(block) else { return salted(key, block).map(Opened::Pss) };
    let mut hashes = Hash::ALL.into_iter().filter(|hash| !hash.oid().is_empty());
    // DigestInfo { AlgorithmIdentifier { OID, …
    let in_info = |hash: &Hash| {
        let algorithm = encode(0x06, hash.oid());
        let is_info = content.first() == Some(&0x30) && content.len() > hash.length();
        is_info && content.windows(algorithm.len()).take(8).any(|window| window == algorithm)
    };
    if let Some(hash) = hashes.find(in_info) {
        let is_this = content.ends_with(signed.digest_by(Some(hash)));
        return Some(if is_this { Opened::ThisDigest(hash) } else { Opened::OtherDigest(hash) });
    }
    let bare = Hash::ALL.into_iter().find(|hash| {
        hash.length() == content.len() && signed.is_message() && signed.digest_by(Some(*hash)) == content
    });
    Some(bare.map_or(Opened::Content(content.len()), Opened::ThisDigest))
}

/// A padding that is not computed here, told by the bytes that it begins and ends with: X9.31 and
/// ISO 9796-2; RSA-PSS where neither hash nor mask are known. A number that is taken from the modulus, as X9.31
/// allows, is looked at, too.
pub(super) fn other_padding(key: &Key, block: &[u8]) -> Option<&'static str> {
    let complement = key.modulus.less_number(block);
    for form in [block, &complement] {
        match form {
            [0x6A | 0x6B | 0x4A | 0x4B, .., b'\xCC'] => return Some("X9.31 or ISO 9796-2"),
            [0x6A | 0x6B | 0x4A | 0x4B, .., 0xBC] => return Some("ISO 9796-2"),
            _ => {}
        }
    }
    ends_like_pss(key, block).then_some("RSA-PSS with another hash")
}

/// Are the last byte and the first bits those of RSA-PSS? One in several hundred is by chance.
pub(super) fn ends_like_pss(key: &Key, block: &[u8]) -> bool {
    parts(key, block).is_some()
}

/// The hash in the mask of a PSS block, if under the mask there are as many zeros as chance does not make.
fn salted(key: &Key, block: &[u8]) -> Option<Hash> {
    const ENOUGH: usize = 8;
    let (encoded, free) = parts(key, block)?;
    // The hash that is told, whose length is not known, is the seed of the mask.
    Hash::ALL.into_iter().find(|mask_hash| {
        let mut lengths: Vec<usize> = Hash::ALL.iter().map(|hash| hash.length()).collect();
        lengths.sort_unstable();
        lengths.dedup();
        lengths.into_iter().any(|length| {
            let Some((masked, told)) = encoded.split_at_checked(encoded.len().saturating_sub(length)) else {
                return false;
            };
            let first = mask(*mask_hash, told, masked.len().min(ENOUGH + 1));
            let mut data = masked.iter().zip(first).map(|(byte, mask)| byte ^ mask);
            let lead = data.next().map(|byte| byte & free);
            masked.len() > ENOUGH && lead == Some(0) && data.all(|byte| byte == 0)
        })
    })
}

/// The masked data and the hash of a PSS block, and which bits of its first byte are its own.
fn parts<'b>(key: &Key, block: &'b [u8]) -> Option<(&'b [u8], u8)> {
    let bits = key.bits.checked_sub(1)?;
    let length = bits.div_ceil(8);
    let (zeros, encoded) = block.split_at_checked(block.len().checked_sub(length)?)?;
    let (last, encoded) = encoded.split_last()?;
    let free = 0xFF_u8 >> (8 * length - bits);
    let is_one = *last == 0xBC && zeros.iter().all(|&zero| zero == 0) && encoded.first()? & !free == 0;
    is_one.then_some((encoded, free))
}

/// The block of a number without padding: it alone, behind zeros.
pub(super) fn raw(block: &[u8], number: &[u8]) -> bool {
    !significant(number).is_empty() && significant(block) == significant(number)
}

/// The hashes of a PSS signature, and the bytes of its salt, if they are known.
#[derive(Clone, Copy)]
pub(super) struct Pss {
    pub hash: Hash,
    pub mask: Hash,
    pub salt: Option<usize>,
}

/// EMSA-PSS-VERIFY (RFC 8017, 9.1.2): the bytes of its salt, if it fits. The digest is asked for only
/// if all else is in order.
pub(super) fn pss<'d>(key: &Key, block: &[u8], pss: Pss, digest: impl FnOnce() -> &'d [u8]) -> Option<usize> {
    let (encoded, free) = parts(key, block)?;
    let (masked, told) = encoded.split_at_checked(encoded.len().checked_sub(pss.hash.length())?)?;
    let mask = mask(pss.mask, told, masked.len());
    let mut data: Vec<u8> = masked.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
    *data.first_mut()? &= free;
    let salt = significant(&data).strip_prefix(&[1])?;
    let digest = if pss.salt.is_none_or(|length| length == salt.len()) { digest() } else { return None };
    let own = pss.hash.digest(&[&[0; 8], digest, salt].concat());
    (digest.len() == pss.hash.length() && own == told).then_some(salt.len())
}

/// MGF1 (RFC 8017, B.2.1).
fn mask(hash: Hash, seed: &[u8], length: usize) -> Vec<u8> {
    let blocks = (0_u32..).map(|count| hash.digest(&[seed, &count.to_be_bytes()].concat()));
    blocks.take(length.div_ceil(hash.length())).flatten().take(length).collect()
}
