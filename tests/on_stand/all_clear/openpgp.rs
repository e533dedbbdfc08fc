//! An OpenPGP card: a key whose fingerprint was never written, or was lost.

use super::*;
use crate::stand::{Family, Options, PW1, Stand};

#[test]
fn a_key_without_a_fingerprint_is_told() {
    let switches = ["--card-version", "3.4", "--apdu", "extended"];
    let stand = Stand::with(Options { family: Family::OpenPgp, switches: &switches, ..Options::default() });
    let live = stand.host("alpha").with_pin(PW1).live();
    for key in [1, 3] {
        live.openpgp_generate_ec(key, "prime256v1");
    }
    let ids = || {
        let keys = live.pkcs15_list();
        keys.private_keys().iter().filter_map(|key| key.id.clone()).collect::<Vec<_>>()
    };
    assert_eq!((ids(), errors(&live)), (vec!["01".to_owned(), "03".to_owned()], (0, Vec::new())));
    let fingerprint = stand.card().dump()["files"]["C7"].as_str().unwrap().to_owned();
    for lost in [None, Some(&[0; 20][..])] {
        stand.card().tamper_path(&[0xC7], lost);
        assert_eq!(ids(), ["03"]);
        assert_eq!(errors(&live), (1, vec!["key-not-listed private key 0".to_owned()]));
        let said = live.stalecard(&["check"]);
        for words in ["signature key, key reference 0", "no fingerprint", "It is not lost", "object 00C7"] {
            assert!(flat(&said).contains(words), "{words}: {said}");
        }
    }
    // What is named makes it visible.
    let write = format!("00DA00C714{fingerprint}");
    let verify = "00200083083132333435363738";
    live.run(&["opensc-tool", "--send-apdu", verify, "--send-apdu", &write]).ok();
    assert_eq!((ids().len(), errors(&live)), (2, (0, Vec::new())));
}
