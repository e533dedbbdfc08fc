//! `key-without-public-part`: the card holds nothing public for a private key
//!
//! There is no certificate request and no certificate for the key, or none that
//! OpenSC can read (a curve it does not know, damaged bytes). The key can sign,
//! but programs cannot tell what verifies its signatures; many do not offer it.
//!
//! If a cache on this host has the public key still, the one whose hash the key's ID is, it is an
//! error, and neither `flush` nor `fix` takes it away.
//!
//! Cure: write a certificate for the key, with the key's ID; if none exists and
//! the public key is lost, recover it from a signature.

use std::collections::BTreeSet;

use crate::case::cache_view::{CacheView, Discrepancy};
use crate::case::dispute::Right;
use crate::case::right_key::leading;
use crate::case::token::{Case, object_name, side};
use crate::finding::{Deed, Evidence, Finding, Id, Remedy, Severity};
use crate::text::{escape, hex};
use crate::view::{Object, Place};

/// Applies the rule to one token.
pub fn apply(case: &Case<'_>, sink: &mut Vec<Finding>) {
    let mut told = BTreeSet::new();
    for cache_view in case.cache_views.iter().filter(|cache_view| !cache_view.is_former()) {
        for difference in cache_view.discrepancies() {
            let Some(Right::Cache(why)) = difference.right() else { continue };
            let (None, Some(shown)) = (difference.live, difference.shown) else { continue };
            let Some(key) = case.live.private_key_of(shown) else { continue };
            told.insert(key.place());
            sink.push(in_cache_only(case, cache_view, &difference, key, why));
        }
    }
    for key in case.live.private_keys() {
        let known = case.live.public_parts(key).next().is_some();
        let unknown = case.live.is_unknown(&Place::whole(key.ef));
        if known || unknown || case.layout.is_device_key(key) || told.contains(&key.place()) {
            continue;
        }
        let mut finding = Finding::new(
            Id::KeyWithoutPublicPart,
            format!(
                "The private key \"{}\" (EF {}, ID {}) has neither certificate nor readable request.",
                escape(&key.label),
                key.ef,
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
        finding.fix.push(Remedy::new("write its certificate to the card", Deed::WriteCertificate));
        sink.push(finding);
    }
}

/// OpenSC shows the key's own public key, and the card has it no more.
fn in_cache_only(
    case: &Case<'_>,
    cache_view: &CacheView<'_>,
    difference: &Discrepancy<'_>,
    key: &Object,
    why: &str,
) -> Finding {
    let mut finding = leading(
        case,
        cache_view,
        Id::KeyWithoutPublicPart,
        difference,
        format!(
            "The public key of the private key \"{}\" (EF {}, ID {}) is in the cache and not on the card any more: {why}.",
            escape(&key.label),
            key.ef,
            hex(&key.id)
        ),
        "A flush would take it away, and programs could not verify what the key signs.".to_owned(),
    );
    if cache_view.in_use() {
        finding.severity = Severity::Error;
    }
    finding.object = Some(object_name(&case.live, key));
    finding.fix.push(Remedy::new(
        "save the public key (pkcs15-tool --read-public-key), and write its certificate to the card",
        Deed::WriteCertificate,
    ));
    finding
}
