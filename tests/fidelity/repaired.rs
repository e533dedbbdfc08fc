//! What a repair does to the keys of a host: on a copy, with the real tools' own signatures. What signs and verifies before
//! still does; what did not either does, or is still told of and not called cured. And what `check` says of a key
//! agrees with what a fresh signature says (`verify`).

use crate::compare::{Tally, lines, snapshot};
use crate::stand::{Host, Output};
use serde_json::Value;
use stalecard::finding::{Finding, Id, Severity};
use stalecard::judge::{judge, tokens};
use stalecard::snapshot::EfPath;
use stalecard::view::Class;
use std::collections::BTreeMap;

/// A key by what does not change with its description.
type Key = (Option<u8>, Option<EfPath>);

/// What came of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signs {
    /// It verifies with the public key that OpenSC shows.
    Verifies,
    /// It does not.
    Fails,
    /// OpenSC shows no public key to verify it with.
    Unverified,
    /// The key does not sign: it is not made for it, or is not there.
    Never,
}

impl Signs {
    /// It signs, and whoever verifies that with what is shown fails.
    const fn is_trouble(self) -> bool {
        matches!(self, Self::Fails | Self::Unverified)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Verifies => "verifies",
            Self::Fails => "fails",
            Self::Unverified => "unverified",
            Self::Never => "never",
        }
    }
}

/// The keys that programs of a host show, by the IDs that they are shown with.
fn keys(host: &Host) -> Result<Vec<(Key, String, bool)>, String> {
    let snapshot = snapshot(host)?;
    let mut keys = Vec::new();
    for case in tokens(&snapshot).cases.iter().filter(|case| case.card.application.is_none()) {
        let reads = |name: &String| name == "opensc-pkcs11";
        let cache_view = case.cache_views.iter().find(|cache_view| cache_view.programs.iter().any(reads));
        for key in cache_view.map_or(&case.live, |cache_view| &cache_view.shown).private_keys() {
            if let Class::PrivateKey { reference, path, key_type, .. } = &key.class {
                let id = data_encoding::HEXLOWER.encode(&key.id);
                keys.push(((*reference, *path), id, key_type.name() == "RSA"));
            }
        }
    }
    Ok(keys)
}

/// What each key makes of a signature through this host. The tools run on copies.
fn working(host: &Host) -> Result<Vec<(Key, String, Signs)>, String> {
    let keys = keys(host)?;
    let signed = |(key, id, is_rsa): (Key, String, bool)| {
        let signs = signs(&host.with_cache_copy(), &id, is_rsa);
        (key, id, signs)
    };
    Ok(keys.into_iter().map(signed).collect())
}

fn signs(host: &Host, id: &str, is_rsa: bool) -> Signs {
    let data = host.scratch("data", b"Sample Data");
    let signature = host.scratch("signature", b"");
    let (input, form): (_, &[&str]) = if is_rsa {
        (data.clone(), &["--mechanism", "SHA256-RSA-PKCS"])
    } else {
        let hash = host.run_with_input(&["openssl", "dgst", "-sha256", "-binary"], b"Sample Data").raw;
        (host.scratch("hash", &hash), &["--mechanism", "ECDSA", "--signature-format", "openssl"])
    };
    let files = ["--input-file", input.to_str().unwrap(), "--output-file", signature.to_str().unwrap()];
    let made = host.pkcs11_login(&[&["--sign", "--id", id][..], form, &files].concat());
    if !made.success() || std::fs::read(&signature).unwrap_or_default().is_empty() {
        return Signs::Never;
    }
    let public = host.run(&["pkcs15-tool", "--read-public-key", id]).stdout;
    if !public.contains("BEGIN PUBLIC KEY") {
        return Signs::Unverified;
    }
    let key = host.scratch("public", public.as_bytes());
    let [key, signature, data] = [&key, &signature, &data].map(|path| path.to_str().unwrap().to_owned());
    let verify = ["openssl", "dgst", "-sha256", "-verify", &key, "-signature", &signature, &data];
    if host.run(&verify).success() { Signs::Verifies } else { Signs::Fails }
}

fn document(output: &Output) -> Result<Value, String> {
    serde_json::from_str(&output.stdout).map_err(|error| format!("{error}: {output}"))
}

/// Is something said of this key?
fn concerns(object: &Value, key: Key, ids: &[&str]) -> bool {
    let is_id = |name: &str| object[name].as_str().is_some_and(|id| ids.contains(&id));
    let is_reference = object["reference"].as_u64().is_some_and(|number| Some(number as u8) == key.0);
    is_id("id") || is_id("shown_id") || is_reference
}

/// Does a finding speak of this key, among others in words?
fn is_told(finding: &Finding, key: Key, ids: &[&str]) -> bool {
    let object = serde_json::to_value(&finding.object).unwrap();
    let in_words = key.0.is_some_and(|number| finding.summary.contains(&format!("key reference {number}")))
        || ids.iter().any(|id| finding.summary.contains(id))
        || finding.id == Id::PossessionNotProved;
    concerns(&object, key, ids) || in_words
}

