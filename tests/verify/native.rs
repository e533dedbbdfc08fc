//! MyEID cards, personalised by pkcs15-init.

use std::time::Instant;

use super::*;
use stand::{Family, NATIVE_SO_PIN, Options, PUK};

/// A personalised card; its maker has caching off.
fn card() -> (Stand, Host) {
    let stand = Stand::with(Options { family: Family::MyEid, ..Options::default() });
    let maker = stand.host("maker");
    maker.caching("no");
    maker.personalise();
    (stand, maker)
}

/// A host that has seen the card as it is now.
fn office(maker: &Host) -> Host {
    let office = maker.with_cache_copy();
    office.caching("yes");
    office.run(&["pkcs15-tool", "-D"]).ok();
    office.run(&["pkcs11-tool", "-O"]).ok();
    office
}

fn tries(stand: &Stand) -> u64 {
    stand.card().dump()["tries"]["1"].as_u64().unwrap()
}

/// A key that wants its PIN before each use.
fn generate_consenting(maker: &Host, id: &str) {
    let generate = ["--generate-key", "ec/prime256v1", "--auth-id", "01", "--id", id, "--label", "consent"];
    maker.pkcs15_init(&[&generate[..], &["--key-usage", "sign", "--user-consent", "1"]].concat()).ok();
}

/// RSA, curves, a key that only agrees, and one that wants its PIN before each use, which ends the login
/// for the others.
#[test]
fn every_kind_of_key() {
    let (stand, maker) = card();
    maker.generate_key("ec/prime256v1", "45", "p256");
    maker.generate_key("rsa/2048", "46", "rsa");
    generate_consenting(&maker, "47");
    maker.generate_key("ec/secp521r1", "48", "p521");
    let generate = ["--generate-key", "ec/secp384r1", "--auth-id", "01", "--id", "49", "--label", "derive"];
    maker.pkcs15_init(&[&generate[..], &["--key-usage", "keyAgreement"]].concat()).ok();
    // What the tools made of it they can use.
    for id in ["45", "47", "48"] {
        assert!(maker.openssl_verify(&maker.public_key(id), b"data", &maker.sign(id, b"data")), "{id}");
    }
    stand.card().reset_stats();
    let (code, report) = verdict(&stand, &maker, &[]);
    assert_eq!((code, conclusions(&report)), (0, vec!["sound".to_owned(); 5]), "{report}");
    assert!(report["keys"][4]["signed"].as_str().unwrap().contains("ECDH"), "{report}");
    // Once for the first two, once for the third as its description says, once after that.
    let stats = stand.card().stats();
    assert_eq!((stats.verify, stats.verify_wrong, stats.signatures, stats.writes), (3, 0, 5, 0), "{stats:?}");
    assert_eq!((tries(&stand), &stand.card().dump()["logged_in"]), (3, &serde_json::json!([])));
    for (name, conclusions_of) in [("45", 1), ("rsa", 1), ("3", 1)] {
        let (code, report) = verdict(&stand, &maker, &["--key", name]);
        assert_eq!((code, conclusions(&report).len()), (0, conclusions_of), "{name}: {report}");
    }
}

/// Another key under the same ID; and another one under another ID in the same file: what OpenSC shows as 45 is 47.
#[test]
fn stale_and_cured() {
    for new in ["45", "47"] {
        let (stand, maker) = card();
        maker.generate_key("ec/prime256v1", "45", "key");
        let office = office(&maker);
        maker.delete_objects("privkey,pubkey", "45");
        maker.generate_key("ec/prime256v1", new, "key");
        let (code, report) = verdict(&stand, &office, &[]);
        assert_eq!((code, conclusions(&report)), (1, vec!["stale-cache".to_owned()]), "{new}: {report}");
        assert_eq!(findings(&report), ["signature-fails-with-cached-key"]);
        let finding = &report["findings"][0];
        assert_eq!(finding["evidence"][0]["shown"]["id"], "45");
        assert!(finding["evidence"][0]["file"]["path"].as_str().unwrap().ends_with("_50155501"), "{report}");
        // By the ID that its user knows.
        let (_, report) = verdict(&stand, &office, &["--key", "45"]);
        assert_eq!(conclusions(&report), ["stale-cache"]);
        // Under the same ID no file tells what the signature has told.
        let flush: &[&str] = if new == "45" { &["flush", "--guarded"] } else { &["flush"] };
        assert_eq!(finding["fix"][0]["command"], format!("stalecard {}", flush.join(" ")));
        office.stalecard(flush).ok();
        let (code, report) = verdict(&stand, &office, &[]);
        assert_eq!((code, conclusions(&report)), (0, vec!["sound".to_owned()]), "{report}");
    }
}

