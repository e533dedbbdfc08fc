//! What a fresh signature of a key proves: which of all the public keys that pass for its own it fits.
//!
//! Three sources name a public key for one private key: the card's public object, certificates
//! on the card, and what OpenSC shows from its cache. Which of them the signature fits decides
//! what is wrong ([`Conclusion`]); bytes alone can only say that they differ.

use serde::Serialize;

use super::case::{Case, Lens, is_device_key};
use crate::crypto::{self, Hash, Outcome, Signed};
use crate::format::curve;
use crate::format::key::PublicKey;
use crate::format::pkcs15::KeyType;
use crate::snapshot::{Scheme, Trial, TrialOutcome};
use crate::text::{escape, hex, is_typed};
use crate::view::{Class, Object};

/// A private key on a card that can be asked for a signature.
#[derive(Debug, Clone)]
pub struct Signer {
    /// Key reference.
    pub reference: u8,
    /// How it signs.
    pub scheme: Scheme,
    /// Bytes of a challenge that fits it.
    pub challenge: usize,
    /// Bytes of its longest signature.
    pub signature: usize,
    label: Vec<u8>,
    /// On the card, and as shown from caches: people know the latter.
    ids: Vec<Vec<u8>>,
}

/// What is wrong, if anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conclusion {
    /// Every public key that is named for it fits.
    Sound,
    /// The card is sound, the cache is not.
    StaleCache,
    /// The cache is stale, and a certificate on the card is another key's.
    StaleCacheAndWrongCertificate,
    /// A certificate on the card is another key's.
    WrongCertificate,
    /// The card's own public object is another key's.
    WrongPublicObject,
    /// No public key that anybody names for it fits.
    NothingFits,
    /// Nobody names a public key for it.
    NoPublicKey,
    /// There is no signature.
    NotSigned,
}

/// What came of one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// Serial of the token.
    pub token: String,
    /// Key reference.
    pub reference: u8,
    /// Label on the card. Escaped.
    pub label: String,
    /// ID on the card, hex.
    pub id: String,
    /// How it signed, or why it did not.
    pub signed: String,
    /// What the signature was held against.
    pub tried: Vec<Tried>,
    /// What follows.
    pub conclusion: Conclusion,
    /// If nothing fits an ECDSA signature: the keys that could have made it, normally two.
    pub candidates: Vec<Candidate>,
}

/// A public key that somebody takes for this key's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tried {
    /// Who names it.
    pub source: Source,
    /// The programs that show it, for the cache.
    pub program: Vec<String>,
    /// The ID under which it is shown, hex.
    pub id: String,
    /// Key type with curve or size.
    pub key: String,
    /// SHA-256 of the SubjectPublicKeyInfo.
    pub public_key: String,
    /// Does the signature fit it?
    pub fits: bool,
}

/// Who names a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The card's public object (on a SmartCard-HSM: the request).
    Card,
    /// A certificate on the card.
    Certificate,
    /// OpenSC, from its cache or through it.
    #[serde(rename = "opensc")]
    OpenSc,
}

/// A key that could have made a signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// The ID that OpenSC would give it, hex.
    pub id: String,
    /// Key type with curve.
    pub key: String,
    /// SHA-256 of the SubjectPublicKeyInfo.
    pub public_key: String,
}

impl Candidate {
    /// How people find it.
    #[must_use]
    pub fn of(key: &PublicKey) -> Self {
        Self { id: hex(&key.intrinsic_id()), key: key.describe(), public_key: hex(&key.fingerprint()) }
    }
}

impl Signer {
    /// Is this what somebody calls the key: an ID (in any view), the label, the reference?
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.ids.iter().any(|id| hex(id).eq_ignore_ascii_case(name))
            || is_typed(&self.label, name)
            || self.reference.to_string() == name
    }
}

