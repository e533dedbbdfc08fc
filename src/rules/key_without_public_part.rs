//! `key-without-public-part`: the card holds nothing public for a private key
//!
//! There is no certificate request and no certificate for the key, or none that
//! OpenSC can read (a curve it does not know, damaged bytes). The key can sign,
//! but programs cannot tell what verifies its signatures; many do not offer it.
//!
//! Cure: write a certificate for the key, with the key's ID; if none exists and
//! the public key is lost, recover it from a signature.

use super::case::{Case, is_device_key, side};
use crate::finding::{Evidence, Finding, Fix, Id};
use crate::text::{escape, hex};
use crate::view::Place;

/// Applies the rule to one token.
pub fn apply(case: &Case<'_>, sink: &mut Vec<Finding>) {
    for key in case.live.private_keys() {
        let known = case.live.public_parts(key).next().is_some();
        let unknown = case.live.is_unknown(&Place::whole(key.slot));
        if known || unknown || is_device_key(key) {
            continue;
        }
        let mut finding = Finding::new(
            Id::KeyWithoutPublicPart,
            format!(
                "The private key \"{}\" (slot {}, ID {}) has neither certificate nor readable request.",
                escape(&key.label),
                key.slot,
                hex(&key.id)
            ),
            "Programs cannot verify what it signs.".to_owned(),
        );
        finding.token = Some(escape(case.serial.as_bytes()));
        finding.evidence.push(Evidence {
            file: None,
            first_difference: None,
            shown: None,
            card: Some(side(Some(key))),
            source: None,
        });
        finding.fix.push(Fix { what: "write its certificate to the card".to_owned(), command: None });
        sink.push(finding);
    }
}
