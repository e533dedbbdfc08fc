//! X.509 certificates (RFC 5280), as much as a listing and a comparison need.
//!
//! Whether bytes are a certificate is decided as OpenSC decides it: it looks at
//! the order of the elements and at the public key, at nothing else. A date that
//! is none, or a name that no other decoder takes, does not keep it from
//! showing a certificate. So what people want to read besides may be missing.

mod name;

pub use name::{canonical_name, is_one_line, is_same_name, name};

use x509_parser::certificate::Validity;
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;
use x509_parser::x509::X509Name;

use super::curve;
use super::key::{PublicKey, object_id};
use super::tlv::{TlvError, Walk, bit_field, encode, first, integer, tagged};

/// The parts of a certificate that people and rules look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The certificate without anything that follows it.
    pub der: Vec<u8>,
    /// Issuer, DER content.
    pub raw_issuer: Vec<u8>,
    /// Subject, DER content.
    pub raw_subject: Vec<u8>,
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
    /// Subject, DER content.
    pub raw_subject: Vec<u8>,
    /// The public key it asks a certificate for.
    pub key: PublicKey,
}

/// What certificates, requests and the like have in common: a body and a signature over it.
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
    Ok(Certificate {
        der: der.to_vec(),
        raw_issuer: issuer.to_vec(),
        raw_subject: subject.value.to_vec(),
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
    bit_field(0x03, tagged(extension(certificate, &[0x55, 0x1D, 0x0F])?, 0x03)?).ok()
}

/// The value of an extension of a certificate, by its OID content.
fn extension<'a>(certificate: &'a [u8], oid: &[u8]) -> Option<&'a [u8]> {
    let body = first(first(certificate)?.value)?.value;
    extension_in(first(tagged(body, 0xA3)?)?.value, oid)
}

/// The same in a list of extensions (its content).
pub(super) fn extension_in<'a>(mut rest: &'a [u8], oid: &[u8]) -> Option<&'a [u8]> {
    while let Some(extension) = first(rest) {
        if tagged(extension.value, 0x06) == Some(oid) {
            return tagged(extension.value, 0x04);
        }
        rest = extension.rest;
    }
    None
}

/// Does a certificate say that its key signs certificates (basic constraints, RFC 5280, 4.2.1.9)? `None` if it has
/// no such extension.
#[must_use]
pub fn is_authority(certificate: &[u8]) -> Option<bool> {
    let content = tagged(extension(certificate, &[0x55, 0x1D, 0x13])?, 0x30)?;
    Some(tagged(content, 0x01).is_some_and(|flag| flag != [0]))
}

/// What a certificate is for: key usage, names beside its subject, extended key usage, as they stand in it.
#[must_use]
pub fn scope(certificate: &[u8]) -> Vec<u8> {
    let value = |last: u8| encode(0x04, extension(certificate, &[0x55, 0x1D, last]).unwrap_or_default());
    [0x0F, 0x11, 0x25].map(value).concat()
}

/// Is a certificate for signing OCSP answers (extended key usage, RFC 6960, 4.2.2.2)?
#[must_use]
pub fn is_for_ocsp(certificate: &[u8]) -> bool {
    const OCSP_SIGNING: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x09];
    let purposes = extension(certificate, &[0x55, 0x1D, 0x25]).and_then(|value| tagged(value, 0x30));
    purposes.and_then(name::elements).is_some_and(|all| all.iter().any(|one| one.value == OCSP_SIGNING))
}

/// The moment of a time (UTCTime or GeneralizedTime, tag and length included), Unix seconds.
#[must_use]
pub fn moment(der: &[u8]) -> Option<i64> {
    ASN1Time::from_der(der).ok().map(|(_, time)| time.timestamp())
}

/// A certificate's name for its own key (subject key identifier, RFC 5280, 4.2.1.2).
#[must_use]
pub fn subject_key_id(certificate: &[u8]) -> Option<&[u8]> {
    tagged(extension(certificate, &[0x55, 0x1D, 0x0E])?, 0x04)
}

/// What a certificate says of the key that signed it (authority key identifier, RFC 5280, 4.2.1.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Authority<'a> {
    /// The identifier of the key.
    pub key_id: Option<&'a [u8]>,
    /// The issuer of its certificate, DER content.
    pub issuer: Option<&'a [u8]>,
    /// The serial number of its certificate.
    pub serial: Option<&'a [u8]>,
}

/// The authority key identifier of a certificate; empty if there is none.
#[must_use]
pub fn authority(certificate: &[u8]) -> Authority<'_> {
    extension(certificate, AUTHORITY_KEY_ID).map(authority_of).unwrap_or_default()
}

