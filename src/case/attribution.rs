//! Which key made a signature, a certificate or a request, of all that a snapshot knows and a user named.
//!
//! An answer in the negative is given only of keys that were decided: what could not be computed is
//! named ([`Attribution::undecided`]), and is neither yes nor no. A certificate or request says itself
//! how it is signed, so nothing else is tried. Whether a certificate claims to be self-signed
//! is read as RFC 5280 has it (3.2, 4.2.1.1): issued under its own name is not yet signed by its own key.
//!
//! That a key did not make a signature over these bytes in the ways that are computed here is not yet
//! that another one made it: the bytes may be others, or the hash. An RSA signature tells, because it
//! opens to a block under its own key; ECDSA and DSA do not, so there another key has to be found.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use serde::Serialize;
use sha1::{Digest, Sha1};

use crate::case::known_keys::{KnownKey, Place, PlaceKind, known_ids, known_keys};
use crate::case::proofs::Candidate;
use crate::case::tokens::Tokens;
use crate::crypto::{
    self, Fit, Hash, Maker, Opened, Outcome, Reason, Scheme, Signed, maker, same_form, x509 as signatures,
};
use crate::format::curve::{self, Curve, significant};
use crate::format::key::PublicKey;
use crate::format::signature::{Encoding, readings};
use crate::format::x509::{self, Certificate};
use crate::text::{escape, hex};

/// Who made a signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Attribution {
    /// Subject of the certificate or request, if it is one. Escaped.
    pub subject: Option<String>,
    /// The key that a certificate or request names, if it is one.
    pub names: Option<Attributed>,
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
    /// Is it decided that it was not made by the key it names, and does it claim that it was?
    #[serde(skip)]
    pub contradicted: bool,
    /// Is it decided that none of the keys that the user named made it, whatever it is over?
    #[serde(skip)]
    pub not_by_named: bool,
    /// Did the key in `made_by` make it over other bytes, or in another way than it should?
    #[serde(skip)]
    pub is_invalid: bool,
}

impl Attribution {
    /// Nothing yet.
    pub(crate) const fn new(undecided: Vec<String>) -> Self {
        Self {
            subject: None,
            names: None,
            made_by: None,
            how: None,
            candidates: Vec::new(),
            assumed: None,
            good: false,
            issuer: None,
            undecided,
            note: None,
            contradicted: false,
            not_by_named: false,
            is_invalid: false,
        }
    }

