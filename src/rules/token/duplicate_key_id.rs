//! `duplicate-key-id`: two private keys on the card have the same ID
//!
//! PKCS#11 finds keys by ID. OpenSC's PKCS#11 module merges private keys with one
//! ID and shows only the first; which of them signs is not what one expects.
//!
//! If both have the same public key, it is one key that lies on the card twice, as after a second unwrap of one backup under
//! another key reference: then nothing goes wrong as long as both stay.
//!
//! Cure: give one of them another ID, for example `pkcs11-tool -l --set-id`, or
//! generate it anew; only a person can decide which. Of a key that is there twice delete the copy that is not needed, by its
//! key reference: by the ID a program deletes whichever it finds first.

use std::collections::BTreeMap;

use crate::case::token::{Case, side};
use crate::crypto::same_form;
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
        let places: Vec<String> = same.iter().map(|key| key.ef.to_string()).collect();
        let (id, places) = (hex(&key.id), places.join(", "));
        let is_one = is_one_key(case, &same);
        let (summary, consequence) = if is_one {
            let summary = format!(
                "One key lies on the card {} times, with the ID {id} (EF {places}): their public keys are the same.",
                same.len()
            );
            (summary, "PKCS#11 applications see it once, and whoever deletes it deletes one copy.")
        } else {
            let summary = format!("{} private keys have the ID {id} (EF {places}).", same.len());
            (summary, "PKCS#11 applications see only one of them.")
        };
        let mut finding = Finding::new(Id::DuplicateKeyId, summary, consequence.to_owned());
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
        let cure = if is_one {
            "delete the copy that is not needed, by its key reference, or leave both"
        } else {
            "give one of the keys another ID"
        };
        finding.fix.push(Remedy::by_hand(cure));
        sink.push(finding);
    }
}

/// Does the card name the same public key for all of these?
fn is_one_key(case: &Case<'_>, keys: &[&Object]) -> bool {
    let mut named = Vec::new();
    for key in keys {
        let mut own = case.live.public_parts(key).filter_map(Object::public_key).peekable();
        if own.peek().is_none() || !key.part.is_of_key() {
            return false;
        }
        named.extend(own.map(same_form));
    }
    named.windows(2).all(|pair| matches!(pair, [one, other] if one == other))
}
