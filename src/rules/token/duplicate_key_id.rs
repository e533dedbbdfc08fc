//! `duplicate-key-id`: two private keys on the card have the same ID
//!
//! PKCS#11 finds keys by ID. OpenSC's PKCS#11 module merges private keys with one
//! ID and shows only the first; which of them signs is not what one expects.
//!
//! Cure: give one of them another ID, for example `pkcs11-tool -l --set-id`, or
//! generate it anew; only a person can decide which.

use crate::case::token::{Case, side};
use crate::finding::{Evidence, Finding, Id, Remedy};
use crate::text::{escape, hex};

/// Applies the rule to one token.
pub fn apply(case: &Case<'_>, sink: &mut Vec<Finding>) {
    let keys: Vec<_> = case.live.private_keys().collect();
    for (index, key) in keys.iter().enumerate() {
        let same: Vec<_> = keys.iter().filter(|other| other.id == key.id).collect();
        let first = keys.iter().position(|other| other.id == key.id);
        if same.len() < 2 || first != Some(index) {
            continue;
        }
        let slots: Vec<String> = same.iter().map(|key| key.ef.to_string()).collect();
        let mut finding = Finding::new(
            Id::DuplicateKeyId,
            format!("{} private keys have the ID {} (slots {}).", same.len(), hex(&key.id), slots.join(", ")),
            "PKCS#11 applications see only one of them.".to_owned(),
        );
        finding.token = Some(escape(case.serial.as_bytes()));
        finding.evidence = same
            .iter()
            .map(|key| Evidence {
                file: None,
                first_difference: None,
                shown: None,
                card: Some(side(Some(key))),
                source: None,
            })
            .collect();
        finding.fix.push(Remedy::by_hand("give one of the keys another ID"));
        sink.push(finding);
    }
}
