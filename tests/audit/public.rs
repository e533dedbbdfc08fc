//! In the long run: everything that others test with (see `tests/signatures/fetch`), audited in one go. What is called bad must be
//! refused by openssl, too, with every certificate at hand that could have issued it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Once;

use stalecard::format::given::structures;
use virtual_card::openssl::x509::{X509, X509Crl, X509VerifyResult};

use super::*;

/// Where we differ from openssl with reason: the end of a file's name, and why.
const EXPLAINED: [(&str, &str); 0] = [];

/// The folder of what others test with, fetched once however many tests ask for it side by side.
fn public_files() -> PathBuf {
    static FETCHED: Once = Once::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    FETCHED.call_once(|| {
        assert!(Command::new("sh").arg(root.join("tests/signatures/fetch")).status().unwrap().success());
    });
    root.join("build/public-files")
}

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
    let folder = public_files();
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

/// What openssl's command makes of a structure: does its signature fit the key that comes with it? `None` if it cannot
/// tell.
fn by_command(workshop: &Workshop, words: &str, good: &str, bad: &[&str]) -> Option<bool> {
    let script = format!("{words} 2>&1; true");
    let output = Command::new("sh").args(["-c", &script]).current_dir(workshop.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    if text.contains(good) { Some(true) } else { bad.iter().any(|bad| text.contains(bad)).then_some(false) }
}

/// Kind by kind, each structure with what comes with it: requests, revocation lists with every certificate of their
/// issuer's name, OCSP responses, CMS.
#[test]
fn each_kind_is_judged_as_openssl_judges_it() {
    use stalecard::audit::{Kind, Verdict, of_bytes};
    use virtual_card::openssl::x509::X509Req;
    if !is_long() {
        return;
    }
    let files: Vec<_> = walkdir::WalkDir::new(public_files())
        .into_iter()
        .filter_map(Result::ok)
        .filter(|file| file.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .collect();
    let workshop = Workshop::new();
    let mut issuers: Vec<(X509, Vec<u8>)> = Vec::new();
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    for file in &files {
        let name = file.to_str().unwrap().to_owned();
        for der in ders(&name) {
            if let Ok(one) = X509::from_der(&der) {
                issuers.push((one, der.clone()));
            }
            all.push((name.clone(), der));
        }
    }
    all.sort_by(|one, other| one.1.cmp(&other.1));
    all.dedup_by(|one, other| one.1 == other.1);
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut disagreements = Vec::new();
    let mut unread = Vec::new();
    let mut compare = |what: &str, file: &str, verdict: Verdict, openssl: Option<bool>| {
        let is_right = match (verdict, openssl) {
            (Verdict::Sound | Verdict::SoundUnderAnotherCertificate, Some(fits)) => fits,
            (Verdict::Invalid | Verdict::MadeByAnotherKey, Some(fits)) => !fits,
            (Verdict::NotDecided | Verdict::IssuerNotKnown, _) | (_, None) => true,
        };
        *counts.entry(format!("{what}: {verdict:?}, openssl {openssl:?}")).or_default() += 1;
        if !is_right && !EXPLAINED.iter().any(|(end, _)| file.ends_with(end)) {
            disagreements.push(format!("{what} {file}: {verdict:?}, openssl {openssl:?}"));
        }
    };
    let worst = |bytes: &[u8], kind: Kind| -> Option<Verdict> {
        of_bytes(bytes).into_iter().filter(|(of, _)| *of == kind).map(|(_, verdict)| verdict).max()
    };
    for (file, der) in &all {
        if let (Some(verdict), Ok(request)) = (worst(der, Kind::Request), X509Req::from_der(der)) {
            let fits = request.public_key().and_then(|key| request.verify(&key)).ok();
            compare("request", file, verdict, fits);
        }
        if let Ok(list) = X509Crl::from_der(der) {
            let name = list.issuer_name();
            let of_name = issuers
                .iter()
                .filter(|(one, _)| one.subject_name().try_cmp(name).is_ok_and(std::cmp::Ordering::is_eq));
            for (issuer, certificate) in of_name.take(8) {
                let Some(verdict) = worst(&[certificate.as_slice(), der].concat(), Kind::RevocationList)
                else {
                    unread.push(file.clone());
                    continue;
                };
                let fits = issuer.public_key().ok().and_then(|key| list.verify(&key).ok());
                compare("revocation list", file, verdict, fits);
            }
        }
        if let Some(verdict) = worst(der, Kind::OcspResponse) {
            workshop.write("one", der);
            let words =
                "openssl ocsp -respin one -noverify -text >text; openssl ocsp -respin one -VAfile text";
            let fits = by_command(
                &workshop,
                words,
                "Response verify OK",
                &["signature failure", "bad signature", "invalid signature"],
            );
            compare("OCSP response", file, verdict, fits);
        }
        if let Some(verdict) = worst(der, Kind::SignedData) {
            workshop.write("one", der);
            let words = "openssl cms -verify -noverify -binary -inform DER -in one -out out";
            let fits = by_command(
                &workshop,
                words,
                "erification successful",
                &["verification failure", "digest value"],
            );
            compare("signed data", file, verdict, fits);
        }
    }
    println!("{counts:#?}; revocation lists that openssl reads and we do not: {unread:#?}");
    for kind in ["request", "revocation list", "OCSP response", "signed data"] {
        let of_kind = counts.iter().filter(|(what, _)| what.starts_with(kind) && what.contains("Sound"));
        assert!(of_kind.map(|(_, count)| count).sum::<usize>() > 2, "{kind}: {counts:#?}");
    }
    assert!(disagreements.is_empty(), "{} disagreements:\n{}", disagreements.len(), disagreements.join("\n"));
}
