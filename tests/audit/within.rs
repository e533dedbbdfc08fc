//! Signatures within what is signed: whoever looks at the outermost alone passes over them.

use super::written::{element, first, jws, side_by_side, with_signature};
use super::*;
use virtual_card::openssl::hash::MessageDigest;
use virtual_card::openssl::nid::Nid;

/// A CA, two signers, a time stamp, a responder; messages of the first signer.
const SIGNED: &str = r#"
for key in ca first second; do openssl ecparam -genkey -name prime256v1 -noout -out $key.key; done
openssl req -new -x509 -key ca.key -subj /CN=CA -days 9 -out ca.pem
issue() { openssl req -new -key $1.key -subj /CN=$1 -out csr; echo "$3" >ext
    openssl x509 -req -in csr -CA ca.pem -CAkey ca.key -set_serial $2 -days 9 -extfile ext -out $1.pem 2>/dev/null; }
issue first 2 extendedKeyUsage=emailProtection; issue second 3 extendedKeyUsage=critical,timeStamping
echo text >data
openssl cms -sign -binary -nodetach -in data -signer first.pem -certfile second.pem -inkey first.key -outform DER -out message
printf '[tsa]\ndefault_tsa = own\n[own]\nserial = serial\nsigner_digest = sha256\ndefault_policy = 1.2.3\ndigests = sha256\n' >tsa.cnf
openssl ts -query -data data -sha256 -cert -out query 2>/dev/null
openssl ts -reply -config tsa.cnf -queryfile query -signer second.pem -inkey second.key -token_out -out token 2>/dev/null
printf 'V\t361231000000Z\t\t02\tunknown\t/CN=first\n' >index.txt
openssl ocsp -index index.txt -CA ca.pem -issuer ca.pem -rsigner ca.pem -rkey ca.key -cert first.pem -noverify -respout answer >/dev/null
mkdir files; cp ca.pem first.pem second.pem files/
"#;

fn signed() -> Workshop {
    let workshop = Workshop::new();
    workshop.sh(SIGNED);
    workshop
}

/// The last signer of a message.
fn signer(der: &[u8]) -> Vec<u8> {
    // ContentInfo, its content, the signed data, the signers.
    (0..4).fold(der.to_vec(), |der, _| {
        let (_, mut rest, _) = first(&der);
        loop {
            let (.., behind) = first(rest);
            match behind {
                [] => return rest.to_vec(),
                behind => rest = behind,
            }
        }
    })
}

/// A message with an attribute of this type (OID content) that is not signed, of its last signer.
fn with_attribute(der: &[u8], kind: &[u8], value: &[u8]) -> Vec<u8> {
    fn change(der: &[u8], depth: u8, more: &[u8]) -> Vec<u8> {
        let (tag, content, rest) = first(der);
        match (rest, depth) {
            ([], 0) => element(tag, &[content, more].concat()),
            ([], depth) => element(tag, &change(content, depth - 1, more)),
            (rest, depth) => [&der[..der.len() - rest.len()], &change(rest, depth, more)].concat(),
        }
    }
    let attribute = element(0x30, &[element(6, kind), element(0x31, value)].concat());
    change(der, 4, &element(0xA1, &attribute))
}

const PKCS9: [u8; 7] = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1];

/// As it is, and with the last byte of the last signature changed.
fn flipped(der: &[u8]) -> Vec<u8> {
    let mut changed = der.to_vec();
    *changed.last_mut().unwrap() ^= 1;
    changed
}

#[track_caller]
fn comes_to(workshop: &Workshop, right: &[u8], wrong: &[u8], sound: u64) {
    workshop.write("files/it", right);
    let (code, report) = workshop.audit(&["files"]);
    assert_eq!((code, report["audit"]["sound"].as_u64()), (0, Some(3 + sound)), "{report}");
    workshop.write("files/it", wrong);
    let (code, report) = workshop.audit(&["files"]);
    assert_eq!((code, bad(&report)), (1, BTreeSet::from(["files/it".to_owned()])), "{report}");
}

