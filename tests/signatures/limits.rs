//! Where "not so" is not yet "another key's": an RSA signature that opens under the key is that key's, a
//! hash outside our list is not excluded, a certificate under its own name may be a CA's new one. And what is
//! handed in as something that it is not.

use std::fs;
use std::path::Path;

use serde_json::Value;
use virtual_card::openssl::hash::MessageDigest;
use virtual_card::openssl::pkey::PKey;
use virtual_card::openssl::rsa::Rsa;
use virtual_card::openssl::sign::Signer;

use crate::table::Workshop;

fn workshop() -> Workshop {
    let workshop = Workshop::new();
    for (name, how) in [
        ("rsa", "-algorithm RSA -pkeyopt rsa_keygen_bits:2048"),
        ("other", "-algorithm RSA -pkeyopt rsa_keygen_bits:2048"),
        ("ec", "-algorithm EC -pkeyopt ec_paramgen_curve:P-256"),
        ("ec2", "-algorithm EC -pkeyopt ec_paramgen_curve:P-256"),
    ] {
        assert!(workshop.openssl(&format!("genpkey {how} -out {name}")));
        assert!(workshop.openssl(&format!("pkey -in {name} -pubout -out {name}.pub")));
    }
    fs::write(workshop.path("bare.conf"), "[req]\ndistinguished_name = name\n[name]\n").unwrap();
    workshop
}

/// Exit code, findings, and the answer.
fn ask(workshop: &Workshop, arguments: &[&str]) -> (i32, Vec<String>, Value) {
    let (code, report) = workshop.verify(arguments);
    let findings = report["findings"].as_array().unwrap();
    let ids = findings.iter().map(|finding| finding["id"].as_str().unwrap().to_owned()).collect();
    (code, ids, report["attribution"].clone())
}

fn ask_signature(workshop: &Workshop, key: &str) -> (i32, Vec<String>, Value) {
    ask(workshop, &["--data", "data", "--signature", "signature", "--pubkey", key])
}

fn note(answer: &Value) -> &str {
    answer["note"].as_str().unwrap_or_default()
}

fn pem(workshop: &Workshop, name: &str, der: &[u8]) {
    let text = data_encoding::BASE64.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let text = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"));
    fs::write(workshop.path(name), text).unwrap();
}

fn der(workshop: &Workshop, name: &str) -> Vec<u8> {
    stalecard::format::given::structures(&workshop.read(name)).unwrap().remove(0).contents
}

#[test]
fn an_rsa_signature_that_opens_under_the_key_is_that_keys_over_other_bytes() {
    let workshop = workshop();
    fs::write(workshop.path("changed"), "Sample Date").unwrap();
    fs::write(workshop.path("short"), "some bytes that are no digest").unwrap();
    for how in [
        "dgst -sha256 -sign rsa -out signature changed",
        "dgst -sha512 -sign rsa -out signature changed",
        "pkeyutl -sign -inkey rsa -in short -out signature",
        "dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 -sign rsa -out signature changed",
    ] {
        assert!(workshop.openssl(how), "{how}");
        let (code, findings, answer) = ask_signature(&workshop, "rsa.pub");
        assert_eq!((code, findings.len(), &answer["good"]), (1, 0, &Value::from(false)), "{how}: {answer}");
        assert!(note(&answer).contains("That key made it, but not over these bytes"), "{how}: {answer}");
        assert!(answer["made_by"] != Value::Null && answer["how"] != Value::Null, "{how}: {answer}");
    }
    // The certificate of this key, with one byte changed, or with another algorithm than it names.
    assert!(workshop.openssl("req -x509 -new -key rsa -subj /CN=root -sha256 -out root.pem"));
    let whole = der(&workshop, "root.pem");
    let mut changed = whole.clone();
    let name = changed.windows(4).position(|window| window == b"root").unwrap();
    for place in [name, name + changed[name..].windows(4).skip(1).position(|w| w == b"root").unwrap() + 1] {
        changed[place + 3] = b'x';
    }
    let sha256 = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 0x0B];
    let mut renamed = whole;
    for _ in 0..2 {
        let place = renamed.windows(9).position(|window| window == sha256).unwrap();
        renamed[place + 8] = 5;
    }
    for bytes in [changed, renamed] {
        pem(&workshop, "bad.pem", &bytes);
        let (code, findings, answer) = ask(&workshop, &["--certificate", "bad.pem"]);
        assert_eq!((code, findings.len(), &answer["good"]), (1, 0, &Value::from(false)), "{answer}");
        assert!(note(&answer).contains("invalid, though the key that it names made it"), "{answer}");
    }
}