    /// One of these keys made it, if the signer is on the curve of the key that it names.
    pub(crate) fn candidate_keys(&mut self, keys: &[PublicKey]) {
        self.candidates = keys.iter().map(|key| MatchedCandidate::new(key, None, &[])).collect();
        self.assumed = Some("if the signer is on the same curve".to_owned());
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
    fn new(key: &PublicKey, hash: Option<Hash>, ids: &[(String, String)]) -> Self {
        let key = Candidate::of(key);
        let known_id = ids.iter().find(|(id, _)| *id == key.id).map(|(_, place)| place.clone());
        Self { key, hash: hash.map(Hash::name), known_id }
    }
}

/// Who made the signature over these bytes?
#[must_use]
pub fn of_signature(
    tokens: &Tokens<'_>,
    given: &[(String, PublicKey)],
    signed: &Signed<'_>,
    signature: &[u8],
) -> Attribution {
    let known = known_keys(tokens, given);
    // What the user named first, then cards, then caches.
    let mut order: Vec<&KnownKey> = known.iter().collect();
    order.sort_by_key(|known| (!is_given(known), !known.is_live_or_given()));
    let found = maker(order, |known| crypto::verify_any(&known.as_found, signed, signature));
    let open = match &found {
        Maker::Undecided(open) => open.as_slice(),
        Maker::MadeBy(..) | Maker::Otherwise(..) | Maker::NotBy => &[],
    };
    let mut attribution = Attribution::new(open.iter().map(|(known, why)| not_checked(known, why)).collect());
    match found {
        Maker::MadeBy(known, fit) => {
            attribution.made_by = Some(attributed(&known.key, &known.places));
            let as_message = crypto::verify(&known.as_found, fit.scheme, signed, signature);
            let is_digest = signed.is_message() && !matches!(as_message, Outcome::Valid(_));
            let taken = if is_digest { ", the file taken as the digest itself" } else { "" };
            attribution.how = Some(format!("{}{taken}", how(&fit, signed.is_message())));
            attribution.good = known.is_live_or_given();
        }
        Maker::Otherwise(known, opened) => {
            attribution.made_by = Some(attributed(&known.key, &known.places));
            attribution.how = Some(opened.to_string());
            attribution.is_invalid = true;
            attribution.note = Some(
                "That key made it, but not over these bytes in the way that is due: the bytes were changed, or they \
                 are others than those that were signed."
                    .to_owned(),
            );
        }
        Maker::NotBy | Maker::Undecided(_) => {
            let given: Vec<&KnownKey> = known.iter().filter(|known| is_given(known)).collect();
            let is_excluded = |known: &&KnownKey| crypto::is_excluded(&known.as_found, signature);
            // What has the length of a signature of the key, and numbers that it does not give.
            let is_like = |known: &&KnownKey| match same_form(&known.key) {
                PublicKey::Rsa { modulus, .. } => significant(&modulus).len() == signature.len(),
                _ => false,
            };
            attribution.not_by_named =
                !given.is_empty() && given.iter().all(|known| is_excluded(known) && is_like(known));
            let mut note: Vec<String> = given
                .iter()
                .filter(|known| is_excluded(known) && !is_like(known))
                .map(|known| {
                    let place = known.places.first().map_or("", |place| place.place.as_str());
                    let bytes = signature.len();
                    let key = known.key.describe();
                    format!("What was given ({bytes} bytes) is no signature of the key {place} ({key}), whatever it is over.")
                })
                .collect();
            if attribution.undecided.is_empty() {
                note.push(tried(&known, signed));
            }
            attribution.note = Some(note.join(" ")).filter(|note| !note.is_empty());
            recover(&mut attribution, tokens, &known, signed, signature);
        }
    }
    attribution
}

/// What was tried, and did not fit: the bytes may be others than those that were signed, or the way may be
/// one that is not computed here.
fn tried(known: &[KnownKey], signed: &Signed<'_>) -> String {
    if known.is_empty() {
        return "No public key is known here: name one with --pubkey.".to_owned();
    }
    if !signed.is_message() {
        return "Tried was the digest as it was given, with every key and padding that is computed here: another \
                digest may fit."
            .to_owned();
    }
    let hashes: Vec<&str> = Hash::ALL.iter().map(|hash| hash.name()).collect();
    format!(
        "Tried were these bytes with {}, and as they are (RSA: PKCS#1 v1.5, PSS and no padding; Ed25519 without a \
         context). Other bytes, or a hash or form that is not computed here, may fit.",
        hashes.join(", ")
    )
}

fn is_given(known: &KnownKey) -> bool {
    known.places.iter().any(|place| place.kind == PlaceKind::Given)
}

/// Why it is not decided whether this key made it.
fn not_checked(known: &KnownKey, why: &Reason) -> String {
    let place = known.places.first().map_or("", |place| place.place.as_str());
    format!("cannot be checked with the key {place} ({}): {why}", known.key.describe())
}

/// Which keys could have made it, on which curves?
fn recover(
    attribution: &mut Attribution,
    tokens: &Tokens<'_>,
    known: &[KnownKey],
    signed: &Signed<'_>,
    signature: &[u8],
) {
    let fits = |curve: &&'static Curve| {
        let length = curve.bits.div_ceil(8);
        let short = |number: &[u8]| significant(number).len() <= length;
        readings(signature, length).iter().any(|reading| short(reading.r) && short(reading.s))
    };
    let on_known = |curve: &&'static Curve| {
        known
            .iter()
            .any(|known| matches!(&known.key, PublicKey::Ec { curve_oid, .. } if curve_oid == curve.oid))
    };
    let mut curves: Vec<&'static Curve> = curve::all().filter(on_known).filter(fits).collect();
    if curves.is_empty() {
        // Of several curves of one size the first is by far the most used.
        curves.extend(curve::all().filter(fits).min_by_key(|curve| curve.bits));
    }
    let Some(bits) = curves.first().map(|curve| curve.bits) else { return };
    let ids = known_ids(tokens);
    let larger = if bits > 384 { Hash::Sha512 } else { Hash::Sha384 };
    let likely = |hash: Option<Hash>| {
        !signed.is_message() || hash == Some(Hash::Sha256) || (bits > 256 && hash == Some(larger))
    };
    let mut hashes: Vec<Option<Hash>> =
        signed.hashes().into_iter().filter(|hash| Hash::USUAL.contains(hash)).map(Some).collect();
    if hashes.is_empty() {
        hashes.push(None);
    }
    let of_hash = |hash: Option<Hash>| -> Vec<MatchedCandidate> {
        let keys = curves.iter().flat_map(|curve| crypto::recover(curve, signed.digest_by(hash), signature));
        keys.map(|key| MatchedCandidate::new(&key, hash, &ids)).collect()
    };
    let all: Vec<(Option<Hash>, Vec<MatchedCandidate>)> =
        hashes.into_iter().map(|hash| (hash, of_hash(hash))).collect();
    // A wrong hash gives nobody's keys: an ID that is known tells the right one.
    let told = all.iter().find(|(_, keys)| keys.iter().any(|key| key.known_id.is_some()));
    attribution.candidates = match told {
        Some((_, keys)) => keys.clone(),
        None => all.into_iter().filter(|(hash, _)| likely(*hash)).flat_map(|(_, keys)| keys).collect(),
    };
    let names: Vec<&str> = curves.iter().map(|curve| curve.name).collect();
    attribution.assumed = Some(format!("if it was made on {}", names.join(" or ")));
}

