//! `shared-identity`: several cards have the same cache file names
//!
//! OpenSC tells the cached files of cards apart by serial number alone. Some cards have none of
//! their own: a PIV card without a CHUID (or with one of zeros) counts as `00000000` or as
//! fifty zeros, as every other such card does. Whichever was read first on this account is shown for all
//! of them: keys and certificates of another card, perhaps of another person.
//!
//! Cure: give the card a serial number of its own (PIV: `yubico-piv-tool -a set-chuid`), or switch
//! caching off. `stalecard flush` helps until the next card is changed.

use super::case::Case;
use crate::finding::{Finding, Fix, Id};
use crate::text::escape;

/// Applies the rule to one token.
pub fn apply(case: &Case<'_>, sink: &mut Vec<Finding>) {
    let twin = case.others.iter().any(|other| {
        other.family == case.card.family
            && other.serial == case.card.serial
            && other.files.iter().ne(case.card.files.iter())
    });
    let why = if twin {
        Some("another card in a reader of this host has the same one".to_owned())
    } else {
        case.layout.shared_identity(case.card)
    };
    let Some(why) = why else { return };
    let mut programs: Vec<String> = case.lenses.iter().flat_map(|lens| lens.programs.clone()).collect();
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
    finding.fix.push(Fix {
        what: "switch caching off, or give the card a serial number of its own".to_owned(),
        command: Some("stalecard config disable-cache".to_owned()),
    });
    sink.push(finding);
}
