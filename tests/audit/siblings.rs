//! What lies beside the usual artefacts in such folders: other forms of the same, and other formats with signatures.
//! Each is judged, or named and not opened, or said not to be computable; what nobody has signed is nothing.

use data_encoding::{BASE64, BASE64URL_NOPAD as BASE64URL};
use virtual_card::openssl::ecdsa::EcdsaSig;
use virtual_card::openssl::hash::{MessageDigest, hash};
use virtual_card::openssl::pkey::{PKey, Private};

use super::*;

/// An element of DER, of less than 64 KiB.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    let head = match content.len() {
        0..=0x7F => vec![tag, low],
        0x80..=0xFF => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [head, content.to_vec()].concat()
}

/// What an audit makes of one file.
struct Made {
    code: i32,
    report: Value,
}

impl Made {
    fn of(name: &str, bytes: &[u8]) -> Self {
        let workshop = Workshop::new();
        workshop.write(name, bytes);
        let (code, report) = workshop.audit(&["."]);
        Self { code, report }
    }

    fn number(&self, name: &str) -> u64 {
        self.report["audit"][name].as_u64().unwrap()
    }

    #[track_caller]
    fn is_named(&self, name: &str) {
        let closed = self.report["audit"]["not_opened"].as_object().unwrap();
        assert_eq!(
            (self.code, closed.keys().map(String::as_str).collect::<Vec<_>>(), self.number("artefacts")),
            (0, vec![name], 0),
            "{}",
            self.report
        );
    }
}

#[test]
fn an_spkac_is_a_request() {
    let workshop = Workshop::new();
    workshop.sh(
        "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec 2>/dev/null
         openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa 2>/dev/null
         mkdir files; for key in ec rsa; do openssl spkac -key $key -digest sha256 -challenge word -out files/$key; done
         sed -n 's/^SPKAC=//p' files/ec | openssl base64 -d -A >files/der
         printf 'CN=somebody\\n' >>files/rsa
         openssl spkac -in files/ec -verify -noout",
    );
    let (code, report) = workshop.audit(&["files"]);
    // The same request in text and in DER is one.
    assert_eq!(
        (code, counted(&report, "request", "sound"), report["audit"]["repeated"].as_u64()),
        (0, 2, Some(1)),
        "{report}"
    );
    // Another challenge than was signed.
    let mut der = workshop.read("files/der");
    let place = der.windows(4).position(|part| part == b"word").unwrap();
    der[place] = b'W';
    workshop.write("files/der", &der);
    let (code, report) = workshop.audit(&["files/der"]);
    assert_eq!((code, bad(&report)), (1, BTreeSet::from(["files/der".to_owned()])), "{report}");
}

/// A JSON Web Signature with this header over what is signed behind it; the payload stands in it as it is given.
fn jws(key: &PKey<Private>, header: &str, signed: &[u8], payload: &str) -> String {
    let before = BASE64URL.encode(header.as_bytes());
    let over = [before.as_bytes(), b".", signed].concat();
    let digest = hash(MessageDigest::sha256(), &over).unwrap();
    let signature = EcdsaSig::sign(&digest, &key.ec_key().unwrap()).unwrap();
    let signature = [signature.r(), signature.s()].map(|one| one.to_vec_padded(32).unwrap()).concat();
    format!("{before}.{payload}.{}", BASE64URL.encode(&signature))
}

