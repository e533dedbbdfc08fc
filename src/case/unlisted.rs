//! What a card holds and lists nowhere, and which caches still show it.
//!
//! A cache that was filled before a description or a certificate was lost has the last copy of it: programs of that host
//! go on using the key, and a flush would end that. So what such a cache shows is no ghost, unless it is
//! known to be another key's.

use crate::case::token::{CacheView, Case};
use crate::crypto::same_form;
use crate::view::unlisted::Unlisted;
use crate::view::{KeyInPlace, Object};

/// What is listed nowhere and stands in the place of this object that is shown.
#[must_use]
pub fn beneath<'c>(case: &'c Case<'_>, shown: &Object) -> Option<&'c Unlisted> {
    let is_missing = |unlisted: &&Unlisted| unlisted.cure().is_some_and(|cure| cure.missing);
    case.unlisted.iter().filter(is_missing).find(|unlisted| unlisted.ef == shown.ef)
}

/// Does a cache have what is missing on the card of something that the card holds? Not if it names another public key than
/// the card does for the same place.
#[must_use]
pub fn is_kept(case: &Case<'_>, cache_view: &CacheView<'_>, shown: &Object) -> bool {
    let Some(unlisted) = beneath(case, shown) else { return false };
    // Of a directory only what nothing on the card describes.
    if !shown.part.is_of_key() && case.live.at(&shown.place()).is_some() {
        return false;
    }
    let Some(own) = &unlisted.key else { return true };
    let mut named = cache_view.shown.of_ef(shown.ef).filter_map(Object::public_key);
    named.all(|public| same_form(public) == same_form(own))
}

/// Does the card itself say that there is no key in the place of this object that is shown, or another one?
#[must_use]
pub fn is_refuted(case: &Case<'_>, shown: &Object) -> bool {
    match case.layout.key_in(case.card, shown.ef) {
        KeyInPlace::None => true,
        KeyInPlace::Told(told) => match (&told.public, shown.public_key()) {
            (Some(own), Some(public)) => same_form(own) != same_form(public),
            _ => false,
        },
        KeyInPlace::Untold => false,
    }
}
