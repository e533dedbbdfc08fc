//! What a fresh signature of a key proves: which of all the public keys that pass for its own it fits.
//!
//! Three sources name a public key for one private key: the card's public object, certificates
//! on the card, and what OpenSC shows from its cache. Which of them the signature fits decides
//! what is wrong ([`Conclusion`]); bytes alone can only say that they differ.

use serde::Serialize;

use crate::card::apdu::StatusWord;
use crate::case::cache_view::CacheView;
use crate::case::token::Case;
use crate::crypto::{self, Hash, Outcome, Reason, Signed, same_form};
use crate::format::curve;
use crate::format::key::PublicKey;
use crate::snapshot::{Scheme, Trial, TrialOutcome};
use crate::text::{escape, hex};
use crate::view::{Class, KeyInPlace, Object};

/// What is wrong, if anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
    /// Of what is named for it something could not be computed here, and the rest does not settle it.
    NotDecided,
}

/// What came of one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Proof {
    /// Serial of the token.
    pub token: String,
    /// Key reference.
    pub reference: u8,
    /// Label on the card. Escaped.
    pub label: String,
    /// ID on the card, hex.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Hex"))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Tried {
    /// Who names it.
    pub source: Source,
    /// The programs that show it, for the cache.
    pub program: Vec<String>,
    /// The ID under which it is shown, hex.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Hex"))]
    pub id: String,
    /// Key type with curve or size.
    pub key: String,
    /// SHA-256 of the SubjectPublicKeyInfo.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Sha256"))]
    pub public_key: String,
    /// Does the signature fit it? Not so also where it could not be decided.
    pub fits: bool,
    /// Could it not be decided?
    #[serde(skip_serializing_if = "is_false")]
    pub undecided: bool,
    /// Shown by OpenSC: does the card name the same in the same place?
    #[serde(skip)]
    pub is_as_on_card: bool,
}

const fn is_false(value: &bool) -> bool {
    !*value
}

impl Tried {
    /// Does it fit? `None` if that could not be decided.
    #[must_use]
    pub const fn answer(&self) -> Option<bool> {
        if self.undecided { None } else { Some(self.fits) }
    }
}

/// Who names a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Candidate {
    /// The ID that OpenSC would give it, hex.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Hex"))]
    pub id: String,
    /// Key type with curve.
    pub key: String,
    /// SHA-256 of the SubjectPublicKeyInfo.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Sha256"))]
    pub public_key: String,
}

impl Candidate {
    /// How people find it.
    #[must_use]
    pub fn of(key: &PublicKey) -> Self {
        let key = same_form(key);
        Self { id: hex(&key.intrinsic_id()), key: key.describe(), public_key: hex(&key.fingerprint()) }
    }
}

/// What the signatures of a token prove.
#[must_use]
pub fn proofs(case: &Case<'_>) -> Vec<Proof> {
    case.card.trials.iter().filter_map(|trial| proof(case, trial)).collect()
}

/// Adds what another user's programs take for the keys of the same signatures.
pub fn beside(proofs: &mut [Proof], more: Vec<Proof>, user: &str) {
    for other in more {
        let same = |own: &&mut Proof| {
            (&own.token, own.reference, &own.id) == (&other.token, other.reference, &other.id)
        };
        let Some(own) = proofs.iter_mut().find(same) else { continue };
        let theirs = other.tried.into_iter().filter(|one| one.source == Source::OpenSc);
        own.tried.extend(theirs.map(|mut one| {
            one.program.iter_mut().for_each(|program| *program = format!("{program} of user {user}"));
            one
        }));
        if own.conclusion != Conclusion::NotSigned {
            own.conclusion = conclude(&own.tried);
        }
        if own.tried.iter().any(|one| one.fits || one.undecided) {
            own.candidates.clear();
        }
    }
}

