//! `hidden-object`: an object is on the card, but OpenSC does not show it
//!
//! OpenSC keeps an empty cache file for a file that it could not read, even if
//! the reason was only a card pulled at the wrong moment, and believes it for
//! ever: the object stays invisible although the card has it. An old entry of
//! another kind can hide an object in the same way.
//!
//! What you see: a key or certificate that another host lists is missing here;
//! key generation reports success and the key never appears.
//!
//! Do not generate the key again: it would get another key reference. On a native PKCS#15 card (MyEID, OsEID,
//! IsoApplet) write nothing to the card from this host before the flush: OpenSC writes a whole directory back as it shows
//! it here, with the next key, certificate, PIN or data object that is written or deleted. What is hidden is
//! gone from the card then, and its key cannot be found any more.
//!
//! Cure: `stalecard flush`, then restart programs that had the card open.

use crate::case::asked::AskedCase;
use crate::case::asked_blocks::Change;
use crate::case::danger;
use crate::case::token::Case;
use crate::finding::{Finding, Id, Side};
use crate::text::{escape, hex};
use crate::view::difference::Kind;

/// Applies the rule to one token.
pub fn apply(case: &Case<'_>, sink: &mut Vec<Finding>) {
    for cache_view in &case.cache_views {
        for difference in cache_view.seen() {
            let (Kind::Hidden, Some(live)) = (difference.kind, difference.live) else { continue };
            if difference.is_of_damage() {
                continue;
            }
            let id = if live.id.is_empty() { String::new() } else { format!(", ID {}", hex(&live.id)) };
            let mut finding = case.finding(
                Id::HiddenObject,
                cache_view,
                &difference,
                format!(
                    "The card has the {} \"{}\" (EF {}{id}); OpenSC does not show it.",
                    live.class.name(),
                    escape(&live.label),
                    difference.place.ef
                ),
                "Programs behave as if it did not exist.".to_owned(),
            );
            finding.danger = danger::of_writing(case, &difference);
            if finding.danger.is_some() {
                finding.consequence =
                    "Programs behave as if it did not exist, and the next that writes to the card from this host deletes \
                     its description there."
                        .to_owned();
            }
            sink.push(finding);
        }
    }
}

/// Applies it to one card that OpenSC was asked about.
pub fn of_asked(case: &AskedCase<'_>, sink: &mut Vec<Finding>) {
    for cache in &case.caches {
        let guilty = cache.descriptions();
        for change in cache.changes.iter().filter(|_| !guilty.is_empty()) {
            let Change::Hidden(live) = change else { continue };
            sink.push(case.finding(
                Id::HiddenObject,
                cache,
                Some(live.object(None)),
                cache.evidence(&guilty, Some((Side::absent(), live.side(None)))),
                format!("The card has the {} \"{}\"; OpenSC does not show it.", live.class(), live.label()),
                "Programs behave as if it did not exist.",
            ));
        }
    }
}
