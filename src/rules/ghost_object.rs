//! `ghost-object`: OpenSC shows an object that is gone from the card
//!
//! The object's file was deleted from the card, or is there in another form, but
//! it is still answered from the cache.
//!
//! What you see: a deleted certificate, public key or data object comes back with
//! every listing; deleting it again fails or hits something else.
//!
//! Cure: `stalecard flush`, then restart programs that had the card open.

use super::case::Case;
use crate::finding::{Finding, Id};
use crate::text::{escape, hex};
use crate::view::Condition;
use crate::view::difference::Kind;

/// Applies the rule to one token.
pub fn apply(case: &Case<'_>, sink: &mut Vec<Finding>) {
    for lens in case.lenses.iter().filter(|lens| lens.in_use()) {
        for difference in lens.differences(&case.live) {
            let (Kind::Ghost, Some(shown)) = (&difference.kind, difference.shown) else { continue };
            if lens.condition(&difference) == Condition::Undecodable {
                continue;
            }
            let id = if shown.id.is_empty() { String::new() } else { format!(", ID {}", hex(&shown.id)) };
            sink.push(case.finding(
                Id::GhostObject,
                lens,
                &difference,
                format!(
                    "OpenSC shows the {} \"{}\" (slot {}{id}); the card has no such object.",
                    shown.class.name(),
                    escape(&shown.label),
                    difference.place.slot
                ),
                "Programs offer an object that cannot be used.".to_owned(),
            ));
        }
    }
}