/// The keys of a token that can be asked.
#[must_use]
pub fn signers(case: &Case<'_>) -> Vec<Signer> {
    case.live.private_keys().filter_map(|key| signer(case, key)).collect()
}

fn signer(case: &Case<'_>, object: &Object) -> Option<Signer> {
    let Class::PrivateKey { reference, key_type, bits, .. } = object.class else { return None };
    let reference = reference.filter(|_| !is_device_key(object))?;
    let bytes = usize::try_from(bits).unwrap_or(0).div_ceil(8);
    let (scheme, challenge, signature) = match key_type {
        KeyType::Rsa => (Scheme::RsaPkcs1Sha256, 32, bytes),
        // Two numbers, each with its sign, tag and length.
        KeyType::Ec => (Scheme::Ecdsa, bytes.clamp(1, 32), 2 * bytes + 16),
        _ => return None,
    };
    let place = object.place();
    let shown = case.lenses.iter().flat_map(|lens| lens.shown.objects.iter()).filter(|object| {
        // What is public of a key goes by an ID, too.
        object.slot == place.slot && (place.part.is_of_key() || object.part == place.part)
    });
    let mut ids: Vec<Vec<u8>> =
        std::iter::once(object).chain(shown).map(|object| object.id.clone()).collect();
    ids.retain(|id| !id.is_empty());
    ids.dedup();
    Some(Signer { reference, scheme, challenge, signature, label: object.label.clone(), ids })
}

/// What the signatures of a token prove.
#[must_use]
pub fn proofs(case: &Case<'_>) -> Vec<Proof> {
    case.card.trials.iter().filter_map(|trial| proof(case, trial)).collect()
}

/// What one signature proves.
#[must_use]
pub fn proof(case: &Case<'_>, trial: &Trial) -> Option<Proof> {
    let key = private_key(case, trial)?;
    let mut tried = Vec::new();
    if let TrialOutcome::Signed(signature) = &trial.outcome {
        let mut hold = |source, program: &[String], object: &Object| {
            if let Some(public) = object.public_key() {
                tried.push(Tried {
                    source,
                    program: program.to_vec(),
                    id: hex(&object.id),
                    key: public.describe(),
                    public_key: hex(&public.fingerprint()),
                    fits: fits(public, trial, signature.as_slice()),
                });
            }
        };
        for object in named_by_card(case, key) {
            hold(if is_certificate(object) { Source::Certificate } else { Source::Card }, &[], object);
        }
        for lens in case.lenses.iter().filter(|lens| lens.in_use()) {
            for object in shown_for(lens, key) {
                hold(Source::OpenSc, &lens.programs, object);
            }
        }
    }
    let conclusion = match &trial.outcome {
        TrialOutcome::Signed(_) => conclude(&tried),
        _ => Conclusion::NotSigned,
    };
    Some(Proof {
        token: escape(case.serial.as_bytes()),
        reference: trial.key,
        label: escape(&key.label),
        id: hex(&key.id),
        signed: words(trial),
        candidates: candidates(trial, key, &tried),
        tried,
        conclusion,
    })
}

/// The private key that a trial was made with.
#[must_use]
pub fn private_key<'a>(case: &'a Case<'_>, trial: &Trial) -> Option<&'a Object> {
    let of = |object: &&Object| matches!(object.class, Class::PrivateKey { reference, .. } if reference == Some(trial.key));
    case.live.private_keys().find(of)
}

/// What on the card names a public key for this private key: its own public part, and
/// certificates with its ID.
pub fn named_by_card<'a>(case: &'a Case<'_>, key: &'a Object) -> impl Iterator<Item = &'a Object> {
    let own = case.live.public_parts(key).map(Object::place).collect::<Vec<_>>();
    let belongs = move |object: &&Object| {
        own.contains(&object.place()) || (is_certificate(object) && !key.id.is_empty() && object.id == key.id)
    };
    case.live.objects.iter().filter(|object| object.public_key().is_some()).filter(belongs)
}

