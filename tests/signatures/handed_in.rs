//! What people hand in to `verify`: names and keys that go together in unusual ways, files that are
//! something else, and such as were made to do harm.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::table::Workshop;

/// Keys `old`, `new` and `other`, and an openssl configuration that writes no extensions of its own.
fn workshop() -> Workshop {
    let workshop = Workshop::new();
    for name in ["old", "new", "other"] {
        assert!(
            workshop.openssl(&format!("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {name}"))
        );
        assert!(workshop.openssl(&format!("pkey -in {name} -pubout -out {name}.pub")));
    }
    fs::write(workshop.path("bare.conf"), "[req]\ndistinguished_name = name\n[name]\n").unwrap();
    assert!(workshop.openssl("req -x509 -new -key old -subj /CN=Root -out old.pem"));
    assert!(workshop.openssl("req -x509 -new -key new -subj /CN=Root -out new.pem"));
    workshop
}

/// Exit code, findings, and the answer about the first structure.
fn ask(workshop: &Workshop, arguments: &[&str]) -> (i32, Vec<String>, Value) {
    let (code, report) = workshop.verify(arguments);
    let findings = report["findings"].as_array().unwrap();
    let ids = findings.iter().map(|finding| finding["id"].as_str().unwrap().to_owned()).collect();
    (code, ids, report["attribution"].clone())
}

