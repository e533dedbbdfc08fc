//! The same artefacts in every form that people have them in, and what stands beside them.

use std::io::Write as _;
use std::process::Stdio;

use super::*;

/// A CA ("ca.pem") whose key signed "good.pem", and "bad.pem", which has its name and the identifier of its key, and is
/// signed by another key; a CRL, a request, and the leaf's key.
const MADE: &str = r#"
key() { openssl ecparam -genkey -name prime256v1 -noout -out "$1.key"; }
key ca; key other; key leaf
openssl req -new -x509 -key ca.key -subj '/O=Example/CN=CA' -days 30 -out ca.pem
openssl x509 -in ca.pem -noout -ext subjectKeyIdentifier | sed -n 2p | tr -d ' :' >id
openssl req -new -x509 -key other.key -subj '/O=Example/CN=CA' -days 30 -out other.pem
openssl req -new -key leaf.key -subj /CN=leaf -out request.csr
printf 'authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n' >ext
openssl x509 -req -in request.csr -CA ca.pem -CAkey ca.key -set_serial 4097 -days 20 -extfile ext -out good.pem 2>/dev/null
# openssl takes the identifier from the certificate that it is given, and does not look whether the key is its own.
openssl req -new -key other.key -subj '/O=Example/CN=CA' -out twin.csr
printf "subjectKeyIdentifier=%s\nbasicConstraints=CA:TRUE\n" "$(cat id)" >twin.ext
openssl x509 -req -in twin.csr -signkey other.key -days 30 -extfile twin.ext -out twin.pem 2>/dev/null
openssl x509 -req -in request.csr -CA twin.pem -CAkey other.key -set_serial 4098 -days 20 -extfile ext -out bad.pem 2>/dev/null
mkdir files
mv ca.pem good.pem bad.pem request.csr files/
"#;

fn made() -> Workshop {
    let workshop = Workshop::new();
    workshop.sh(MADE);
    workshop
}

