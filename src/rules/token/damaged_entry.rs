//! `damaged-entry`: a cache entry is truncated, doubled or not decodable
//!
//! OpenSC writes cache files without locking and without checking that all bytes
//! arrived; from 0.24 on it can also append to a file that it meant to replace.
//! It never repairs such a file: an undecodable description hides its key, a
//! request whose first byte happens to be 30 becomes a certificate that no
//! program can use, and PKCS#11 applications see no certificate behind it. One
//! entry is one finding, however many objects it hides. An error if the listing
//! is wrong because of it, otherwise a warning. An entry that is only old is none of these.
//!
//! What you see: a key or certificate is missing on this host only, or a
//! certificate without content is listed.
//!
//! On a native PKCS#15 card (MyEID, OsEID, IsoApplet) write nothing from this host before the flush: OpenSC writes whole
//! directories back as it shows them here, and what a damaged one hides is gone from the card.
//!
//! Cure: `stalecard flush`; OpenSC fetches the files again.

use std::collections::{BTreeMap, BTreeSet};

use crate::case::asked::{AskedCase, Standing};
use crate::case::cache_view::{CacheView, Discrepancy};
use crate::case::crowd::Crowd;
use crate::case::danger;
use crate::case::entry_defect::{Defect, defect, seen_today, unseen_entries};
use crate::case::token::{Case, file_evidence, side};
use crate::finding::{Deed, Evidence, Finding, How, Id, Remedy, Severity, Unasked};
use crate::opensc::cache_name::CacheName;
use crate::opensc::program::PKCS11;
use crate::snapshot::{CacheDir, CacheEntry, Content, EfPath, EntryName};
use crate::text::count;
use crate::view::{Condition, Object, Place, layout_of};

/// Applies the rule to one token.
pub fn apply(case: &Case<'_>, sink: &mut Vec<Finding>) {
    for cache_view in case.cache_views.iter().filter(|cache_view| cache_view.in_use()) {
        for group in by_entry(cache_view.seen().filter(Discrepancy::is_of_damage)) {
            sink.push(finding(case, cache_view, &group));
        }
        let mut crowd = Crowd::new(cache_view.dir);
        for (file, entry) in unseen_entries(cache_view) {
            if let Some(Defect::Damaged(what)) = defect(case, cache_view, file, entry) {
                crowd.add(sink, entry, || {
                    let mut finding = case.entry_finding(
                        Id::DamagedEntry,
                        cache_view,
                        entry,
                        Some(file),
                        format!("The cache entry of file {file} {what}."),
                        seen_today(case, cache_view).to_owned(),
                    );
                    finding.severity = Severity::Warning;
                    finding
                });
            }
        }
        crowd.end(sink);
    }
}

/// Applies it to one card that OpenSC was asked about: an entry that OpenSC answers from is only the beginning of what it
/// would write today, and the list is wrong; one that holds more than the card's certificate; and one that is too large for any.
pub fn of_asked(case: &AskedCase<'_>, sink: &mut Vec<Finding>) {
    for cache in &case.caches {
        for entry in cache.entries.iter().filter(|entry| entry.standing == Standing::Damaged) {
            let object = case.object_in(entry).map(|block| block.object(None));
            let evidence = cache.evidence(&[entry], None);
            let file = entry.path();
            let (summary, consequence) = match entry.behind() {
                Some(rest) => (
                    format!(
                        "The cache entry of file {file} has {} behind the card's certificate: it was written twice, or by \
                         something else.",
                        count(usize::try_from(rest).unwrap_or(usize::MAX), "byte", "bytes")
                    ),
                    "No list is wrong because of it today.",
                ),
                None => (
                    format!(
                        "The cache entry of file {file} is truncated: OpenSC takes what there is for all."
                    ),
                    "What is described in the rest of it is not shown, or shown wrong.",
                ),
            };
            let mut finding = case.finding(Id::DamagedEntry, cache, object, evidence, summary, consequence);
            if entry.behind().is_some() && cache.changes.is_empty() {
                finding.severity = Severity::Warning;
            }
            sink.push(finding);
        }
        for entry in cache.oversized.iter().filter(|_| !cache.programs.is_empty()) {
            let summary = format!(
                "The cache entry {} has {} bytes, more than any file that OpenSC caches: it is no copy of the card's.",
                entry.name, entry.inode.size
            );
            let evidence =
                Evidence { file: Some(file_evidence(cache.dir, entry, None)), ..Evidence::default() };
            let consequence = "OpenSC takes the beginning of it for the card's file.";
            sink.push(case.finding(Id::DamagedEntry, cache, None, vec![evidence], summary, consequence));
        }
    }
}

/// What is wrong with an entry, as far as its bytes alone tell; and of which file it is.
pub(crate) fn by_itself(name: &CacheName, content: &Content) -> Option<(EfPath, String)> {
    let (file, Content::Bytes(bytes), (layout, _)) = (name.ef()?, content, layout_of(&[], name)?) else {
        return None;
    };
    match layout.condition(None, file, bytes.as_slice()) {
        Condition::Undecodable => Some((file, "does not decode".to_owned())),
        Condition::Trailing(rest) => Some((file, format!("has {rest} bytes after its first element"))),
        Condition::Empty | Condition::Whole => None,
    }
}

