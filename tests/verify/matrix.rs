//! Every verdict: who fits the signature, and what follows.

use super::*;

/// Keys of alpha, then other keys in the same places by beta, of which alpha's cache knows nothing.
fn stale(old: &[&str], new: &[&str]) -> (Stand, Host) {
    let stand = Stand::start();
    let alpha = initialised(&stand, "alpha");
    for kind in old {
        alpha.keypairgen(kind, &[]);
    }
    alpha.pkcs15_list();
    let beta = initialised(&stand, "beta");
    for kind in new {
        beta.keypairgen(kind, &[]);
    }
    (stand, alpha)
}

#[test]
fn stale_and_cured() {
    let (stand, alpha) = stale(&["EC:prime256v1", "rsa:2048"], &["EC:prime256v1", "rsa:2048"]);
    let (code, report) = verdict(&stand, &alpha, &[]);
    assert_eq!(conclusions(&report), ["stale-cache", "stale-cache"]);
    assert_eq!((code, findings(&report)), (1, vec!["signature-fails-with-cached-key".to_owned()]));
    // The evidence is the cached request, with both fingerprints.
    let evidence = &report["findings"][0]["evidence"][0];
    assert!(evidence["file"]["path"].as_str().unwrap().ends_with("_CE01"));
    assert_ne!(evidence["shown"]["public_key"], evidence["card"]["public_key"]);
    // A key is also found by the ID that is shown, which is all its user knows.
    let shown = evidence["shown"]["id"].as_str().unwrap().to_owned();
    let (_, one) = verdict(&stand, &alpha, &["--key", &shown]);
    assert_eq!(conclusions(&one), ["stale-cache"]);
    let human = verify(&stand, &alpha, &[]).exits(1);
    assert!(
        human.stdout.contains("DOES NOT FIT") && human.stdout.starts_with("STALE  OpenSC shows"),
        "{human}"
    );
    let words = human.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("Fresh signatures prove all 2 keys on the card."), "{human}");
    assert!(
        !human.stdout.contains("proved sound") && human.stdout.ends_with("Next: stalecard flush\n"),
        "{human}"
    );

    alpha.stalecard(&["flush"]).ok();
    let (code, report) = verdict(&stand, &alpha, &[]);
    assert_eq!((code, conclusions(&report)), (0, vec!["sound".to_owned(); 2]), "{report}");
    assert!(findings(&report).is_empty());
}

#[test]
fn a_key_of_another_type_has_taken_the_place() {
    let (stand, alpha) = stale(&["rsa:2048"], &["EC:secp384r1"]);
    let (code, report) = verdict(&stand, &alpha, &[]);
    assert_eq!((code, conclusions(&report)), (1, vec!["stale-cache".to_owned()]));
    let tried = report["keys"][0]["tried"].as_array().unwrap();
    let keys: Vec<_> =
        tried.iter().map(|one| (one["key"].as_str().unwrap(), one["fits"].as_bool().unwrap())).collect();
    assert_eq!(keys, [("EC secp384r1", true), ("RSA 2048", false)]);
}

/// The curves of a SmartCard-HSM that OpenSC generates keys on.
pub const CURVES: [&str; 12] = [
    "prime192v1",
    "prime256v1",
    "secp384r1",
    "secp521r1",
    "secp192k1",
    "secp256k1",
    "brainpoolP192r1",
    "brainpoolP224r1",
    "brainpoolP256r1",
    "brainpoolP320r1",
    "brainpoolP384r1",
    "brainpoolP512r1",
];

