//! What real tools and cards once said, read by our own commands (`fixtures/recordings/`).

use crate::compare::{lines, same_as_pkcs11, same_as_pkcs15, same_objects};
use crate::recorded::{cache_of, committed_outputs, recording_of as text, snapshot};

use stalecard::card::image::Image;
use stalecard::card::{openpgp, piv};
use stalecard::finding::{Finding, Id, Severity};
use stalecard::judge::judge;
use stalecard::opensc::Version;
use stalecard::snapshot::{CacheDir, Card, Snapshot};
use stalecard::view::cached::Cached;
use stalecard::view::{Behaviour, Class, Object, View, layout};

const OPENSC: Version = Version { major: 0, minor: 23, patch: 0 };

/// The card of these exchanges, read by our own scan without a gap.
fn piv_card(recordings: &[&str]) -> Card {
    let texts: Vec<String> = recordings.iter().map(|name| text("piv", name)).collect();
    let mut image = Image::from_recordings(texts.iter().map(String::as_str)).unwrap();
    let (card, gaps) = piv::scan(&mut image, "recording", &[]).unwrap();
    // OpenSC 0.23 does not ask for it.
    let gaps: Vec<String> = gaps.into_iter().map(|gap| gap.what).collect();
    let never_recorded = ["object 1016", "certificate for secure messaging (5FC122)"];
    assert_eq!(gaps, never_recorded.map(|what| format!("{what} of the card in reader recording")));
    card
}

fn views(card: &Card, dir: &CacheDir) -> [View; 2] {
    let layout = layout(card.family).unwrap();
    let name = |file| layout.cache_name(card, OPENSC, file).ok().map(|name| name.name());
    let behaviour = Behaviour::of(Some(OPENSC));
    [layout.decode(card, card, behaviour), layout.decode(card, &Cached::new(card, dir, name), behaviour)]
}

/// What is found on a host with OpenSC 0.23.0 and caching `yes`.
fn observed(card: Card, cache: CacheDir) -> Snapshot {
    snapshot("alpha", (card, Vec::new()), cache)
}

fn findings(card: Card, cache: CacheDir) -> Vec<Finding> {
    let verdict = judge(&observed(card, cache));
    assert_eq!(verdict.coverage, []);
    verdict.findings
}

fn openpgp_card(recordings: &[&str]) -> Card {
    let texts: Vec<String> = recordings.iter().map(|name| text("openpgp", name)).collect();
    let mut image = Image::from_recordings(texts.iter().map(String::as_str)).unwrap();
    let (card, gaps) = openpgp::scan(&mut image, "recording", &[]).unwrap();
    assert_eq!(gaps, []);
    card
}

#[test]
fn every_reading_command_on_the_committed_snapshots() {
    let openpgp = ["2-live.apdus", "2-live-pkcs11.apdus"];
    committed_outputs(&[
        ("piv-stale", observed(piv_card(&["2-live.apdus"]), cache_of("piv", "2-cache")), 1),
        ("openpgp-stale", observed(openpgp_card(&openpgp), cache_of("openpgp", "2-cache")), 1),
    ]);
}

/// State 1: the cache is the card's. State 2, both keys made anew: it is the old one.
#[test]
fn a_piv_card_before_and_after() {
    for state in ["1", "2"] {
        let name = |rest: &str| format!("{state}-{rest}");
        let live: &[&str] = &[&name("live.apdus"), &name("live-pkcs11.apdus")];
        for recordings in [&live[..1], live] {
            let card = piv_card(recordings);
            assert_eq!(card.serial.as_deref(), Some("9168e52e6f026a829a5027a9011ca5a7"));
            let [live, shown] = views(&card, &cache_of("piv", &name("cache")));
            for (view, what) in [(&live, "live"), (&shown, "cached")] {
                same_as_pkcs15(what, view, OPENSC, &text("piv", &name(&format!("{what}.txt"))));
                same_as_pkcs11(what, view, OPENSC, false, &text("piv", &name(&format!("{what}-pkcs11.txt"))));
            }
        }
    }
}

