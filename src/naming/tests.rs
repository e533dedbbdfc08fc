//! What people type, held against a token as they have it in hand.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use proptest::prelude::*;

use super::readings::yubikey_slot;
use super::uri::{Type, Uri};
use super::{Error, Maker, Names, Naming, TokenNames};

const LIVE: [u8; 4] = [0x6E, 0x51, 0x82, 0xB9];
const STALE: [u8; 4] = [0x2C, 0xAF, 0x2C, 0x01];

fn names(reference: u8, label: &str, class: Type, ids: &[&[u8]]) -> Names {
    Names {
        what: format!("key reference {reference} \"{label}\""),
        reference: Some(reference),
        ids: ids.iter().map(|id| id.to_vec()).collect(),
        labels: vec![label.to_owned()],
        words: vec![format!("CC{reference:02X}"), format!("/cache/DENK0200834_NODATE_CC{reference:02X}")],
        class: Some(class),
        token: TokenNames {
            serial: "DENK0200834".to_owned(),
            labels: vec!["HSM-H1".to_owned(), "HSM-H1 (UserPIN)".to_owned()],
            maker: Some(Maker {
                manufacturer: Some(b"www.CardContact.de".to_vec()),
                model: Some("PKCS#15 emulated"),
                elsewhere: Some(("Yubico", "YubiKey")),
            }),
        },
    }
}

/// A key with a stale ID, its certificate, a second key whose ID begins as the first one's does, a PIV key, one whose ID is
/// two digits.
fn token() -> Vec<Names> {
    vec![
        names(1, "Private Key", Type::Private, &[&LIVE, &STALE]),
        names(1, "Private Key", Type::Cert, &[&LIVE]),
        names(2, "CA", Type::Private, &[&[0x6E, 0x51, 0x82, 0x00]]),
        names(0x9D, "KEY MAN key", Type::Private, &[&[3]]),
        names(3, "odd", Type::Private, &[b"45"]),
    ]
}

fn picked(typed: &str) -> Vec<usize> {
    Naming::parse(typed).unwrap().pick(&token()).unwrap()
}

#[test]
fn what_is_shown_is_typed_as_it_is_shown() {
    for (typed, expected) in [
        ("1", &[0, 1][..]),
        ("6e5182b9", &[0, 1]),
        ("6E5182B9", &[0, 1]),
        ("2caf2c01", &[0]),
        ("Private Key", &[0, 1]),
        ("CA", &[2]),
        ("cc02", &[2]),
        ("/cache/DENK0200834_NODATE_CC02", &[2]),
        ("9d", &[3]),
        ("157", &[3]),
        ("3435", &[4]),
        ("DENK0200834", &[0, 1, 2, 3, 4]),
    ] {
        assert_eq!(picked(typed), expected, "{typed}");
    }
}

#[test]
fn an_id_is_known_in_any_spelling_and_by_its_beginning() {
    for typed in [
        "0x6e5182b9",
        "6e:51:82:b9",
        "6E 51 82 B9",
        " 6e51-82b9 ",
        "0X6E:51:82:B9",
        "id_6e5182b9",
        "slot_0-id_6e5182b9",
        "slot_12-id_6E:51:82:B9",
        "0:6e5182b9",
        "%smartcard:6e5182b9",
        "%smartcard0@opensc:6e5182b9",
        "%smartcard4:6e5182b9",
        "6e5182b",
        "0x6e5182b",
        "pkcs11:id=%6e%51%82%b9",
        "PKCS11:id=%6E%51%82%B9;type=private?pin-source=file:/etc/pin",
    ] {
        let expected: &[usize] = if typed.contains("type=private") { &[0] } else { &[0, 1] };
        assert_eq!(picked(typed), expected, "{typed}");
    }
    assert_eq!(picked("0x2caf2c"), [0], "the stale ID, too: it is the one that people see");
    // Fewer than six digits are no beginning; `1` stays a key reference, whatever begins with it.
    for typed in ["6e518", "0x6e", "6e:51", "6e5182b9ff", "slot_x-id_6e5182b9", "%smartcardx:6e5182b9", ""] {
        assert_eq!(picked(typed), [] as [usize; 0], "{typed}");
    }
}

