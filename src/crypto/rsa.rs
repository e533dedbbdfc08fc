//! RSA signatures (RFC 8017): PKCS#1 v1.5 and PSS, by the `rsa` crate.

use rsa::pss::Pss;
use rsa::{BoxedUint, Pkcs1v15Sign, PublicKey};
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};

use super::{Hash, Reason};
use crate::format::curve::significant;

/// Twice what a SmartCard-HSM can hold. Beyond it a signature only costs time.
const MAX_BITS: usize = 16_384;

/// The key for the crate.
pub(super) fn key(modulus: &[u8], exponent: &[u8]) -> Result<PublicKey, Reason> {
    let (modulus, exponent) = (significant(modulus), significant(exponent));
    // The crate takes exponents up to 33 bits.
    if modulus.len() > MAX_BITS / 8 || exponent.len() > 5 {
        return Err(Reason::KeyTooLarge);
    }
    if modulus.is_empty() || exponent.is_empty() {
        return Err(Reason::BadKey);
    }
    let number = BoxedUint::from_be_slice_vartime;
    PublicKey::new_with_size_limits(number(modulus), number(exponent), 1..=MAX_BITS).map_err(|error| {
        if matches!(error, rsa::Error::PublicExponentTooLarge) { Reason::KeyTooLarge } else { Reason::BadKey }
    })
}

/// PKCS#1 v1.5 over a DigestInfo, or over whatever else was put in its place.
pub(super) fn pkcs1(key: &PublicKey, block: &[u8], signature: &[u8]) -> bool {
    key.verify(Pkcs1v15Sign::new_unprefixed(), block, signature).is_ok()
}

/// PSS; without `salt` its length is found out.
pub(super) fn pss(key: &PublicKey, hash: Hash, salt: Option<usize>, digest: &[u8], signature: &[u8]) -> bool {
    macro_rules! with {
        ($hash:ty) => {{
            let mut scheme = Pss::<$hash>::new();
            scheme.salt_len = salt;
            key.verify(scheme, digest, signature).is_ok()
        }};
    }
    match hash {
        Hash::Sha1 => with!(Sha1),
        Hash::Sha224 => with!(Sha224),
        Hash::Sha256 => with!(Sha256),
        Hash::Sha384 => with!(Sha384),
        Hash::Sha512 => with!(Sha512),
    }
}
