//! The answer about one signature, as `verify` tells it.

use super::artefact::{Artefact, Claimed, Name, Names};
use super::judgement::{Judgement, Maker, Why};
use super::ring::Ring;
use crate::case::attribution::{Attributed, Attribution, MatchedCandidate, Verdict};
use crate::case::claim::Claim;
use crate::case::known_keys::{PlaceKind, known_ids};
use crate::case::tokens::Tokens;
use crate::format::curve;
use crate::format::key::PublicKey;

/// Who made it and what is wrong with it, whatever it is a signature on.
pub fn answer(judgement: &Judgement, ring: &Ring, tokens: &Tokens<'_>) -> Attribution {
    let (made_by, candidates) = ring.made_by(&judgement.maker);
    let mut attribution = Attribution {
        verdict: Some(judgement.verdict),
        good: judgement.verdict == Verdict::Sound,
        is_invalid: judgement.verdict == Verdict::Invalid,
        made_by,
        ..Attribution::default()
    };
    match &judgement.why {
        Some(Why::NotComputed(why)) => attribution.undecided.push(why.clone()),
        Some(Why::Is(ground)) => attribution.note = Some(sentence(ground.words())),
        None => {}
    }
    if !candidates.is_empty() {
        let ids = known_ids(tokens);
        let matched = candidates.iter().map(|key| MatchedCandidate::new(key, None, &ids)).collect();
        attribution.candidates(matched, &curves(candidates));
    }
    attribution
}

/// About the signature of a certificate or a request. `own_place`: where that is, by which alone its key is not known.
pub fn of_certificate(
    judgement: &Judgement,
    artefact: &Artefact,
    ring: &Ring,
    tokens: &Tokens<'_>,
    own_place: &str,
) -> Attribution {
    let key = |key: &PublicKey| -> Attributed {
        let mut told = ring.attributed(key);
        told.places.retain(|place| place.kind != PlaceKind::File || place.place != own_place);
        told
    };
    let own = artefact.offer.as_ref().map(|offer| &offer.key);
    let mut attribution = answer(judgement, ring, tokens);
    attribution.subject = artefact.about.subject.as_ref().map(Name::text);
    attribution.names = own.map(key);
    if let Some(made_by) = &mut attribution.made_by {
        made_by.places.retain(|place| place.kind != PlaceKind::File || place.place != own_place);
    }
    let claim = artefact.signatures.first().and_then(|claimed| claim(&claimed.names));
    let names_another = claim.is_some_and(|claim| match claim {
        Claim::OwnKey => false,
        Claim::AnotherName => true,
        // Whoever should have made it has its own name.
        Claim::SameName | Claim::Unsaid => !attribution.good && !judgement.verdict.is_bad(),
    });
    if names_another {
        attribution.issuer = artefact.about.issuer.as_ref().map(Name::text);
    }
    if claim == Some(Claim::AnotherName) && judgement.verdict.is_bad() {
        attribution.issuer_key = judgement.named.as_ref().map(key);
    }
    attribution
}

fn claim(names: &Names) -> Option<Claim> {
    match names {
        Names::Issuer { own: Some((_, claim)), .. } => Some(*claim),
        _ => None,
    }
}

/// About the signature in a container over a file that was named.
pub fn of_contained(
    judgement: &Judgement,
    claimed: &Claimed,
    ring: &Ring,
    tokens: &Tokens<'_>,
) -> Attribution {
    let mut attribution = answer(judgement, ring, tokens);
    attribution.names = judgement.named.as_ref().map(|key| ring.attributed(key));
    let is_known = attribution.made_by.as_ref().is_some_and(|maker| {
        maker.places.iter().any(|place| matches!(place.kind, PlaceKind::Card | PlaceKind::Given))
    });
    if attribution.good && !is_known {
        let why = "It fits the key that comes with it, which is neither on a card that was read nor named with --pubkey.";
        attribution.note = Some(why.to_owned());
        attribution.good = false;
        // It is sound, and nobody has said whose it should be.
        if !ring.all().any(|(_, held)| held.is_given()) {
            attribution.undecided.push("whose key it is that it fits: name it with --pubkey".to_owned());
        }
    }
    if judgement.verdict == Verdict::IssuerNotKnown {
        let why = "the key that it names is not known here: name it with --pubkey";
        attribution.undecided.push(why.to_owned());
    }
    // Over a file that somebody names, only a key that is known tells another key from another file.
    let is_told = matches!(judgement.maker, Maker::Known(_)) || super::attribute::is_within(&claimed.over);
    if judgement.verdict == Verdict::MadeByAnotherKey && !is_told {
        attribution.verdict = None;
    }
    attribution
}

/// The curves of these keys, by name, each once.
fn curves(keys: &[PublicKey]) -> Vec<&'static str> {
    let mut names = Vec::new();
    for key in keys {
        if let PublicKey::Ec { curve_oid, .. } = key
            && let Some(curve) = curve::by_oid(curve_oid)
            && !names.contains(&curve.name)
        {
            names.push(curve.name);
        }
    }
    names
}

/// What follows a colon elsewhere, as a sentence.
fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// About what is a certificate or a request, and whose signature cannot be taken out of it.
pub fn damaged() -> Attribution {
    let why = format!("cannot be checked: {}", crate::crypto::Reason::Damaged);
    Attribution { verdict: Some(Verdict::NotDecided), undecided: vec![why], ..Attribution::default() }
}
