//! Entries of cards that were not read, under caching `yes`: what everybody may have goes to the quarantine, what may be
//! private is left and named, with what it takes.

use super::*;
use crate::stand::{Family, Options, PIV_PIN, YUBIKEY};

/// What a card holds that is for nobody else.
const SECRET: &[u8] = b"\x30\x0ba secret \xff\x01";

fn serials(host: &Host) -> Vec<String> {
    let mut serials: Vec<String> =
        host.cache_names().iter().map(|name| name.split('_').next().unwrap().to_owned()).collect();
    serials.dedup();
    serials
}

/// The steps of a flush: name and outcome.
fn steps(report: &Value) -> BTreeMap<String, Value> {
    let operations = report["operations"].as_array().unwrap().iter();
    let steps = operations.flat_map(|operation| operation["steps"].as_array().unwrap());
    steps.map(|step| (step["name"].as_str().unwrap().to_owned(), step["outcome"].clone())).collect()
}

/// All but the secret goes, the secret is named, and it fails; with `--unsafe` that goes, too, for good.
fn goes_but_for_the_secret(host: &Host, what: &str) {
    let all = serials(host);
    let [serial] = all.as_slice() else { panic!("{what}: {all:?}") };
    let (serial, public) = (serial.clone(), host.cache_files());
    assert!(!public.is_empty(), "{what}");
    let flush = |options: &[&str]| ours(host, &[&["flush"], options].concat());
    // What is public by its content takes nothing but the command.
    let said = flush(&["--serial", &serial, "--format", "json"]);
    let done = document(&said);
    assert_eq!(said.code(), 0, "{what}: {said}");
    let left: Vec<_> = steps(&done).into_iter().filter(|(_, outcome)| outcome != "moved").collect();
    assert!(left.is_empty(), "{what}: {left:?}");
    assert_eq!(host.cache_names(), Vec::<String>::new(), "{what}");
    ours(host, &["undo"]).ok();
    assert_eq!(host.cache_files(), public, "{what}: all of it was kept");

    let secret = format!("{serial}_NODATE_50155501");
    std::fs::write(host.cache().join(&secret), SECRET).unwrap();
    let said = flush(&["--serial", &serial]);
    assert_eq!(said.code(), 2, "{what}: {said}");
    assert_eq!(host.cache_names(), std::slice::from_ref(&secret), "{what}: {said}");
    let text = said.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("it is private, or may be: --unsafe removes it for good, and no undo"), "{said}");
    assert!(text.contains(&format!("stalecard flush --serial {serial} --unsafe")), "{said}");
    assert!(said.stdout.starts_with("FAILED"), "{said}");
    // By name, again; with all, it is counted and no failure.
    let said = flush(&[&secret]);
    assert_eq!(said.code(), 2, "{said}");
    assert!(said.stdout.contains(&format!("stalecard flush {secret} --unsafe")), "{said}");
    std::fs::write(host.cache().join(format!("{serial}_NODATE_50155502")), b"").unwrap();
    let said = flush(&["--all"]);
    let text = said.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(said.code(), 0, "{said}");
    assert!(text.contains("1 file left alone: private, or perhaps private"), "{said}");
    assert!(text.contains("stalecard flush --all --unsafe"), "{said}");
    assert_eq!(host.cache_names(), std::slice::from_ref(&secret), "{said}");
    let said = flush(&["--all", "--dry-run", "--unsafe", "--format", "json"]).ok();
    assert_eq!(steps(&document(&said))[&secret], "removed", "{said}");
    flush(&["--serial", &serial, "--unsafe"]).ok();
    assert_eq!(host.cache_names(), Vec::<String>::new(), "{what}");
}

/// Names, tax numbers, a photograph: nothing in them tells that they are for everybody.
fn personal_data_stay(host: &Host, kind: Kind) {
    let said = ours(host, &["flush", "--all", "--format", "json"]).ok();
    let steps = steps(&document(&said));
    let left: Vec<&String> =
        steps.iter().filter(|(_, outcome)| *outcome != "moved").map(|(name, _)| name).collect();
    assert!(!left.is_empty() && left.len() < steps.len(), "{kind:?}: {steps:?}");
    let is_certificate = |content: &[u8]| stalecard::format::x509::decode(content).is_some();
    assert!(host.cache_files().values().all(|content| !is_certificate(content)), "{kind:?}: {left:?}");
}

/// What every kind of card that OpenSC alone reads leaves in its cache.
#[test]
fn what_is_public_of_a_card_that_is_not_there_takes_no_consent() {
    for kind in kinds() {
        let (stand, _card) = Stand::with_file_card(kind, &["one", "two"]);
        let host = host(&stand);
        host.caching("yes");
        host.pkcs15_list();
        host.pkcs11_list();
        stand.card().eject();
        stand.card().wait_removed();
        if matches!(kind, Kind::Itacns | Kind::Pteid) {
            personal_data_stay(&host, kind);
        } else if !host.cache_names().is_empty() {
            goes_but_for_the_secret(&host, &format!("{kind:?}"));
        }
    }
}

/// A PIV card's certificates, its holder's identifier and what else SP 800-73 gives to everybody.
#[test]
fn so_it_is_with_a_piv_card() {
    let stand = Stand::with(Options { family: Family::Piv, switches: &YUBIKEY, ..Options::default() });
    let host = host(&stand).with_pin(PIV_PIN);
    host.caching("yes");
    host.piv(&["--action", "set-chuid", "--action", "set-ccc"]).ok();
    host.piv_renew("9a", "RSA2048", "holder");
    host.piv_renew("9c", "ECCP256", "signer");
    host.pkcs15_list();
    host.pkcs11_list();
    for oid in ["2.16.840.1.101.3.7.2.48.0", "2.16.840.1.101.3.7.1.219.0"] {
        host.run(&["pkcs15-tool", "--read-data-object", oid, "--raw", "--output", "/dev/null"]);
    }
    assert!(host.cache_names().iter().any(|name| name.ends_with("_3000")), "{:?}", host.cache_names());
    assert!(host.cache_names().iter().any(|name| name.ends_with("CECE")), "{:?}", host.cache_names());
    stand.card().eject();
    stand.card().wait_removed();
    goes_but_for_the_secret(&host, "PIV");
}

/// And with the public keys of an OpenPGP card.
#[test]
fn so_it_is_with_an_openpgp_card() {
    let stand = Stand::with(Options { family: Family::OpenPgp, ..Options::default() });
    let host = host(&stand);
    host.caching("yes");
    host.openpgp_generate(1).ok();
    host.pkcs15_list();
    host.pkcs11_list();
    stand.card().eject();
    stand.card().wait_removed();
    goes_but_for_the_secret(&host, "OpenPGP");
}
