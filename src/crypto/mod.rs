//! Does this signature belong to this key ([`verify`]), and if it belongs to no key
//! we know, to which ([`recover`])?
//!
//! Pure Rust, so that the answer does not depend on what a distribution left in its
//! OpenSSL; all arithmetic is that of the crates. Only public data pass through:
//! constant time does not matter here, and nothing is secret.
//!
//! Nothing is an opinion: whether a signature that fits is good news is for the rules
//! to say. What cannot be decided is told apart from what does not fit.

pub mod cvc;
mod ecdsa;
pub mod given;
mod hash;
mod local;
mod outcome;
mod rsa;
mod secret;
pub mod together;
pub mod x509;

use std::borrow::Cow;

pub use hash::{Hash, Signed};
pub use outcome::{Fit, Outcome, Reason, Scheme};
pub use secret::{agrees, agrees_25519, cryptogram, is_deciphered, point_of, x25519_of};

use ecdsa::Numbers;

use crate::format::curve::{self, Curve};
use crate::format::key::PublicKey;
use crate::format::signature::{Encoding, Reading, readings};

/// A key that the crates have taken.
enum Prepared<'k> {
    Ec(&'static ecdsa::Arithmetic, &'k [u8]),
    Rsa(::rsa::PublicKey),
    Ed25519(ed25519_dalek::VerifyingKey),
}

/// Does this key's signature over these bytes, made in this way, read like this?
///
/// ECDSA signatures are taken in every encoding of [`crate::format::signature`], with s in
/// either half. Ed25519 is strict (`verify_strict`): points of small order, which verify
/// over anything, are refused.
#[must_use]
pub fn verify(key: &PublicKey, scheme: Scheme, signed: &Signed<'_>, signature: &[u8]) -> Outcome {
    verify_first(key, signed, signature, |_| vec![scheme])
}

/// The same when nobody knows how it was signed: with the usual hashes, SHA-256 first, and
/// with the message itself in place of its digest; for RSA both paddings.
#[must_use]
pub fn verify_any(key: &PublicKey, signed: &Signed<'_>, signature: &[u8]) -> Outcome {
    verify_first(key, signed, signature, |key| key.usual(signed))
}

