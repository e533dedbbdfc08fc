//! `stale-certificate`: OpenSC shows another certificate than the card has
//!
//! The certificate was replaced on the card (renewed, or written by another host)
//! but is answered from the cache.
//!
//! What you see: the old, perhaps expired certificate in browsers, VPN clients
//! and `pkcs15-tool --read-certificate`, although the card holds the new one.
//!
//! A certificate of another key than the one shown is `public-key-undecided` where no file tells which of the two is the
//! key's, and `certificate-key-mismatch` where the card's is not.
//!
//! Cure: `stalecard flush`, then restart the programs that showed the old one.

use crate::case::asked::{AskedCase, Standing};
use crate::case::danger;
use crate::case::token::Case;
use crate::finding::{Danger, Finding, Id, Prose};
use crate::format::x509::Certificate;
use crate::text::{escape, hex};
use crate::view::difference::Kind;
use crate::view::{Class, Object};

/// Applies the rule to one token.
pub fn apply(case: &Case<'_>, sink: &mut Vec<Finding>) {
    for cache_view in &case.cache_views {
        for difference in cache_view.seen() {
            if *difference.kind != Kind::Certificate || difference.is_of_damage() || difference.is_held() {
                continue;
            }
            let name = |object: Option<&Object>| match object.map(|object| &object.class) {
                Some(Class::Certificate { certificate, .. }) => named(certificate.as_ref()),
                _ => named(None),
            };
            let mut finding = case.finding(
                Id::StaleCertificate,
                cache_view,
                &difference,
                both(&name(difference.shown), &name(difference.live)),
                "Programs present the old certificate.".to_owned(),
            );
            finding.danger = Danger::all([
                danger::of_deleting_object(case, &difference),
                danger::of_writing(case, &difference),
            ]);
            sink.push(finding);
        }
    }
}

/// Applies it to one card that OpenSC was asked about.
pub fn of_asked(case: &AskedCase<'_>, sink: &mut Vec<Finding>) {
    for cache in &case.caches {
        for entry in cache.entries.iter().filter(|entry| entry.is_certificate()) {
            if entry.standing != Standing::Stale {
                continue;
            }
            let [shown, card] = entry.certificates();
            let object = case.object_in(entry).map(|block| block.object(Some(block)));
            sink.push(case.finding(
                Id::StaleCertificate,
                cache,
                object,
                cache.evidence(&[entry], Some(entry.sides())),
                both(&named(shown.as_ref()), &named(card.as_ref())),
                "Programs present the old certificate.",
            ));
        }
    }
}

fn both(shown: &Prose, card: &Prose) -> Prose {
    Prose::from("OpenSC shows the certificate ").then(shown).and("; the card holds ").then(card).and(".")
}

/// A certificate by what people tell it from another.
pub(crate) fn named(certificate: Option<&Certificate>) -> Prose {
    let Some(certificate) = certificate else { return "bytes that are no certificate".into() };
    let (subject, number) = (escape(certificate.subject().as_bytes()), hex(&certificate.serial));
    let named = Prose::from(format!("{subject} (serial number {number}, valid until "));
    match certificate.validity {
        Some((_, end)) => named.at(end),
        None => named.and("?"),
    }
    .and(")")
}
