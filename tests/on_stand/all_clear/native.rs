//! A native PKCS#15 card: what stands behind an entry that does not decode.

use super::*;
use crate::stand::{Family, Options, Stand};

const KEYS: [u8; 4] = [0x50, 0x15, 0x44, 0x02];

#[test]
fn keys_behind_an_entry_that_does_not_decode_are_told() {
    let stand = Stand::with(Options { family: Family::MyEid, ..Options::default() });
    let alpha = stand.host("alpha");
    let live = alpha.live();
    live.personalise();
    for id in ["01", "02", "03"] {
        live.generate_key("ec/prime256v1", id, &format!("key {id}"));
    }
    assert_eq!(errors(&live), (0, Vec::new()));
    let files = stand.card().dump()["files"].clone();
    let known = files.as_object().unwrap().iter().find(|(path, _)| path.ends_with("50154402"));
    let whole = bytes(known.unwrap_or_else(|| panic!("no 50154402 in {files}")).1.as_str().unwrap());
    let first = 2 + usize::from(whole[1]);
    let mut damaged = whole.clone();
    damaged[first + 2] ^= 0x01;
    // In the second entry; cut off in it; before the first one.
    for (content, left) in
        [(damaged, 1), (whole[..first + 9].to_vec(), 1), ([&[0x31, 0x00][..], &whole].concat(), 0)]
    {
        stand.card().tamper_path(&KEYS, Some(&content));
        assert_eq!(live.pkcs15_list().private_keys().len(), left);
        assert_eq!(errors(&live), (1, vec!["key-not-listed private key".to_owned()]), "{left}");
        let said = live.stalecard(&["check"]);
        assert!(said.stdout.contains("50154402") && said.stdout.contains("It is not lost"), "{said}");
    }
    stand.card().tamper_path(&KEYS, Some(&whole));
    assert_eq!((errors(&live), live.pkcs15_list().private_keys().len()), ((0, Vec::new()), 3));
}

/// Seen: a host with a stale directory in its cache makes a key, and with that writes the directory back without the key that
/// another host had made. Its file is still on the card.
#[test]
fn a_key_that_no_directory_describes_is_told() {
    let stand = Stand::with(Options { family: Family::MyEid, ..Options::default() });
    let live = stand.host("alpha").live();
    live.personalise();
    for (id, kind) in [("01", "ec/prime256v1"), ("02", "rsa/1024")] {
        live.generate_key(kind, id, &format!("key {id}"));
    }
    let content = || {
        let files = stand.card().dump()["files"].clone();
        let files = files.as_object().unwrap().clone();
        bytes(files.iter().find(|(path, _)| path.ends_with("50154402")).unwrap().1.as_str().unwrap())
    };
    let whole = content();
    let first = 2 + usize::from(whole[1]);
    for (kept, left) in [(&whole[..first], "01"), (&whole[first..], "02"), (&[][..], "")] {
        let padded = [kept, &[0xFF; 40]].concat();
        stand.card().tamper_path(&KEYS, Some(&padded));
        let listed = live.pkcs15_list();
        let ids: Vec<_> = listed.private_keys().iter().filter_map(|key| key.id.clone()).collect();
        assert_eq!(ids.concat(), left);
        let missed = 2 - ids.len();
        assert_eq!(errors(&live), (1, vec!["key-not-listed private key".to_owned(); missed]), "{left}");
        let said = live.stalecard(&["check"]);
        assert!(flat(&said).contains("no directory of the card describes it"), "{said}");
    }
    stand.card().tamper_path(&KEYS, Some(&whole));
    assert_eq!(errors(&live), (0, Vec::new()));
}

/// An empty file is outside of itself: the card refuses to read it (6B00, "EF offset too large"), and `pkcs15-tool -D` ends its
/// list of data objects there. That is no fault of the card, and `show` says what is not in the list.
#[test]
fn an_empty_data_object_ends_the_list_of_pkcs15_tool() {
    let stand = Stand::with(Options { family: Family::IsoApplet, ..Options::default() });
    let maker = stand.host("maker").env("OPENSC_DRIVER", "isoApplet");
    maker.caching("no");
    maker.personalise_isoapplet();
    for name in ["a", "b", "c"] {
        let file = maker.scratch("data", if name == "b" { b"" } else { b"data" });
        let words = ["--store-data", file.to_str().unwrap(), "--label", name, "--application-name", "app"];
        maker.pkcs15_init(&words).ok();
    }
    let listed = maker.run(&["pkcs15-tool", "-D"]);
    let is_listed = |name: &str| listed.stdout.contains(&format!("Data object '{name}'"));
    let ends = !is_listed("c");
    assert!(is_listed("a") && is_listed("b"), "{listed}");
    let show = document(&maker.stalecard(&["show", "--format", "json"]).ok());
    let objects = show["objects"].as_array().unwrap();
    let object = objects.iter().find(|object| object["card"]["label"] == "c").unwrap();
    assert_eq!(object["unlisted"].to_string().contains("pkcs15-tool"), ends, "{object:#} {listed}");
    assert!(ends == listed.stderr.contains("offset too large"), "{listed}");
}
