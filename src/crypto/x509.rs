//! The signatures of X.509 certificates (RFC 5280) and certificate requests (PKCS#10).

use hex_literal::hex;

use super::algorithm::algorithm;
use super::{Form, Outcome, Reason, Scheme, Signed, recover, verify};
use crate::format::curve::Curve;
use crate::format::key::PublicKey;
use crate::format::tlv::TlvError;
use crate::format::x509;

/// Is a certificate or a request signed by this key? What follows it is ignored.
///
/// The signature is taken in every encoding, and told in the outcome: a certificate whose
/// ECDSA signature is not in DER is refused by OpenSSL and others.
///
/// # Errors
/// [`TlvError`] if the bytes are neither.
pub fn signed_by(bytes: &[u8], key: &PublicKey) -> Result<Outcome, TlvError> {
    let signed = x509::signed(bytes)?;
    Ok(match scheme(&signed) {
        Ok(scheme) => verify(key, scheme, &Signed::message(signed.body), signed.signature),
        Err(reason) => Outcome::NotDecidable(reason),
    })
}

/// The keys on this curve that can have signed a certificate or a request: normally two, and
/// none if it is not signed with ECDSA.
///
/// # Errors
/// [`TlvError`] if the bytes are neither.
pub fn signers(bytes: &[u8], curve: &Curve) -> Result<Vec<PublicKey>, TlvError> {
    let signed = x509::signed(bytes)?;
    let Ok(Scheme::Ecdsa(hash)) = scheme(&signed) else { return Ok(Vec::new()) };
    Ok(recover(curve, Signed::message(signed.body).digest_by(hash), signed.signature))
}

/// How a certificate or a request is signed.
///
/// # Errors
/// [`Reason`] if the algorithm is not known here, or the certificate contradicts itself.
pub fn scheme(signed: &x509::Signed<'_>) -> Result<Scheme, Reason> {
    if signed.contradicted {
        return Err(Reason::Contradiction);
    }
    algorithm(signed.algorithm, signed.parameters)
}

/// How two numbers are written under an algorithm (OID content): in DER but for those of BSI TR-03111.
#[must_use]
pub fn form(algorithm: &[u8]) -> Form {
    match algorithm.starts_with(&hex!("04007f0007010104 01")) {
        true => Form::Plain(None),
        false => Form::Der,
    }
}
