//! `signature-fails-with-cached-key`: a fresh signature fits the card's key, not the one OpenSC shows
//!
//! The card was asked for a signature just now. It verifies with the public key on
//! the card and not with the one that OpenSC shows for the same private key. So the
//! key on the card is sound and this host's view of it is stale: proven, not presumed.
//!
//! What you see: every signature made here "fails" on this host, and every
//! certificate or request made here names the old public key and is signed by the
//! new private one. On a host with a fresh cache the same signature is good.
//!
//! What it does not say: that what was signed before today was signed by this key.
//!
//! Do not delete or re-initialise anything on the card.
//!
//! Cure: `stalecard flush`, restart programs that had the card open, and issue
//! again what was signed in the meantime.

use crate::case::cache_view::CacheView;
use crate::case::danger;
use crate::case::dispute::Right;
use crate::case::proofs::{fits, is_on_card, made, named_by_card, private_key, shown_for};
use crate::case::token::{Case, file_evidence, key_severity, side};
use crate::finding::{Deed, Evidence, Finding, How, Id, Safety, Unasked};
use crate::snapshot::{CacheEntry, TrialOutcome};
use crate::text::key_reference;
use crate::view::Place;

/// Applies the rule to one token.
pub fn apply(case: &Case<'_>, sink: &mut Vec<Finding>) {
    for trial in &case.card.trials {
        let (TrialOutcome::Signed(signature), Some(key)) = (&trial.outcome, private_key(case, trial)) else {
            continue;
        };
        let answer = |object: &crate::view::Object| {
            object.public_key().and_then(|public| fits(public, trial, signature.as_slice()))
        };
        let is_good = |object: &&crate::view::Object| answer(object) == Some(true);
        // What is on the card as well is no cache's fault.
        let is_bad =
            |object: &&crate::view::Object| answer(object) == Some(false) && !is_on_card(case, object);
        let Some(live) = named_by_card(case, key).find(is_good) else { continue };
        for cache_view in case.cache_views.iter().filter(|cache_view| cache_view.in_use()) {
            let Some(shown) = shown_for(cache_view, key).find(is_bad) else { continue };
            let cause = shown
                .files
                .iter()
                .rev()
                .find_map(|&file| Some((file, cache_view.cached.hit(file, case.layout.buffer(file))?)));
            let mut finding = Finding::new(
                Id::SignatureFailsWithCachedKey,
                format!(
                    "{} that key reference {} made just now verifies with the card's public key, and not \
                     with the one that OpenSC shows for it.",
                    made(trial),
                    key_reference(trial.key)
                ),
                "The card is sound. Everything signed through this view is refused by whoever trusts the key \
                 shown, and certificates made through it are invalid."
                    .to_owned(),
            );
            finding.severity = key_severity(case, key);
            finding.token = Some(crate::text::escape(case.serial.as_bytes()));
            finding.object =
                case.object_name(cache_view, Some(key), cache_view.shown.at(&key.place()).or(Some(shown)));
            finding.program = cache_view.listers(shown);
            let which = format!("key reference {}", key_reference(trial.key));
            finding.danger = danger::of_deleting(case, cache_view, shown, key, &which);
            finding.evidence.push(Evidence {
                file: cause.map(|(file, entry)| file_evidence(cache_view.dir, entry, Some(file))),
                first_difference: cause.and_then(|(file, entry)| case.first_difference(entry, file)),
                shown: Some(side(Some(shown))),
                card: Some(side(Some(live))),
                source: None,
            });
            case.repairable(&mut finding, cache_view.dir);
            let entry = cause.map(|(_, entry)| entry);
            needs_more(&mut finding, cache_view, &shown.place(), entry);
            sink.push(finding);
        }
    }
}

/// A flush looks again without a signature: where files alone do not tell, or tell otherwise, it has to be told.
fn needs_more(finding: &mut Finding, cache_view: &CacheView<'_>, place: &Place, entry: Option<&CacheEntry>) {
    let Some(dispute) = cache_view.dispute_at(place) else { return };
    let (how, unasked, consent) = match (&dispute.by_files, entry) {
        (Right::Card, _) | (Right::Cache(_), None) => return,
        (Right::Undecided, _) => (How::Flush, Unasked::ByFlush, Safety::Guarded),
        (Right::Cache(_), Some(entry)) => {
            (How::FlushEntry(cache_view.dir.path_of(&entry.name).to_string()), Unasked::Never, Safety::Safe)
        }
    };
    finding.safety = finding.safety.max(Safety::Guarded);
    for remedy in finding.fix.iter_mut().filter(|remedy| remedy.moves().is_some()) {
        (remedy.deed, remedy.consent) = (Deed::Move { how: how.clone(), unasked }, consent);
    }
}