/// All key types that the real tools can make on this card.
#[test]
fn every_key_type() {
    let stand = Stand::start();
    let host = initialised(&stand, "alpha");
    let mut made = Vec::new();
    for curve in CURVES {
        let output =
            host.pkcs11_login(&["--keypairgen", "--key-type", &format!("EC:{curve}"), "--label", curve]);
        if output.success() {
            made.push(format!("EC {curve}"));
        } else {
            println!("{curve}: not made by this OpenSC");
        }
    }
    for bits in ["2048", "3072", "4096"] {
        host.keypairgen(&format!("rsa:{bits}"), &[]);
        made.push(format!("RSA {bits}"));
    }
    assert!(made.len() >= 12, "{made:?}");
    let (code, report) = verdict(&stand, &host, &[]);
    assert_eq!((code, conclusions(&report)), (0, vec!["sound".to_owned(); made.len()]), "{report}");
    let keys: Vec<_> = report["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["tried"][0]["key"].as_str().unwrap())
        .collect();
    assert_eq!(keys, made);
    // All of them have proved possession when they were made.
    let check = document(&host.stalecard(&["check", "--format", "json"]).ok());
    assert!(!findings(&check).contains(&"possession-not-proved".to_owned()), "{check}");
}

/// A certificate of a foreign key, written over the request as the real tools do without a word.
#[test]
fn a_foreign_certificate_over_the_request() {
    let stand = Stand::start();
    let host = initialised(&stand, "alpha");
    let key = host.keypairgen("EC:prime256v1", &[]);
    let foreign = host.foreign_certificate("foreign");
    host.write_cert(&foreign, &key.id, "foreign");
    let host = stand.host("fresh");
    let check = document(&host.stalecard(&["check", "--format", "json"]).ok());
    let finding =
        check["findings"].as_array().unwrap().iter().find(|f| f["id"] == "possession-not-proved").unwrap();
    let notes = finding["evidence"][0]["card"]["attributes"][0].as_str().unwrap();
    assert!(notes.contains("its ID is not the hash that OpenSC derives"), "{notes}");

    let (code, report) = verdict(&stand, &host, &[]);
    assert_eq!((code, conclusions(&report)), (1, vec!["wrong-certificate".to_owned()]));
    assert_eq!(findings(&report), ["certificate-key-mismatch"]);
    // Which key is really there, only two are left, and one of them has the ID that the key was made with.
    let candidates = report["keys"][0]["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), 2);
    assert!(candidates.iter().any(|one| one["id"] == key.id.as_str()), "{candidates:?}");
}

/// The right certificate instead of the request.
#[test]
fn the_keys_own_certificate_over_the_request() {
    let stand = Stand::start();
    let host = initialised(&stand, "alpha");
    let key = host.keypairgen("EC:prime256v1", &[]);
    write_own_certificate(&stand, &host, &key.id);
    let fresh = stand.host("fresh");
    let (code, report) = verdict(&stand, &fresh, &[]);
    assert_eq!((code, conclusions(&report)), (0, vec!["sound".to_owned()]), "{report}");
    // Where no signature is at hand, nothing proves it; that is no error.
    let check = fresh.stalecard(&["check", "--format", "json"]).ok();
    assert_eq!(findings(&document(&check)), ["cache-cannot-notice-change", "possession-not-proved"]);
}

/// A self-signed certificate through the engine, written to the card with the key's ID.
fn write_own_certificate(stand: &Stand, host: &Host, id: &str) {
    let certificate = attribution::self_signed(stand, host, id);
    let der = host.scratch("der", b"");
    host.sh(&format!("openssl x509 -in {} -outform DER -out {}", certificate.display(), der.display())).ok();
    host.write_cert(&std::fs::read(der).unwrap(), id, "own");
}

/// The certificate was issued for the key, the key was replaced, and the certificate put back: on the card the wrong
/// certificate, in alpha's cache the old request.
#[test]
fn stale_and_the_certificate_not_renewed() {
    let stand = Stand::start();
    let alpha = initialised(&stand, "alpha");
    let old = alpha.keypairgen("EC:prime256v1", &["--id", "10"]);
    let certificate = attribution::self_signed(&stand, &alpha, &old.id);
    alpha.pkcs15_list();
    let beta = initialised(&stand, "beta");
    beta.keypairgen("EC:prime256v1", &["--id", "10"]);
    // As a CA certificate it keeps a place of its own, and the key its request.
    let der = beta.scratch("der", b"");
    beta.sh(&format!("openssl x509 -in {} -outform DER -out {}", certificate.display(), der.display())).ok();
    let request = bytes(&stand.card().dump(), "CE01");
    beta.write_cert(&std::fs::read(&der).unwrap(), "77", "old");
    let entry = bytes(&stand.card().dump(), "C800");
    // The entry's ID is the key's now: two certificates' worth of confusion in one byte.
    let at = entry.windows(3).position(|three| three == [0x04, 0x01, 0x77]).unwrap();
    let mut entry = entry;
    entry[at + 2] = 0x10;
    stand.card().tamper(0xC800, Some(&entry));
    stand.card().tamper(0xCE01, Some(&request));
    let (code, report) = verdict(&stand, &alpha, &[]);
    assert_eq!(
        (code, conclusions(&report)),
        (1, vec!["stale-cache-and-wrong-certificate".to_owned()]),
        "{report}"
    );
    assert_eq!(findings(&report), ["certificate-key-mismatch", "signature-fails-with-cached-key"]);
    // Without a PIN: the request has proved possession of another key than the certificate's.
    let check = document(&stand.host("other").stalecard(&["check", "--format", "json"]).exits(1));
    assert!(findings(&check).contains(&"certificate-key-mismatch".to_owned()), "{check}");
}

/// A key that came from another device is sound, and says where it comes from.
#[test]
fn an_imported_key() {
    let stand = Stand::start();
    let alpha = stand.host("alpha");
    let share = [0x5A; 32];
    alpha.initialize("HSM-H1", PIN, SO_PIN, Some(1));
    alpha.import_plain_dkek_share(share);
    alpha.keypairgen("EC:prime256v1", &[]);
    let file = stand.dir().join("wrapped");
    let file = file.to_str().unwrap();
    alpha.run(&["sc-hsm-tool", "--wrap-key", file, "--key-reference", "1", "--pin", PIN]).ok();
    let other = stand.new_card("other", &["--serial", "DENK0300001"]);
    stand.card().insert(&other);
    alpha.initialize("HSM-H2", PIN, SO_PIN, Some(1));
    alpha.import_plain_dkek_share(share);
    alpha.run(&["sc-hsm-tool", "--unwrap-key", file, "--key-reference", "1", "--pin", PIN]).ok();
    let (code, report) = verdict(&stand, &alpha, &[]);
    assert_eq!((code, conclusions(&report)), (0, vec!["sound".to_owned()]), "{report}");
    let show = alpha.stalecard(&["show", "1"]).ok();
    let said = show.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("generated on another device (DENK020083400000) and imported"), "{show}");
    let check = document(&alpha.stalecard(&["check", "--format", "json"]).ok());
    assert!(!findings(&check).contains(&"possession-not-proved".to_owned()));
}

/// The card's own request is another key's: no cache is to blame, and alpha's cache is all that is left of the right one.
#[test]
fn the_public_key_on_the_card_is_wrong() {
    let stand = Stand::start();
    let alpha = initialised(&stand, "alpha");
    alpha.keypairgen("EC:prime256v1", &["--id", "10"]);
    alpha.keypairgen("EC:prime256v1", &["--id", "11"]);
    alpha.pkcs15_list();
    let other = bytes(&stand.card().dump(), "CE02");
    stand.card().tamper(0xCE01, Some(&other));
    let (code, report) = verdict(&stand, &alpha, &["--key", "10"]);
    assert_eq!((code, conclusions(&report)), (1, vec!["wrong-public-object".to_owned()]), "{report}");
    assert_eq!(findings(&report), ["signature-fails-with-live-key"]);
    assert!(report["findings"][0]["fix"][0]["what"].as_str().unwrap().contains("do not flush"));
    // Elsewhere nobody knows the right key, but the signature names two.
    let (code, report) = verdict(&stand, &stand.host("fresh"), &["--key", "10"]);
    assert_eq!((code, conclusions(&report)), (1, vec!["nothing-fits".to_owned()]), "{report}");
    assert_eq!(report["keys"][0]["candidates"].as_array().unwrap().len(), 2);
}

/// Changes one byte of a file of the card.
fn flip(stand: &Stand, fid: u16, from_end: usize) {
    let mut content = bytes(&stand.card().dump(), &format!("{fid:04X}"));
    let at = content.len() - from_end;
    content[at] ^= 1;
    stand.card().tamper(fid, Some(&content));
}

/// A request ends with the outer signature (64 bytes on this card's curve), its reference before that, and the
/// inner signature before that one.
#[test]
fn tampered_signatures_of_the_request() {
    let stand = Stand::start();
    let host = initialised(&stand, "alpha");
    host.keypairgen("EC:prime256v1", &[]);
    let summary = |host: &Host| {
        let check = document(&host.stalecard(&["check", "--format", "json"]).ok());
        let all = check["findings"].as_array().unwrap().clone();
        all.iter()
            .find(|f| f["id"] == "possession-not-proved")
            .map(|f| f["summary"].as_str().unwrap().to_owned())
    };
    let sound = bytes(&stand.card().dump(), "CE01");
    assert_eq!(summary(&host), None);
    flip(&stand, 0xCE01, 1);
    assert!(summary(&host).unwrap().contains("the device signature is BAD"));
    stand.card().tamper(0xCE01, Some(&sound));
    // Outer signature with its header (3 + 64), outer reference with its (2 + 16): then the last byte of the inner one.
    flip(&stand, 0xCE01, 67 + 18 + 1);
    assert!(summary(&host).unwrap().contains("BAD proof of possession"));
    // The key signs all the same, and proves what the request does not any more.
    let (code, report) = verdict(&stand, &host, &[]);
    assert_eq!((code, conclusions(&report)), (0, vec!["sound".to_owned()]));
}

/// Where the device's own certificate leads.
#[test]
fn the_device_says_where_it_comes_from() {
    let stand = Stand::start();
    let host = initialised(&stand, "alpha");
    let show = host.stalecard(&["show"]).ok();
    assert!(show.stdout.contains("device         its issuer ZZVIRTROOT00001 is not known here"), "{show}");
}

/// A sound key is not all: where programs show none, or an older one, nothing is called OK, whatever is the matter.
#[test]
fn a_sound_key_that_programs_do_not_show_is_not_all() {
    let stand = Stand::start();
    let host = initialised(&stand, "alpha");
    host.keypairgen("EC:prime256v1", &[]);
    host.pkcs15_list();
    let says = |what: &str| {
        let (code, report) = verdict(&stand, &host, &[]);
        assert_eq!((code, conclusions(&report)), (1, vec!["sound".to_owned()]), "{what}: {report}");
        let human = verify(&stand, &host, &[]).exits(1);
        let first = human.stdout.lines().next().unwrap();
        assert!(!first.starts_with("OK"), "{what}: {human}");
        let words = human.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("A fresh signature proves the key on the card."), "{what}: {human}");
        assert!(human.stdout.contains("\nNext: "), "{what}: {human}");
        // It is what a check says.
        let check = host.stalecard(&["check", "--no-ask", "--format", "json"]).exits(1);
        assert_eq!(document(&check)["verdict"]["state"], report["verdict"]["state"], "{what}");
        report
    };
    let hidden = |name: &String| ["C401", "CE01"].iter().any(|file| name.ends_with(file));
    for name in host.cache_names().iter().filter(|name| hidden(name)) {
        std::fs::write(host.cache().join(name), "").unwrap();
    }
    let report = says("no entry of the key");
    assert!(findings(&report).contains(&"hidden-object".to_owned()), "{report}");
    host.stalecard(&["flush"]).ok();
    verify(&stand, &host, &[]).ok();
    for settings in ["ignored_readers = \"Virtual PCD\";", "card_drivers = PIV-II;"] {
        host.configure(&format!("app default {{\n\t{settings}\n}}\n"));
        let report = says(settings);
        assert!(findings(&report).contains(&"token-not-visible".to_owned()), "{report}");
    }
}