/// What is to be attributed: a certificate, or a request for one.
enum Artefact {
    Certificate(Box<Certificate>),
    Request(x509::Request),
}

impl Artefact {
    fn read(der: &[u8]) -> Option<Self> {
        let certificate = x509::decode(der).map(|one| Self::Certificate(Box::new(one)));
        certificate.or_else(|| Some(Self::Request(x509::decode_request(der).ok()?)))
    }

    const fn key(&self) -> &PublicKey {
        match self {
            Self::Certificate(certificate) => &certificate.key,
            Self::Request(request) => &request.key,
        }
    }

    fn subject(&self) -> &str {
        match self {
            Self::Certificate(certificate) => &certificate.subject,
            Self::Request(request) => &request.subject,
        }
    }

    /// Its relation to the key that it names.
    fn claim(&self) -> Claim {
        match self {
            Self::Request(_) => Claim::OwnKey,
            Self::Certificate(one) => claim(one),
        }
    }

    fn issuer(&self) -> Option<String> {
        let Self::Certificate(certificate) = self else { return None };
        Some(match x509::name(&certificate.raw_issuer) {
            name if !name.is_empty() => escape(name.as_bytes()),
            _ if certificate.raw_issuer.is_empty() => "(an empty name)".to_owned(),
            _ => format!("(a name that does not decode: {})", hex(&certificate.raw_issuer)),
        })
    }

    /// For a subject that is empty or does not decode.
    fn raw_subject(&self) -> String {
        match self {
            Self::Certificate(certificate) if !certificate.raw_subject.is_empty() => {
                format!("(a name that does not decode: {})", hex(&certificate.raw_subject))
            }
            _ => String::new(),
        }
    }
}

/// Who should have signed, by what a certificate or request says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The key that it names.
    OwnKey,
    /// A key of the same name, and it does not say which: its own, or an older one of a CA.
    Unsaid,
    /// A key of the same name, by what it says another one: a new key of a CA, or its key for CRLs.
    SameName,
    /// Whoever has another name.
    AnotherName,
}

/// Whose signature a certificate claims to carry, by its names and its authority key identifier.
#[must_use]
pub fn claim(certificate: &Certificate) -> Claim {
    if !x509::is_same_name(&certificate.raw_issuer, &certificate.raw_subject) {
        return Claim::AnotherName;
    }
    let authority = x509::authority(&certificate.der);
    let own = x509::subject_key_id(&certificate.der);
    let own_serial = authority.serial.map(|serial| significant(serial) == significant(&certificate.serial));
    let other_issuer =
        authority.issuer.is_some_and(|issuer| !x509::is_same_name(issuer, &certificate.raw_issuer));
    if own_serial == Some(false) || other_issuer {
        return Claim::SameName;
    }
    let is_own = match (authority.key_id, own) {
        (Some(authority), Some(own)) => authority == own,
        // The commonest identifier is the hash of the key (RFC 5280, 4.2.1.2).
        (Some(authority), None) => authority == hash_of_bits(&certificate.key),
        (None, _) if own_serial == Some(true) => true,
        (None, _) => return Claim::Unsaid,
    };
    if is_own { Claim::OwnKey } else { Claim::SameName }
}

/// SHA-1 of the bits of a public key, the commonest identifier of one (RFC 5280, 4.2.1.2).
#[must_use]
pub fn hash_of_bits(key: &PublicKey) -> Vec<u8> {
    Sha1::digest(key.bits_of_spki()).to_vec()
}