/// Asked about the file that it signs, a message answers for its signer alone.
#[track_caller]
fn is_about_its_content(workshop: &Workshop, message: &[u8]) {
    workshop.write("added", message);
    for (data, key, code) in
        [("data", "first.pem", 0), ("first.pem", "first.pem", 1), ("data", "second.pem", 1)]
    {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stalecard"));
        let words = ["verify", "--offline", "--data", data, "--signature", "added", "--pubkey", key];
        let output = command.args(words).current_dir(workshop.path()).env("HOME", workshop.path()).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(code), "{data} {key}: {output:?}");
    }
}

#[test]
fn who_signed_a_signature_is_asked() {
    let workshop = signed();
    let message = workshop.read("message");
    // What is signed is the value of the signature.
    let value = std::cell::RefCell::new(Vec::new());
    with_signature(&message, &|signature| {
        *value.borrow_mut() = signature.to_vec();
        signature.to_vec()
    });
    workshop.write("value", value.into_inner());
    workshop.sh(
        "openssl cms -sign -binary -in value -signer second.pem -inkey second.key -outform DER -out counter",
    );
    let counter = signer(&workshop.read("counter"));
    let kind = [&PKCS9[..], &[9, 6]].concat();
    let with = |counter: &[u8]| with_attribute(&message, &kind, counter);
    comes_to(&workshop, &with(&counter), &with(&flipped(&counter)), 1);
    // What such a signer has attached is looked at, too.
    let stamp = [&PKCS9[..], &[9, 16, 2, 14]].concat();
    let stamped = |token: &[u8]| with(&signer(&with_attribute(&workshop.read("counter"), &stamp, token)));
    let token = workshop.read("token");
    comes_to(&workshop, &stamped(&token), &stamped(&flipped(&token)), 2);
    is_about_its_content(&workshop, &with(&counter));
}

/// What is passed over is told, and what every signature under a policy has is not taken for a structure.
#[test]
fn attributes_that_are_not_looked_at_are_told_and_policies_are_none() {
    let workshop = signed();
    let message = workshop.read("message");
    let audited = |attribute: &[u8], kind: &[u8]| {
        workshop.write("files/it", with_attribute(&message, kind, attribute));
        workshop.audit(&["files"])
    };
    let text = |length: usize| element(0x16, &vec![b'x'; length]);
    let policy = [&PKCS9[..], &[9, 16, 2, 15]].concat();
    let qualifier = element(0x30, &[element(6, &[&PKCS9[..], &[9, 16, 5, 1]].concat()), text(90)].concat());
    let named = element(6, &[0x2A, 3, 4]);
    let (code, report) = audited(&element(0x30, &[named, element(0x30, &qualifier)].concat()), &policy);
    assert_eq!((code, report["audit"]["bad"].as_u64()), (0, Some(0)), "{report}");
    let other = [&PKCS9[..], &[9, 99]].concat();
    for unread in [text(4).repeat(1_001), (0..40).fold(text(70), |inner, _| element(0x30, &inner))] {
        let (code, report) = audited(&unread, &other);
        assert_eq!((code, report["audit"]["bad"].as_u64()), (3, Some(0)), "{report}");
    }
}

#[test]
fn time_stamps_of_signatures_are_judged() {
    let workshop = signed();
    let (message, token) = (workshop.read("message"), workshop.read("token"));
    let kind = [&PKCS9[..], &[9, 16, 2, 14]].concat();
    let with = |token: &[u8]| with_attribute(&message, &kind, token);
    comes_to(&workshop, &with(&token), &with(&flipped(&token)), 2);
    is_about_its_content(&workshop, &with(&token));
}

