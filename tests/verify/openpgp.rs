//! OpenPGP cards of both versions, filled by openpgp-tool and pkcs15-init.

use std::time::Instant;

use super::*;
use stand::{Family, Options, PW1, PW3};

/// With extended lengths its answer to reset is that of a ZeitControl card, which OpenSC and stalecard know.
fn card(version: &str) -> (Stand, Host) {
    let switches = ["--card-version", version, "--apdu", "extended"];
    let stand = Stand::with(Options { family: Family::OpenPgp, switches: &switches, ..Options::default() });
    let alpha = stand.host("alpha").with_pin(PW1);
    (stand, alpha)
}

/// Makes an RSA key on a card that takes extended commands, where openpgp-tool fails to write the fingerprint.
fn generate(stand: &Stand, host: &Host, key: u8) {
    let number = key.to_string();
    host.run(&["openpgp-tool", "--verify", "CHV3", "--pin", PW3, "--gen-key", &number]).ok();
    stand.card().tamper_path(&[0xC6 + key], Some(&[key; 20]));
}

fn verdict_with(stand: &Stand, host: &Host, pin: &str, more: &[&str]) -> (i32, Value) {
    let file = pin_file(stand, pin);
    let output = host.stalecard(&[&["verify", "--pin-file", &file, "--format", "json"], more].concat());
    (output.code(), document(&output))
}

fn verdict(stand: &Stand, host: &Host, more: &[&str]) -> (i32, Value) {
    verdict_with(stand, host, PW1, more)
}

fn tries(stand: &Stand) -> u64 {
    stand.card().dump()["pw1_tries"].as_u64().unwrap()
}

/// All keys of RSA: one signs, one deciphers, one authenticates.
#[test]
fn rsa_keys_of_both_versions() {
    for version in ["2.0", "3.4"] {
        let (stand, alpha) = card(version);
        for key in 1..=3 {
            generate(&stand, &alpha, key);
        }
        stand.card().reset_stats();
        let (code, report) = verdict(&stand, &alpha, &[]);
        assert_eq!((code, conclusions(&report)), (0, vec!["sound".to_owned(); 3]), "{version}: {report}");
        assert!(
            report["keys"][1]["signed"].as_str().unwrap().contains("deciphered a fresh secret"),
            "{report}"
        );
        // One PIN with two references: once for each.
        let stats = stand.card().stats();
        assert_eq!(
            (stats.verify, stats.verify_wrong, stats.signatures, stats.writes),
            (2, 0, 3, 0),
            "{stats:?}"
        );
        assert_eq!((tries(&stand), &stand.card().dump()["logged_in"]), (3, &Value::from(false)), "{version}");
    }
}

/// Curves: NIST's and Brainpool's; the key for deciphering agrees on a secret.
#[test]
fn keys_on_curves() {
    let (stand, alpha) = card("3.4");
    alpha.openpgp_generate_ec(1, "prime256v1");
    alpha.openpgp_generate_ec(2, "secp384r1");
    alpha.openpgp_generate_ec(3, "brainpoolP512r1");
    let (code, report) = verdict(&stand, &alpha, &[]);
    assert_eq!((code, conclusions(&report)), (0, vec!["sound".to_owned(); 3]), "{report}");
    let tried = |key: usize| report["keys"][key]["tried"][0]["key"].as_str().unwrap().to_owned();
    assert_eq!([tried(0), tried(1), tried(2)], ["EC prime256v1", "EC secp384r1", "EC brainpoolP512r1"]);
    assert!(report["keys"][1]["signed"].as_str().unwrap().contains("ECDH"), "{report}");
}

/// Keys made anew: alpha's cache has the old public keys, of another type for one of them.
#[test]
fn stale_and_cured() {
    let (stand, alpha) = card("3.4");
    for key in 1..=3 {
        generate(&stand, &alpha, key);
    }
    for id in ["01", "02", "03"] {
        alpha.public_key(id);
    }
    let beta = stand.host("beta").with_pin(PW1);
    generate(&stand, &beta, 1);
    generate(&stand, &beta, 2);
    generate(&stand, &beta, 3);
    let (code, report) = verdict(&stand, &alpha, &[]);
    assert_eq!((code, conclusions(&report)), (1, vec!["stale-cache".to_owned(); 3]), "{report}");
    assert_eq!(findings(&report), ["signature-fails-with-cached-key"]);
    let human =
        alpha.stalecard(&["verify", "-v", "--pin-file", &pin_file(&stand, PW1), "--key", "02"]).exits(1);
    assert!(
        said(&human).contains("A deciphered secret that key reference 1 made just now verifies"),
        "{human}"
    );
    alpha.stalecard(&["flush"]).ok();
    let (code, report) = verdict(&stand, &alpha, &[]);
    assert_eq!((code, conclusions(&report)), (0, vec!["sound".to_owned(); 3]), "{report}");
}