/// The key of a certificate, as that of an issuer of this name.
#[derive(Debug, Clone)]
pub struct Issuer {
    subject: Vec<u8>,
    key: PublicKey,
    key_id: Option<Vec<u8>>,
    place: Place,
}

impl Issuer {
    /// Of a certificate. `from`: of the same file, or named by the user; `place` in words.
    #[must_use]
    pub fn of(certificate: &Certificate, kind: PlaceKind, place: String) -> Self {
        let id = hex(&same_form(&certificate.key).intrinsic_id());
        Self {
            subject: certificate.raw_subject.clone(),
            key: certificate.key.clone(),
            key_id: x509::subject_key_id(&certificate.der).map(<[u8]>::to_vec),
            place: Place { kind, place, id },
        }
    }

    fn is_named_by(&self, certificate: &Certificate) -> bool {
        x509::is_same_name(&self.subject, &certificate.raw_issuer)
    }

    /// Does the certificate's authority key identifier name it? `None`: there is none.
    fn is_identified_by(&self, certificate: &Certificate) -> Option<bool> {
        let wanted = x509::authority(&certificate.der).key_id?;
        Some(self.key_id.as_deref() == Some(wanted) || hash_of_bits(&self.key) == wanted)
    }
}

/// All that the certificates and requests of one file are asked with. What a stranger's keys may cost
/// is bounded for the whole file, and what is in it twice is asked once.
pub struct OfFile<'a> {
    tokens: &'a Tokens<'a>,
    known: Vec<KnownKey>,
    issuers: Vec<Issuer>,
    /// Is it about one certificate, so that a bare key that was named is meant to be its issuer's?
    is_alone: bool,
    /// What is left of the work.
    left: Cell<u64>,
    seen: RefCell<HashMap<Vec<u8>, Attribution>>,
}

/// The work that one file may make beyond what usual keys make: a few seconds.
const MOST_WORK: u64 = 250_000_000;
/// Certificates of one name whose keys are tried, those first that the authority key identifier names.
const MOST_OF_NAME: usize = 16;

impl<'a> OfFile<'a> {
    /// Nothing asked yet. `issuers`: certificates of the file and those that the user named.
    #[must_use]
    pub fn new(
        tokens: &'a Tokens<'a>,
        given: &[(String, PublicKey)],
        issuers: Vec<Issuer>,
        is_alone: bool,
    ) -> Self {
        let known = known_keys(tokens, given);
        Self { tokens, known, issuers, is_alone, left: Cell::new(MOST_WORK), seen: RefCell::default() }
    }

    fn signed_by(&self, der: &[u8], key: &PublicKey) -> Outcome {
        let Some(left) = self.left.get().checked_sub(crypto::dear_work(key)) else {
            return Outcome::NotDecidable(Reason::TooMuchWork);
        };
        self.left.set(left);
        signatures::signed_by(der, key).unwrap_or(Outcome::NotDecidable(Reason::Damaged))
    }

    /// The keys to try: first those of the name of the issuer, then all others that are known.
    fn keys(&self, artefact: &Artefact, own: &PublicKey) -> Vec<KnownKey> {
        let mut keys: Vec<KnownKey> = Vec::new();
        if let Artefact::Certificate(certificate) = artefact {
            let of_name = self.issuers.iter().filter(|issuer| issuer.is_named_by(certificate));
            let mut of_name: Vec<&Issuer> = of_name.collect();
            of_name.sort_by_key(|issuer| issuer.is_identified_by(certificate) != Some(true));
            for issuer in of_name {
                if keys.len() == MOST_OF_NAME {
                    break;
                }
                let key = same_form(&issuer.key);
                let known = self.known.iter().find(|known| known.key == key);
                let mut known = known.cloned().unwrap_or_else(|| KnownKey {
                    key: key.clone(),
                    as_found: issuer.key.clone(),
                    places: vec![issuer.place.clone()],
                });
                // What is known as the same in several places is known from the most telling one.
                known.places.sort_by_key(|place| place.kind);
                if key != *own && !keys.iter().any(|one| one.key == key) {
                    keys.push(known);
                }
            }
        }
        let named = keys.len();
        for known in &self.known {
            if known.key != *own && !keys.iter().take(named).any(|one| one.key == known.key) {
                keys.push(known.clone());
            }
        }
        keys
    }

    /// Who signed this certificate or request? `None` if the bytes are neither.
    #[must_use]
    pub fn certificate(&self, der: &[u8]) -> Option<Attribution> {
        if let Some(seen) = self.seen.borrow().get(der) {
            return Some(seen.clone());
        }
        let attribution = self.attribute(der)?;
        self.seen.borrow_mut().insert(der.to_vec(), attribution.clone());
        Some(attribution)
    }

