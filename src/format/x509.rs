//! X.509 certificates (RFC 5280), as much as a listing and a comparison need.
//!
//! Whether bytes are a certificate is decided as OpenSC decides it: it looks at
//! the order of the elements and at the public key, at nothing else. A date that
//! is none, or a name that no other decoder takes, does not keep it from
//! showing a certificate. So what people want to read besides may be missing.

use x509_parser::certificate::Validity;
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Name;

use super::curve;
use super::key::PublicKey;
use super::tlv::{TlvError, Walk, first, integer};

/// The parts of a certificate that people and rules look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The certificate without anything that follows it.
    pub der: Vec<u8>,
    /// Subject, RFC 4514-like text, not escaped for a terminal; empty if it does not decode.
    pub subject: String,
    /// Issuer, DER content.
    pub raw_issuer: Vec<u8>,
    /// Subject, DER content.
    pub raw_subject: Vec<u8>,
    /// First common name of the subject.
    pub common_name: Option<Vec<u8>>,
    /// Serial number, big-endian.
    pub serial: Vec<u8>,
    /// Beginning and end of validity, Unix seconds, if they decode.
    pub validity: Option<(i64, i64)>,
    /// Its public key.
    pub key: PublicKey,
    /// Algorithm of the public key, OID content.
    pub algorithm: Vec<u8>,
}

const RSA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01];
const EC: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01];
/// Ed25519, Ed448, X25519, X448.
const EDWARDS: [&[u8]; 4] =
    [&[0x2B, 0x65, 0x70], &[0x2B, 0x65, 0x71], &[0x2B, 0x65, 0x6E], &[0x2B, 0x65, 0x6F]];

/// Decodes the certificate at the start of `bytes`; what follows it is ignored,
/// as OpenSC ignores it. `None` if OpenSC does not take it for one; see also
/// [`Certificate::is_understood`].
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<Certificate> {
    let whole = first(bytes).filter(|element| element.tag == 0x30)?;
    certificate(whole.value, whole.raw).ok()
}

fn certificate(content: &[u8], der: &[u8]) -> Result<Certificate, TlvError> {
    let mut walk = Walk::new(content)?;
    let mut body = Walk::new(walk.required(0x30)?)?;
    object_id(Walk::new(walk.required(0x30)?)?.required(0x06)?)?;
    walk.required(0x03)?;

    if let Some(version) = body.optional(0xA0) {
        integer(0x02, Walk::new(version)?.required(0x02)?)?;
    }
    let serial = body.required(0x02)?;
    body.required(0x30)?;
    let issuer = body.required(0x30)?;
    let validity = body.required_element(0x30)?;
    let subject = body.required_element(0x30)?;
    let key_info = body.required_element(0x30)?;
    if let Some(extensions) = body.optional(0xA3) {
        Walk::new(extensions)?;
    }

    let (key, algorithm) = public_key(key_info.value, key_info.raw)?;
    let name = X509Name::from_der(subject.raw).ok().map(|(_, name)| name);
    Ok(Certificate {
        der: der.to_vec(),
        subject: name.as_ref().map(ToString::to_string).unwrap_or_default(),
        raw_issuer: issuer.to_vec(),
        raw_subject: subject.value.to_vec(),
        common_name: name.and_then(|name| Some(name.iter_common_name().next()?.attr_value().data.to_vec())),
        serial: serial.to_vec(),
        validity: Validity::from_der(validity.raw)
            .ok()
            .map(|(_, dates)| (dates.not_before.timestamp(), dates.not_after.timestamp())),
        key,
        algorithm,
    })
}

/// OpenSC wants at least one byte.
const fn object_id(content: &[u8]) -> Result<&[u8], TlvError> {
    if content.is_empty() { Err(TlvError::Invalid(0x06)) } else { Ok(content) }
}

/// The key and its algorithm.
fn public_key(content: &[u8], spki: &[u8]) -> Result<(PublicKey, Vec<u8>), TlvError> {
    let mut walk = Walk::new(content)?;
    let mut algorithm = Walk::new(walk.required(0x30)?)?;
    let oid = object_id(algorithm.required(0x06)?)?;
    let (_, bits) = walk.required(0x03)?.split_first().ok_or(TlvError::Invalid(0x03))?;
    let key = if oid == RSA {
        let mut numbers = Walk::new(Walk::new(bits)?.required(0x30)?)?;
        let strip = |number: &[u8]| number.iter().copied().skip_while(|&byte| byte == 0).collect::<Vec<_>>();
        PublicKey::Rsa { modulus: strip(numbers.required(0x02)?), exponent: strip(numbers.required(0x02)?) }
    } else {
        match algorithm.optional(0x06).filter(|_| oid == EC) {
            Some(curve) => PublicKey::Ec { curve_oid: object_id(curve)?.to_vec(), point: bits.to_vec() },
            None => PublicKey::Other(spki.to_vec()),
        }
    };
    Ok((key, oid.to_vec()))
}

impl Certificate {
    /// Does OpenSC understand the public key? If it does not, it uses nothing of the
    /// certificate. `twisted`: it knows the twisted Brainpool curves.
    #[must_use]
    pub fn is_understood(&self, twisted: bool) -> bool {
        match &self.key {
            PublicKey::Rsa { .. } => true,
            PublicKey::Ec { curve_oid, .. } => curve::is_known_by_name(curve_oid, twisted),
            PublicKey::Other(_) => EDWARDS.contains(&self.algorithm.as_slice()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_certificate() {
        assert_eq!(decode(&[]), None);
        assert_eq!(decode(&[0x30, 0x00]), None);
        assert_eq!(decode(&[0x67, 0x00]), None);
    }
}
