//! `dormant-stale-entry`: a cache entry is wrong, but no program reads it today
//!
//! Caching is off for every program on this host, or the entry is in a directory
//! that no program uses under today's configuration. As soon as caching is
//! switched on (by a configuration file, an update, another `HOME`), OpenSC
//! believes the entry and shows what it holds. Or a program reads it, but nothing of
//! it is in any list: it is old in bytes that are not shown, or it describes an object
//! that no program lists (`pkcs15-tool -D` ends after 32 objects of a class, the PKCS#11
//! module has room for 128). By its ID `pkcs15-tool` finds such an object all the same.
//!
//! A public key that is, or may be, the right one and not on the card any more is told as `certificate-key-mismatch` or
//! `public-key-undecided` instead.
//!
//! Cure: `stalecard flush` now, while it is harmless.

use std::collections::BTreeSet;

use crate::case::asked::{AskedCase, Standing};
use crate::case::cache_view::{CacheView, Discrepancy};
use crate::case::entry_defect::{Defect, defect, seen_today, unseen_entries};
use crate::case::token::Case;
use crate::finding::{Finding, Id};
use crate::opensc::program::PKCS15_TOOL;
use crate::snapshot::EntryName;

/// Applies the rule to one token.
pub fn apply(case: &Case<'_>, sink: &mut Vec<Finding>) {
    for cache_view in case.cache_views.iter().filter(|cache_view| !cache_view.is_former()) {
        // What a listing is wrong because of is told with the objects that are in it.
        let mut told: BTreeSet<&EntryName> =
            cache_view.seen().filter_map(|difference| difference.entry()).map(|entry| &entry.name).collect();
        for difference in cache_view.unseen() {
            // A public key that nobody reads today and that is right is told with the certificate that is not its key's;
            // one that may be right, as undecided.
            if difference.is_held() {
                continue;
            }
            let Some((entry, file)) = difference.cause else { continue };
            let damaged = cache_view.in_use()
                && matches!(defect(case, cache_view, file, entry), Some(Defect::Damaged(_)));
            if damaged || !told.insert(&entry.name) {
                continue;
            }
            sink.push(case.finding(
                Id::DormantStaleEntry,
                cache_view,
                &difference,
                format!(
                    "A cache entry of EF {} is not what the card holds; {}.",
                    difference.place.ef,
                    who(cache_view)
                ),
                consequence(cache_view, &difference),
            ));
        }
        if !cache_view.in_use() {
            continue;
        }
        for (file, entry) in unseen_entries(cache_view).filter(|(_, entry)| !told.contains(&entry.name)) {
            if let Some(Defect::Differs(what)) = defect(case, cache_view, file, entry) {
                let mut finding = case.entry_finding(
                    Id::DormantStaleEntry,
                    cache_view,
                    entry,
                    Some(file),
                    format!("The cache entry of file {file} {what}."),
                    seen_today(case, cache_view).to_owned(),
                );
                finding.program.clear();
                sink.push(finding);
            }
        }
    }
}

/// Applies it to one card that OpenSC was asked about.
pub fn of_asked(case: &AskedCase<'_>, sink: &mut Vec<Finding>) {
    for cache in &case.caches {
        let is_used = !cache.programs.is_empty();
        let (who, consequence) = if is_used {
            (
                "no list that was asked for is answered from it",
                "It is shown as soon as a program asks for that file.",
            )
        } else {
            ("no program shows it today", "It will be shown as soon as caching is switched on.")
        };
        for entry in cache.entries.iter().filter(|entry| entry.standing == Standing::Dormant) {
            let object = case.object_in(entry).map(|block| block.object(None));
            let evidence = cache.evidence(&[entry], entry.is_certificate().then(|| entry.sides()));
            let summary =
                format!("The cache entry of file {} is not what the card holds; {who}.", entry.path());
            let mut finding =
                case.finding(Id::DormantStaleEntry, cache, object, evidence, summary, consequence);
            finding.program.clear();
            sink.push(finding);
        }
    }
}

fn who(cache_view: &CacheView<'_>) -> &'static str {
    if cache_view.undecided {
        "whether a program shows it could not be told"
    } else if cache_view.in_use() {
        "no program lists it today"
    } else {
        "no program shows it today"
    }
}

fn consequence(cache_view: &CacheView<'_>, difference: &Discrepancy<'_>) -> String {
    let has_id =
        [difference.live, difference.shown].into_iter().flatten().any(|object| !object.id.is_empty());
    if !cache_view.in_use() {
        "It will be shown as soon as caching is switched on.".to_owned()
    } else if has_id && cache_view.programs.iter().any(|program| program == PKCS15_TOOL) {
        format!(
            "{PKCS15_TOOL} finds the object all the same when it is asked for its ID, and shows it wrong."
        )
    } else {
        "It will be shown as soon as nothing keeps the object out of the list.".to_owned()
    }
}