    fn attribute(&self, der: &[u8]) -> Option<Attribution> {
        let artefact = Artefact::read(der)?;
        let own = same_form(artefact.key());
        let keys = self.keys(&artefact, &own);
        let places = |key: &PublicKey| -> Vec<Place> {
            let of = |known: &&KnownKey| known.key == *key;
            let known = keys.iter().find(of).or_else(|| self.known.iter().find(of));
            known.map(|known| known.places.clone()).unwrap_or_default()
        };
        let by_own = self.signed_by(der, artefact.key());
        let by_others = match by_own {
            Outcome::Valid(_) => Maker::NotBy,
            _ => maker(&keys, |known| self.signed_by(der, &known.as_found)),
        };

        let mut attribution = Attribution::new(Vec::new());
        attribution.subject = Some(match escape(artefact.subject().as_bytes()) {
            empty if empty.is_empty() => artefact.raw_subject(),
            subject => subject,
        });
        attribution.names = Some(attributed(&own, &places(&own)));
        let claim = artefact.claim();
        let not_by_own = matches!(by_own, Outcome::Invalid);
        if claim == Claim::AnotherName {
            attribution.issuer = artefact.issuer();
        }
        match (by_own, by_others) {
            (Outcome::Valid(fit), _) => {
                attribution.made_by = Some(attributed(&own, &places(&own)));
                attribution.how = Some(how(&fit, true));
                attribution.good = true;
                attribution.note = (claim == Claim::AnotherName).then(|| UNDER_ANOTHER_NAME.to_owned());
            }
            (_, Maker::MadeBy(known, fit)) => {
                attribution.made_by = Some(attributed(&known.key, &known.places));
                attribution.how = Some(how(&fit, true));
                self.by_another(&mut attribution, &artefact, claim, known, not_by_own);
            }
            (Outcome::Otherwise(opened), _) => {
                attribution.made_by = Some(attributed(&own, &places(&own)));
                invalid(&mut attribution, opened, "the key that it names");
            }
            (_, Maker::Otherwise(known, opened)) => {
                attribution.made_by = Some(attributed(&known.key, &known.places));
                attribution.contradicted = claim == Claim::OwnKey && not_by_own;
                invalid(&mut attribution, opened, "this key");
            }
            (own_outcome, others) => {
                attribution.undecided = open(&own_outcome, &others, &own);
                attribution.contradicted = claim == Claim::OwnKey && not_by_own;
                if claim != Claim::OwnKey {
                    attribution.issuer = artefact.issuer();
                }
                attribution.note = match claim {
                    Claim::SameName if not_by_own => Some(SELF_ISSUED.to_owned()),
                    Claim::Unsaid if not_by_own => Some(UNSAID.to_owned()),
                    _ => None,
                };
                if let Artefact::Certificate(certificate) = &artefact {
                    attribution.not_by_named =
                        claim == Claim::AnotherName && self.is_not_by_named(certificate, &keys);
                }
                if claim != Claim::AnotherName && attribution.undecided.is_empty() {
                    candidates(&mut attribution, &own, self.tokens, der);
                }
            }
        }
        Some(attribution)
    }

    /// What it means that a known key made it that is not the one it names.
    fn by_another(
        &self,
        attribution: &mut Attribution,
        artefact: &Artefact,
        claim: Claim,
        maker: &KnownKey,
        not_by_own: bool,
    ) {
        let certificate = match artefact {
            Artefact::Certificate(certificate) if claim != Claim::OwnKey => certificate,
            _ => {
                attribution.contradicted = true;
                return;
            }
        };
        if claim == Claim::AnotherName {
            attribution.good = true;
            return;
        }
        attribution.issuer = artefact.issuer();
        let of_name = self
            .issuers
            .iter()
            .any(|issuer| issuer.is_named_by(certificate) && same_form(&issuer.key) == maker.key);
        let wanted = x509::authority(&certificate.der).key_id;
        let is_identified = wanted.is_some_and(|wanted| wanted == hash_of_bits(&maker.as_found));
        let is_stale =
            |places: &[Place]| !places.is_empty() && places.iter().all(|one| one.kind == PlaceKind::Cache);
        let own_is_stale = attribution.names.as_ref().is_some_and(|names| is_stale(&names.places));
        let is_here =
            maker.places.iter().any(|place| matches!(place.kind, PlaceKind::Card | PlaceKind::Cache));
        if of_name || is_identified {
            attribution.good = true;
            attribution.issuer = None;
            attribution.note = Some(ROLLOVER.to_owned());
        } else if own_is_stale && is_here && not_by_own {
            attribution.issuer = None;
            attribution.contradicted = true;
        } else {
            attribution.note = Some(BY_ANOTHER.to_owned());
            attribution.undecided.push(
                "whether the key that signed it is the CA's own is not decided: name the CA's certificate with --pubkey"
                    .to_owned(),
            );
        }
    }

