//! PIV cards (as a YubiKey 5 by their answer to reset), filled by yubico-piv-tool.

use std::time::Instant;

use super::*;
use stand::{Family, Options, PIV_PIN};

const YUBIKEY: [&str; 2] = ["--atr", "3BFD1300008131FE158073C021C057597562694B657940"];

/// An older one, of which nobody knows whether it tells who is logged in.
const YUBIKEY_4: [&str; 2] = ["--atr", "3BF81300008131FE15597562696B657934D4"];

/// A card with a CHUID, and these keys with their certificates.
fn card(slots: &[(&str, &str)]) -> (Stand, Host) {
    card_with(&YUBIKEY, slots)
}

fn card_with(switches: &[&str], slots: &[(&str, &str)]) -> (Stand, Host) {
    let stand = Stand::with(Options { family: Family::Piv, switches, ..Options::default() });
    let alpha = stand.host("alpha").with_pin(PIV_PIN);
    alpha.piv(&["--action", "set-chuid", "--action", "set-ccc"]).ok();
    for (slot, algorithm) in slots {
        alpha.piv_renew(slot, algorithm, slot);
    }
    stand.card().reset_stats();
    (stand, alpha)
}

fn verdict_with(stand: &Stand, host: &Host, pin: &str, more: &[&str]) -> (i32, Value) {
    let file = pin_file(stand, pin);
    let output = host.stalecard(&[&["verify", "--pin-file", &file, "--format", "json"], more].concat());
    (output.code(), document(&output))
}

fn verdict(stand: &Stand, host: &Host, more: &[&str]) -> (i32, Value) {
    verdict_with(stand, host, PIV_PIN, more)
}

/// Reference, conclusion and what was done, of each key.
fn keys(report: &Value) -> Vec<(u64, String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = report["keys"].as_array().unwrap().iter();
    all.map(|key| (key["reference"].as_u64().unwrap(), text(&key["conclusion"]), text(&key["signed"])))
        .collect()
}

fn tries(stand: &Stand) -> u64 {
    stand.card().dump()["pin_tries"].as_u64().unwrap()
}

/// Every slot that has a certificate, with what the standard lets its key do. The PIN goes out once for all, and once
/// more for 9C.
#[test]
fn every_slot_proves_itself() {
    let slots = [
        ("9a", "RSA2048"),
        ("9c", "ECCP256"),
        ("9d", "ECCP384"),
        ("9e", "ECCP256"),
        ("82", "RSA1024"),
        ("83", "ECCP256"),
    ];
    let (stand, alpha) = card(&slots);
    let (code, report) = verdict(&stand, &alpha, &[]);
    let found = keys(&report);
    assert_eq!(code, 0, "{report}");
    assert!(found.iter().all(|(_, conclusion, _)| conclusion == "sound"), "{report}");
    let how: Vec<_> = found.iter().map(|(reference, _, how)| (*reference, how.contains("ECDH"))).collect();
    assert_eq!(how, [(0x9A, false), (0x9C, false), (0x9D, true), (0x9E, false), (0x82, false), (0x83, true)]);
    let stats = stand.card().stats();
    assert_eq!((stats.verify, stats.verify_wrong, stats.signatures, stats.writes), (2, 0, 6, 0), "{stats:?}");
    assert_eq!((tries(&stand), &stand.card().dump()["logged_in"]), (3, &Value::from(false)));
    let human = alpha.stalecard(&["verify", "--pin-file", &pin_file(&stand, PIV_PIN), "--key", "9d"]).ok();
    assert!(
        human.stdout.contains("Key reference 157 (9D)") && human.stdout.contains("proved sound"),
        "{human}"
    );
}