#[test]
fn a_certificate_of_another_key() {
    let (stand, maker) = card();
    maker.generate_key("ec/prime256v1", "45", "key");
    let der = maker.scratch("der", &maker.foreign_certificate("foreign"));
    let pem = maker.sh(&format!("openssl x509 -inform DER -in {}", der.display())).ok().stdout;
    maker.store_certificate(&pem, "45", "foreign");
    let (code, report) = verdict(&stand, &maker, &[]);
    assert_eq!((code, conclusions(&report)), (1, vec!["wrong-certificate".to_owned()]), "{report}");
    assert_eq!(findings(&report), ["certificate-key-mismatch"]);
}

/// The public key file is another key's, and the cache all that is left of the right one.
#[test]
fn the_public_key_on_the_card_is_wrong() {
    let (stand, maker) = card();
    maker.generate_key("ec/prime256v1", "45", "first");
    maker.generate_key("ec/prime256v1", "46", "second");
    let office = office(&maker);
    let other = bytes(&stand.card().dump(), "3F0050155502");
    stand.card().tamper_path(&[0x50, 0x15, 0x55, 0x01], Some(&other));
    let (code, report) = verdict(&stand, &office, &["--key", "45"]);
    assert_eq!((code, conclusions(&report)), (1, vec!["wrong-public-object".to_owned()]), "{report}");
    assert_eq!(findings(&report), ["signature-fails-with-live-key"]);
    let (code, report) = verdict(&stand, &maker, &["--key", "45"]);
    assert_eq!((code, conclusions(&report)), (1, vec!["nothing-fits".to_owned()]), "{report}");
}

#[test]
fn a_pin_is_not_sent_when_a_wrong_one_would_leave_fewer_than_min_tries() {
    let (stand, maker) = card();
    maker.generate_key("ec/prime256v1", "45", "key");
    generate_consenting(&maker, "46");
    stand.card().reset_stats();
    let attempt = |pin: &str, more: &[&str]| {
        let file = pin_file(&stand, pin);
        maker.stalecard(&[&["verify", "--pin-file", &file], more].concat())
    };
    let output = attempt("999999", &[]).exits(3);
    assert!(output.stdout.contains("wrong PIN (63C2): 2 tries left"), "{output}");
    for pin in ["999999", PIN] {
        let output = attempt(pin, &[]).exits(3);
        assert!(said(&output).contains("has 2 tries left, a wrong one would leave 1"), "{output}");
    }
    assert_eq!((tries(&stand), stand.card().stats().verify), (2, 1));
    attempt("999999", &["--min-tries", "1"]).exits(3);
    assert_eq!((tries(&stand), stand.card().stats().verify), (1, 2));
    let output = attempt(PIN, &["--min-tries", "1"]).exits(3);
    assert!(said(&output).contains("the last try is never spent here"), "{output}");
    assert_eq!((tries(&stand), stand.card().stats().verify), (1, 2));
    maker.run(&["pkcs15-tool", "--verify-pin", "--auth-id", "01", "--pin", PIN]).ok();
    verify(&stand, &maker, &[]).ok();
    assert!(attempt("123", &[]).exits(2).stderr.contains("has 4 to 8 characters"));
    assert_eq!((tries(&stand), stand.card().stats().verify_wrong), (3, 2));
}

