//! Does a card's serial number stand for this card alone? Cache file names tell cards apart by that, and by what a card's
//! own generation adds to it.

use crate::case::cache_view::CacheView;
use crate::case::possession::{Device, Possession, possession_in};
use crate::case::token::Case;
use crate::opensc::CacheName;
use crate::opensc::cache_name::LastUpdate;
use crate::snapshot::{CacheEntry, Content, EfPath};

/// Why it does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    /// As the rest of a sentence.
    pub why: String,
    /// Was another card seen, in a reader or by what it left in a cache? Else it is of a kind that has no number of its own.
    pub is_seen: bool,
}

/// Whether other cards have the serial number of this one; none if nothing says so.
#[must_use]
pub fn shared(case: &Case<'_>) -> Option<Shared> {
    let seen = if case.twin {
        Some("another card in a reader of this host has the same one".to_owned())
    } else {
        later_state(case).or_else(|| other_device(case))
    };
    let is_seen = seen.is_some();
    let why = seen.or_else(|| case.layout.shared_identity(case.card, case.version))?;
    Some(Shared { why, is_seen })
}

/// A cached state of a card with this number that this card has not reached yet.
fn later_state(case: &Case<'_>) -> Option<String> {
    let name_of = |file: EfPath| case.layout.cache_name(case.card, case.version, file).ok();
    let own = case.card.files.iter().find_map(|file| name_of(file.path))?;
    let LastUpdate::Date(now) = &own.last_update else { return None };
    let is_later = |(name, _): &&(&CacheName, &CacheEntry)| {
        let LastUpdate::Date(date) = &name.last_update else { return false };
        // Only what is written alike can be compared as text.
        let comparable = date.len() == now.len() && date.ends_with('Z') && now.ends_with('Z');
        let later = date > now || (date == now && own.counter.is_some() && name.counter > own.counter);
        let own = name.ef().is_none_or(|file| case.owns(file));
        own && comparable && later
    };
    let (_, entry) = case.cache_views.iter().flat_map(CacheView::of_serial).find(is_later)?;
    Some(format!(
        "the cache has a later state of a card with this number than this card is in ({})",
        entry.name
    ))
}

/// A cached request that names this device as the one that made its key, and is not signed by it, while the card's own is.
fn other_device(case: &Case<'_>) -> Option<String> {
    let device = Device::of(case)?;
    let state = |content: &[u8]| possession_in(Some(&device), Some(content));
    let requests = case.live.private_keys().filter_map(|key| case.layout.request(key.ef));
    let requests: Vec<EfPath> = requests.collect();
    // A device whose own requests it has not signed tells nothing by it.
    let signs = |file: &&EfPath| case.on_card(**file).is_some_and(|own| state(own) == Possession::Here);
    requests.iter().find(signs)?;
    for cache_view in &case.cache_views {
        for (file, entry) in cache_view.cached.entries() {
            let Content::Bytes(bytes) = &entry.content else { continue };
            let is_request = requests.contains(&file) || case.on_card(file).is_none();
            let differs = case.on_card(file) != Some(bytes.as_slice());
            if is_request && differs && state(bytes.as_slice()) == Possession::BadOuter {
                return Some(format!(
                    "the cache has a request that another device with this number signed ({})",
                    entry.name
                ));
            }
        }
    }
    None
}
