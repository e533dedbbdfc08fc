//! X.509 certificates (RFC 5280), as much as a listing and a comparison need.
//!
//! Whether bytes are a certificate is decided as OpenSC decides it: it looks at
//! the order of the elements and at the public key, at nothing else. A date that
//! is none, or a name that no other decoder takes, does not keep it from
//! showing a certificate. So what people want to read besides may be missing.

use data_encoding::HEXLOWER;
use x509_parser::certificate::Validity;
use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;
use x509_parser::x509::{AttributeTypeAndValue, RelativeDistinguishedName, X509Name};

use super::curve;
use super::key::{PublicKey, object_id};
use super::tlv::{Element, TlvError, Walk, bit_field, encode, first, integer, tagged};

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
    let name = X509Name::from_der(subject.raw).ok().map(|(_, name)| name);
    Ok(Certificate {
        der: der.to_vec(),
        subject: self::name(subject.value),
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

/// Is a certificate for signing OCSP answers (extended key usage, RFC 6960, 4.2.2.2)?
#[must_use]
pub fn is_for_ocsp(certificate: &[u8]) -> bool {
    const OCSP_SIGNING: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x09];
    let purposes = extension(certificate, &[0x55, 0x1D, 0x25]).and_then(|value| tagged(value, 0x30));
    purposes.and_then(elements).is_some_and(|all| all.iter().any(|one| one.value == OCSP_SIGNING))
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

/// A distinguished name (DER content) as text, RFC 4514-like, not escaped for a terminal; empty if it
/// is empty or does not decode.
#[must_use]
pub fn name(content: &[u8]) -> String {
    let whole = encode(0x30, content);
    let Ok((_, name)) = X509Name::from_der(&whole) else { return String::new() };
    let registry = oid_registry();
    let part = |part: &AttributeTypeAndValue<'_>| {
        let kind = oid2abbrev(part.attr_type(), registry)
            .map_or_else(|_| part.attr_type().to_id_string(), ToOwned::to_owned);
        let value = part.attr_value();
        let text = text_of(value.tag().0, value.data);
        // What is no text is written as RFC 4514 has it: its DER in hexadecimal.
        let text = text.unwrap_or_else(|| {
            let der = encode(value.tag().0, value.data);
            format!("#{}", HEXLOWER.encode(&der))
        });
        format!("{kind}={text}")
    };
    let relative =
        |relative: &RelativeDistinguishedName<'_>| relative.iter().map(part).collect::<Vec<_>>().join(" + ");
    name.iter_rdn().map(relative).collect::<Vec<_>>().join(", ")
}

/// Are two distinguished names (DER content) the same (RFC 5280, 7.1)? Upper and lower case, blanks
/// and the type of the strings do not count.
#[must_use]
pub fn is_same_name(one: &[u8], other: &[u8]) -> bool {
    one == other || canonical(one).is_some_and(|one| canonical(other) == Some(one))
}

/// A distinguished name (DER content) in a form that is byte for byte the same for names that are the same.
#[must_use]
pub fn canonical_name(content: &[u8]) -> Vec<u8> {
    let Some(names) = canonical(content) else { return content.to_vec() };
    let relative = |parts: &Relative| {
        let part = |(oid, value): &(Vec<u8>, Result<String, Vec<u8>>)| {
            let value = match value {
                Ok(text) => encode(0x0C, text.as_bytes()),
                Err(raw) => encode(0x04, raw),
            };
            encode(0x30, &[encode(0x06, oid), value].concat())
        };
        encode(0x31, &parts.iter().map(part).collect::<Vec<_>>().concat())
    };
    names.iter().map(relative).collect::<Vec<_>>().concat()
}

/// The parts of one relative name in order, each with its type and its value.
type Relative = Vec<(Vec<u8>, Result<String, Vec<u8>>)>;

/// A name as it is compared; `None` if it does not decode.
fn canonical(content: &[u8]) -> Option<Vec<Relative>> {
    let mut names = Vec::new();
    for set in elements(content)? {
        let mut parts = Vec::new();
        for part in elements(Some(set).filter(|set| set.tag == 0x31)?.value)? {
            let mut part = Walk::new(part.value).ok()?;
            let (oid, value) = (part.optional(0x06)?, first(part.rest())?);
            parts.push((oid.to_vec(), prepared(value.tag, value.value).ok_or_else(|| value.raw.to_vec())));
        }
        parts.sort();
        names.push(parts);
    }
    Some(names)
}

/// All elements, if there is nothing else.
fn elements(mut content: &[u8]) -> Option<Vec<Element<'_>>> {
    let mut all = Vec::new();
    while !content.is_empty() {
        let element = first(content)?;
        content = element.rest;
        all.push(element);
    }
    Some(all)
}

/// A string as RFC 4518 prepares it: in lower case, one blank between words. `None` if it is no string.
fn prepared(tag: u32, value: &[u8]) -> Option<String> {
    let words: Vec<String> = text_of(tag, value)?.split_whitespace().map(str::to_lowercase).collect();
    Some(words.join(" "))
}

/// A string of any of the types that names are made of. `None` if it is none, or not in its encoding.
fn text_of(tag: u32, value: &[u8]) -> Option<String> {
    Some(match tag {
        // UTF8String, PrintableString, IA5String, VisibleString.
        0x0C | 0x12 | 0x13 | 0x16 | 0x1A => String::from_utf8(value.to_vec()).ok()?,
        // T61String, which everybody takes for Latin 1.
        0x14 => value.iter().copied().map(char::from).collect(),
        0x1E => {
            let units = value.as_chunks::<2>();
            let units: Vec<u16> =
                units.0.iter().filter(|_| units.1.is_empty()).map(|unit| u16::from_be_bytes(*unit)).collect();
            String::from_utf16(&units).ok()?
        }
        0x1C => {
            let units = value.as_chunks::<4>();
            let points = units.0.iter().map(|unit| char::from_u32(u32::from_be_bytes(*unit)));
            points.collect::<Option<String>>().filter(|_| units.1.is_empty())?
        }
        _ => return None,
    })
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
    Ok(Request { der: whole.raw.to_vec(), subject: name(subject.value), key })
}

/// Takes a certificate, a request, a revocation list or a basic OCSP response apart; what follows it is ignored.
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
    }

    #[test]
    fn refuses_what_is_no_certificate() {
        assert_eq!(decode(&[]), None);
        assert_eq!(decode(&[0x30, 0x00]), None);
        assert_eq!(decode(&[0x67, 0x00]), None);
    }
}
