//! A PIV card on the stand, as a YubiKey 5 by its answer to reset.

use crate::compare::{both_views_hold, lines, snapshot};
use crate::stand::{Family, Host, Options, PIV_PIN, Stand, YUBIKEY};
use stalecard::finding::{Finding, Id, Severity};
use stalecard::judge::judge;
use stalecard::verdict::Verdict;
use std::time::{Duration, Instant};

pub fn stand() -> (Stand, Host) {
    let stand = Stand::with(Options { family: Family::Piv, switches: &YUBIKEY, ..Options::default() });
    let alpha = stand.host("alpha").with_pin(PIV_PIN);
    (stand, alpha)
}

/// A card that does not tell which keys it has, as most do not.
fn silent() -> (Stand, Host) {
    let switches = [&YUBIKEY[..], &["--strict"]].concat();
    let stand = Stand::with(Options { family: Family::Piv, switches: &switches, ..Options::default() });
    let alpha = stand.host("alpha").with_pin(PIV_PIN);
    (stand, alpha)
}

fn errors(verdict: &Verdict) -> Vec<Id> {
    verdict.findings.iter().filter(|f| f.severity >= Severity::Error).map(|f| f.id).collect()
}

/// Fresh; filled; slots renewed, with another type of key, emptied; flushed.
#[test]
fn both_views_are_what_the_tools_show() {
    let (_stand, alpha) = silent();
    alpha.piv(&["--action", "set-chuid", "--action", "set-ccc"]).ok();
    assert_eq!(errors(&both_views_hold(&alpha)), [], "an empty card");

    alpha.piv_renew("9a", "RSA2048", "old holder");
    let signature = alpha.piv_generate("9c", "ECCP256");
    let packed = alpha.run_with_input(&["gzip", "--stdout"], &alpha.issue(&signature, "old signer")).ok().raw;
    alpha.piv_certificate("9c", &packed, "GZIP");
    alpha.piv_renew("9d", "ECCP384", "decipherer");
    alpha.piv_renew("9e", "RSA1024", "card");
    alpha.piv_renew("83", "ECCP256", "retired");
    assert_eq!(errors(&both_views_hold(&alpha)), [], "nothing is cached yet");
    alpha.pkcs15_list();
    let verdict = both_views_hold(&alpha);
    assert_eq!(errors(&verdict), [], "{}", lines(&verdict.findings));

    alpha.piv_renew("9a", "RSA2048", "new holder");
    alpha.piv_renew("9c", "RSA1024", "new signer");
    alpha.piv(&["--action", "delete-certificate", "--slot", "9d"]).ok();
    alpha.piv_renew("83", "ECCP384", "retired later");
    let verdict = both_views_hold(&alpha);
    let found = errors(&verdict);
    for id in [Id::PublicKeyUndecided, Id::StaleObject] {
        assert!(found.contains(&id), "{id:?} in {}", lines(&verdict.findings));
    }
    assert_eq!(alpha.stalecard(&["check"]).code(), 1);

    // Nothing on such a card tells a new key from a foreign certificate, so that takes consent.
    let certificates = || {
        let mut names = alpha.cache_names();
        names.retain(|name| name.ends_with("CECE"));
        names
    };
    let before = certificates();
    assert_eq!((alpha.stalecard(&["flush"]).code(), certificates()), (0, before));
    assert_eq!(alpha.stalecard(&["flush", "--guarded"]).code(), 0);
    let verdict = both_views_hold(&alpha);
    assert_eq!(errors(&verdict), [], "{}", lines(&verdict.findings));
    for command in ["check", "ls", "show"] {
        let said = alpha.stalecard(&[command]);
        assert_eq!(said.code(), 0, "{said}");
    }
}

/// Two cards without a CHUID in turn: the second shows the first one's keys, and that is said.
#[test]
fn cards_without_a_chuid_share_one_name() {
    let (stand, alpha) = silent();
    alpha.piv_renew("9a", "ECCP256", "first");
    alpha.piv_renew("9d", "ECCP256", "first too");
    alpha.pkcs15_list();
    // Nothing is shown wrong as long as there is one such card.
    let verdict = both_views_hold(&alpha);
    let is_risk = |f: &Finding| f.id == Id::SharedIdentity && f.severity == Severity::Warning;
    assert!(
        errors(&verdict).is_empty() && verdict.findings.iter().any(is_risk),
        "{}",
        lines(&verdict.findings)
    );

    let second = stand.new_card("second", &[&YUBIKEY[..], &["--strict"]].concat());
    stand.card().insert(&second);
    alpha.piv_renew("9a", "ECCP256", "second");
    let verdict = both_views_hold(&alpha);
    let found = errors(&verdict);
    for id in [Id::SharedIdentity, Id::PublicKeyUndecided] {
        assert!(found.contains(&id), "{id:?} in {}", lines(&verdict.findings));
    }

    // A CHUID makes a card of its own of it, and leaves the old files behind.
    alpha.piv(&["--action", "set-chuid"]).ok();
    let verdict = both_views_hold(&alpha);
    assert_eq!(errors(&verdict), [], "{}", lines(&verdict.findings));
}

