//! `shared-identity`: several cards have the same cache file names
//!
//! OpenSC tells the cached files of cards apart by serial number alone. Some cards have none of
//! their own: a PIV card without a CHUID counts as `00000000`, one whose FASC-N is zeros as fifty zeros (up to 0.27 also with
//! a GUID beside it), as every other such card does. Whichever was read first on this account is shown for all
//! of them: keys and certificates of another card, perhaps of another person. Every card of the IsoApplet
//! has the serial number `0000`; a date of last update in the names keeps them apart as long as it differs.
//!
//! Two cards in turn in one reader give themselves away by their generations: a card's date of last update and
//! change counter only grow, so a copy of a later state than the card's is another card's. Two SmartCard-HSMs with one
//! serial number are told by the device that signed a cached request: it is by another key than this one's.
//!
//! It is an error where another card was seen, or something is shown that is not on this one; as long as only this
//! card was, a warning: nothing is shown wrong yet.
//!
//! Of cards that OpenSC was asked about it is told while two of them are in readers: files that it caches by the same names
//! and with other content. A flush cures nothing there: the next listing of the one brings back what is wrong for the other.
//!
//! Cure: give the card a serial number of its own (PIV: `yubico-piv-tool -a set-chuid`), or switch
//! caching off. `stalecard flush` helps until the next card is changed.

use crate::case::asked::AskedCase;
use crate::case::identity::{Shared, shared};
use crate::case::token::Case;
use crate::finding::{Deed, Finding, Id, Remedy, Safety, Severity};
use crate::text::escape;

/// Applies the rule to one token.
pub fn apply(case: &Case<'_>, sink: &mut Vec<Finding>) {
    let Some(Shared { why, is_seen }) = shared(case) else { return };
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
    // Only a cache in use has anything that is seen.
    if !is_seen && !case.cache_views.iter().any(|cache_view| cache_view.seen().next().is_some()) {
        finding.severity = Severity::Warning;
    }
    let what = "switch caching off, or give the card a serial number of its own";
    // Which of the two, somebody has to decide.
    finding.fix.push(Remedy::new(what, Deed::SwitchCachingOff).with(Safety::Manual));
    sink.push(finding);
}

/// Applies it to one card that OpenSC was asked about.
pub fn of_asked(case: &AskedCase<'_>, sink: &mut Vec<Finding>) {
    let Some(reader) = case.twin else { return };
    let mut programs: Vec<String> = case.caches.iter().flat_map(|cache| cache.programs.clone()).collect();
    programs.sort();
    programs.dedup();
    if programs.is_empty() {
        return;
    }
    let mut finding = Finding::new(
        Id::SharedIdentity,
        format!(
            "The serial number {} does not stand for this card alone: the card in reader {} has the same one, and holds \
             something else.",
            case.serial,
            escape(reader.as_bytes())
        ),
        "OpenSC shows whichever of the cards it cached first, for all of them.".to_owned(),
    );
    finding.token = Some(case.serial.clone());
    finding.program = programs;
    let what = "switch caching off: a flush helps until the other card is listed";
    finding.fix.push(Remedy::new(what, Deed::SwitchCachingOff).with(Safety::Manual));
    sink.push(finding);
}
