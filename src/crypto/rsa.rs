//! RSA signatures (RFC 8017): PKCS#1 v1.5 and PSS, with the arithmetic of `crypto-bigint`.
//!
//! The number is raised once; whatever is asked about paddings and hashes is read from
//! the block that comes out. Limits are OpenSSL's, so that a key from a stranger costs little.

use super::modular::Modulus;
use super::{Hash, Reason};
use crate::format::curve::significant;

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
    let bits = key.bits.checked_sub(1)?;
    let length = bits.div_ceil(8);
    let (zeros, encoded) = block.split_at_checked(block.len().checked_sub(length)?)?;
    let (last, encoded) = encoded.split_last()?;
    if *last != 0xBC || zeros.iter().any(|&zero| zero != 0) {
        return None;
    }
    let (masked, told) = encoded.split_at_checked(encoded.len().checked_sub(pss.hash.length())?)?;
    let surplus = 8 * length - bits;
    let free = 0xFF_u8 >> surplus;
    if masked.first()? & !free != 0 {
        return None;
    }
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
