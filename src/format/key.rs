//! Public keys in the form OpenSC hands out: named curve, uncompressed point.

use sha1::Sha1;
use sha2::{Digest, Sha256};
use x509_parser::oid_registry::asn1_rs::Oid;

use super::curve::{self, Parameters, significant};
use super::tlv::{TlvError, Walk, encode, first, tagged};

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
        /// The point as its source has it: nearly always uncompressed, `04 || X || Y`.
        point: Vec<u8>,
    },
    /// Any other SubjectPublicKeyInfo, DER.
    Other(Vec<u8>),
}

/// A key's kind: with which schemes it can have signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// RSA, for every padding.
    Rsa,
    /// RSA, for PSS alone (id-RSASSA-PSS, RFC 8017 A.2.3).
    RsaPss,
    /// On a curve, named or spelt out, known or not.
    Ec,
    /// Ed25519.
    Ed25519,
    /// Ed448.
    Ed448,
    /// DSA.
    Dsa,
    /// X25519 and X448, which sign nothing.
    Agreement,
    /// Any other.
    Unknown,
}

/// The numbers of a DSA key (RFC 3279, 2.3.2), big-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DsaNumbers<'a> {
    /// p.
    pub prime: &'a [u8],
    /// q.
    pub order: &'a [u8],
    /// g.
    pub generator: &'a [u8],
    /// y.
    pub public: &'a [u8],
}

const RSA_ENCRYPTION: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01];
/// The same in X.500's own words (2.5.8.1.1).
const RSA_X500: &[u8] = &[0x55, 0x08, 0x01, 0x01];
const RSASSA_PSS: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0A];
const DSA: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x38, 0x04, 0x01];
const X448: &[u8] = &[0x2B, 0x65, 0x6F];
const ED448: &[u8] = &[0x2B, 0x65, 0x71];
const EC_PUBLIC_KEY: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01];
const PRIME_FIELD: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x01, 0x01];
/// All of an Ed25519 key but its 32 bytes (RFC 8410).
const ED25519: &[u8] = &[0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00];
/// The same of an X25519 key.
const X25519: &[u8] = &[0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x6E, 0x03, 0x21, 0x00];

impl PublicKey {
    /// The key of a SubjectPublicKeyInfo and the OID content of its algorithm, as OpenSC
    /// takes it: what follows the SEQUENCE is ignored, an EC key without the name of its
    /// curve is of another kind; but see [`Self::named`].
    ///
    /// # Errors
    /// [`TlvError`] where OpenSC's decoder fails.
    pub fn from_spki(bytes: &[u8]) -> Result<(Self, Vec<u8>), TlvError> {
        let whole = Walk::new(bytes)?.required_element(0x30)?;
        let mut walk = Walk::new(whole.value)?;
        let mut algorithm = Walk::new(walk.required(0x30)?)?;
        let oid = object_id(algorithm.required(0x06)?)?;
        let (_, bits) = walk.required(0x03)?.split_first().ok_or(TlvError::Invalid(0x03))?;
        let key = if oid == RSA_ENCRYPTION {
            let mut numbers = Walk::new(Walk::new(bits)?.required(0x30)?)?;
            Self::rsa(numbers.required(0x02)?, numbers.required(0x02)?)
        } else {
            match algorithm.optional(0x06).filter(|_| oid == EC_PUBLIC_KEY) {
                Some(curve) => Self::Ec { curve_oid: object_id(curve)?.to_vec(), point: bits.to_vec() },
                None => Self::Other(whole.raw.to_vec()),
            }
        };
        Ok((key, oid.to_vec()))
    }

    /// The same key in OpenSC's terms, if its SubjectPublicKeyInfo says it in others: with the domain
    /// parameters spelt out of a curve that we know (RFC 5480 forbids that, OpenSSL can write it), or
    /// as RSA under the OID of X.500.
    #[must_use]
    pub fn named(&self) -> Option<Self> {
        let Self::Other(spki) = self else { return None };
        let parts = Parts::of(spki)?;
        if parts.algorithm == RSA_X500 {
            return parts.rsa();
        }
        if parts.algorithm != EC_PUBLIC_KEY {
            return None;
        }
        let mut algorithm = Walk::new(parts.parameters).ok()?;
        let curve = curve::by_parameters(&explicit_parameters(algorithm.optional(0x30)?).ok()?)?;
        Some(Self::Ec { curve_oid: curve.oid.to_vec(), point: parts.bits.to_vec() })
    }

