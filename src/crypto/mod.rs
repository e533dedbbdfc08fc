//! Does this signature belong to this key ([`verify`]), and if it belongs to no key
//! we know, to which ([`recover`])?
//!
//! Pure Rust, so that the answer does not depend on what a distribution left in its
//! OpenSSL; all arithmetic is that of the crates. Only public data pass through:
//! constant time does not matter here, and nothing is secret.
//!
//! Nothing is an opinion: whether a signature that fits is good news is for the rules
//! to say. What cannot be decided is told apart from what does not fit.

pub mod algorithm;
pub mod cvc;
pub mod detached;
mod dsa;
mod ecdsa;
pub mod given;
mod hash;
mod local;
mod maker;
mod modular;
mod multiples;
mod numbers;
mod outcome;
mod rsa;
mod secret;
pub mod together;
pub mod x509;

pub use hash::{Hash, IN_MEMORY, Signed};
pub use maker::{Maker, maker};
pub use outcome::{Fit, Form, Opened, Outcome, Reason, Scheme};
pub use secret::{agrees, agrees_25519, cryptogram, is_deciphered, point_of, x25519_of};

use std::cmp::Ordering;

use hash::NotWhole;
use multiples::Kept;
use numbers::Numbers;

use crate::format::curve::{self, Curve};
use crate::format::key::{Kind, PublicKey};
use crate::format::signature::{Encoding, Flaw, Reading, readings};

/// A public key that is made ready to verify with many times.
pub struct Ready {
    kind: Kind,
    prepared: Result<Prepared, Reason>,
}

impl Ready {
    /// Of a key, whether it can be computed with or not.
    #[must_use]
    pub fn new(key: &PublicKey) -> Self {
        Self { kind: key.kind(), prepared: Prepared::new(key) }
    }

    /// As [`verify`].
    pub fn verify(&self, scheme: Scheme, signed: &Signed<'_>, signature: &[u8]) -> Outcome {
        verify_first(self.kind, self.prepared.as_ref().map_err(Clone::clone), signed, signature, &[scheme])
    }
}

/// A key that the crates have taken.
enum Prepared {
    Ec(&'static ecdsa::Arithmetic, Vec<u8>, Kept),
    Rsa(rsa::Key),
    /// With the parameters that it allows, if it does not allow all.
    RsaPss(rsa::Key, Option<Scheme>),
    Ed25519(ed25519_dalek::VerifyingKey),
    Dsa(dsa::Key),
}

/// Does this key's signature over these bytes, made in this way, read like this?
///
/// ECDSA signatures are taken in every encoding of [`crate::format::signature`], with s in
/// either half. Ed25519 is strict (`verify_strict`): points of small order, which verify
/// over anything, are refused.
pub fn verify(key: &PublicKey, scheme: Scheme, signed: &Signed<'_>, signature: &[u8]) -> Outcome {
    Ready::new(key).verify(scheme, signed, signature)
}

/// The same when nobody knows how it was signed: with every hash, SHA-256 first, and with the
/// message itself in place of its digest; for RSA both paddings, and none. That it does not fit in
/// any of these ways does not say that the key has not made it in another one: see [`is_excluded`].
pub fn verify_any(key: &PublicKey, signed: &Signed<'_>, signature: &[u8]) -> Outcome {
    let ready = Ready::new(key);
    let ask = |signed: &Signed<'_>| {
        let prepared = ready.prepared.as_ref().map_err(Clone::clone);
        verify_first(ready.kind, prepared, signed, signature, &usual(ready.kind, signed))
    };
    let outcome = ask(signed);
    // What was given as the message may be the digest already.
    let as_digest = signed.whole_if_at_most(Hash::Sha512.length()).map(Signed::digest);
    if let (Some(digest), false) = (as_digest, matches!(outcome, Outcome::Valid(_)))
        && let Outcome::Valid(fit) = ask(&digest)
    {
        return Outcome::Valid(fit);
    }
    match outcome {
        // What does not have the length of its signatures is none of them.
        Outcome::NotDecidable(_) if !has_length_of(key, signature) => Outcome::Invalid,
        outcome => outcome,
    }
}

