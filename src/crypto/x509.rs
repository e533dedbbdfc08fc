//! The signatures of X.509 certificates (RFC 5280) and certificate requests (PKCS#10).

use hex_literal::hex;

use super::{Hash, Outcome, Reason, Scheme, Signed, recover, verify};
use crate::format::curve::Curve;
use crate::format::key::PublicKey;
use crate::format::tlv::{TlvError, Walk, integer};
use crate::format::x509;

/// ecdsa-with-SHA1, and the arc of those with SHA-2 (RFC 5758).
const ECDSA_SHA1: &[u8] = &hex!("2a8648ce3d0401");
const ECDSA_SHA2: &[u8] = &hex!("2a8648ce3d0403");
/// PKCS#1 (RFC 8017).
const PKCS1: &[u8] = &hex!("2a864886f70d0101");
const MGF1: &[u8] = &hex!("2a864886f70d010108");
/// Ed25519 (RFC 8410).
const ED25519: &[u8] = &hex!("2b6570");

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
    let unknown = || Reason::algorithm(signed.algorithm);
    match signed.algorithm {
        ECDSA_SHA1 => return Ok(Scheme::Ecdsa(Some(Hash::Sha1))),
        ED25519 => return Ok(Scheme::Ed25519),
        _ => {}
    }
    if let Some(last) = signed.algorithm.strip_prefix(ECDSA_SHA2) {
        return Ok(Scheme::Ecdsa(Some(match last {
            [1] => Hash::Sha224,
            [2] => Hash::Sha256,
            [3] => Hash::Sha384,
            [4] => Hash::Sha512,
            _ => return Err(unknown()),
        })));
    }
    Ok(Scheme::Pkcs1(Some(match signed.algorithm.strip_prefix(PKCS1) {
        Some([5]) => Hash::Sha1,
        Some([10]) => {
            return pss(signed.parameters).map_err(|_| Reason::PssParameters)?.ok_or(Reason::PssParameters);
        }
        Some([11]) => Hash::Sha256,
        Some([12]) => Hash::Sha384,
        Some([13]) => Hash::Sha512,
        Some([14]) => Hash::Sha224,
        _ => return Err(unknown()),
    })))
}

/// RSASSA-PSS-params (RFC 8017, A.2.3); `None` if they are in order, but not for us: an
/// unknown hash, or another one in the mask than over the message.
fn pss(parameters: &[u8]) -> Result<Option<Scheme>, TlvError> {
    let mut walk = Walk::new(Walk::new(parameters)?.required(0x30)?)?;
    let hash_of = |algorithm: &[u8]| {
        let oid = Walk::new(Walk::new(algorithm)?.required(0x30)?)?.required(0x06)?;
        Ok::<_, TlvError>(Hash::by_oid(oid))
    };
    let hash = walk.optional(0xA0).map_or(Ok(Some(Hash::Sha1)), hash_of)?;
    let mask = walk.optional(0xA1).map_or(Ok(Some(Hash::Sha1)), |mask| {
        let mut mask = Walk::new(Walk::new(mask)?.required(0x30)?)?;
        let function = mask.required(0x06)?;
        let algorithm = mask.rest();
        if function == MGF1 { hash_of(algorithm) } else { Ok(None) }
    })?;
    let number = |tag, default, walk: &mut Walk<'_>| match walk.optional(tag) {
        Some(wrapped) => integer(0x02, Walk::new(wrapped)?.required(0x02)?),
        None => Ok(default),
    };
    let salt = usize::try_from(number(0xA2, 20, &mut walk)?).ok();
    let trailer = number(0xA3, 1, &mut walk)?;
    Ok(hash.filter(|_| hash == mask && trailer == 1 && salt.is_some()).map(|hash| Scheme::Pss { hash, salt }))
}
