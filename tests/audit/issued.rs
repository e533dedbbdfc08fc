//! A CA on a SmartCard-HSM issues with the real tools: openssl (engine pkcs11), openssl cms and ocsp, ssh-keygen -D and
//! ssh-agent. What it issued through a stale cache is named, and nothing else.

use std::path::PathBuf;

use data_encoding::BASE64URL_NOPAD as BASE64URL;
use serde_json::json;
use virtual_card::openssl::bn::{BigNum, BigNumContext};
use virtual_card::openssl::ecdsa::EcdsaSig;
use virtual_card::openssl::pkey::PKey;

use super::*;
use stand::{Host, PIN, SO_PIN, Stand, opensc_module};

const ID: &str = "01";
/// What `issue` leaves that is signed by the card.
const SIGNED: [&str; 11] = [
    "crl.pem",
    "data.p7s",
    "file.sig",
    "intermediate.pem",
    "jws",
    "leaf.pem",
    "ocsp.der",
    "request.pem",
    "root.pem",
    "stream.p7m",
    "user-cert.pub",
];

/// The kinds of that.
const KINDS: [&str; 9] = [
    "ca-certificate",
    "certificate",
    "jws",
    "ocsp-response",
    "request",
    "revocation-list",
    "signed-data",
    "ssh-certificate",
    "ssh-signature",
];

/// Issues everything, as this host sees the card, into a folder of its own.
fn issue(stand: &Stand, host: &Host, name: &str, kind: &str) -> PathBuf {
    let folder = stand.dir().join(name);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/audit/issue");
    let host = host.clone().env("PIN", PIN).env("PKCS11_MODULE_PATH", opensc_module().to_str().unwrap());
    host.run(&["sh", script, ID, folder.to_str().unwrap()]).ok();
    std::fs::write(folder.join("jws"), jws(&host, kind)).unwrap();
    let mut there: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|one| one.unwrap().file_name().into_string().unwrap())
        .collect();
    there.retain(|name| !["data", "file", "index.txt"].contains(&name.as_str()));
    there.sort();
    assert_eq!(there, SIGNED);
    folder
}

/// A JSON Web Signature that carries the key that the host shows.
fn jws(host: &Host, kind: &str) -> String {
    let key = PKey::public_key_from_pem(host.public_key(ID).as_bytes()).unwrap();
    let number = |bytes: Vec<u8>| BASE64URL.encode(&bytes);
    let (algorithm, key) = if kind.starts_with("rsa") {
        let rsa = key.rsa().unwrap();
        ("RS256", json!({ "kty": "RSA", "n": number(rsa.n().to_vec()), "e": number(rsa.e().to_vec()) }))
    } else {
        let ec = key.ec_key().unwrap();
        let (mut x, mut y) = (BigNum::new().unwrap(), BigNum::new().unwrap());
        let mut context = BigNumContext::new().unwrap();
        ec.public_key().affine_coordinates(ec.group(), &mut x, &mut y, &mut context).unwrap();
        let part = |one: &BigNum| number(one.to_vec_padded(32).unwrap());
        ("ES256", json!({ "kty": "EC", "crv": "P-256", "x": part(&x), "y": part(&y) }))
    };
    let header = json!({ "alg": algorithm, "jwk": key }).to_string();
    let over = format!("{}.{}", BASE64URL.encode(header.as_bytes()), BASE64URL.encode(b"{}"));
    let (output, signature) = host.engine_sign(ID, over.as_bytes());
    output.ok();
    let signature = if kind.starts_with("rsa") {
        signature
    } else {
        let signature = EcdsaSig::from_der(&signature).unwrap();
        [signature.r(), signature.s()].map(|one| one.to_vec_padded(32).unwrap()).concat()
    };
    format!("{over}.{}\n", BASE64URL.encode(&signature))
}

fn audit(host: &Host, words: &[&str]) -> (i32, Value) {
    let output = host.stalecard(&[&["audit", "--format", "json"], words].concat());
    let value: Value =
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{output}"));
    schema::is_output(&value);
    (output.code(), value)
}

/// The signed files of a folder.
fn all(folder: &Path) -> BTreeSet<String> {
    SIGNED.iter().map(|name| folder.join(name).to_str().unwrap().to_owned()).collect()
}

