//! `cache-cannot-notice-change`: caching is on for a card that never signals change
//!
//! A cache file's name carries the card's date of last update, if the card keeps
//! one, so that a change makes the old files invisible. A SmartCard-HSM keeps
//! none: its files are named `…_NODATE_…` for the whole life of the token, through
//! every deletion and re-initialisation. A MyEID keeps one that OpenSC does not
//! move after the card was made, and a counter of changes that is part of the name
//! from 0.24 on only: with an older OpenSC the finding says that, because an upgrade cures it. Whatever is cached once is believed for ever, on every host
//! that has seen the card.
//!
//! Where the cache holds a public key that the card does not name any more and that is, or may be, the right one
//! (`certificate-key-mismatch`, `public-key-undecided`), switching caching off hides it as a flush would: that comes
//! first.
//!
//! Cure: `stalecard config disable-cache` switches caching off for every program, with
//! a backup and a way back; or flush after every change, on every host.

use crate::case::cache_view::CacheView;
use crate::case::token::Case;
use crate::finding::{Deed, Finding, Id, Remedy};
use crate::opensc::Version;
use crate::opensc::differences::UP_TO_HEAD;
use crate::text::escape;

/// Applies the rule to one token.
pub fn apply(case: &Case<'_>, sink: &mut Vec<Finding>) {
    if case.layout.signals_change(case.card, case.version) {
        return;
    }
    let mut programs: Vec<String> =
        case.cache_views.iter().flat_map(|cache_view| cache_view.programs.clone()).collect();
    programs.dedup();
    if programs.is_empty() {
        return;
    }
    let looks = |minor: &u16| case.layout.signals_change(case.card, Version::of(*minor));
    let later = (case.version.minor..=*UP_TO_HEAD.end()).find(looks).map(Version::of);
    let mut finding = finding(&escape(case.serial.as_bytes()), programs, later);
    if case.cache_views.iter().any(CacheView::holds_a_right_key) {
        let what = "not yet `stalecard config disable-cache`: it may hide the right public key";
        finding.fix = vec![Remedy::new(what, Deed::SwitchCachingOff).waiting()];
    }
    sink.push(finding);
}

/// The finding for a token (its serial as it is shown) that these programs cache; `later`: the first version that looks at
/// what the card does signal.
#[must_use]
pub fn finding(token: &str, programs: Vec<String>, later: Option<Version>) -> Finding {
    let why = match later {
        None => "this card never signals a change".to_owned(),
        Some(later) => format!(
            "this OpenSC does not look at the counter by which the card signals a change ({later} does)"
        ),
    };
    let mut finding = Finding::new(
        Id::CacheCannotNoticeChange,
        format!("File caching is on for {}, and {why}.", programs.join(" and ")),
        "After the next deletion or key generation elsewhere this host shows the old keys again.".to_owned(),
    );
    finding.token = Some(token.to_owned());
    finding.program = programs;
    finding.fix.push(Remedy::new(
        "set use_file_caching = no; in framework pkcs15 of opensc.conf",
        Deed::SwitchCachingOff,
    ));
    if let Some(later) = later {
        finding.fix.push(Remedy::by_hand(format!("instead: upgrade OpenSC to {later} or later")));
    }
    finding
}
