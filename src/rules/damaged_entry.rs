//! `damaged-entry`: a cache entry is truncated, doubled or not decodable
//!
//! OpenSC writes cache files without locking and without checking that all bytes
//! arrived; from 0.24 on it can also append to a file that it meant to replace.
//! It never repairs such a file: an undecodable description hides its key, a
//! request whose first byte happens to be 30 becomes a certificate that no
//! program can use. An error if the listing is wrong because of it, otherwise a
//! warning.
//!
//! What you see: a key or certificate is missing on this host only, or a
//! certificate without content is listed.
//!
//! On a native PKCS#15 card (MyEID, OsEID, IsoApplet) write nothing from this host before the flush: OpenSC writes whole
//! directories back as it shows them here, and what a damaged one hides is gone from the card.
//!
//! Cure: `stalecard flush`; OpenSC fetches the files again.

use super::case::Case;
use super::danger;
use crate::finding::{Finding, Id, Severity};
use crate::snapshot::{CacheEntry, Content, EfPath};
use crate::view::Condition;
use crate::view::difference::{Difference, Kind};

/// Applies the rule to one token.
pub fn apply(case: &Case<'_>, sink: &mut Vec<Finding>) {
    for lens in case.lenses.iter().filter(|lens| lens.in_use()) {
        let differences = lens.differences(&case.live);
        for difference in &differences {
            if lens.condition(difference) == Condition::Undecodable {
                let mut finding = case.finding(
                    Id::DamagedEntry,
                    lens,
                    difference,
                    format!(
                        "A cache entry of slot {} does not decode; because of it OpenSC shows {}.",
                        difference.place.slot,
                        effect(difference)
                    ),
                    "Programs on this host see the key or certificate wrong or not at all; others do not."
                        .to_owned(),
                );
                finding.danger = danger::of_writing(case, lens, difference);
                sink.push(finding);
            }
        }
        let is_cause = |entry: &CacheEntry| {
            // What a ghost is shown with is named by the finding about the ghost.
            let of_ghost = |d: &Difference<'_>| {
                let shown = d.shown.filter(|_| d.kind == Kind::Ghost);
                shown.is_some_and(|shown| lens.cached_files(shown).any(|(_, known)| known.name == entry.name))
            };
            differences.iter().filter_map(|d| lens.cause(d)).any(|cause| cause.name == entry.name)
                || differences.iter().any(of_ghost)
        };
        for (file, entry) in lens.cached.entries().filter(|(_, entry)| !is_cause(entry)) {
            if let Some(what) = defect(case, file, entry) {
                let mut finding = case.entry_finding(
                    Id::DamagedEntry,
                    lens,
                    entry,
                    Some(file),
                    format!("The cache entry of file {file} {what}."),
                    "No listing is wrong because of it today.".to_owned(),
                );
                finding.severity = Severity::Warning;
                sink.push(finding);
            }
        }
    }
}

fn effect(difference: &Difference<'_>) -> String {
    match (difference.live, difference.shown) {
        (Some(live), None) => format!("no {}", live.class.name()),
        (_, Some(shown)) => format!("a {} that the card does not have", shown.class.name()),
        (None, None) => "something else".to_owned(),
    }
}

/// What is wrong with an entry of a file that the card still lists, although no
/// listing shows it.
fn defect(case: &Case<'_>, file: EfPath, entry: &CacheEntry) -> Option<String> {
    if !case.layout.is_listed(case.card, file) {
        return None;
    }
    let Content::Bytes(bytes) = &entry.content else { return None };
    let (bytes, live) = (bytes.as_slice(), case.on_card(file));
    if live == Some(bytes) || (live.is_none() && bytes.is_empty()) {
        return None;
    }
    let size = entry.inode.size;
    if bytes.len() > case.layout.buffer(file) {
        return Some(format!("has {size} bytes, more than OpenSC reads of such a file: it is passed over"));
    }
    match case.layout.condition(Some(case.card), file, bytes) {
        Condition::Trailing(rest) => {
            Some(format!("has {rest} bytes after its first element: written twice, or over a longer one"))
        }
        Condition::Undecodable | Condition::Empty => Some("does not decode".to_owned()),
        Condition::Whole => {
            live.map(|_| "differs from the card's file in bytes that no listing shows".to_owned())
        }
    }
}