#[test]
fn a_hash_or_padding_that_is_not_computed_is_not_made_by_another_key() {
    let workshop = workshop();
    // X9.31 and a hash of another family: seen in the block, and not computed.
    if workshop.openssl("dgst -sha256 -sigopt rsa_padding_mode:x931 -sign rsa -out signature data") {
        let (code, findings, answer) = ask_signature(&workshop, "rsa.pub");
        assert_eq!((code, findings.len()), (3, 0), "{answer}");
        assert!(answer["undecided"].to_string().contains("X9.31"), "{answer}");
    }
    // ECDSA over a digest that nobody computes here: the sentence says what was tried.
    fs::write(workshop.path("digest"), [7; 32]).unwrap();
    assert!(workshop.openssl("pkeyutl -sign -inkey ec -in digest -out signature"));
    let (code, findings, answer) = ask_signature(&workshop, "ec.pub");
    assert_eq!((code, findings.len()), (1, 0), "{answer}");
    assert!(note(&answer).contains("SHA-256") && note(&answer).contains("may fit"), "{answer}");
    // The data is the digest: for RSA as for ECDSA.
    for key in ["rsa", "ec"] {
        assert!(workshop.openssl(&format!("pkeyutl -sign -inkey {key} -in digest -out signature")));
        let public = format!("{key}.pub");
        let asked = ["--data", "digest", "--signature", "signature", "--pubkey", &public];
        let (code, findings, answer) = ask(&workshop, &asked);
        assert_eq!((code, findings.len()), (0, 0), "{key}: {answer}");
    }
    assert!(workshop.openssl("pkeyutl -sign -inkey rsa -in digest -pkeyopt digest:sha256 -out signature"));
    let asked = ["--data", "digest", "--signature", "signature", "--pubkey", "rsa.pub"];
    let (code, findings, answer) = ask(&workshop, &asked);
    assert_eq!((code, findings.len()), (0, 0), "{answer}");
    // Without padding.
    fs::write(workshop.path("block"), [[0; 64].as_slice(), &[7; 192]].concat()).unwrap();
    assert!(workshop.openssl("rsautl -sign -raw -inkey rsa -in block -out signature"));
    let (code, _, answer) =
        ask(&workshop, &["--data", "block", "--signature", "signature", "--pubkey", "rsa.pub"]);
    assert_eq!(code, 0, "{answer}");
}

#[test]
fn a_signature_that_no_key_of_the_kind_makes_is_said_to_be_none_of_it() {
    let workshop = workshop();
    assert!(workshop.openssl("dgst -sha256 -sign rsa -out signature data"));
    let (code, findings, answer) = ask_signature(&workshop, "ec.pub");
    assert_eq!((code, findings.len()), (1, 0), "{answer}");
    assert!(note(&answer).contains("is no signature of the key"), "{answer}");
}

