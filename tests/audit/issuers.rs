//! Which key of its issuer an artefact names, where a CA has had several keys under one name: openssl is asked the same.

use super::*;

/// An old CA key and a new one under the same name, serial numbers 1 and 2, and everything to issue more with.
const GENERATIONS: &str = r#"
printf '[req]\ndistinguished_name=dn\n[dn]\n[ca]\nsubjectKeyIdentifier=none\nbasicConstraints=critical,CA:TRUE\n' >ca.cnf
for kind in old new leaf; do openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out $kind.key 2>/dev/null; done
root() { openssl req -config ca.cnf -extensions ca -new -x509 -key $1.key -subj "${3-/CN=CA}" -set_serial $2 -days 30 -out $1.pem; }
root old 1; root new 2
openssl req -config ca.cnf -new -key leaf.key -subj /CN=leaf -out leaf.csr
issue() { # issue NAMED MAKER FILE [EXTENSION] [NUMBER]: the extension as of one, signed by the other
    printf 'authorityKeyIdentifier=%s\nsubjectKeyIdentifier=none\n' "${4-none}" >ext
    # The name and the number of the one, the key of the other.
    number=0x$(openssl x509 -in $1.pem -noout -serial | cut -d= -f2)
    openssl req -config ca.cnf -extensions ca -new -x509 -key $2.key -subj "$(openssl x509 -in $1.pem -noout -subject -nameopt compat | cut -d= -f2-)" \
        -set_serial $number -days 30 -out twin.pem
    openssl x509 -req -in leaf.csr -CA twin.pem -CAkey $2.key -set_serial ${5-77} -days 9 -extfile ext -out $3 2>/dev/null
}
"#;

fn generations(commands: &str) -> Workshop {
    let workshop = Workshop::new();
    workshop.sh(&format!("{GENERATIONS}{commands}"));
    workshop
}

/// Exit code, and the verdict about the last of these files where it is not sound.
fn verdict(workshop: &Workshop, files: &[&str]) -> (i32, String) {
    let (code, report) = workshop.audit(files);
    let leaf = *files.last().unwrap();
    let items = report["audit"]["items"].as_array().unwrap();
    let item = items.iter().find(|item| item["file"] == leaf);
    let verdict = match item {
        Some(item) => item["verdict"].as_str().unwrap(),
        None if report["audit"]["issuer_not_known"] == 1 => "issuer-not-known",
        None => "sound",
    };
    (code, verdict.to_owned())
}