fn refused(workshop: &Workshop, arguments: &[&str]) -> String {
    let began = Instant::now();
    let output = workshop.run(Path::new(env!("CARGO_BIN_EXE_stalecard")), arguments);
    assert!(began.elapsed() < Duration::from_secs(5), "{arguments:?}");
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// A CA's new key under the old name, certified by the old key: nobody has lied.
#[test]
fn a_self_issued_certificate_by_another_key_of_the_name_is_no_stale_one() {
    let workshop = workshop();
    fs::write(workshop.path("rollover"), "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid:always\n")
        .unwrap();
    assert!(workshop.openssl("req -new -key new -subj /CN=root -out new.req"));
    assert!(workshop.openssl(
        "x509 -req -in new.req -CA old.pem -CAkey old -set_serial 7 -extfile rollover -out rollover.pem"
    ));
    // The names differ in case only. Without the old key nothing is decided, with it all is well.
    let (code, findings, answer) = ask(&workshop, &["--certificate", "rollover.pem"]);
    assert_eq!((code, findings.len(), &answer["issuer"]), (3, 0, &Value::from("CN=Root")), "{answer}");
    assert!(answer["note"].as_str().unwrap().contains("self-issued, not self-signed"), "{answer}");
    let (code, findings, answer) = ask(&workshop, &["--certificate", "rollover.pem", "--pubkey", "old.pub"]);
    assert_eq!((code, findings.len(), &answer["good"]), (0, 0, &Value::from(true)), "{answer}");
    assert!(answer["note"].as_str().unwrap().contains("self-issued, not self-signed"), "{answer}");
}

/// The case that this program is for: the old public key, the old key's identifiers, the new key's signature.
#[test]
fn a_certificate_that_claims_its_own_key_and_was_made_by_another_is_found() {
    let workshop = workshop();
    let foreign = "-force_pubkey old.pub -signkey new";
    assert!(workshop.openssl(&format!("x509 -in old.pem {foreign} -out stale.pem")));
    for certificate in ["stale.pem"] {
        for more in [&[][..], &["--pubkey", "new.pub"], &["--pubkey", "other.pub"], &["--pubkey", "old.pub"]]
        {
            let arguments = [&["--certificate", certificate], more].concat();
            let (code, findings, answer) = ask(&workshop, &arguments);
            assert_eq!(
                (code, findings),
                (1, vec!["signed-by-other-key".to_owned()]),
                "{arguments:?}: {answer}"
            );
            assert_eq!(answer["made_by"] != Value::Null, more.contains(&"new.pub"), "{answer}");
            // Who made it is one of two.
            let candidates = answer["candidates"].as_array().unwrap();
            assert_eq!(candidates.len(), if more.contains(&"new.pub") { 0 } else { 2 }, "{answer}");
        }
    }
}

/// The same without identifiers can be a CA's new key as well: whoever signed it is told, and nothing decided.
#[test]
fn a_certificate_that_claims_nobodys_key_is_left_open() {
    let workshop = workshop();
    assert!(workshop.openssl("req -x509 -new -key old -subj /CN=Root -config bare.conf -out bare-old.pem"));
    assert!(workshop.openssl("x509 -in bare-old.pem -force_pubkey old.pub -signkey new -out bare.pem"));
    for more in [&[][..], &["--pubkey", "new.pub"], &["--pubkey", "other.pub"], &["--pubkey", "old.pub"]] {
        let arguments = [&["--certificate", "bare.pem"], more].concat();
        let (code, findings, answer) = ask(&workshop, &arguments);
        assert_eq!(
            (code, findings.len(), &answer["good"]),
            (3, 0, &Value::from(false)),
            "{arguments:?}: {answer}"
        );
        assert_eq!(answer["made_by"] != Value::Null, more.contains(&"new.pub"), "{answer}");
        assert!(answer["note"].as_str().unwrap().contains("stale cache"), "{answer}");
    }
}

#[test]
fn what_is_signed_by_its_own_key_under_another_name_is_said() {
    let workshop = workshop();
    assert!(workshop.openssl("req -new -key old -subj /CN=leaf -out leaf.req"));
    assert!(workshop.openssl("x509 -req -in leaf.req -CA old.pem -CAkey old -set_serial 7 -out leaf.pem"));
    let (code, findings, answer) = ask(&workshop, &["--certificate", "leaf.pem"]);
    assert_eq!((code, findings.len(), &answer["issuer"]), (3, 0, &Value::from("CN=Root")), "{answer}");
    assert!(answer["note"].as_str().unwrap().contains("self-signed under another name"), "{answer}");
}

#[test]
fn pem_is_read_as_openssl_reads_it() {
    let workshop = workshop();
    let text = String::from_utf8(workshop.read("old.pem")).unwrap();
    let indented = text.lines().map(|line| format!("  {line} \n")).collect::<String>();
    for variant in [
        format!("\u{feff}{text}"),
        text.replace('\n', "\r\n"),
        format!("Certificate:\n    Data: -----\n\n{text}"),
        text.replace("-----\nM", "-----\n\n \nM"),
        indented,
    ] {
        fs::write(workshop.path("variant.pem"), &variant).unwrap();
        let (code, findings, _) =
            ask(&workshop, &["--certificate", "variant.pem", "--pubkey", "variant.pem"]);
        assert_eq!((code, findings.len()), (0, 0), "{variant}");
    }
}

#[test]
fn every_structure_of_a_file_is_judged_and_the_rest_is_named() {
    let workshop = workshop();
    assert!(workshop.openssl("x509 -in old.pem -force_pubkey old.pub -signkey new -out stale.pem"));
    assert!(workshop.openssl("req -new -key new -subj /CN=x -out x.req"));
    let bundle: Vec<u8> =
        ["old.pem", "old.pub", "stale.pem", "x.req"].iter().flat_map(|name| workshop.read(name)).collect();
    fs::write(workshop.path("bundle"), bundle).unwrap();
    let (code, report) = workshop.verify(&["--certificate", "bundle"]);
    let good: Vec<_> =
        report["attributions"].as_array().unwrap().iter().map(|answer| answer["good"] == true).collect();
    assert_eq!((code, good), (1, vec![true, false, true]), "{report}");
    let coverage = report["coverage"].to_string();
    assert!(coverage.contains("a public key in it was not judged"), "{coverage}");
    // DER, one after the other.
    for name in ["old", "stale"] {
        assert!(workshop.openssl(&format!("x509 -in {name}.pem -outform DER -out {name}.der")));
    }
    let both: Vec<u8> = ["old.der", "stale.der"].iter().flat_map(|name| workshop.read(name)).collect();
    fs::write(workshop.path("both.der"), both).unwrap();
    assert_eq!(ask(&workshop, &["--certificate", "both.der"]).1, ["signed-by-other-key"]);
}

/// Not answered with "nobody's signature": named.
#[test]
fn a_container_in_place_of_a_signature_is_refused_by_its_name() {
    let workshop = workshop();
    let cms = "cms -sign -binary -in data -signer old.pem -inkey old";
    for (name, how) in [
        ("cms.der", format!("{cms} -outform DER -out cms.der")),
        ("cms-stream.der", format!("{cms} -stream -outform DER -out cms-stream.der")),
        ("cms.pem", format!("{cms} -outform PEM -out cms.pem")),
        ("smime", format!("{cms} -outform SMIME -out smime")),
        ("p12", "pkcs12 -export -passout pass: -in old.pem -inkey old -out p12".to_owned()),
        ("crl", "ca -gencrl -keyfile old -cert old.pem -config ca.conf -out crl".to_owned()),
        ("tsq", "ts -query -data data -out tsq".to_owned()),
    ] {
        let conf = "[ca]\ndefault_ca = x\n[x]\ndatabase = index\ndefault_md = sha256\ndefault_crl_days = 9\n";
        fs::write(workshop.path("ca.conf"), conf).unwrap();
        fs::write(workshop.path("index"), "").unwrap();
        assert!(workshop.openssl(&how), "{how}");
        assert!(workshop.path(name).exists());
    }
    fs::write(workshop.path("ssh"), "-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n")
        .unwrap();
    fs::write(workshop.path("sshsig"), b"SSHSIG\0\0\0\x01").unwrap();
    fs::write(workshop.path("pgp"), "-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n")
        .unwrap();
    fs::write(workshop.path("jws"), "eyJhbGciOiJFUzI1NiJ9.e30.c2ln").unwrap();
    fs::write(workshop.path("key.ssh"), "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA user@host\n").unwrap();
    for (file, word) in [
        ("cms.der", "CMS"),
        ("cms-stream.der", "CMS"),
        ("cms.pem", "CMS"),
        ("smime", "S/MIME"),
        ("p12", "PKCS#12"),
        ("crl", "CRL"),
        ("tsq", "timestamp"),
        ("ssh", "OpenSSH signature"),
        ("sshsig", "OpenSSH signature"),
        ("pgp", "OpenPGP"),
        ("jws", "JWS"),
        ("old.pem", "X.509 certificate"),
        ("key.ssh", "OpenSSH public key"),
    ] {
        // Signed data says itself what is signed, and by whom.
        let is_taken = file.starts_with("cms") || file == "smime";
        if !is_taken {
            let why = refused(&workshop, &["verify", "--offline", "--data", "data", "--signature", file]);
            assert!(why.contains(word), "{file}: {why}");
        }
        if file != "old.pem" {
            let why = refused(&workshop, &["verify", "--offline", "--certificate", file]);
            assert!(why.contains(word), "{file}: {why}");
            if !["cms.pem", "smime"].contains(&file) {
                let certificate = ["verify", "--offline", "--certificate", "old.pem", "--pubkey", file];
                let why = refused(&workshop, &certificate);
                assert!(why.contains(word), "{file}: {why}");
            }
        }
    }
}

/// Signed data and OpenSSH's signatures are answered: by the key that they name, over the file that is named.
#[test]
fn a_container_is_held_against_the_file_that_it_was_made_over() {
    let workshop = workshop();
    for (name, more) in [
        ("der", "-outform DER"),
        ("stream", "-stream -outform DER"),
        ("noattr", "-noattr -outform DER"),
        ("pem", "-outform PEM"),
    ] {
        let how = format!("cms -sign -binary -in data -signer old.pem -inkey old {more} -out {name}");
        assert!(workshop.openssl(&how), "{how}");
        let words = ["verify", "--offline", "--data", "data", "--signature", name];
        // Good is only who is known; its own certificate comes with it, and proves nothing but itself.
        let output = workshop.run(Path::new(env!("CARGO_BIN_EXE_stalecard")), &words);
        assert_eq!(output.status.code(), Some(3), "{name}: {output:?}");
        let text = String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(!text.starts_with("WRONG"), "{name}: {text}");
        assert!(text.contains("It fits the key that comes with it"), "{name}: {text}");
        let named = [&words[..], &["--pubkey", "old.pem"]].concat();
        let output = workshop.run(Path::new(env!("CARGO_BIN_EXE_stalecard")), &named);
        assert_eq!(output.status.code(), Some(0), "{name}: {output:?}");
        // Over another file it is no valid one.
        let other = ["verify", "--offline", "--data", "old.pem", "--signature", name, "--pubkey", "old.pem"];
        let output = workshop.run(Path::new(env!("CARGO_BIN_EXE_stalecard")), &other);
        assert_eq!(output.status.code(), Some(1), "{name}: {output:?}");
    }
}

/// What others have added to a signature, or what is signed itself, is not about the file.
#[test]
fn of_a_container_only_the_outermost_signatures_are_held_against_the_file() {
    let workshop = workshop();
    let made = |how: &str| assert!(workshop.openssl(how), "{how}");
    made("cms -sign -binary -nodetach -in data -signer old.pem -inkey old -outform DER -out inner");
    made("cms -sign -binary -nodetach -in inner -signer new.pem -inkey new -outform DER -out outer");
    let asked = |data: &str, key: &str| {
        let words = ["verify", "--offline", "--data", data, "--signature", "outer", "--pubkey", key];
        workshop.run(Path::new(env!("CARGO_BIN_EXE_stalecard")), &words)
    };
    let output = asked("inner", "new.pem");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for (data, key) in [("inner", "old.pem"), ("data", "old.pem"), ("data", "new.pem")] {
        let output = asked(data, key);
        assert_eq!(output.status.code(), Some(1), "{data} {key}: {output:?}");
    }
}

/// A pipe would be waited at for ever, a device may act.
#[test]
fn pipes_devices_directories_and_sockets_are_refused_unopened() {
    let workshop = workshop();
    assert!(workshop.run(Path::new("mkfifo"), &["fifo"]).status.success());
    let _socket = UnixListener::bind(workshop.path("socket")).unwrap();
    for (file, word) in [
        ("fifo", "a named pipe"),
        ("/dev/zero", "a device"),
        ("/dev/tty", "a device"),
        (".", "a directory"),
        ("socket", "a socket"),
    ] {
        for arguments in [
            &["verify", "--offline", "--certificate", file][..],
            &["verify", "--offline", "--data", file, "--signature", "data"],
            &["verify", "--offline", "--data", "data", "--signature", file],
            &["verify", "--offline", "--certificate", "old.pem", "--pubkey", file],
            &["check", "--snapshot", file],
        ] {
            let why = refused(&workshop, arguments);
            assert!(why.contains(word), "{arguments:?}: {why}");
        }
        if file != "." {
            let why = refused(&workshop, &["check", "--offline", "--against", file]);
            assert!(why.contains(word), "{file}: {why}");
        }
    }
}

/// Each has an answer in bounded time, and none is taken for a signature by another key.
#[test]
fn keys_and_numbers_made_to_do_harm() {
    use stalecard::crypto::{Outcome, Scheme, Signed, verify};
    use stalecard::format::curve;
    use stalecard::format::key::PublicKey;

    let began = Instant::now();
    let signed = Signed::message(b"x");
    let ones = |bytes: usize| vec![0xFF; bytes];
    // As large as any that is computed with, and larger ones.
    let hardest = [(2048, 8), (384, 384), (2048, 2048), (100_000, 3), (384, 385)];
    for (modulus, exponent) in hardest {
        let key = PublicKey::rsa(&ones(modulus), &ones(exponent));
        let below = [vec![0x7F], ones(modulus - 1)].concat();
        assert!(!matches!(verify(&key, Scheme::Pkcs1(None), &signed, &below), Outcome::Valid(_)));
    }
    for curve in curve::all() {
        let key = |point: Vec<u8>| PublicKey::Ec { curve_oid: curve.oid.to_vec(), point };
        let good = key(curve.base_point.to_vec());
        let length = curve.order.len();
        let mut above = curve.order.to_vec();
        *above.last_mut().unwrap() += 1;
        for number in [vec![0; length], curve.order.to_vec(), above, ones(length)] {
            let one = [vec![0; length - 1], vec![1]].concat();
            for signature in [[number.clone(), one.clone()].concat(), [one, number].concat()] {
                assert_eq!(verify(&good, Scheme::Ecdsa(None), &signed, &signature), Outcome::Invalid);
            }
        }
        // The point at infinity, and hybrid points with the wrong sign.
        let y_is_odd = curve.base_point.last().unwrap() & 1;
        let hybrid = |lead: u8| key([&[lead], &curve.base_point[1..]].concat());
        let ones = [ones(length), ones(length)].concat();
        for bad in [key(vec![0]), key(vec![]), key([vec![4], ones.clone()].concat()), hybrid(7 - y_is_odd)] {
            let outcome = verify(&bad, Scheme::Ecdsa(None), &signed, &ones);
            assert!(matches!(outcome, Outcome::NotDecidable(_)), "{outcome:?}");
        }
        assert_eq!(verify(&hybrid(6 + y_is_odd), Scheme::Ecdsa(None), &signed, &ones), Outcome::Invalid);
    }
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());

    // Structures within structures, and a bundle of very many.
    let workshop = workshop();
    let mut nested = vec![0x30, 0x80];
    nested.extend([0x30, 0x80].repeat(200_000));
    fs::write(workshop.path("nested"), nested).unwrap();
    let why = refused(&workshop, &["verify", "--offline", "--certificate", "nested"]);
    assert!(why.contains("neither a certificate nor"), "{why}");
    let many = workshop.read("old.pem").repeat(1_200);
    fs::write(workshop.path("many"), &many[..many.len().min(1 << 20)]).unwrap();
    let (code, report) = workshop.verify(&["--certificate", "many"]);
    assert!(code == 3 || code == 0, "{code}");
    assert!(report["attributions"].as_array().unwrap().len() <= 1_000);
}