#[test]
fn a_certificate_of_another_key() {
    let (stand, alpha) = card("3.4");
    for key in 1..=3 {
        generate(&stand, &alpha, key);
    }
    for tag in [&[0x7F, 0x21][..], &[0x7F, 0x21, 1]] {
        stand.card().tamper_path(tag, Some(&alpha.foreign_certificate("foreign")));
    }
    let (code, report) = verdict(&stand, &alpha, &[]);
    let wrong = || "wrong-certificate".to_owned();
    assert_eq!((code, conclusions(&report)), (1, vec!["sound".into(), wrong(), wrong()]), "{report}");
    assert_eq!(findings(&report), ["certificate-key-mismatch"]);
}

/// PW1 has two references and one counter.
#[test]
fn a_pin_is_not_sent_when_a_wrong_one_would_leave_fewer_than_min_tries() {
    for version in ["2.0", "3.4"] {
        let (stand, alpha) = card(version);
        for key in [1, 3] {
            generate(&stand, &alpha, key);
        }
        stand.card().reset_stats();
        let (code, report) = verdict_with(&stand, &alpha, "999999", &[]);
        assert!(code == 3 && report["coverage"].to_string().contains(": 2 tries left"), "{report}");
        for (pin, key) in [("999999", "03"), ("999999", "01"), (PW1, "03")] {
            let (code, report) = verdict_with(&stand, &alpha, pin, &["--key", key]);
            let why = "has 2 tries left, a wrong one would leave 1";
            assert!(code == 3 && report["coverage"].to_string().contains(why), "{report}");
        }
        assert_eq!((tries(&stand), stand.card().stats().verify), (2, 1));
        verdict_with(&stand, &alpha, "999999", &["--key", "03", "--min-tries", "1"]);
        assert_eq!((tries(&stand), stand.card().stats().verify), (1, 2));
        let (code, report) = verdict(&stand, &alpha, &["--min-tries", "1"]);
        let why = "the last try is never spent here";
        assert!(code == 3 && report["coverage"].to_string().contains(why), "{report}");
        assert_eq!((tries(&stand), stand.card().stats().verify), (1, 2));
        alpha.run(&["openpgp-tool", "--verify", "CHV1", "--pin", PW1]).ok();
        let (code, _) = verdict(&stand, &alpha, &[]);
        assert_eq!((code, tries(&stand), stand.card().stats().verify_wrong), (0, 3, 2));
        let output = alpha.stalecard(&["verify", "--pin-file", &pin_file(&stand, "12345")]).exits(2);
        assert!(output.stderr.contains("a PIN of this card has 6 to 127 characters"), "{output}");
    }
}

/// A card that wants its PIN derived gets none: as it is typed it would be a wrong one.
#[test]
fn a_pin_that_is_to_be_derived_is_not_sent() {
    let (stand, alpha) = card("3.4");
    generate(&stand, &alpha, 1);
    stand.card().tamper_path(&[0xF9], Some(&[0x81, 0x01, 0x03]));
    stand.card().reset_stats();
    let (code, report) = verdict(&stand, &alpha, &[]);
    assert!(code == 3 && report["coverage"].to_string().contains("KDF-DO"), "{report}");
    assert_eq!((stand.card().stats().verify, tries(&stand)), (0, 3));
    stand.card().tamper_path(&[0xF9], Some(&[0x81, 0x01, 0x00]));
    assert_eq!(verdict(&stand, &alpha, &[]).0, 0);
}

/// PW1 counts for one signature, or for more, as the card says.
#[test]
fn a_pin_for_one_signature_or_for_many() {
    let (stand, alpha) = card("3.4");
    generate(&stand, &alpha, 1);
    for (stays, signatures) in [("00", 1), ("01", 2)] {
        let apdus = ["00:20:00:83:08:31:32:33:34:35:36:37:38".to_owned(), format!("00:DA:00:C4:01:{stays}")];
        let arguments = apdus.iter().flat_map(|apdu| ["--send-apdu", apdu]);
        alpha.run(&["opensc-tool"].into_iter().chain(arguments).collect::<Vec<_>>()).ok();
        let (code, report) = verdict(&stand, &alpha, &[]);
        assert_eq!((code, conclusions(&report)), (0, vec!["sound".to_owned()]), "{report}");
        assert_eq!(stand.card().dump()["signatures"], signatures);
        assert_eq!(stand.card().dump()["logged_in"], false);
    }
}