#[test]
fn issuer_and_serial_number_in_the_authority_key_identifier_decide_which_certificate_is_named() {
    let by_number = "issuer:always";
    let workshop = generations(&format!(
        r#"
        issue old old right.pem {by_number}; issue old new wrong.pem {by_number}
        openssl x509 -in wrong.pem -noout -ext authorityKeyIdentifier | grep -q 'serial:01'
        cat old.pem new.pem >both
        openssl verify -CAfile both right.pem; ! openssl verify -CAfile both wrong.pem
        ! openssl verify -CAfile new.pem wrong.pem; ! openssl verify -CAfile new.pem right.pem
        "#
    ));
    for (files, expected) in [
        (&["old.pem", "new.pem", "right.pem"][..], (0, "sound")),
        (&["old.pem", "new.pem", "wrong.pem"], (1, "sound-under-another-certificate")),
        // The old generation is not here.
        (&["new.pem", "right.pem"], (0, "issuer-not-known")),
        // Made by a key of the CA, and not by the one of the certificate that it names, unless both have one key.
        (&["new.pem", "wrong.pem"], (3, "not-decided")),
    ] {
        assert_eq!(verdict(&workshop, files), (expected.0, expected.1.to_owned()), "{files:?}");
    }
    // Nobody is called the one that is named and another one at once.
    let human = workshop.program(&["old.pem", "new.pem", "wrong.pem"]).output().unwrap();
    let text = String::from_utf8(human.stdout).unwrap();
    assert!(text.contains("(CA certificate old.pem)") && text.contains("(CA certificate new.pem)"), "{text}");
    // The old CA's certificate is renewed, with the same key and another number: what names the old one is still sound,
    // if that is here, and it alone says so.
    workshop.sh("cp old.key again.key; root() { openssl req -config ca.cnf -extensions ca -new -x509 -key $1.key -subj /CN=CA -set_serial $2 -days 30 -out $1.pem; }; root again 3
                 ! openssl verify -CAfile again.pem right.pem");
    assert_eq!(verdict(&workshop, &["again.pem", "right.pem"]), (3, "not-decided".to_owned()));
    assert_eq!(verdict(&workshop, &["again.pem", "old.pem", "right.pem"]), (0, "sound".to_owned()));
}

#[test]
fn key_identifier_and_serial_number_have_both_to_fit_where_both_are_there() {
    let both = "keyid:always,issuer:always";
    let workshop = generations(&format!(
        r#"
        sed -i 's/=none/=hash/' ca.cnf; root old 1; root new 2
        issue old old leaf.pem {both}; openssl verify -CAfile old.pem leaf.pem
        cp old.key again.key; root again 3; ! openssl verify -CAfile again.pem leaf.pem
        echo >index.txt; echo 01 >number
        printf '[ca]\ndefault_ca=own\n[own]\ndatabase=index.txt\ncrlnumber=number\ndefault_md=sha256\ndefault_crl_days=7\n[list]\nauthorityKeyIdentifier={both}\n' >list.cnf
        : >index.txt; openssl ca -config list.cnf -gencrl -keyfile old.key -cert old.pem -crlexts list -out list.crl 2>/dev/null
        "#
    ));
    for signed in ["leaf.pem", "list.crl"] {
        assert_eq!(verdict(&workshop, &["old.pem", signed]), (0, "sound".to_owned()));
        assert_eq!(verdict(&workshop, &["again.pem", signed]), (3, "not-decided".to_owned()));
        assert_eq!(verdict(&workshop, &["new.pem", signed]), (0, "issuer-not-known".to_owned()));
    }
}

#[test]
fn what_carries_no_identifier_names_a_name_and_another_key_of_it_is_never_excluded() {
    for algorithm in ["EC -pkeyopt ec_paramgen_curve:P-256", "RSA -pkeyopt rsa_keygen_bits:2048", "ED25519"] {
        let workshop = generations(&format!(
            r#"
            for kind in old new; do openssl genpkey -algorithm {algorithm} -out $kind.key 2>/dev/null; done
            root old 1; root new 2; issue old old leaf.pem; issue old old second.pem none 78
            issue old old third.pem none 79
            openssl verify -CAfile old.pem leaf.pem; ! openssl verify -CAfile new.pem leaf.pem
            # The only certificate of that name is nobody's who signs.
            printf 'basicConstraints=CA:FALSE\n' >no; openssl req -config ca.cnf -new -key new.key -subj /CN=CA -out no.csr
            openssl x509 -req -in no.csr -CA new.pem -CAkey new.key -set_serial 5 -days 9 -extfile no -out no.pem 2>/dev/null
            "#
        ));
        assert_eq!(verdict(&workshop, &["old.pem", "new.pem", "leaf.pem"]).0, 0, "{algorithm}");
        // However many they are.
        let (code, report) = workshop.audit(&["new.pem", "second.pem", "third.pem", "leaf.pem"]);
        assert_eq!((code, counted(&report, "certificate", "not-decided")), (3, 3), "{report}");
        assert_eq!(bad(&report), BTreeSet::new(), "{report}");
        let (code, report) = workshop.audit(&["no.pem", "leaf.pem"]);
        assert_eq!((code, bad(&report)), (3, BTreeSet::new()), "{report}");
        // A certificate under another name says who made it, and not that it has no other name.
        workshop.sh(r#"openssl req -config ca.cnf -extensions ca -new -x509 -key old.key -subj /CN=Elsewhere -days 9 -out elsewhere.pem"#);
        assert_eq!(
            verdict(&workshop, &["new.pem", "elsewhere.pem", "leaf.pem"]),
            (3, "not-decided".to_owned()),
            "{algorithm}"
        );
        // Whoever names the issuer's key has said it.
        let (code, report) = workshop.audit(&["--pubkey", "new.pem", "elsewhere.pem", "leaf.pem"]);
        assert_eq!((code, bad(&report)), (1, BTreeSet::from(["leaf.pem".to_owned()])), "{report}");
    }
}

/// Whoever has a key can sign a certificate for it in anybody's name.
#[test]
fn what_its_own_key_has_signed_in_the_name_of_another_is_never_sound() {
    let workshop = generations(
        r#"
        cp leaf.key fake.key; root fake 9; issue fake fake leaf.pem
        # For the same key, in the name of the CA.
        openssl verify -partial_chain -CAfile fake.pem leaf.pem
        openssl x509 -in leaf.pem -noout -issuer -subject
        "#,
    );
    assert_eq!(verdict(&workshop, &["leaf.pem"]), (0, "issuer-not-known".to_owned()));
    let (code, report) = workshop.audit(&["leaf.pem"]);
    assert_eq!((code, report["audit"]["sound"].as_u64()), (0, Some(0)), "{report}");
    // The real key of that name is known.
    assert_eq!(verdict(&workshop, &["old.pem", "leaf.pem"]), (1, "made-by-another-key".to_owned()));
}

/// Whatever came of it, what is there again is one artefact, asked about once, and placed by what tells most of it.
#[test]
fn what_is_there_again_is_one_artefact_whatever_came_of_it() {
    let workshop = generations(
        r#"
        issue old old right.pem issuer:always
        issue old new wrong.pem issuer:always
        mkdir files; for i in 1 2 3; do cat right.pem wrong.pem; done >files/all
        openssl req -config ca.cnf -new -key old.key -subj /CN=CA -out files/a.csr
        for i in $(seq 2000); do cat right.pem; done >rep
        "#,
    );
    let (code, report) = workshop.audit(&["files", "old.pem", "new.pem"]);
    assert_eq!(
        (code, report["audit"]["bad"].as_u64(), report["audit"]["repeated"].as_u64()),
        (1, Some(1), Some(4)),
        "{report}"
    );
    assert_eq!(counted(&report, "certificate", "sound-under-another-certificate"), 1, "{report}");
    assert_eq!(counted(&report, "certificate", "sound"), 1, "{report}");
    let item = &report["audit"]["items"][0];
    let place = item["names"]["places"][0]["place"].as_str().unwrap();
    assert!(place.starts_with("CA certificate old.pem"), "{item}");
    // Of a nobody, too.
    let (code, report) = workshop.audit(&["rep", "new.pem"]);
    assert_eq!(
        (code, report["audit"]["artefacts"].as_u64(), report["audit"]["repeated"].as_u64()),
        (0, Some(2), Some(1999)),
        "{report}"
    );
    assert_eq!(counted(&report, "certificate", "issuer-not-known"), 1, "{report}");
}

/// Not all of them are tried before it is asked who made it.
#[test]
fn of_very_many_keys_with_one_name_each_is_found() {
    let workshop = Workshop::new();
    workshop.sh(
        "printf '[req]\\ndistinguished_name = name\\n[name]\\n' >bare; mkdir cas leaves
         for n in $(seq 20) other; do openssl ecparam -genkey -name prime256v1 -noout -out $n.key
             openssl req -new -x509 -config bare -key $n.key -subj /CN=Test -days 9 -out cas/$n.pem; done
         openssl req -new -config bare -key other.key -subj /CN=leaf -out leaf.csr
         for n in $(seq 20) other; do
             openssl x509 -req -in leaf.csr -CA cas/$n.pem -CAkey $n.key -set_serial 5 -days 9 -out leaves/$n.pem 2>/dev/null; done
         rm leaves/other.pem cas/other.pem",
    );
    let (code, report) = workshop.audit(&["cas", "leaves"]);
    assert_eq!((code, report["audit"]["sound"].as_u64()), (0, Some(40)), "{report}");
}
