//! Which key made a signature, a certificate or a request, of all that a snapshot knows and a user named.
//!
//! An answer in the negative is given only of keys that were decided: what could not be computed is
//! named ([`Attribution::undecided`]), and is neither yes nor no. A certificate or request says itself
//! how it is signed, so nothing else is tried. Whether a certificate claims to be self-signed
//! is read as RFC 5280 has it (3.2, 4.2.1.1): issued under its own name is not yet signed by its own key.

use serde::Serialize;
use sha1::{Digest, Sha1};

use crate::case::known_keys::{KnownKey, Place, PlaceKind, known_ids, known_keys};
use crate::case::proofs::Candidate;
use crate::crypto::{
    self, Fit, Hash, Maker, Outcome, Reason, Scheme, Signed, maker, same_form, x509 as signatures,
};
use crate::format::curve::{self, Curve, significant};
use crate::format::key::PublicKey;
use crate::format::signature::{Encoding, readings};
use crate::format::x509::{self, Certificate};
use crate::snapshot::Snapshot;
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
    /// Is it decided that none of the keys that the user named made it?
    #[serde(skip)]
    pub not_by_named: bool,
}

impl Attribution {
    /// Nothing yet.
    const fn new(undecided: Vec<String>) -> Self {
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
        }
    }

    /// Is something missing for an answer: a computation, or whoever issued it?
    #[must_use]
    pub const fn is_open(&self) -> bool {
        !self.good && (self.issuer.is_some() || !self.undecided.is_empty())
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
    snapshot: &Snapshot,
    given: &[(String, PublicKey)],
    signed: &Signed<'_>,
    signature: &[u8],
) -> Attribution {
    let known = known_keys(snapshot, given);
    // What the user named first, then cards, then caches.
    let mut order: Vec<&KnownKey> = known.iter().collect();
    order.sort_by_key(|known| (!is_given(known), !known.is_live_or_given()));
    let found = maker(order, |known| crypto::verify_any(&known.as_found, signed, signature));
    let open = match &found {
        Maker::Undecided(open) => open.as_slice(),
        Maker::MadeBy(..) | Maker::NotBy => &[],
    };
    let mut attribution = Attribution::new(open.iter().map(|(known, why)| not_checked(known, why)).collect());
    attribution.not_by_named = known.iter().any(is_given) && !open.iter().any(|(known, _)| is_given(known));
    match found {
        Maker::MadeBy(known, fit) => {
            attribution.made_by = Some(attributed(&known.key, &known.places));
            attribution.how = Some(how(&fit, signed.is_message()));
            attribution.good = known.is_live_or_given();
        }
        Maker::NotBy | Maker::Undecided(_) => {
            recover(&mut attribution, snapshot, &known, signed, signature);
        }
    }
    attribution
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
    snapshot: &Snapshot,
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
    let ids = known_ids(snapshot);
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
            Self::Certificate(one) if claims_own_key(one) => Claim::OwnKey,
            Self::Certificate(one) if is_self_issued(one) => Claim::SameName,
            Self::Certificate(_) => Claim::AnotherName,
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
}

/// Who should have signed, by what a certificate or request says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Claim {
    /// The key that it names.
    OwnKey,
    /// A key of the same name, by what it says another one: a new key of a CA, or its key for CRLs.
    SameName,
    /// Whoever has another name.
    AnotherName,
}

/// Have issuer and subject one name?
fn is_self_issued(certificate: &Certificate) -> bool {
    x509::is_same_name(&certificate.raw_issuer, &certificate.raw_subject)
}

/// Does a certificate claim to be signed by its own key? One that is issued under its own name does so
/// by an authority key identifier that is its own, or, as self-signed ones may, by none.
#[must_use]
pub fn claims_own_key(certificate: &Certificate) -> bool {
    if !is_self_issued(certificate) {
        return false;
    }
    let authority = x509::authority(&certificate.der);
    let own = x509::subject_key_id(&certificate.der);
    if authority.serial.is_some_and(|serial| significant(serial) != significant(&certificate.serial))
        || authority.issuer.is_some_and(|issuer| !x509::is_same_name(issuer, &certificate.raw_issuer))
    {
        return false;
    }
    match (authority.key_id, own) {
        (Some(authority), Some(own)) => authority == own,
        // The commonest identifier is the hash of the key (RFC 5280, 4.2.1.2).
        (Some(authority), None) => authority == hash_of_bits(&certificate.key),
        // A key that cannot sign like this is no signer.
        (None, _) => signatures::could_sign(&certificate.der, &certificate.key),
    }
}

