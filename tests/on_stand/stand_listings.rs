//! The stand's readers of listings, on what the real tools once printed (`fixtures/recordings/`).

use crate::stand::listing::{Kind, Pkcs11Listing, Pkcs15Listing, ScHsmStatus, blocks};

fn recording(name: &str) -> String {
    let path = format!("{}/fixtures/recordings/sc-hsm/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

#[test]
fn pkcs15_tool_dump_of_five_keys() {
    let listing = Pkcs15Listing::parse(&recording("5-keys-live.txt")).unwrap();
    assert_eq!(listing.label, "HSM-H1");
    assert_eq!(listing.serial, "DENK0200834");
    assert_eq!(listing.manufacturer, "www.CardContact.de");
    assert_eq!(listing.objects.len(), 12);

    let pins = listing.pins();
    assert_eq!(pins[0].label, "UserPIN");
    assert_eq!(pins[0].key_ref, Some(129));
    assert_eq!(pins[0].tries_left, Some(3));
    assert_eq!(pins[0].path.as_deref(), Some("e82b0601040181c31f0201::"));
    assert_eq!((pins[1].id.as_deref(), pins[1].tries_left), (Some("02"), Some(15)));

    let keys = listing.private_keys();
    assert_eq!(keys.len(), 5);
    let key = keys[4];
    assert_eq!((key.label.as_str(), key.id.as_deref()), ("key5", Some("05")));
    assert_eq!((key.key_type.as_deref(), key.bits, key.key_ref), (Some("EC"), Some(256), Some(5)));
    assert_eq!(key.auth_id.as_deref(), Some("01"));
    assert_eq!(key.usage.as_deref(), Some("[0x10C], sign, signRecover, derive"));
    assert_eq!(key.block.get("MD:guid"), Some("c49d8dcb-788f-8bdc-571a-915a15ec8dd5"));

    let public = listing.public_keys();
    assert_eq!(public.len(), 5);
    assert_eq!((public[0].id.as_deref(), public[0].auth_id.as_deref()), (Some("01"), None));
}

#[test]
fn pkcs15_tool_other_objects() {
    let text = "Using reader with a card: Virtual PCD 00 00\nPKCS#15 Card [a [b] c]:\n\tSerial number  : X\n\
        Private RSA Key [r]\n\tModLength      : 2048\n\tID             : 0A\n\
        X.509 Certificate [c]\n\tPath           : e82b0601040181c31f0201::ce01\n\tID             : 0a\n\
        Data object 'd'\n\tapplicationName: app\n\tPath           : ::cf00\n\tData (3 bytes): 414243\n\t444546\n";
    let listing = Pkcs15Listing::parse(text).unwrap();
    assert_eq!(listing.label, "a [b] c");
    let kinds: Vec<Kind> = listing.objects.iter().map(|object| object.kind).collect();
    assert_eq!(kinds, [Kind::PrivateKey, Kind::Certificate, Kind::Data]);
    assert_eq!(listing.objects[0].bits, Some(2048));
    assert_eq!(listing.objects[0].id.as_deref(), Some("0a"));
    assert_eq!(listing.objects[2].label, "d");
    assert_eq!(listing.objects[2].block.get("Data (3 bytes)"), Some("414243 444546"));
    assert_eq!(Pkcs15Listing::parse("PKCS#15 binding failed: Unsupported INS byte in APDU\n"), None);
}

#[test]
fn pkcs11_tool_listing_of_five_keys() {
    let listing = Pkcs11Listing::parse(&recording("5-keys-live-pkcs11.txt"));
    assert_eq!(listing.objects.len(), 5, "the profile object is left out");
    let key = listing.public_keys()[1];
    assert_eq!((key.label.as_str(), key.id.as_deref()), ("key2", Some("02")));
    assert_eq!((key.key_type.as_deref(), key.bits), (Some("EC"), Some(256)));
    assert_eq!(key.usage.as_deref(), Some("verify"));
    assert_eq!(key.ec_params.as_deref(), Some("06082a8648ce3d030107"));
    let point = key.ec_point.as_deref().unwrap();
    assert_eq!(point.len(), 2 * 65);
    assert!(point.starts_with("0420f3f3c4f0"));
}

#[test]
fn pkcs11_tool_other_objects() {
    let text = "Private Key Object; RSA \n  label:      a: b\n  ID:         01\n  Usage:      decrypt, sign\n\
        Public Key Object; RSA 2048 bits\n  label:      r\n  ID:         01\n\
        Certificate Object; type = X.509 cert\n  label:      c\n  subject:    DN: CN=x\n  ID:         01\n\
        Data object 3475076544\n  label:          'd'\n  application:    'd app'\n  app_id:         <empty>\n";
    let listing = Pkcs11Listing::parse(text);
    assert_eq!(listing.private_keys()[0].label, "a: b");
    assert_eq!(listing.private_keys()[0].key_type.as_deref(), Some("RSA"));
    assert_eq!(listing.public_keys()[0].bits, Some(2048));
    assert_eq!(listing.certificates()[0].key_type, None);
    assert_eq!(listing.certificates()[0].block.get("subject"), Some("DN: CN=x"));
    assert_eq!(listing.data()[0].label, "d");
    assert_eq!(listing.data()[0].application.as_deref(), Some("d app"));
}

#[test]
fn the_seed_transcript_tells_the_keys() {
    let transcript = recording("seed-transcript.txt");
    let generated: Vec<String> = transcript
        .split("Key pair generated:\n")
        .skip(1)
        .map(|rest| Pkcs11Listing::parse(rest.split("\n\n").next().unwrap()))
        .map(|listing| listing.public_keys()[0].id.clone().unwrap())
        .collect();
    assert_eq!(
        generated,
        [
            "9a9dcc674cbc63b1e2727a91a0bb83794f650af3",
            "370f650bfd11e2f861814a046af0c4317718f968",
            "be24d3acfab60bc6fdc8bee24d1a37e6c8132cf0"
        ]
    );
}

#[test]
fn sc_hsm_tool_status() {
    let status = ScHsmStatus::parse(&recording("5-keys-sc-hsm-tool.txt"));
    assert_eq!(status.version.as_deref(), Some("5.6"));
    assert_eq!((status.so_pin_tries, status.user_pin_tries), (Some(15), Some(3)));
    assert_eq!((status.dkek_shares, status.dkek_outstanding), (Some(1), Some(1)));
    assert_eq!(status.dkek_kcv, None);

    let complete = ScHsmStatus::parse("DKEK shares          : 1\nDKEK key check value : 22b15fe6c4e9ad60\n");
    assert_eq!(complete.dkek_kcv.as_deref(), Some("22B15FE6C4E9AD60"));
    assert_eq!(complete.dkek_outstanding, Some(0));
}

#[test]
fn blocks_take_anything() {
    assert_eq!(blocks(""), []);
    assert_eq!(blocks("\tindented: first\n\n"), []);
    assert_eq!(blocks("Data object ' \n\t\n  x\n")[0].fields, [("x".to_owned(), String::new())]);
}
