//! `ripening-entry`: a cache entry is old, and OpenSC will answer from it after a few more readings
//!
//! Some drivers (CAC, TCOS and others, from OpenSC 0.24 on) ask their cache for more bytes than the entry has, read the card
//! therefore, and append what they got *behind* the old bytes. After some readings the entry is long enough, and from then
//! on its beginning answers: what the card held before. Nothing is changed for that, neither on the card nor on the host.
//!
//! What you see: today everything is right. After so many more listings the old certificate is back.
//!
//! So it is with a truncated entry: OpenSC puts the whole behind it, and takes the beginning and what follows for one file. The
//! list may look right then, while the certificate in it is broken.
//!
//! It was found by asking a copy of the cache again and again until it turned. Where other entries are stale already these were
//! taken out of the copy first: an old directory may be why an old certificate is not asked for.
//!
//! Cure: `stalecard flush` now. Until the card is written again the entry then grows with copies of the right bytes, which
//! does no harm.

use crate::case::asked::{AskedCase, Standing};
use crate::finding::{Finding, Id, Prose};
use crate::rules::token::stale_certificate::named as certificate;
use crate::snapshot::Ripening;

/// Applies the rule to one card that OpenSC was asked about.
pub fn of_asked(case: &AskedCase<'_>, sink: &mut Vec<Finding>) {
    for cache in &case.caches {
        for entry in &cache.entries {
            let Standing::Ripening(ripening) = entry.standing else { continue };
            let sides = entry.is_certificate().then(|| entry.sides());
            let object = case.object_in(entry).map(|block| block.object(None));
            let named = object.as_ref().map(|object| format!(" ({} \"{}\")", object.class, object.label));
            let is_beginning = entry.is_beginning();
            let what = if is_beginning { "only the beginning of what" } else { "not what" };
            let summary = Prose::from(format!(
                "The cache entry of file {}{} is {what} the card holds; OpenSC does not answer from it today, and {}.",
                entry.path(),
                named.unwrap_or_default(),
                when(ripening)
            ));
            let [old, new] = entry.certificates();
            let summary = match (entry.is_certificate() && !is_beginning, old, new) {
                (true, old, new) => summary
                    .and(" It holds the certificate ")
                    .then(&certificate(old.as_ref()))
                    .and("; the card holds ")
                    .then(&certificate(new.as_ref()))
                    .and("."),
                (false, ..) => summary,
            };
            let evidence = cache.evidence(&[entry], sides);
            let consequence = if is_beginning {
                "OpenSC puts behind it what it reads from the card, and then takes both for one file."
            } else {
                "What the card held before comes back without anything being changed."
            };
            sink.push(case.finding(Id::RipeningEntry, cache, object, evidence, summary, consequence));
        }
    }
}

fn when(ripening: &Ripening) -> String {
    if ripening.behind {
        "will as soon as the entries are gone that make it show something else today".to_owned()
    } else if ripening.turned {
        format!("will from the reading number {} on, counted from now", ripening.readings)
    } else {
        format!("will after more than {} readings", ripening.readings)
    }
}