/// Is it impossible that this key made this signature, over whatever, in whatever way: by its length, or
/// because its numbers are none that the key gives?
#[must_use]
pub fn is_excluded(key: &PublicKey, signature: &[u8]) -> bool {
    let named = key.named();
    let plain = key.rsa_pss().map(|(plain, _)| plain);
    match plain.as_ref().or(named.as_ref()).unwrap_or(key) {
        PublicKey::Rsa { modulus, .. } => {
            let modulus = curve::significant(modulus);
            signature.len() != modulus.len() || signature >= modulus
        }
        key => match key.kind() {
            Kind::Agreement => true,
            Kind::Ec | Kind::Ed25519 | Kind::Ed448 => !has_length_of(key, signature),
            Kind::Dsa => readings(signature, 20).is_empty() && !matches!(signature.len(), 40 | 56 | 64),
            Kind::Rsa | Kind::RsaPss | Kind::Unknown => false,
        },
    }
}

/// An RSA signature as long as the modulus, if it was written as a number: with more zeros before it, or with fewer.
#[must_use]
pub fn at_length(key: &PublicKey, signature: &[u8]) -> Option<(Vec<u8>, Flaw)> {
    let named = key.named();
    let plain = key.rsa_pss().map(|(plain, _)| plain);
    let PublicKey::Rsa { modulus, .. } = plain.as_ref().or(named.as_ref()).unwrap_or(key) else {
        return None;
    };
    let (length, number) = (curve::significant(modulus).len(), curve::significant(signature));
    let flaw = match signature.len().cmp(&length) {
        Ordering::Less => Flaw::ZerosLeftOut,
        Ordering::Equal => return None,
        Ordering::Greater => Flaw::SuperfluousZeros,
    };
    let zeros = length.checked_sub(number.len()).filter(|zeros| *zeros <= 8)?;
    Some(([vec![0; zeros], number.to_vec()].concat(), flaw))
}