/// The key for card authentication needs no PIN: nobody is asked for one (there is no terminal on the stand).
#[test]
fn card_authentication_needs_no_pin() {
    let (stand, alpha) = card(&[("9a", "RSA1024"), ("9e", "ECCP256")]);
    let output = alpha.stalecard(&["verify", "--key", "9e", "--format", "json"]).ok();
    assert_eq!(conclusions(&document(&output)), ["sound"]);
    // It is proved where the PIN is blocked, too.
    for _ in 0..3 {
        alpha.piv(&["--action", "verify-pin", "--pin", "000000"]);
    }
    let (code, report) = verdict(&stand, &alpha, &[]);
    assert_eq!((code, conclusions(&report)), (3, vec!["sound".to_owned()]), "{report}");
    assert!(report["coverage"].to_string().contains("the user PIN is blocked"), "{report}");
    let stats = stand.card().stats();
    assert_eq!((stats.signatures, tries(&stand)), (2, 0), "{stats:?}");
}

/// Renewed elsewhere: alpha shows the old certificate, of another type at that.
#[test]
fn stale_and_cured() {
    let (stand, alpha) = card(&[("9a", "RSA1024"), ("9c", "ECCP256"), ("9d", "ECCP256")]);
    alpha.pkcs15_list();
    let beta = stand.host("beta");
    for (slot, algorithm) in [("9a", "RSA1024"), ("9c", "RSA1024"), ("9d", "ECCP256")] {
        beta.piv_renew(slot, algorithm, "new");
    }
    let (code, report) = verdict(&stand, &alpha, &[]);
    assert_eq!((code, conclusions(&report)), (1, vec!["stale-cache".to_owned(); 3]), "{report}");
    assert_eq!(findings(&report), ["signature-fails-with-cached-key"]);
    let path = report["findings"][0]["evidence"][0]["file"]["path"].as_str().unwrap();
    assert!(path.contains("_NODATE_01") && path.ends_with("CECE"), "{path}");
    // The next look has no signature, and the card tells its keys without one (metadata).
    assert_eq!(report["findings"][0]["fix"][0]["command"], "stalecard flush");
    alpha.stalecard(&["flush"]).ok();
    let (code, report) = verdict(&stand, &alpha, &[]);
    assert_eq!((code, conclusions(&report)), (0, vec!["sound".to_owned(); 3]), "{report}");
}

/// A key made anew, its certificate not: of the same kind, of another kind, and one that only agrees.
#[test]
fn a_certificate_that_was_not_renewed() {
    let (stand, alpha) = card(&[("9a", "ECCP256"), ("9c", "RSA1024"), ("9d", "ECCP256"), ("9e", "ECCP256")]);
    for (slot, algorithm) in [("9a", "ECCP256"), ("9c", "ECCP384"), ("9d", "ECCP384")] {
        alpha.piv_generate(slot, algorithm);
    }
    stand.card().reset_stats();
    let (code, report) = verdict(&stand, &alpha, &[]);
    let wrong = || "wrong-certificate".to_owned();
    assert_eq!(
        (code, conclusions(&report)),
        (1, vec![wrong(), wrong(), wrong(), "sound".into()]),
        "{report}"
    );
    assert_eq!(findings(&report), ["certificate-key-mismatch"]);
    assert_eq!(report["keys"][0]["candidates"].as_array().unwrap().len(), 2);
    // The card has refused other kinds of keys, and was never given a second PIN for that but where it asked.
    let stats = stand.card().stats();
    assert_eq!((stats.verify_wrong, stats.signatures, tries(&stand)), (0, 4, 3), "{stats:?}");
    let human = alpha.stalecard(&["verify", "--pin-file", &pin_file(&stand, PIV_PIN)]).exits(1);
    assert!(human.stdout.contains("Wrong certificate: the key is sound"), "{human}");
}

