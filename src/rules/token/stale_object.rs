//! `stale-object`: OpenSC shows an object with other attributes than the card's
//!
//! Label, usage, size, type or content come from a cache entry that is no longer
//! what the card holds; or a public key is shown where the card now has a
//! certificate, or the reverse.
//!
//! The label of the token itself is such an attribute where it comes from a cached file: OpenSC gives a PIV card the name on its
//! first certificate.
//!
//! What you see: a changed label or a freshly written certificate does not
//! appear, although the command that wrote it reported success.
//!
//! On a native PKCS#15 card (MyEID, OsEID, IsoApplet) write nothing from this host before the flush: OpenSC writes whole
//! directories back as it shows them here, and what was changed on the card is lost.
//!
//! Cure: `stalecard flush`, then restart programs that had the card open.

use crate::case::asked::{AskedCase, Standing};
use crate::case::asked_blocks::Change;
use crate::case::cache_view::CacheView;
use crate::case::danger;
use crate::case::token::Case;
use crate::finding::{Danger, Finding, Id, ObjectClass, ObjectName, Side};
use crate::text::escape;
use crate::view::difference::Kind;

/// Applies the rule to one token.
pub fn apply(case: &Case<'_>, sink: &mut Vec<Finding>) {
    for cache_view in &case.cache_views {
        for difference in cache_view.seen() {
            let names = match difference.kind {
                Kind::Attributes(names) => Some(names),
                Kind::Class => None,
                _ => continue,
            };
            if difference.is_of_damage() || difference.is_held() {
                continue;
            }
            let class = difference.live.map_or(ObjectClass::Other, |object| object.class.kind());
            let shown = difference.shown.map_or(ObjectClass::Other, |object| object.class.kind());
            let summary = match names {
                None => format!(
                    "OpenSC shows a {shown} where the card has a {class} (EF {}).",
                    difference.place.ef
                ),
                Some(names) => format!(
                    "OpenSC shows a {class} (EF {}) with another {} than the card's.",
                    difference.place.ef,
                    names.join(", ")
                ),
            };
            let mut finding = case.finding(
                Id::StaleObject,
                cache_view,
                &difference,
                summary,
                "What was changed on the card does not show on this host.".to_owned(),
            );
            finding.danger = Danger::all([
                danger::of_deleting_object(case, &difference),
                danger::of_writing(case, &difference),
            ]);
            sink.push(finding);
        }
        sink.extend(label(case, cache_view));
    }
}

/// Applies it to one card that OpenSC was asked about.
pub fn of_asked(case: &AskedCase<'_>, sink: &mut Vec<Finding>) {
    const CONSEQUENCE: &str = "What was changed on the card does not show on this host.";
    for cache in &case.caches {
        let guilty = cache.descriptions();
        let before = sink.len();
        for change in &cache.changes {
            let Change::Other { live, shown } = change else { continue };
            // Another certificate is told as that.
            let is_told = cache.guilty().any(|entry| entry.is_certificate() && entry.is_at(live));
            if is_told || guilty.is_empty() {
                continue;
            }
            let sides = (shown.side(Some(*live)), live.side(Some(*shown)));
            let class = live.class();
            let summary = format!(
                "OpenSC shows the {class} \"{}\" otherwise than it lists it of the card.",
                live.label()
            );
            let (object, evidence) = (live.object(Some(*shown)), cache.evidence(&guilty, Some(sides)));
            sink.push(case.finding(Id::StaleObject, cache, Some(object), evidence, summary, CONSEQUENCE));
        }
        let is_told = sink.len() > before
            || cache.changes.iter().any(|change| matches!(change, Change::Hidden(_) | Change::Ghost(_)));
        // Old bytes that no list tells of.
        for entry in
            cache.entries.iter().filter(|entry| entry.standing == Standing::Stale && !entry.is_certificate())
        {
            if is_told {
                continue;
            }
            let summary =
                format!("OpenSC answers for file {} with other bytes than the card holds.", entry.path());
            let evidence = cache.evidence(&[entry], None);
            let object = case.object_in(entry).map(|block| block.object(Some(block)));
            sink.push(case.finding(Id::StaleObject, cache, object, evidence, summary, CONSEQUENCE));
        }
    }
}

/// The label of the token, where that is not the card's.
fn label(case: &Case<'_>, cache_view: &CacheView<'_>) -> Option<Finding> {
    let other = cache_view.in_use().then(|| cache_view.other_label())??;
    let [live, shown] = [&other.live, &other.shown].map(|label| label.as_ref().map(|label| escape(label)));
    let quoted = |label: &Option<String>| {
        label.as_ref().map_or_else(|| "none".to_owned(), |text| format!("\"{text}\""))
    };
    let mut finding = case.entry_finding(
        Id::StaleObject,
        cache_view,
        other.entry,
        Some(other.file),
        format!(
            "OpenSC shows the token with the label {}; by the card it is {}.",
            quoted(&shown),
            quoted(&live)
        ),
        "Programs that look for the token by its label (--token-label, a URI with token=) do not find it."
            .to_owned(),
    );
    finding.object = Some(ObjectName {
        class: ObjectClass::Token,
        reference: None,
        label: live.clone().or_else(|| shown.clone()).unwrap_or_default(),
        id: None,
        shown_id: None,
    });
    let side = |label| Side { label, ..Side::default() };
    for evidence in &mut finding.evidence {
        (evidence.shown, evidence.card) = (Some(side(shown.clone())), Some(side(live.clone())));
    }
    Some(finding)
}
