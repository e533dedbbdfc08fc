//! Who made a signature, as it is told: a bare one ([`bare_signature`](super::bare_signature)), or one on something that
//! says whose signature it is to be, which comes to a [`Verdict`].

use serde::Serialize;

use crate::case::known_keys::Place;
use crate::case::proofs::Candidate;
use crate::crypto::{Fit, Hash, Scheme};
use crate::format::key::PublicKey;
use crate::format::signature::Encoding;
use crate::text::hex;

/// Who made a signature.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Attribution {
    /// What came of it; not of a bare signature, which names no key.
    pub verdict: Option<Verdict>,
    /// Subject of the certificate or request, if it is one. Escaped.
    pub subject: Option<String>,
    /// The key that a certificate or request names, if it is one.
    pub names: Option<Attributed>,
    /// The key of the issuer that a certificate names, if it is known and another key signed it.
    pub issuer_key: Option<Attributed>,
    /// The key whose signature it is.
    pub made_by: Option<Attributed>,
    /// How it was signed: "ECDSA, SHA-256, DER".
    pub how: Option<String>,
    /// If no known key made it: the keys that could have.
    pub candidates: Vec<MatchedCandidate>,
    /// Said of the candidates: under which assumption they are.
    pub assumed: Option<String>,
    /// Was it made by a key on a card or one that was named, and as it should be?
    pub good: bool,
    /// The issuer that would have to be asked. Escaped.
    pub issuer: Option<String>,
    /// What could not be checked, and why: with it, that nobody made it is not decided.
    pub undecided: Vec<String>,
    /// How names and keys of a certificate go together where that is not the usual way.
    pub note: Option<String>,
    /// Is it decided of a bare signature that none of the keys that the user named made it, whatever it is over?
    #[serde(skip)]
    pub not_by_named: bool,
    /// Did the key in `made_by` make it over other bytes, or in another way than it should?
    #[serde(skip)]
    pub is_invalid: bool,
}

/// What came of a signature that says whose it is, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Made by the key that it names.
    Sound,
    /// Whoever should have made it is not known here.
    IssuerNotKnown,
    /// It cannot be told, or not here.
    NotDecided,
    /// Made by a key of its issuer, but not by the one whose identifier it carries.
    SoundUnderAnotherCertificate,
    /// Made by the key that it names, but not over these bytes.
    Invalid,
    /// Made by another key than it names; or, where no other key is told as the maker, over other bytes.
    MadeByAnotherKey,
}

impl Verdict {
    /// Is it to be made again?
    #[must_use]
    pub const fn is_bad(self) -> bool {
        match self {
            Self::Sound | Self::IssuerNotKnown | Self::NotDecided => false,
            Self::SoundUnderAnotherCertificate | Self::Invalid | Self::MadeByAnotherKey => true,
        }
    }
}

impl Attribution {
    /// One of these keys made it, if it was made on one of their curves, and over what was given.
    pub(crate) fn candidates(&mut self, keys: Vec<MatchedCandidate>, curves: &[&str]) {
        self.candidates = keys;
        self.assumed =
            Some(format!("if it was made on {}, and over exactly what is given here", curves.join(" or ")));
    }

    /// Is something missing for an answer: a computation, or whoever issued it?
    #[must_use]
    pub const fn is_open(&self) -> bool {
        !self.good && !self.is_invalid && (self.issuer.is_some() || !self.undecided.is_empty())
    }
}

/// A key and everything that is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Attributed {
    /// Key type with curve or size.
    pub key: String,
    /// SHA-256 of the SubjectPublicKeyInfo.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Sha256"))]
    pub public_key: String,
    /// The ID that OpenSC would give it, hex.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Hex"))]
    pub id: String,
    /// Where it is known from; empty: nowhere here.
    pub places: Vec<Place>,
}

/// A key with the places that it is known from.
#[must_use]
pub fn attributed(key: &PublicKey, places: &[Place]) -> Attributed {
    Attributed {
        key: key.describe(),
        public_key: hex(&key.fingerprint()),
        id: hex(&key.intrinsic_id()),
        places: places.to_vec(),
    }
}

/// A key that could have made a signature, and whose ID it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MatchedCandidate {
    /// The key.
    #[serde(flatten)]
    pub key: Candidate,
    /// The hash with which it would have been made.
    pub hash: Option<&'static str>,
    /// Where a private key with this ID is known.
    pub known_id: Option<String>,
}

impl MatchedCandidate {
    /// `ids`: the IDs of private keys that are known, and where.
    pub(crate) fn new(key: &PublicKey, hash: Option<Hash>, ids: &[(String, String)]) -> Self {
        let key = Candidate::of(key);
        let known_id = ids.iter().find(|(id, _)| *id == key.id).map(|(_, place)| place.clone());
        Self { key, hash: hash.map(Hash::name), known_id }
    }
}

/// How it was signed, and what is wrong with the way it is written. A digest in hand does not tell
/// its hash, and ECDSA and DSA do not either.
pub(crate) fn how(fit: &Fit, is_message: bool) -> String {
    let scheme = match fit.scheme {
        Scheme::Ecdsa(_) if !is_message => "ECDSA over the digest given".to_owned(),
        Scheme::Dsa(_) if !is_message => "DSA over the digest given".to_owned(),
        scheme => scheme.to_string(),
    };
    match &fit.encoding {
        Encoding::Plain | Encoding::Der => scheme,
        loose @ Encoding::Loose(_) => {
            format!("{scheme}, {loose}, which OpenSSL and others refuse")
        }
    }
}
