//! `signed-by-other-key`: a signature or a certificate was made by another key than it seems
//!
//! `stalecard verify --certificate FILE` found that a self-signed certificate or a request names one
//! public key and is signed by another, or `stalecard verify --data FILE --signature FILE` that
//! a signature was made by another key than the one you named, or by one that is no longer on a card.
//!
//! What you see: `openssl verify` says "self-signed certificate … signature failure", a CA
//! refuses the request, nobody accepts the signature.
//!
//! How it comes about, most often: made through a stale cache. The host showed the old public
//! key, which went into the certificate, and the card signed with the new private key.
//!
//! Cure: `stalecard check` on the host that made it, `stalecard flush` there, then make it again.
//! Nothing is wrong with the card.

use serde::Serialize;

use super::known_keys::{KnownKey, Place, PlaceKind, known_ids, known_keys};
use super::proofs::Candidate;
use crate::crypto::{self, Fit, Hash, Outcome, Signed, x509 as signatures};
use crate::finding::{Finding, Fix, Id};
use crate::format::curve::{self, Curve, significant};
use crate::format::key::PublicKey;
use crate::format::signature::{Encoding, readings};
use crate::format::x509;
use crate::snapshot::Snapshot;
use crate::text::{escape, hex};

/// Who made a signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
}

/// A key and everything that is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attributed {
    /// Key type with curve or size.
    pub key: String,
    /// SHA-256 of the SubjectPublicKeyInfo.
    pub public_key: String,
    /// The ID that OpenSC would give it, hex.
    pub id: String,
    /// Where it is known from; empty: nowhere here.
    pub places: Vec<Place>,
}

/// A key that could have made a signature, and whose ID it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
    let hit = order.into_iter().find_map(|known| {
        let Outcome::Valid(fit) = crypto::verify_any(&known.key, signed, signature) else { return None };
        Some((known, fit))
    });
    let mut attribution = Attribution {
        subject: None,
        names: None,
        made_by: hit.as_ref().map(|(known, _)| attributed(&known.key, &known.places)),
        how: hit.as_ref().map(|(_, fit)| how(fit)),
        candidates: Vec::new(),
        assumed: None,
        good: hit.as_ref().is_some_and(|(known, _)| known.is_live_or_given()),
        issuer: None,
    };
    if hit.is_none() {
        recover(&mut attribution, snapshot, &known, signed, signature);
    }
    attribution
}

fn is_given(known: &KnownKey) -> bool {
    known.places.iter().any(|place| place.kind == PlaceKind::Given)
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
    let mut hashes: Vec<Option<Hash>> = signed.hashes().into_iter().map(Some).collect();
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

/// Who signed this certificate or request? `None` if the bytes are neither.
#[must_use]
pub fn of_certificate(snapshot: &Snapshot, given: &[(String, PublicKey)], der: &[u8]) -> Option<Attribution> {
    let known = known_keys(snapshot, given);
    let (subject, own, issuer) = match (x509::decode(der), x509::decode_request(der)) {
        (Some(certificate), _) => {
            let foreign = certificate.raw_issuer != certificate.raw_subject;
            let issuer = foreign.then(|| escape(x509::name(&certificate.raw_issuer).as_bytes()));
            (certificate.subject, certificate.key, issuer)
        }
        (None, Ok(request)) => (request.subject, request.key, None),
        (None, Err(_)) => return None,
    };
    let places = |key: &PublicKey| {
        known.iter().find(|known| known.key == *key).map(|known| known.places.clone()).unwrap_or_default()
    };
    let fit = |key: &PublicKey| match signatures::signed_by(der, key) {
        Ok(Outcome::Valid(fit)) => Some(fit),
        _ => None,
    };
    let mut hit: Option<(PublicKey, Fit)> = fit(&own).map(|fit| (own.clone(), fit));
    if hit.is_none() {
        hit = known.iter().find_map(|known| Some((known.key.clone(), fit(&known.key)?)));
    }
    let made_by_own = hit.as_ref().is_some_and(|(key, _)| *key == own);
    let mut attribution = Attribution {
        subject: Some(escape(subject.as_bytes())),
        names: Some(attributed(&own, &places(&own))),
        made_by: hit.as_ref().map(|(key, _)| attributed(key, &places(key))),
        how: hit.as_ref().map(|(_, fit)| how(fit)),
        candidates: Vec::new(),
        assumed: None,
        good: if issuer.is_none() { made_by_own } else { hit.is_some() },
        issuer,
    };
    if hit.is_none() && attribution.issuer.is_none() {
        let ids = known_ids(snapshot);
        let of_own = curve::all().filter(|curve| own.describe().ends_with(curve.name));
        for key in of_own.flat_map(|curve| signatures::signers(der, curve).unwrap_or_default()) {
            attribution.candidates.push(MatchedCandidate::new(&key, None, &ids));
        }
        attribution.assumed = Some("if the signer is on the same curve".to_owned());
    }
    Some(attribution)
}

/// How it was signed, and what is wrong with the way it is written.
fn how(fit: &Fit) -> String {
    match &fit.encoding {
        Encoding::Plain | Encoding::Der => fit.scheme.to_string(),
        loose @ Encoding::Loose(_) => {
            format!("{}, {loose}, which OpenSSL and others refuse", fit.scheme)
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

/// The finding that follows, if it was made by another key than it seems. `named`: the user has
/// said whose signature it should be.
#[must_use]
pub fn finding(attribution: &Attribution, named: bool) -> Option<Finding> {
    let summary = match (&attribution.names, &attribution.made_by) {
        _ if attribution.good || attribution.issuer.is_some() => return None,
        (Some(names), Some(made_by)) => {
            format!(
                "It names the public key with ID {}, and is signed by the one with ID {}.",
                id(names),
                id(made_by)
            )
        }
        (Some(names), None) => {
            format!("It names the public key with ID {}, and is not signed by that key.", id(names))
        }
        (None, Some(made_by)) if made_by.places.iter().all(|place| place.kind == PlaceKind::Cache) => {
            format!(
                "The signature was made by the key with ID {}, which is known from a cache only{}.",
                id(made_by),
                if named { ", not by the key that was named" } else { "" }
            )
        }
        (None, None) if named => "The signature was not made by the key that was named.".to_owned(),
        (None, _) => return None,
    };
    let consequence = "Nobody who trusts the key it seems to be from accepts it. The usual reason is a stale \
                       cache on the host that made it: the old public key is shown, the new private key signs.";
    let mut finding = Finding::new(Id::SignedByOtherKey, summary, consequence.to_owned());
    finding.fix.push(Fix {
        what: "look at the cache of the host that made it, then make it again".to_owned(),
        command: Some("stalecard check".to_owned()),
    });
    Some(finding)
}

/// The ID under which people know a key.
fn id(key: &Attributed) -> &str {
    key.places.first().map_or(&key.id, |place| &place.id)
}
