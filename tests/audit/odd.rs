//! Folders as they grow on hosts with CAs: backups of the index, several CAs, lists and answers that others sign, messages
//! with several signers.

use super::*;

/// Two CAs, each with a leaf, and everything to issue more with.
const CAS: &str = r#"
for ca in one two; do
    openssl ecparam -genkey -name prime256v1 -noout -out $ca.key
    openssl req -new -x509 -key $ca.key -subj "/O=Example/CN=CA $ca" -days 30 -out $ca.pem
done
for key in other leaf signer responder; do openssl ecparam -genkey -name prime256v1 -noout -out $key.key; done
printf 'authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n' >ext
issue() { # issue CA SUBJECT KEY SERIAL FILE [EXTENSION]
    openssl req -new -key $3.key -subj "$2" -out request
    { cat ext; echo "${6-}"; } >own
    openssl x509 -req -in request -CA $1.pem -CAkey $1.key -set_serial $4 -days 20 -extfile own -out $5 2>/dev/null
}
twin() { # another key under the name and the identifier of the first CA, as through a stale cache
    id=$(openssl x509 -in one.pem -noout -ext subjectKeyIdentifier | sed -n 2p | tr -d ' :')
    printf 'subjectKeyIdentifier=%s\nbasicConstraints=CA:TRUE\n' "$id" >twin.ext
    openssl req -new -key other.key -subj '/O=Example/CN=CA one' -out twin.csr
    openssl x509 -req -in twin.csr -signkey other.key -days 30 -extfile twin.ext -out twin.pem 2>/dev/null
    cp other.key twin.key
}
mkdir files; cp one.pem two.pem files/
"#;

fn cas(commands: &str) -> Workshop {
    let workshop = Workshop::new();
    workshop.sh(&format!("{CAS}{commands}"));
    workshop
}