#[test]
fn a_pin_is_not_sent_when_a_wrong_one_would_leave_fewer_than_min_tries() {
    let (stand, alpha) = card(&[("9a", "ECCP256"), ("9c", "ECCP256")]);
    let (code, report) = verdict_with(&stand, &alpha, "999999", &[]);
    assert!(
        code == 3 && report["coverage"].to_string().contains("wrong PIN (63C2): 2 tries left"),
        "{report}"
    );
    for pin in ["999999", PIV_PIN] {
        let (code, report) = verdict_with(&stand, &alpha, pin, &[]);
        let why = "has 2 tries left, a wrong one would leave 1";
        assert!(code == 3 && report["coverage"].to_string().contains(why), "{report}");
    }
    assert_eq!((tries(&stand), stand.card().stats().verify), (2, 1));
    let (code, _) = verdict_with(&stand, &alpha, "999999", &["--min-tries", "1"]);
    assert_eq!((code, tries(&stand), stand.card().stats().verify), (3, 1, 2));
    let (code, report) = verdict(&stand, &alpha, &["--min-tries", "1"]);
    let why = "the last try is never spent here";
    assert!(code == 3 && report["coverage"].to_string().contains(why), "{report}");
    assert_eq!((tries(&stand), stand.card().stats().verify), (1, 2));
    alpha.piv(&["--action", "verify-pin", "--pin", PIV_PIN]).ok();
    let (code, _) = verdict(&stand, &alpha, &[]);
    assert_eq!((code, tries(&stand)), (0, 3));
    for pin in ["12345", "123456789"] {
        let file = pin_file(&stand, pin);
        let output = alpha.stalecard(&["verify", "--pin-file", &file]).exits(2);
        assert!(output.stderr.contains("a PIN of this card has 6 to 8 characters"), "{output}");
    }
    assert_eq!(stand.card().stats().verify_wrong, 2);
}

/// A key that always asks, on a card that neither tells what key it is nor spares the PIN for a refused use: it gets the
/// PIN twice at most, however many kinds there are, and what is told is its answer to the likeliest question.
#[test]
fn a_pin_is_not_sent_again_for_each_algorithm() {
    let switches = [&YUBIKEY[..], &["--strict"]].concat();
    let (stand, alpha) = card_with(&switches, &[("9c", "RSA1024")]);
    alpha.piv_generate("9c", "ECCP384");
    stand.card().reset_stats();
    let (code, report) = verdict(&stand, &alpha, &[]);
    assert_eq!((code, conclusions(&report)), (3, vec!["not-signed".to_owned()]), "{report}");
    let stats = stand.card().stats();
    assert_eq!(
        (stats.verify, stats.verify_wrong, stats.signatures, tries(&stand)),
        (2, 0, 0, 3),
        "{stats:?}"
    );
    // Not 6982, which the last probe met.
    let signed = report["keys"][0]["signed"].as_str().unwrap();
    assert!(signed.contains("6A86") && report["coverage"].to_string().contains("6A86"), "{report}");
    // What a cache takes for the key is tried before what nobody does.
    alpha.piv_renew("9c", "ECCP384", "shown");
    alpha.pkcs15_list();
    let office = alpha.with_cache_copy();
    stand.card().tamper_path(&[0x5F, 0xC1, 0x0A], Some(&bytes_of_certificate(&alpha)));
    stand.card().reset_stats();
    let (_, report) = verdict(&stand, &office, &[]);
    assert_eq!(conclusions(&report), ["wrong-certificate"], "{report}");
    assert_eq!(stand.card().stats().verify, 2);
}

/// A PIV certificate object with a foreign key.
fn bytes_of_certificate(host: &Host) -> Vec<u8> {
    let der = host.foreign_certificate("foreign");
    let length = |length: usize| {
        let length = u16::try_from(length).unwrap().to_be_bytes();
        [0x82, length[0], length[1]]
    };
    [&[0x70][..], &length(der.len()), &der, &[0x71, 0x01, 0x00, 0xFE, 0x00]].concat()
}

/// A card that tells what its keys are is asked for nothing else.
#[test]
fn a_key_is_asked_for_what_the_card_says_that_it_is() {
    let (stand, alpha) = card(&[("9c", "RSA1024")]);
    alpha.piv_generate("9c", "ECCP384");
    stand.card().reset_stats();
    let (code, report) = verdict(&stand, &alpha, &[]);
    assert_eq!((code, conclusions(&report)), (1, vec!["wrong-certificate".to_owned()]), "{report}");
    let asked = stand.card().apdu_log().iter().filter(|line| line.starts_with("> 0087")).count();
    let stats = stand.card().stats();
    assert_eq!((stats.verify, stats.signatures), (1, 1), "{stats:?}");
    println!("{asked} uses since the card was made");
}

