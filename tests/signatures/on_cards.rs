//! Certificates of every algorithm where `check` meets them: on a card, and in the cache of the same place. The same
//! certificate in both is never a finding, another key's always is one, whatever kind of key or signature it carries.

use std::fs;
use std::path::Path;
use std::process::Command;

use data_encoding::HEXLOWER as HEX;
use serde_json::{Value, json};
use virtual_card::openssl::x509::X509;

use crate::stand::{Family, Options, PIV_PIN, Stand, YUBIKEY};
use crate::table::{Workshop, ways, workshop};

/// A recorded PIV card with its cache; the certificate of slot 9C is put in the other places.
const RECORDED: &str = include_str!("../../fixtures/snapshots/piv-stale.json");
/// Where PIV keeps it, and the name under which OpenSC keeps the certificate that it takes out of it.
const PLACES: [&str; 2] = ["0100", "0100CECE"];

/// What stands in the two places for a certificate (SP 800-73-4, part 1, 4.2.1: tags 70, 71 and FE in 53).
fn places(certificate: &[u8]) -> [Vec<u8>; 2] {
    let sized = |tag: u8, content: &[u8]| {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x82], &length[..], content].concat()
    };
    let object = [sized(0x70, certificate), vec![0x71, 1, 0, 0xFE, 0]].concat();
    [sized(0x53, &object), certificate.to_vec()]
}

/// The recorded host with this certificate on the card, and this one in the cache.
fn host(live: &[u8], cached: &[u8]) -> Value {
    let mut snapshot: Value = serde_json::from_str(RECORDED).unwrap();
    let on_card = snapshot["cards"][0]["files"].clone();
    let on_card = |path: &str| {
        let mut files = on_card.as_array().unwrap().iter();
        files.find(|file| file["path"] == path).map(|file| file["answer"]["content"].clone())
    };
    for entry in snapshot["caches"][0]["entries"].as_array_mut().unwrap() {
        // What else is in the cache is the card's of today.
        let name = entry["name"].as_str().unwrap().rsplit('_').next().unwrap().to_owned();
        if let Some(content) = on_card(&name) {
            entry["content"] = json!({ "bytes": content });
        }
    }
    let set = |places: [Vec<u8>; 2], put: &mut dyn FnMut(&str, String)| {
        for (place, bytes) in PLACES.iter().zip(places) {
            put(place, HEX.encode(&bytes));
        }
    };
    let files = snapshot["cards"][0]["files"].as_array_mut().unwrap();
    set(places(live), &mut |place, bytes| {
        let file = files.iter_mut().find(|file| file["path"] == place).unwrap();
        file["answer"] = json!({ "content": bytes });
    });
    let entries = snapshot["caches"][0]["entries"].as_array_mut().unwrap();
    set(places(cached), &mut |place, bytes| {
        let is_it = |entry: &&mut Value| entry["name"].as_str().unwrap().ends_with(&format!("_{place}"));
        entries.iter_mut().find(is_it).unwrap()["content"] = json!({ "bytes": bytes });
    });
    snapshot
}

