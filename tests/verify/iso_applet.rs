//! Cards with the IsoApplet, personalised by pkcs15-init: both versions of its interface.

use super::*;
use stand::{Family, Options, generate_key_under};

/// Any Java card.
const JAVA: &str = "3BD518FF8191FE1FC38073C8211309";

/// A personalised card with a key on a curve (45) and an RSA key (46); its maker has caching off.
fn card() -> (Stand, Host) {
    let stand =
        Stand::with(Options { family: Family::IsoApplet, switches: &["--atr", JAVA], ..Options::default() });
    let maker = stand.host("maker").env("OPENSC_DRIVER", "isoApplet");
    maker.caching("no");
    maker.personalise_isoapplet();
    for (id, key_type) in [("45", "ec/prime256v1"), ("46", "rsa/2048")] {
        maker.pkcs15_init(&generate_key_under("FF", key_type, id, id)).ok();
    }
    (stand, maker)
}

/// The same card, with the other version of the interface. (OpenSC 0.23 makes no keys on one with this.)
fn update(stand: &Stand) {
    let updated = stand.card().first().twin("updated");
    let text = std::fs::read_to_string(updated.path()).unwrap();
    let mut state: Value = serde_json::from_str(&text).unwrap();
    state["nature"]["api"] = json!("1.0");
    std::fs::write(updated.path(), state.to_string()).unwrap();
    stand.card().insert(&updated);
}

fn tries(stand: &Stand) -> u64 {
    stand.card().dump()["tries"].as_u64().unwrap()
}

/// What the real tool has the card sign on a curve, openssl tells: up to API 0.6 the card hashes what it gets, from 1.0 on it
/// takes it as it is. (OpenSC 0.23 has it sign a message on both, as if both hashed it, so that 1.0 fails there.) Our question
/// fits both, and so it does for RSA.
#[test]
fn api_0_6_hashes_what_it_is_to_sign_on_a_curve_and_1_0_does_not() {
    let (stand, maker) = card();
    // As long as a hash, so that it may be one.
    let message = maker.scratch("message", b"twenty bytes exactly");
    let signed_by = || {
        let key = maker.scratch("public", maker.public_key("45").as_bytes());
        let signature = maker.scratch("signature", b"");
        let [key, message, signature] = [&key, &message, &signature].map(|path| path.display().to_string());
        let mut words =
            vec!["--sign", "--mechanism", "ECDSA-SHA1", "--signature-format", "openssl", "--id", "45"];
        words.extend(["--input-file", message.as_str(), "--output-file", signature.as_str()]);
        maker.pkcs11_login(&words).ok();
        let hashed = format!("openssl dgst -sha1 -verify {key} -signature {signature} {message}");
        let as_it_is =
            format!("openssl pkeyutl -verify -pubin -inkey {key} -in {message} -sigfile {signature}");
        (maker.sh(&hashed).success(), maker.sh(&as_it_is).success())
    };
    let is_sound = || {
        stand.card().reset_stats();
        let (code, report) = verdict(&stand, &maker, &[]);
        assert_eq!((code, conclusions(&report)), (0, vec!["sound".to_owned(); 2]), "{report}");
        let stats = stand.card().stats();
        let counted = (stats.verify, stats.verify_wrong, stats.signatures, stats.writes);
        assert_eq!(counted, (1, 0, 2, 0), "{stats:?}");
        assert_eq!((tries(&stand), &stand.card().dump()["logged_in"]), (3, &json!(false)));
    };
    assert_eq!(signed_by(), (true, false), "API 0.6");
    is_sound();
    update(&stand);
    assert_eq!(signed_by(), (false, true), "API 1.0");
    is_sound();
}

/// Where no setting names the driver the application is found first.
#[test]
fn on_any_java_card() {
    let (stand, maker) = card();
    let anyone = maker.without_env("OPENSC_DRIVER");
    let (code, report) = verdict(&stand, &anyone, &["--key", "45"]);
    assert_eq!((code, conclusions(&report)), (0, vec!["sound".to_owned()]), "{report}");
}

