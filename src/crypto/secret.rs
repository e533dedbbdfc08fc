//! Secrets that only the owner of a private key can know: shared ones (ECDH, SP 800-56A 5.7.1.2) and
//! enciphered ones (RSA PKCS#1 v1.5, RFC 8017 7.2). They prove keys that do not sign.
//!
//! Here everything follows from a random challenge that is published with the proof. It guards nothing: it
//! was made for this question, and the question is over when the answer is known.

use curve25519_dalek::MontgomeryPoint;
use sha2::{Digest, Sha256};

use super::{ecdsa, rsa as keys};
use crate::format::curve::{self, Curve};
use crate::format::key::PublicKey;

/// Bytes of an enciphered secret.
const SECRET: usize = 32;

/// The point (uncompressed) of a private number, which must be neither zero nor too large for the curve.
#[must_use]
pub fn point_of(curve: &Curve, number: &[u8]) -> Option<Vec<u8>> {
    (ecdsa::on(curve)?.multiply)(curve.base_point, number)
}

/// Is this the secret shared by a private number and the owner of this key? It is the X coordinate; some
/// cards give the whole point.
#[must_use]
pub fn agrees(key: &PublicKey, number: &[u8], answer: &[u8]) -> bool {
    let named = key.named();
    let PublicKey::Ec { curve_oid, point } = named.as_ref().unwrap_or(key) else { return false };
    let arithmetic = curve::by_oid(curve_oid).and_then(ecdsa::on);
    let Some(shared) = arithmetic.and_then(|arithmetic| (arithmetic.multiply)(point, number)) else {
        return false;
    };
    let x = shared.get(1..=shared.len() / 2).unwrap_or_default();
    answer == x || answer == shared
}

/// The public half of an X25519 key; none if its private half does not have 32 bytes.
#[must_use]
pub fn x25519_of(number: &[u8]) -> Option<[u8; 32]> {
    Some(MontgomeryPoint::mul_base_clamped(number.try_into().ok()?).to_bytes())
}

/// As [`agrees`], on Curve25519.
#[must_use]
pub fn agrees_25519(key: &PublicKey, number: &[u8], answer: &[u8]) -> bool {
    let (Some(point), Ok(number)) = (key.x25519(), number.try_into()) else { return false };
    let shared = MontgomeryPoint(*point).mul_clamped(number).to_bytes();
    // Zero is what every number gives with a point of small order (RFC 7748, 6.1): no proof.
    shared != [0; 32] && shared == answer
}

/// A secret that follows from a challenge, enciphered for the owner of this RSA key; none if the
/// key is none or too short.
#[must_use]
pub fn cryptogram(key: &PublicKey, challenge: &[u8]) -> Option<Vec<u8>> {
    let PublicKey::Rsa { modulus, exponent } = key else { return None };
    let raising = keys::key(modulus, exponent).ok()?;
    let length = raising.length();
    let filling = length.checked_sub(SECRET + 3).filter(|&filling| filling >= 8)?;
    let mut block = vec![0x00, 0x02];
    // Random bytes without a zero, for as long as it takes.
    let stream =
        (0_u8..=u8::MAX).flat_map(|count| hash(key, challenge, &[b'P', count])).filter(|byte| *byte != 0);
    block.extend(stream.take(filling));
    block.push(0x00);
    block.extend(secret(key, challenge));
    raising.raise(&block)
}

/// Is this the secret of [`cryptogram`], for this key?
#[must_use]
pub fn is_deciphered(key: &PublicKey, challenge: &[u8], answer: &[u8]) -> bool {
    matches!(key, PublicKey::Rsa { .. }) && answer == secret(key, challenge)
}

fn secret(key: &PublicKey, challenge: &[u8]) -> [u8; SECRET] {
    hash(key, challenge, b"S")
}

fn hash(key: &PublicKey, challenge: &[u8], what: &[u8]) -> [u8; SECRET] {
    Sha256::new().chain_update(key.fingerprint()).chain_update(challenge).chain_update(what).finalize().into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// Made with openssl; and a point with which every number gives zero.
    #[test]
    fn secrets_on_curve_25519() {
        let hex = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
        let number = hex("9819cb23885a3fbdbe9cf8bfa68e9acc84af1d5c51668ad758493bb58a379a7a");
        let own = hex("3c57dcccf1a0cd03fd4400c4ea80284c958e355d3c6f26eb1549e5920e5a2a70");
        let other = hex("1b2399f3f2c2489901c7ce6771b2c99acb2c2ecf458ba698775abdd52992541d");
        let shared = hex("d88f47026d9a6d3a15ee3b7985eb8ff3052d27fdc483b5930a22f1f8daa1a518");
        assert_eq!(x25519_of(&number).map(|point| point.to_vec()), Some(own));
        let key = PublicKey::from_x25519(&other.try_into().unwrap());
        assert!(agrees_25519(&key, &number, &shared) && !agrees_25519(&key, &number, &[0; 32]));
        let zero = PublicKey::from_x25519(&[0; 32]);
        assert!(!agrees_25519(&zero, &number, &[0; 32]) && !agrees_25519(&zero, b"short", &[0; 32]));
    }
}
