//! `orphan-entry`: a cache entry stands for an object that is not on the card
//!
//! The key or object was deleted, but its cache files stay. Nothing shows them
//! while the key reference is free, because the card's list of keys is always read from
//! the card. The next key with that reference is born stale: OpenSC shows it with the
//! ID and public key of the deleted one.
//!
//! This is how most stale caches begin: delete, re-initialise, generate anew.
//!
//! Cure: `stalecard flush` after deleting keys and before generating new ones, on
//! every host that has seen the old keys.

use crate::case::crowd::Crowd;
use crate::case::token::Case;
use crate::finding::{Finding, Id};

/// Applies the rule to one token.
pub fn apply(case: &Case<'_>, sink: &mut Vec<Finding>) {
    for cache_view in case.cache_views.iter().filter(|cache_view| !cache_view.is_former()) {
        let mut crowd = Crowd::new(cache_view.dir);
        for (file, entry) in cache_view.cached.entries() {
            if case.inventory.is_listed(file) || !case.owns(file) || case.is_listed_beside(file) {
                continue;
            }
            crowd.add(sink, entry, || {
                case.entry_finding(
                    Id::OrphanEntry,
                    cache_view,
                    entry,
                    Some(file),
                    format!("The cache entry of file {file} stands for an object that is not on the card."),
                    "The next object in that place is shown with the old one's content.".to_owned(),
                )
            });
        }
        crowd.end(sink);
    }
}