/// A FASC-N of zeros is nobody's number, and OpenSC up to 0.27 looks at it first, whatever GUID stands beside it.
#[test]
fn cards_whose_fasc_n_is_zeros_share_one_name_although_each_has_a_guid() {
    let (stand, alpha) = silent();
    let chuid = |guid: u8| {
        let fields =
            [&[0x30, 25][..], &[0; 25], &[0x34, 16], &[guid; 16], &[0x35, 8], b"20301231", &[0x3E, 0]];
        [fields.concat(), vec![0xFE, 0]].concat()
    };
    let put = |guid| stand.card().tamper_path(&[0x5F, 0xC1, 0x02], Some(&chuid(guid)));
    put(1);
    alpha.piv_renew("9a", "ECCP256", "first");
    let serial = alpha.pkcs15_list().serial;
    let is_shared = serial.bytes().all(|digit| digit == b'0');
    let said = |verdict: &Verdict| -> Option<Severity> {
        verdict
            .findings
            .iter()
            .find(|finding| finding.id == Id::SharedIdentity)
            .map(|finding| finding.severity)
    };
    // The version that is installed decides, and the views hold for it.
    let verdict = both_views_hold(&alpha);
    assert_eq!(verdict.tokens[0].serial.as_deref(), Some(serial.as_str()));
    assert_eq!(said(&verdict), is_shared.then_some(Severity::Warning), "{}", lines(&verdict.findings));

    stand.card().insert(&stand.new_card("second", &[&YUBIKEY[..], &["--strict"]].concat()));
    put(2);
    alpha.piv_renew("9a", "ECCP256", "second");
    let verdict = both_views_hold(&alpha);
    assert_eq!(said(&verdict), is_shared.then_some(Severity::Error), "{}", lines(&verdict.findings));
}

/// A login of another program outlives a reading, and a card that is not selected is selected once.
#[test]
fn a_reading_is_polite() {
    let (stand, alpha) = stand();
    alpha.piv(&["--action", "set-chuid"]).ok();
    alpha.piv_renew("9a", "RSA2048", "holder");
    stand.card().insert(stand.card().first());
    stand.card().reset_stats();
    alpha.stalecard(&["check"]);
    let stats = stand.card().stats();
    assert_eq!((stats.select_aid, stats.verify, stats.writes), (1, 0, 0), "{stats:?}");

    // A program that has logged in and waits for what it is to sign.
    let pipe = stand.dir().join("to-be-signed");
    let input = pipe.to_str().unwrap();
    alpha.run(&["mkfifo", input]).ok();
    let mut words = vec!["pkcs11-tool", "--login", "--pin", PIV_PIN, "--sign", "--id", "01"];
    words.extend(["--mechanism", "SHA256-RSA-PKCS", "--input-file", input, "--output-file", "/dev/null"]);
    let running = alpha.spawn(&words);
    let deadline = Instant::now() + Duration::from_secs(30);
    while stand.card().dump()["logged_in"] != true {
        assert!(Instant::now() < deadline, "no login");
        std::thread::sleep(Duration::from_millis(20));
    }
    stand.card().reset_stats();
    let said = alpha.stalecard(&["check"]);
    let stats = stand.card().stats();
    assert_eq!((stats.select_aid, stats.verify_wrong, stats.writes), (0, 0, 0), "{stats:?} {said}");
    assert_eq!((said.code(), &stand.card().dump()["logged_in"]), (0, &true.into()), "{said}");
    std::fs::write(&pipe, b"data").unwrap();
    running.finish(Duration::from_secs(60)).ok();
}

/// What a card gives only after the PIN is not read from a cache either, and said to lie there.
#[test]
fn private_objects_in_a_cache_are_withheld() {
    let (_stand, alpha) = stand();
    alpha.piv(&["--action", "set-chuid"]).ok();
    let serial = alpha.pkcs15_list().serial;
    for path in ["3001", "6010", "6030", "1015", "9A06"] {
        alpha.sh(&format!("printf geheim > \"$HOME\"/.cache/opensc/{serial}_NODATE_{path}")).ok();
    }
    let snapshot = snapshot(&alpha);
    let text = serde_json::to_string(&snapshot).unwrap();
    assert!(!text.contains("67656865696d"), "{text}");
    let found = judge(&snapshot).findings;
    assert!(found.iter().any(|finding| finding.id == Id::SecretInCache), "{}", lines(&found));
}

/// `pkcs15-tool -D` of 0.23 ends its list at an object that is empty on the card; nobody else does.
#[test]
fn an_empty_object_ends_the_list_of_pkcs15_tool() {
    let (stand, alpha) = stand();
    alpha.piv(&["--action", "set-chuid"]).ok();
    alpha.piv_renew("9a", "ECCP256", "holder");
    let behind = "X.509 Certificate for PIV Authentication";
    assert!(alpha.live().run(&["pkcs15-tool", "-D"]).stdout.contains(behind));

    stand.card().tamper_path(&[0x5F, 0xC1, 0x07], Some(&[]));
    assert_eq!(errors(&both_views_hold(&alpha)), []);
    assert!(!alpha.live().run(&["pkcs15-tool", "-D"]).stdout.contains(behind));
    assert!(alpha.live().run(&["pkcs11-tool", "-O"]).stdout.contains(behind));
}

/// The number of a key is known in hex, and can be given so.
#[test]
fn a_key_is_named_by_its_slot() {
    let (_stand, alpha) = stand();
    alpha.piv(&["--action", "set-chuid"]).ok();
    alpha.piv_renew("9a", "ECCP256", "holder");
    alpha.piv_renew("9c", "ECCP256", "holder");
    for name in ["9a", "9A", "154"] {
        let said = alpha.stalecard(&["show", name]);
        assert!(said.stdout.contains("key reference 154 (9A)"), "{said}");
        assert!(!said.stdout.contains("(9C)"), "{said}");
    }
}
