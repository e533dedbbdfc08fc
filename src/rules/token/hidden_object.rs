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
//! Do not generate the key again: it would go into another slot. On a native PKCS#15 card (MyEID, OsEID,
//! IsoApplet) write nothing to the card from this host before the flush: OpenSC writes a whole directory back as it shows
//! it here, with the next key, certificate, PIN or data object that is written or deleted. What is hidden is
//! gone from the card then, and its key cannot be found any more.
//!
//! Cure: `stalecard flush`, then restart programs that had the card open.

use crate::case::danger;
use crate::case::token::Case;
use crate::finding::{Finding, Id};
use crate::text::{escape, hex};
use crate::view::Condition;
use crate::view::difference::Kind;

/// Applies the rule to one token.
pub fn apply(case: &Case<'_>, sink: &mut Vec<Finding>) {
    for lens in case.lenses.iter().filter(|lens| lens.in_use()) {
        for difference in lens.differences(&case.live) {
            let (Kind::Hidden, Some(live)) = (&difference.kind, difference.live) else { continue };
            if lens.condition(&difference) == Condition::Undecodable {
                continue;
            }
            let id = if live.id.is_empty() { String::new() } else { format!(", ID {}", hex(&live.id)) };
            let mut finding = case.finding(
                Id::HiddenObject,
                lens,
                &difference,
                format!(
                    "The card has the {} \"{}\" (slot {}{id}); OpenSC does not show it.",
                    live.class.name(),
                    escape(&live.label),
                    difference.place.slot
                ),
                "Programs behave as if it did not exist.".to_owned(),
            );
            finding.danger = danger::of_writing(case, lens, &difference);
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
