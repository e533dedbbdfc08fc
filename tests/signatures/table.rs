//! Everything that the installed openssl can sign with, key by key, hash by hash, padding by padding:
//! what `verify` says is what openssl says, or that it cannot be checked. Never the opposite, for
//! what is genuine and for what another key of the same kind made.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;
use stalecard::crypto::{Outcome, Reason, Signed, given, verify_any};
use virtual_card::openssl::bn::BigNumContext;
use virtual_card::openssl::ec::PointConversionForm;
use virtual_card::openssl::pkey::PKey;
use virtual_card::openssl::x509::{X509, X509Req};

use crate::agreement::{agree, commands_agree};
use crate::is_long;
use crate::opinion::opinion;

/// The kinds of keys, and how openssl makes them. Of kinds with parameters both keys have the same.
const KEYS: [(&str, &str); 11] = [
    ("rsa", "-algorithm RSA -pkeyopt rsa_keygen_bits:1024"),
    ("rsa-e3", "-algorithm RSA -pkeyopt rsa_keygen_bits:1024 -pkeyopt rsa_keygen_pubexp:3"),
    (
        "rsa-large-e",
        "-algorithm RSA -pkeyopt rsa_keygen_bits:1025 -pkeyopt rsa_keygen_pubexp:1208925819614629174706189",
    ),
    // Long enough for PSS with every hash and the longest salt that is asked for.
    ("rsa-1536", "-algorithm RSA -pkeyopt rsa_keygen_bits:1536"),
    ("rsa-pss", "-algorithm RSA-PSS -pkeyopt rsa_keygen_bits:1536"),
    (
        "rsa-pss-restricted",
        "-algorithm RSA-PSS -pkeyopt rsa_keygen_bits:1536 -pkeyopt rsa_pss_keygen_md:sha256 \
         -pkeyopt rsa_pss_keygen_mgf1_md:sha384 -pkeyopt rsa_pss_keygen_saltlen:20",
    ),
    ("ed25519", "-algorithm ED25519"),
    ("ed448", "-algorithm ED448"),
    ("dsa", "-paramfile dsa.par"),
    ("p256-explicit", "-algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit"),
    (
        "sect283r1-explicit",
        "-algorithm EC -pkeyopt ec_paramgen_curve:sect283r1 -pkeyopt ec_param_enc:explicit",
    ),
];

/// Curves of the ordinary run; the long one has all.
const CURVES: [&str; 12] = [
    "prime256v1",
    "secp384r1",
    "secp521r1",
    "secp256k1",
    "prime192v1",
    "secp224r1",
    "brainpoolP256r1",
    "brainpoolP320t1",
    "brainpoolP512r1",
    "sect163k1",
    "sect571r1",
    "secp112r1",
];

const HASHES: [&str; 16] = [
    "sha256",
    "sha1",
    "sha224",
    "sha384",
    "sha512",
    "sha512-224",
    "sha512-256",
    "sha3-224",
    "sha3-256",
    "sha3-384",
    "sha3-512",
    "md5",
    "ripemd160",
    "sm3",
    "blake2b512",
    "blake2s256",
];

/// A directory in which openssl works.
pub struct Workshop(tempfile::TempDir);

