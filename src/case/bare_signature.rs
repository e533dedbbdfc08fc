//! Which key made a bare signature, of all that a snapshot knows and a user named.
//!
//! It says neither how it was made nor by whom, so every known key is tried in every way. An answer in the negative is
//! given only of keys that were decided: what could not be computed is named ([`Attribution::undecided`]), and is neither
//! yes nor no.
//!
//! That a key did not make a signature over these bytes in the ways that are computed here is not yet
//! that another one made it: the bytes may be others, or the hash. An RSA signature tells, because it
//! opens to a block under its own key; ECDSA and DSA do not, so there another key has to be found.

use crate::case::attribution::{Attribution, MatchedCandidate, attributed, how};
use crate::case::known_keys::{KnownKey, PlaceKind, known_ids, known_keys};
use crate::case::tokens::Tokens;
use crate::crypto::{self, Hash, Maker, Outcome, Reason, Signed, maker, same_form};
use crate::format::curve::{self, Curve, significant};
use crate::format::key::PublicKey;
use crate::format::signature::readings;

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
    let undecided = open.iter().map(|(known, why)| not_checked(known, why)).collect();
    let mut attribution = Attribution { undecided, ..Attribution::default() };
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
    let keys = match told {
        Some((_, keys)) => keys.clone(),
        None => all.into_iter().filter(|(hash, _)| likely(*hash)).flat_map(|(_, keys)| keys).collect(),
    };
    let names: Vec<&str> = curves.iter().map(|curve| curve.name).collect();
    attribution.candidates(keys, &names);
}
