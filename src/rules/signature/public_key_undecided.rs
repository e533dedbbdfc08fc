//! `public-key-undecided`: cache and card name two public keys for one key, and no file tells which is the key's
//!
//! OpenSC shows one public key from its cache; the card holds a certificate of another, or another public key, or none any more.
//! Neither side proves anything: the key's ID is no hash of either, its description has not changed, and
//! the certificate stands where a request could have stood. There are two readings:
//!
//! - The key was made anew elsewhere, with the same ID, and its certificate imported. This is by far the more common. Then
//!   signatures made here do not verify with the public key shown, and a flush cures that.
//! - Another key's certificate was written over an unchanged key. Then signatures made here verify with
//!   what the cache shows, and nowhere else; a flush would take the right public key away.
//!
//! On a native PKCS#15 card (MyEID, OsEID, IsoApplet) the second reading has one more form: a host that does not see a key
//! (`hidden-object`) writes another key's public key over its own.
//!
//! On a PIV card a certificate is all that tells of a key, so it is the same whenever a slot holds a certificate of
//! another key than before, or none. And a private key that a native card does not list any more was deleted, or only its
//! description is lost, by a host that did not see it: then the cache has the last copy. A MyEID is asked whether the key's
//! file is still there: where it is gone, so is the key, and it is a `ghost-object`.
//!
//! A warning where no program shows the entry today: caching is off, and what it holds may still be the last copy.
//!
//! So nothing is moved by itself: not by `flush`, `fix` or `watch --flush-stale`.
//!
//! Cure: let something decide. `stalecard verify` has the key sign, if the card still lists it; `stalecard check --against`
//! compares with a baseline that names the key. Who knows that the key was made anew, as a script that has just done
//! so, flushes with `stalecard flush --guarded`.

use std::collections::BTreeMap;

use crate::case::cache_view::Discrepancy;
use crate::case::dispute::Right;
use crate::case::proofs::told_by_card;
use crate::case::right_key::{for_those_who_know, is_left_behind, leading};
use crate::case::token::{Case, side, which_key};
use crate::finding::{Deed, Evidence, Finding, Id, Remedy, Safety, Severity, Unasked};
use crate::snapshot::EntryName;
use crate::text::{escape, hex};
use crate::view::Class;

/// Applies the rule to one token.
pub fn apply(case: &Case<'_>, sink: &mut Vec<Finding>) {
    for cache_view in case.cache_views.iter().filter(|cache_view| !cache_view.is_former()) {
        // Where each cause has its finding.
        let mut seen: BTreeMap<Option<&EntryName>, usize> = BTreeMap::new();
        // What is seen first, then what no program lists today: of both a flush could take the last copy.
        for difference in cache_view.seen().chain(cache_view.unseen()) {
            if difference.right() != Some(&Right::Undecided) {
                continue;
            }
            let cause = difference.entry().map(|entry| &entry.name);
            if let Some(at) = seen.get(&cause) {
                // A certificate beside the public key that is taken from it.
                let (shown, card) = (Some(side(difference.shown)), Some(side(difference.live)));
                let evidence = Evidence { shown, card, ..Evidence::default() };
                sink.get_mut(*at).into_iter().for_each(|finding| finding.evidence.push(evidence.clone()));
                continue;
            }
            seen.insert(cause, sink.len());
            let is_shown = !difference.shown_by.is_empty();
            let mut finding = leading(
                case,
                cache_view,
                Id::PublicKeyUndecided,
                &difference,
                summary(case, &difference, is_shown),
                consequence(&difference, is_shown),
            );
            if !is_shown {
                finding.severity = Severity::Warning;
            }
            finding.safety = finding.safety.max(Safety::Guarded);
            finding.fix = if is_of_listed_key(case, &difference) {
                vec![
                    Remedy::new(
                        "have the key sign, which decides it and takes the PIN",
                        Deed::Prove(escape(case.serial.as_bytes())),
                    ),
                    Remedy::new("instead, if a baseline names the key", Deed::HoldAgainst),
                    for_those_who_know(
                        "if you know that the key was made anew: move the entry to the quarantine",
                        Unasked::InDoubt,
                    ),
                ]
            } else {
                let what = "no signature decides it, because the card does not list the key: if you know that it was \
                            deleted, move the entry to the quarantine";
                vec![for_those_who_know(what, Unasked::InDoubt)]
            };
            sink.push(finding);
        }
    }
}

/// Can the key in question be asked for a signature?
fn is_of_listed_key(case: &Case<'_>, difference: &Discrepancy<'_>) -> bool {
    let object = difference.live.or(difference.shown);
    object.is_some_and(|object| object.is_private_key() && difference.live.is_some())
        || object.is_some_and(|object| case.live.private_key_of(object).is_some())
}

fn consequence(difference: &Discrepancy<'_>, is_shown: bool) -> String {
    let text = if !is_shown && difference.live.is_some() {
        "Either the key was made anew elsewhere and its certificate imported, by far the more common: then the entry is of no \
         use. Or another key's certificate was written over an unchanged key: then the cache has the last copy of the right \
         public key, and a flush would take that away."
    } else if difference.live.is_some() {
        "The key was made anew elsewhere, by far the more common: then signatures made here do not verify with the public key \
         shown. Or another key's certificate was written over it: then they do, and would not after a flush."
    } else {
        "Either it was deleted, by far the more common: then programs offer what cannot be used. Or only what describes it on \
         the card is gone: then the cache has the last copy, and a flush would take that away."
    };
    text.to_owned()
}

fn summary(case: &Case<'_>, difference: &Discrepancy<'_>, is_shown: bool) -> String {
    // What a program would show that read it.
    let (shows, cache) = if is_shown {
        ("OpenSC shows", "its cache")
    } else {
        ("There is", "a cache that no program shows today")
    };
    let object = difference.live.or(difference.shown);
    if let (None, Some(shown)) = (difference.live, difference.shown.filter(|shown| shown.is_private_key())) {
        let rest = if is_left_behind(case, shown) {
            "the key's file is still on the card"
        } else {
            "whether it is there all the same no file tells"
        };
        return format!(
            "{shows} the private key \"{}\" (ID {}) from {cache}, and the card does not list it any more: {rest}.",
            escape(&shown.label),
            hex(&shown.id)
        );
    }
    let key = object.map(|object| which_key(&case.live, object)).unwrap_or_default();
    let card = match difference.live.map(|object| &object.class) {
        Some(Class::Certificate { .. }) => "holds a certificate of another one",
        Some(_) if case.layout.knows_keys_by_certificate() => "holds a certificate of another one",
        Some(_) => "holds another one",
        None => "holds none any more",
    };
    let own = object.and_then(|object| case.live.private_key_of(object));
    let rest = if own.is_some_and(|own| told_by_card(case, own).is_some()) {
        "the card itself tells that neither is the key's"
    } else {
        "no file tells which is the key's"
    };
    format!("{shows} a public key for {key} from {cache}, and the card {card}: {rest}.")
}
