//! `old-generation`: cache entries left behind by an older state or an older OpenSC
//!
//! The name of a cache entry carries the card's serial number, and its date of
//! last update if it keeps one. Entries under another date, or in the directory
//! that OpenSC used up to 0.21 (`~/.eid/cache`), are not read any more. Entries of
//! a SmartCard-HSM that carry a date come from a program that wrote to the card:
//! it kept the time in memory only, and no later program looks for that name.
//!
//! They do no harm, but they are never removed and they tell of old keys and
//! certificates.
//!
//! Where other cards have the same serial number (`shared-identity`), such entries may as well be theirs, and in use
//! whenever one of those is in the reader.
//!
//! Cure: `stalecard flush --serial SERIAL` removes all entries of a card.

use std::collections::BTreeSet;

use crate::case::crowd::name_entries;
use crate::case::identity;
use crate::case::token::Case;
use crate::finding::{Deed, Finding, How, Id, Remedy, Unasked};
use crate::text::{count, escape};

/// Applies the rule to one token.
pub fn apply(case: &Case<'_>, sink: &mut Vec<Finding>) {
    let shares = identity::shared(case).is_some();
    for cache_view in &case.cache_views {
        let former = cache_view.is_former();
        let known: BTreeSet<_> = cache_view.cached.entries().map(|(_, entry)| &entry.name).collect();
        let old: Vec<_> = cache_view
            .of_serial()
            .iter()
            .filter(|(name, entry)| {
                (former || !known.contains(&entry.name)) && name.ef().is_none_or(|file| case.owns(file))
            })
            .map(|(_, entry)| *entry)
            .collect();
        if old.is_empty() {
            continue;
        }
        let entries = count(old.len(), "cache entry", "cache entries");
        let (summary, consequence) = if shares {
            let summary = format!(
                "No program reads {entries} with this card's serial number in {} for this card: they are of another card with that number, or of an older state.",
                cache_view.dir.path
            );
            (summary, "None for this card; programs read another card's when that is in the reader.")
        } else {
            let summary =
                format!("No program reads {entries} of this card in {} any more.", cache_view.dir.path);
            (summary, "None; they only take space and tell of old keys.")
        };
        let mut finding = Finding::new(Id::OldGeneration, summary, consequence.to_owned());
        finding.token = Some(escape(case.serial.as_bytes()));
        name_entries(&mut finding, cache_view.dir, &old);
        let how = How::FlushCard(escape(case.serial.as_bytes()));
        let (what, unasked) = if shares {
            ("remove all cache entries with this serial number, whosever they are", Unasked::Never)
        } else {
            ("remove all cache entries of this card", Unasked::ByFix)
        };
        finding.fix.push(Remedy::new(what, Deed::Move { how, unasked }));
        if old.iter().any(|entry| entry.inode.uid != case.uid) {
            finding.takes_consent();
        }
        sink.push(finding);
    }
}
