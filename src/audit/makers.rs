//! Who made a signature, where none of those did that it names: whoever made others, then for ECDSA the keys that the
//! signature itself gives, for all others the keys that are known. That takes long, and is done so often and no more.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::attempt::Attempt;
use super::judgement::Maker;
use super::ring::Named;
use crate::crypto::{self, Outcome, Scheme};
use crate::format::curve::{self, Curve};
use crate::format::key::PublicKey;

/// Signatures of which it is asked which keys they give.
const MOST_RECOVERIES: usize = 4_096;
/// Makers that are tried before that.
const MOST_SUSPECTS: usize = 8;
/// Known keys that are tried where a signature does not give its key.
pub const MOST_TRIED: usize = 64;
/// Curves on which a signature is asked for its keys.
const MOST_CURVES: usize = 4;

/// Whoever is looked for.
#[derive(Default)]
pub struct Makers {
    /// Unknown keys that have made, or may have made, what others were named for.
    suspects: Mutex<Vec<PublicKey>>,
    recoveries: AtomicUsize,
    /// Signatures of which not every key was asked for that could have made them.
    cut: AtomicUsize,
}

impl Makers {
    /// Of how many signatures not every key was asked for that could have made them.
    pub fn cut(&self) -> usize {
        self.cut.load(Ordering::Relaxed)
    }

    /// Not every key was asked for that could have made one.
    pub fn cuts(&self) {
        self.cut.fetch_add(1, Ordering::Relaxed);
    }

    /// Who made it? `named`: those that were tried already; `exact`: the one that it names most exactly.
    pub fn find(&self, attempt: &Attempt<'_>, named: &[Named], exact: Option<&PublicKey>) -> Maker {
        if let Some(maker) = attempt.subject_key() {
            return maker;
        }
        match attempt.scheme {
            Scheme::Ecdsa(hash) => self.given(attempt, attempt.signed.digest_by(hash), named, exact),
            _ => self.known(attempt, named),
        }
    }

    /// One of the keys that are known.
    fn known(&self, attempt: &Attempt<'_>, named: &[Named]) -> Maker {
        let tried = attempt.ring.all().filter(|(index, _)| !named.iter().any(|one| one.key == *index));
        let mut could = tried.filter(|(_, held)| could_have(attempt, held.as_found()));
        let is_it =
            |index: usize| matches!(attempt.with_held(index), Outcome::Valid(_) | Outcome::Otherwise(_));
        let found = could.by_ref().take(MOST_TRIED).find(|(index, _)| is_it(*index));
        if found.is_none() && could.next().is_some() {
            self.cuts();
        }
        found.map_or(Maker::NotFound, |(index, _)| Maker::Known(index))
    }

    /// One of the keys that a signature of ECDSA gives.
    fn given(
        &self,
        attempt: &Attempt<'_>,
        digest: &[u8],
        named: &[Named],
        exact: Option<&PublicKey>,
    ) -> Maker {
        let ring = attempt.ring;
        if let Some(key) = self.suspect(attempt) {
            return ring.find(&key).map_or(Maker::Unknown(key), Maker::Known);
        }
        let mut curves: Vec<&'static Curve> = Vec::new();
        let of_named = named.iter().filter_map(|one| Some(&ring.get(one.key)?.key));
        let of_own = ring.all().filter(|(_, held)| held.is_own()).map(|(_, held)| &held.key);
        for key in exact.into_iter().chain(of_named).chain(of_own.take(MOST_TRIED)) {
            if let PublicKey::Ec { curve_oid, .. } = key
                && let Some(curve) = curve::by_oid(curve_oid)
                && !curves.contains(&curve)
            {
                curves.push(curve);
            }
        }
        if self.recoveries.fetch_add(1, Ordering::Relaxed) >= MOST_RECOVERIES {
            self.cuts();
            return Maker::NotFound;
        }
        let asked = curves.get(..MOST_CURVES).unwrap_or(&curves);
        let keys: Vec<PublicKey> =
            asked.iter().flat_map(|curve| crypto::recover(curve, digest, &attempt.claimed.value)).collect();
        if let Some((index, key)) = keys.iter().find_map(|key| Some((ring.find(key)?, key))) {
            self.suspect_all(std::slice::from_ref(key));
            return Maker::Known(index);
        }
        if let Some(key) = keys.iter().find(|key| ring.is_noted(key)) {
            self.suspect_all(std::slice::from_ref(key));
            return Maker::Unknown(key.clone());
        }
        if asked.len() < curves.len() {
            self.cuts();
        }
        self.suspect_all(&keys);
        if keys.is_empty() { Maker::NotFound } else { Maker::OneOf(keys) }
    }

    /// The one of those that gave other signatures that gave this one, too.
    fn suspect(&self, attempt: &Attempt<'_>) -> Option<PublicKey> {
        let suspects = self.suspects.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let found = suspects.into_iter().find(|key| matches!(attempt.with(key), Outcome::Valid(_)))?;
        // The likeliest one first from now on.
        let mut suspects = self.suspects.lock().unwrap_or_else(PoisonError::into_inner);
        suspects.retain(|key| *key != found);
        suspects.insert(0, found.clone());
        Some(found)
    }

    fn suspect_all(&self, keys: &[PublicKey]) {
        let mut suspects = self.suspects.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            if suspects.len() >= MOST_SUSPECTS {
                suspects.pop();
            }
            let place = suspects.len().min(MOST_SUSPECTS / 2);
            suspects.insert(place, key.clone());
        }
    }
}

/// Has the key the kind and the length for it?
fn could_have(attempt: &Attempt<'_>, key: &PublicKey) -> bool {
    !matches!(key, PublicKey::Ec { .. }) && !crypto::is_excluded(key, &attempt.claimed.value)
}