/// The cache holds another key in the file of the public key, and no flush of anything else cures it.
#[test]
fn stale_and_cured() {
    let (stand, maker) = card();
    maker.pkcs15_init(&generate_key_under("FF", "ec/prime256v1", "47", "47")).ok();
    let office = maker.with_cache_copy();
    office.caching("yes");
    office.pkcs15_list();
    office.run(&["pkcs15-tool", "--read-public-key", "45"]).ok();
    office.run(&["pkcs15-tool", "--read-public-key", "47"]).ok();
    let listing = office.pkcs15_list();
    let path = |id: &str| {
        let keys = listing.public_keys();
        let key = keys.iter().find(|key| key.id.as_deref() == Some(id)).unwrap();
        key.block.get("Path").unwrap().trim_start_matches("3f00").to_uppercase()
    };
    let [mine, other] = ["45", "47"].map(|id| {
        let names = office.cache_names();
        office.cache().join(names.iter().find(|name| name.ends_with(&path(id))).unwrap())
    });
    std::fs::copy(other, mine).unwrap();
    let (code, report) = verdict(&stand, &office, &["--key", "45"]);
    assert_eq!((code, conclusions(&report)), (1, vec!["stale-cache".to_owned()]), "{report}");
    assert!(findings(&report).contains(&"signature-fails-with-cached-key".to_owned()), "{report}");
    let command = report["findings"][0]["fix"][0]["command"].as_str().unwrap();
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    office.stalecard(&words).ok();
    let (code, report) = verdict(&stand, &office, &["--key", "45"]);
    assert_eq!((code, conclusions(&report)), (0, vec!["sound".to_owned()]), "{report}");
}

/// A try is spent on a wrong PIN and on nothing else, and never the last one.
#[test]
fn tries_are_kept() {
    let (stand, maker) = card();
    stand.card().reset_stats();
    let attempt = |pin: &str, more: &[&str]| {
        let file = pin_file(&stand, pin);
        maker.stalecard(&[&["verify", "--pin-file", &file], more].concat())
    };
    let output = attempt("999999", &[]).exits(3);
    assert!(output.stdout.contains("wrong PIN (63C2): 2 tries left"), "{output}");
    let output = attempt(PIN, &[]).exits(3);
    assert!(said(&output).contains("has 2 tries left, a wrong one would leave 1"), "{output}");
    attempt("999999", &["--min-tries", "1"]).exits(3);
    let output = attempt(PIN, &["--min-tries", "1"]).exits(3);
    assert!(said(&output).contains("the last try is never spent here"), "{output}");
    assert_eq!((tries(&stand), stand.card().stats().verify, stand.card().stats().verify_wrong), (1, 2, 2));
}

/// A login of somebody else is used when it is asked for, and ended by nobody else. (VERIFY does not tell of it.)
#[test]
fn a_login_that_was_left_behind() {
    let (stand, maker) = card();
    stand.card().ask("keep-session on");
    maker.run(&["pkcs15-tool", "--verify-pin", "--auth-id", "FF", "--pin", PIN]).ok();
    assert_eq!(stand.card().dump()["logged_in"], json!(true));
    stand.card().reset_stats();
    let output = verify(&stand, &maker, &[]).exits(3);
    assert!(said(&output).contains("a login is open on this card"), "{output}");
    let output = maker.stalecard(&["verify", "--use-existing-login"]).ok();
    assert!(said(&output).contains("proved sound"), "{output}");
    let stats = stand.card().stats();
    assert_eq!((stats.verify, stats.select_aid, stats.signatures), (0, 0, 2), "{stats:?}");
    assert_eq!(stand.card().dump()["logged_in"], json!(true));
    let output = verify(&stand, &maker, &["--end-login"]).ok();
    assert!(said(&output).contains("proved sound"), "{output}");
    assert_eq!((stand.card().stats().verify, &stand.card().dump()["logged_in"]), (1, &json!(false)));
}

/// Taken out at each APDU: never a second PIN after a refusal, never a try too many.
#[test]
fn the_card_is_pulled_at_every_apdu() {
    let (stand, maker) = card();
    pulled_at_every_apdu(&stand, &maker, PIN, 1, &tries, &|| {
        maker.run(&["pkcs15-tool", "--verify-pin", "--auth-id", "FF", "--pin", PIN]).ok();
    });
}

/// Killed at each APDU: the login does not stay behind, and no try is lost with the right PIN.
#[test]
fn a_verify_killed_at_any_apdu_leaves_no_login_behind() {
    let (stand, maker) = card();
    killed_at_every_apdu(&stand, &maker, PIN, &tries);
}