#[test]
fn signatures_are_read_as_openssl_and_xxd_print_them() {
    let workshop = workshop();
    assert!(workshop.openssl("dgst -sha256 -sign rsa -out whole data"));
    assert!(workshop.openssl("dgst -sha256 -hex -sign rsa -out hex data"));
    assert!(workshop.openssl("dgst -sha256 -hex -c -sign rsa -out colons data"));
    let whole = workshop.read("whole");
    fs::write(workshop.path("line"), [whole.as_slice(), b"\n"].concat()).unwrap();
    fs::write(workshop.path("url"), data_encoding::BASE64URL_NOPAD.encode(&whole)).unwrap();
    for file in ["whole", "hex", "colons", "line", "url"] {
        let asked = ["--data", "data", "--signature", file, "--pubkey", "rsa.pub"];
        let (code, findings, answer) = ask(&workshop, &asked);
        assert_eq!((code, findings.len()), (0, 0), "{file}: {answer}");
    }
    fs::write(workshop.path("empty"), "").unwrap();
    fs::write(workshop.path("letter"), "Here is what you asked for").unwrap();
    for (file, word) in [("empty", "is empty"), ("letter", "is text"), ("rsa.pub", "a public key")] {
        let arguments = ["verify", "--offline", "--data", "data", "--signature", file];
        let output = workshop.run(Path::new(env!("CARGO_BIN_EXE_stalecard")), &arguments);
        let why = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && why.contains(word), "{file}: {why}");
    }
}

#[test]
fn a_certificate_of_version_1_that_names_two_algorithms_cannot_be_checked() {
    let workshop = workshop();
    assert!(workshop.openssl("req -new -config bare.conf -key rsa -subj /CN=x -out x.req"));
    assert!(
        workshop.openssl("x509 -req -in x.req -key rsa -out x.pem")
            || workshop.openssl("x509 -req -in x.req -signkey rsa -out x.pem")
    );
    let mut bytes = der(&workshop, "x.pem");
    let sha256 = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 0x0B];
    let outer = bytes.windows(9).rposition(|window| window == sha256).unwrap();
    bytes[outer + 8] = 0x0C;
    pem(&workshop, "two.pem", &bytes);
    let (code, findings, answer) = ask(&workshop, &["--certificate", "two.pem"]);
    assert_eq!((code, findings.len()), (3, 0), "{answer}");
    assert!(answer["undecided"].to_string().contains("two different algorithms"), "{answer}");
}

/// `openssl x509 -req -CA` of old writes no identifiers: nothing says whose signature it should be.
#[test]
fn a_new_key_of_a_ca_without_identifiers_is_not_called_stale() {
    let workshop = workshop();
    assert!(workshop.openssl("req -x509 -new -key ec -subj /CN=Root -out old.pem"));
    assert!(workshop.openssl("req -new -config bare.conf -key ec2 -subj /CN=Root -out new.req"));
    assert!(workshop.openssl(
        "x509 -req -in new.req -CA old.pem -CAkey ec -set_serial 7 -extfile bare.conf -extensions name -out link.pem"
    ));
    let (code, findings, answer) = ask(&workshop, &["--certificate", "link.pem"]);
    assert_eq!((code, findings.len()), (3, 0), "{answer}");
    let (code, findings, answer) = ask(&workshop, &["--certificate", "link.pem", "--pubkey", "old.pem"]);
    assert_eq!((code, findings.len(), &answer["good"]), (0, 0, &Value::from(true)), "{answer}");
    fs::write(workshop.path("both.pem"), [workshop.read("old.pem"), workshop.read("link.pem")].concat())
        .unwrap();
    let (code, report) = workshop.verify(&["--certificate", "both.pem"]);
    let answers = report["attributions"].as_array().unwrap();
    assert!(code == 0 && answers.iter().all(|answer| answer["good"] == true), "{report}");
    assert_eq!(answers[1]["made_by"]["places"][0]["kind"], "file", "{report}");
    // A bare key is told, and decides nothing: its own key or the CA's older one should have signed.
    let (code, findings, answer) = ask(&workshop, &["--certificate", "link.pem", "--pubkey", "ec.pub"]);
    if answer["note"].as_str().unwrap().contains("another key than it names") {
        assert_eq!((code, findings.len(), &answer["good"]), (3, 0, &Value::from(false)), "{answer}");
        assert!(answer["made_by"] != Value::Null, "{answer}");
    } else {
        // Newer programs write the identifiers unasked.
        assert_eq!((code, findings.len()), (0, 0), "{answer}");
    }
}

