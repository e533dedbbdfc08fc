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
use super::key::{PublicKey, object_id};
use super::tlv::{TlvError, Walk, bit_field, first, integer, tagged};

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

/// A certificate request (PKCS#10, RFC 2986).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The request without anything that follows it.
    pub der: Vec<u8>,
    /// Subject, RFC 4514-like text, not escaped for a terminal; empty if it does not decode.
    pub subject: String,
    /// The public key it asks a certificate for.
    pub key: PublicKey,
}

/// What certificates and requests have in common: a body and a signature over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed<'a> {
    /// What is signed, tag and length included.
    pub body: &'a [u8],
    /// How: OID content.
    pub algorithm: &'a [u8],
    /// Parameters of the algorithm, tag and length included; empty if there are none.
    pub parameters: &'a [u8],
    /// The signature.
    pub signature: &'a [u8],
    /// Does the body of a certificate name another algorithm? Then every other program refuses it.
    pub contradicted: bool,
}

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

    let (key, algorithm) = PublicKey::from_spki(key_info.raw)?;
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

/// The bits of a certificate's key usage (RFC 5280, 4.2.1.3), the first one lowest: as
/// `digitalSignature` is 1. None if it does not restrict the use of its key.
#[must_use]
pub fn key_usage(certificate: &[u8]) -> Option<u32> {
    const KEY_USAGE: [u8; 3] = [0x55, 0x1D, 0x0F];
    let body = first(first(certificate)?.value)?.value;
    let mut rest = first(tagged(body, 0xA3)?)?.value;
    while let Some(extension) = first(rest) {
        if tagged(extension.value, 0x06) == Some(&KEY_USAGE) {
            return bit_field(0x03, tagged(tagged(extension.value, 0x04)?, 0x03)?).ok();
        }
        rest = extension.rest;
    }
    None
}

/// A distinguished name as text, RFC 4514-like, not escaped for a terminal; empty if it does not decode.
#[must_use]
pub fn name(raw: &[u8]) -> String {
    X509Name::from_der(raw).map(|(_, name)| name.to_string()).unwrap_or_default()
}

/// Decodes the certificate request at the start of `bytes`; what follows it is ignored.
///
/// # Errors
/// [`TlvError`] if it is none.
pub fn decode_request(bytes: &[u8]) -> Result<Request, TlvError> {
    let whole = Walk::new(bytes)?.required_element(0x30)?;
    let mut body = Walk::new(Walk::new(whole.value)?.required(0x30)?)?;
    body.required(0x02)?;
    let subject = body.required_element(0x30)?;
    let (key, _) = PublicKey::from_spki(body.required_element(0x30)?.raw)?;
    signed(whole.raw)?;
    let name = X509Name::from_der(subject.raw).ok().map(|(_, name)| name);
    Ok(Request {
        der: whole.raw.to_vec(),
        subject: name.map(|name| name.to_string()).unwrap_or_default(),
        key,
    })
}

/// Takes a certificate or a request apart; what follows it is ignored.
///
/// # Errors
/// [`TlvError`] if it is neither, or the signature is no whole number of bytes.
pub fn signed(bytes: &[u8]) -> Result<Signed<'_>, TlvError> {
    let mut walk = Walk::new(Walk::new(bytes)?.required(0x30)?)?;
    let body = walk.required_element(0x30)?;
    let named = walk.required_element(0x30)?;
    let mut algorithm = Walk::new(named.value)?;
    let oid = object_id(algorithm.required(0x06)?)?;
    let signature = walk.required(0x03)?.strip_prefix(&[0]).ok_or(TlvError::Invalid(0x03))?;

    // Only a certificate begins with a version in a tag of its own.
    let mut within = Walk::new(body.value)?;
    let repeated = within.optional(0xA0).and_then(|_| {
        within.optional(0x02)?;
        within.optional_element(0x30)
    });
    Ok(Signed {
        body: body.raw,
        algorithm: oid,
        parameters: algorithm.rest(),
        signature,
        contradicted: repeated.is_some_and(|repeated| repeated.raw != named.raw),
    })
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
