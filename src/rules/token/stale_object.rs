//! `stale-object`: OpenSC shows an object with other attributes than the card's
//!
//! Label, usage, size, type or content come from a cache entry that is no longer
//! what the card holds; or a public key is shown where the card now has a
//! certificate, or the reverse.
//!
//! What you see: a changed label or a freshly written certificate does not
//! appear, although the command that wrote it reported success.
//!
//! On a native PKCS#15 card (MyEID, OsEID, IsoApplet) write nothing from this host before the flush: OpenSC writes whole
//! directories back as it shows them here, and what was changed on the card is lost.
//!
//! Cure: `stalecard flush`, then restart programs that had the card open.

use crate::case::danger;
use crate::case::token::Case;
use crate::finding::{Finding, Id};
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
            let class = difference.live.map_or("object", |object| object.class.name());
            let shown = difference.shown.map_or("object", |object| object.class.name());
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
            finding.danger = danger::all([
                danger::of_deleting_object(case, &difference),
                danger::of_writing(case, &difference),
            ]);
            sink.push(finding);
        }
    }
}