/// Curve25519: Ed25519 signs the message itself, X25519 agrees on a secret. Made anew elsewhere, the host that has read the
/// old ones hands these out.
#[test]
fn keys_on_curve_25519() {
    let (stand, alpha) = card("3.4");
    for key in 1..=3 {
        alpha.openpgp_generate_25519(key, 1);
    }
    stand.card().reset_stats();
    let (code, report) = verdict(&stand, &alpha, &[]);
    assert_eq!((code, conclusions(&report)), (0, vec!["sound".to_owned(); 3]), "{report}");
    let tried = |key: usize| report["keys"][key]["tried"][0]["key"].as_str().unwrap().to_owned();
    assert_eq!([tried(0), tried(1), tried(2)], ["Ed25519", "X25519", "Ed25519"]);
    let stats = stand.card().stats();
    assert_eq!((stats.verify, stats.signatures, stats.writes), (2, 3, 0), "{stats:?}");
    assert_eq!((tries(&stand), &stand.card().dump()["logged_in"]), (3, &Value::from(false)));

    for id in ["01", "02", "03"] {
        alpha.run(&["pkcs15-tool", "--read-public-key", id]).ok();
    }
    let beta = stand.host("beta");
    for key in 1..=3 {
        beta.openpgp_generate_25519(key, 2);
    }
    let (code, report) = verdict(&stand, &alpha, &[]);
    assert_eq!((code, conclusions(&report)), (1, vec!["stale-cache".to_owned(); 3]), "{report}");
    alpha.stalecard(&["flush"]).ok();
    let (code, report) = verdict(&stand, &alpha, &[]);
    assert_eq!((code, conclusions(&report)), (0, vec!["sound".to_owned(); 3]), "{report}");
}

/// A `pkcs11-tool` that is logged in for everything but signatures and waits for its input.
fn logged_in(stand: &Stand, host: &Host) -> (stand::Running, PathBuf) {
    let pipe = stand.dir().join("pipe");
    host.run(&["mkfifo", pipe.to_str().unwrap()]).ok();
    stand.card().reset_stats();
    let mut words = vec!["pkcs11-tool", "--token-label", "OpenPGP card (User PIN)", "--login", "--pin", PW1];
    words.extend(["--sign", "--id", "03", "--mechanism", "SHA256-RSA-PKCS"]);
    words.extend(["--input-file", pipe.to_str().unwrap(), "--output-file", "/dev/null"]);
    let running = host.spawn(&words);
    let deadline = Instant::now() + Duration::from_secs(30);
    while stand.card().stats().verify == 0 {
        assert!(Instant::now() < deadline, "no login");
        std::thread::sleep(Duration::from_millis(20));
    }
    (running, pipe)
}

/// Version 3 tells who is logged in. Version 2 does not, so a card that another program has open is left alone.
#[test]
fn somebody_elses_login_survives() {
    for (version, why) in
        [("3.4", "another program is logged in"), ("2.0", "another program has this card open")]
    {
        let (stand, alpha) = card(version);
        for key in [1, 3] {
            generate(&stand, &alpha, key);
        }
        let (running, pipe) = logged_in(&stand, &alpha);
        stand.card().reset_stats();
        let (code, report) = verdict(&stand, &alpha, &[]);
        assert!(code == 3 && report["coverage"].to_string().contains(why), "{version}: {report}");
        let output = alpha.stalecard(&["verify", "--use-existing-login", "--key", "03", "--format", "json"]);
        assert_eq!(conclusions(&document(&output)), ["sound"], "{version}: {output}");
        let stats = stand.card().stats();
        assert_eq!((stats.verify, stats.select_aid, stats.signatures), (0, 0, 1), "{version}: {stats:?}");
        assert_eq!(stand.card().dump()["logged_in"], true, "{version}");
        std::fs::write(pipe, b"data").unwrap();
        running.finish(Duration::from_secs(30)).ok();
        assert_eq!(verdict(&stand, &alpha, &[]).0, 0, "{version}");
    }
}

/// Taken out at each APDU: never a second PIN after a refusal, never a try too many.
#[test]
fn the_card_is_pulled_at_every_apdu() {
    let (stand, alpha) = card("3.4");
    for key in [1, 3] {
        generate(&stand, &alpha, key);
    }
    // Once for signatures, once for the rest.
    pulled_at_every_apdu(&stand, &alpha, PW1, 2, &tries, &|| {
        alpha.run(&["openpgp-tool", "--verify", "CHV1", "--pin", PW1]).ok();
    });
}

/// Killed at each APDU: the login does not stay behind, and no try is lost with the right PIN.
#[test]
fn a_verify_killed_at_any_apdu_leaves_no_login_behind() {
    let (stand, alpha) = card("3.4");
    for key in [1, 3] {
        generate(&stand, &alpha, key);
    }
    killed_at_every_apdu(&stand, &alpha, PW1, &tries);
}
