//! What OpenSC lists of a card serves the other commands as well, as far as objects are public: `show`, `ls`, `compare`,
//! baselines, and `verify` with what was signed.

use super::*;
use crate::stand::PIN;

/// Is this text in it, however the lines are broken?
fn says(output: &Output, text: &str) -> bool {
    output.stdout.split_whitespace().collect::<Vec<_>>().join(" ").contains(text)
}

/// A Belgian card whose first certificate is renewed after OpenSC has cached it; the old key's signature over `data`.
fn renewed() -> (Stand, Host, FileCard) {
    let (stand, card) = Stand::with_file_card(Kind::Belpic, &["one", "two"]);
    let host = host(&stand);
    host.caching("public");
    host.pkcs15_list();
    (stand, host, card)
}

/// The listing of OpenSC is the same on both sides, and the certificates in the files are not.
#[test]
fn show_tells_both_certificates_where_opensc_lists_the_same() {
    let (_stand, host, mut card) = renewed();
    let same = ours(&host, &["show", "45"]).ok();
    assert!(says(&same, "the same") && says(&same, "Serial number"), "{same}");
    let old = card.certificate(0).serial();
    card.renew(0, 40);
    let new = card.certificate(0).serial();
    for naming in ["45", "certificate 1", "one", "130"] {
        let shown = ours(&host, &["show", naming, "--format", "json"]);
        let document = document(&shown);
        let Some(asked) = document["asked"].as_array().filter(|all| !all.is_empty()) else { continue };
        let certificate = asked.iter().find(|one| one["class"] == "certificate");
        let Some(certificate) = certificate else { continue };
        let hex = |serial: &[u8]| data_encoding::HEXLOWER.encode(serial);
        assert!(certificate["card"].as_str().unwrap().contains(&hex(&new)), "{certificate:#}");
        assert!(certificate["shown"][0]["text"].as_str().unwrap().contains(&hex(&old)), "{certificate:#}");
        assert_eq!(certificate["equal"], false);
    }
    let shown = ours(&host, &["show", "45"]).ok();
    assert!(says(&shown, &data_encoding::HEXLOWER.encode(&old)), "{shown}");
    assert!(says(&shown, "stalecard check"), "{shown}");
    let nothing = ours(&host, &["show", "4711deadbeef"]).exits(2);
    assert!(nothing.stderr.contains("of token"), "{nothing}");
}

#[test]
fn ls_says_what_is_in_the_entries_of_a_card_that_is_away() {
    let (stand, host, card) = renewed();
    stand.card().eject();
    stand.card().wait_removed();
    let listed = ours(&host, &["ls", "--format", "json"]);
    let entries = document(&listed)["entries"].clone();
    let objects: Vec<&str> =
        entries.as_array().unwrap().iter().map(|entry| entry["object"].as_str().unwrap()).collect();
    let whole = stalecard::format::x509::decode(&card.certificate(0).der).unwrap();
    assert!(objects.iter().any(|object| object.contains(&whole.subject())), "{objects:?}");
    assert!(objects.contains(&"directory of certificates: 2 entries"), "{objects:?}");
    // Bytes alone do not tell private keys from public ones, as the card's object directory would.
    assert!(objects.contains(&"directory of keys: 2 entries"), "{objects:?}");
    assert!(!objects.iter().any(|object| object.contains("public keys")), "{objects:?}");
    let human = ours(&host, &["ls"]);
    assert!(!says(&human, "read by pkcs15-tool, opensc-pkcs11, pkcs15-tool"), "{human}");
}

#[test]
fn hosts_are_compared_by_the_certificates_that_they_show() {
    let (stand, host, mut card) = renewed();
    let kept = |name: &str| host.home().join(name).display().to_string();
    ours(&host, &["snapshot", "-o", &kept("before.json")]).ok();
    card.renew(0, 40);
    ours(&host, &["snapshot", "-o", &kept("after.json")]).ok();
    stand.card().eject();
    stand.card().wait_removed();
    ours(&host, &["snapshot", "-o", &kept("away.json")]);
    // By the ID that a check has.
    let human = ours(&host, &["compare", &kept("before.json"), &kept("after.json")]);
    assert!(says(&human, " 45 ") && !says(&human, "without ID"), "{human}");
    let compared = ours(&host, &["compare", &kept("before.json"), &kept("before.json"), "--format", "json"]);
    assert_eq!((compared.code(), convicted(&document(&compared))), (0, BTreeMap::new()), "{compared}");
    // Whether the card was there or not: what its cache shows is the old one.
    for other in ["after.json", "away.json"] {
        let compared = ours(&host, &["compare", &kept("after.json"), &kept(other), "--format", "json"]);
        let told = document(&compared);
        assert_eq!(compared.code(), 1, "{other}: {compared}");
        assert!(convicted(&told).contains_key("hosts-disagree"), "{other}: {compared}");
        let table = &told["comparison"]["tokens"][0];
        assert_eq!(table["slots"].as_array().unwrap().len(), 2, "{other}: {table:#}");
        let finding = told["findings"].as_array().unwrap().iter().find(|one| one["id"] == "hosts-disagree");
        assert!(
            finding.unwrap()["summary"].as_str().unwrap().contains("key reference"),
            "{other}: {compared}"
        );
    }
}

#[test]
fn a_baseline_holds_an_asked_card_to_its_certificates() {
    let (_stand, host, mut card) = renewed();
    let file = host.home().join("eid.toml").display().to_string();
    ours(&host, &["snapshot", "--baseline", "-o", &file]).ok();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("id = \"45\"") && text.contains("[key.certificate]"), "{text}");
    let same = ours(&host, &["check", "--against", &file, "--format", "json"]);
    assert_eq!((same.code(), convicted(&document(&same))), (0, BTreeMap::new()), "{same}");
    card.renew(0, 40);
    let (output, report) = check(&host, &["--against", &file]);
    assert_eq!(output.code(), 1, "{output}");
    assert!(convicted(&report).contains_key("baseline-mismatch"), "{output}");
}

/// Whoever signed is found among the certificates of the card, and the former ones that its cache keeps.
#[test]
fn a_signature_is_attributed_to_the_certificates_of_an_asked_card() {
    let (_stand, host, mut card) = renewed();
    let data = host.scratch("data", b"what was signed");
    let signature = host.home().join("signature");
    let (data, signature) = (data.to_str().unwrap(), signature.to_str().unwrap());
    let signs = ["--sign", "--mechanism", "SHA256-RSA-PKCS", "--id", "45", "-i", data, "-o", signature];
    let module = host.run(&[&["pkcs11-tool", "--login", "--pin", PIN], &signs[..]].concat());
    module.ok();
    let verify =
        |expected: i32| ours(&host, &["verify", "--data", data, "--signature", signature]).exits(expected);
    let made = verify(0);
    assert!(says(&made, "as OpenSC lists it"), "{made}");
    card.renew(0, 40);
    let made = verify(1);
    assert!(says(&made, "in the cache"), "{made}");
    let certificate = host.scratch("certificate", &card.certificate(1).der);
    let asked = ours(&host, &["verify", "--certificate", certificate.to_str().unwrap()]);
    assert!(!asked.stdout.is_empty() && asked.code() != 2, "{asked}");
}