    /// A key for RSA-PSS alone: its numbers, and its parameters (RSASSA-PSS-params, tag and length
    /// included), empty if it allows all.
    #[must_use]
    pub fn rsa_pss(&self) -> Option<(Self, &[u8])> {
        let Self::Other(spki) = self else { return None };
        let parts = Parts::of(spki).filter(|parts| parts.algorithm == RSASSA_PSS)?;
        Some((parts.rsa()?, parts.parameters))
    }

    /// The numbers of a DSA key with parameters of its own.
    #[must_use]
    pub fn dsa(&self) -> Option<DsaNumbers<'_>> {
        let Self::Other(spki) = self else { return None };
        let parts = Parts::of(spki).filter(|parts| parts.algorithm == DSA)?;
        let mut numbers = Walk::new(tagged(parts.parameters, 0x30)?).ok()?;
        let [prime, order, generator] =
            [numbers.optional(0x02)?, numbers.optional(0x02)?, numbers.optional(0x02)?];
        Some(DsaNumbers { prime, order, generator, public: tagged(parts.bits, 0x02)? })
    }

    /// Is it a key whose parameters are left out or NULL, so that they are those of its issuer
    /// (RFC 3279, 2.3.2)?
    #[must_use]
    pub fn inherits_parameters(&self) -> bool {
        let Self::Other(spki) = self else { return false };
        Parts::of(spki).is_some_and(|parts| matches!(parts.parameters, [] | [0x05, 0x00]))
    }

    /// What kind of key it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        let spki = match self {
            Self::Rsa { .. } => return Kind::Rsa,
            Self::Ec { .. } => return Kind::Ec,
            Self::Other(spki) => spki,
        };
        match Parts::of(spki).map(|parts| parts.algorithm) {
            Some(RSA_ENCRYPTION | RSA_X500) => Kind::Rsa,
            Some(RSASSA_PSS) => Kind::RsaPss,
            Some(EC_PUBLIC_KEY) => Kind::Ec,
            Some(DSA) => Kind::Dsa,
            Some(ED448) => Kind::Ed448,
            Some(X448) => Kind::Agreement,
            _ if self.ed25519().is_some() => Kind::Ed25519,
            _ if self.x25519().is_some() => Kind::Agreement,
            _ => Kind::Unknown,
        }
    }

    /// An RSA key, its numbers without leading zeros.
    #[must_use]
    pub fn rsa(modulus: &[u8], exponent: &[u8]) -> Self {
        Self::Rsa { modulus: significant(modulus).to_vec(), exponent: significant(exponent).to_vec() }
    }

    /// An Ed25519 key (RFC 8410).
    #[must_use]
    pub fn from_ed25519(bytes: &[u8; 32]) -> Self {
        Self::Other([ED25519, bytes].concat())
    }

    /// The 32 bytes of an Ed25519 key.
    #[must_use]
    pub fn ed25519(&self) -> Option<&[u8; 32]> {
        let Self::Other(spki) = self else { return None };
        spki.strip_prefix(ED25519)?.try_into().ok()
    }

    /// An X25519 key (RFC 8410).
    #[must_use]
    pub fn from_x25519(bytes: &[u8; 32]) -> Self {
        Self::Other([X25519, bytes].concat())
    }

    /// The 32 bytes of an X25519 key.
    #[must_use]
    pub fn x25519(&self) -> Option<&[u8; 32]> {
        let Self::Other(spki) = self else { return None };
        spki.strip_prefix(X25519)?.try_into().ok()
    }

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

    /// The bits of the SubjectPublicKeyInfo, of which key identifiers are made.
    #[must_use]
    pub fn bits_of_spki(&self) -> Vec<u8> {
        let spki = self.spki();
        Parts::of(&spki).map(|parts| parts.bits.to_vec()).unwrap_or_default()
    }

    /// SHA-256 of the SubjectPublicKeyInfo.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(self.spki()).into()
    }

    /// The ID that OpenSC gives a key when none is asked for: SHA-1 of the
    /// modulus, or of the X coordinate (profile option `pkcs15-id-style =
    /// mozilla`). A compressed point has the same as the whole one.
    #[must_use]
    pub fn intrinsic_id(&self) -> [u8; 20] {
        match self {
            Self::Rsa { modulus, .. } => Sha1::digest(modulus).into(),
            Self::Ec { point, .. } => Sha1::digest(x_of(point)).into(),
            Self::Other(spki) => Sha1::digest(spki).into(),
        }
    }

    /// Size of the modulus or the field in bits, as far as the bytes tell.
    #[must_use]
    pub fn bits(&self) -> usize {
        match self {
            Self::Rsa { modulus, .. } => {
                let digits = significant(modulus);
                digits.len() * 8 - digits.first().map_or(0, |byte| byte.leading_zeros() as usize)
            }
            Self::Ec { curve_oid, point } => {
                curve::by_oid(curve_oid).map_or_else(|| x_of(point).len() * 8, |curve| curve.bits)
            }
            Self::Other(_) => 0,
        }
    }

    /// Is it a key for Ed25519?
    #[must_use]
    pub fn is_ed25519(&self) -> bool {
        matches!(self, Self::Other(spki) if spki.starts_with(ED25519))
    }

    /// Algorithm and curve or size for people: "EC prime256v1", "RSA 2048".
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Rsa { .. } => format!("RSA {}", self.bits()),
            Self::Ec { curve_oid, .. } => match curve::by_oid(curve_oid) {
                Some(curve) => format!("EC {}", curve.name),
                None => format!("EC {} (curve {})", self.bits(), object_id_text(curve_oid)),
            },
            Self::Other(_) => match self.kind() {
                Kind::Rsa => "RSA".to_owned(),
                Kind::RsaPss => {
                    let bits = self.rsa_pss().map(|(key, _)| format!(" {}", key.bits()));
                    format!("RSA-PSS{}", bits.unwrap_or_default())
                }
                Kind::Ec => "EC with a curve of its own".to_owned(),
                Kind::Ed25519 => "Ed25519".to_owned(),
                Kind::Ed448 => "Ed448".to_owned(),
                Kind::Dsa => "DSA".to_owned(),
                Kind::Agreement if self.x25519().is_some() => "X25519".to_owned(),
                Kind::Agreement => "X448".to_owned(),
                Kind::Unknown => "key of another type".to_owned(),
            },
        }
    }
}

