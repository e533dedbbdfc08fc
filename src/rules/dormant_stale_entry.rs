//! `dormant-stale-entry`: a cache entry is wrong, but no program reads it today
//!
//! Caching is off for every program on this host, or the entry is in a directory
//! that no program uses under today's configuration. As soon as caching is
//! switched on (by a configuration file, an update, another `HOME`), OpenSC
//! believes the entry and shows what it holds.
//!
//! Cure: `stalecard flush` now, while it is harmless.

use super::case::Case;
use super::right_key::{Right, about};
use crate::finding::{Finding, Id};

/// Applies the rule to one token.
pub fn apply(case: &Case<'_>, sink: &mut Vec<Finding>) {
    for lens in case.lenses.iter().filter(|lens| !lens.is_former()) {
        let mut seen: Vec<&crate::snapshot::Name> = Vec::new();
        let differences = lens.unseen(&case.live);
        for difference in &differences {
            // A right public key that nobody reads today is told with the certificate that is not its key's.
            if about(lens, difference).is_some_and(|dispute| matches!(dispute.right, Right::Cache(_))) {
                continue;
            }
            let Some(entry) = lens.cause(difference) else { continue };
            if seen.contains(&&entry.name) {
                continue;
            }
            seen.push(&entry.name);
            let who = if lens.undecided {
                "whether a program shows it could not be told"
            } else {
                "no program shows it today"
            };
            sink.push(case.finding(
                Id::DormantStaleEntry,
                lens,
                difference,
                format!("A cache entry of slot {} is not what the card holds; {who}.", difference.place.slot),
                "It will be shown as soon as caching is switched on.".to_owned(),
            ));
        }
    }
}