/// What one signature proves.
#[must_use]
pub fn proof(case: &Case<'_>, trial: &Trial) -> Option<Proof> {
    let key = private_key(case, trial)?;
    let mut tried = Vec::new();
    if let TrialOutcome::Signed(signature) = &trial.outcome {
        let mut hold = |source, program: &[String], object: &Object| {
            if let Some(public) = object.public_key() {
                let fits = fits(public, trial, signature.as_slice());
                let one = Tried {
                    source,
                    program: program.to_vec(),
                    id: hex(&object.id),
                    key: public.describe(),
                    public_key: hex(&same_form(public).fingerprint()),
                    fits: fits == Some(true),
                    undecided: fits.is_none(),
                    is_as_on_card: source == Source::OpenSc && is_on_card(case, object),
                };
                // A public key that is shown, and the certificate that it was taken from.
                let same = |known: &&mut Tried| {
                    Tried { is_as_on_card: one.is_as_on_card, ..(**known).clone() } == one
                };
                match tried.iter_mut().find(same) {
                    Some(known) => known.is_as_on_card &= one.is_as_on_card,
                    None => tried.push(one),
                }
            }
        };
        for object in named_by_card(case, key) {
            hold(if is_certificate(object) { Source::Certificate } else { Source::Card }, &[], object);
        }
        for cache_view in case.cache_views.iter().filter(|cache_view| cache_view.in_use()) {
            for object in shown_for(cache_view, key) {
                hold(Source::OpenSc, &cache_view.listers(object), object);
            }
        }
    }
    let conclusion = match &trial.outcome {
        TrialOutcome::Signed(_) => conclude(&tried),
        TrialOutcome::Refused(_) | TrialOutcome::Skipped(_) => Conclusion::NotSigned,
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

/// The public half of a private key as the card itself tells it, beside its files.
#[must_use]
pub fn told_by_card(case: &Case<'_>, key: &Object) -> Option<PublicKey> {
    match case.layout.key_in(case.card, key.ef) {
        KeyInPlace::Told(facts) => facts.public,
        KeyInPlace::Untold | KeyInPlace::None => None,
    }
}

/// The private key that a trial was made with.
#[must_use]
pub fn private_key<'a>(case: &'a Case<'_>, trial: &Trial) -> Option<&'a Object> {
    case.live.private_keys().find(|key| is_of(trial, key))
}

/// The trial that was made with a private key.
#[must_use]
pub fn trial_of<'a>(case: &'a Case<'_>, key: &Object) -> Option<&'a Trial> {
    case.card.trials.iter().find(|trial| is_of(trial, key))
}

/// By its file, on cards with files, and its reference: all keys of an application may be in one place (IsoApplet).
fn is_of(trial: &Trial, key: &Object) -> bool {
    match key.class {
        Class::PrivateKey { reference: Some(reference), path, .. } => {
            reference == trial.key && (trial.path.is_none() || trial.path == path)
        }
        Class::PrivateKey { reference: None, path, .. } => trial.path.is_some() && trial.path == path,
        _ => false,
    }
}

/// What on the card names a public key for this private key: its own public part, and
/// certificates with its ID.
pub fn named_by_card<'a>(case: &'a Case<'_>, key: &'a Object) -> impl Iterator<Item = &'a Object> {
    case.live.named_for(key)
}

/// What a program shows as public of the private key in this place. A stale description may call the
/// same key by another ID: then it is its file that tells.
pub fn shown_for<'a>(cache_view: &'a CacheView<'_>, key: &'a Object) -> impl Iterator<Item = &'a Object> {
    let place = |key: &Object| match key.class {
        Class::PrivateKey { path, reference, .. } => path.map(|path| (path, reference)),
        _ => None,
    };
    let own = place(key);
    let renamed = move |other: &&Object| own.is_some() && place(other) == own && other.id != key.id;
    let renamed = cache_view
        .shown
        .private_keys()
        .filter(renamed)
        .flat_map(|other| cache_view.shown.public_parts(other));
    cache_view.shown.public_parts(key).chain(renamed)
}

/// Does the card name the same public key in the place of this object that is shown?
#[must_use]
pub fn is_on_card(case: &Case<'_>, shown: &Object) -> bool {
    let live = case.live.at(&shown.place()).and_then(Object::public_key);
    live.is_some() && live == shown.public_key()
}

