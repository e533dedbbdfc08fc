//! A PIV card: keys without a certificate, certificates that the key history passes over.

use super::*;
use crate::stand::{Family, Options, PIV_PIN, READER, Stand, YUBIKEY};

const HISTORY: [u8; 3] = [0x5F, 0xC1, 0x0C];

fn stand(more: &[&'static str]) -> (Stand, Host) {
    let switches = [&YUBIKEY[..], more].concat();
    let stand = Stand::with(Options { family: Family::Piv, switches: &switches, ..Options::default() });
    let alpha = stand.host("alpha").with_pin(PIV_PIN);
    alpha.piv(&["--action", "set-chuid", "--action", "set-ccc"]).ok();
    (stand, alpha)
}

#[test]
fn a_key_without_certificate_is_told() {
    let (_stand, alpha) = stand(&[]);
    let live = alpha.live();
    alpha.piv_renew("9a", "ECCP256", "holder");
    assert_eq!(errors(&live), (0, Vec::new()));
    let public = alpha.piv_generate("9c", "RSA2048");
    let retired = alpha.piv_generate("95", "ECCP384");
    // In no list, and nowhere to be found.
    assert_eq!(listed(&live)[0], ["01"]);
    let told = ["key-not-listed private key 156", "key-not-listed private key 149"].map(str::to_owned);
    assert_eq!(errors(&live), (1, told.to_vec()));
    let said = live.stalecard(&["check", "-v"]);
    assert!(flat(&said).contains("2 on the card that no program lists"), "{said}");
    assert!(live.stalecard(&["show", "9c"]).ok().stdout.contains("156 (9C)"));
    // Its certificate makes it visible; of a retired one the history has to count it, as this card's does.
    alpha.piv_certificate("9c", &alpha.issue(&public, "signer"), "DER");
    assert_eq!(errors(&live).1, ["key-not-listed private key 149"]);
    alpha.piv_certificate("95", &alpha.issue(&retired, "retired"), "DER");
    assert_eq!((errors(&live), listed(&live)[0].len()), ((0, Vec::new()), 3));
}

/// The key by which a YubiKey vouches for others is its own, and every one has it.
#[test]
fn the_attestation_key_is_the_devices_own() {
    let (stand, alpha) = stand(&[]);
    alpha.piv_renew("9a", "ECCP256", "holder");
    let made = alpha.piv(&["--action", "generate", "--slot", "f9", "--algorithm", "ECCP256"]).ok();
    assert!(made.stdout.contains("PUBLIC KEY") && stand.card().dump()["keys"].to_string().contains("F9"));
    assert_eq!(errors(&alpha), (0, Vec::new()));
    assert_eq!(shown(&alpha), [("the private key with key reference 249 (F9)".to_owned(), true)]);
}

/// Where the card does not tell, nobody claims that there is no key.
#[test]
fn a_card_that_does_not_tell_its_keys_is_not_called_empty() {
    let (stand, alpha) = stand(&["--strict"]);
    alpha.piv_generate("9a", "ECCP256");
    let alpha = alpha.live();
    let said = alpha.stalecard(&["check"]);
    assert!(said.code() == 0 && flat(&said).contains("keys without a certificate"), "{said}");
    assert!(flat(&said).contains("Nothing wrong in what was looked at"), "{said}");
    // One question, and no more.
    let asked = stand.apdu_log().iter().filter(|line| line.starts_with("> 00f7")).count();
    assert_eq!(asked, 1);
}

#[test]
fn certificates_that_the_key_history_passes_over_are_told() {
    let (stand, alpha) = stand(&[]);
    let live = alpha.live();
    for slot in ["82", "83"] {
        alpha.piv_renew(slot, "ECCP256", "retired");
    }
    let told = ["130", "131"].map(|key| format!("key-not-listed certificate {key}"));
    for (history, hidden) in
        [("c10100c20100fe00", 0), ("c10101c20100fe00", 1), ("c10102c20100fe00", 2), ("", 0)]
    {
        stand.card().tamper_path(&HISTORY, Some(&bytes(history)));
        assert_eq!(listed(&live)[0].len(), hidden, "{history}");
        let expected = (i32::from(hidden < 2), told[hidden..].to_vec());
        assert_eq!(errors(&live), expected, "{history}");
    }
    // The command that is named makes them visible.
    let report = document(&live.stalecard(&["check", "--format", "json"]));
    let what = report["findings"][0]["fix"][0]["what"].as_str().unwrap().to_owned();
    let command = what.split_once(": ").unwrap().1;
    let command = command.replace("yubico-piv-tool", &format!("yubico-piv-tool --reader '{READER}'"));
    live.sh(&command).ok();
    assert_eq!((listed(&live)[0].len(), errors(&live)), (2, (0, Vec::new())), "{command}");
}

#[test]
fn a_certificate_that_does_not_decode_is_told() {
    let (stand, alpha) = stand(&["--strict"]);
    let live = alpha.live();
    alpha.piv_renew("9a", "ECCP256", "holder");
    alpha.piv_renew("9c", "ECCP256", "signer");
    stand.card().tamper_path(&[0x5F, 0xC1, 0x0A], Some(&bytes("7003010203710100fe00")));
    assert_eq!(listed(&live)[0], ["01"]);
    assert_eq!(errors(&live), (1, vec!["key-not-listed certificate 156".to_owned()]));
    // What was emptied is none.
    for content in ["", "7000710100fe00"] {
        stand.card().tamper_path(&[0x5F, 0xC1, 0x0A], Some(&bytes(content)));
        assert_eq!(errors(&live), (0, Vec::new()), "{content}");
    }
}

/// What the card itself tells of a key outranks its certificate, without any PIN.
#[test]
fn a_certificate_of_another_key_is_told_by_the_card() {
    let (stand, alpha) = stand(&[]);
    let live = alpha.live();
    for slot in ["9a", "9d", "82"] {
        alpha.piv_renew(slot, "ECCP256", "holder");
    }
    assert_eq!(errors(&live), (0, Vec::new()));
    // The key made anew under its old certificate; a certificate of a key from elsewhere.
    alpha.piv_generate("9a", "ECCP256");
    alpha.piv_certificate("82", &alpha.foreign_certificate("foreign"), "DER");
    stand.card().reset_stats();
    let told = ["154", "130"].map(|key| format!("certificate-key-mismatch private key {key}"));
    assert_eq!(errors(&live), (1, told.to_vec()));
    assert_eq!((stand.card().stats().verify, stand.card().stats().signatures), (0, 0));
    // The real tools' own signature says the same of the first, and that all is well with none.
    let signature = live.sign("01", b"Sample Data");
    assert!(!live.openssl_verify(&live.public_key("01"), b"Sample Data", &signature));
}

/// A cache that has the right certificate is not flushed as stale, and one that has a wrong one is, both without a PIN.
#[test]
fn the_card_decides_between_its_certificate_and_the_cached_one() {
    let (_stand, alpha) = stand(&[]);
    let own = alpha.issue(&alpha.piv_generate("9a", "ECCP256"), "own");
    alpha.piv_certificate("9a", &own, "DER");
    alpha.pkcs15_list();
    let entry = |host: &Host| host.cache_names().iter().any(|name| name.ends_with("_0101CECE"));
    alpha.piv_certificate("9a", &alpha.foreign_certificate("foreign"), "DER");
    let (code, found) = errors(&alpha);
    assert!(code == 1 && found[0].starts_with("certificate-key-mismatch"), "{found:?}");
    for words in [&["flush"][..], &["fix", "--guarded"]] {
        let copy = alpha.with_cache_copy();
        copy.stalecard(words).exits(i32::from(words[0] == "fix"));
        assert!(entry(&copy), "{words:?}");
    }
    // Made anew, with its certificate: the cache is stale, and that is safe to say.
    let new = alpha.issue(&alpha.piv_generate("9a", "ECCP256"), "new");
    alpha.piv_certificate("9a", &new, "DER");
    let (code, found) = errors(&alpha);
    assert!(code == 1 && found.iter().any(|line| line.starts_with("stale-public-key")), "{found:?}");
    assert!(found.iter().all(|line| !line.starts_with("public-key-undecided")), "{found:?}");
    alpha.stalecard(&["flush"]).ok();
    assert_eq!(errors(&alpha), (0, Vec::new()));
    // Without certificate, and with the key: the cache has the last copy. Without the key: a ghost.
    alpha.pkcs15_list();
    alpha.piv(&["--action", "delete-certificate", "--slot", "9a"]).ok();
    assert_eq!(errors(&alpha).1[0], "key-not-listed private key 154");
    alpha.stalecard(&["flush", "--guarded"]).ok();
    assert!(entry(&alpha));
}

#[test]
fn origin_and_policies_of_a_key_are_shown() {
    let (_stand, alpha) = stand(&[]);
    alpha.piv_renew("9a", "ECCP256", "holder");
    let policies = ["--pin-policy", "always", "--touch-policy", "cached"];
    let words = ["--action", "generate", "--slot", "9c", "--algorithm", "ECCP256"];
    let key = alpha.piv(&[&words[..], &policies].concat()).ok().stdout;
    alpha.piv_certificate("9c", &alpha.issue(&key, "signer"), "DER");
    let pem =
        alpha.run(&["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]).ok();
    alpha.piv_import("9d", &pem.stdout);
    let public = alpha.run_with_input(&["openssl", "pkey", "-pubout"], pem.stdout.as_bytes()).ok().stdout;
    alpha.piv_certificate("9d", &alpha.issue(&public, "decipherer"), "DER");
    let report = document(&alpha.stalecard(&["show", "--format", "json"]).ok());
    let told = |reference: u8| -> Vec<String> {
        let objects = report["objects"].as_array().unwrap().iter();
        let of_key = objects.filter(|object| object["reference"] == reference && !object["told"].is_null());
        let told = of_key.flat_map(|object| object["told"].as_array().unwrap());
        told.map(|words| words.as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(told(0x9A), ["generated on the card", "PIN: once", "touch: never"]);
    let cached = "touch: for each use, but within 15 seconds of the last one";
    assert_eq!(told(0x9C), ["generated on the card", "PIN: for each use", cached]);
    assert_eq!(told(0x9D), ["imported", "PIN: once", "touch: never"]);
    assert!(flat(&alpha.stalecard(&["show", "9d"]).ok()).contains("imported; PIN: once; touch: never"));
}

/// Where an iris image is, which takes the PIN, goes the list of `pkcs15-tool -D` on, and so says `show`.
#[test]
fn an_iris_image_ends_a_list_where_show_says_so() {
    let (stand, alpha) = stand(&[]);
    let live = alpha.live();
    alpha.piv_renew("82", "ECCP256", "retired");
    stand.card().tamper_path(&[0x5F, 0xC1, 0x21], Some(&bytes("bc020102")));
    let behind = "Retired X.509 Certificate for Key Management 1";
    let listed = live.run(&["pkcs15-tool", "-D"]).stdout.contains(&format!("Data object '{behind}'"));
    let show = document(&live.stalecard(&["show", "--format", "json"]).ok());
    let objects = show["objects"].as_array().unwrap();
    let object = objects.iter().find(|object| object["card"]["label"] == behind).unwrap();
    assert_eq!(!object["unlisted"].to_string().contains("pkcs15-tool"), listed, "{object:#}");
    assert_eq!(errors(&live), (0, Vec::new()));
}
