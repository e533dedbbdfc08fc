//! What is wrong with a cache entry that no listing is wrong because of.
//!
//! Hides how that is told from its bytes, those of the card's file and the card's descriptions: a rule tells of what is damaged, another
//! of what is old.

use std::collections::BTreeSet;

use crate::case::cache_view::CacheView;
use crate::case::token::Case;
use crate::snapshot::{CacheEntry, Content, EfPath, EntryName};
use crate::view::Condition;
use crate::view::difference::Kind;

/// The entries of which no listing is wrong.
pub(crate) fn unseen_entries<'l>(
    cache_view: &'l CacheView<'l>,
) -> impl Iterator<Item = (EfPath, &'l CacheEntry)> {
    let mut causes: BTreeSet<&'l EntryName> = BTreeSet::new();
    for difference in cache_view.seen() {
        causes.extend(difference.entry().map(|entry| &entry.name));
        // What a ghost is shown with is named by the finding about the ghost.
        let ghost = difference.shown.filter(|_| *difference.kind == Kind::Ghost);
        let with_ghost = ghost.into_iter().flat_map(|ghost| cache_view.cached_files(ghost));
        causes.extend(with_ghost.map(|(_, entry)| &entry.name));
    }
    cache_view.cached.entries().filter(move |(_, entry)| !causes.contains(&entry.name))
}

/// What an entry of which no listing is known to be wrong does today.
pub(crate) fn seen_today(case: &Case<'_>, cache_view: &CacheView<'_>) -> &'static str {
    if is_decided(case, cache_view) {
        "No listing is wrong because of it today."
    } else {
        "Whether a listing is wrong because of it was not decided: other entries of this cache could not be read."
    }
}

/// Is all known of what is shown through the cache that is known of the card?
fn is_decided(case: &Case<'_>, cache_view: &CacheView<'_>) -> bool {
    (&cache_view.shown.unknown).into_iter().all(|(place, _)| case.live.is_unknown(place))
}

/// What is wrong with an entry as such.
pub(crate) enum Defect {
    /// Its bytes are no whole content of its file.
    Damaged(String),
    /// They are, but they are not the card's.
    Differs(String),
}

/// What is wrong with an entry of a file that the card still lists, although no
/// listing shows it.
pub(crate) fn defect(
    case: &Case<'_>,
    cache_view: &CacheView<'_>,
    file: EfPath,
    entry: &CacheEntry,
) -> Option<Defect> {
    if !case.inventory.is_listed(file) {
        return None;
    }
    let Content::Bytes(bytes) = &entry.content else { return None };
    let (bytes, live) = (bytes.as_slice(), case.on_card(file));
    if live == Some(bytes) || (live.is_none() && bytes.is_empty()) {
        return None;
    }
    let size = entry.inode.size;
    if bytes.len() > case.layout.buffer(file) {
        return Some(Defect::Damaged(format!(
            "has {size} bytes, more than OpenSC reads of such a file: it is passed over"
        )));
    }
    match case.inventory.condition(file, bytes) {
        Condition::Trailing(rest) => Some(Defect::Damaged(format!(
            "has {rest} bytes after its first element: written twice, or behind an older one"
        ))),
        Condition::Undecodable => Some(Defect::Damaged("does not decode".to_owned())),
        Condition::Empty => Some(Defect::Differs("is empty, the card's file is not".to_owned())),
        Condition::Whole => live.map(|_| {
            let unseen = if is_decided(case, cache_view) { " in bytes that no listing shows" } else { "" };
            Defect::Differs(format!("differs from the card's file{unseen}"))
        }),
    }
}
