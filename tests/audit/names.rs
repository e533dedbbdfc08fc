//! What a name tells, and what it does not: several keys may have one name, one key several, and whoever is called the same
//! elsewhere is somebody else. openssl makes what there is to make.

use data_encoding::BASE64URL_NOPAD as BASE64URL;
use virtual_card::openssl::ecdsa::EcdsaSig;
use virtual_card::openssl::hash::{MessageDigest, hash};
use virtual_card::openssl::pkey::{PKey, Private};

use super::*;

/// Keys, a certificate of each CA by name, leaves with the identifiers that are told.
const TOOLS: &str = r#"
printf '[req]\ndistinguished_name=dn\n[dn]\n[none]\nsubjectKeyIdentifier=none\nauthorityKeyIdentifier=none\n' >req.cnf
new() { for key in "$@"; do openssl ecparam -genkey -name prime256v1 -noout -out $key.key; openssl pkey -in $key.key -pubout -out $key.pub; done; }
id() { openssl pkey -pubin -in $1.pub -outform DER | tail -c 65 | openssl sha1 -r | cut -c 1-40; } # id KEY
made() { # made FILE SUBJECT KEY ISSUER MAKER [SKI] [AKI] [SERIAL] [MORE]: whatever is told, signed by that
    printf 'basicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=%s\n' "${6:-none}" >made.ext
    [ -n "${7-}" ] || echo authorityKeyIdentifier=none >>made.ext
    [ -z "${7-}" ] || printf '2.5.29.35=DER:30%02x80%02x%s\n' $((${#7} / 2 + 2)) $((${#7} / 2)) "$7" >>made.ext
    printf '%s\n' "${9-}" >>made.ext
    openssl req -config req.cnf -new -x509 -extensions none -key $5.key -subj "$4" -set_serial ${10:-8} -days 30 -out made.ca
    openssl req -config req.cnf -new -key $3.key -subj "$2" -out made.csr
    openssl x509 -req -in made.csr -CA made.ca -CAkey $5.key -set_serial ${8:-7} -days 20 -extfile made.ext -out $1 2>/dev/null
}
mkdir files
"#;

fn with(commands: &str) -> Workshop {
    let workshop = Workshop::new();
    workshop.sh(&format!("{TOOLS}{commands}"));
    workshop
}

/// Everything that a host makes without saying which key it should be, with one key in the place of another.
const NAMELESS: &str = r#"
new old live leaf
made root.pem /CN=Root old /CN=Root live $(id old) $(id old)
openssl x509 -in root.pem -noout -pubkey | cmp - old.pub
made twin.pem /CN=Root live /CN=Root live '' '' 9
: >index.txt; echo 01 >number
printf '[ca]\ndefault_ca=own\n[own]\ndatabase=index.txt\ndefault_md=sha256\ndefault_crl_days=7\n' >ca.cnf
openssl ca -config ca.cnf -gencrl -keyfile live.key -cert twin.pem -out files/crl.pem 2>/dev/null
openssl crl -in files/crl.pem -noout -text | grep -q 'Version 1'
made files/leaf.pem /CN=leaf leaf /CN=Root live
printf 'V\t361231000000Z\t\t07\tunknown\t/CN=leaf\n' >index.txt
openssl ocsp -index index.txt -CA twin.pem -issuer twin.pem -rsigner twin.pem -rkey live.key -cert files/leaf.pem \
    -resp_no_certs -noverify -respout files/ocsp.der >/dev/null
echo text >data
openssl cms -sign -binary -nodetach -nocerts -in data -signer twin.pem -inkey live.key -outform DER -out files/data.p7m
"#;

/// The key that made it is known, and another one may have been due: that is nothing sound.
#[test]
fn what_names_nobody_that_is_known_is_not_sound_though_a_known_key_made_it() {
    let workshop = with(NAMELESS);
    let (code, report) = workshop.audit(&["--pubkey", "live.pub", "files"]);
    assert_eq!((code, report["audit"]["sound"].as_u64()), (3, Some(0)), "{report}");
    assert_eq!(report["audit"]["not_decided"], 4, "{report}");
    for item in report["audit"]["items"].as_array().unwrap() {
        assert_eq!(item["made_by"]["places"][0]["kind"], "given", "{item}");
        assert!(item["why"].as_str().unwrap().contains("nothing here says that it should have"), "{item}");
    }
    // Of nobody who is known it is nobody's.
    let (code, report) = workshop.audit(&["files"]);
    assert_eq!((code, report["audit"]["issuer_not_known"].as_u64()), (0, Some(4)), "{report}");
    // The certificate of the key that made them says that it should have.
    let (code, report) = workshop.audit(&["files/crl.pem", "files/leaf.pem", "files/ocsp.der", "twin.pem"]);
    assert_eq!((code, report["audit"]["sound"].as_u64()), (0, Some(4)), "{report}");
}

/// Without the card nothing but the root tells that another key is at work in the place of its own.
#[test]
fn what_the_key_made_that_made_the_root_in_the_place_of_its_own_is_as_bad() {
    let workshop = with(NAMELESS);
    for order in [["root.pem", "files"], ["files", "root.pem"]] {
        let (code, report) = workshop.audit(&order);
        let expected = ["files/crl.pem", "files/leaf.pem", "files/ocsp.der", "root.pem"];
        let expected: BTreeSet<String> = expected.into_iter().map(ToOwned::to_owned).collect();
        assert_eq!((code, bad(&report)), (1, expected), "{report}");
        assert_eq!(counted(&report, "revocation-list", "made-by-another-key"), 1, "{report}");
        let steps = report["audit"]["steps"].as_array().unwrap();
        assert!(steps.iter().any(|step| step["what"].as_str().unwrap().contains("at once")), "{report}");
        // What it says of itself names no certificate that is here.
        assert_eq!(report["audit"]["issuer_not_known"], 1, "{report}");
    }
    // Another key of the same name is not this one.
    workshop.sh("rm files/*; openssl ecparam -genkey -name prime256v1 -noout -out third.key
                 openssl req -config req.cnf -new -x509 -key third.key -subj /CN=Root -days 9 -out third.pem
                 printf 'basicConstraints=CA:FALSE\\n' >ext; openssl req -config req.cnf -new -key leaf.key -subj /CN=leaf -out leaf.csr
                 openssl x509 -req -in leaf.csr -CA third.pem -CAkey third.key -set_serial 9 -days 9 -extfile ext -out files/leaf.pem 2>/dev/null
                 printf 'authorityKeyIdentifier=none\\n' >>ext
                 openssl x509 -req -in leaf.csr -CA third.pem -CAkey third.key -set_serial 9 -days 9 -extfile ext -out files/leaf.pem 2>/dev/null");
    let (code, report) = workshop.audit(&["root.pem", "files"]);
    assert_eq!((code, bad(&report)), (1, BTreeSet::from(["root.pem".to_owned()])), "{report}");
    assert_eq!(report["audit"]["not_decided"], 1, "{report}");
}

/// Exit code, verdict and reason about this file where it is not sound.
#[track_caller]
fn comes_to(workshop: &Workshop, files: &[&str], file: &str, expected: (i32, &str)) {
    let (code, report) = workshop.audit(files);
    let items = report["audit"]["items"].as_array().unwrap();
    let verdict = match items.iter().find(|item| item["file"] == file) {
        Some(item) => item["verdict"].as_str().unwrap(),
        None if report["audit"]["issuer_not_known"] != 0 => "issuer-not-known",
        None => "sound",
    };
    assert_eq!((code, verdict), expected, "{file}: {report}");
}

/// Two CAs that chose one identifier, as from a copied template; and a leaf of one that carries the identifier of the other.
#[test]
fn an_identifier_does_not_name_a_key_that_has_another_name() {
    let workshop = with(
        r#"
        new a b leaf
        made a.pem /CN=A a /CN=A a 0102030406 0102030406; made b.pem /CN=B b /CN=B b
        made leaf.pem /CN=leaf leaf /CN=B b '' 0102030406
        made other.pem /CN=leaf leaf /CN=B a '' $(id a)
        # openssl looks at the name, too.
        ! openssl verify -partial_chain -trusted a.pem leaf.pem 2>/dev/null
        ! openssl verify -partial_chain -trusted a.pem other.pem 2>/dev/null
        ! openssl verify -partial_chain -trusted b.pem other.pem 2>/dev/null
        "#,
    );
    comes_to(&workshop, &["a.pem", "leaf.pem"], "leaf.pem", (0, "issuer-not-known"));
    comes_to(&workshop, &["a.pem", "b.pem", "leaf.pem"], "leaf.pem", (0, "sound"));
    comes_to(&workshop, &["a.pem", "other.pem"], "other.pem", (0, "issuer-not-known"));
    comes_to(&workshop, &["a.pem", "b.pem", "other.pem"], "other.pem", (0, "issuer-not-known"));
    // Named by the user, it has its name all the same.
    comes_to(&workshop, &["--pubkey", "a.pem", "other.pem"], "other.pem", (3, "not-decided"));
    // A key without any name is known by its identifier alone.
    comes_to(&workshop, &["--pubkey", "a.pub", "other.pem"], "other.pem", (0, "sound"));
}

/// A CA key that has a certificate under each of two names, one of which is not here.
#[test]
fn a_key_with_one_name_may_have_another_one() {
    let workshop = with(
        r#"
        new shared second leaf
        made first.pem /CN=First shared /CN=First shared; made second.pem /CN=Second second /CN=Second second
        made hidden.pem /CN=Second shared /CN=Second shared
        made leaf.pem /CN=leaf leaf /CN=Second shared
        openssl verify -partial_chain -trusted hidden.pem leaf.pem
        "#,
    );
    comes_to(&workshop, &["first.pem", "second.pem", "leaf.pem"], "leaf.pem", (3, "not-decided"));
    comes_to(&workshop, &["first.pem", "second.pem", "hidden.pem", "leaf.pem"], "leaf.pem", (0, "sound"));
}

/// Message signed with a certificate that has the number of another one, of the CA as it was before it began again.
#[test]
fn a_serial_number_may_have_been_given_before() {
    let workshop = with(
        r#"
        new ca former later; made ca.pem /CN=CA ca /CN=CA ca
        made former.pem /CN=former former /CN=CA ca '' $(id ca) 1; made later.pem /CN=later later /CN=CA ca '' $(id ca) 1
        echo text >data
        openssl cms -sign -binary -nodetach -nocerts -in data -signer former.pem -inkey former.key -outform DER -out data.p7m
        "#,
    );
    comes_to(&workshop, &["ca.pem", "later.pem", "data.p7m"], "data.p7m", (3, "not-decided"));
    comes_to(&workshop, &["ca.pem", "later.pem", "former.pem", "data.p7m"], "data.p7m", (0, "sound"));
    // Whoever names the signer's key has said whose it should be.
    comes_to(&workshop, &["--pubkey", "later.pem", "data.p7m"], "data.p7m", (1, "made-by-another-key"));
}

/// A JSON Web Signature with this header, and the key as JSON with this name.
fn token(key: &PKey<Private>, header: &str, kid: &str) -> (String, String) {
    let over = format!("{}.{}", BASE64URL.encode(header.as_bytes()), BASE64URL.encode(b"{}"));
    let digest = hash(MessageDigest::sha256(), over.as_bytes()).unwrap();
    let signature = if key.ec_key().is_ok() {
        let one = EcdsaSig::sign(&digest, &key.ec_key().unwrap()).unwrap();
        [one.r(), one.s()].map(|one| one.to_vec_padded(32).unwrap()).concat()
    } else {
        vec![1; 256]
    };
    let spki = key.public_key_to_der().unwrap();
    let part = |from: usize| BASE64URL.encode(&spki[spki.len() - from..spki.len() - from + 32]);
    let jwk = format!(r#"{{"kty":"EC","crv":"P-256","kid":"{kid}","x":"{}","y":"{}"}}"#, part(64), part(32));
    (format!("{over}.{}", BASE64URL.encode(&signature)), jwk)
}

/// Every service counts its keys from one.
#[test]
fn what_a_key_is_called_in_json_others_are_called_elsewhere() {
    let workshop = Workshop::new();
    let key = || PKey::<Private>::ec_gen("prime256v1").unwrap();
    let (own, other) = (key(), key());
    let (right, jwk) = token(&own, r#"{"alg":"ES256","kid":"1"}"#, "1");
    let (wrong, _) = token(&other, r#"{"alg":"ES256","kid":"1"}"#, "1");
    let rsa = PKey::from_rsa(virtual_card::openssl::rsa::Rsa::generate(2_048).unwrap()).unwrap();
    let (of_another_kind, _) = token(&rsa, r#"{"alg":"RS256","kid":"1"}"#, "1");
    workshop.write("keys.json", jwk);
    workshop.write("right", right);
    workshop.write("wrong", wrong);
    workshop.write("rsa", of_another_kind);
    comes_to(&workshop, &["keys.json", "right"], "right", (0, "sound"));
    comes_to(&workshop, &["keys.json", "wrong"], "wrong", (3, "not-decided"));
    comes_to(&workshop, &["keys.json", "rsa"], "rsa", (3, "not-decided"));
    // Its thumbprint is its own (RFC 7638).
    let bits = own.public_key_to_der().unwrap();
    let part = |from: usize| BASE64URL.encode(&bits[bits.len() - from..bits.len() - from + 32]);
    let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, part(64), part(32));
    let print = BASE64URL.encode(&hash(MessageDigest::sha256(), members.as_bytes()).unwrap());
    let (wrong, _) = token(&other, &format!(r#"{{"alg":"ES256","kid":"{print}"}}"#), &print);
    workshop.write("wrong", wrong);
    workshop.write("own.pem", own.public_key_to_pem().unwrap());
    comes_to(&workshop, &["--pubkey", "own.pem", "wrong"], "wrong", (1, "made-by-another-key"));
}