#[test]
fn payloads_of_json_web_signatures_may_be_plain_or_elsewhere() {
    let key = PKey::<Private>::ec_gen("prime256v1").unwrap();
    let spki = key.public_key_to_der().unwrap();
    let [x, y] = [&spki[spki.len() - 64..spki.len() - 32], &spki[spki.len() - 32..]]
        .map(|part| BASE64URL.encode(part));
    let header = |more: &str| {
        format!(r#"{{"alg":"ES256","jwk":{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"}}{more}}}"#)
    };
    let plain = header(r#","b64":false,"crit":["b64"]"#);
    let encoded = BASE64URL.encode(b"content\n");
    let workshop = Workshop::new();
    workshop.write("plain", jws(&key, &plain, b"$02", "$02"));
    let whole = jws(&key, &plain, b"a.b", "");
    let (before, signature) = whole.split_once("..").unwrap();
    workshop.write(
        "plain.json",
        serde_json::json!({ "protected": before, "payload": "a.b", "signature": signature }).to_string(),
    );
    workshop.write("content", "content\n");
    workshop.write("content.jws", jws(&key, &header(""), encoded.as_bytes(), ""));
    std::fs::copy(workshop.path().join("content"), workshop.path().join("other")).unwrap();
    workshop.write("other.jws", jws(&key, &plain, b"content\n", ""));
    let (code, report) = workshop.audit(&["."]);
    assert_eq!((code, counted(&report, "jws", "sound")), (0, 4), "{report}");
    // It is what is beside it that counts.
    workshop.write("content", "changed\n");
    std::fs::remove_file(workshop.path().join("other")).unwrap();
    let (code, report) = workshop.audit(&["."]);
    assert_eq!(
        (code, counted(&report, "jws", "sound"), counted(&report, "jws", "not-decided")),
        (3, 2, 2),
        "{report}"
    );
    let whys: Vec<&str> =
        report["coverage"].as_array().unwrap().iter().map(|gap| gap["why"].as_str().unwrap()).collect();
    assert!(whys.iter().any(|why| why.contains("not beside it")), "{whys:?}");
    // Another payload than was signed.
    let other = Made::of("plain", jws(&key, &plain, b"$02", "$03").as_bytes());
    assert_eq!((other.code, other.number("bad")), (1, 1), "{}", other.report);
}

#[test]
fn mail_time_stamps_and_precertificates_are_judged() {
    let workshop = Workshop::new();
    workshop.sh(
        "openssl req -new -x509 -newkey rsa:2048 -nodes -keyout key -subj /CN=signer -days 9 -out signer.pem \
         -addext extendedKeyUsage=critical,timeStamping 2>/dev/null
         openssl req -new -x509 -newkey rsa:2048 -nodes -keyout ca.key -subj /CN=CA -days 9 -out ca.pem 2>/dev/null
         mkdir files; cp signer.pem ca.pem files/; printf 'Hello\\n' >text
         openssl smime -sign -signer signer.pem -inkey key -in text -text -out files/mail.eml
         openssl smime -sign -nodetach -signer signer.pem -inkey key -in text -text -out files/opaque.eml
         printf '[tsa]\\ndefault_tsa = own\\n[own]\\nserial = serial\\nsigner_digest = sha256\\ndefault_policy = 1.2.3\\n\
digests = sha256\\naccuracy = secs:1\\n' >tsa.cnf
         openssl ts -query -data text -sha256 -cert -out query.tsq 2>/dev/null
         openssl ts -reply -config tsa.cnf -queryfile query.tsq -signer signer.pem -inkey key -out files/reply.tsr 2>/dev/null
         printf '1.3.6.1.4.1.11129.2.4.3=critical,ASN1:NULL\\n' >poison
         openssl req -new -key key -subj /CN=leaf -out leaf.csr
         openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -set_serial 7 -extfile poison -out files/pre.pem 2>/dev/null",
    );
    let (code, report) = workshop.audit(&["files"]);
    let sound = |kind| counted(&report, kind, "sound");
    assert_eq!(
        (code, sound("signed-data"), sound("time-stamp"), sound("certificate")),
        (0, 2, 1, 1),
        "{report}"
    );
    // A query is signed by nobody.
    let query = Made::of("query.tsq", &workshop.read("query.tsq"));
    assert_eq!((query.code, query.number("artefacts"), query.number("files")), (0, 0, 1), "{}", query.report);
}

#[test]
fn what_is_not_opened_is_named() {
    let workshop = Workshop::new();
    workshop.sh(
        "openssl req -new -x509 -newkey rsa:2048 -nodes -keyout key -subj /CN=x -days 9 -out x.pem 2>/dev/null
         echo text >text
         openssl cms -encrypt -in text -outform DER -out enveloped x.pem
         openssl cms -encrypt -aes-128-gcm -in text -outform DER -stream -out authenticated x.pem
         openssl cms -data_create -in text -outform DER -out data
         openssl pkcs12 -export -in x.pem -inkey key -passout pass:x -out store
         ssh-keygen -q -t ed25519 -N '' -f user; ssh-keygen -q -k -f revoked user.pub",
    );
    for name in ["enveloped", "authenticated", "data"] {
        Made::of(name, &workshop.read(name)).is_named("encrypted or other CMS structures");
    }
    Made::of("store", &workshop.read("store")).is_named("PKCS#12 key stores");
    Made::of("store.b64", BASE64.encode(&workshop.read("store")).as_bytes()).is_named("PKCS#12 key stores");
    Made::of("revoked", &workshop.read("revoked")).is_named("OpenSSH key revocation lists");

    // COSE_Sign1: {1: -7}, no unprotected header, a payload, a signature.
    let cose = [&[0xD2, 0x84, 0x43, 0xA1, 1, 0x26, 0xA0, 0x42, 1, 2, 0x58, 64][..], &[7; 64]].concat();
    Made::of("cose", &cose).is_named("COSE signatures");
    // Version 4, over a binary document, EdDSA, SHA-512.
    let openpgp = [&[0x88, 10, 4, 0, 22, 10, 0, 0, 0, 0, 1, 2][..]].concat();
    Made::of("text.sig", &openpgp).is_named("OpenPGP messages and keys");
    Made::of(
        "text.minisig",
        b"untrusted comment: signature\nRWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\n",
    )
    .is_named("signatures and keys of signify and minisign");
    let xml = "<?xml version=\"1.0\"?><a><ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">\
               <ds:SignatureValue>AAAA</ds:SignatureValue></ds:Signature></a>";
    Made::of("saml.xml", xml.as_bytes()).is_named("XML signatures");
    let zone = "$ORIGIN example.\na 3600 IN A 192.0.2.1\n\
                a 3600 IN RRSIG A 13 2 3600 20261230000000 20261201000000 1 example. AAAA\n";
    Made::of("zone", zone.as_bytes()).is_named("DNSSEC signatures");

    let name =
        element(0xA4, &element(0x30, &element(0x31, &element(0x30, &[6, 3, 0x55, 4, 3, 0x0C, 1, b'x']))));
    let header = element(0x30, &[&[2, 1, 2][..], &name, &name].concat());
    let cmp = element(0x30, &[header, element(0xA4, &[0x30, 0])].concat());
    Made::of("cmp", &cmp).is_named("CMP messages");
    let spki = workshop.read("x.pem");
    let key = virtual_card::openssl::x509::X509::from_pem(&spki).unwrap().public_key().unwrap();
    let mut implicit = key.public_key_to_der().unwrap();
    implicit[0] = 0xA6;
    let request = element(0x30, &[&[2, 1, 0][..], &element(0x30, &implicit)].concat());
    Made::of("crmf", &element(0x30, &element(0x30, &request))).is_named("certificate requests in CRMF");
}

#[test]
fn what_x509_signs_and_is_not_computed_is_said() {
    // Version 2, a holder, an issuer under its tag, an algorithm, a number, a time, no attributes.
    let ecdsa = element(0x30, &[6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 4, 3, 2]);
    let body = [
        element(2, &[1]),
        element(0x30, &element(0xA1, &[])),
        element(0xA0, &element(0x30, &[])),
        ecdsa.clone(),
        element(2, &[7]),
        element(0x30, &[element(0x18, b"20261201000000Z"), element(0x18, b"20271201000000Z")].concat()),
        element(0x30, &[]),
    ];
    let bits = element(3, &[&[0][..], &element(0x30, &[2, 1, 1, 2, 1, 1])].concat());
    let attribute = element(0x30, &[element(0x30, &body.concat()), ecdsa, bits].concat());
    let made = Made::of("attribute", &attribute);
    let why = made.report["coverage"][0]["why"].as_str().unwrap_or_default();
    assert!(made.code == 3 && why.contains("attribute certificates"), "{}", made.report);
}

#[test]
fn what_nobody_has_signed_is_nothing() {
    let workshop = Workshop::new();
    workshop.sh(
        "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem 2>/dev/null
         openssl pkey -in key.pem -outform DER -out key.der; openssl dhparam -dsaparam -out dh.pem 1024 2>/dev/null
         ssh-keygen -q -t ecdsa -N '' -f user; printf 'RRSIG records are explained here\\n' >words",
    );
    let jwk = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    workshop.write("jwk", jwk);
    workshop.write("jwe", "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..AAAA.AAAA.AAAA");
    workshop.write("hmac", "eyJhbGciOiJIUzI1NiJ9.e30.AAAA");
    workshop.write("page.xml", "<a>http://www.w3.org/2000/09/xmldsig#</a>");
    let (code, report) = workshop.audit(&["."]);
    let audit = &report["audit"];
    assert_eq!((code, audit["artefacts"].as_u64()), (0, Some(0)), "{report}");
    assert_eq!(audit["not_opened"].as_object().unwrap().len(), 0, "{report}");
    assert_eq!(report["coverage"].as_array().unwrap().len(), 0, "{report}");
}