/// Two PINs: a file holds one, and one PIN's value is never tried on the other.
#[test]
fn each_key_gets_its_own_pin() {
    const OTHER: &str = "135790";
    let stand = Stand::with(Options { family: Family::MyEid, ..Options::default() });
    let maker = stand.host("maker");
    maker.caching("no");
    maker.run(&["pkcs15-init", "--erase-card"]).ok();
    maker.create_pkcs15();
    maker.store_pin();
    let store =
        ["--store-pin", "--auth-id", "02", "--label", "other", "--puk", PUK, "--so-pin", NATIVE_SO_PIN];
    maker.pkcs15_init(&store).ok();
    maker.run(&["pkcs15-init", "--finalize"]).ok();
    for (id, auth_id) in [("45", "01"), ("46", "02")] {
        let generate = ["--generate-key", "ec/prime256v1", "--auth-id", auth_id, "--id", id, "--label", id];
        maker.pkcs15_init(&[&generate[..], &["--key-usage", "sign"]].concat()).ok();
    }
    // The tool takes one PIN for both; from here on they differ.
    let change = ["pkcs15-tool", "--change-pin", "--auth-id", "02", "--pin", PIN, "--new-pin", OTHER];
    maker.run(&change).ok();
    stand.card().reset_stats();

    let output = verify(&stand, &maker, &[]).exits(2);
    assert!(output.stderr.contains("want 2 PINs (PIN \"user\", PIN \"other\")"), "{output}");
    assert_eq!(stand.card().stats().verify, 0);
    for (pin, key) in [(PIN, "45"), (OTHER, "46")] {
        let file = pin_file(&stand, pin);
        maker.stalecard(&["verify", "--pin-file", &file, "--key", key]).ok();
    }
    // On a terminal each is asked for by its name.
    let line = format!("{} verify", env!("CARGO_BIN_EXE_stalecard"));
    let words = ["script", "--quiet", "--return", "--command", &line, "/dev/null"];
    let output = maker.run_with_input(&words, format!("{PIN}\n{OTHER}\n").as_bytes()).ok();
    for name in ["PIN \"user\" of token", "PIN \"other\" of token", "All 2 keys are proved sound."] {
        assert!(output.stdout.contains(name), "{output}");
    }
    let stats = stand.card().stats();
    assert_eq!((stats.verify, stats.verify_wrong, stats.signatures), (4, 0, 4), "{stats:?}");
    // A refusal of the first is the end: the second is not asked for.
    let output = maker.run_with_input(&words, b"999999\n").exits(3);
    assert!(
        output.stdout.contains("wrong PIN") && !output.stdout.contains("PIN \"other\" of token"),
        "{output}"
    );
    assert_eq!(stand.card().stats().verify_wrong, 1);
}

#[test]
fn somebody_elses_login_survives() {
    let (stand, maker) = card();
    maker.generate_key("ec/prime256v1", "45", "key");
    let pipe = stand.dir().join("pipe");
    let input = pipe.to_str().unwrap();
    maker.run(&["mkfifo", input]).ok();
    let mut words = vec!["pkcs11-tool", "--login", "--pin", PIN, "--sign", "--id", "45"];
    words.extend(["--mechanism", "ECDSA", "--input-file", input, "--output-file", "/dev/null"]);
    stand.card().reset_stats();
    let running = maker.spawn(&words);
    let deadline = Instant::now() + Duration::from_secs(30);
    while stand.card().stats().verify == 0 {
        assert!(Instant::now() < deadline, "no login");
        std::thread::sleep(Duration::from_millis(20));
    }
    stand.card().reset_stats();
    let output = verify(&stand, &maker, &[]).exits(3);
    assert!(said(&output).contains("another program is logged in to this card"), "{output}");
    let (code, report) = {
        let output = maker.stalecard(&["verify", "--use-existing-login", "--format", "json"]);
        (output.code(), document(&output))
    };
    assert_eq!((code, conclusions(&report)), (0, vec!["sound".to_owned()]), "{report}");
    let stats = stand.card().stats();
    assert_eq!((stats.verify, stats.select_aid, stats.signatures), (0, 0, 1), "{stats:?}");
    std::fs::write(pipe, [7; 32]).unwrap();
    running.finish(Duration::from_secs(30)).ok();
    assert_eq!(stand.card().stats().verify_wrong, 0);
}

/// Taken out at each APDU: never a second PIN after a refusal, never a try too many.
#[test]
fn the_card_is_pulled_at_every_apdu() {
    let (stand, maker) = card();
    maker.generate_key("ec/prime256v1", "45", "key");
    generate_consenting(&maker, "46");
    pulled_at_every_apdu(&stand, &maker, PIN, 2, &tries, &|| {
        maker.run(&["pkcs15-tool", "--verify-pin", "--auth-id", "01", "--pin", PIN]).ok();
    });
}

/// Killed at each APDU: the login does not stay behind, and no try is lost with the right PIN.
#[test]
fn a_verify_killed_at_any_apdu_leaves_no_login_behind() {
    let (stand, maker) = card();
    maker.generate_key("ec/prime256v1", "45", "key");
    generate_consenting(&maker, "46");
    killed_at_every_apdu(&stand, &maker, PIN, &tries);
}