/// A JSON Web Key of a P-256 key.
fn jwk(workshop: &Workshop, name: &str) -> Value {
    use stalecard::format::key::PublicKey;
    let key = stalecard::crypto::given::public_key(&workshop.read(&format!("{name}.pub")), None).unwrap();
    let PublicKey::Ec { point, .. } = key else { panic!("{key:?}") };
    let part = |range: std::ops::Range<usize>| data_encoding::BASE64URL_NOPAD.encode(&point[range]);
    serde_json::json!({ "kty": "EC", "crv": "P-256", "x": part(1..33), "y": part(33..65) })
}

/// Bare, in CMS, of OpenSSH; the key as SubjectPublicKeyInfo, certificate, request, OpenSSH's line, JWK, set of JWKs, point.
#[test]
fn a_signature_in_every_form_is_held_against_a_key_in_every_form() {
    let workshop = workshop();
    let run = |program: &str, words: &str| {
        let words: Vec<&str> = words.split_whitespace().collect();
        let output = workshop.run(Path::new(program), &words);
        assert!(output.status.success(), "{program} {words:?}: {output:?}");
        output.stdout
    };
    let mut points = Vec::new();
    for name in ["old", "new"] {
        run("openssl", &format!("req -new -key {name} -subj /CN=x -out {name}.csr"));
        run("openssl", &format!("ec -in {name} -out {name}.sec1"));
        run("chmod", &format!("600 {name}.sec1"));
        fs::write(workshop.path(&format!("{name}.ssh")), run("ssh-keygen", &format!("-y -f {name}.sec1")))
            .unwrap();
        let jwk = jwk(&workshop, name);
        fs::write(workshop.path(&format!("{name}.jwk")), jwk.to_string()).unwrap();
        let set = serde_json::json!({ "keys": [jwk] });
        fs::write(workshop.path(&format!("{name}.jwks")), set.to_string()).unwrap();
        let key = stalecard::crypto::given::public_key(&workshop.read(&format!("{name}.pub")), None).unwrap();
        let stalecard::format::key::PublicKey::Ec { point, .. } = key else { panic!("{key:?}") };
        points.push(data_encoding::HEXLOWER.encode(&point));
    }
    run("openssl", "dgst -sha256 -sign old -out bare data");
    run("openssl", "cms -sign -binary -in data -signer old.pem -inkey old -outform DER -out cms");
    run(
        "openssl",
        "cms -sign -binary -noattr -nocerts -keyid -in data -signer old.pem -inkey old -outform PEM -out keyid",
    );
    fs::copy(workshop.path("old.ssh"), workshop.path("old.sec1.pub")).unwrap();
    run("ssh-keygen", "-q -Y sign -f old.sec1 -n file data");
    fs::rename(workshop.path("data.sig"), workshop.path("ssh")).unwrap();
    fs::write(workshop.path("changed"), "Sample Date").unwrap();
    let forms = ["pub", "pem", "csr", "ssh", "jwk", "jwks"];
    let named = |name: &str, point: &String| -> Vec<String> {
        forms.iter().map(|form| format!("{name}.{form}")).chain([point.clone()]).collect()
    };
    for signature in ["bare", "cms", "keyid", "ssh"] {
        for key in named("old", &points[0]) {
            let words = ["--signature", signature, "--pubkey", &key];
            let (code, findings, answer) = ask(&workshop, &[&["--data", "data"][..], &words].concat());
            assert_eq!((code, findings.len()), (0, 0), "{signature} {key}: {answer}");
            assert_eq!(answer["made_by"]["places"][0]["kind"], "given", "{signature} {key}: {answer}");
            // Over other bytes it is no valid one, and no other key's either.
            let (code, findings, answer) = ask(&workshop, &[&["--data", "changed"][..], &words].concat());
            assert_eq!((code, findings.len()), (1, 0), "{signature} {key}: {answer}");
        }
        for key in named("new", &points[1]) {
            let words = ["--data", "data", "--signature", signature, "--pubkey", &key];
            let (code, _, answer) = ask(&workshop, &words);
            // Of a key that only its identifier names nothing is known.
            let expected = if signature == "keyid" { 3 } else { 1 };
            assert_eq!(
                (code, &answer["good"]),
                (expected, &Value::from(false)),
                "{signature} {key}: {answer}"
            );
        }
    }
    // What is signed in it is not what the file holds.
    run(
        "openssl",
        "cms -sign -binary -noattr -nodetach -in data -signer old.pem -inkey old -outform DER -out whole",
    );
    for (data, code) in [("data", 0), ("changed", 1)] {
        let words = ["--data", data, "--signature", "whole", "--pubkey", "old.pem"];
        let (ended, _, answer) = ask(&workshop, &words);
        assert_eq!((ended, &answer["good"]), (code, &Value::from(code == 0)), "{data}: {answer}");
    }
    // A time stamp is about a digest; what it says of itself is refused by its name.
    fs::write(workshop.path("ext"), "extendedKeyUsage=critical,timeStamping\n").unwrap();
    fs::write(
        workshop.path("tsa.conf"),
        "[tsa]\ndefault_tsa=t\n[t]\nserial=number\nsigner_digest=sha256\ndefault_policy=1.2.3.4\ndigests=sha256\n",
    )
    .unwrap();
    fs::write(workshop.path("number"), "01\n").unwrap();
    run("openssl", "req -new -key old -subj /CN=tsa -out tsa.csr");
    run("openssl", "x509 -req -in tsa.csr -CA old.pem -CAkey old -set_serial 9 -extfile ext -out tsa.pem");
    run("openssl", "ts -query -data data -sha256 -cert -out query");
    let reply = "ts -reply -config tsa.conf -queryfile query -signer tsa.pem -inkey old";
    run("openssl", &format!("{reply} -out stamp"));
    run("openssl", &format!("{reply} -token_out -out token"));
    for stamp in ["stamp", "token"] {
        let why = refused(&workshop, &["verify", "--offline", "--data", "data", "--signature", stamp]);
        assert!(why.contains("a timestamp (RFC 3161)"), "{stamp}: {why}");
        let (code, report) = workshop.stalecard("audit", &["--pubkey", "old.pem", stamp]);
        assert_eq!((code, &report["audit"]["sound"]), (0, &Value::from(2)), "{stamp}: {report}");
    }
    // What is no key is said to be none.
    fs::write(workshop.path("pgp"), "-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n")
        .unwrap();
    let why = refused(&workshop, &["verify", "--offline", "--data", "data", "--signature", "pgp"]);
    assert!(why.contains("OpenPGP"), "{why}");
}

