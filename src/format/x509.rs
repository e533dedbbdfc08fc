//! X.509 certificates (RFC 5280), as much as a listing and a comparison need.

use x509_parser::prelude::{FromDer, SubjectPublicKeyInfo, X509Certificate};
use x509_parser::public_key::PublicKey as Parsed;

use super::key::PublicKey;
use super::tlv;

/// The parts of a certificate that people and rules look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The certificate without anything that follows it.
    pub der: Vec<u8>,
    /// Subject, RFC 4514-like text, not escaped for a terminal.
    pub subject: String,
    /// Issuer, DER.
    pub raw_issuer: Vec<u8>,
    /// Subject, DER.
    pub raw_subject: Vec<u8>,
    /// First common name of the subject.
    pub common_name: Option<Vec<u8>>,
    /// Serial number, big-endian.
    pub serial: Vec<u8>,
    /// Beginning of validity, Unix seconds.
    pub not_before: i64,
    /// End of validity, Unix seconds.
    pub not_after: i64,
    /// Its public key.
    pub key: PublicKey,
}

/// Decodes the certificate at the start of `bytes`; what follows it is ignored,
/// as OpenSC ignores it. `None` if it is not one.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<Certificate> {
    let der = tlv::first(bytes).filter(|element| element.tag == 0x30)?.raw;
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(Certificate {
        der: der.to_vec(),
        subject: certificate.subject().to_string(),
        raw_issuer: certificate.issuer().as_raw().to_vec(),
        raw_subject: certificate.subject().as_raw().to_vec(),
        common_name: certificate
            .subject()
            .iter_common_name()
            .next()
            .map(|name| name.attr_value().data.to_vec()),
        serial: certificate.raw_serial().to_vec(),
        not_before: certificate.validity().not_before.timestamp(),
        not_after: certificate.validity().not_after.timestamp(),
        key: public_key(certificate.public_key())?,
    })
}

fn public_key(spki: &SubjectPublicKeyInfo<'_>) -> Option<PublicKey> {
    let key = match spki.parsed().ok()? {
        Parsed::RSA(rsa) => {
            let strip =
                |number: &[u8]| number.iter().copied().skip_while(|&byte| byte == 0).collect::<Vec<_>>();
            PublicKey::Rsa { modulus: strip(rsa.modulus), exponent: strip(rsa.exponent) }
        }
        Parsed::EC(point) => {
            let oid = spki.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
            match oid {
                Some(oid) => {
                    PublicKey::Ec { curve_oid: oid.as_bytes().to_vec(), point: point.data().to_vec() }
                }
                None => PublicKey::Other(spki.raw.to_vec()),
            }
        }
        _ => PublicKey::Other(spki.raw.to_vec()),
    };
    Some(key)
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