/// About how many multiplications of words a signature takes with this key beyond what one takes with
/// any usual key: what a stranger can make dear is counted before it is done.
#[must_use]
pub fn dear_work(key: &PublicKey) -> u64 {
    /// Of RSA with 4096 bits and a short exponent, four times.
    const USUAL: u64 = 1_000_000;
    let square = |bytes: usize| (bytes as u64).div_ceil(8).saturating_pow(2);
    let named = key.named();
    let plain = key.rsa_pss().map(|(plain, _)| plain);
    let whole = match plain.as_ref().or(named.as_ref()).unwrap_or(key) {
        PublicKey::Rsa { modulus, exponent } => {
            square(modulus.len()).saturating_mul(exponent.len() as u64 * 8 + 40)
        }
        PublicKey::Ec { .. } => 0,
        key => key.dsa().map_or(0, |numbers| {
            square(numbers.prime.len()).saturating_mul(numbers.order.len() as u64 * 16 + 40)
        }),
    };
    whole.saturating_sub(USUAL)
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

/// A key in one form, by which it is told from others: with the name of its curve and its whole
/// point, if we know the curve; RSA as RSA, whatever it may be used for.
#[must_use]
pub fn same_form(key: &PublicKey) -> PublicKey {
    let key = key.rsa_pss().map(|(plain, _)| plain).or_else(|| key.named()).unwrap_or_else(|| key.clone());
    match &key {
        PublicKey::Ec { curve_oid, point } if point.first() != Some(&4) => {
            curve::by_oid(curve_oid).and_then(|curve| key_on(curve, point)).unwrap_or(key)
        }
        PublicKey::Rsa { modulus, exponent } => PublicKey::rsa(modulus, exponent),
        PublicKey::Ec { .. } | PublicKey::Other(_) => key,
    }
}

/// The keys that a point without its curve can be, one for each curve it is on. An
/// uncompressed point tells its curve: by chance it is on no other. A compressed one is
/// on about half the curves of its length.
#[must_use]
pub fn keys_of_point(point: &[u8]) -> Vec<PublicKey> {
    curve::all().filter_map(|curve| key_on(curve, point)).collect()
}

fn verify_first(
    kind: Kind,
    key: Result<&Prepared, Reason>,
    signed: &Signed<'_>,
    signature: &[u8],
    schemes: &[Scheme],
) -> Outcome {
    let tried = schemes.iter().copied().filter(|scheme| signs(kind, *scheme));
    // A key of another kind did not make it, whether or not it could be computed with.
    let of_another_kind = kind != Kind::Unknown && !schemes.is_empty() && tried.clone().next().is_none();
    if of_another_kind && matches!(kind, Kind::Rsa | Kind::RsaPss) {
        // Its own number under another name.
        return match key {
            Ok(key) => key.verify(std::iter::empty(), signed, signature),
            Err(_) => Outcome::Invalid,
        };
    }
    if of_another_kind || kind == Kind::Agreement {
        return Outcome::Invalid;
    }
    match key {
        Ok(key) => key.verify(tried, signed, signature),
        Err(reason) => Outcome::NotDecidable(reason),
    }
}

/// Can a key of this kind have signed in this way?
const fn signs(kind: Kind, scheme: Scheme) -> bool {
    matches!(
        (kind, scheme),
        (Kind::Ec, Scheme::Ecdsa(_))
            | (Kind::Rsa, Scheme::Pkcs1(_) | Scheme::Pss { .. } | Scheme::RsaRaw(_))
            | (Kind::RsaPss, Scheme::Pss { .. })
            | (Kind::Ed25519, Scheme::Ed25519)
            | (Kind::Dsa, Scheme::Dsa(_))
    )
}

/// Can a key that could not be computed with have made a signature of this length?
fn has_length_of(key: &PublicKey, signature: &[u8]) -> bool {
    /// Of a curve that is not known, the bytes of the largest order.
    const MOST: usize = 128;
    match key {
        PublicKey::Rsa { modulus, .. } => curve::significant(modulus).len() == signature.len(),
        PublicKey::Ec { point, .. } => {
            let field = point.len() / 2;
            let lengths = field.saturating_sub(1)..=point.len().min(MOST);
            lengths.into_iter().any(|order| !readings(signature, order).is_empty())
        }
        PublicKey::Other(_) if key.kind() == Kind::Ed448 => signature.len() == 114,
        PublicKey::Other(_) if key.kind() == Kind::Ed25519 => signature.len() == 64,
        PublicKey::Other(_) => true,
    }
}

/// The ways that keys of this kind sign in, the likeliest first.
fn usual(kind: Kind, signed: &Signed<'_>) -> Vec<Scheme> {
    let hashes = signed.hashes();
    let each = |scheme: fn(Hash) -> Scheme| hashes.iter().copied().map(scheme);
    let pss = || {
        // With the same hash in the mask most often.
        let others = hashes.iter().flat_map(|&hash| Hash::ALL.map(|mask| (hash, mask)));
        let pairs = hashes.iter().map(|&hash| (hash, hash)).chain(others.filter(|(hash, mask)| hash != mask));
        pairs.map(|(hash, mask)| Scheme::Pss { hash, mask, salt: None })
    };
    match kind {
        // Of a digest it does not matter which hash it is by: the usual one of its length is named.
        Kind::Ec if !signed.is_message() => vec![Scheme::Ecdsa(hashes.first().copied())],
        Kind::Dsa if !signed.is_message() => vec![Scheme::Dsa(hashes.first().copied())],
        // ECDSA looks at the first bytes only. A longer message was not meant.
        Kind::Ec => {
            let itself = signed.is_at_most(Hash::Sha512.length());
            let itself = itself.then_some(Scheme::Ecdsa(None));
            each(|hash| Scheme::Ecdsa(Some(hash))).chain(itself).collect()
        }
        Kind::Dsa => {
            let itself = signed.is_at_most(Hash::Sha512.length());
            let itself = itself.then_some(Scheme::Dsa(None));
            each(|hash| Scheme::Dsa(Some(hash))).chain(itself).collect()
        }
        Kind::Rsa => {
            let handed = each(|hash| Scheme::Pkcs1(Some(hash))).chain(pss());
            // No modulus that is computed with has more bytes.
            let bare = signed.is_at_most(2_048).then_some([Scheme::Pkcs1(None), Scheme::RsaRaw(None)]);
            let bare = bare.into_iter().flatten();
            handed.chain(bare).chain(each(|hash| Scheme::RsaRaw(Some(hash)))).collect()
        }
        Kind::RsaPss => pss().collect(),
        Kind::Ed25519 => vec![Scheme::Ed25519],
        Kind::Ed448 | Kind::Agreement | Kind::Unknown => Vec::new(),
    }
}

impl Prepared {
    fn new(key: &PublicKey) -> Result<Self, Reason> {
        let named = key.named();
        match named.as_ref().unwrap_or(key) {
            PublicKey::Rsa { modulus, exponent } => Ok(Self::Rsa(rsa::key(modulus, exponent)?)),
            PublicKey::Ec { curve_oid, point } => {
                let curve = curve::by_oid(curve_oid).ok_or(Reason::UnknownCurve)?;
                let arithmetic = ecdsa::on(curve).ok_or(Reason::UnknownCurve)?;
                let point = (arithmetic.point)(point).ok_or(Reason::BadKey)?;
                Ok(Self::Ec(arithmetic, point, Kept::default()))
            }
            PublicKey::Other(_) => Self::other(key),
        }
    }

    fn other(key: &PublicKey) -> Result<Self, Reason> {
        match key.kind() {
            Kind::Ed25519 => {
                let bytes = key.ed25519().ok_or(Reason::BadKey)?;
                let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| Reason::BadKey)?;
                Ok(Self::Ed25519(key))
            }
            Kind::RsaPss => {
                let (plain, parameters) = key.rsa_pss().ok_or(Reason::BadKey)?;
                let PublicKey::Rsa { modulus, exponent } = plain else { return Err(Reason::BadKey) };
                let allowed = algorithm::pss_allowed(parameters)?;
                Ok(Self::RsaPss(rsa::key(&modulus, &exponent)?, allowed))
            }
            Kind::Dsa if key.inherits_parameters() => Err(Reason::InheritedParameters),
            Kind::Dsa => Ok(Self::Dsa(dsa::key(&key.dsa().ok_or(Reason::BadKey)?)?)),
            Kind::Ec => Err(Reason::UnknownCurve),
            Kind::Rsa => Err(Reason::BadKey),
            Kind::Ed448 => Err(Reason::NotComputed("Ed448")),
            Kind::Agreement | Kind::Unknown => Err(Reason::UnknownKey),
        }
    }

    /// The first of the schemes that fits, and how the signature is written; else why one of them
    /// could not be decided.
    fn verify(
        &self,
        schemes: impl Iterator<Item = Scheme>,
        signed: &Signed<'_>,
        signature: &[u8],
    ) -> Outcome {
        let block = match self {
            Self::Rsa(key) | Self::RsaPss(key, _) => key.raise(signature),
            _ => None,
        };
        let mut undecided = None;
        // Is it told that it is RSA-PSS; is nothing told?
        let (mut is_salted, mut is_open) = (false, false);
        for scheme in schemes {
            is_salted |= matches!(scheme, Scheme::Pss { .. });
            is_open |= matches!(scheme, Scheme::RsaRaw(_));
            match self.fits(scheme, signed, signature, block.as_deref()) {
                Ok(Some(encoding)) => return Outcome::Valid(Fit { scheme, encoding }),
                Ok(None) => {}
                Err(reason) => undecided = Some(reason),
            }
        }
        match (self, block) {
            (Self::Rsa(key) | Self::RsaPss(key, _), Some(block)) => {
                match (rsa::opened(key, &block, signed), undecided) {
                    (_, Some(reason)) => Outcome::NotDecidable(reason),
                    (Some(opened), None) => Outcome::Otherwise(opened),
                    (None, None) if is_salted && rsa::ends_like_pss(key, &block) => {
                        Outcome::NotDecidable(Reason::OtherPadding("RSA-PSS with another hash"))
                    }
                    (None, None) if is_open => rsa::other_padding(key, &block)
                        .map_or(Outcome::Invalid, |name| Outcome::NotDecidable(Reason::OtherPadding(name))),
                    (None, None) => Outcome::Invalid,
                }
            }
            _ => undecided.map_or(Outcome::Invalid, Outcome::NotDecidable),
        }
    }

    /// How the signature is written, if it fits. `block`: what an RSA signature opens to.
    fn fits(
        &self,
        scheme: Scheme,
        signed: &Signed<'_>,
        signature: &[u8],
        block: Option<&[u8]>,
    ) -> Result<Option<Encoding>, Reason> {
        let plain = |fits: bool| Ok(fits.then_some(Encoding::Plain));
        match (self, scheme) {
            (Self::Ec(arithmetic, point, kept), Scheme::Ecdsa(hash)) => {
                let digest = ecdsa::leftmost(signed.digest_by(hash), arithmetic.curve);
                let quick = kept.quick(|| (arithmetic.quick)(point));
                let fits = |reading: &Reading<'_>| {
                    let numbers = Numbers { digest: &digest, r: reading.r, s: reading.s };
                    quick.is_some_and(|quick| quick(&numbers)) || (arithmetic.verify)(point, &numbers)
                };
                let order = arithmetic.curve.order.len();
                Ok(readings(signature, order).into_iter().find(fits).map(|reading| reading.encoding))
            }
            (Self::Dsa(key), Scheme::Dsa(hash)) => {
                let digest = signed.digest_by(hash);
                let fits = |reading: &Reading<'_>| key.verify(digest, reading);
                Ok(readings(signature, key.length()).into_iter().find(fits).map(|reading| reading.encoding))
            }
            (Self::Rsa(_), Scheme::Pkcs1(None)) => {
                let content = block.and_then(rsa::unpadded);
                plain(content.is_some_and(|content| content == signed.digest_by(None)))
            }
            (Self::Rsa(_), Scheme::RsaRaw(hash)) => {
                plain(block.is_some_and(|block| rsa::raw(block, signed.digest_by(hash))))
            }
            (Self::Rsa(_), Scheme::Pkcs1(Some(hash))) => {
                plain(block.is_some_and(|block| rsa::pkcs1(block, hash, || signed.digest_by(Some(hash)))))
            }
            (Self::Rsa(key) | Self::RsaPss(key, _), Scheme::Pss { hash, mask, salt }) => {
                let pss = rsa::Pss { hash, mask, salt };
                let digest = || signed.digest_by(Some(hash));
                let salt = block.and_then(|block| rsa::pss(key, block, pss, digest));
                match (self, salt) {
                    (Self::RsaPss(_, Some(allowed)), Some(salt)) if !allows(*allowed, hash, mask, salt) => {
                        Err(Reason::PssForbidden)
                    }
                    (_, salt) => plain(salt.is_some()),
                }
            }
            (Self::Ed25519(key), Scheme::Ed25519) if signature.len() == 64 => {
                let message = signed.whole().map_err(|why| match why {
                    NotWhole::Digest => Reason::MessageNeeded,
                    NotWhole::TooLarge => Reason::MessageTooLarge,
                })?;
                let signature = ed25519_dalek::Signature::from_slice(signature);
                plain(signature.is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()))
            }
            _ => Ok(None),
        }
    }
}

/// Does a key that allows these parameters allow a signature with those? The salt it names is
/// the shortest (RFC 8017, A.2.3).
fn allows(allowed: Scheme, own_hash: Hash, own_mask: Hash, own_salt: usize) -> bool {
    match allowed {
        Scheme::Pss { hash, mask, salt } => {
            (hash, mask) == (own_hash, own_mask) && salt.is_none_or(|least| own_salt >= least)
        }
        _ => true,
    }
}