/// A list names its issuer, by name or by the identifier of its key: the issuer's key in any form decides.
#[test]
fn a_revocation_list_is_held_against_its_issuers_key_in_every_form() {
    let workshop = workshop();
    let conf = "[ca]\ndefault_ca = x\n[x]\ndatabase = index\ndefault_md = sha256\ndefault_crl_days = 9\n\
                crl_extensions = list\n[list]\nauthorityKeyIdentifier = keyid\n";
    fs::write(workshop.path("ca.conf"), conf).unwrap();
    fs::write(workshop.path("index"), "").unwrap();
    assert!(workshop.openssl("ca -gencrl -keyfile old -cert old.pem -config ca.conf -out crl"));
    assert!(workshop.openssl("req -new -key old -subj /CN=x -out old.csr"));
    fs::write(workshop.path("old.jwk"), jwk(&workshop, "old").to_string()).unwrap();
    for key in ["old.pem", "old.pub", "old.csr", "old.jwk"] {
        let (code, report) = workshop.stalecard("audit", &["--pubkey", key, "crl"]);
        assert_eq!((code, &report["audit"]["sound"]), (0, &Value::from(1)), "{key}: {report}");
    }
    // Made by another key under its name and identifier.
    assert!(workshop.openssl("x509 -in old.pem -force_pubkey new.pub -signkey new -out stale.pem"));
    assert!(workshop.openssl("ca -gencrl -keyfile new -cert stale.pem -config ca.conf -out crl"));
    for key in ["old.pem", "old.pub", "old.csr", "old.jwk"] {
        let (code, report) = workshop.stalecard("audit", &["--pubkey", key, "crl"]);
        assert_eq!((code, &report["audit"]["bad"]), (1, &Value::from(1)), "{key}: {report}");
    }
}
