//! How what is signed is written: forms that every program refuses, and forms that many write and this one has to read.

use data_encoding::{BASE64, BASE64URL_NOPAD as BASE64URL};
use virtual_card::openssl::bn::{BigNum, BigNumContext};
use virtual_card::openssl::ec::{EcGroup, EcKey};
use virtual_card::openssl::ecdsa::EcdsaSig;
use virtual_card::openssl::hash::{MessageDigest, hash};
use virtual_card::openssl::nid::Nid;
use virtual_card::openssl::pkey::Private;

use super::*;

/// An element of DER, of less than 64 KiB.
pub fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    let head = match content.len() {
        0..=0x7F => vec![tag, low],
        0x80..=0xFF => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [head, content.to_vec()].concat()
}

/// Tag and content of the element at the beginning, and what follows it.
pub fn first(der: &[u8]) -> (u8, &[u8], &[u8]) {
    let (head, length) = match der[1] {
        0x81 => (3, usize::from(der[2])),
        0x82 => (4, usize::from(der[2]) << 8 | usize::from(der[3])),
        length => (2, usize::from(length)),
    };
    (der[0], &der[head..head + length], &der[head + length..])
}

/// The same with other bytes as its last element, which is the signature of what X.509 and CMS sign.
pub fn with_signature(der: &[u8], change: &dyn Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let (tag, content, rest) = first(der);
    if !rest.is_empty() {
        return [&der[..der.len() - rest.len()], &with_signature(rest, change)].concat();
    }
    match tag {
        0x03 => element(tag, &[&[0][..], &change(&content[1..])].concat()),
        0x04 => element(tag, &change(content)),
        _ => element(tag, &with_signature(content, change)),
    }
}

pub fn side_by_side(der: &[u8], length: i32) -> Vec<u8> {
    let one = EcdsaSig::from_der(der).unwrap();
    [one.r(), one.s()].map(|one| one.to_vec_padded(length).unwrap()).concat()
}

fn with_zero(der: &[u8]) -> Vec<u8> {
    let (_, content, _) = first(der);
    let (_, r, s) = first(content);
    element(0x30, &[element(2, &[&[0], r].concat()), s.to_vec()].concat())
}

/// A CA, a leaf and a message, in DER.
const SIGNED: &str = r#"
genpkey() { openssl genpkey -algorithm $1 -pkeyopt $2 -out $3.key 2>/dev/null; }
for name in ca leaf; do genpkey "$ALGORITHM" "$OPTION" $name; done
openssl req -new -x509 -key ca.key -subj /CN=CA -days 9 -out ca.pem
openssl req -new -key leaf.key -subj /CN=leaf -out leaf.csr
openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -set_serial 5 -days 9 -outform DER -out leaf.der 2>/dev/null
echo text >data; openssl x509 -in leaf.der -out leaf.pem
openssl cms -sign -binary -nodetach -in data -signer leaf.pem -inkey leaf.key -outform DER -out data.p7m
"#;

fn signed(algorithm: &str, option: &str) -> Workshop {
    let workshop = Workshop::new();
    workshop.sh(&format!("ALGORITHM={algorithm}; OPTION={option}; {SIGNED}"));
    workshop
}

#[track_caller]
fn is_invalid(workshop: &Workshop, file: &str) {
    let (code, report) = workshop.audit(&["ca.pem", "leaf.pem", file]);
    let items = report["audit"]["items"].as_array().unwrap();
    let told: Vec<_> = items.iter().map(|item| (item["file"].as_str(), item["verdict"].as_str())).collect();
    assert_eq!((code, told), (1, vec![(Some(file), Some("invalid"))]), "{report}");
    assert!(items[0]["why"].as_str().unwrap().contains("not written as it has to be"), "{report}");
    let human = workshop.program(&["ca.pem", "leaf.pem", file]).output().unwrap();
    let text = String::from_utf8(human.stdout).unwrap();
    assert!(!text.contains("other bytes") && text.contains("another form"), "{text}");
}