#[test]
fn a_leaf_that_the_named_key_of_its_issuer_did_not_sign_is_another_keys() {
    let workshop = workshop();
    assert!(workshop.openssl("req -x509 -new -key ec -subj /CN=CA -out ca.pem"));
    assert!(workshop.openssl("req -x509 -new -key ec2 -subj /CN=Other -out other.pem"));
    assert!(workshop.openssl("req -new -config bare.conf -key rsa -subj /CN=leaf -out leaf.req"));
    // Signed by `ec2` under the name of the CA, whose certificate shows `ec`: made through a stale cache.
    assert!(workshop.openssl("x509 -in ca.pem -force_pubkey ec2.pub -signkey ec2 -out shown.pem"));
    assert!(workshop.openssl("x509 -req -in leaf.req -CA shown.pem -CAkey ec2 -set_serial 7 -out leaf.pem"));
    for key in ["ca.pem", "ec.pub"] {
        let (code, findings, answer) = ask(&workshop, &["--certificate", "leaf.pem", "--pubkey", key]);
        assert_eq!((code, findings), (1, vec!["signed-by-other-key".to_owned()]), "{key}: {answer}");
    }
    // A certificate of another name is not its issuer's: that its key made it does not tell that it should have.
    let (code, findings, answer) = ask(&workshop, &["--certificate", "leaf.pem", "--pubkey", "other.pem"]);
    assert_eq!((code, findings.len(), &answer["good"]), (3, 0, &Value::from(false)), "{answer}");
    fs::write(workshop.path("chain"), [workshop.read("leaf.pem"), workshop.read("shown.pem")].concat())
        .unwrap();
    let (_, report) = workshop.verify(&["--certificate", "chain"]);
    assert_eq!(report["attributions"][0]["good"], true, "{report}");
}

#[test]
fn parts_of_a_bundle_that_cannot_be_read_are_named() {
    let workshop = workshop();
    assert!(workshop.openssl("req -x509 -new -key ec -subj /CN=Root -out a.pem"));
    assert!(workshop.openssl("x509 -in a.pem -outform DER -out a.der"));
    let (text, bytes) = (String::from_utf8(workshop.read("a.pem")).unwrap(), workshop.read("a.der"));
    let cut = text.rsplit_once("-----END").unwrap().0;
    let bad = text.replacen("\nM", "\n!", 1);
    let rubbish = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n";
    for (whole, words) in [
        (format!("{text}{bad}").into_bytes(), "Base64 is damaged"),
        (format!("{bad}{text}").into_bytes(), "Base64 is damaged"),
        (format!("{text}{cut}").into_bytes(), "cut off"),
        (format!("{cut}{text}").into_bytes(), "cut off"),
        (format!("{text}{rubbish}").into_bytes(), "does not decode"),
        ([bytes.as_slice(), &bytes[..200]].concat(), "after the last structure"),
        ([bytes.as_slice(), &[0x30, 3, 2, 1, 1]].concat(), "a structure that is no certificate"),
    ] {
        fs::write(workshop.path("bundle"), &whole).unwrap();
        let (code, report) = workshop.verify(&["--certificate", "bundle"]);
        assert_eq!(report["attributions"].as_array().unwrap().len(), 1, "{words}: {report}");
        assert!(code == 3 && report["coverage"].to_string().contains(words), "{words}: {code} {report}");
    }
    // A line feed between two, zeros at the end, and Base64 without armour are no damage.
    let digits = data_encoding::BASE64.encode(&bytes);
    for (whole, count) in [
        ([bytes.as_slice(), b"\n", &bytes].concat(), 2),
        ([bytes.as_slice(), &[0; 9]].concat(), 1),
        (format!("{digits}\n").into_bytes(), 1),
    ] {
        fs::write(workshop.path("bundle"), &whole).unwrap();
        let (code, report) = workshop.verify(&["--certificate", "bundle"]);
        assert_eq!((code, report["attributions"].as_array().unwrap().len()), (0, count), "{report}");
    }
}