fn only(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// When the validity of this certificate ends, as `openssl ca` notes it.
fn until(workshop: &Workshop, file: &str) -> String {
    workshop.sh(&format!(
        "date -u -d \"$(openssl x509 -in {file} -noout -enddate | sed 's/.*=//')\" +%y%m%d%H%M%SZ >until"
    ));
    String::from_utf8(workshop.read("until")).unwrap().trim().to_owned()
}

/// `openssl ca` leaves the index as it was before beside it: there the newest revocation is not in it.
#[test]
fn what_an_older_copy_of_the_index_has_as_valid_is_revoked_all_the_same() {
    // Made by another key than it names: the identifier is that of the first CA.
    let workshop = cas(r#"
        twin; issue twin /CN=leaf leaf 4096 files/bad.pem
    "#);
    let until = until(&workshop, "files/bad.pem");
    let line = |state: &str, subject: &str| format!("{state}\t{until}\t\t1000\tunknown\t{subject}\n");
    let counts = |words: &[&str]| {
        let (code, report) = workshop.audit(words);
        (code, bad(&report).len(), report["audit"]["revoked"].as_u64().unwrap())
    };
    assert_eq!(counts(&["files"]), (1, 1, 0));
    for (newer, older) in [("index.txt", "index.txt.old"), ("a", "z"), ("z", "a")] {
        workshop.write(&format!("files/{newer}"), line("R", "/CN=leaf"));
        workshop.write(&format!("files/{older}"), line("V", "/CN=leaf"));
        for _ in 0..4 {
            assert_eq!(counts(&["files"]), (0, 0, 1), "{newer} and {older}");
        }
        workshop.sh(&format!("rm files/{newer} files/{older}"));
    }
    // What another CA has revoked under the same number is not this one.
    workshop.write("files/index.one", line("V", "/CN=leaf"));
    workshop.write("files/index.two", line("R", "/CN=another"));
    assert_eq!(counts(&["files"]), (1, 1, 0));
}

#[test]
fn names_with_other_blanks_and_kinds_of_strings_are_the_same() {
    let workshop = cas(r#"
        issue one /CN=leaf leaf 2 files/leaf.pem; rm files/one.pem
        printf '[req]\nprompt=no\ndistinguished_name=dn\nstring_mask=MASK:0x800\n[dn]\nO=EXAMPLE\nCN=ca   ONE\n' >wide.cnf
        openssl req -new -x509 -key one.key -config wide.cnf -days 30 -out files/wide.pem
    "#);
    let name = workshop.read("files/wide.pem");
    let wide = virtual_card::openssl::x509::X509::from_pem(&name).unwrap();
    // BMPString: two bytes a letter.
    assert!(
        wide.subject_name()
            .to_der()
            .unwrap()
            .windows(4)
            .any(|part| part == [0, b'C', 0, b'A'] || part == [0, b'c', 0, b'a'])
    );
    let (code, report) = workshop.audit(&["files"]);
    assert_eq!((code, report["audit"]["sound"].as_u64()), (0, Some(3)), "{report}");
}

const LISTS: &str = r#"
: >index.txt; echo 01 >number
cat >ca.cnf <<'END'
[ca]
default_ca = own
[own]
database = index.txt
crlnumber = number
default_md = sha256
default_crl_days = 7
[indirect]
issuingDistributionPoint = critical,@point
authorityKeyIdentifier = keyid
[point]
fullname = URI:http://crl.example/
indirectCRL = TRUE
[delta]
2.5.29.27 = critical,DER:020101
authorityKeyIdentifier = keyid
END
list() { openssl ca -config ca.cnf -gencrl -keyfile $1.key -cert $2 -crlexts $3 -out $4 2>/dev/null; }
issue one "/CN=List signer" signer 3 files/signer.pem keyUsage=cRLSign
issue one "/CN=List signer" other 3 other-signer.pem keyUsage=cRLSign
list signer files/signer.pem indirect files/indirect.crl
list one one.pem delta files/delta.crl
"#;

/// A list is its issuer's, whoever's certificates are in it.
#[test]
fn lists_that_are_indirect_or_deltas_are_their_issuers() {
    let workshop = cas(LISTS);
    let (code, report) = workshop.audit(&["files"]);
    assert_eq!((code, counted(&report, "revocation-list", "sound")), (0, 2), "{report}");
    // The same name, another key, and it carries the identifier of that.
    workshop.sh("list() { openssl ca -config ca.cnf -gencrl -keyfile $1.key -cert $2 -crlexts $3 -out $4 2>/dev/null; }
                 list other other-signer.pem indirect files/other.crl");
    let (code, report) = workshop.audit(&["files"]);
    assert_eq!((code, counted(&report, "revocation-list", "issuer-not-known")), (0, 1), "{report}");
    // Without an identifier its name is all that it says, and the CA may have had another key.
    workshop.sh("sed -i '/^authorityKeyIdentifier/d' ca.cnf
                 openssl ca -config ca.cnf -gencrl -keyfile other.key -cert other-signer.pem -crlexts delta -out files/bare.crl 2>/dev/null");
    let (code, report) = workshop.audit(&["files"]);
    assert_eq!((code, counted(&report, "revocation-list", "not-decided")), (3, 1), "{report}");
}

#[test]
fn answers_of_a_responder_that_the_ca_has_certified_are_the_responders() {
    let workshop = cas(r#"
        issue one /CN=leaf leaf 2 leaf.pem
        issue one /CN=Responder responder 3 responder.pem extendedKeyUsage=OCSPSigning
        issue one /CN=Responder other 3 stale.pem extendedKeyUsage=OCSPSigning
        printf 'V\t361231000000Z\t\t02\tunknown\t/CN=leaf\n' >index.txt
        answer() { openssl ocsp -index index.txt -CA one.pem -issuer one.pem -cert leaf.pem -noverify "$@" >/dev/null; }
        answer -rsigner responder.pem -rkey responder.key -respout files/name.der
        answer -rsigner responder.pem -rkey responder.key -resp_key_id -respout files/key.der
        answer -rsigner responder.pem -rkey responder.key -resp_no_certs -respout files/bare.der
        answer -rsigner responder.pem -rkey responder.key -resp_no_certs -resp_key_id -respout files/bare-key.der
        answer -rsigner stale.pem -rkey other.key -resp_no_certs -respout stale.der
        "#);
    // Two of them bring the responder's certificate; by that the others are known, too.
    let (code, report) = workshop.audit(&["files"]);
    assert_eq!((code, counted(&report, "ocsp-response", "sound")), (0, 4), "{report}");
    let (code, report) = workshop.audit(&["files/bare.der", "files/bare-key.der"]);
    assert_eq!((code, report["audit"]["issuer_not_known"].as_u64()), (0, Some(2)), "{report}");
    // A responder gets new keys under its name all the time.
    let (code, report) = workshop.audit(&["files", "stale.der"]);
    assert_eq!((code, counted(&report, "ocsp-response", "not-decided")), (3, 1), "{report}");
    // A certificate under another name does not say that it is not the responder's, too; whoever names the responder's key
    // does.
    workshop.sh("openssl req -new -x509 -key other.key -subj /CN=Elsewhere -days 9 -out elsewhere.pem");
    let (code, report) = workshop.audit(&["stale.der", "responder.pem", "one.pem", "elsewhere.pem"]);
    assert_eq!((code, counted(&report, "ocsp-response", "not-decided")), (3, 1), "{report}");
    let (code, report) = workshop.audit(&["stale.der", "--pubkey", "responder.pem", "one.pem"]);
    assert_eq!((code, bad(&report)), (1, only(&["stale.der"])), "{report}");
}

#[test]
fn a_message_with_two_signers_is_as_good_as_the_worse() {
    let workshop = cas(r#"
        issue one /CN=first leaf 2 first.pem; issue two /CN=second signer 3 second.pem
        echo text >files/data
        sign() { openssl cms -sign -binary -in files/data -signer first.pem -inkey leaf.key -signer second.pem -inkey signer.key -outform DER "$@"; }
        sign -nodetach -out files/whole.p7m; sign -out files/data.p7s; sign -noattr -out files/data.plain; sign -noattr -nocerts -out files/data.bare
        cp first.pem second.pem files/
        "#);
    let (code, report) = workshop.audit(&["files"]);
    assert_eq!((code, counted(&report, "signed-data", "sound")), (0, 4), "{report}");
    // The last byte is one of the second signer's signature.
    let mut der = workshop.read("files/whole.p7m");
    *der.last_mut().unwrap() ^= 1;
    workshop.write("files/whole.p7m", der);
    let (code, report) = workshop.audit(&["files"]);
    assert_eq!((code, bad(&report)), (1, only(&["files/whole.p7m"])), "{report}");
    // One of the two is not known.
    workshop.sh("rm files/second.pem files/whole.p7m files/data.p7s files/data.plain");
    let (code, report) = workshop.audit(&["files"]);
    assert_eq!((code, counted(&report, "signed-data", "issuer-not-known")), (0, 1), "{report}");
}

/// A sound answer about one certificate does not replace a bad one about another, nor a certificate for signing one for
/// deciphering.
#[test]
fn only_what_is_for_the_same_replaces_a_bad_one() {
    let workshop = cas(r#"
        issue one /CN=leaf leaf 2 leaf.pem; issue one /CN=other leaf 4 other.pem
        issue one /CN=Responder responder 3 files/responder.pem extendedKeyUsage=OCSPSigning
        issue one /CN=Responder other 3 stale.pem extendedKeyUsage=OCSPSigning
        printf 'V\t361231000000Z\t\t02\tunknown\t/CN=leaf\nV\t361231000000Z\t\t04\tunknown\t/CN=other\n' >index.txt
        answer() { openssl ocsp -index index.txt -CA one.pem -issuer one.pem -noverify -resp_no_certs "$@" >/dev/null; }
        answer -cert leaf.pem -rsigner stale.pem -rkey other.key -respout files/bad.der
        answer -cert other.pem -rsigner files/responder.pem -rkey responder.key -respout files/good.der

        twin; issue twin /CN=user leaf 8 files/bad.pem keyUsage=keyEncipherment
        issue one /CN=user leaf 9 files/good.pem keyUsage=digitalSignature
        "#);
    let replaced = || {
        let (code, report) = workshop.audit(&["--pubkey", "files/responder.pem", "files"]);
        assert_eq!((code, bad(&report)), (1, only(&["files/bad.der", "files/bad.pem"])), "{report}");
        let items = report["audit"]["items"].as_array().unwrap().iter();
        items.map(|item| item["replaced"].as_bool().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(replaced(), [false, false]);
    workshop.sh(
        "openssl ocsp -index index.txt -CA one.pem -issuer one.pem -noverify -resp_no_certs -cert leaf.pem \
         -rsigner files/responder.pem -rkey responder.key -respout files/again.der >/dev/null
         openssl req -new -key leaf.key -subj /CN=user -out request; echo keyUsage=keyEncipherment >own
         openssl x509 -req -in request -CA one.pem -CAkey one.key -set_serial 10 -days 20 -extfile own -out files/again.pem 2>/dev/null",
    );
    assert_eq!(replaced(), [true, true]);
}
