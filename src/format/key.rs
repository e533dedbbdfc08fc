//! Public keys in the form OpenSC hands out: named curve, uncompressed point.

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::tlv::encode;

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PublicKey {
    /// RSA; both numbers big-endian, without leading zeros where the source has none.
    Rsa {
        /// Modulus.
        modulus: Vec<u8>,
        /// Public exponent.
        exponent: Vec<u8>,
    },
    /// A point on a named curve.
    Ec {
        /// OID content of the curve.
        curve_oid: Vec<u8>,
        /// Uncompressed point, `04 || X || Y`.
        point: Vec<u8>,
    },
    /// Any other SubjectPublicKeyInfo, DER.
    Other(Vec<u8>),
}

const RSA_ENCRYPTION: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01];
const EC_PUBLIC_KEY: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01];

impl PublicKey {
    /// The key as SubjectPublicKeyInfo (RFC 5280, RFC 5480), DER.
    #[must_use]
    pub fn spki(&self) -> Vec<u8> {
        let (algorithm, key) = match self {
            Self::Rsa { modulus, exponent } => {
                let numbers = [unsigned(modulus), unsigned(exponent)].concat();
                ([encode(0x06, RSA_ENCRYPTION), encode(0x05, &[])].concat(), encode(0x30, &numbers))
            }
            Self::Ec { curve_oid, point } => {
                ([encode(0x06, EC_PUBLIC_KEY), encode(0x06, curve_oid)].concat(), point.clone())
            }
            Self::Other(spki) => return spki.clone(),
        };
        let bits = [&[0], key.as_slice()].concat();
        encode(0x30, &[encode(0x30, &algorithm), encode(0x03, &bits)].concat())
    }

    /// SHA-256 of the SubjectPublicKeyInfo.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(self.spki()).into()
    }

    /// The ID that OpenSC gives a key when none is asked for: SHA-1 of the
    /// modulus, or of the X coordinate (profile option `pkcs15-id-style =
    /// mozilla`).
    #[must_use]
    pub fn intrinsic_id(&self) -> [u8; 20] {
        match self {
            Self::Rsa { modulus, .. } => Sha1::digest(modulus).into(),
            Self::Ec { point, .. } => {
                let half = point.len().saturating_sub(1) / 2;
                Sha1::digest(point.get(1..=half).unwrap_or_default()).into()
            }
            Self::Other(spki) => Sha1::digest(spki).into(),
        }
    }

    /// Size of the modulus or the field in bits, as far as the bytes tell.
    #[must_use]
    pub fn bits(&self) -> usize {
        match self {
            Self::Rsa { modulus, .. } => {
                let zeros = modulus.iter().take_while(|&&byte| byte == 0).count();
                let lead = modulus.get(zeros).map_or(0, |byte| byte.leading_zeros() as usize);
                (modulus.len() - zeros) * 8 - lead
            }
            Self::Ec { curve_oid, point } => super::curve::by_oid(curve_oid)
                .map_or_else(|| point.len().saturating_sub(1) / 2 * 8, |curve| curve.bits),
            Self::Other(_) => 0,
        }
    }

    /// Algorithm and curve or size for people: "EC prime256v1", "RSA 2048".
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Rsa { .. } => format!("RSA {}", self.bits()),
            Self::Ec { curve_oid, .. } => match super::curve::by_oid(curve_oid) {
                Some(curve) => format!("EC {}", curve.name),
                None => format!("EC {}", self.bits()),
            },
            Self::Other(_) => "key of another type".to_owned(),
        }
    }
}

/// A non-negative INTEGER, with the leading zero that DER wants.
fn unsigned(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    let digits = number.get(zeros..).unwrap_or_default();
    let pad: &[u8] = if digits.first().is_none_or(|&byte| byte & 0x80 != 0) { &[0] } else { &[] };
    encode(0x02, &[pad, digits].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let rsa = |modulus: &[u8]| PublicKey::Rsa { modulus: modulus.to_vec(), exponent: vec![3] };
        assert_eq!(rsa(&[0x80, 0]).bits(), 16);
        assert_eq!(rsa(&[0, 0x01, 0]).bits(), 9);
        assert_eq!(rsa(&[]).bits(), 0);
        assert_eq!(rsa(&[0x80]).spki().last(), Some(&3));
    }
}
