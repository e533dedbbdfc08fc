//! `signed-by-other-key`: a signature or a certificate was made by another key than it seems
//!
//! `stalecard verify --certificate FILE` found that a self-signed certificate or a request names one
//! public key and is signed by another, or `stalecard verify --data FILE --signature FILE` that
//! a signature was made by another key than the one you named, or by one that is no longer on a card; or
//! `stalecard audit` found any of that in the folders that you named.
//!
//! What cannot be computed is never called another key's: it is named as not checked. An RSA signature that
//! opens under the key is that key's, over whatever it was made: then it is invalid, and no other key's. A bare
//! ECDSA signature is called another key's only where that key, or its ID, is known. And a certificate
//! under its own name counts as self-signed only if its authority key identifier says so:
//! a CA may certify its new key by its old one. A certificate whose issuer's key was named, and did not
//! sign it, is one, too.
//!
//! What you see: `openssl verify` says "self-signed certificate … signature failure", a CA
//! refuses the request, nobody accepts the signature.
//!
//! How it comes about, most often: made through a stale cache. The host showed the old public
//! key, which went into the certificate, and the card signed with the new private key.
//!
//! Cure: `stalecard check` on the host that made it, `stalecard flush` there, then make it again.
//! Nothing is wrong with the card.

use crate::case::attribution::{Attributed, Attribution, Verdict};
use crate::case::known_keys::PlaceKind;
use crate::finding::{Deed, Finding, Id, Prose, Remedy};

/// The finding that follows, if it is decided that it was made by another key than it seems. `named`:
/// the user has said whose signature it should be.
#[must_use]
pub fn finding(attribution: &Attribution, named: bool) -> Option<Finding> {
    let summary = match (attribution.verdict, &attribution.names, &attribution.made_by) {
        _ if attribution.good => return None,
        (Some(Verdict::MadeByAnotherKey), Some(names), made_by) => {
            let who = match (&attribution.issuer_key, &attribution.issuer) {
                (Some(key), _) => format!("an issuer whose key has the ID {}", id(key)),
                (None, Some(_)) => "an issuer whose key is known here".to_owned(),
                (None, None) => format!("the public key with ID {}", id(names)),
            };
            match made_by {
                Some(made_by) => format!("It names {who}, and is signed by the one with ID {}.", id(made_by)),
                None => format!("It names {who}, and is not signed by that key."),
            }
        }
        (Some(Verdict::SoundUnderAnotherCertificate), _, Some(made_by)) => {
            format!(
                "It carries the identifier of another key of its issuer than the one with ID {}, which signed it.",
                id(made_by)
            )
        }
        (None, None, Some(_)) if attribution.is_invalid => return None,
        (None, None, Some(made_by)) if made_by.places.iter().all(|place| place.kind.is_of_the_past()) => {
            let is_cached = made_by.places.iter().any(|place| place.kind == PlaceKind::Cache);
            format!(
                "The signature was made by the key with ID {}, which is known from {} only{}.",
                id(made_by),
                if is_cached { "a cache" } else { "the quarantine" },
                if named { ", not by the key that was named" } else { "" }
            )
        }
        (None, None, None) if named && attribution.not_by_named => {
            "The signature was not made by the key that was named, whatever it is over.".to_owned()
        }
        (None, None, None) => {
            let told = attribution.candidates.iter().find(|key| key.known_id.is_some())?;
            format!(
                "The signature was made by the private key with ID {}, of which no public key is known here{}.",
                told.key.id,
                if named { ", not by the key that was named" } else { "" }
            )
        }
        (Some(_), ..) | (None, Some(_), _) | (None, None, Some(_)) => return None,
    };
    Some(made(summary))
}

/// The finding, if that has been decided elsewhere, with what is wrong in one sentence.
#[must_use]
pub fn made(summary: impl Into<Prose>) -> Finding {
    let consequence = "Nobody who trusts the key it seems to be from accepts it. The usual reason is a stale \
                       cache on the host that made it: the old public key is shown, the new private key signs. \
                       (ECDSA and DSA do not tell that from bytes that were changed after they were signed.)";
    let mut finding = Finding::new(Id::SignedByOtherKey, summary, consequence.to_owned());
    finding
        .fix
        .push(Remedy::new("look at the cache of the host that made it, then make it again", Deed::Check));
    finding
}

/// The ID under which people know a key.
fn id(key: &Attributed) -> &str {
    key.places.first().map_or(&key.id, |place| &place.id)
}