/// The X coordinate of a point, whole or compressed.
fn x_of(point: &[u8]) -> &[u8] {
    match point.split_first() {
        Some((2 | 3, x)) => x,
        Some((_, coordinates)) => coordinates.get(..coordinates.len() / 2).unwrap_or_default(),
        None => &[],
    }
}

/// OID content as people write it.
#[must_use]
pub fn object_id_text(content: &[u8]) -> String {
    Oid::new(content.into()).to_id_string()
}

/// A SubjectPublicKeyInfo taken apart.
struct Parts<'a> {
    algorithm: &'a [u8],
    /// Tag and length included.
    parameters: &'a [u8],
    bits: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(spki: &'a [u8]) -> Option<Self> {
        let mut walk = Walk::new(first(spki)?.value).ok()?;
        let mut algorithm = Walk::new(walk.optional(0x30)?).ok()?;
        let oid = algorithm.optional(0x06)?;
        Some(Self { algorithm: oid, parameters: algorithm.rest(), bits: walk.optional(0x03)?.get(1..)? })
    }

    fn rsa(&self) -> Option<PublicKey> {
        let mut numbers = Walk::new(tagged(self.bits, 0x30)?).ok()?;
        Some(PublicKey::rsa(numbers.optional(0x02)?, numbers.optional(0x02)?))
    }
}

/// OpenSC wants at least one byte.
pub(super) const fn object_id(content: &[u8]) -> Result<&[u8], TlvError> {
    if content.is_empty() { Err(TlvError::Invalid(0x06)) } else { Ok(content) }
}

/// The content of `ECParameters` (SEC 1, C.2) over a prime field.
fn explicit_parameters(content: &[u8]) -> Result<Parameters<'_>, TlvError> {
    let mut walk = Walk::new(content)?;
    walk.required(0x02)?;
    let mut field = Walk::new(walk.required(0x30)?)?;
    if field.required(0x06)? != PRIME_FIELD {
        return Err(TlvError::Invalid(0x06));
    }
    let prime = field.required(0x02)?;
    let mut coefficients = Walk::new(walk.required(0x30)?)?;
    let [a, b] = [coefficients.required(0x04)?, coefficients.required(0x04)?];
    let [base_point, order] = [walk.required(0x04)?, walk.required(0x02)?];
    Ok(Parameters { prime, a, b, base_point, order, cofactor: walk.optional(0x02) })
}

/// A non-negative INTEGER, with the leading zero that DER wants.
fn unsigned(number: &[u8]) -> Vec<u8> {
    let digits = significant(number);
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
