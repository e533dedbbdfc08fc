//! `signature-fails-with-live-key`: a fresh signature does not fit the card's own public key
//!
//! The card was asked for a signature just now, and the public key that the card
//! itself holds for that private key does not verify it. This is not a cache problem, and
//! flushing does not cure it: the public part on the card belongs to another key.
//!
//! How it comes about: files were restored or imported without their key (a wrapped
//! key carries its public part as a plain, unchecked copy), a key was generated and its public
//! part not written, or something between here and the key changes what is signed.
//!
//! If the signature fits the key in OpenSC's cache instead, the cache is all that is left of
//! the right public key: do not flush before it is saved.
//!
//! Cure: only a person can decide. For ECDSA the report names the keys that could have
//! made the signature, one of which it was; a certificate or backup with that key settles it.

use crate::case::proofs::{Conclusion, Source, is_certificate, made, named_by_card, private_key, proof};
use crate::case::token::{Case, key_severity, object_name, side};
use crate::finding::{Evidence, Finding, Id, Remedy, Severity};
use crate::snapshot::TrialOutcome;
use crate::text::{escape, key_reference};

/// Applies the rule to one token.
pub fn apply(case: &Case<'_>, sink: &mut Vec<Finding>) {
    for trial in &case.card.trials {
        let (TrialOutcome::Signed(_), Some(key)) = (&trial.outcome, private_key(case, trial)) else {
            continue;
        };
        let Some(proof) = proof(case, trial) else { continue };
        if !matches!(proof.conclusion, Conclusion::WrongPublicObject | Conclusion::NothingFits) {
            continue;
        }
        let Some(public) = named_by_card(case, key).find(|object| !is_certificate(object)) else { continue };
        let elsewhere = |source| proof.tried.iter().find(|one| one.source == source && one.fits);
        let (where_else, fix) = match (elsewhere(Source::OpenSc), elsewhere(Source::Certificate)) {
            (Some(_), _) => (
                " It verifies with the one in OpenSC's cache.",
                "do not flush: first save the right public key (`stalecard snapshot -o FILE`, and \
                 `pkcs15-tool --read-public-key`)",
            ),
            (None, Some(_)) => (
                " It verifies with the certificate on the card.",
                "use the certificate; the key's own public part is another key's",
            ),
            (None, None) => (
                " No public key known here verifies it.",
                "do not blame the cache: look for the certificate of the right key, or at what lies between \
                 this host and the key (driver, mechanism)",
            ),
        };
        let mut finding = Finding::new(
            Id::SignatureFailsWithLiveKey,
            format!(
                "{} that key reference {} made just now does not verify with the public key on the \
                 card.{where_else}",
                made(trial),
                key_reference(trial.key)
            ),
            "Signatures of this key are refused by whoever trusts the public key shown. Flushing caches does \
             not change that."
                .to_owned(),
        );
        finding.severity = key_severity(case, key).max(Severity::Critical);
        finding.token = Some(escape(case.serial.as_bytes()));
        finding.object = Some(object_name(&case.live, key));
        let mut card = side(Some(public));
        card.attributes =
            proof.candidates.iter().map(|key| format!("could be {} with ID {}", key.key, key.id)).collect();
        finding.evidence.push(Evidence { card: Some(card), ..Evidence::default() });
        finding.fix.push(Remedy::by_hand(fix));
        sink.push(finding);
    }
}