/// A key that wants its PIN each time by a policy of its maker's, which nothing in PIV tells.
#[test]
fn a_policy_that_nothing_tells() {
    let (stand, alpha) = card(&[]);
    for slot in ["9a", "9d"] {
        let generate =
            ["--action", "generate", "--slot", slot, "--algorithm", "ECCP256", "--pin-policy", "always"];
        let key = alpha.piv(&generate).ok().stdout;
        alpha.piv_certificate(slot, &alpha.issue(&key, slot), "DER");
    }
    stand.card().reset_stats();
    let (code, report) = verdict(&stand, &alpha, &[]);
    assert_eq!((code, conclusions(&report)), (0, vec!["sound".to_owned(); 2]), "{report}");
    let stats = stand.card().stats();
    assert_eq!((stats.verify, stats.verify_wrong, stats.signatures), (2, 0, 2), "{stats:?}");
}

/// Where the discovery object prefers the PIN of the whole card, that one is sent, and not the application's.
#[test]
fn the_global_pin_is_sent_where_the_card_prefers_it() {
    let switches = [&YUBIKEY[..], &["--global-pin", "987654"]].concat();
    let (stand, alpha) = card_with(&switches, &[("9a", "ECCP256")]);
    let (code, report) = verdict_with(&stand, &alpha, "987654", &[]);
    assert_eq!((code, conclusions(&report)), (0, vec!["sound".to_owned()]), "{report}");
    // As OpenSC does.
    alpha.clone().with_pin("987654").pkcs11_login(&["-O"]).ok();
    let (code, _) = verdict_with(&stand, &alpha, PIV_PIN, &[]);
    assert_eq!((code, tries(&stand), &stand.card().dump()["global_tries"]), (3, 3, &Value::from(2)));
    assert_eq!(stand.card().stats().verify_wrong, 1);
}

/// A `pkcs11-tool` that is logged in and waits for its input.
fn logged_in(stand: &Stand, host: &Host) -> (stand::Running, PathBuf) {
    let pipe = stand.dir().join("to-be-signed");
    let input = pipe.to_str().unwrap();
    host.run(&["mkfifo", input]).ok();
    let mut words = vec!["pkcs11-tool", "--login", "--pin", PIV_PIN, "--sign", "--id", "01"];
    words.extend(["--mechanism", "SHA256-RSA-PKCS", "--input-file", input, "--output-file", "/dev/null"]);
    let running = stand.host("service").spawn(&words);
    let deadline = Instant::now() + Duration::from_secs(30);
    while stand.card().dump()["logged_in"] != true {
        assert!(Instant::now() < deadline, "no login");
        std::thread::sleep(Duration::from_millis(20));
    }
    stand.card().reset_stats();
    (running, pipe)
}

/// Another program's login survives, and can be used.
#[test]
fn somebody_elses_login_survives() {
    let (stand, alpha) = card(&[("9a", "RSA1024"), ("9c", "ECCP256"), ("9e", "ECCP256")]);
    let (running, pipe) = logged_in(&stand, &alpha);
    let (code, report) = verdict(&stand, &alpha, &[]);
    assert!(code == 3 && report["coverage"].to_string().contains("another program is logged in"), "{report}");
    // The free key is proved all the same.
    assert_eq!(conclusions(&report), ["sound"]);
    let output = alpha.stalecard(&["verify", "--use-existing-login", "--format", "json"]);
    let report = document(&output);
    assert_eq!(conclusions(&report), ["sound", "not-signed", "sound"], "{report}");
    assert!(
        report["keys"][1]["signed"].as_str().unwrap().contains("wants its PIN before each signature"),
        "{report}"
    );
    let stats = stand.card().stats();
    assert_eq!((stats.verify, stats.select_aid, stats.signatures), (0, 0, 3), "{stats:?}");
    assert_eq!(stand.card().dump()["logged_in"], true);
    std::fs::write(&pipe, b"data").unwrap();
    running.finish(Duration::from_secs(60)).ok();
    verdict(&stand, &alpha, &[]);
    let output = alpha.stalecard(&["verify", "--use-existing-login"]).exits(2);
    assert!(output.stderr.contains("nobody is logged in to this card"), "{output}");
}