#[test]
fn other_programs_names_of_keys_are_known() {
    for (typed, expected) in [
        ("label_CA", &[2][..]),
        ("slot_3-label_Private Key", &[0, 1]),
        ("KEY_MANAGEMENT", &[3]),
        ("key-management", &[3]),
        ("slot 9d", &[3]),
        ("0x9d", &[3]),
        ("id_03", &[3]),
        ("0:3", &[3]),
        ("0:03", &[3]),
        ("AUTHENTICATION", &[]),
        ("RETIRED21", &[]),
    ] {
        assert_eq!(picked(typed), expected, "{typed}");
    }
    assert_eq!(yubikey_slot("RETIRED1"), Some(0x82));
    assert_eq!(yubikey_slot("retired20"), Some(0x95));
    assert_eq!(yubikey_slot("RETIRED0"), None);
    assert_eq!(yubikey_slot("CARD_AUTH"), Some(0x9E));
}

#[test]
fn a_uri_has_to_fit_in_all_that_tells_keys_apart() {
    for (uri, expected) in [
        ("pkcs11:token=HSM-H1%20%28UserPIN%29;object=CA", &[2][..]),
        ("pkcs11:token=HSM-H1 (UserPIN);object=CA", &[2]),
        ("pkcs11:model=YubiKey%20YK5;manufacturer=Yubico%20%28www.yubico.com%29;id=%03;type=private", &[3]),
        ("pkcs11:serial=denk0200834;id=%03", &[3]),
        ("pkcs11:serial=OTHER;id=%03", &[]),
        ("pkcs11:token=other;id=%03", &[]),
        ("pkcs11:id=%03;type=cert", &[]),
        ("pkcs11:id=45", &[4]),
        ("pkcs11:id=%03;library-version=3.23;library-manufacturer=OpenSC%20Project", &[3]),
        // As p11tool prints it.
        (
            "pkcs11:model=PKCS%2315%20emulated;manufacturer=www.CardContact.de;serial=DENK0200834;\
             token=HSM-H1%20%28UserPIN%29;id=%03;object=KEY%20MAN%20key;type=private",
            &[3],
        ),
        ("pkcs11:model=PKCS%2315%20emulated%20;manufacturer=www.CardContact.de%20%20;id=%03", &[3]),
        ("pkcs11:", &[0, 1, 2, 3, 4]),
    ] {
        assert_eq!(picked(uri), expected, "{uri}");
    }
    for (uri, why) in [
        ("pkcs11:id=%3", "percent sign"),
        ("pkcs11:id=%zz", "percent sign"),
        ("pkcs11:id=%03;id=%04", "twice"),
        ("pkcs11:id", "no attribute"),
        ("pkcs11:type=key", "no type"),
    ] {
        let error = Naming::parse(uri).unwrap_err();
        assert!(matches!(error, Error::Uri { .. }) && error.to_string().contains(why), "{uri}: {error}");
    }
    let long = format!("pkcs11:object={}", "a".repeat(5000));
    assert!(Naming::parse(&long).is_err());
}