impl Workshop {
    pub fn new() -> Self {
        let workshop = Self(tempfile::tempdir().unwrap());
        fs::write(workshop.path("data"), "Sample Data").unwrap();
        workshop
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    pub fn run(&self, program: &Path, arguments: &[&str]) -> Output {
        let home = self.0.path();
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(home)
            .env("HOME", home)
            .env_remove("OPENSSL_CONF")
            .output()
            .unwrap()
    }

    /// Can openssl do that?
    pub fn openssl(&self, arguments: &str) -> bool {
        let words: Vec<&str> = arguments.split_whitespace().collect();
        self.run(Path::new("openssl"), &words).status.success()
    }

    /// Two keys of a kind, `NAME.a` and `NAME.b`, with their public halves.
    fn keys(&self, name: &str, how: &str) {
        for which in ["a", "b"] {
            assert!(self.openssl(&format!("genpkey {how} -out {name}.{which}")), "{name}");
            assert!(
                self.openssl(&format!("pkey -in {name}.{which} -pubout -out {name}.{which}.pub")),
                "{name}"
            );
        }
    }

    /// What `verify` says of a file, offline.
    pub fn verify(&self, arguments: &[&str]) -> (i32, Value) {
        self.stalecard("verify", arguments)
    }

    /// The exit code and the document of a command, offline.
    pub fn stalecard(&self, command: &str, arguments: &[&str]) -> (i32, Value) {
        let all = [&[command, "--offline", "--format", "json"], arguments].concat();
        let output = self.run(Path::new(env!("CARGO_BIN_EXE_stalecard")), &all);
        let document = serde_json::from_slice(&output.stdout);
        (output.status.code().unwrap(), document.unwrap_or_else(|_| panic!("{arguments:?}: {output:?}")))
    }
}

/// All keys with their names, made once; each test works in a directory of its own beside them.
pub fn workshop() -> (Workshop, &'static [String]) {
    static KEYS: OnceLock<(Workshop, Vec<String>)> = OnceLock::new();
    let (keys, names) = KEYS.get_or_init(make_keys);
    let own = Workshop::new();
    for file in fs::read_dir(keys.0.path()).unwrap().map(|file| file.unwrap().path()) {
        fs::copy(&file, own.path(file.file_name().unwrap().to_str().unwrap())).unwrap();
    }
    (own, names)
}

fn make_keys() -> (Workshop, Vec<String>) {
    let workshop = Workshop::new();
    assert!(
        workshop.openssl("genpkey -genparam -algorithm DSA -pkeyopt dsa_paramgen_bits:1024 -out dsa.par")
    );
    let mut names = Vec::new();
    for (name, how) in KEYS {
        workshop.keys(name, how);
        names.push(name.to_owned());
    }
    let listed = workshop.run(Path::new("openssl"), &["ecparam", "-list_curves"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    let all = listed.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim());
    // Two of IPSec's cannot be written: they have no OID.
    let all: Vec<&str> = all.filter(|name| !name.starts_with("Oakley")).collect();
    for curve in all.iter().filter(|curve| is_long() || CURVES.contains(curve)) {
        workshop.keys(curve, &format!("-algorithm EC -pkeyopt ec_paramgen_curve:{curve}"));
        names.push((*curve).to_owned());
    }
    for form in ["compressed", "hybrid"] {
        let how = format!("-algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt point-format:{form}");
        let name = format!("p256-{form}");
        workshop.keys(&name, &how);
        for which in ["a", "b"] {
            // Where genpkey does not know the option, pkey writes the form.
            assert!(
                workshop.openssl(&format!("ec -in {name}.{which} -conv_form {form} -out {name}.{which}"))
            );
            assert!(workshop.openssl(&format!(
                "ec -in {name}.{which} -conv_form {form} -pubout -out {name}.{which}.pub"
            )));
        }
        names.push(name);
    }
    (workshop, names)
}

/// The ways to sign with a key of this name: hash and options.
pub fn ways(name: &str) -> Vec<(String, String)> {
    if name.starts_with("ed") {
        return vec![(String::new(), String::new())];
    }
    // Of each curve one hash; of one of them all.
    let is_every = ["rsa-1536", "prime256v1", "dsa"].contains(&name);
    let of_curve = if name.starts_with("rsa") { 2 } else { 1 };
    let hashes: Vec<&str> = HASHES.into_iter().take(if is_every { HASHES.len() } else { of_curve }).collect();
    let mut ways: Vec<_> = hashes.iter().map(|hash| (format!("-{hash}"), String::new())).collect();
    if name == "rsa-1536" || name.starts_with("rsa-pss") {
        let masks = [("sha256", "digest"), ("sha1", "0"), ("sha384", "20"), ("sha3-256", "max")];
        for (index, hash) in HASHES.iter().enumerate() {
            // Of one hash all, of the others one each; in the long run all.
            let is_wanted = |place: usize| is_long() || index == 0 || index % masks.len() == place;
            let wanted = masks.iter().enumerate().filter(|(place, _)| is_wanted(*place));
            ways.extend(wanted.map(|(_, (mask, salt))| {
                let options = format!(
                    "-sigopt rsa_padding_mode:pss -sigopt rsa_mgf1_md:{mask} -sigopt rsa_pss_saltlen:{salt}"
                );
                (format!("-{hash}"), options)
            }));
        }
    }
    ways
}

/// What became of the artefacts of a table.
#[derive(Debug, Default)]
struct Count {
    genuine: usize,
    of_another: usize,
    not_checked: usize,
}

/// What openssl and we make of the same artefact; `contradicted`: we say that another key made it.
fn compare(count: &mut Count, what: &str, openssl: bool, attribution: &Value, contradicted: bool) {
    let undecided = !attribution["undecided"].as_array().unwrap().is_empty();
    let good = attribution["good"] == true;
    assert!(!(undecided && (good || contradicted)), "{what}: decided and not: {attribution}");
    match (openssl, undecided) {
        (_, true) => count.not_checked += 1,
        (true, false) => {
            assert!(good && !contradicted, "{what}: openssl takes it: {attribution}");
            count.genuine += 1;
        }
        (false, false) => {
            assert!(!good && contradicted, "{what}: openssl refuses it: {attribution}");
            count.of_another += 1;
        }
    }
}

/// Self-signed certificates and requests, and the same with the other key of the kind in them.
#[test]
fn certificates_and_requests_of_every_algorithm() {
    let (workshop, names) = workshop();
    // Name, text, and openssl's answer.
    let mut made: Vec<(String, Vec<u8>, bool)> = Vec::new();
    for name in names {
        for (hash, options) in ways(name) {
            let what = format!("{name} {hash} {options}");
            let subject = format!("-subj /CN={name} -key {name}.a {hash} {options}");
            if workshop.openssl(&format!("req -x509 -new {subject} -out certificate")) {
                let text = workshop.read("certificate");
                let certificate = X509::from_pem(&text).unwrap();
                let own = certificate.public_key().and_then(|key| certificate.verify(&key));
                made.push((format!("certificate {what}"), text, opinion(own).unwrap_or(true)));
                if workshop.openssl(&format!(
                    "x509 -in certificate -force_pubkey {name}.b.pub -signkey {name}.a {hash} {options} -out foreign"
                )) {
                    let text = workshop.read("foreign");
                    let certificate = X509::from_pem(&text).unwrap();
                    let own = certificate.public_key().and_then(|key| certificate.verify(&key));
                    assert_ne!(opinion(own), Some(true), "{what}");
                    made.push((format!("foreign certificate {what}"), text, false));
                }
            }
            if workshop.openssl(&format!("req -new {subject} -out request")) {
                let text = workshop.read("request");
                let request = X509Req::from_pem(&text).unwrap();
                let own = request.public_key().and_then(|key| request.verify(&key));
                made.push((format!("request {what}"), text, opinion(own).unwrap_or(true)));
            }
        }
    }
    let bundle: Vec<u8> = made.iter().flat_map(|(_, text, _)| text.clone()).collect();
    for (what, text, _) in &made {
        assert_eq!(agree(what, text), 1, "{what}");
    }
    assert_eq!(agree("all of them", &bundle), made.len());
    fs::write(workshop.path("bundle"), bundle).unwrap();
    commands_agree(&workshop, "bundle", &[]);
    let (code, report) = workshop.verify(&["--certificate", "bundle"]);
    assert_eq!(code, 1);
    let answers = report["attributions"].as_array().unwrap();
    assert_eq!(answers.len(), made.len());
    let mut count = Count::default();
    let mut findings = 0;
    for ((what, _, openssl), answer) in made.iter().zip(answers) {
        // The bundle holds the key that made it, so it is mostly told.
        let contradicted = answer["good"] == false
            && answer["undecided"].as_array().unwrap().is_empty()
            && answer["issuer"] == Value::Null
            && answer["note"] == Value::Null;
        findings += usize::from(contradicted);
        compare(&mut count, what, *openssl, answer, contradicted);
        let may_be_open =
            ["ed448", "brainpoolP1", "sect", "secp1", "secp2", "wap", "c2", "prime", "SM2", "restricted"];
        let is_open = !answer["undecided"].as_array().unwrap().is_empty();
        let by_chance = answer.to_string().contains("looks like RSA-PSS");
        assert!(
            !is_open || by_chance || may_be_open.iter().any(|kind| what.contains(kind)),
            "{what}: {answer}"
        );
    }
    assert_eq!(report["findings"].as_array().unwrap().len(), findings);
    println!("{count:?} of {}", made.len());
    assert!(count.genuine > 100 && count.of_another > 40 && count.not_checked > 10, "{count:?}");
}

/// Certificates that one key issues for another, asked with the issuer's key, with another one and with none.
#[test]
fn issued_certificates_of_every_algorithm() {
    let (workshop, names) = workshop();
    assert!(workshop.openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out leaf"));
    assert!(workshop.openssl("req -new -key leaf -subj /CN=leaf -out leaf.req"));
    let mut made = Vec::new();
    for name in names {
        let (hash, options) = ways(name).pop().unwrap();
        let ca = format!("req -x509 -new -subj /CN={name} {hash} {options}");
        if !["a", "b"]
            .iter()
            .all(|which| workshop.openssl(&format!("{ca} -key {name}.{which} -out {name}.{which}.ca")))
        {
            continue;
        }
        assert!(workshop.openssl(&format!(
            "x509 -req -in leaf.req -CA {name}.a.ca -CAkey {name}.a -set_serial 7 {hash} {options} -out {name}.leaf"
        )));
        made.push(name);
    }
    let bundle: Vec<u8> = made.iter().flat_map(|name| workshop.read(&format!("{name}.leaf"))).collect();
    fs::write(workshop.path("bundle"), bundle).unwrap();
    let asked_with = |which: &str| {
        let mut arguments = vec!["--certificate".to_owned(), "bundle".to_owned()];
        arguments.extend(made.iter().flat_map(|name| ["--pubkey".to_owned(), format!("{name}.{which}.ca")]));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (code, report) = workshop.verify(&arguments);
        (
            code,
            report["findings"].as_array().unwrap().len(),
            report["attributions"].as_array().unwrap().clone(),
        )
    };
    let (mut known, mut open) = (0, 0);
    let (code, findings, answers) = asked_with("a");
    assert_eq!(findings, 0);
    for (name, answer) in made.iter().zip(&answers) {
        assert_eq!(answer["issuer"], format!("CN={name}"));
        if answer["undecided"].as_array().unwrap().is_empty() {
            let place = answer["made_by"]["places"][0]["place"].as_str().unwrap().to_owned();
            assert!(answer["good"] == true && place.ends_with(&format!(" {name}.a.ca")), "{name}: {answer}");
            known += 1;
        } else {
            assert!(answer["good"] == false && answer["made_by"] == Value::Null, "{name}: {answer}");
            open += 1;
        }
    }
    assert_eq!((code, known + open), (3, made.len()));
    println!("{known} known, {open} not checked");
    assert!(known >= 15 && open >= 4, "{known} {open}");
    // A certificate of the issuer's name was named, and its key did not sign: that is decided.
    let (code, findings, answers) = asked_with("b");
    assert!(
        code == 1
            && findings >= 15
            && answers.iter().all(|answer| answer["good"] == false && answer["made_by"] == Value::Null)
    );
}

/// Signatures over a file, for which nobody says how they were made.
#[test]
fn signatures_of_every_algorithm() {
    let (workshop, names) = workshop();
    let key = |name: &str| given::public_key(&workshop.read(name), None).ok();
    let data = workshop.read("data");
    let (mut right, mut open) = (0, 0);
    for name in names {
        let own = key(&format!("{name}.a.pub"));
        let other = key(&format!("{name}.b.pub"));
        let mut asked = false;
        for (hash, options) in ways(name) {
            let how = if name.starts_with("ed") {
                format!("pkeyutl -sign -rawin -inkey {name}.a -in data -out signature")
            } else {
                format!("dgst {hash} {options} -sign {name}.a -out signature data")
            };
            if !workshop.openssl(&how) {
                continue;
            }
            let what = format!("{name} {hash} {options}");
            let signature = workshop.read("signature");
            let outcomes = [&own, &other]
                .map(|key| key.as_ref().map(|key| verify_any(key, &Signed::message(&data), &signature)));
            match outcomes {
                // By chance the wrong key opens it to what ends like RSA-PSS, once in several hundred.
                [
                    Some(Outcome::Valid(_)),
                    Some(Outcome::Invalid | Outcome::NotDecidable(Reason::OtherPadding(_))),
                ] => right += 1,
                [Some(Outcome::NotDecidable(_)), Some(Outcome::NotDecidable(_))] => open += 1,
                outcomes => panic!("{what}: {outcomes:?}"),
            }
            // The command itself once for each kind.
            if asked {
                continue;
            }
            asked = true;
            let ask = |which: &str| {
                let public = format!("{name}.{which}.pub");
                let (code, report) =
                    workshop.verify(&["--data", "data", "--signature", "signature", "--pubkey", &public]);
                (code, report["findings"].as_array().unwrap().len())
            };
            // That another key made it is said only where its number is none that the named one gives.
            let expected: &[(i32, usize)] = match &outcomes {
                [Some(Outcome::Valid(_)), Some(Outcome::NotDecidable(_))] => &[(3, 0)],
                [Some(Outcome::Valid(_)), _] if name.starts_with("rsa") => &[(1, 0), (1, 1)],
                [Some(Outcome::Valid(_)), _] => &[(1, 0)],
                _ => &[(3, 0)],
            };
            let own = if matches!(outcomes[0], Some(Outcome::Valid(_))) { (0, 0) } else { (3, 0) };
            let (a, b) = (ask("a"), ask("b"));
            assert!(a == own && expected.contains(&b), "{what}: {a:?} {b:?}");
        }
    }
    println!("{right} told from another key's, {open} not checked");
    assert!(right > 60 && open > 3, "{right} {open}");
}

/// The same key in every form is one key, with one ID and one fingerprint.
#[test]
fn a_compressed_and_an_uncompressed_point_are_one_key() {
    let workshop = Workshop::new();
    let curves = ["prime256v1", "secp384r1", "secp521r1", "prime192v1", "brainpoolP320r1", "secp256k1"];
    for curve in curves {
        assert!(
            workshop.openssl(&format!("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:{curve} -out key"))
        );
        let mut seen = Vec::new();
        for form in ["uncompressed", "compressed", "hybrid"] {
            assert!(workshop.openssl(&format!("ec -in key -conv_form {form} -out in-form")));
            assert!(workshop.openssl("req -x509 -new -key in-form -subj /CN=form -out certificate"));
            let spki =
                workshop.run(Path::new("openssl"), &["x509", "-in", "certificate", "-noout", "-pubkey"]);
            let spki = PKey::public_key_from_pem(&spki.stdout).unwrap();
            // The point itself, in hexadecimal, which does not tell its curve when it is compressed.
            let key = spki.ec_key().unwrap();
            let form = match form {
                "compressed" => PointConversionForm::COMPRESSED,
                "hybrid" => PointConversionForm::HYBRID,
                _ => PointConversionForm::UNCOMPRESSED,
            };
            let mut context = BigNumContext::new().unwrap();
            let point = key.public_key().to_bytes(key.group(), form, &mut context).unwrap();
            let point = data_encoding::HEXLOWER.encode(&point);
            let (code, report) = workshop.verify(&["--certificate", "certificate", "--pubkey", &point]);
            let places = &report["attribution"]["made_by"]["places"];
            assert_eq!((code, &places[0]["kind"]), (0, &Value::from("given")), "{curve}: {report}");
            let (code, report) =
                workshop.verify(&["--certificate", "certificate", "--pubkey", "certificate"]);
            let names = &report["attribution"]["names"];
            assert_eq!((code, &report["attribution"]["made_by"]["id"]), (0, &names["id"]), "{curve}");
            // A key that was named is the same as the one in the certificate.
            assert_eq!(names["places"][0]["id"], names["id"], "{curve}");
            seen.push((names["id"].clone(), names["public_key"].clone()));
        }
        seen.dedup();
        assert_eq!(seen.len(), 1, "{curve}");
    }
}