/// The public part that a program shows for the private key in this place.
pub fn shown_for<'a>(lens: &'a Lens<'_>, key: &'a Object) -> impl Iterator<Item = &'a Object> {
    lens.shown.public_parts(key)
}

/// Is it a certificate, not a bare public key?
#[must_use]
pub const fn is_certificate(object: &Object) -> bool {
    matches!(object.class, Class::Certificate { .. })
}

/// Does a key's public half fit what the card signed?
#[must_use]
pub fn fits(key: &PublicKey, trial: &Trial, signature: &[u8]) -> bool {
    let challenge = trial.challenge.as_slice();
    let (scheme, signed) = match trial.scheme {
        Scheme::Ecdsa => (crypto::Scheme::Ecdsa(None), Signed::digest(challenge)),
        Scheme::RsaPkcs1Sha256 => (crypto::Scheme::Pkcs1(Some(Hash::Sha256)), Signed::message(challenge)),
    };
    matches!(crypto::verify(key, scheme, &signed, signature), Outcome::Valid(_))
}

/// The verdict of all who were asked.
fn conclude(tried: &[Tried]) -> Conclusion {
    let all = |source: Source| -> Option<bool> {
        let mut answers = tried.iter().filter(|one| one.source == source).map(|one| one.fits).peekable();
        answers.peek()?;
        Some(answers.all(|fits| fits))
    };
    match (all(Source::Card), all(Source::OpenSc), all(Source::Certificate)) {
        (None, None, None) => Conclusion::NoPublicKey,
        (Some(true), Some(false), Some(false)) => Conclusion::StaleCacheAndWrongCertificate,
        (Some(true), Some(false), _) | (None, Some(false), Some(true)) => Conclusion::StaleCache,
        // On a card without public objects the certificate is all there is.
        (Some(true) | None, _, Some(false)) => Conclusion::WrongCertificate,
        (Some(true), ..) | (None, _, Some(true)) | (None, Some(true), None) => Conclusion::Sound,
        (Some(false), opensc, certificate) if opensc == Some(true) || certificate == Some(true) => {
            Conclusion::WrongPublicObject
        }
        _ => Conclusion::NothingFits,
    }
}

fn candidates(trial: &Trial, key: &Object, tried: &[Tried]) -> Vec<Candidate> {
    let (TrialOutcome::Signed(signature), Scheme::Ecdsa) = (&trial.outcome, trial.scheme) else {
        return Vec::new();
    };
    if tried.iter().any(|one| one.fits) {
        return Vec::new();
    }
    let Class::PrivateKey { bits, .. } = key.class else { return Vec::new() };
    // Whoever is named for it is on the right curve, most likely; else all curves of that size.
    let bits = usize::try_from(bits).unwrap_or(0);
    let named: Vec<_> =
        curve::all().filter(|curve| tried.iter().any(|one| one.key.ends_with(curve.name))).collect();
    let curves = if named.is_empty() {
        curve::all().filter(|curve| curve.bits.next_multiple_of(8) == bits.next_multiple_of(8)).collect()
    } else {
        named
    };
    let digest = trial.challenge.as_slice();
    let keys = curves.into_iter().flat_map(|curve| crypto::recover(curve, digest, signature.as_slice()));
    keys.map(|key| Candidate::of(&key)).collect()
}

fn words(trial: &Trial) -> String {
    let how = match trial.scheme {
        Scheme::Ecdsa => "ECDSA over a fresh challenge",
        Scheme::RsaPkcs1Sha256 => "RSA PKCS#1 v1.5, SHA-256, over a fresh challenge",
    };
    match &trial.outcome {
        TrialOutcome::Signed(_) => how.to_owned(),
        TrialOutcome::Refused(sw) => format!("no: the card refused ({sw:04X})"),
        TrialOutcome::Skipped(why) => format!("no: {why}"),
    }
}