/// What narrows a URI is never passed over: whoever names another maker, or mistypes a name, means something else than all there is.
#[test]
fn an_attribute_of_a_uri_that_is_unknown_or_does_not_fit_is_refused_by_its_name() {
    for (uri, said) in [
        ("pkcs11:objct=k9", "\"objct\", which is not known: is object meant?"),
        ("pkcs11:Object=k9", "is object meant?"),
        ("pkcs11:manufactuer=x;id=%03", "is manufacturer meant?"),
        ("pkcs11:foo=bar", "\"foo\", which is not known; there are token, serial"),
        ("pkcs11:x-vendor=1;id=%03", "\"x-vendor\""),
        ("pkcs11:slot-id=5", "slot-id says which slot is meant"),
        ("pkcs11:slot-description=x", "--reader names a reader"),
        ("pkcs11:library-manufacturer=Yubico;object=CA", "\"Yubico\" names another module than OpenSC's"),
        ("pkcs11:library-version=new", "library-version"),
    ] {
        let error = Naming::parse(uri).unwrap_err().to_string();
        assert!(error.contains(said), "{uri}: {error}");
    }
    for (uri, said) in [
        ("pkcs11:manufacturer=foo;object=CA", "manufacturer=\"foo\""),
        ("pkcs11:model=PKCS%2315;object=CA", "which is \"PKCS#15 emulated\""),
    ] {
        let error = Naming::parse(uri).unwrap().pick(&token()).unwrap_err();
        assert!(matches!(error, Error::Maker { .. }) && error.to_string().contains(said), "{uri}: {error}");
    }
    // Of what nobody knows the maker of, none is meant by it; of a kind whose maker is not known here, any may be.
    let mut all = token();
    all.iter_mut().for_each(|names| names.token.maker = None);
    let found = |all: &[Names]| Naming::parse("pkcs11:manufacturer=foo;object=CA").unwrap().pick(all);
    assert_eq!(found(&all), Ok(vec![]));
    all.iter_mut().for_each(|names| names.token.maker = Some(Maker::default()));
    assert_eq!(found(&all), Ok(vec![2]));
}

/// A label may look like anything: where it is the ID of another key as well, neither is taken for the other.
#[test]
fn a_label_that_reads_as_the_id_of_another_key_is_ambiguous() {
    let mut all = token();
    all[2].labels = vec!["0x03".to_owned()];
    let error = Naming::parse("0x03").unwrap().key(&all).unwrap_err();
    let said = error.to_string();
    assert!(said.contains("key reference 2") && said.contains("key reference 157"), "{said}");
    // Its own ID is no other's.
    all[3].labels = vec!["0x03".to_owned()];
    all[2].labels = vec!["CA".to_owned()];
    assert_eq!(Naming::parse("0x03").unwrap().key(&all), Ok(vec![3]));
}

#[test]
fn an_id_in_a_uri_without_its_percent_signs_is_told_how_to_write_it() {
    for (uri, meant) in [
        ("pkcs11:id=03;type=private", "id=%03"),
        ("pkcs11:id=6e5182b9", "id=%6e%51%82%b9"),
        ("pkcs11:id=6e:51", "%6e%51"),
    ] {
        let error = Naming::parse(uri).unwrap().pick(&token()).unwrap_err();
        assert!(
            matches!(error, Error::NotEscaped { .. }) && error.to_string().contains(meant),
            "{uri}: {error}"
        );
    }
    // These are the bytes that were meant: nothing to be told.
    assert_eq!(picked("pkcs11:id=%30%33"), [] as [usize; 0]);
}

#[test]
fn what_might_be_meant_twice_is_an_error_that_lists_both() {
    let error = Naming::parse("6e5182").unwrap().pick(&token()).unwrap_err();
    let said = error.to_string();
    assert!(
        said.contains("key reference 1") && said.contains("key reference 2") && !said.contains("157"),
        "{said}"
    );
    let one = |typed: &str| Naming::parse(typed).unwrap().one("key", &token());
    assert_eq!(one("CA"), Ok(2));
    assert!(matches!(one("Private Key"), Err(Error::Ambiguous { .. })));
    let nothing = one("nobody").unwrap_err().to_string();
    assert!(nothing.contains("no key is called \"nobody\"; there is: key reference 1"), "{nothing}");
    // A stale ID of one key that is the live ID of another: the very danger.
    let mut all = token();
    all[2].ids.push(LIVE.to_vec());
    let said = Naming::parse("6e5182b9").unwrap().one("key", &all[1..]).unwrap_err().to_string();
    assert!(said.contains("could be any of these"), "{said}");
}

