//! Files that were made to take long, to fill memory, or to be misread.

use std::time::{Duration, Instant};

use virtual_card::openssl::pkey::{PKey, Private};

use super::*;

/// An element of DER.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let head = match length {
        0..=0x7F => vec![tag, u8::try_from(length).unwrap()],
        _ => [vec![tag, 0x84], u32::try_from(length).unwrap().to_be_bytes().to_vec()].concat(),
    };
    [head, content.to_vec()].concat()
}

/// A certificate of this key information, with this signature.
fn certificate(key: &[u8], signature: &[u8]) -> Vec<u8> {
    let ecdsa = element(0x30, &[6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 4, 3, 2]);
    let rsa = element(0x30, &[6, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 11, 5, 0]);
    let algorithm =
        if key.windows(7).any(|part| part == [0x2A, 0x86, 0x48, 0xCE, 0x3D, 2, 1]) { ecdsa } else { rsa };
    let name = element(0x30, &element(0x31, &element(0x30, &[6, 3, 0x55, 4, 3, 0x0C, 1, b'x'])));
    let time = element(0x17, b"260101000000Z");
    let body = [
        vec![2, 1, 1],
        algorithm.clone(),
        name.clone(),
        element(0x30, &[time.clone(), time].concat()),
        name,
        key.to_vec(),
    ];
    let bits = [&[0], signature].concat();
    element(0x30, &[element(0x30, &body.concat()), algorithm, element(0x03, &bits)].concat())
}

fn rsa_key(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let numbers = [element(2, modulus), element(2, exponent)].concat();
    let bits = [vec![0], element(0x30, &numbers)].concat();
    let algorithm = element(0x30, &[6, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 1, 5, 0]);
    element(0x30, &[algorithm, element(3, &bits)].concat())
}

fn ec_key(point: &[u8]) -> Vec<u8> {
    let algorithm =
        [&[6, 7, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 2, 1][..], &[6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7]]
            .concat();
    element(0x30, &[element(0x30, &algorithm), element(3, &[&[0], point].concat())].concat())
}

/// Audited within a time that nobody minds, without ever being called another key's.
#[track_caller]
fn audited(workshop: &Workshop, words: &[&str]) -> (i32, Value) {
    let begun = Instant::now();
    let (code, report) = workshop.audit(words);
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    (code, report)
}

#[test]
fn keys_and_numbers_that_are_none() {
    let workshop = Workshop::new();
    let key = PKey::<Private>::ec_gen("prime256v1").unwrap();
    let point = {
        let spki = key.public_key_to_der().unwrap();
        spki[spki.len() - 65..].to_vec()
    };
    let pair = |r: &[u8], s: &[u8]| element(0x30, &[element(2, r), element(2, s)].concat());
    let order = [
        0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xBC, 0xE6,
        0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51,
    ];
    for (name, r, s) in [
        ("zero", &[0][..], &[0][..]),
        ("r zero", &[0], &[1]),
        ("s zero", &[1], &[0]),
        ("order", &order, &order),
        ("one", &[1], &[1]),
    ] {
        workshop.write(name, certificate(&ec_key(&point), &pair(r, s)));
    }
    workshop.write("infinity", certificate(&ec_key(&[0]), &pair(&[1], &[1])));
    workshop.write("off the curve", certificate(&ec_key(&[4; 65]), &pair(&[1], &[1])));
    workshop.write("huge modulus", certificate(&rsa_key(&vec![0x7F; 1 << 20], &[1, 0, 1]), &[1; 256]));
    workshop.write("huge exponent", certificate(&rsa_key(&[0x7F; 512], &[0x7F; 511]), &[1; 512]));
    workshop.write("largest", certificate(&rsa_key(&[0x7F; 2_048], &[0x7F; 7]), &[1; 2_048]));
    let (code, report) = audited(&workshop, &["."]);
    assert!(matches!(code, 1 | 3), "{report}");
    assert_eq!(report["audit"]["sound"], 0, "{report}");
    assert_eq!(report["audit"]["artefacts"], 10, "{report}");
    // Of a key that is not computed nobody knows that it did not sign.
    for name in ["infinity", "off the curve", "huge modulus"] {
        let (code, report) = audited(&workshop, &[name]);
        let why = report["coverage"][0]["why"].as_str().unwrap();
        assert!(
            code == 3 && why.starts_with("cannot be checked with the key that it names"),
            "{name}: {why}"
        );
    }
}

