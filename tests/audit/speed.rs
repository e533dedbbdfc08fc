//! What an audit of very many certificates finds, and what memory it takes. What it costs beside openssl is measured by
//! `make bench` (`benches/audit.rs`).

use std::fs;
use std::time::Duration;

use virtual_card::openssl::pkey::{PKey, Private};

use super::many_certificates::{Issuer, certificate, name};
use super::*;

/// The number in a line about memory.
fn peak(line: &str) -> u64 {
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn of_very_many_certificates_those_of_another_key_are_found_and_it_with_them() {
    const COUNT: u32 = 320;
    let workshop = Workshop::new();
    let issuer = Issuer::new(workshop.path());
    let expected = issuer.issue(workshop.path(), 0, COUNT);
    let (code, report) = workshop.audit(&["ca.pem", "many"]);
    assert_eq!((code, report["audit"]["bad"].as_u64()), (1, Some(expected)), "{}", report["audit"]["bad"]);
    assert_eq!(report["audit"]["sound"].as_u64(), Some(u64::from(COUNT) + 1 - expected));
    // The unknown key is told by what it has signed several times.
    let groups = report["audit"]["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 1, "{groups:?}");
    let spki = issuer.other.public_key_to_der().unwrap();
    let (other, _) = stalecard::format::key::PublicKey::from_spki(&spki).unwrap();
    let id = data_encoding::HEXLOWER.encode(&other.intrinsic_id());
    assert_eq!(groups[0]["made_by"]["id"], Value::from(id));
    // openssl agrees.
    workshop.sh("openssl verify -CAfile ca.pem many/*.pem >verified 2>&1 || true");
    let verified = String::from_utf8(workshop.read("verified")).unwrap();
    assert_eq!(verified.matches("error 7 at").count() as u64, expected);
}

/// Runs the program and gives the most memory that it has had, in KiB: the kernel tells of a process only while it is
/// there.
fn with_peak(workshop: &Workshop, words: &[&str]) -> (Output, u64) {
    let mut program = workshop.program(words);
    let (out, errors) = (workshop.path().join("said"), workshop.path().join("errors"));
    program.stdout(fs::File::create(&out).unwrap()).stderr(fs::File::create(&errors).unwrap());
    let mut child = program.spawn().unwrap();
    let mut most = 0;
    let status = loop {
        let told = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        most = told.lines().find(|line| line.starts_with("VmHWM")).map_or(most, peak);
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let read = |path| fs::read(path).unwrap();
    (Output { status, stdout: read(&out), stderr: read(&errors) }, most)
}

#[test]
fn memory_does_not_grow_with_what_is_sound() {
    let workshop = Workshop::new();
    let [ca, leaf] = [(); 2].map(|()| PKey::<Private>::ec_gen("prime256v1").unwrap());
    let issuer = name("CA");
    let mut bundle = certificate(1, &issuer, &issuer, &ca, &ca);
    for number in 0..50 {
        bundle.extend(certificate(number + 2, &name(&format!("leaf {number}")), &issuer, &leaf, &ca));
    }
    // In text that is not held in memory.
    let mut whole = "What stands between them is for people.\n".repeat(1 << 20).into_bytes();
    whole.splice(4_000..4_000, bundle.iter().copied());
    assert!(whole.len() > 32 << 20);
    workshop.write("bundle.pem", &whole);
    let (output, peak) = with_peak(&workshop, &["bundle.pem"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("51 signed artefacts"), "{said}");
    println!("{peak} KiB");
    assert!(peak < 100 * 1024, "{peak} KiB");
}

/// However many have signed it, a content is held and hashed once.
#[test]
fn memory_does_not_grow_with_the_number_of_signers() {
    let workshop = Workshop::new();
    workshop.sh(
        "openssl req -new -x509 -newkey rsa:1024 -nodes -keyout key -subj /CN=signer -days 9 -out signer.pem 2>/dev/null
         head -c 4000000 /dev/zero >content; signers=; for i in $(seq 60); do signers=\"$signers -signer signer.pem -inkey key\"; done
         openssl cms -sign -binary -nodetach -nocerts -in content $signers -outform DER -out attributes.p7m
         openssl cms -sign -binary -nodetach -noattr -nocerts -in content $signers -outform DER -out plain.p7m",
    );
    let header = data_encoding::BASE64URL_NOPAD.encode(br#"{"alg":"ES256","kid":"x"}"#);
    let jwk = r#"{"kty":"EC","crv":"P-256","kid":"x","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
    workshop.write("keys.json", jwk);
    let one = serde_json::json!({ "protected": header, "signature": "AQEB".repeat(21) + "AQ" });
    let object = serde_json::json!({ "payload": "A".repeat(2_000_000), "signatures": vec![one; 900] });
    workshop.write("many.json", object.to_string());
    for (file, code) in [("attributes.p7m", 0), ("plain.p7m", 0), ("many.json", 3)] {
        let begun = std::time::Instant::now();
        let (output, peak) = with_peak(&workshop, &[file, "keys.json", "signer.pem"]);
        println!("{file}: {peak} KiB, {:?}", begun.elapsed());
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(peak < 100 * 1024, "{file}: {peak} KiB");
    }
}