/// Applies it to an entry of a card that is not there: what it does to listings only the card could tell.
pub(crate) fn of_absent(
    dir: &CacheDir,
    uid: u32,
    programs: &[String],
    token: &str,
    (entry, file): (&CacheEntry, EfPath),
    what: &str,
) -> Finding {
    let mut finding = Finding::new(
        Id::DamagedEntry,
        format!("The cache entry of file {file} of card {token} {what}."),
        "Only with the card can be said whether a listing is wrong because of it.".to_owned(),
    );
    finding.severity = Severity::Warning;
    finding.token = Some(token.to_owned());
    finding.program = programs.to_vec();
    let file = Some(file_evidence(dir, entry, Some(file)));
    finding.evidence.push(Evidence { file, ..Evidence::default() });
    finding.fix.push(Remedy::new(
        "remove all cache entries of this card; OpenSC fetches them again",
        Deed::Move { how: How::FlushCard(token.to_owned()), unasked: Unasked::ByFlush },
    ));
    if entry.inode.uid != uid {
        finding.takes_consent();
    }
    finding
}

/// Differences that one entry is the cause of, together, in their order.
fn by_entry<'v>(differences: impl Iterator<Item = Discrepancy<'v>>) -> Vec<Vec<Discrepancy<'v>>> {
    let mut groups: Vec<Vec<Discrepancy<'_>>> = Vec::new();
    let mut known: BTreeMap<&EntryName, usize> = BTreeMap::new();
    for difference in differences {
        let Some(cause) = difference.entry() else { continue };
        let at = *known.entry(&cause.name).or_insert(groups.len());
        match groups.get_mut(at) {
            Some(group) => group.push(difference),
            None => groups.push(vec![difference]),
        }
    }
    groups
}

/// One finding about one entry, with all objects that suffer from it.
fn finding(case: &Case<'_>, cache_view: &CacheView<'_>, group: &[Discrepancy<'_>]) -> Finding {
    let mut places: BTreeSet<&Place> = BTreeSet::new();
    let mut objects = group.to_vec();
    objects.retain(|difference| places.insert(difference.place));
    let Some((first, others)) = objects.split_first() else {
        return Finding::new(Id::DamagedEntry, String::new(), String::new());
    };
    let is_empty = first
        .entry()
        .is_some_and(|entry| matches!(&entry.content, Content::Bytes(bytes) if bytes.as_slice().is_empty()));
    let summary = format!(
        "A cache entry of EF {} {}; because of it OpenSC shows {}.",
        first.place.ef,
        if is_empty { "is empty, and the card's file is not" } else { "does not decode" },
        effects(&objects)
    );
    let mut consequence =
        "Programs on this host see the key or certificate wrong or not at all; others do not.".to_owned();
    let mut finding = case.finding(Id::DamagedEntry, cache_view, first, summary, String::new());
    finding.program.clone_from(&cache_view.programs);
    finding.program.retain(|program| group.iter().any(|one| one.shown_by.contains(program)));
    for difference in others {
        finding.evidence.push(object_evidence(difference.shown, difference.live));
    }
    if finding.program.iter().any(|program| program == PKCS11) {
        let mut broken =
            objects.iter().filter_map(|one| one.shown).filter(|shown| shown.is_broken_certificate());
        if broken.any(|shown| !cache_view.lists.list(PKCS11, &shown.place())) {
            consequence.push_str(&format!(" {PKCS11} does not list a certificate without content."));
        }
        let behind: Vec<&Object> = objects.iter().flat_map(|one| behind(cache_view, one)).collect();
        if !behind.is_empty() {
            let number = count(behind.len(), "certificate", "certificates");
            consequence.push_str(&format!(" {PKCS11} lists nothing behind it: {number} of the card."));
        }
        finding.evidence.extend(behind.into_iter().map(|object| object_evidence(None, Some(object))));
    }
    finding.consequence = consequence;
    finding.danger = objects.iter().find_map(|difference| danger::of_writing(case, difference));
    finding
}

fn object_evidence(shown: Option<&Object>, live: Option<&Object>) -> Evidence {
    Evidence { shown: Some(side(shown)), card: Some(side(live)), ..Evidence::default() }
}

/// The card's certificates that the PKCS#11 module does not list because this one is broken.
fn behind<'v>(cache_view: &'v CacheView<'_>, broken: &Discrepancy<'_>) -> Vec<&'v Object> {
    if !broken.shown.is_some_and(Object::is_broken_certificate) {
        return Vec::new();
    }
    cache_view.hidden_behind(broken.place)
}

/// What is shown because of an entry, each kind of effect once.
fn effects(objects: &[Discrepancy<'_>]) -> String {
    let mut kinds: Vec<(bool, &str, usize)> = Vec::new();
    for difference in objects {
        let (is_gone, class) = match (difference.live, difference.shown) {
            (_, Some(shown)) if shown.is_broken_certificate() => (false, ""),
            (_, Some(shown)) => (false, shown.class.name()),
            (Some(live), None) => (true, live.class.name()),
            (None, None) => continue,
        };
        match kinds.iter_mut().find(|known| (known.0, known.1) == (is_gone, class)) {
            Some(known) => known.2 += 1,
            None => kinds.push((is_gone, class, 1)),
        }
    }
    let words = kinds.into_iter().map(|(is_gone, class, number)| match (is_gone, number) {
        (false, 1) if class.is_empty() => "a certificate without content".to_owned(),
        (false, number) if class.is_empty() => format!("{number} certificates without content"),
        (true, 1) => format!("no {class}"),
        (true, number) => format!("none of {number} {class}s"),
        (false, 1) => format!("a {class} that the card does not have"),
        (false, number) => format!("{number} {class}s that the card does not have"),
    });
    let words: Vec<String> = words.collect();
    if words.is_empty() { "something else".to_owned() } else { words.join(", and ") }
}
