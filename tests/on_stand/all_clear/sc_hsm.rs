//! A SmartCard-HSM: keys whose descriptions say nothing.

use super::*;
use crate::stand::{PIN, SO_PIN, Stand};

/// Two keys, the second with key reference 2; its description.
fn keyed() -> (Stand, Host, Vec<u8>) {
    let stand = Stand::start();
    let alpha = stand.host("alpha");
    alpha.initialize("HSM", PIN, SO_PIN, Some(1));
    alpha.keypairgen("EC:prime256v1", &["--id", "01"]);
    alpha.keypairgen("EC:prime256v1", &["--id", "02"]);
    let description = bytes(stand.card().dump()["files"]["C402"].as_str().unwrap());
    (stand, alpha, description)
}

#[test]
fn a_key_whose_description_is_empty_missing_or_damaged_is_told() {
    let (stand, alpha, description) = keyed();
    let live = alpha.live();
    let cut = &description[..description.len() - 5];
    for content in [Some(&[][..]), None, Some(cut), Some(&[0xFF; 9])] {
        stand.card().tamper(0xC402, content);
        assert_eq!(listed(&live), [["01"], ["01"]].map(|ids| ids.map(str::to_owned).to_vec()), "{content:?}");
        assert_eq!(errors(&live), (1, vec!["key-not-listed private key 2".to_owned()]), "{content:?}");
        let said = live.stalecard(&["check"]);
        for words in ["EF CC02", "EF C402", "It is not lost", "--key-reference 2 --force"] {
            assert!(flat(&said).contains(words), "{words}: {said}");
        }
        let said = live.stalecard(&["check", "-v"]);
        assert!(flat(&said).contains("1 on the card that no program lists"), "{said}");
        // Somebody who looks for the key finds it.
        assert!(live.stalecard(&["show", "2"]).ok().stdout.contains("key reference 2"));
    }
    stand.card().tamper(0xC402, Some(&description));
    assert_eq!(listed(&live)[0].len(), 2);
    assert_eq!((errors(&live), shown(&live)), ((0, Vec::new()), Vec::new()));
}

/// The cure that is named: the unwrap that was interrupted, once more.
#[test]
fn the_key_is_seen_again_after_an_unwrap() {
    let (stand, alpha, _) = keyed();
    let live = alpha.live();
    alpha.import_plain_dkek_share([7; 32]);
    let backup = alpha.scratch("backup", b"");
    let words = |what: &'static str| {
        vec!["sc-hsm-tool".to_owned(), what.to_owned(), backup.to_str().unwrap().to_owned()]
    };
    let with = |mut command: Vec<String>| {
        command.extend(["--key-reference", "2", "--pin", PIN, "--force"].map(str::to_owned));
        live.run(&command)
    };
    std::fs::remove_file(&backup).unwrap();
    with(words("--wrap-key")).ok();
    stand.card().tamper(0xC402, Some(&[]));
    assert_eq!(errors(&live).1, ["key-not-listed private key 2"]);
    with(words("--unwrap-key")).ok();
    assert_eq!(listed(&live)[0], ["01", "02"]);
    assert_eq!(errors(&live), (0, Vec::new()));
}

/// A cache that is older than the damage has the last copy of the description.
#[test]
fn what_only_a_cache_describes_is_not_flushed() {
    let (stand, alpha, description) = keyed();
    alpha.pkcs15_list();
    stand.card().tamper(0xC402, Some(&[]));
    let works = |host: &Host| {
        let copy = host.with_cache_copy();
        let signature = copy.sign("02", b"Sample Data");
        copy.openssl_verify(&copy.public_key("02"), b"Sample Data", &signature)
    };
    let entry = |host: &Host| host.cache_names().iter().any(|name| name.ends_with("_C402"));
    assert!(works(&alpha) && entry(&alpha));
    assert_eq!(errors(&alpha), (1, vec!["key-not-listed private key 2".to_owned()]));
    for words in [&["flush"][..], &["flush", "--guarded"], &["fix"], &["fix", "--guarded", "--unsafe"]] {
        let host = alpha.with_cache_copy();
        host.stalecard(words).exits(i32::from(words[0] == "fix"));
        assert!(entry(&host), "{words:?}");
    }
    // Put back from there, it is the card's again.
    let name = alpha.cache_names().into_iter().find(|name| name.ends_with("_C402")).unwrap();
    let saved = std::fs::read(alpha.cache().join(name)).unwrap();
    assert_eq!(saved, description);
    stand.card().tamper(0xC402, Some(&saved));
    assert_eq!((errors(&alpha), listed(&alpha.live())[0].len()), ((0, Vec::new()), 2));
}

/// What OpenSC lists of no such card, and the device's own, is no fault.
#[test]
fn an_aes_key_is_a_limit_and_no_fault() {
    let (stand, alpha, _) = keyed();
    let live = alpha.live();
    let aes = "a828300d0c046b353231030206c0040101300b0401210303073080020103a10a30083002040002020100";
    stand.card().tamper(0xC402, Some(&bytes(aes)));
    assert_eq!(listed(&live)[0], ["01"]);
    assert_eq!(errors(&live), (0, Vec::new()));
    assert_eq!(shown(&live), [("the secret key with key reference 2 (EF CC02)".to_owned(), true)]);
}

#[test]
fn the_certificate_and_the_data_of_a_damaged_description_are_told() {
    let (stand, alpha, _) = keyed();
    let live = alpha.live();
    alpha.write_cert(&alpha.foreign_certificate("authority"), "77", "authority");
    alpha.write_data(b"data", "data", false);
    assert_eq!(errors(&live), (0, Vec::new()));
    for (fid, line) in [(0xC800, "key-not-listed certificate"), (0xC900, "key-not-listed data object")] {
        let fid: u16 = fid;
        let files = stand.card().dump()["files"].clone();
        let known = (0..3).map(|number| fid + number).find(|fid| files[format!("{fid:04X}")].is_string());
        let known = known.unwrap_or_else(|| panic!("no {fid:04X} in {files}"));
        let whole = bytes(files[format!("{known:04X}")].as_str().unwrap());
        stand.card().tamper(known, Some(&whole[..8]));
        assert_eq!(errors(&live), (1, vec![line.to_owned()]));
        stand.card().tamper(known, Some(&whole));
    }
}

/// Seen: `pkcs11-tool -O` listed no certificate at all, because the first one on the card was damaged, and all was well.
#[test]
fn a_damaged_certificate_on_the_card_hides_those_behind_it() {
    let (stand, alpha, _) = keyed();
    let live = alpha.live();
    for id in ["71", "72"] {
        live.write_cert(&live.foreign_certificate(id), id, id);
    }
    let certificates = || {
        let listed = live.pkcs11_list_logged_in();
        listed.objects.iter().filter(|object| object.class == "Certificate").count()
    };
    assert_eq!((certificates(), errors(&live)), (2, (0, Vec::new())));
    let files = stand.card().dump()["files"].clone();
    let whole = bytes(files["CA00"].as_str().unwrap());
    for damaged in [&whole[..whole.len() - 5], &[0x30, 0x02, 0x03, 0xFF]] {
        stand.card().tamper(0xCA00, Some(damaged));
        assert_eq!(certificates(), 0);
        assert_eq!(errors(&live), (1, vec!["key-not-listed certificate".to_owned()]));
        let said = live.stalecard(&["check"]);
        assert!(flat(&said).contains("and so not the 1 certificate behind it"), "{said}");
    }
    stand.card().tamper(0xCA00, Some(&whole));
    assert_eq!((certificates(), errors(&live)), (2, (0, Vec::new())));
}
