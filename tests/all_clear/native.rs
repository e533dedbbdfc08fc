//! A native PKCS#15 card: what stands behind an entry that does not decode.

use super::*;
use stand::{Family, Options, Stand};

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