#[test]
fn a_piv_cards_differences_are_told() {
    let first = findings(piv_card(&["1-live.apdus"]), cache_of("piv", "1-cache"));
    assert!(first.iter().all(|finding| finding.id == Id::CacheCannotNoticeChange), "{}", lines(&first));

    let second = findings(piv_card(&["2-live.apdus"]), cache_of("piv", "2-cache"));
    let errors: Vec<(Id, &str)> = second
        .iter()
        .filter(|finding| finding.severity >= Severity::Error)
        .map(|finding| (finding.id, finding.object.as_ref().unwrap().label.as_str()))
        .collect();
    let expected = [
        (Id::PublicKeyUndecided, "PIV AUTH pubkey"),
        (Id::PublicKeyUndecided, "SIGN pubkey"),
        (Id::StaleObject, "SIGN key"),
        (Id::StaleObject, "X.509 Certificate for PIV Authentication"),
        (Id::StaleObject, "X.509 Certificate for Digital Signature"),
        // The token has the name of its first certificate.
        (Id::StaleObject, "B-9a"),
    ];
    assert_eq!(errors.len(), expected.len(), "{}", lines(&second));
    for known in expected {
        assert!(errors.contains(&known), "{known:?} in {}", lines(&second));
    }
    // Of which key and certificate each side is, stands in the evidence.
    let undecided = second.iter().find(|finding| finding.id == Id::PublicKeyUndecided).unwrap();
    let evidence = &undecided.evidence[0];
    let [shown, card] = [&evidence.shown, &evidence.card].map(|side| side.as_ref().unwrap());
    assert!(shown.public_key.is_some() && shown.public_key != card.public_key, "{undecided:?}");
    assert!(undecided.danger.is_none(), "{undecided:?}");
    let certificate = &undecided.evidence[1];
    let [shown, card] = [&certificate.shown, &certificate.card].map(|side| side.as_ref().unwrap());
    assert_eq!([&shown.subject, &card.subject], [&Some("CN=A-9a".to_owned()), &Some("CN=B-9a".to_owned())]);
    let serials = ["66978f4f77e528a68846a2b8dd87a621bbd2fecd", "5399aa6d9e497b5acf4d4d1d3bad0f2961b08e79"];
    assert_eq!(
        [&shown.certificate_serial, &card.certificate_serial],
        serials.map(|s| Some(s.to_owned())).each_ref()
    );
}

/// The public keys (PEM) that were recorded, and those of a view.
fn same_public_keys(view: &View, state: &str, what: &str) {
    for id in 1..=3 {
        let pem = text("openpgp", &format!("{state}-{what}-0{id}.pub.pem"));
        let is_it = |object: &&Object| matches!(object.class, Class::PublicKey { .. }) && object.id == [id];
        let key = view.objects.iter().find(is_it).unwrap().public_key().unwrap();
        assert_eq!(data_encoding::BASE64.encode(&key.spki()), base64(&pem), "key {id}, {state} {what}");
    }
}

fn base64(pem: &str) -> String {
    pem.lines().filter(|line| !line.starts_with("-----")).collect()
}

/// Keys 1 and 3 were made anew between the states: the listings do not change, the public keys do.
#[test]
fn an_openpgp_card_before_and_after() {
    for state in ["1", "2"] {
        let name = |rest: &str| format!("{state}-{rest}");
        let card = openpgp_card(&[&name("live.apdus"), &name("live-pkcs11.apdus")]);
        assert_eq!(card.serial.as_deref(), Some("000000000001"));
        let dir = cache_of("openpgp", &name("cache"));
        let [live, shown] = views(&card, &dir);
        for (view, what) in [(&live, "live"), (&shown, "cached")] {
            same_as_pkcs15(what, view, OPENSC, &text("openpgp", &name(&format!("{what}.txt"))));
            let first_token = crate::openpgp::of_token(view, OPENSC, false, false);
            same_objects(what, &first_token, &text("openpgp", &name(&format!("{what}-pkcs11.txt"))));
            same_public_keys(view, state, what);
        }
        let found: Vec<(Id, String)> = findings(card, dir)
            .into_iter()
            .filter(|finding| finding.severity >= Severity::Error)
            .map(|finding| (finding.id, finding.object.unwrap().label))
            .collect();
        let stale = ["Signature key", "Authentication key"].map(|key| (Id::StalePublicKey, key.to_owned()));
        assert_eq!(found, if state == "1" { Vec::new() } else { stale.to_vec() });
    }
}