/// The same in a list of extensions (its content).
pub(super) fn authority_in(extensions: &[u8]) -> Authority<'_> {
    extension_in(extensions, AUTHORITY_KEY_ID).map(authority_of).unwrap_or_default()
}

const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1D, 0x23];

fn authority_of(value: &[u8]) -> Authority<'_> {
    let Some(content) = tagged(value, 0x30) else { return Authority::default() };
    // Of the general names that of a directory.
    let issuer = tagged(content, 0xA1).and_then(|names| tagged(tagged(names, 0xA4)?, 0x30));
    Authority { key_id: tagged(content, 0x80), issuer, serial: tagged(content, 0x82) }
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
    Ok(Request { der: whole.raw.to_vec(), raw_subject: subject.value.to_vec(), key })
}

/// Decodes the signed public key and challenge (Netscape's SPKAC, as `openssl spkac` writes it) at the start of `bytes`; what
/// follows it is ignored.
///
/// # Errors
/// [`TlvError`] if it is none.
pub fn decode_spkac(bytes: &[u8]) -> Result<(&[u8], PublicKey), TlvError> {
    let whole = Walk::new(bytes)?.required_element(0x30)?;
    let mut body = Walk::new(Walk::new(whole.value)?.required(0x30)?)?;
    let (key, _) = PublicKey::from_spki(body.required_element(0x30)?.raw)?;
    body.required(0x16)?;
    signed(whole.raw)?;
    Ok((whole.raw, key))
}

/// Takes a certificate, a request, an SPKAC, a revocation list or a basic OCSP response apart; what follows it is ignored.
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

    // A certificate repeats it behind its serial number, of version 1 without a tag before that; a revocation list
    // behind its version, or first of all. In a request a name stands there, which does not begin with an OID, and
    // in an OCSP response something else.
    let mut within = Walk::new(body.value)?;
    let _version = within.optional(0xA0);
    let is_list = first(body.value).is_some_and(|one| one.tag == 0x30);
    let number = within.optional(0x02);
    let repeated = if number.is_some() || is_list { within.optional_element(0x30) } else { None };
    let repeated = repeated.filter(|element| first(element.value).is_some_and(|oid| oid.tag == 0x06));
    Ok(Signed {
        body: body.raw,
        algorithm: oid,
        parameters: algorithm.rest(),
        signature,
        contradicted: repeated.is_some_and(|repeated| repeated.raw != named.raw),
    })
}

impl Certificate {
    /// Its subject as text, see [`name`].
    #[must_use]
    pub fn subject(&self) -> String {
        name(&self.raw_subject)
    }

    /// First common name of the subject.
    #[must_use]
    pub fn common_name(&self) -> Option<Vec<u8>> {
        let whole = encode(0x30, &self.raw_subject);
        let (_, name) = X509Name::from_der(&whole).ok()?;
        Some(name.iter_common_name().next()?.attr_value().data.to_vec())
    }

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
    fn names_are_compared_as_people_read_them() {
        let part = |tag, text: &[u8]| {
            let value = [encode(0x06, &[0x55, 4, 3]), encode(tag, text)].concat();
            encode(0x31, &encode(0x30, &value))
        };
        let name = part(0x13, b"My  Root CA ");
        for same in [
            part(0x0C, b"my root ca"),
            part(0x14, b" MY ROOT\tCA"),
            part(0x1E, b"\0m\0y\0 \0r\0o\0o\0t\0 \0c\0a"),
        ] {
            assert!(is_same_name(&name, &same));
        }
        for other in [
            part(0x0C, b"myroot ca"),
            [name.clone(), name.clone()].concat(),
            vec![],
            part(0x04, b"my root ca"),
            vec![0x31],
        ] {
            assert!(!is_same_name(&name, &other));
        }
        assert_eq!(super::name(&name), "CN=My  Root CA ");
        assert!(is_same_name(&[], &[]));
        assert!(is_one_line(&name, b"/CN=My  Root CA ") && is_one_line(&[], b""));
        for other in [&b"/CN=My Root CA"[..], b"/CN=My  Root CA /CN=", b"My  Root CA ", b"/CN", b""] {
            assert!(!is_one_line(&name, other));
        }
        assert!(is_one_line(&part(0x0C, "\u{e9}/O=x".as_bytes()), b"/CN=\\xC3\\xA9/O=x"));
    }

    #[test]
    fn refuses_what_is_no_certificate() {
        assert_eq!(decode(&[]), None);
        assert_eq!(decode(&[0x30, 0x00]), None);
        assert_eq!(decode(&[0x67, 0x00]), None);
    }
}
