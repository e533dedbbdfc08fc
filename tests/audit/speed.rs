//! What an audit costs: CPU time against `openssl verify`, and memory.

use std::fs;
use std::time::{Duration, Instant};

use virtual_card::openssl::asn1::Asn1Time;
use virtual_card::openssl::bn::BigNum;
use virtual_card::openssl::hash::MessageDigest;
use virtual_card::openssl::pkey::{PKey, PKeyRef, Private};
use virtual_card::openssl::x509::extension::BasicConstraints;
use virtual_card::openssl::x509::{X509, X509Name, X509NameRef};

use super::*;

fn name(text: &str) -> X509Name {
    let mut name = X509Name::builder().unwrap();
    name.append_entry_by_text("CN", text).unwrap();
    name.build()
}

fn certificate(
    serial: u32,
    subject: &X509NameRef,
    issuer: &X509NameRef,
    key: &PKeyRef<Private>,
    by: &PKeyRef<Private>,
) -> Vec<u8> {
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(&BigNum::from_u32(serial).unwrap().to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(subject).unwrap();
    builder.set_issuer_name(issuer).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(30).unwrap()).unwrap();
    builder.set_pubkey(key).unwrap();
    if serial == 1 {
        // What is no CA's is refused before its signature is looked at.
        builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
    }
    builder.sign(by, MessageDigest::sha256()).unwrap();
    builder.build().to_pem().unwrap()
}

/// The CPU time of all children that have ended: user and system.
fn spent() -> Duration {
    let text = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = text.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = [13, 14].map(|field: usize| fields[field].parse::<u64>().unwrap()).iter().sum();
    Duration::from_millis(ticks * 10)
}

/// The number in a line about memory.
fn peak(line: &str) -> u64 {
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn many_certificates_cost_little() {
    let count: u32 = std::env::var("STALECARD_AUDIT_COUNT").map_or(120, |count| count.parse().unwrap());
    let workshop = Workshop::new();
    fs::create_dir(workshop.path().join("many")).unwrap();
    let [ca, other, leaf] = [(); 3].map(|()| PKey::<Private>::ec_gen("prime256v1").unwrap());
    let issuer = name("CA");
    workshop.write("ca.pem", certificate(1, &issuer, &issuer, &ca, &ca));
    for number in 0..count {
        let by = if number % 100 == 7 { &other } else { &ca };
        let pem = certificate(number + 2, &name(&format!("leaf {number}")), &issuer, &leaf, by);
        workshop.write(&format!("many/{number}.pem"), pem);
    }
    let begun = (Instant::now(), spent());
    let (output, peak) = with_peak(&workshop, &["--format", "json", "ca.pem", "many"]);
    let ours = (begun.0.elapsed(), spent() - begun.1);
    let (code, report) = document(&output);
    let expected = u64::from((count + 92) / 100);
    assert_eq!((code, report["audit"]["bad"].as_u64()), (1, Some(expected)), "{}", report["audit"]["bad"]);
    assert_eq!(report["audit"]["sound"].as_u64(), Some(u64::from(count) + 1 - expected));
    // Whoever waits is told how far it is, every five seconds.
    if ours.0 > Duration::from_secs(15) {
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains("auditing") && told.contains(" files"), "{told}");
    }
    // The unknown key is told by what it has signed several times.
    if expected > 1 {
        let groups = report["audit"]["groups"].as_array().unwrap();
        assert_eq!(groups.len(), 1, "{groups:?}");
        let id = data_encoding::HEXLOWER.encode(
            &stalecard::format::key::PublicKey::from_spki(&other.public_key_to_der().unwrap())
                .unwrap()
                .0
                .intrinsic_id(),
        );
        assert_eq!(groups[0]["made_by"]["id"], Value::from(id));
    }
    let begun = (Instant::now(), spent());
    let openssl = Command::new("sh")
        .args(["-c", "find many -name '*.pem' -print0 | xargs -0 -n 20000 openssl verify -CAfile ca.pem >verified 2>&1; true"])
        .current_dir(workshop.path())
        .status()
        .unwrap();
    assert!(openssl.success());
    let theirs = (begun.0.elapsed(), spent() - begun.1);
    let refused =
        fs::read_to_string(workshop.path().join("verified")).unwrap().matches("error 7 at").count() as u64;
    assert_eq!(refused, expected);
    println!(
        "{count} certificates: CPU time {:?} of ours, {:?} of openssl's; {:?} and {:?} by the clock; {peak} KiB",
        ours.1, theirs.1, ours.0, theirs.0
    );
    // What is in order takes an entry in two tables: its digest, and when its holder's newest was made.
    assert!(peak < 100 * 1024 + u64::from(count) / 4, "{peak} KiB for {count}");
}

/// Runs the program and gives the most memory that it has had, in KiB: the kernel tells of a process only while it is
/// there. `STALECARD_PROGRAM`: another build of it, to be measured in place of the one that is tested.
fn with_peak(workshop: &Workshop, words: &[&str]) -> (Output, u64) {
    let mut program = workshop.program(words);
    if let Some(other) = std::env::var_os("STALECARD_PROGRAM") {
        let own = std::mem::replace(&mut program, Command::new(other));
        program.args(own.get_args()).current_dir(workshop.path()).env("HOME", workshop.path());
    }
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