/// A card that is not known to tell who is logged in is left alone while another program has it open.
#[test]
fn a_card_that_may_not_tell_its_logins() {
    let (stand, alpha) = card_with(&YUBIKEY_4, &[("9a", "RSA1024"), ("9e", "ECCP256")]);
    assert_eq!(verdict(&stand, &alpha, &[]).0, 0);
    assert_eq!(stand.card().dump()["logged_in"], false);
    // The card is always told to forget the login by both ways.
    assert!(stand.card().stats().select_aid > 0);
    let (running, pipe) = logged_in(&stand, &alpha);
    // As such a card would answer.
    stand.card().fault("lie 20 status 63C3");
    let (code, report) = verdict(&stand, &alpha, &[]);
    stand.card().fault("none");
    assert!(
        code == 3 && report["coverage"].to_string().contains("another program has this card open"),
        "{report}"
    );
    let stats = stand.card().stats();
    assert_eq!((stats.verify, stats.select_aid, stats.signatures), (0, 0, 1), "{stats:?}");
    std::fs::write(&pipe, b"data").unwrap();
    running.finish(Duration::from_secs(60)).ok();
}

/// Where tries cannot be counted no PIN is sent.
#[test]
fn a_card_that_does_not_count_gets_no_pin() {
    let (stand, alpha) = card(&[("9a", "ECCP256")]);
    for status in ["6700", "6A80", "6303"] {
        stand.card().fault(&format!("lie 20 status {status}"));
        let (code, report) = verdict(&stand, &alpha, &[]);
        stand.card().fault("none");
        assert!(code == 3 && report["coverage"].to_string().contains("how many tries"), "{status}: {report}");
    }
    assert_eq!((stand.card().stats().verify, tries(&stand)), (0, 3));
}

/// Answers that are none prove nothing, and are not taken for signatures.
#[test]
fn answers_that_are_none() {
    let (stand, alpha) = card(&[("9a", "ECCP256")]);
    for (lie, said) in
        [("nothing", "dynamic authentication template"), ("answer 7C", "dynamic authentication template")]
    {
        stand.card().fault(&format!("lie 87 {lie}"));
        let (code, report) = verdict(&stand, &alpha, &[]);
        stand.card().fault("none");
        assert!(code == 3 && report["coverage"].to_string().contains(said), "{lie}: {report}");
        assert_eq!(stand.card().dump()["logged_in"], false, "{lie}");
    }
    // A status word of its own: a refusal.
    stand.card().fault("lie 87 status 6F00");
    let (code, report) = verdict(&stand, &alpha, &[]);
    assert_eq!((code, conclusions(&report)), (3, vec!["not-signed".to_owned()]), "{report}");
    assert!(report["keys"][0]["signed"].as_str().unwrap().contains("6F00"), "{report}");
}

/// Taken out at each APDU: never a second PIN after a refusal, never a try too many.
#[test]
fn the_card_is_pulled_at_every_apdu() {
    let (stand, alpha) = card(&[("9a", "ECCP256"), ("9c", "ECCP256")]);
    // 9A and 9C take one PIN each.
    pulled_at_every_apdu(&stand, &alpha, PIV_PIN, 2, &tries, &|| {
        alpha.piv(&["--action", "verify-pin", "--pin", PIV_PIN]).ok();
    });
}

/// Killed at each APDU: the login does not stay behind, and no try is lost with the right PIN.
#[test]
fn a_verify_killed_at_any_apdu_leaves_no_login_behind() {
    let (stand, alpha) = card(&[("9a", "ECCP256"), ("9c", "ECCP256")]);
    killed_at_every_apdu(&stand, &alpha, PIV_PIN, &tries);
}