#[test]
fn signed_data_within_signed_data_is_judged() {
    let workshop = signed();
    let outer = |inner: &[u8], kind: &str| {
        workshop.write("inner", inner);
        workshop.sh(&format!(
            "openssl cms -sign -binary -nodetach {kind} -in inner -signer second.pem -inkey second.key -outform DER -out outer"
        ));
        workshop.read("outer")
    };
    let message = workshop.read("message");
    comes_to(&workshop, &outer(&message, ""), &outer(&flipped(&message), ""), 2);
    // As RFC 5652 has it, without what says that it is such.
    let (_, content, _) = first(&message);
    let (.., wrapped) = first(content);
    let bare = first(wrapped).1.to_vec();
    let kind = "-econtent_type pkcs7-signedData";
    comes_to(&workshop, &outer(&bare, kind), &outer(&flipped(&bare), kind), 2);
    // Mail within mail, and what was changed in it since.
    workshop.sh("openssl smime -sign -in data -signer first.pem -inkey first.key -out mail; sed 's/^text/next/' mail >changed
                 for one in mail changed; do openssl smime -sign -nodetach -in $one -signer second.pem -inkey second.key -out $one.p7m; done
                 cp mail.p7m files/it");
    let (code, report) = workshop.audit(&["files"]);
    assert_eq!((code, report["audit"]["sound"].as_u64()), (0, Some(5)), "{report}");
    workshop.sh("cp changed.p7m files/it");
    let (code, report) = workshop.audit(&["files"]);
    assert_eq!((code, report["audit"]["not_decided"].as_u64()), (3, Some(1)), "{report}");
}

/// Whatever may stand in a file may be what is signed: PEM, card-verifiable certificates, JSON.
#[test]
fn what_is_signed_is_looked_through_like_a_file() {
    let workshop = signed();
    let outer = |inner: &[u8]| {
        workshop.write("inner", inner);
        workshop.sh("openssl cms -sign -binary -nodetach -in inner -signer second.pem -inkey second.key -outform DER -out outer");
        workshop.read("outer")
    };
    let pem = |der: &[u8]| {
        let digits = data_encoding::BASE64.encode(der);
        format!("As you asked for:\n-----BEGIN CERTIFICATE-----\n{digits}\n-----END CERTIFICATE-----\n")
            .into_bytes()
    };
    workshop.sh("openssl req -new -key first.key -subj /CN=x -outform DER -out request");
    let request = workshop.read("request");
    comes_to(&workshop, &outer(&pem(&request)), &outer(&pem(&flipped(&request))), 2);
    let card = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/signatures/UTSRCACC100001.cvc"))
        .unwrap();
    comes_to(&workshop, &outer(&card), &outer(&flipped(&card)), 2);
    let form = |der: &[u8]| side_by_side(der, 32);
    let header = r#"{"alg":"ES256","jwk":JWK}"#;
    let token = jws(header, "{}", Nid::X9_62_PRIME256V1, "P-256", &form, MessageDigest::sha256());
    let changed = token.replacen(".e30.", ".e30K.", 1);
    let text = |token: &str| format!("{{\"token\": \"{token}\"}}\n").into_bytes();
    comes_to(&workshop, &outer(&text(&token)), &outer(&text(&changed)), 2);
}

#[test]
fn answers_that_come_with_a_message_are_judged() {
    let workshop = signed();
    let answer = workshop.read("answer");
    let with = |answer: &[u8]| {
        // id-ri-ocsp-response.
        let info = element(0xA1, &[element(6, &[0x2B, 6, 1, 5, 5, 7, 16, 2]), answer.to_vec()].concat());
        let data = element(0x30, &element(6, &[&PKCS9[..], &[7, 1]].concat()));
        let body = [element(2, &[5]), element(0x31, &[]), data, element(0xA1, &info), element(0x31, &[])];
        let kind = element(6, &[&PKCS9[..], &[7, 2]].concat());
        element(0x30, &[kind, element(0xA0, &element(0x30, &body.concat()))].concat())
    };
    // Behind its signature come the certificates; its number stands in what is signed.
    let mut wrong = answer.clone();
    let place = wrong.windows(3).position(|part| part == [0x80, 0, 0x18]).unwrap();
    wrong[place + 3 + 14] ^= 1;
    comes_to(&workshop, &with(&answer), &with(&wrong), 1);
}

#[test]
fn json_web_signatures_within_others_are_judged() {
    let workshop = signed();
    let form = |der: &[u8]| side_by_side(der, 32);
    let one = |payload: &str| {
        let header = r#"{"alg":"ES256","jwk":JWK}"#;
        jws(header, payload, Nid::X9_62_PRIME256V1, "P-256", &form, MessageDigest::sha256())
    };
    let inner = one("{}");
    // Another payload than was signed.
    let (header, rest) = inner.split_once('.').unwrap();
    let (_, signature) = rest.split_once('.').unwrap();
    let wrong = format!("{header}.e30K.{signature}");
    comes_to(&workshop, one(&inner).as_bytes(), one(&wrong).as_bytes(), 2);
}