/// A PIN that was refused is the first that is told, with what it cost; what is wrong besides stays.
#[test]
fn a_refused_pin_is_told_first() {
    let wrong = |stand: &Stand, host: &Host| {
        let file = pin_file(stand, "123456");
        host.stalecard(&["verify", "--pin-file", &file])
    };
    let stand = Stand::start();
    let host = initialised(&stand, "alpha");
    host.keypairgen("EC:prime256v1", &[]);
    let output = wrong(&stand, &host).exits(3);
    let words = output.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.starts_with("UNREAD No key was asked for a signature: "), "{output}");
    let first = words.split(". ").next().unwrap();
    assert!(first.contains("PIN") && first.contains("2 tries"), "{output}");
    assert!(words.contains("Next: stalecard verify --pin-file ") && words.ends_with("is mended"), "{output}");
    let (stand, host) = stale(&["EC:prime256v1"], &["EC:prime256v1"]);
    let output = wrong(&stand, &host).exits(3);
    let words = output.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.starts_with("UNREAD No key was asked for a signature: wrong PIN"), "{output}");
    assert!(words.contains("OpenSC shows root a key that is not on the card."), "{output}");
    // What is wrong is cured without a PIN, and before another try is spent.
    assert!(words.contains("Do not delete by the ID shown"), "{output}");
    assert!(words.ends_with("Next: stalecard flush"), "{output}");
}
