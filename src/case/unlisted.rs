//! What a card holds and lists nowhere, and which caches still show it.
//!
//! A cache that was filled before a description or a certificate was lost has the last copy of it: programs of that host
//! go on using the key, and a flush would end that. So what such a cache shows is no ghost, unless it is
//! known to be another key's.

use crate::crypto::same_form;
use crate::snapshot::Card;
use crate::view::unlisted::Unlisted;
use crate::view::{KeyInPlace, Layout, Object, View};

/// Does a view through a cache have what is missing on the card of something that the card holds? Not if it names another
/// public key than the card does for the same place.
#[must_use]
pub fn is_kept(unlisted: &[Unlisted], live: &View, shown: &View, object: &Object) -> bool {
    let is_missing = |unlisted: &&Unlisted| unlisted.cure().is_some_and(|cure| cure.missing);
    let Some(unlisted) = unlisted.iter().filter(is_missing).find(|unlisted| unlisted.ef == object.ef) else {
        return false;
    };
    // Of a directory only what nothing on the card describes.
    if !object.part.is_of_key() && live.at(&object.place()).is_some() {
        return false;
    }
    let Some(own) = &unlisted.key else { return true };
    let mut named = shown.of_ef(object.ef).filter_map(Object::public_key);
    named.all(|public| same_form(public) == same_form(own))
}

/// Does the card itself say that there is no key in the place of this object that is shown, or another one?
#[must_use]
pub fn is_refuted(layout: &dyn Layout, card: &Card, shown: &Object) -> bool {
    match layout.key_in(card, shown.ef) {
        KeyInPlace::None => true,
        KeyInPlace::Told(told) => match (&told.public, shown.public_key()) {
            (Some(own), Some(public)) => same_form(own) != same_form(public),
            _ => false,
        },
        KeyInPlace::Untold => false,
    }
}
