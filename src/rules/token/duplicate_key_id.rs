//! `duplicate-key-id`: two private keys on the card have the same ID
//!
//! PKCS#11 finds keys by ID. OpenSC's PKCS#11 module merges private keys with one
//! ID and shows only the first; which of them signs is not what one expects.
//!
//! Cure: give one of them another ID, for example `pkcs11-tool -l --set-id`, or
//! generate it anew; only a person can decide which.

use std::collections::BTreeMap;

use crate::case::token::{Case, side};
use crate::finding::{Evidence, Finding, Id, Remedy};
use crate::text::{escape, hex};
use crate::view::Object;

/// Applies the rule to one token.
pub fn apply(case: &Case<'_>, sink: &mut Vec<Finding>) {
    let mut by_id: BTreeMap<&[u8], Vec<&Object>> = BTreeMap::new();
    for key in case.live.private_keys() {
        by_id.entry(&key.id).or_default().push(key);
    }
    for key in case.live.private_keys() {
        let Some(same) = by_id.remove(key.id.as_slice()).filter(|same| same.len() > 1) else { continue };
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
