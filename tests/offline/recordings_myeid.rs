//! What the real tools and a MyEID card once said, judged again: see `recordings.rs`, which does this for the
//! SmartCard-HSM and explains the committed snapshots.

use crate::listing::{Pkcs11Listing, Pkcs15Listing};
use crate::native_listing::{expected_pkcs11, expected_pkcs15, pkcs11, pkcs15};
use crate::recorded::{cache_of, committed_outputs, recording_of, snapshot};
use stalecard::card::Options;
use stalecard::card::family::of_atr;
use stalecard::card::image::Image;
use stalecard::card::native::scan;
use stalecard::finding::{Id, Severity};
use stalecard::judge::{judge, tokens};
use stalecard::opensc::Version;
use stalecard::snapshot::{Card, Gap, Snapshot};
use stalecard::view::View;

const ATR: &[u8] = b"\x3B\xF5\x18\x00\x00\x81\x31\xFE\x45MyEID\x9A";
const SERIAL: &str = "00000000000000000001";

fn recording(name: &str) -> String {
    recording_of("myeid", name)
}

/// Our own scan over a card made of these exchanges.
fn scanned(recordings: &[&str]) -> (Card, Vec<Gap>) {
    let texts: Vec<String> = recordings.iter().map(|name| recording(name)).collect();
    let mut image = Image::from_recordings(texts.iter().map(String::as_str)).unwrap();
    let options = Options {
        read_c400: true,
        status: false,
        cached_links: &|_| Vec::new(),
        cached_keys: &|_| Vec::new(),
    };
    let (mut cards, gaps) = scan(&mut image, "Virtual PCD 00 00", ATR, of_atr(ATR), &options).unwrap();
    assert_eq!(cards.len(), 1);
    (cards.remove(0), gaps)
}

/// The card in state 1 or 2, as both tools have read it.
fn card(state: u8) -> (Card, Vec<Gap>) {
    scanned(&[&format!("{state}-live.apdus"), &format!("{state}-live-pkcs11.apdus")])
}

fn observed(state: u8, cache: &str) -> Snapshot {
    snapshot("office", card(state), cache_of("myeid", cache))
}

#[track_caller]
fn same_as_listings(view: &View, of_pkcs15: &str, of_pkcs11: Option<&str>) {
    assert!(view.unknown.is_empty());
    assert_eq!(expected_pkcs15(view), pkcs15(&Pkcs15Listing::parse(&recording(of_pkcs15)).unwrap()));
    if let Some(name) = of_pkcs11 {
        assert_eq!(
            expected_pkcs11(view, false, Version::of(23)),
            pkcs11(&Pkcs11Listing::parse(&recording(name)))
        );
    }
}

#[test]
fn the_live_views_are_the_listings() {
    for state in [1, 2] {
        let (card, gaps) = card(state);
        assert_eq!((gaps, card.serial.as_deref()), (vec![], Some(SERIAL)));
        let observed = observed(state, "1-cache");
        let case = &tokens(&observed).cases[0];
        same_as_listings(&case.live, &format!("{state}-live.txt"), Some(&format!("{state}-live-pkcs11.txt")));
    }
}

/// The first listing filled the cache, the second read it; state 2 still shows key 45, and not key 47.
#[test]
fn the_views_through_the_cache_are_the_listings() {
    let first = observed(1, "1-cache");
    for name in ["1-cached-cold.txt", "1-cached-warm.txt"] {
        same_as_listings(&tokens(&first).cases[0].cache_views[0].shown, name, None);
    }
    let second = observed(2, "2-cache");
    let shown = &tokens(&second).cases[0].cache_views[0].shown;
    same_as_listings(shown, "2-cached.txt", Some("2-cached-pkcs11.txt"));
}

#[test]
fn what_changed_is_told_object_by_object() {
    let told = |snapshot: &Snapshot| -> Vec<(Id, String, Option<String>, Option<String>)> {
        let verdict = judge(snapshot);
        let errors = verdict.findings.into_iter().filter(|finding| finding.severity >= Severity::Error);
        let mut told: Vec<_> = errors
            .map(|finding| {
                let object = finding.object.unwrap();
                (finding.id, object.class.name().to_owned(), object.id, object.shown_id)
            })
            .collect();
        told.sort();
        told
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(told(&observed(1, "1-cache")), []);
    let mut expected = Vec::new();
    for class in ["certificate", "private key", "public key"] {
        expected.push((Id::HiddenObject, class.to_owned(), some("47"), None));
    }
    for class in ["certificate", "private key", "public key"] {
        expected.push((Id::GhostObject, class.to_owned(), None, some("45")));
    }
    expected.sort();
    assert_eq!(told(&observed(2, "2-cache")), expected);
}

/// With a warm cache the real tool asked the card for almost nothing: coverage, and no verdict.
#[test]
fn what_was_never_recorded_is_coverage() {
    let (card, gaps) = scanned(&["2-cached.apdus"]);
    for file in ["50154401", "50154402", "50154404"] {
        let what = format!("file {file} ");
        assert!(gaps.iter().any(|gap| gap.what.starts_with(&what) && gap.why == "not recorded"), "{gaps:#?}");
    }
    let verdict = judge(&snapshot("office", (card, gaps), cache_of("myeid", "2-cache")));
    assert!(verdict.findings.iter().all(|finding| finding.severity <= Severity::Warning), "{verdict:#?}");
    assert!(verdict.coverage.iter().any(|gap| gap.what.contains("50154402") && gap.why == "not recorded"));
}

#[test]
fn every_reading_command_on_the_committed_snapshots() {
    committed_outputs(&[
        ("myeid-fresh", observed(1, "1-cache"), 0),
        ("myeid-stale", observed(2, "2-cache"), 1),
    ]);
}
