//! `stale-key-id`: OpenSC shows another ID for a key than the card has
//!
//! The description of a private key (on a SmartCard-HSM: file `C4xx`) is answered
//! from the cache, but the key with that reference has been replaced since:
//! deleted and generated anew, on another host or after a re-initialisation.
//!
//! What you see: the old ID in `pkcs15-tool -D` and in every PKCS#11 application;
//! the ID that key generation printed gives "object not found". What happens:
//! signing with the old ID uses the card's new private key, so nothing that was
//! signed verifies with the public key shown.
//!
//! Do not delete "the old key" by its ID: that ID stands for the key reference,
//! and that is the new key now. Do not re-initialise the card: it is sound.
//!
//! Cure: `stalecard flush`, then restart programs that had the card open. A key
//! ID never depends on the host; if two hosts disagree, one of them is stale.

use crate::case::danger;
use crate::case::token::{Case, key_severity, which_key};
use crate::finding::{Danger, Finding, Id};
use crate::text::hex;
use crate::view::difference::Kind;

/// Applies the rule to one token.
pub fn apply(case: &Case<'_>, sink: &mut Vec<Finding>) {
    for cache_view in &case.cache_views {
        for difference in cache_view.seen() {
            let (Kind::KeyId, Some(live), Some(shown)) = (difference.kind, difference.live, difference.shown)
            else {
                continue;
            };
            if difference.is_of_damage() {
                continue;
            }
            let key = which_key(&case.live, live);
            let (old, new) = (hex(&shown.id), hex(&live.id));
            let consequence = if cache_view.mixes_ids() {
                "An ID on the card gives \"object not found\" or names another key here; an ID shown signs with another \
                 key than it names."
            } else {
                "The ID on the card gives \"object not found\"; the ID shown signs with the card's new key."
            };
            let mut finding = case.finding(
                Id::StaleKeyId,
                cache_view,
                &difference,
                format!("OpenSC shows ID {old} for {key}; the card's key there has ID {new}."),
                consequence.to_owned(),
            );
            finding.severity = key_severity(case, live);
            finding.danger = Danger::all([
                danger::of_deleting(case, cache_view, shown, live, &key),
                danger::of_writing(case, &difference),
            ]);
            sink.push(finding);
        }
    }
}