#[test]
fn nesting_and_lengths() {
    let workshop = Workshop::new();
    let signed_data = [6, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 7, 2];
    workshop.write("deep", [0x30, 0x80].repeat(1 << 20));
    workshop.write("deep with its ends", [[0x30, 0x80].repeat(1 << 20), [0, 0].repeat(1 << 20)].concat());
    let mut definite = vec![5, 0];
    for _ in 0..2_000 {
        definite = element(0x30, &definite);
    }
    workshop.write("deep with lengths", definite);
    workshop.write("deep cms", [&[0x30, 0x80][..], &signed_data, &[0xA0, 0x80].repeat(1 << 18)].concat());
    workshop
        .write("pieces", [&[0x30, 0x80][..], &[0x24, 0x80], &[4, 0].repeat(1 << 20), &[0, 0, 0, 0]].concat());
    workshop.write("empty ones", [0x30, 0].repeat(1 << 20));
    workshop.write("long", [0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]);
    workshop.write("json", ["{\"signature\":"; 100_000].concat());
    workshop.write("one line", vec![b'A'; 8 << 20]);
    workshop.write("blocks", "-----BEGIN CERTIFICATE-----\n".repeat(200_000));
    workshop.write("ldif", "a:: AAAA\n ".repeat(500_000));
    // Lengths that lie, in what is no DER.
    let base64 = |bytes: &[u8]| data_encoding::BASE64.encode(bytes);
    let huge = 0xFFFF_FFF0_u32.to_be_bytes();
    workshop.write("sshsig", [b"SSHSIG".as_slice(), &[0, 0, 0, 1], &huge, &[0; 64]].concat());
    let line = |kind: &str| {
        let name = [&[0, 0, 0, u8::try_from(kind.len()).unwrap()][..], kind.as_bytes()].concat();
        format!("{kind} {} x\n", base64(&[&name[..], &huge, &[0; 64]].concat()))
    };
    workshop.write("ssh.pub", line("ssh-rsa") + &line("ecdsa-sha2-nistp256-cert-v01@openssh.com"));
    workshop.write("cvc", [0x7F, 0x21, 0x84, 0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0x4E, 0]);
    workshop.write("jws", format!("eyJhbGciOiJFUzI1NiJ9.{}.{}", "A".repeat(1 << 20), "A".repeat(1 << 20)));
    workshop.write("index.txt", "V\t".repeat(1 << 20));
    // In little memory, all of it.
    let program = env!("CARGO_BIN_EXE_stalecard");
    workshop.sh(&format!(
        "ulimit -v 700000; code=0; {program} audit --offline . >/dev/null || code=$?; test $code -le 3"
    ));
    let (code, report) = audited(&workshop, &["."]);
    assert!(matches!(code, 0 | 3), "{report}");
    // The signature that says of itself what it is over is there, and its key is not.
    assert_eq!(report["audit"]["artefacts"], 1, "{report}");
    assert_eq!(counted(&report, "jws", "issuer-not-known"), 1, "{report}");
    // What begins like signed data and cannot be read is not passed over.
    let (code, _) = audited(&workshop, &["deep cms"]);
    assert_eq!(code, 3);
}

#[test]
fn files_that_are_no_files_or_have_no_end() {
    let workshop = Workshop::new();
    workshop.sh(
        "truncate -s 10G zeros; printf '\\060\\204\\177\\377\\377\\377\\060\\202' >structure; truncate -s 3G structure
         mkfifo pipe; ln -s loop loop; mkdir -p a/b; ln -s ../.. a/b/up; ln -s /dev/zero zero",
    );
    for words in [&["."][..], &["--follow", "."], &["--one-file-system", "."]] {
        let (code, report) = audited(&workshop, words);
        // Only what may be signed, and is too large, is not covered.
        assert_eq!(code, 3, "{report}");
        let coverage = report["coverage"].as_array().unwrap();
        assert_eq!((coverage.len(), &coverage[0]["what"]), (1, &Value::from("./structure")), "{report}");
        assert!(coverage[0]["why"].as_str().unwrap().contains("too large"), "{report}");
        assert_eq!(report["audit"]["passed"], 1, "{report}");
    }
    // Named itself, a pipe is not waited for, and a link not followed for ever: they are said not to be looked at.
    for name in ["pipe", "zero", "loop"] {
        let (code, report) = audited(&workshop, &[name]);
        assert_eq!((code, report["coverage"][0]["what"].as_str()), (3, Some(name)), "{report}");
    }
}

#[test]
fn very_many_files() {
    let workshop = Workshop::new();
    let count = if is_long() { 1_000_000 } else { 3_000 };
    workshop.sh(&format!("mkdir many; cd many; seq 1 {count} | split -l 1 -a 6 -; mkdir deep; cd deep; for i in $(seq 100); do mkdir d; cd d; done"));
    let begun = Instant::now();
    let (code, report) = workshop.audit(&["."]);
    assert_eq!((code, report["audit"]["files"].as_u64()), (0, Some(count)), "{report}");
    println!("{count} files in {:?}", begun.elapsed());
}

#[test]
fn what_strangers_call_things_does_not_act() {
    let workshop = Workshop::new();
    workshop.sh(
        "openssl req -new -x509 -newkey rsa:1024 -nodes -keyout k -utf8 -subj \"$(printf '/CN=a\\033[31m\\342\\200\\256b,\\042c')\" -out a.pem 2>/dev/null
         sed -i 's/^MII\\(.*\\)$/MII\\1/' a.pem; openssl x509 -in a.pem -outform DER -out \"$(printf 'na\\033me\\n')\"
         rm k",
    );
    // The signature's last byte is changed: invalid, or another's.
    let name = std::fs::read_dir(workshop.path())
        .unwrap()
        .map(|one| one.unwrap().file_name().into_string().unwrap());
    let name = name.into_iter().find(|name| name.starts_with("na")).unwrap();
    let mut der = workshop.read(&name);
    *der.last_mut().unwrap() ^= 1;
    workshop.write(&name, der);
    for format in ["human", "csv", "json"] {
        let output = workshop.program(&["--format", format, "."]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
    }
}