/// Plays one repair.
pub fn judge_repair(host: &Host, guarded: bool, tally: &mut Tally) -> Result<(), String> {
    let copy = host.with_cache_copy();
    let before = working(&copy)?;
    let found = judge(&snapshot(&copy)?).findings;
    agree_with_signatures(&copy, &before, &found, tally)?;
    let words: &[&str] =
        if guarded { &["fix", "--guarded", "--format", "json"] } else { &["fix", "--format", "json"] };
    let output = copy.stalecard(words);
    // 1: what is left only a person can repair, or takes consent.
    if !matches!(output.code(), 0 | 1) {
        return Err(format!("repair: fix ends with {}: {output}", output.code()));
    }
    let fixed = document(&output)?;
    let after = working(&copy)?;
    let left = judge(&snapshot(&copy)?).findings;
    tally.repairs += 1;
    let said =
        || format!("\nbefore:\n{}{before:?}\nafter:\n{}{after:?}\n{output}", lines(&found), lines(&left));
    for (key, id, was) in &before {
        // Whoever uses a key names it by its ID; a description that has changed may give it another.
        let by_id = after.iter().filter(|(_, new, _)| new == id);
        let by_key = after.iter().filter(|(known, ..)| known == key);
        let best = by_id.chain(by_key).max_by_key(|(_, new, signs)| (*signs == Signs::Verifies, new == id));
        let (new, is) = best.map_or((id, Signs::Never), |(_, new, signs)| (new, *signs));
        *tally.keys.entry((was.name(), is.name())).or_default() += 1;
        let ids = [id.as_str(), new.as_str()];
        let repairs =
            || fixed["repairs"].as_array().unwrap().iter().filter(|r| concerns(&r["object"], *key, &ids));
        let undecided = repairs().any(|repair| repair["id"] == "public-key-undecided");
        if *was == Signs::Verifies && is != Signs::Verifies && !(guarded && undecided) {
            return Err(format!("repair: a working key is worse: {key:?} {id}{}", said()));
        }
        if is.is_trouble() {
            if repairs().any(|repair| repair["result"] == "cured") {
                return Err(format!("repair: called cured: {key:?} {id}{}", said()));
            }
            let is_told = left.iter().any(|finding| is_told(finding, *key, &ids))
                || repairs().any(|repair| repair["result"] == "unproven" || repair["result"] == "manual");
            if was.is_trouble()
                && found.iter().any(|f| f.severity >= Severity::Error && self::is_told(f, *key, &ids))
                && !is_told
            {
                return Err(format!("repair: not told any more: {key:?} {id}{}", said()));
            }
        }
    }
    Ok(())
}

/// The matrix of docs/signatures.md: what a fresh signature concludes, what the tools' own signature does, what `check` says.
fn agree_with_signatures(
    host: &Host,
    before: &[(Key, String, Signs)],
    found: &[Finding],
    tally: &mut Tally,
) -> Result<(), String> {
    let pin = host.scratch("pin", host.pin().as_bytes());
    let output = host.stalecard(&["verify", "--pin-file", pin.to_str().unwrap(), "--format", "json"]);
    let report = document(&output)?;
    let keys = report["keys"].as_array().cloned().unwrap_or_default();
    let mut by_reference: BTreeMap<u64, usize> = BTreeMap::new();
    keys.iter()
        .for_each(|key| *by_reference.entry(key["reference"].as_u64().unwrap_or(256)).or_default() += 1);
    for key in keys {
        let conclusion = key["conclusion"].as_str().unwrap_or_default();
        *tally.conclusions.entry(conclusion.to_owned()).or_default() += 1;
        let reference = key["reference"].as_u64().unwrap_or(256);
        let id = key["id"].as_str().unwrap_or_default();
        let of_key: Vec<&Finding> = found
            .iter()
            .filter(|finding| {
                let object = finding.object.as_ref();
                // Two keys may have one ID.
                object.is_some_and(|object| match object.reference {
                    Some(number) => u64::from(number) == reference,
                    None => object.id.as_deref() == Some(id) || object.shown_id.as_deref() == Some(id),
                })
            })
            .collect();
        let has = |id: Id| {
            of_key.iter().any(|finding| finding.id == id && finding.evidence.iter().any(|e| e.file.is_some()))
        };
        let said = || format!("{key:#}\n{}{before:?}", lines(found));
        // What files decided no signature refutes.
        if conclusion == "stale-cache" && has(Id::CertificateKeyMismatch) {
            return Err(format!("repair: check trusts the cache, a signature does not: {}", said()));
        }
        let tried = key["tried"].as_array().cloned().unwrap_or_default();
        let opensc = |fits: bool| tried.iter().any(|one| one["source"] == "opensc" && one["fits"] == fits);
        let card = tried.iter().any(|one| one["source"] != "opensc" && one["fits"] == true);
        if opensc(true) && !opensc(false) && !card && has(Id::StalePublicKey) {
            return Err(format!("repair: check trusts the card, a signature does not: {}", said()));
        }
        // What the tools' own signature shows; keys that share a number or an ID are not told apart by it.
        let alike = before.iter().filter(|(_, known, _)| known == id).count();
        let own = before.iter().find(|((number, _), known, _)| {
            number.map(u64::from) == Some(reference) && (known == id || conclusion == "stale-cache")
        });
        if let Some((_, _, signs)) = own.filter(|_| by_reference[&reference] == 1 && alike < 2) {
            let is_wrong = match conclusion {
                // What the card's own public key proves is sound; why OpenSC shows none, `check` has to tell.
                "sound" => match signs {
                    Signs::Unverified => !found.iter().any(|finding| finding.severity >= Severity::Error),
                    Signs::Fails => true,
                    Signs::Verifies | Signs::Never => false,
                },
                "stale-cache" => {
                    *signs == Signs::Verifies
                        && tried.iter().all(|one| one["source"] != "opensc" || one["fits"] == false)
                }
                _ => false,
            };
            if is_wrong {
                return Err(format!(
                    "repair: verify concludes {conclusion}, the tools see {signs:?}: {}",
                    said()
                ));
            }
        }
    }
    Ok(())
}
