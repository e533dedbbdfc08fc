//! Whose a serial number is, and whose key a copy of a key is.

use super::*;
use crate::stand::{Family, Options, PIN, SO_PIN, Stand};

/// Id, severity and summary of what is found.
fn found(host: &Host) -> Vec<[String; 3]> {
    let report = document(&host.stalecard(&["check", "--format", "json"]));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap();
    findings.iter().map(|f| [text(&f["id"]), text(&f["severity"]), text(&f["summary"])]).collect()
}

/// Two devices with one number, one after the other in the same reader: the request in the cache is signed by the other.
#[test]
fn two_devices_with_one_serial_number_are_told_by_who_signed() {
    let stand = Stand::start();
    let alpha = stand.host("alpha");
    alpha.initialize("HSM", PIN, SO_PIN, None);
    alpha.keypairgen("EC:prime256v1", &["--id", "01"]);
    alpha.pkcs15_list();
    let is_shared = |[id, severity, summary]: &[String; 3]| {
        id == "shared-identity" && severity == "error" && summary.contains("another device")
    };
    assert!(!found(&alpha).iter().any(is_shared));
    // The key made anew on the same device is an old view of it, and nothing else.
    let beta = stand.host("beta");
    beta.delete_object("privkey", "01");
    beta.keypairgen("EC:prime256v1", &["--id", "01"]);
    let told = found(&alpha);
    assert!(told.iter().any(|[id, ..]| id == "stale-public-key") && !told.iter().any(is_shared), "{told:?}");

    stand.card().insert(&stand.new_card("second", &[]));
    beta.initialize("HSM", PIN, SO_PIN, None);
    beta.keypairgen("EC:prime256v1", &["--id", "01"]);
    assert_eq!(alpha.pkcs15_list().serial, "DENK0200834");
    let told = found(&alpha);
    assert!(told.iter().any(is_shared), "{told:?}");
}

/// One backup, unwrapped under two key references.
#[test]
fn a_key_that_was_unwrapped_twice_is_called_that() {
    let stand = Stand::start();
    let alpha = stand.host("alpha").live();
    alpha.initialize("HSM", PIN, SO_PIN, Some(1));
    alpha.import_plain_dkek_share([7; 32]);
    alpha.keypairgen("EC:prime256v1", &["--id", "01"]);
    let backup = alpha.scratch("backup", b"");
    std::fs::remove_file(&backup).unwrap();
    let file = backup.to_str().unwrap();
    alpha.run(&["sc-hsm-tool", "--wrap-key", file, "--key-reference", "1", "--pin", PIN]).ok();
    alpha.run(&["sc-hsm-tool", "--unwrap-key", file, "--key-reference", "5", "--pin", PIN]).ok();
    let told = found(&alpha);
    let [id, severity, summary] = &told[0];
    assert_eq!((id.as_str(), severity.as_str()), ("duplicate-key-id", "warning"), "{told:?}");
    assert!(summary.contains("One key lies on the card 2 times"), "{summary}");
    let said = alpha.stalecard(&["check"]);
    assert!(!said.stdout.contains("another ID") && flat(&said).contains("by its key reference"), "{said}");

    // Two keys that somebody gave one ID are something else.
    alpha.keypairgen("EC:prime256v1", &["--id", "02"]);
    let files = stand.card().dump()["files"].clone();
    let content = |name: &str| bytes(files[name].as_str().unwrap());
    stand.card().tamper(0xC402, Some(&content("C401")));
    let told = found(&alpha);
    assert!(told.iter().any(|[_, _, summary]| summary.contains("3 private keys have the ID 01")), "{told:?}");
}

/// Every card with the IsoApplet has the serial number 0000; only the date of last update keeps the copies of two apart. What
/// no program reads for this card is not said to be this card's, and no repair takes it.
#[test]
fn old_entries_under_a_shared_number_may_be_another_cards() {
    let stand = Stand::with(Options { family: Family::IsoApplet, ..Options::default() });
    let maker = stand.host("maker").env("OPENSC_DRIVER", "isoApplet").with_pin("1234");
    maker.caching("no");
    let made = |label: &str| {
        maker.personalise_isoapplet();
        maker.store_data(b"content", label, false).ok();
        // The date has seconds.
        std::thread::sleep(std::time::Duration::from_millis(1100));
    };
    made("of the first");
    let first = stand.card().first().clone();
    let alpha = stand.host("alpha").env("OPENSC_DRIVER", "isoApplet");
    alpha.pkcs15_list();
    let of_first = alpha.cache_files();
    assert!(!of_first.is_empty() && !found(&alpha).iter().any(|[id, ..]| id == "old-generation"));

    stand.card().insert(&stand.new_card("second", &[]));
    made("of the second");
    let listed = alpha.pkcs15_list();
    assert_eq!(listed.serial, "0000");
    let told = found(&alpha);
    let old: Vec<_> = told.iter().filter(|[id, ..]| id == "old-generation").collect();
    let [[_, severity, summary]] = &old[..] else { panic!("{told:?}") };
    assert!(
        severity == "info" && summary.contains("of another card with that number, or of an older state"),
        "{summary}"
    );
    for words in [&["fix"][..], &["fix", "--guarded"], &["flush"], &["flush", "--guarded"]] {
        alpha.stalecard(words).ok();
        let left = alpha.cache_files();
        assert!(of_first.iter().all(|(name, content)| left.get(name) == Some(content)), "{words:?}");
    }
    // The first one's copies are read whenever it is in the reader; and the second's are a later state than it has.
    stand.card().insert(&first);
    let copy = alpha.with_cache_copy();
    assert!(copy.run(&["pkcs15-tool", "-D"]).stdout.contains("of the first"));
    let told = found(&alpha);
    let shared = told.iter().find(|[id, ..]| id == "shared-identity").unwrap_or_else(|| panic!("{told:?}"));
    assert!(shared[1] == "error" && shared[2].contains("a later state"), "{shared:?}");
}
