//! `stale-public-key`: OpenSC shows another public key than the card has
//!
//! The certificate request or certificate of a key (on a SmartCard-HSM: file
//! `CExx`) is answered from the cache, but the key pair with that reference has been
//! replaced since.
//!
//! What you see: `openssl dgst -verify` and `pkcs11-tool --verify` refuse every
//! signature that this host makes; certificates made here are invalid, because
//! they carry the old public key and a signature of the new private key. The same
//! signature verifies on a host whose cache is fresh: the card is sound.
//!
//! Where files do not tell which of the two is the key's, it is `public-key-undecided` instead;
//! where they tell that the cache is right, `certificate-key-mismatch`.
//!
//! Do not delete or re-initialise anything on the card.
//!
//! Cure: `stalecard flush`, restart programs that had the card open, and issue
//! again what was signed in the meantime.

use crate::case::danger;
use crate::case::token::{Case, key_severity, which_key};
use crate::finding::{Danger, Finding, Id};
use crate::view::difference::Kind;

/// Applies the rule to one token.
pub fn apply(case: &Case<'_>, sink: &mut Vec<Finding>) {
    for cache_view in &case.cache_views {
        for difference in cache_view.seen() {
            let (Kind::PublicKey, Some(live), Some(shown)) =
                (difference.kind, difference.live, difference.shown)
            else {
                continue;
            };
            if difference.is_of_damage() || difference.is_held() {
                continue;
            }
            let key = which_key(&case.live, live);
            let mut finding = case.finding(
                Id::StalePublicKey,
                cache_view,
                &difference,
                format!("OpenSC shows a public key for {key} that is not the card's."),
                "Signatures made here do not verify with the public key shown; certificates made here are \
                 invalid."
                    .to_owned(),
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