/// The right key, and no program takes it.
#[test]
fn signatures_that_are_not_in_der_are_invalid_in_x509_and_cms() {
    let workshop = signed("EC", "ec_paramgen_curve:P-256");
    type Writes<'w> = &'w dyn Fn(&[u8]) -> Vec<u8>;
    let forms: [(&str, Writes<'_>); 3] = [
        ("plain", &|der| side_by_side(der, 32)),
        ("zero", &with_zero),
        ("trailing", &|der| [der, &[0, 0]].concat()),
    ];
    for (name, form) in forms {
        let certificate = with_signature(&workshop.read("leaf.der"), form);
        workshop.write(name, &certificate);
        workshop.sh(&format!("! openssl verify -partial_chain -trusted ca.pem {name} 2>/dev/null"));
        is_invalid(&workshop, name);
        let mut command = Command::new(env!("CARGO_BIN_EXE_stalecard"));
        let words = ["verify", "--offline", "--pubkey", "ca.pem", "--certificate", name];
        let output = command.args(words).current_dir(workshop.path()).env("HOME", workshop.path()).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        workshop.write("message", with_signature(&workshop.read("data.p7m"), form));
        workshop
            .sh("! openssl cms -verify -inform DER -in message -CAfile ca.pem -purpose any >/dev/null 2>&1");
        is_invalid(&workshop, "message");
    }
    assert_eq!(workshop.audit(&["ca.pem", "leaf.pem", "data.p7m"]).0, 0);
}

#[test]
fn rsa_signatures_that_are_longer_or_shorter_than_the_modulus_are_invalid() {
    let workshop = signed("RSA", "rsa_keygen_bits:1024");
    workshop.write("longer", with_signature(&workshop.read("leaf.der"), &|rsa| [&[0], rsa].concat()));
    is_invalid(&workshop, "longer");
    // One in 256 begins with a zero.
    workshop.sh(
        "n=100; while :; do n=$((n + 1)); openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -set_serial $n -days 9 -outform DER -out zero 2>/dev/null
         test \"$(tail -c 128 zero | od -An -tx1 -N1)\" = ' 00' && break; done",
    );
    workshop.write("shorter", with_signature(&workshop.read("zero"), &|rsa| rsa[1..].to_vec()));
    is_invalid(&workshop, "shorter");
}

/// A JSON Web Signature that carries its key, of this curve, with this algorithm.
pub fn jws(
    header: &str,
    payload: &str,
    curve: Nid,
    name: &str,
    form: &dyn Fn(&[u8]) -> Vec<u8>,
    digest: MessageDigest,
) -> String {
    let key = EcKey::<Private>::generate(&EcGroup::from_curve_name(curve).unwrap()).unwrap();
    let (mut x, mut y) = (BigNum::new().unwrap(), BigNum::new().unwrap());
    let mut context = BigNumContext::new().unwrap();
    key.public_key().affine_coordinates(key.group(), &mut x, &mut y, &mut context).unwrap();
    let length = i32::try_from(key.group().degree().div_ceil(8)).unwrap();
    let part = |one: &BigNum| BASE64URL.encode(&one.to_vec_padded(length).unwrap());
    let (x, y) = (part(&x), part(&y));
    let jwk = format!(r#"{{"kty":"EC","crv":"{name}","x":"{x}","y":"{y}"}}"#);
    let over = format!(
        "{}.{}",
        BASE64URL.encode(header.replace("JWK", &jwk).as_bytes()),
        BASE64URL.encode(payload.as_bytes())
    );
    let signature = EcdsaSig::sign(&hash(digest, over.as_bytes()).unwrap(), &key).unwrap().to_der().unwrap();
    format!("{over}.{}", BASE64URL.encode(&form(&signature)))
}

const P256: Nid = Nid::X9_62_PRIME256V1;

#[test]
fn json_web_signatures_in_der_or_on_another_curve_are_invalid() {
    let workshop = signed("EC", "ec_paramgen_curve:P-256");
    let header = r#"{"alg":"ES256","jwk":JWK}"#;
    workshop.write("der", jws(header, "{}", P256, "P-256", &<[u8]>::to_vec, MessageDigest::sha256()));
    is_invalid(&workshop, "der");
    let wide = |der: &[u8]| side_by_side(der, 48);
    workshop.write("curve", jws(header, "{}", Nid::SECP384R1, "P-384", &wide, MessageDigest::sha256()));
    is_invalid(&workshop, "curve");
    let header = header.replace("256", "384");
    workshop.write("right", jws(&header, "{}", Nid::SECP384R1, "P-384", &wide, MessageDigest::sha384()));
    let (code, report) = workshop.audit(&["right"]);
    assert_eq!((code, counted(&report, "jws", "sound")), (0, 1), "{report}");
}

/// Whoever has another system writes the ends of lines otherwise.
#[test]
fn ends_of_lines_as_on_windows_do_not_matter() {
    let workshop = signed("EC", "ec_paramgen_curve:P-256");
    let mut der = workshop.read("leaf.der");
    *der.last_mut().unwrap() ^= 1;
    workshop.write("bad.der", &der);
    let text = BASE64.encode(&der);
    let lines = |length: usize, before: &str| {
        let lines: Vec<&str> =
            text.as_bytes().chunks(length).map(|line| std::str::from_utf8(line).unwrap()).collect();
        lines.join(before) + "\n"
    };
    workshop.sh("openssl smime -sign -in data -signer leaf.pem -inkey leaf.key -nodetach -out mail
                 openssl smime -sign -in data -signer leaf.pem -inkey leaf.key -out parts; cat ca.pem leaf.pem >known");
    for (name, content) in [
        ("wrapped", lines(76, "\n")),
        ("twice", format!("{}\n{}", lines(64, "\n"), lines(64, "\n"))),
        ("ldif", format!("dn: cn=x\nuserCertificate;binary:: {}\n", lines(70, "\n "))),
    ] {
        for (end, name) in
            [("\n", name.to_owned()), ("\r\n", format!("{name}.crlf")), ("\r\r\n", format!("{name}.twice"))]
        {
            workshop.write(&name, content.replace('\n', end));
            let (code, report) = workshop.audit(&["--pubkey", "ca.pem", &name]);
            assert_eq!((code, bad(&report).len()), (1, 1), "{name}: {report}");
        }
    }
    for name in ["mail", "parts"] {
        let text = String::from_utf8(workshop.read(name)).unwrap().replace("\r\n", "\n");
        for end in ["\n", "\r\n"] {
            workshop.write(name, text.replace('\n', end));
            let (code, report) = workshop.audit(&["known", name]);
            assert_eq!((code, counted(&report, "signed-data", "sound")), (0, 1), "{name} {end:?}: {report}");
        }
    }
}

#[test]
fn der_before_pem_and_folded_headers_are_read() {
    let workshop = signed("EC", "ec_paramgen_curve:P-256");
    let pem = String::from_utf8(workshop.read("leaf.pem")).unwrap();
    workshop.sh("openssl x509 -in ca.pem -outform DER -out both; echo >>both; cat leaf.pem >>both");
    let header = "-----BEGIN CERTIFICATE-----\nProc-Type: 4,MIC-ONLY\nOriginator-Certificate: a\n  continued\n\tand again\n\n";
    let folded = pem.replacen("-----BEGIN CERTIFICATE-----\n", header, 1);
    workshop.write("folded", &folded);
    workshop.write("quoted", folded.lines().map(|line| format!("# {line}\n")).collect::<String>());
    for (files, sound) in [(&["both"][..], 2), (&["ca.pem", "folded"], 2), (&["ca.pem", "quoted"], 2)] {
        let (code, report) = workshop.audit(files);
        assert_eq!((code, report["audit"]["sound"].as_u64()), (0, Some(sound)), "{files:?}: {report}");
    }
}

#[test]
fn headers_and_ends_of_json_web_signatures_are_written_in_many_ways() {
    let workshop = Workshop::new();
    let form = |der: &[u8]| side_by_side(der, 32);
    let one = |header: &str| jws(header, "{}", P256, "P-256", &form, MessageDigest::sha256());
    let headers = [
        r#"{"alg":"ES256","jwk":JWK}"#,
        r#"{ "alg": "ES256", "jwk": JWK }"#,
        "{\n  \"alg\": \"ES256\",\n  \"jwk\": JWK\n}",
        "{\r\n\t\"alg\": \"ES256\", \"jwk\": JWK}",
        "{\t\"alg\": \"ES256\", \"jwk\": JWK}",
    ];
    for (number, header) in headers.iter().enumerate() {
        workshop.write(&number.to_string(), one(header));
        workshop.write(&format!("{number}.padded"), one(header) + "==");
    }
    let (code, report) = workshop.audit(&["."]);
    assert_eq!((code, counted(&report, "jws", "sound")), (0, 10), "{report}");
}

/// RFC 8037: the algorithm is the same for both curves. Keys that cannot be read are no keys of nobody.
#[test]
fn json_web_signatures_with_keys_that_are_not_computed_are_not_passed_over() {
    let workshop = Workshop::new();
    let one = |jwk: &str| {
        let header = format!(r#"{{"alg":"EdDSA","jwk":{jwk}}}"#);
        format!("{}.e30.{}", BASE64URL.encode(header.as_bytes()), BASE64URL.encode(&[7; 114]))
    };
    let x = BASE64URL.encode(&[9; 57]);
    for jwk in [
        format!(r#"{{"kty":"OKP","crv":"Ed448","x":"{x}"}}"#),
        format!(r#"{{"kty":"AKP","alg":"ML-DSA-44","pub":"{x}"}}"#),
    ] {
        workshop.write("it", one(&jwk));
        let (code, report) = workshop.audit(&["it"]);
        assert_eq!((code, report["audit"]["bad"].as_u64()), (3, Some(0)), "{report}");
    }
}

/// What begins as a certificate is looked through; what is text in another way is not called none.
#[test]
fn large_files_that_begin_with_a_certificate_or_are_wide_text_are_not_passed_over() {
    let workshop = signed("EC", "ec_paramgen_curve:P-256");
    workshop.sh("cp leaf.pem zeros; truncate -s 20M zeros; yes -- \"$(cat leaf.pem)\" | head -c 11M >wide.txt || true
                 iconv -f utf-8 -t utf-16le wide.txt >wide; (printf '\\377\\376'; cat wide) >marked; rm wide.txt");
    let (code, report) = workshop.audit(&["ca.pem", "zeros"]);
    assert_eq!((code, report["audit"]["sound"].as_u64()), (0, Some(2)), "{report}");
    for name in ["wide", "marked"] {
        let (code, report) = workshop.audit(&[name]);
        assert_eq!((code, report["audit"]["passed"].as_u64()), (3, Some(0)), "{report}");
        assert!(report["coverage"][0]["why"].as_str().unwrap().contains("UTF-16"), "{report}");
    }
}

/// The lines as strings of a program, the first behind what names them.
fn in_source(pem: &str, name: &str, end: &str) -> String {
    let lines: Vec<String> = pem.lines().map(|line| format!("{line}{end}\n")).collect();
    format!("{name}{};\n", lines.join("    \""))
}

/// In tables, YAML, JSON, programs and what Git keeps: whole, between other things.
#[test]
fn what_stands_between_other_things_is_read() {
    let workshop = signed("EC", "ec_paramgen_curve:P-256");
    let form = |der: &[u8]| side_by_side(der, 32);
    let token = jws(r#"{"alg":"ES256","jwk":JWK}"#, "{}", P256, "P-256", &form, MessageDigest::sha256());
    let changed = token.replacen(".e30.", ".e30K.", 1);
    let der = workshop.read("leaf.der");
    let mut wrong = der.clone();
    *wrong.last_mut().unwrap() ^= 1;
    let pem = |der: &[u8]| {
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", BASE64.encode(der))
    };
    let of_both = |how: &dyn Fn(&[u8]) -> String| [how(&der), how(&wrong)];
    for (name, [right, wrong]) in [
        ("table", of_both(&|der| format!("5,{},valid\n", BASE64.encode(der)))),
        ("secret", of_both(&|der| format!("data:\n  tls.crt: {}\n", BASE64.encode(pem(der).as_bytes())))),
        ("twice", of_both(&|der| BASE64.encode(pem(der).as_bytes()) + "\n")),
        ("named", of_both(&|der| format!("crt {}", pem(der).replace('\n', "\n ")))),
        ("source", of_both(&|der| in_source(&pem(der), "static char pem[] = \"", "\\n\""))),
        ("sums", of_both(&|der| in_source(&pem(der), "String pem = \"", "\\n\" +"))),
        ("python", of_both(&|der| format!("PEM = \"\"\"{}\"\"\"\n", pem(der)))),
        ("header", [&token, &changed].map(|token| format!("Authorization: Bearer {token}\n"))),
        ("answer", [&token, &changed].map(|token| format!("{{\"access_token\":\"{token}\",\"n\":1}}\n"))),
        // Whatever else the line holds, and wherever in it.
        ("host", of_both(&|der| format!("{{\"host\":\"ssh-gw\",\"c\":\"{}\"}}\n", BASE64.encode(der)))),
        ("zone", of_both(&|der| format!("RRSIG,ecdsa-sha2-x,{},1\n", BASE64.encode(der)))),
        ("log", [&token, &changed].map(|token| format!("{token} ssh-gw GET /\n"))),
        ("column", [&token, &changed].map(|token| format!("token,n\n{token},1\n"))),
        ("disclosed", [&token, &changed].map(|token| format!("{token}~WyJ4Il0~\n"))),
        ("sentence", [&token, &changed].map(|token| format!("It is {token}. Next\n"))),
        (
            "escaped",
            of_both(&|der| {
                let text = BASE64.encode(der).replace('/', "\\/").replace('+', "\\u002B");
                format!("{{\"c\":\"{text}\"}}\n")
            }),
        ),
    ] {
        workshop.write(name, right);
        let (code, report) = workshop.audit(&["--pubkey", "ca.pem", name]);
        assert_eq!((code, report["audit"]["sound"].as_u64()), (0, Some(1)), "{name}: {report}");
        workshop.write(name, wrong);
        let (code, report) = workshop.audit(&["--pubkey", "ca.pem", name]);
        assert_eq!((code, bad(&report).len()), (1, 1), "{name}: {report}");
    }
    // A signature that Git keeps in a commit is over what it is not told with.
    workshop.sh("ssh-keygen -q -t ed25519 -N '' -f key; ssh-keygen -q -Y sign -f key -n git data
                 (echo 'tree 1234'; sed 's/^/ /; 1s/^ /gpgsig /' data.sig; echo; echo message) >commit");
    let (code, report) = workshop.audit(&["commit"]);
    assert_eq!((code, report["audit"]["not_decided"].as_u64()), (3, Some(1)), "{report}");
}

#[test]
fn json_web_signatures_one_after_the_other_and_in_arrays_are_read() {
    let workshop = Workshop::new();
    let form = |der: &[u8]| side_by_side(der, 32);
    let one = |number: usize| -> Value {
        let header = r#"{"alg":"ES256","jwk":JWK}"#;
        let token = jws(header, &format!("{number}"), P256, "P-256", &form, MessageDigest::sha256());
        let parts: Vec<&str> = token.split('.').collect();
        serde_json::json!({ "protected": parts[0], "payload": parts[1], "signature": parts[2] })
    };
    let all: Vec<Value> = (0..3).map(one).collect();
    workshop.write("lines", all.iter().map(|one| format!("{one}\n")).collect::<String>());
    workshop.write("array", serde_json::to_string_pretty(&all).unwrap());
    for name in ["lines", "array"] {
        let (code, report) = workshop.audit(&[name]);
        assert_eq!((code, counted(&report, "jws", "sound")), (0, 3), "{name}: {report}");
    }
    // What says of itself to be one and is none is not passed over.
    let mut damaged = all[1].clone();
    damaged["protected"] = Value::from("e30=e30");
    workshop.write("damaged", serde_json::json!([all[0], damaged]).to_string());
    let (code, report) = workshop.audit(&["damaged"]);
    assert_eq!((code, counted(&report, "jws", "sound")), (3, 1), "{report}");
}

/// The signer's certificate is the first: that it cannot be read does not make the next one the signer's.
#[test]
fn a_first_certificate_in_a_header_that_cannot_be_read_makes_nobody_else_the_signer() {
    let workshop = signed("EC", "ec_paramgen_curve:P-256");
    let form = |der: &[u8]| side_by_side(der, 32);
    workshop.sh("openssl x509 -in ca.pem -outform DER -out ca.der");
    let ca = BASE64.encode(&workshop.read("ca.der"));
    for first in ["!!!", "AAAA"] {
        let header = format!(r#"{{"alg":"ES256","x5c":["{first}","{ca}"]}}"#);
        workshop.write("it", jws(&header, "{}", P256, "P-256", &form, MessageDigest::sha256()));
        let (code, report) = workshop.audit(&["it"]);
        assert_eq!((code, report["audit"]["bad"].as_u64()), (3, Some(0)), "{report}");
    }
}

/// RFC 1421: a header goes on in lines that are indented deeper than the block, and in no others.
#[test]
fn a_header_ends_where_an_indented_block_goes_on() {
    let workshop = signed("EC", "ec_paramgen_curve:P-256");
    let pem = String::from_utf8(workshop.read("leaf.pem")).unwrap();
    let headed = pem.replacen("-----\n", "-----\nProc-Type: 4,MIC-ONLY\nOriginator: a\n  b\n", 1);
    for (name, before) in [("blanks", "    "), ("quoted", "> "), ("comment", "# ")] {
        workshop.write(name, headed.lines().map(|line| format!("{before}{line}\n")).collect::<String>());
        let (code, report) = workshop.audit(&["ca.pem", name]);
        assert_eq!((code, report["audit"]["sound"].as_u64()), (0, Some(2)), "{name}: {report}");
    }
}