/// Is it a certificate, not a bare public key?
#[must_use]
pub const fn is_certificate(object: &Object) -> bool {
    matches!(object.class, Class::Certificate { .. })
}

/// Does a key's public half fit what the private one made of the challenge? `None` if it cannot be
/// computed here. A damaged key fits nothing: no program can use it.
#[must_use]
pub fn fits(key: &PublicKey, trial: &Trial, signature: &[u8]) -> Option<bool> {
    let challenge = trial.challenge.as_slice();
    let (scheme, signed) = match trial.scheme {
        Scheme::Ecdsa => (crypto::Scheme::Ecdsa(None), Signed::digest(challenge)),
        Scheme::RsaPkcs1Sha256 => (crypto::Scheme::Pkcs1(Some(Hash::Sha256)), Signed::message(challenge)),
        Scheme::Ed25519 => (crypto::Scheme::Ed25519, Signed::message(challenge)),
        Scheme::Ecdh => return Some(crypto::agrees(key, challenge, signature)),
        Scheme::X25519 => return Some(crypto::agrees_25519(key, challenge, signature)),
        Scheme::RsaDecipher => return Some(crypto::is_deciphered(key, challenge, signature)),
    };
    match crypto::verify(key, scheme, &signed, signature) {
        Outcome::Valid(_) => Some(true),
        Outcome::Invalid | Outcome::Otherwise(_) | Outcome::NotDecidable(Reason::BadKey) => Some(false),
        Outcome::NotDecidable(_) => None,
    }
}

/// The verdict of all who were asked.
fn conclude(tried: &[Tried]) -> Conclusion {
    // What OpenSC shows as it is on the card, it is not to blame for.
    let of_card = |one: &Tried| one.is_as_on_card && one.answer() == Some(false);
    let all = |source: Source| -> Option<bool> {
        let of_source = tried.iter().filter(|one| one.source == source && !of_card(one));
        let mut answers = of_source.filter_map(Tried::answer).peekable();
        answers.peek()?;
        Some(answers.all(|fits| fits))
    };
    let conclusion = match (all(Source::Card), all(Source::OpenSc), all(Source::Certificate)) {
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
    };
    // These speak of every key that is named.
    let of_all = matches!(conclusion, Conclusion::Sound | Conclusion::NothingFits | Conclusion::NoPublicKey);
    if of_all && tried.iter().any(|one| one.undecided) { Conclusion::NotDecided } else { conclusion }
}

fn candidates(trial: &Trial, key: &Object, tried: &[Tried]) -> Vec<Candidate> {
    let (TrialOutcome::Signed(signature), Scheme::Ecdsa) = (&trial.outcome, trial.scheme) else {
        return Vec::new();
    };
    if tried.iter().any(|one| one.fits || one.undecided) {
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

/// What a private key has made, as the beginning of a sentence.
#[must_use]
pub const fn made(trial: &Trial) -> &'static str {
    match trial.scheme {
        Scheme::Ecdsa | Scheme::RsaPkcs1Sha256 | Scheme::Ed25519 => "A signature",
        Scheme::Ecdh | Scheme::X25519 => "A shared secret (ECDH)",
        Scheme::RsaDecipher => "A deciphered secret",
    }
}

fn words(trial: &Trial) -> String {
    let how = match trial.scheme {
        Scheme::Ecdsa => "ECDSA over a fresh challenge",
        Scheme::RsaPkcs1Sha256 => "RSA PKCS#1 v1.5, SHA-256, over a fresh challenge",
        Scheme::Ed25519 => "Ed25519 over a fresh challenge",
        Scheme::Ecdh | Scheme::X25519 => "no signature: it agreed on a secret with a fresh key (ECDH)",
        Scheme::RsaDecipher => "no signature: it deciphered a fresh secret (RSA PKCS#1 v1.5)",
    };
    match &trial.outcome {
        TrialOutcome::Signed(_) => how.to_owned(),
        TrialOutcome::Refused(sw) => format!("no: the card refused ({})", StatusWord(*sw)),
        TrialOutcome::Skipped(why) => format!("no: {why}"),
    }
}