#[test]
fn names_in_any_encoding_are_shown_without_a_librarys_errors() {
    let workshop = workshop();
    assert!(workshop.openssl("req -x509 -new -key ec -subj /CN=Abcde -out a.pem"));
    let mut bytes = der(&workshop, "a.pem");
    for (tag, lead, shown) in
        [(0x14, 0xE4, "CN=äbcde"), (0x0C, 0xE4, "CN=#0c05e462636465"), (0x04, b'A', "CN=#0405")]
    {
        let mut place = 0;
        while let Some(found) = bytes[place..].windows(4).position(|window| window == b"bcde") {
            let at = place + found;
            (bytes[at - 3], bytes[at - 1]) = (tag, lead);
            place = at + 4;
        }
        pem(&workshop, "name.pem", &bytes);
        let (_, _, answer) = ask(&workshop, &["--certificate", "name.pem"]);
        assert!(answer["subject"].as_str().unwrap().starts_with(shown), "{answer}");
    }
}

#[test]
fn a_dsa_key_with_inherited_parameters_is_not_damaged() {
    let workshop = workshop();
    assert!(workshop.openssl("genpkey -genparam -algorithm DSA -pkeyopt dsa_paramgen_bits:1024 -out par"));
    assert!(workshop.openssl("genpkey -paramfile par -out dsa"));
    assert!(workshop.openssl("pkey -in dsa -pubout -outform DER -out dsa.der"));
    assert!(workshop.openssl("dgst -sha256 -sign dsa -out signature data"));
    let whole = workshop.read("dsa.der");
    let outer = stalecard::format::tlv::first(&whole).unwrap();
    let algorithm = stalecard::format::tlv::first(outer.value).unwrap();
    let bits = algorithm.rest.to_vec();
    let encode = stalecard::format::tlv::encode;
    let oid = stalecard::format::tlv::first(algorithm.value).unwrap().raw.to_vec();
    fs::write(workshop.path("bare.der"), encode(0x30, &[encode(0x30, &oid), bits].concat())).unwrap();
    let (code, findings, answer) = ask_signature(&workshop, "bare.der");
    assert_eq!((code, findings.len()), (3, 0), "{answer}");
    assert!(answer["undecided"].to_string().contains("inherits"), "{answer}");
    assert!(workshop.openssl("pkey -in dsa -pubout -out dsa.pub"));
    assert_eq!(ask_signature(&workshop, "dsa.pub").0, 0);
}

/// More than may be held in memory: hashed as it is read.
#[test]
fn a_large_file_is_hashed_in_a_stream() {
    let workshop = workshop();
    let large = fs::File::create(workshop.path("large")).unwrap();
    large.set_len(160 << 20).unwrap();
    assert!(workshop.openssl("dgst -sha256 -sign rsa -out signature large"));
    let run = format!(
        "ulimit -v 160000; exec {} verify --offline --data large --signature signature --pubkey rsa.pub",
        env!("CARGO_BIN_EXE_stalecard")
    );
    let output = workshop.run(Path::new("sh"), &["-c", &run]);
    // What is asked besides about this host may not fit in there.
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("RSA PKCS#1 v1.5 with SHA-256"), "{text}");
}

/// Ed25519 signs the message itself: of a large one nothing is held in memory, and it is not decided.
#[test]
fn a_large_file_is_not_held_in_memory_for_ed25519() {
    let workshop = workshop();
    assert!(workshop.openssl("genpkey -algorithm ED25519 -out ed"));
    assert!(workshop.openssl("pkey -in ed -pubout -out ed.pub"));
    let verify = |length: u64, limit: &str| {
        fs::File::create(workshop.path("large")).unwrap().set_len(length).unwrap();
        assert!(workshop.openssl("pkeyutl -sign -rawin -inkey ed -in large -out signature"));
        let run = format!(
            "{limit} exec {} verify --offline --format json --data large --signature signature --pubkey ed.pub",
            env!("CARGO_BIN_EXE_stalecard")
        );
        let output = workshop.run(Path::new("sh"), &["-c", &run]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code().unwrap(), report["attribution"]["undecided"].to_string())
    };
    assert_eq!(verify(16 << 20, "").0, 0);
    for (length, limit) in [((16 << 20) + 1, ""), (160 << 20, "ulimit -v 160000;")] {
        let (code, undecided) = verify(length, limit);
        assert_eq!(code, 3, "{undecided}");
        assert!(undecided.contains("larger than the 16 MiB"), "{undecided}");
    }
}

