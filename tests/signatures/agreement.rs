//! `verify` and `audit` say the same of the same file: there is one engine, and nothing between it and what is told
//! decides anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use stalecard::audit::{Certificates, NamedKeys, of_bytes};
use stalecard::format::given::structures;
use stalecard::format::x509;
use stalecard::judge::tokens;
use stalecard::snapshot::Snapshot;

use crate::table::Workshop;

/// The kinds of which both say something.
const KINDS: [&str; 4] = ["ca-certificate", "ocsp-signer", "certificate", "request"];

fn word<T: serde::Serialize>(value: T) -> String {
    serde_json::to_value(value).unwrap().as_str().unwrap().to_owned()
}

/// What is in these bytes comes to the same, asked by either, with no keys but those in it.
#[track_caller]
pub fn agree(what: &str, bytes: &[u8]) -> usize {
    let blocks = structures(bytes).unwrap().into_iter().map(|block| block.contents);
    let ders: Vec<Vec<u8>> =
        blocks.filter(|der| x509::decode(der).is_some() || x509::decode_request(der).is_ok()).collect();
    let mut nothing: Snapshot =
        serde_json::from_str(include_str!("../../fixtures/snapshots/five-keys.json")).unwrap();
    nothing.cards.clear();
    nothing.caches.clear();
    let answers = Certificates::read(&ders).attribute(&tokens(&nothing), &NamedKeys::read(&[]).unwrap());
    let verify: Vec<String> = answers.iter().map(|answer| word(answer.verdict)).collect();
    let audit: Vec<String> = of_bytes(bytes)
        .into_iter()
        .filter(|(kind, _)| KINDS.contains(&word(kind).as_str()))
        .map(|(_, verdict)| word(verdict))
        .collect();
    assert_eq!(verify, audit, "{what}");
    verify.len()
}

/// The same of the two commands: how many came to what, who made what is bad, and whether they end alike.
#[track_caller]
pub fn commands_agree(workshop: &Workshop, file: &str, more: &[&str]) {
    let (verified, report) = workshop.verify(&[&["--certificate", file], more].concat());
    let (audited, audit) = workshop.stalecard("audit", &[more, &[file]].concat());
    let answers = report["attributions"].as_array().unwrap();
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for count in audit["audit"]["counts"].as_array().unwrap() {
        assert!(KINDS.contains(&count["kind"].as_str().unwrap()), "{file}: {count}");
        *counts.entry(count["verdict"].as_str().unwrap().to_owned()).or_default() +=
            count["count"].as_u64().unwrap();
    }
    let mut verdicts: BTreeMap<String, u64> = BTreeMap::new();
    for answer in answers {
        *verdicts.entry(answer["verdict"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    // What is there again and sound is counted once by the one, and told twice by the other.
    if audit["audit"]["repeated"] == 0 {
        assert_eq!(verdicts, counts, "{file}: {report} {audit}");
    }
    for item in audit["audit"]["items"].as_array().unwrap() {
        let place = usize::try_from(item["place"].as_u64().unwrap()).unwrap() - 1;
        let answer = &answers[place];
        assert_eq!(answer["verdict"], item["verdict"], "{file}: {answer} {item}");
        assert_eq!(answer["made_by"]["public_key"], item["made_by"]["public_key"], "{file}: {answer} {item}");
        assert_eq!(
            answer["candidates"].as_array().unwrap().len(),
            item["candidates"].as_array().unwrap().len(),
            "{file}: {answer} {item}"
        );
    }
    // Who asks about one file wants to know it; who audits a folder is told how many there are of nobody known.
    let of_nobody = verdicts.contains_key("issuer-not-known");
    assert!(
        verified == audited || (of_nobody && (verified, audited) == (3, 0)),
        "{file}: {verified} {audited}"
    );
}

#[test]
fn verify_and_audit_agree_on_every_file_of_the_fixtures() {
    let workshop = Workshop::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/signatures");
    let mut structures = 0;
    for file in fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
        let name = file.to_str().unwrap();
        let own = agree(name, &fs::read(&file).unwrap());
        structures += own;
        if own > 0 {
            commands_agree(&workshop, name, &[]);
        }
    }
    assert!(structures >= 18, "{structures}");
}

/// An issuer whose key is known did not sign it, though its own key did, or one on a card would have: both say so.
#[test]
fn verify_and_audit_agree_on_issuers() {
    let workshop = Workshop::new();
    let run = |words: &str| assert!(workshop.openssl(words), "{words}");
    for name in ["ca", "other", "leaf"] {
        run(&format!("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {name}"));
        run(&format!("pkey -in {name} -pubout -out {name}.pub"));
    }
    run("req -x509 -new -key ca -subj /CN=CA -out ca.pem");
    run("req -x509 -new -key other -subj /CN=CA -out twin.pem");
    run("req -x509 -new -key other -subj /CN=Other -out other.pem");
    run("req -new -key leaf -subj /CN=leaf -out leaf.req");
    fs::write(workshop.path("ext"), "authorityKeyIdentifier=keyid\n").unwrap();
    run("x509 -req -in leaf.req -CA ca.pem -CAkey ca -set_serial 7 -extfile ext -out with.pem");
    run("x509 -req -in leaf.req -CA ca.pem -CAkey ca -set_serial 7 -out without.pem");
    run("x509 -req -in leaf.req -CA twin.pem -CAkey other -set_serial 7 -extfile ext -out twins.pem");
    // The name of the CA, signed by its own key.
    run("req -x509 -new -key leaf -subj /CN=CA -out fake.pem");
    run("x509 -req -in leaf.req -CA fake.pem -CAkey leaf -set_serial 7 -out signed-by-leaf.pem");
    let mut own = workshop.read("without.pem");
    own.extend(workshop.read("ca.pem"));
    fs::write(workshop.path("with-its-ca"), own).unwrap();
    let files =
        ["with.pem", "without.pem", "twins.pem", "signed-by-leaf.pem", "ca.pem", "leaf.req", "with-its-ca"];
    for file in files {
        agree(file, &workshop.read(file));
        for more in [&[][..], &["--pubkey", "ca.pem"], &["--pubkey", "twin.pem"], &["--pubkey", "other.pem"]]
        {
            commands_agree(&workshop, file, more);
        }
    }
    // The key that was named is on nobody's side: a key that is known elsewhere made it, under the name of a CA that is
    // known to have another one.
    run("req -x509 -new -key ca -subj /CN=Elsewhere -out elsewhere.pem");
    let more = ["--certificate", "without.pem", "--pubkey", "twin.pem", "--pubkey", "elsewhere.pem"];
    let (code, report) = workshop.verify(&more);
    let answer = &report["attribution"];
    assert_eq!((code, &answer["good"]), (1, &Value::from(false)), "{answer}");
    assert!(
        answer["issuer_key"]["id"].is_string() && answer["made_by"]["id"] != answer["issuer_key"]["id"],
        "{answer}"
    );
}