fn stale_and_fresh_by_turns(kind: &str) {
    let stand = Stand::start();
    let alpha = stand.host("alpha");
    alpha.initialize("HSM-H1", PIN, SO_PIN, None);
    alpha.keypairgen(kind, &["--id", ID, "--label", "root"]);
    alpha.pkcs15_list();

    let fresh = issue(&stand, &alpha, "fresh", kind);
    let name = |folder: &PathBuf| folder.to_str().unwrap().to_owned();
    let (code, report) = audit(&alpha, &[&name(&fresh)]);
    assert_eq!((code, bad(&report)), (0, BTreeSet::new()), "{report}");
    // The software key's two requests are not there; of every file of the card's key at least one artefact is.
    let counts = &report["audit"];
    assert_eq!(
        (counts["not_decided"].as_u64(), counts["issuer_not_known"].as_u64()),
        (Some(0), Some(0)),
        "{report}"
    );
    assert!(counts["sound"].as_u64().unwrap() >= SIGNED.len() as u64, "{report}");

    // Elsewhere the card gets another key under the same ID; alpha's cache does not notice.
    let beta = stand.host("beta");
    beta.initialize("HSM-H1", PIN, SO_PIN, None);
    beta.keypairgen(kind, &["--id", ID, "--label", "root"]);
    let new = beta.public_key(ID);
    let stale = issue(&stand, &alpha, "stale", kind);
    assert_ne!(alpha.public_key(ID), new);
    let (code, report) = audit(&alpha, &[&name(&fresh), &name(&stale)]);
    assert_eq!((code, bad(&report)), (1, all(&stale)), "{report}");
    let items = report["audit"]["items"].as_array().unwrap();
    let kinds: BTreeSet<&str> = items.iter().map(|item| item["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, BTreeSet::from(KINDS));
    for item in items {
        assert_eq!(item["verdict"], "made-by-another-key", "{item}");
        let made_by = item["made_by"]["places"][0]["kind"].as_str();
        assert_eq!(made_by, Some("card"), "{item}");
    }
    // What openssl says of what it can say something of.
    let openssl = |words: &str| alpha.sh(&format!("openssl {words}")).code();
    let (root, leaf) = (fresh.join("root.pem"), stale.join("leaf.pem"));
    assert_ne!(openssl(&format!("verify -CAfile {} {}", root.display(), leaf.display())), 0);
    let request =
        alpha.sh(&format!("openssl req -verify -noout -in {} 2>&1", stale.join("request.pem").display()));
    assert!(request.stdout.contains("verify failure"), "{request}");
    let human = alpha.stalecard(&["audit", &name(&fresh), &name(&stale)]).exits(1);
    for said in ["are bad.", "Do now", "CA certificate", "certificate revocation list", "stalecard flush"] {
        assert!(human.stdout.contains(said), "{said}: {human}");
    }
    let csv = alpha.stalecard(&["audit", "--format", "csv", &name(&stale)]).exits(1);
    assert!(
        csv.stdout.lines().count() > 10 && csv.stdout.contains("made-by-another-key,ca-certificate,"),
        "{csv}"
    );
    // Nobody is asked for the card: its public key does.
    let file = stand.dir().join("new.pem");
    std::fs::write(&file, &new).unwrap();
    let named = ["--offline", "--pubkey", file.to_str().unwrap(), &name(&fresh), &name(&stale)];
    let (code, report) = audit(&beta, &named);
    assert_eq!((code, bad(&report)), (1, all(&stale)), "{report}");

    // After the flush everything is issued again, and is sound; what was made before is named as before.
    alpha.stalecard(&["flush", "--guarded"]).ok();
    assert_eq!(alpha.public_key(ID), new);
    let again = issue(&stand, &alpha, "again", kind);
    let (code, report) = audit(&alpha, &[&name(&again)]);
    assert_eq!((code, bad(&report)), (0, BTreeSet::new()), "{report}");
    assert_eq!(report["audit"]["not_decided"], 0, "{report}");
    let (code, report) = audit(&alpha, &[&name(&fresh), &name(&stale), &name(&again)]);
    assert_eq!((code, bad(&report)), (1, all(&stale)), "{report}");
    // Now there is a CA certificate of the same name for the key that made them: said of what carries an identifier.
    assert!(counted(&report, "certificate", "sound-under-another-certificate") > 0, "{report}");
}

#[test]
fn what_was_issued_through_a_stale_cache_is_named_and_nothing_else() {
    stale_and_fresh_by_turns("EC:prime256v1");
    if is_long() {
        stale_and_fresh_by_turns("rsa:2048");
    }
}

/// Signed by the card's key, and naming a software key: so it is bad, and who made it is asked.
fn jws_naming_another(host: &Host) -> String {
    let key = PKey::from_ec_key(
        virtual_card::openssl::ec::EcKey::generate(
            &virtual_card::openssl::ec::EcGroup::from_curve_name(
                virtual_card::openssl::nid::Nid::X9_62_PRIME256V1,
            )
            .unwrap(),
        )
        .unwrap(),
    )
    .unwrap();
    let (ec, mut x, mut y) = (key.ec_key().unwrap(), BigNum::new().unwrap(), BigNum::new().unwrap());
    let mut context = BigNumContext::new().unwrap();
    ec.public_key().affine_coordinates(ec.group(), &mut x, &mut y, &mut context).unwrap();
    let part = |one: &BigNum| BASE64URL.encode(&one.to_vec_padded(32).unwrap());
    let header =
        json!({ "alg": "ES256", "jwk": { "kty": "EC", "crv": "P-256", "x": part(&x), "y": part(&y) } });
    let over = format!("{}.{}", BASE64URL.encode(header.to_string().as_bytes()), BASE64URL.encode(b"{}"));
    let (output, signature) = host.engine_sign(ID, over.as_bytes());
    output.ok();
    let signature = EcdsaSig::from_der(&signature).unwrap();
    let signature = [signature.r(), signature.s()].map(|one| one.to_vec_padded(32).unwrap()).concat();
    format!("{over}.{}\n", BASE64URL.encode(&signature))
}

/// The key of a card's former life is told as maker wherever something still knows it: a cache, what was flushed from
/// it, a baseline; and where nothing does, it is one of two.
#[test]
fn makers_are_told_from_caches_the_quarantine_and_baselines() {
    let stand = Stand::start();
    let alpha = stand.host("alpha");
    alpha.initialize("HSM-H1", PIN, SO_PIN, None);
    alpha.keypairgen("EC:prime256v1", &["--id", ID, "--label", "root"]);
    alpha.pkcs15_list();
    let file = |name: &str| stand.dir().join(name).to_str().unwrap().to_owned();
    let (jws, data, signature, baselines) = (file("jws"), file("data"), file("signature"), file("baselines"));
    std::fs::write(&jws, jws_naming_another(&alpha)).unwrap();
    std::fs::write(&data, b"Sample Data").unwrap();
    let (output, made) = alpha.engine_sign(ID, b"Sample Data");
    output.ok();
    std::fs::write(&signature, made).unwrap();
    std::fs::create_dir(&baselines).unwrap();
    alpha.stalecard(&["snapshot", "--baseline", "--output", &baselines]).ok();
    let former = alpha.public_key(ID);

    let kind = |words: &[&str]| {
        let (code, report) = audit(&alpha, &[words, &[&jws]].concat());
        assert_eq!(code, 1, "{report}");
        let item = &report["audit"]["items"][0];
        assert_eq!(item["verdict"], "made-by-another-key", "{item}");
        (item["made_by"]["places"][0]["kind"].clone(), item["candidates"].as_array().unwrap().len())
    };
    let bare = || {
        let output =
            alpha.stalecard(&["verify", "--format", "json", "--data", &data, "--signature", &signature]);
        let report: Value = serde_json::from_str(&output.stdout).unwrap();
        (output.code(), report["findings"][0]["summary"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(kind(&[]), (Value::from("card"), 0));

    let beta = stand.host("beta");
    beta.initialize("HSM-H1", PIN, SO_PIN, None);
    beta.keypairgen("EC:prime256v1", &["--id", ID, "--label", "root"]);
    assert_eq!(kind(&[]), (Value::from("cache"), 0));
    let (code, said) = bare();
    assert!(code == 1 && said.contains("known from a cache only"), "{said}");

    alpha.stalecard(&["flush", "--guarded"]).ok();
    assert_ne!(alpha.public_key(ID), former);
    assert_eq!(kind(&[]), (Value::from("quarantine"), 0));
    let (code, said) = bare();
    assert!(code == 1 && said.contains("known from the quarantine only"), "{said}");
    // Somebody else has no such quarantine; the baseline of those days knows the key by its hash.
    let (_, report) = audit(&beta, &["--against", &baselines, &jws]);
    let made_by = &report["audit"]["items"][0]["made_by"];
    assert_eq!(made_by["places"][0]["kind"], "baseline", "{report}");
    assert!(made_by["places"][0]["place"].as_str().unwrap().contains("DENK0200834"), "{report}");

    alpha.stalecard(&["quarantine", "purge", "--older-than", "0h"]).ok();
    assert_eq!(kind(&[]), (Value::Null, 2));
    assert_eq!(kind(&["--against", &baselines]), (Value::from("baseline"), 0));
}

/// A stale host issues what names no key: a list of version 1, a leaf without an identifier, an answer and a message without
/// certificates. Run in the folder that is named, beside the root that was made so.
const NAMELESS: &str = r#"
mkdir out; : >index.txt; echo 1000 >serial
cat >ca.cnf <<'END'
[ca]
default_ca = own
[own]
database = index.txt
new_certs_dir = .
serial = serial
default_md = sha256
default_days = 30
default_crl_days = 7
policy = any
x509_extensions = leaf
[any]
commonName = supplied
[leaf]
authorityKeyIdentifier = none
basicConstraints = CA:FALSE
[req]
distinguished_name = none
[none]
END
card="-engine pkcs11 -keyform engine -passin env:PIN"
{
    openssl ca -config ca.cnf $card -keyfile id_01 -cert $ROOT -gencrl -out out/crl.pem
    openssl req -config ca.cnf -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key -subj /CN=leaf -out csr
    openssl ca -config ca.cnf -batch -notext $card -keyfile id_01 -cert $ROOT -in csr -out out/leaf.pem
    echo text >data
    openssl cms -sign -binary -nodetach -nocerts -in data -signer $ROOT -inkey id_01 $card -outform DER -out out/data.p7m
    openssl ocsp -index index.txt -CA $ROOT -rsigner $ROOT -rkey org.openssl.engine:pkcs11:id_01 -passin env:PIN \
        -issuer $ROOT -cert out/leaf.pem -resp_no_certs -respout out/ocsp.der -noverify
} >log 2>&1 || { cat log; exit 1; }
"#;

#[test]
fn what_a_stale_host_makes_without_naming_a_key_is_never_sound() {
    let stand = Stand::start();
    let alpha = stand.host("alpha");
    alpha.initialize("HSM-H1", PIN, SO_PIN, None);
    alpha.keypairgen("EC:prime256v1", &["--id", ID, "--label", "root"]);
    alpha.pkcs15_list();
    let beta = stand.host("beta");
    beta.initialize("HSM-H1", PIN, SO_PIN, None);
    beta.keypairgen("EC:prime256v1", &["--id", ID, "--label", "root"]);
    let stale = issue(&stand, &alpha, "stale", "EC:prime256v1");
    let root = stale.join("root.pem").to_str().unwrap().to_owned();
    let folder = stand.dir().join("nameless");
    let host = alpha.clone().env("PIN", PIN).env("PKCS11_MODULE_PATH", opensc_module().to_str().unwrap());
    let folder = folder.to_str().unwrap();
    host.env("ROOT", &root).sh(&format!("set -eu; mkdir {folder}; cd {folder}\n{NAMELESS}")).ok();
    let out = format!("{folder}/out");
    for is_flushed in [false, true] {
        if is_flushed {
            alpha.stalecard(&["flush", "--guarded"]).ok();
        }
        let (code, report) = audit(&alpha, &[&out]);
        assert_eq!((code, report["audit"]["sound"].as_u64()), (3, Some(0)), "{report}");
        assert_eq!(report["audit"]["not_decided"], 4, "{report}");
        for item in report["audit"]["items"].as_array().unwrap() {
            assert_eq!(item["made_by"]["places"][0]["kind"], "card", "{item}");
        }
        // With the root that names the key which is gone all of it is bad, the card in its reader or not.
        let (code, report) = audit(&alpha, &[&out, &root]);
        assert_eq!((code, bad(&report).len()), (1, 5), "{report}");
        let (code, report) = audit(&alpha, &["--offline", &out, &root]);
        assert_eq!((code, bad(&report).len()), (1, 5), "{report}");
    }
}