/// Each key as dear as one may be, and very many of them: the file has an answer, and what was not computed is named.
#[test]
fn the_work_for_one_file_is_bounded() {
    use stalecard::format::key::PublicKey;
    let workshop = workshop();
    assert!(workshop.openssl("req -x509 -new -key rsa -subj /CN=dear -out dear.pem"));
    let whole = der(&workshop, "dear.pem");
    let own = stalecard::format::x509::decode(&whole).unwrap().key.spki();
    let place = whole.windows(own.len()).position(|window| window == own).unwrap();
    let encode = stalecard::format::tlv::encode;
    let outer = stalecard::format::tlv::first(&whole).unwrap();
    let body = stalecard::format::tlv::first(outer.value).unwrap();
    let start =
        place - (whole.len() - outer.value.len() - outer.rest.len()) - (body.raw.len() - body.value.len());
    let mut bundle = Vec::new();
    for number in 0..200_u16 {
        let modulus = [&[0xFF; 382], number.to_be_bytes().map(|byte| byte | 1).as_slice()].concat();
        let key = PublicKey::rsa(&modulus, &[&[0x7F], [0xFF; 383].as_slice()].concat()).spki();
        let body = [&body.value[..start], &key, &body.value[start + own.len()..]].concat();
        let signature = encode(0x03, &[&[0], [0x7F; 384].as_slice()].concat());
        let algorithm =
            stalecard::format::tlv::first(stalecard::format::tlv::first(outer.value).unwrap().rest).unwrap();
        bundle.extend(encode(0x30, &[encode(0x30, &body), algorithm.raw.to_vec(), signature].concat()));
    }
    fs::write(workshop.path("dear"), &bundle).unwrap();
    let began = std::time::Instant::now();
    let (code, report) = workshop.verify(&["--certificate", "dear"]);
    assert!(began.elapsed() < std::time::Duration::from_secs(90), "{:?}", began.elapsed());
    assert_eq!(report["attributions"].as_array().unwrap().len(), 200);
    assert!(
        code != 0 && report["coverage"].to_string().contains("more work than is done for one file"),
        "{code}"
    );
}

/// The last byte of a signature may be a line feed, whatever the key's length: one in 256 is, and the whole is meant.
#[test]
fn a_signature_whose_last_byte_is_a_line_feed_is_that_of_its_key() {
    let workshop = Workshop::new();
    for bits in [1024, 1025, 1032] {
        let key = PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap();
        fs::write(workshop.path("key.pub"), key.public_key_to_pem().unwrap()).unwrap();
        let sign = |number: u32| {
            let data = number.to_string().into_bytes();
            let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
            (signer.sign_oneshot_to_vec(&data).unwrap(), data)
        };
        let (signature, data) =
            (0..).map(sign).find(|(signature, _)| signature.ends_with(b"\n")).expect("one in 256 ends so");
        fs::write(workshop.path("data"), data).unwrap();
        // As it is, and with the line feed that some tool has put behind it.
        for text in [signature.clone(), [&signature[..], b"\n"].concat()] {
            fs::write(workshop.path("signature"), &text).unwrap();
            let (code, ids, answer) = ask_signature(&workshop, "key.pub");
            assert_eq!((code, ids.len()), (0, 0), "{bits} bits, {} bytes: {answer:#}", text.len());
        }
    }
}
