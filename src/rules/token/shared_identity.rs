//! `shared-identity`: several cards have the same cache file names
//!
//! OpenSC tells the cached files of cards apart by serial number alone. Some cards have none of
//! their own: a PIV card without a CHUID (or with one of zeros) counts as `00000000` or as
//! fifty zeros, as every other such card does. Whichever was read first on this account is shown for all
//! of them: keys and certificates of another card, perhaps of another person. Every card of the IsoApplet
//! has the serial number `0000`; a date of last update in the names keeps them apart as long as it differs.
//!
//! Two cards in turn in one reader give themselves away by their generations: a card's date of last update and
//! change counter only grow, so a copy of a later state than the card's is another card's.
//!
//! Cure: give the card a serial number of its own (PIV: `yubico-piv-tool -a set-chuid`), or switch
//! caching off. `stalecard flush` helps until the next card is changed.

use crate::case::token::Case;
use crate::finding::{Deed, Finding, Id, Remedy, Safety};
use crate::opensc::CacheName;
use crate::opensc::cache_name::LastUpdate;
use crate::snapshot::{CacheEntry, EfPath};
use crate::text::escape;

/// Applies the rule to one token.
pub fn apply(case: &Case<'_>, sink: &mut Vec<Finding>) {
    let why = if case.twin {
        Some("another card in a reader of this host has the same one".to_owned())
    } else {
        case.layout.shared_identity(case.card).or_else(|| later_state(case))
    };
    let Some(why) = why else { return };
    let mut programs: Vec<String> =
        case.cache_views.iter().flat_map(|cache_view| cache_view.programs.clone()).collect();
    programs.sort();
    programs.dedup();
    if programs.is_empty() {
        return;
    }
    let token = escape(case.serial.as_bytes());
    let mut finding = Finding::new(
        Id::SharedIdentity,
        format!("The serial number {token} does not stand for this card alone: {why}."),
        "OpenSC shows whichever of the cards it cached first, for all of them.".to_owned(),
    );
    finding.token = Some(token);
    finding.program = programs;
    let what = "switch caching off, or give the card a serial number of its own";
    // Which of the two, somebody has to decide.
    finding.fix.push(Remedy::new(what, Deed::SwitchCachingOff).with(Safety::Manual));
    sink.push(finding);
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
    let (_, entry) = case.cache_views.iter().flat_map(|cache_view| cache_view.of_serial()).find(is_later)?;
    Some(format!(
        "the cache has a later state of a card with this number than this card is in ({})",
        entry.name
    ))
}