fn only(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn every_form_of_the_same_certificates_is_recognised() {
    let workshop = made();
    let (code, report) = workshop.audit(&["files"]);
    assert_eq!((code, bad(&report)), (1, only(&["files/bad.pem"])), "{report}");
    assert_eq!(report["audit"]["sound"], 3, "{report}");
    let item = &report["audit"]["items"][0];
    assert_eq!(
        (&item["serial"], &item["issuer"]),
        (&Value::from("1002"), &Value::from("O=Example, CN=CA")),
        "{item}"
    );
    // openssl agrees.
    workshop.sh("openssl verify -CAfile files/ca.pem files/good.pem; ! openssl verify -CAfile files/ca.pem files/bad.pem");

    let pem = |name: &str| workshop.read(&format!("files/{name}.pem"));
    let all = [pem("ca"), pem("good"), pem("bad")].concat();
    workshop.sh("for one in ca good bad; do openssl x509 -in files/$one.pem -outform DER -out $one.der; done; cat ca.der good.der bad.der >three.der");
    let ders: Vec<Vec<u8>> =
        ["ca", "good", "bad"].iter().map(|name| workshop.read(&format!("{name}.der"))).collect();
    let base64: Vec<String> = ders.iter().map(|der| data_encoding::BASE64.encode(der)).collect();
    let folded = |text: &str| {
        let lines: Vec<&str> =
            text.as_bytes().chunks(70).map(|line| std::str::from_utf8(line).unwrap()).collect();
        lines.join("\n ")
    };
    let ldif: String = base64
        .iter()
        .map(|text| format!("dn: cn=x\nuserCertificate;binary:: {}\nmail: a@b\n\n", folded(text)))
        .collect();
    let text = String::from_utf8(all.clone()).unwrap();
    let wide: Vec<u8> =
        std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let forms: Vec<(&str, Vec<u8>)> = vec![
        ("bundle", all.clone()),
        ("with a mark", [b"\xEF\xBB\xBF".as_slice(), &all].concat()),
        (
            "indented, in a mail",
            text.lines()
                .map(|line| format!("  > {line}").replace("> ", "  ") + "\r\n")
                .collect::<String>()
                .into_bytes(),
        ),
        (
            "quoted in an answer",
            text.lines().map(|line| format!("> {line}\n")).collect::<String>().into_bytes(),
        ),
        ("in a comment", text.lines().map(|line| format!("# {line}\n")).collect::<String>().into_bytes()),
        (
            "in strings of C",
            text.lines().map(|line| format!("    \"{line}\\n\"\n")).collect::<String>().into_bytes(),
        ),
        ("in JSON", serde_json::json!({ "chain": text }).to_string().into_bytes()),
        (
            "in JSON, twice escaped",
            serde_json::json!({ "chain": serde_json::json!({ "chain": text }).to_string() })
                .to_string()
                .into_bytes(),
        ),
        ("in a variable", format!("CHAIN=\"{}\"\n", text.replace('\n', " ")).into_bytes()),
        ("in a string", format!("chain = \"\"\"{text}\"\"\"\n").into_bytes()),
        ("UTF-16", wide),
        ("DER one after the other", ders.concat()),
        ("Base64, a line each", base64.join("\n").into_bytes()),
        ("LDIF", ldif.clone().into_bytes()),
        ("with zeros at its end", [ders.concat(), vec![0; 100]].concat()),
    ];
    for (name, bytes) in &forms {
        let folder = Workshop::new();
        folder.write("file", bytes);
        let (code, report) = folder.audit(&["."]);
        assert_eq!((code, bad(&report)), (1, only(&["./file"])), "{name}: {report}");
        assert_eq!(
            (&report["audit"]["artefacts"], &report["audit"]["sound"]),
            (&Value::from(3), &Value::from(2)),
            "{name}"
        );
        assert_eq!(report["audit"]["items"][0]["place"], 3, "{name}");
        // The same on standard input.
        let mut child = folder
            .program(&["--format", "json", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        let (code, report) = document(&child.wait_with_output().unwrap());
        assert_eq!((code, report["audit"]["bad"].as_u64()), (1, Some(1)), "{name}: {report}");
    }
    // One certificate in Base64 over several lines.
    let lines = base64[2].as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned());
    workshop.write("files/bad.b64", lines.collect::<Vec<_>>().join("\n"));
    let (_, report) = workshop.audit(&["files"]);
    assert_eq!(bad(&report), only(&["files/bad.pem", "files/bad.b64"]), "{report}");
}

#[test]
fn names_are_compared_as_people_read_them_and_several_keys_may_have_one() {
    let workshop = made();
    // Another CA of the same name: what carries no identifier may be either's.
    workshop.sh(
        "cp other.pem files/; openssl x509 -req -in files/request.csr -CA other.pem -CAkey other.key -set_serial 9 \
         -days 20 -out files/without.pem 2>/dev/null
         openssl x509 -req -in files/request.csr -CA other.pem -CAkey other.key -set_serial 10 -days 20 -extfile ext \
         -out files/with.pem 2>/dev/null",
    );
    let (code, report) = workshop.audit(&["files"]);
    assert_eq!((code, bad(&report)), (1, only(&["files/bad.pem"])), "{report}");
    assert_eq!(report["audit"]["items"][0]["verdict"], "sound-under-another-certificate", "{report}");
    // Neither of them is known: nothing is bad, and nothing is said to be proved.
    let (code, report) = workshop.audit(&["files/with.pem", "files/without.pem"]);
    assert_eq!(
        (code, report["audit"]["issuer_not_known"].as_u64(), report["audit"]["sound"].as_u64()),
        (0, Some(2), Some(0))
    );
    // One is known, and another one's identifier is carried.
    let (code, report) = workshop.audit(&["files/with.pem", "files/ca.pem"]);
    assert_eq!((code, report["audit"]["issuer_not_known"].as_u64()), (0, Some(1)), "{report}");
    // A CA's name in another case and type of string.
    workshop.sh(
        "openssl req -new -x509 -key ca.key -utf8 -subj '/O=EXAMPLE/CN=ca' -days 30 -out shouted.pem; mkdir two; \
         cp files/good.pem shouted.pem two/",
    );
    let (code, report) = workshop.audit(&["two"]);
    assert_eq!((code, report["audit"]["sound"].as_u64()), (0, Some(2)), "{report}");
    // A new key certified by the old one: self-issued, not self-signed.
    workshop.sh("mkdir over; openssl req -new -key other.key -subj '/O=Example/CN=CA' -out next.csr; \
         openssl x509 -req -in next.csr -CA files/ca.pem -CAkey ca.key -set_serial 11 -days 20 -extfile ext \
         -out over/next.pem 2>/dev/null; cp files/ca.pem over/");
    let (code, report) = workshop.audit(&["over"]);
    assert_eq!((code, report["audit"]["sound"].as_u64()), (0, Some(2)), "{report}");
    let (code, report) = workshop.audit(&["over/next.pem"]);
    assert_eq!((code, report["audit"]["issuer_not_known"].as_u64()), (0, Some(1)), "{report}");
}

#[test]
fn what_the_ca_has_noted_counts() {
    let workshop = made();
    workshop.sh("openssl x509 -in files/bad.pem -noout -enddate | sed 's/.*=//' >end; date -u -d \"$(cat end)\" +%y%m%d%H%M%SZ >until");
    let until = String::from_utf8(workshop.read("until")).unwrap();
    let until = until.trim();
    let line = |state: &str, serial: &str| format!("{state}\t{until}\t\t{serial}\tunknown\t/CN=leaf\n");
    workshop.write(
        "files/index.txt",
        [line("V", "1002"), line("V", "1003"), line("E", "1004"), line("R", "1005")].concat(),
    );
    let (code, report) = workshop.audit(&["files"]);
    assert_eq!((code, bad(&report)), (1, only(&["files/bad.pem"])), "{report}");
    let missing = &report["audit"]["missing"];
    assert_eq!(
        (missing.as_array().unwrap().len(), &missing[0]["serial"]),
        (1, &Value::from("1003")),
        "{report}"
    );
    // Revoked ones drop out.
    workshop.write("files/index.txt", line("R", "1002"));
    let (code, report) = workshop.audit(&["files"]);
    assert_eq!(
        (code, bad(&report), report["audit"]["revoked"].as_u64()),
        (0, BTreeSet::new(), Some(1)),
        "{report}"
    );
}

#[test]
fn what_is_no_artefact_is_counted_and_what_is_closed_is_named() {
    let workshop = made();
    workshop.sh(
        "openssl pkcs12 -export -in files/good.pem -inkey leaf.key -passout pass:x -out files/store.p12
         printf 'PK\\003\\004rest' >files/archive.zip
         printf -- '-----BEGIN PGP SIGNATURE-----\\n\\nAAAA\\n-----END PGP SIGNATURE-----\\n' >files/mail.asc
         printf 'nothing at all\\n' >files/readme
         cp leaf.key files/
         openssl pkey -in leaf.key -pubout -out files/leaf.pub
         ln -s ca.pem files/link; mkfifo files/pipe; ln -s . files/loop
         printf -- '-----BEGIN CERTIFICATE-----\\nMIIB!\\n-----END CERTIFICATE-----\\n' >damaged.pem",
    );
    let (code, report) = workshop.audit(&["files"]);
    let audit = &report["audit"];
    assert_eq!((code, bad(&report)), (1, only(&["files/bad.pem"])), "{report}");
    assert_eq!((audit["links"].as_u64(), audit["special"].as_u64()), (Some(2), Some(1)), "{report}");
    assert_eq!(audit["not_opened"].as_object().unwrap().len(), 3, "{report}");
    assert_eq!(report["coverage"].as_array().unwrap().len(), 0, "{report}");
    // Links are followed when that is asked for, and a circle of them is left.
    let (code, report) = workshop.audit(&["--follow", "files"]);
    assert_eq!((code, report["coverage"].as_array().unwrap().len()), (1, 0), "{report}");
    assert!(report["audit"]["repeated"].as_u64().unwrap() > 0, "{report}");
    // What is said to be a certificate, and is none, is not passed over.
    let (code, report) = workshop.audit(&["damaged.pem", "files/good.pem", "files/ca.pem"]);
    assert_eq!((code, report["audit"]["sound"].as_u64()), (3, Some(2)), "{report}");
    // A folder that is not there is a mistake.
    let output = workshop.program(&["nowhere"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn keys_are_named_in_the_forms_that_people_have_them_in() {
    let workshop = made();
    workshop.sh("openssl pkey -in ca.key -pubout -out ca.pub
         openssl req -new -key ca.key -subj /CN=x -out ca.csr
         openssl ec -in ca.key -out ca.sec1 2>/dev/null; chmod 600 ca.sec1; ssh-keygen -y -f ca.sec1 >ca.ssh
         mkdir alone; cp files/good.pem files/bad.pem alone/");
    let point = {
        let key = virtual_card::openssl::pkey::PKey::public_key_from_pem(&workshop.read("ca.pub")).unwrap();
        let ec = key.ec_key().unwrap();
        let mut context = virtual_card::openssl::bn::BigNumContext::new().unwrap();
        let form = virtual_card::openssl::ec::PointConversionForm::UNCOMPRESSED;
        ec.public_key().to_bytes(ec.group(), form, &mut context).unwrap()
    };
    let part = |range: std::ops::Range<usize>| data_encoding::BASE64URL_NOPAD.encode(&point[range]);
    let jwk = serde_json::json!({ "kty": "EC", "crv": "P-256", "x": part(1..33), "y": part(33..65) });
    workshop.write("ca.jwk", jwk.to_string());
    workshop.write("ca.jwks", serde_json::json!({ "keys": [jwk] }).to_string());
    let hex = data_encoding::HEXLOWER.encode(&point);
    workshop.sh("openssl crl2pkcs7 -nocrl -certfile files/ca.pem -outform DER -out ca.p7b
         cp ca.ssh own.pub; ssh-keygen -q -s ca.sec1 -I own own.pub");
    for key in
        ["ca.pub", "ca.csr", "ca.ssh", "ca.jwk", "ca.jwks", "files/ca.pem", "ca.p7b", "own-cert.pub", &hex]
    {
        let (code, report) = workshop.audit(&["--pubkey", key, "alone"]);
        assert_eq!((code, bad(&report)), (1, only(&["alone/bad.pem"])), "{key}: {report}");
        assert_eq!(report["audit"]["sound"], 1, "{key}");
    }
    // What holds no key is told whose it is; what only comes with a signature is nobody's word.
    workshop.sh("touch index; printf '[ca]\\ndefault_ca = x\\n[x]\\ndatabase = index\\ndefault_md = sha256\\n' >ca.conf
         openssl ca -gencrl -crldays 9 -keyfile ca.key -cert files/ca.pem -config ca.conf -out ca.crl 2>/dev/null
         openssl cms -sign -binary -in index -signer files/ca.pem -inkey ca.key -outform DER -out signed.p7s");
    for (key, told) in [
        ("ca.crl", "name the certificate of its issuer, O=Example, CN=CA"),
        ("signed.p7s", "not a public key"),
    ] {
        let output = workshop.program(&["--pubkey", key, "alone"]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains(told), "{key}: {said}");
    }
}

#[test]
fn only_what_was_changed_since_is_judged_and_keys_are_taken_from_all() {
    let workshop = made();
    // What was moved here counts as well, so no time that is told to a file makes it old.
    workshop.sh("sleep 1.1; date -u +%Y-%m-%dT%H:%M:%SZ >now; touch files/good.pem");
    let now = String::from_utf8(workshop.read("now")).unwrap();
    let (code, report) = workshop.audit(&["--since", now.trim(), "files"]);
    assert_eq!(
        (code, report["audit"]["sound"].as_u64(), report["audit"]["older"].as_u64()),
        (0, Some(1), Some(3)),
        "{report}"
    );
    let (code, _) = workshop.audit(&["--since", "4d", "files"]);
    assert_eq!(code, 1);
    for wrong in ["yesterday", "5", "", "2026-13-01"] {
        assert_eq!(
            workshop.program(&["--since", wrong, "files"]).output().unwrap().status.code(),
            Some(2),
            "{wrong}"
        );
    }
}

#[test]
fn signatures_in_other_containers_are_held_against_their_keys() {
    let workshop = Workshop::new();
    workshop.sh(
        "openssl req -new -x509 -newkey rsa:2048 -nodes -keyout key -subj /CN=signer -days 9 -out signer.pem 2>/dev/null
         mkdir files; echo text >files/data
         sign() { openssl cms -sign -binary -signer signer.pem -inkey key -in files/data \"$@\"; }
         sign -outform DER -out files/data.p7s
         sign -outform PEM -nodetach -md sha512 -out files/whole.pem
         sign -outform DER -nodetach -stream -out files/ber.p7m
         sign -outform DER -noattr -out files/data.plain
         sign -outform DER -keyid -nocerts -nodetach -out files/keyid.p7m
         sign -outform DER -nodetach -keyopt rsa_padding_mode:pss -out files/pss.p7m
         ssh-keygen -q -t ed25519 -N '' -f ssh; ssh-keygen -q -Y sign -f ssh -n file files/data
         ssh-keygen -q -t rsa -b 2048 -N '' -f sshca; cp ssh.pub user.pub; ssh-keygen -q -s sshca -I me -n root user.pub
         ssh-keygen -q -t ecdsa -N '' -f hostca; cp ssh.pub host.pub; ssh-keygen -q -h -s hostca -I host -n host host.pub
         cp user-cert.pub host-cert.pub files/; cp signer.pem files/",
    );
    let (code, report) = workshop.audit(&["files"]);
    assert_eq!((code, bad(&report)), (0, BTreeSet::new()), "{report}");
    let sound = |kind| counted(&report, kind, "sound");
    assert_eq!(
        [sound("signed-data"), sound("ssh-signature"), sound("ssh-certificate")],
        [6, 1, 2],
        "{report}"
    );
    // Other content than was signed is invalid, and not another key's; a file beside it may be any other.
    workshop.sh("sed 's/text/next/' files/whole.pem >/dev/null; echo changed >files/data");
    let (code, report) = workshop.audit(&["files"]);
    assert_eq!((code, bad(&report)), (3, BTreeSet::new()), "{report}");
    workshop.sh("rm files/data");
    let (code, report) = workshop.audit(&["files"]);
    assert_eq!((code, report["audit"]["not_decided"].as_u64()), (3, Some(3)), "{report}");
}

/// A card signs the requests for its keys with a key of its own, and may call itself what it calls them.
#[test]
fn requests_that_a_card_has_made_are_sound_though_they_have_its_name() {
    let workshop = Workshop::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let one = |name: &str| fixtures.join(name).to_str().unwrap().to_owned();
    let files = [
        one("signatures/request-p256.cvc"),
        one("signatures/request-rsa-1024.cvc"),
        one("recordings/sc-hsm/5-keys-cache"),
    ];
    for file in &files {
        let (code, report) = workshop.audit(&[file]);
        assert_eq!((code, report["audit"]["bad"].as_u64()), (0, Some(0)), "{report}");
        assert!(counted(&report, "cv-request", "sound") > 0, "{report}");
    }
    let mut request = std::fs::read(&files[0]).unwrap();
    // The first coordinate of its key.
    let place = request.windows(3).position(|part| part == [0x86, 0x41, 4]).unwrap() + 8;
    request[place] ^= 1;
    workshop.write("changed", request);
    let (code, report) = workshop.audit(&["changed"]);
    assert_ne!((code, counted(&report, "cv-request", "sound")), (0, 1), "{report}");
}