fn check(workshop: &Workshop, snapshot: &Value) -> (i32, Vec<String>, Value) {
    fs::write(workshop.path("snapshot"), snapshot.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_stalecard"));
    command.args(["check", "--format", "json", "--snapshot"]).arg(workshop.path("snapshot"));
    let output = command.output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let findings = report["findings"].as_array().unwrap().iter();
    let findings =
        findings.filter(|finding| finding["severity"] == "error" || finding["severity"] == "critical");
    let ids = findings.map(|finding| finding["id"].as_str().unwrap().to_owned()).collect();
    (output.status.code().unwrap(), ids, report)
}

#[test]
fn certificates_of_every_algorithm_on_a_card() {
    let (workshop, names) = workshop();
    let mut asked = 0;
    for name in names {
        let (hash, options) = ways(name).swap_remove(0);
        let made: Vec<Vec<u8>> = ["a", "b"]
            .iter()
            .filter(|which| {
                let key = format!("-key {name}.{which} {hash} {options}");
                workshop.openssl(&format!("req -x509 -new -subj /CN=card {key} -out {which}.certificate"))
            })
            .map(|which| {
                X509::from_pem(&workshop.read(&format!("{which}.certificate"))).unwrap().to_der().unwrap()
            })
            .collect();
        let [own, other] = made.as_slice() else { continue };
        asked += 1;
        let (_, found, report) = check(&workshop, &host(own, own));
        // Of what OpenSC cannot decode it lists nothing, and that is said: `what_opensc_lists_of_every_algorithm`.
        assert!(found.iter().all(|id| id == "key-not-listed"), "{name}: {found:?} {report:#}");
        for (live, cached) in [(own, other), (other, own)] {
            let (code, found, report) = check(&workshop, &host(live, cached));
            let known = [
                "stale-certificate",
                "stale-public-key",
                "public-key-undecided",
                "stale-object",
                "damaged-entry",
            ];
            assert!(
                code == 1 && found.iter().any(|id| known.contains(&id.as_str())),
                "{name}: {code} {found:?} {report:#}"
            );
        }
    }
    println!("{asked} kinds of keys");
    assert!(asked >= 20 && Path::new(env!("CARGO_BIN_EXE_stalecard")).exists(), "{asked}");
}

/// The key behind such a certificate is listed by the real tools or not: what is said of it is the same, both ways.
#[test]
fn what_opensc_lists_of_every_algorithm() {
    let (workshop, names) = workshop();
    let stand = Stand::with(Options { family: Family::Piv, switches: &YUBIKEY, ..Options::default() });
    let maker = stand.host("alpha").with_pin(PIV_PIN);
    maker.piv(&["--action", "set-chuid", "--action", "set-ccc"]).ok();
    maker.piv_renew("9c", "ECCP256", "holder");
    let live = maker.live();
    let (mut listed, mut not_listed) = (Vec::new(), Vec::new());
    for name in names {
        let (hash, options) = ways(name).swap_remove(0);
        let key = format!("-key {name}.a {hash} {options}");
        if !workshop.openssl(&format!("req -x509 -new -subj /CN=card {key} -out certificate")) {
            continue;
        }
        let certificate = X509::from_pem(&workshop.read("certificate")).unwrap().to_der().unwrap();
        let object = places(&certificate).into_iter().next().unwrap();
        // The object without its own tag and length, as the card keeps it.
        stand.card().tamper_path(&[0x5F, 0xC1, 0x0A], Some(&object[4..]));
        let keys = live.pkcs15_list().private_keys().len();
        let of_module = live.pkcs11_list_logged_in().private_keys().len();
        let output = live.stalecard(&["check", "--format", "json"]);
        let report: Value = serde_json::from_str(&output.stdout).unwrap();
        let findings = report["findings"].as_array().unwrap().iter();
        // A certificate of a kind that OpenSC does not know takes its key along.
        let told = findings.filter(|one| one["id"] == "key-not-listed");
        let told = told.count();
        let lists = [keys > 0, of_module > 0];
        // What no program of this version lists of any card is its limit: a note in `show`, and no finding.
        let noted = || {
            let said = live.stalecard(&["show"]).stdout;
            let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
            words.contains("this version of OpenSC lists no key of its kind")
        };
        assert_eq!(lists.contains(&false), told > 0 || noted(), "{name}: {lists:?}, {report:#}");
        assert!(lists[0] == lists[1], "{name}: one program lists it, and another does not: {lists:?}");
        if told == 0 { listed.push(name) } else { not_listed.push(name) }
    }
    println!("listed: {listed:?}; not: {not_listed:?}");
    assert!(listed.len() >= 5, "{listed:?}, {not_listed:?}");
}