    /// Is it decided that the key of the issuer that was named did not sign it?
    fn is_not_by_named(&self, certificate: &Certificate, keys: &[KnownKey]) -> bool {
        let is_invalid = |key: &PublicKey| matches!(self.signed_by(&certificate.der, key), Outcome::Invalid);
        let by_name = self.issuers.iter().filter(|issuer| issuer.is_named_by(certificate));
        let mut claimed = by_name.filter(|issuer| {
            issuer.is_identified_by(certificate).unwrap_or(issuer.place.kind == PlaceKind::Given)
        });
        let is_bare = |known: &&KnownKey| {
            let wanted = x509::authority(&certificate.der).key_id;
            let is_wanted = wanted.is_none_or(|wanted| hash_of_bits(&known.as_found) == wanted);
            is_given(known) && is_wanted && !self.issuers.iter().any(|one| same_form(&one.key) == known.key)
        };
        claimed.any(|issuer| is_invalid(&issuer.key))
            || self.is_alone && keys.iter().filter(is_bare).any(|known| is_invalid(&known.as_found))
    }
}

/// The key is known, and the signature does not fit.
fn invalid(attribution: &mut Attribution, opened: Opened, who: &str) {
    attribution.how = Some(opened.to_string());
    attribution.is_invalid = true;
    attribution.note = Some(format!(
        "Its signature is invalid, though {who} made it: the bytes or the algorithm are not those that were signed."
    ));
}

const SELF_ISSUED: &str = "It is self-issued, not self-signed: issuer and subject have one name, and no \
                           key that is known here made it, its own neither.";
const UNSAID: &str = "Its own key did not sign it, and it does not say whose key should have: issuer and subject \
                      have one name, as of a CA's new key that the old one certified, and as of a self-signed \
                      one that was made through a stale cache. The CA's other certificate, named with --pubkey, decides.";
const BY_ANOTHER: &str = "Issuer and subject have one name, and it is signed by another key than it names. That is \
                          as it should be if a CA has certified a new key with its old one, and wrong if it was to \
                          be self-signed: then it was made through a stale cache.";
const ROLLOVER: &str = "It is self-issued, not self-signed: issuer and subject have one name, and another key of \
                        that name has signed it, as when a CA gets a new key.";
const UNDER_ANOTHER_NAME: &str = "It names another issuer than its subject, and is signed by the key that it names: \
                                  self-signed under another name, or issued by somebody who has the same key.";

/// What keeps "nobody known made it" from being decided. What is so for the artefact is said once.
fn open(by_own: &Outcome, by_others: &Maker<&KnownKey>, own: &PublicKey) -> Vec<String> {
    let mut open = Vec::new();
    if let Outcome::NotDecidable(reason) = by_own {
        open.push(match reason {
            reason if reason.is_of_artefact() => format!("cannot be checked: {reason}"),
            reason => format!("cannot be checked with the key that it names ({}): {reason}", own.describe()),
        });
    }
    if let Maker::Undecided(others) = by_others {
        let of_key = others.iter().filter(|(_, reason)| !reason.is_of_artefact());
        open.extend(of_key.map(|(known, reason)| not_checked(known, reason)));
    }
    open
}

/// Which keys can have signed it, if it was one on the curve of the key that it names?
fn candidates(attribution: &mut Attribution, own: &PublicKey, tokens: &Tokens<'_>, der: &[u8]) {
    let PublicKey::Ec { curve_oid, .. } = own else { return };
    let Some(curve) = curve::by_oid(curve_oid) else { return };
    let ids = known_ids(tokens);
    for key in signatures::signers(der, curve).unwrap_or_default() {
        attribution.candidates.push(MatchedCandidate::new(&key, None, &ids));
    }
    attribution.assumed = Some("if the signer is on the same curve".to_owned());
}

/// How it was signed, and what is wrong with the way it is written. A digest in hand does not tell
/// its hash, and ECDSA and DSA do not either.
fn how(fit: &Fit, is_message: bool) -> String {
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
