//! `--ask` on cards that are read here, too: both verdicts agree, entry for entry.

use super::*;
use crate::stand::{Family, Options, PIN, SO_PIN, YUBIKEY};

/// Says what `check` says without, and that OpenSC tells the same.
pub fn agrees(host: &Host) -> (i32, BTreeMap<String, Vec<String>>) {
    let (alone, report) = check(host, &["--no-ask"]);
    let before = host.cache_files();
    let (asked, with) = check(host, &["--ask"]);
    assert_eq!(host.cache_files(), before);
    assert_eq!((asked.code(), convicted(&with)), (alone.code(), convicted(&report)), "{alone}\n{asked}");
    assert_eq!(gaps(&with), gaps(&report), "{asked}");
    (asked.code(), convicted(&with))
}

#[test]
fn a_smartcard_hsm_is_judged_alike() {
    let stand = Stand::start();
    let host = host(&stand);
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    let old = host.keypairgen("EC:prime256v1", &[]);
    host.pkcs15_list();
    host.pkcs11_list();
    assert_eq!(agrees(&host), (0, BTreeMap::new()));
    let live = host.live();
    live.delete_object("privkey", &old.id);
    let new = live.keypairgen("EC:prime256v1", &[]);
    live.write_cert(&live.foreign_certificate("x"), &new.id, "x");
    let (code, told) = agrees(&host);
    assert!(code == 1 && !told.is_empty(), "{told:?}");
}

/// The cache has the right public key, the card another's certificate over it: one calls the entry old, the other says what it
/// is, and neither is wrong.
#[test]
fn a_foreign_certificate_over_a_key_is_no_disagreement() {
    let stand = Stand::start();
    let host = host(&stand);
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    let key = host.keypairgen("EC:prime256v1", &[]);
    host.pkcs15_list();
    host.pkcs11_list();
    let live = host.live();
    live.write_cert(&live.foreign_certificate("x"), &key.id, "x");
    let (_, with) = check(&host, &["--ask"]);
    let told: Vec<String> = gaps(&with);
    assert!(told.iter().all(|gap| !gap.contains("they disagree")), "{told:?}");
}

#[test]
fn a_piv_card_is_judged_alike() {
    let switches = YUBIKEY;
    let stand = Stand::with(Options { family: Family::Piv, switches: &switches, ..Options::default() });
    let host = host(&stand);
    let live = host.live();
    live.piv_renew("9a", "ECCP256", "one");
    live.piv_renew("9c", "ECCP256", "two");
    host.pkcs15_list();
    host.pkcs11_list();
    assert_eq!(agrees(&host).0, 0);
    live.piv_renew("9c", "ECCP256", "three");
    let (code, told) = agrees(&host);
    assert!(code == 1 && !told.is_empty(), "{told:?}");
}

/// Switches of an OpenPGP card. With extended commands 0.27's tools do not read to its end what a new RSA key is told with.
pub fn openpgp() -> [&'static str; 4] {
    let is_new = stand::opensc_version() >= Version::of(27);
    ["--card-version", "3.4", "--apdu", if is_new { "short" } else { "extended" }]
}

#[test]
fn an_openpgp_card_is_judged_alike() {
    let switches = openpgp();
    let stand = Stand::with(Options { family: Family::OpenPgp, switches: &switches, ..Options::default() });
    let host = host(&stand);
    let live = host.live();
    live.openpgp_generate_ec(1, "prime256v1");
    live.openpgp_generate_ec(3, "prime256v1");
    host.pkcs15_list();
    host.pkcs11_list();
    assert_eq!(agrees(&host).0, 0);
    live.openpgp_generate(3);
    agrees(&host);
}

#[test]
fn a_myeid_is_judged_alike() {
    let stand = Stand::with(Options { family: Family::MyEid, ..Options::default() });
    let host = host(&stand);
    let live = host.live();
    live.personalise();
    live.generate_key("ec/prime256v1", "01", "one");
    host.pkcs15_list();
    host.pkcs11_list();
    assert_eq!(agrees(&host).0, 0);
    live.generate_key("ec/prime256v1", "02", "two");
    agrees(&host);
}
