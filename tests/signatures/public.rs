//! In the long run: the certificates and requests that others test with (NIST PKITS, Wycheproof's relatives,
//! OpenSSL, GnuTLS, BoringSSL, pyca/cryptography), file by file. What `verify --certificate` says
//! of each must be what openssl says, or that it cannot be checked.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use stalecard::format::given::structures;
use stalecard::format::x509;
use virtual_card::openssl::x509::{X509, X509Req, X509VerifyResult};

use crate::is_long;
use crate::opinion::{self, opinion};

/// Fetched once, in versions that are named there.
fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert!(Command::new("sh").arg(root.join("tests/signatures/fetch")).status().unwrap().success());
    let all = walkdir::WalkDir::new(root.join("build/public-files")).sort_by_file_name();
    let files = all.into_iter().filter_map(Result::ok).filter(|file| file.file_type().is_file());
    files.map(walkdir::DirEntry::into_path).collect()
}

/// What openssl makes of one structure, and what we may say of it.
struct Second {
    /// Does the key that it names verify it? `None` if openssl cannot tell.
    by_own: Option<bool>,
    /// Does it pass for self-signed?
    is_self_signed: bool,
}

impl Second {
    /// `None` if openssl does not take it.
    fn of(der: &[u8]) -> Option<Self> {
        if let Ok(certificate) = X509::from_der(der) {
            let own = certificate.public_key().and_then(|key| certificate.verify(&key));
            let issued = certificate.issued(&certificate);
            // Another key usage than signing certificates does not make it another's.
            let usage = issued.as_raw() == opinion::KEYUSAGE_NO_CERTSIGN;
            return Some(Self {
                by_own: opinion(own),
                is_self_signed: issued == X509VerifyResult::OK || usage,
            });
        }
        let request = X509Req::from_der(der).ok()?;
        let own = request.public_key().and_then(|key| request.verify(&key));
        Some(Self { by_own: opinion(own), is_self_signed: true })
    }
}

/// What we say, in a word or two.
fn kind(answer: &Value) -> &'static str {
    let is = |name: &str| answer[name] != Value::Null;
    let by_own = is("made_by") && answer["made_by"]["public_key"] == answer["names"]["public_key"];
    match (answer["verdict"].as_str().unwrap(), is("issuer")) {
        ("sound", false) if by_own => "by its own key",
        ("sound", true) if by_own => "by its own key under another name",
        ("sound", true) => "by an issuer who is in the file",
        ("sound", false) => "by another key of its name",
        ("issuer-not-known", _) => "by an issuer who is not here",
        ("not-decided", _) => "not checked",
        ("invalid", _) => "by its own key or its issuer's, but invalid",
        ("made-by-another-key", true) => "by another key than its issuer's",
        ("made-by-another-key", false) => "signed by another key",
        ("sound-under-another-certificate", _) => "by a key of its issuer with another identifier",
        other => panic!("{other:?}"),
    }
}

/// Does the key of one of these verify it, for openssl?
fn is_issued_by_one_of(der: &[u8], file: &[Vec<u8>]) -> bool {
    let Ok(certificate) = X509::from_der(der) else { return false };
    let keys = file.iter().filter_map(|other| X509::from_der(other).ok()?.public_key().ok());
    keys.into_iter().any(|key| certificate.verify(&key).unwrap_or(false))
}

/// Has one of these issued it, for openssl, names and identifiers included?
fn has_issuer_in(der: &[u8], file: &[Vec<u8>]) -> bool {
    let Ok(certificate) = X509::from_der(der) else { return false };
    let mut others = file.iter().filter_map(|other| X509::from_der(other).ok());
    others.any(|issuer| {
        let issued = issuer.issued(&certificate);
        (issued == X509VerifyResult::OK || issued.as_raw() == opinion::KEYUSAGE_NO_CERTSIGN)
            && opinion(issuer.public_key().and_then(|key| certificate.verify(&key))) == Some(true)
    })
}

/// Files that are wrong on purpose, and where we differ from openssl with reason: the end of their names.
const EXPLAINED: [(&str, &str); 0] = [];

#[test]
fn public_files_are_judged_as_openssl_judges_them() {
    if !is_long() {
        return;
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut disagreements = Vec::new();
    let (mut seen, mut understood) = (0, 0);
    let home = tempfile::tempdir().unwrap();
    for file in files() {
        let Ok(bytes) = fs::read(&file) else { continue };
        let of_certificate = |der: &[u8]| x509::decode(der).is_some() || x509::decode_request(der).is_ok();
        seen += 1;
        let Ok(blocks) = structures(&bytes) else { continue };
        let ders: Vec<Vec<u8>> =
            blocks.into_iter().map(|block| block.contents).filter(|der| of_certificate(der)).collect();
        if ders.is_empty() {
            continue;
        }
        understood += 1;
        let output = Command::new(env!("CARGO_BIN_EXE_stalecard"))
            .args(["verify", "--offline", "--format", "json", "--certificate"])
            .arg(&file)
            .env("HOME", home.path())
            .output()
            .unwrap();
        let report: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{file:?}: {output:?}"));
        let answers = report["attributions"].as_array().unwrap();
        assert_eq!(answers.len(), ders.len(), "{file:?}");
        let mut findings = 0;
        for (der, answer) in ders.iter().zip(answers) {
            let kind = kind(answer);
            let bad = [
                "signed by another key",
                "by another key than its issuer's",
                "by a key of its issuer with another identifier",
            ];
            findings += usize::from(bad.contains(&kind));
            let second = Second::of(der);
            let told = second.as_ref().map_or("which openssl does not read", |second| match second.by_own {
                Some(true) => "by its own key for openssl",
                Some(false) => "not by its own key for openssl",
                None => "which openssl cannot check",
            });
            *counts.entry(format!("{kind}, {told}")).or_default() += 1;
            let Some(second) = second else { continue };
            let is_right = match (kind, second.by_own) {
                ("not checked", _) | (_, None) => true,
                ("by its own key" | "by its own key under another name", Some(own)) => own,
                ("signed by another key", Some(own)) => !own && second.is_self_signed,
                ("by an issuer who is in the file", Some(own)) => !own && is_issued_by_one_of(der, &ders),
                ("by another key than its issuer's", Some(_)) => !has_issuer_in(der, &ders),
                ("by a key of its issuer with another identifier", Some(_)) => {
                    is_issued_by_one_of(der, &ders) && !has_issuer_in(der, &ders)
                }
                (
                    "by an issuer who is not here"
                    | "by another key of its name"
                    | "by its own key or its issuer's, but invalid",
                    Some(own),
                ) => !own,
                _ => false,
            };
            let explained = EXPLAINED.iter().any(|(end, _)| file.to_string_lossy().ends_with(end));
            if !is_right && !explained {
                disagreements.push(format!("{}: {kind}, {told}: {answer}", file.display()));
            }
        }
        assert_eq!(report["findings"].as_array().unwrap().len(), findings, "{file:?}");
    }
    println!("{seen} files, {understood} understood: {counts:#?}");
    assert!(understood > 1_100, "{understood}");
    assert!(disagreements.is_empty(), "{} disagreements:\n{}", disagreements.len(), disagreements.join("\n"));
}