#[test]
fn a_token_is_known_by_serial_number_label_and_uri() {
    let tokens = [
        TokenNames { serial: "DENK0200834".to_owned(), labels: vec!["HSM-H1".to_owned()], maker: None },
        TokenNames { serial: "DENK0200999".to_owned(), labels: vec!["HSM-H2".to_owned()], maker: None },
        TokenNames { serial: "d2760001".to_owned(), labels: vec!["OpenPGP card".to_owned()], maker: None },
        TokenNames {
            serial: "0123456789abcdef0123".to_owned(),
            labels: vec!["OpenPGP card".to_owned()],
            maker: None,
        },
    ];
    let found = |typed: &str| {
        let found = Naming::parse(typed).unwrap().token(&tokens)?;
        Ok::<_, Error>(found.into_iter().map(|token| token.serial.clone()).collect::<Vec<_>>())
    };
    for (typed, expected) in [
        ("DENK0200834", "DENK0200834"),
        ("denk0200834", "DENK0200834"),
        ("DENK02008", "DENK0200834"),
        ("HSM-H2", "DENK0200999"),
        ("pkcs11:token=HSM-H1", "DENK0200834"),
        ("pkcs11:serial=456789abcdef0123", "0123456789abcdef0123"),
    ] {
        assert_eq!(found(typed).unwrap(), [expected], "{typed}");
    }
    assert!(found("DENK").unwrap().is_empty() && found("").unwrap().is_empty());
    for typed in ["DENK02", "OpenPGP card"] {
        assert!(matches!(found(typed), Err(Error::Ambiguous { .. })), "{typed}");
    }
}

proptest! {
    #[test]
    fn a_uri_that_is_written_is_read_as_it_was(
        token in proptest::option::of(proptest::collection::vec(any::<u8>(), 1..32)),
        serial in proptest::option::of(proptest::collection::vec(any::<u8>(), 1..17)),
        manufacturer in proptest::option::of(proptest::collection::vec(any::<u8>(), 1..32)),
        model in proptest::option::of(proptest::collection::vec(any::<u8>(), 1..16)),
        object in proptest::option::of(proptest::collection::vec(any::<u8>(), 1..64)),
        id in proptest::option::of(proptest::collection::vec(any::<u8>(), 1..33)),
        class in proptest::option::of(proptest::sample::select(&[Type::Private, Type::Public, Type::Cert, Type::SecretKey, Type::Data][..])),
    ) {
        let uri = Uri { token, serial, manufacturer, model, object, id, class, bare_id: None };
        let written = uri.to_string();
        let pasted = |byte: u8| byte.is_ascii_alphanumeric() || b":;=%-._~".contains(&byte);
        prop_assert!(written.bytes().all(pasted), "{}", written);
        prop_assert_eq!(Uri::parse(&written), Ok(uri));
    }

    #[test]
    fn whatever_is_typed_is_read_without_harm(typed in "\\PC{0,60}|pkcs11:[ -~]{0,60}|[0-9a-fx: _%-]{0,40}") {
        if let Ok(naming) = Naming::parse(&typed) {
            let _ = naming.pick(&token());
            let _ = naming.token(&[]);
        }
    }
}

/// What people paste comes with its PIN, and what was typed stands in errors, which go into logs and tickets.
#[test]
fn no_error_holds_the_pin_of_what_was_typed() {
    for typed in [
        "pkcs11:id=%99?pin-value=648219",
        "pkcs11:id=%99?pin-source=file:/x&PIN-Value=648219&module-path=/y",
        "pkcs11:id=%99;pin-value=648219",
        "pkcs11:id=%zz;pin-value=648219",
        "pkcs11:type=no;x;pin-value=648219?pin-value=648219",
        "pkcs11:pin-value=648219;pin-value=648219",
        "pin-value=648219",
    ] {
        let said = match Naming::parse(typed).and_then(|naming| naming.one("key", &token())) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        };
        assert!(said.contains("pin-value") || said.contains("PIN-Value"), "{typed}: {said}");
        assert!(!said.contains("648219"), "{typed}: {said}");
    }
    assert_eq!(
        super::uri::without_pin("a?pin-value=1&b=2;pin-value="),
        "a?pin-value=(left out)&b=2;pin-value=(left out)"
    );
}