/// SHA-1 of the bits of a public key.
fn hash_of_bits(key: &PublicKey) -> Vec<u8> {
    Sha1::digest(key.bits_of_spki()).to_vec()
}

/// Who signed this certificate or request? `None` if the bytes are neither.
#[must_use]
pub fn of_certificate(snapshot: &Snapshot, given: &[(String, PublicKey)], der: &[u8]) -> Option<Attribution> {
    let artefact = Artefact::read(der)?;
    let known = known_keys(snapshot, given);
    let own = same_form(artefact.key());
    let signed_by =
        |key: &PublicKey| signatures::signed_by(der, key).unwrap_or(Outcome::NotDecidable(Reason::Damaged));
    let places = |key: &PublicKey| {
        known.iter().find(|known| known.key == *key).map(|known| known.places.clone()).unwrap_or_default()
    };
    let by_own = signed_by(artefact.key());
    let others = known.iter().filter(|known| known.key != own);
    let by_others = maker(others, |known| signed_by(&known.as_found));

    let mut attribution = Attribution::new(Vec::new());
    attribution.subject = Some(escape(artefact.subject().as_bytes()));
    attribution.names = Some(attributed(&own, &places(&own)));
    let claim = artefact.claim();
    let (key, fit) = match (&by_own, &by_others) {
        (Outcome::Valid(fit), _) => (&own, fit),
        (_, Maker::MadeBy(known, fit)) => (&known.key, fit),
        (own_outcome, others) => {
            attribution.undecided = open(own_outcome, others, &own);
            attribution.contradicted = claim == Claim::OwnKey && matches!(own_outcome, Outcome::Invalid);
            if claim != Claim::OwnKey {
                attribution.issuer = artefact.issuer();
            }
            if claim == Claim::SameName && matches!(own_outcome, Outcome::Invalid) {
                attribution.note = Some(SELF_ISSUED.to_owned());
            }
            if claim != Claim::AnotherName && attribution.undecided.is_empty() {
                candidates(&mut attribution, &own, snapshot, der);
            }
            return Some(attribution);
        }
    };
    let made_by_own = *key == own;
    attribution.made_by = Some(attributed(key, &places(key)));
    attribution.how = Some(how(fit, true));
    attribution.good = made_by_own || claim != Claim::OwnKey;
    attribution.contradicted = !attribution.good;
    if claim == Claim::AnotherName {
        attribution.issuer = artefact.issuer();
    }
    attribution.note = match claim {
        Claim::AnotherName if made_by_own => Some(UNDER_ANOTHER_NAME.to_owned()),
        Claim::SameName if !made_by_own => Some(ROLLOVER.to_owned()),
        _ => None,
    };
    Some(attribution)
}

const SELF_ISSUED: &str = "It is self-issued, not self-signed: issuer and subject have one name, and no \
                           key that is known here made it, its own neither.";
const ROLLOVER: &str = "It is self-issued, not self-signed: issuer and subject have one name, and by its key \
                        identifiers, or because its own key does not sign, another key of that name should have \
                        signed it, as when a CA gets a new key.";
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
fn candidates(attribution: &mut Attribution, own: &PublicKey, snapshot: &Snapshot, der: &[u8]) {
    let PublicKey::Ec { curve_oid, .. } = own else { return };
    let Some(curve) = curve::by_oid(curve_oid) else { return };
    let ids = known_ids(snapshot);
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

fn attributed(key: &PublicKey, places: &[Place]) -> Attributed {
    Attributed {
        key: key.describe(),
        public_key: hex(&key.fingerprint()),
        id: hex(&key.intrinsic_id()),
        places: places.to_vec(),
    }
}