/// All public keys on this curve whose signature over this digest this is: normally two,
/// and which of them signed, only another signature or a known key can tell.
///
/// The digest must be the right one: with any other the keys found are nobody's. So they
/// are, if the signature was made on another curve and is possible on this one.
#[must_use]
pub fn recover(curve: &Curve, digest: &[u8], signature: &[u8]) -> Vec<PublicKey> {
    let Some(arithmetic) = ecdsa::on(curve) else { return Vec::new() };
    let digest = ecdsa::leftmost(digest, curve);
    let mut keys = Vec::new();
    for reading in readings(signature, curve.bits.div_ceil(8)) {
        for point in (arithmetic.recover)(&Numbers { digest: &digest, r: reading.r, s: reading.s }) {
            let key = PublicKey::Ec { curve_oid: curve.oid.to_vec(), point };
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
    }
    keys
}

/// The key of a point, compressed or not, if it is on this curve.
#[must_use]
pub fn key_on(curve: &Curve, point: &[u8]) -> Option<PublicKey> {
    let point = (ecdsa::on(curve)?.point)(point)?;
    Some(PublicKey::Ec { curve_oid: curve.oid.to_vec(), point })
}

/// The keys that a point without its curve can be, one for each curve it is on. An
/// uncompressed point tells its curve: by chance it is on no other. A compressed one is
/// on about half the curves of its length.
#[must_use]
pub fn keys_of_point(point: &[u8]) -> Vec<PublicKey> {
    curve::all().filter_map(|curve| key_on(curve, point)).collect()
}

fn verify_first(
    key: &PublicKey,
    signed: &Signed<'_>,
    signature: &[u8],
    schemes: impl FnOnce(&Prepared<'_>) -> Vec<Scheme>,
) -> Outcome {
    let named = key.named();
    let key = match Prepared::new(named.as_ref().unwrap_or(key)) {
        Ok(key) => key,
        Err(reason) => return Outcome::NotDecidable(reason),
    };
    for scheme in schemes(&key) {
        match key.verify(scheme, signed, signature) {
            Ok(Some(encoding)) => return Outcome::Valid(Fit { scheme, encoding }),
            Ok(None) => {}
            Err(reason) => return Outcome::NotDecidable(reason),
        }
    }
    Outcome::Invalid
}

impl<'k> Prepared<'k> {
    fn new(key: &'k PublicKey) -> Result<Self, Reason> {
        match key {
            PublicKey::Rsa { modulus, exponent } => Ok(Self::Rsa(rsa::key(modulus, exponent)?)),
            PublicKey::Ec { curve_oid, point } => {
                let curve = curve::by_oid(curve_oid).ok_or(Reason::UnknownCurve)?;
                let arithmetic = ecdsa::on(curve).ok_or(Reason::UnknownCurve)?;
                (arithmetic.point)(point).ok_or(Reason::BadKey)?;
                Ok(Self::Ec(arithmetic, point))
            }
            PublicKey::Other(_) => {
                let bytes = key.ed25519().ok_or(Reason::UnknownKey)?;
                let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| Reason::BadKey)?;
                Ok(Self::Ed25519(key))
            }
        }
    }

    /// How the signature is written, if it fits.
    fn verify(
        &self,
        scheme: Scheme,
        signed: &Signed<'_>,
        signature: &[u8],
    ) -> Result<Option<Encoding>, Reason> {
        let plain = |fits: bool| Ok(fits.then_some(Encoding::Plain));
        match (self, scheme) {
            (Self::Ec(arithmetic, point), Scheme::Ecdsa(hash)) => {
                let digest = ecdsa::leftmost(signed.digest_by(hash), arithmetic.curve);
                let fits = |reading: &Reading<'_>| {
                    (arithmetic.verify)(point, &Numbers { digest: &digest, r: reading.r, s: reading.s })
                };
                let order = arithmetic.curve.order.len();
                Ok(readings(signature, order).into_iter().find(fits).map(|reading| reading.encoding))
            }
            (Self::Rsa(key), Scheme::Pkcs1(hash)) => {
                let digest = signed.digest_by(hash);
                let block = hash.map_or(digest.into(), |hash| Cow::from(hash.digest_info(digest)));
                plain(rsa::pkcs1(key, &block, signature))
            }
            (Self::Rsa(key), Scheme::Pss { hash, salt }) => {
                plain(rsa::pss(key, hash, salt, signed.digest_by(Some(hash)), signature))
            }
            (Self::Ed25519(key), Scheme::Ed25519) => {
                let message = signed.whole().ok_or(Reason::MessageNeeded)?;
                let signature = ed25519_dalek::Signature::from_slice(signature);
                plain(signature.is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()))
            }
            _ => Ok(None),
        }
    }

    fn usual(&self, signed: &Signed<'_>) -> Vec<Scheme> {
        let hashes = signed.hashes();
        match self {
            // ECDSA looks at the first bytes only. A longer message was not meant.
            Self::Ec(..) => {
                let itself = signed.whole().is_none_or(|message| message.len() <= Hash::Sha512.length());
                let itself = itself.then_some(Scheme::Ecdsa(None));
                hashes.into_iter().map(|hash| Scheme::Ecdsa(Some(hash))).chain(itself).collect()
            }
            Self::Rsa(_) => {
                let pkcs1 = hashes.iter().map(|&hash| Scheme::Pkcs1(Some(hash)));
                let pss = hashes.iter().map(|&hash| Scheme::Pss { hash, salt: None });
                pkcs1.chain(pss).chain([Scheme::Pkcs1(None)]).collect()
            }
            Self::Ed25519(_) => vec![Scheme::Ed25519],
        }
    }
}
