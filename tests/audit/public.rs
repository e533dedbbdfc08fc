//! In the long run: everything that others test with (see `tests/signatures/fetch`), audited in one go. What is called bad must be
//! refused by openssl, too, with every certificate at hand that could have issued it.

use std::collections::BTreeMap;
use std::fs;

use stalecard::format::given::structures;
use virtual_card::openssl::x509::{X509, X509Crl, X509VerifyResult};

use super::*;

/// Where we differ from openssl with reason: the end of a file's name, and why.
const EXPLAINED: [(&str, &str); 0] = [];

/// The certificates and lists of a file.
fn ders(file: &str) -> Vec<Vec<u8>> {
    let bytes = fs::read(file).unwrap_or_default();
    structures(&bytes).unwrap_or_default().into_iter().map(|block| block.contents).collect()
}

#[test]
fn nothing_public_is_called_bad_that_openssl_takes() {
    if !is_long() {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert!(Command::new("sh").arg(root.join("tests/signatures/fetch")).status().unwrap().success());
    let folder = root.join("build/public-files");
    let workshop = Workshop::new();
    let (code, report) = workshop.audit(&[folder.to_str().unwrap()]);
    assert_eq!(code, 1, "{:?}", report["coverage"]);
    let audit = &report["audit"];
    let number = |name: &str| audit[name].as_u64().unwrap();
    println!(
        "{} files, {} artefacts: {} sound, {} of unknown issuers, {} not decided, {} bad",
        number("files"),
        number("artefacts"),
        number("sound"),
        number("issuer_not_known"),
        number("not_decided"),
        number("bad")
    );
    println!("{:#}", audit["counts"]);

    let files = walkdir::WalkDir::new(&folder)
        .into_iter()
        .filter_map(Result::ok)
        .filter(|file| file.file_type().is_file());
    let mut issuers: Vec<X509> = Vec::new();
    for file in files {
        let found = ders(file.path().to_str().unwrap());
        issuers.extend(found.iter().filter_map(|der| X509::from_der(der).ok()));
    }
    let by_name = |name: &virtual_card::openssl::x509::X509NameRef| -> Vec<&X509> {
        issuers
            .iter()
            .filter(|one| one.subject_name().try_cmp(name).is_ok_and(std::cmp::Ordering::is_eq))
            .collect()
    };
    let mut disagreements = Vec::new();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for item in audit["items"].as_array().unwrap() {
        let (verdict, kind) = (item["verdict"].as_str().unwrap(), item["kind"].as_str().unwrap());
        let file = item["file"].as_str().unwrap();
        *kinds.entry(format!("{verdict}, {kind}")).or_default() += 1;
        if verdict == "not-decided" || EXPLAINED.iter().any(|(end, _)| file.ends_with(end)) {
            continue;
        }
        let all = ders(file);
        // Of several lists in a file nothing tells which is meant.
        let lists = all.iter().filter(|der| X509Crl::from_der(der).is_ok()).count();
        for der in all {
            let serial =
                |bytes: Vec<u8>| data_encoding::HEXLOWER.encode(&bytes).trim_start_matches('0').to_owned();
            if let Ok(one) = X509::from_der(&der) {
                let number = serial(one.serial_number().to_bn().unwrap().to_vec());
                if item["serial"].as_str().unwrap_or_default().trim_start_matches('0') != number {
                    continue;
                }
                // Who has its issuer's name and, if it has an identifier, that one too.
                let takes = by_name(one.issuer_name()).into_iter().find(|issuer| {
                    let result = issuer.issued(&one);
                    let may = result == X509VerifyResult::OK || result.as_raw() == 32;
                    may && issuer.public_key().is_ok_and(|key| one.verify(&key).unwrap_or(false))
                });
                if let Some(issuer) = takes {
                    disagreements
                        .push(format!("{file}: {verdict}, but {:?} issued it", issuer.subject_name()));
                }
            } else if let Ok(list) = X509Crl::from_der(&der) {
                let takes = by_name(list.issuer_name())
                    .into_iter()
                    .any(|issuer| issuer.public_key().is_ok_and(|key| list.verify(&key).unwrap_or(false)));
                // Of a list openssl's crate does not tell the identifier that it carries.
                if takes
                    && lists == 1
                    && kind == "revocation-list"
                    && verdict != "sound-under-another-certificate"
                {
                    disagreements.push(format!("{file}: {verdict}, but its issuer signed it"));
                }
            }
        }
    }
    println!("{kinds:#?}");
    assert!(number("artefacts") > 1_500 && number("sound") > 700, "{:#}", audit["counts"]);
    assert!(disagreements.is_empty(), "{} disagreements:\n{}", disagreements.len(), disagreements.join("\n"));
}
