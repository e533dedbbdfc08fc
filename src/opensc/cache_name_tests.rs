//! Tests of cache names: the worked examples of the facts, hostile names, and the
//! promise that what parses prints back.
#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;
use crate::snapshot::{ByteString, EntryName};

fn parse(name: &ByteString) -> Recognised {
    EntryName::from(name.clone()).means().clone()
}

fn recognise(name: &str) -> Recognised {
    parse(&ByteString::from(name))
}

fn entry_of(name: &str) -> CacheName {
    match recognise(name) {
        Recognised::Entry(entry) => {
            assert_eq!(entry.name(), ByteString::from(name));
            entry
        }
        other => unreachable!("{name}: {other:?}"),
    }
}

#[test]
fn the_seeds_names_are_built_and_read() {
    let key = CacheName::for_sc_hsm("DENK0200834", None, EfPath::at(0xC401)).unwrap();
    assert_eq!(key.to_string(), "DENK0200834_NODATE_E82B0601040181C31F0201_C401");
    assert_eq!(entry_of(&key.to_string()), key);
    assert_eq!((key.ef(), key.is_sc_hsm()), (Some(EfPath::at(0xC401)), true));
}

#[test]
fn every_version_has_its_format() {
    let make = |minor, serial: &str, date, counter, aid: Option<&[u8]>, path: &[u8]| {
        let serial = Serial::Text(serial.as_bytes().to_vec());
        CacheName::generate(Version::of(minor), &serial, date, counter, aid, path).map(|n| n.to_string())
    };
    let path = [0x3F, 0x00, 0x50, 0x15, 0x44, 0x02];
    let date = Some("20240131080000Z");
    let aid = b"\xA0\0\0\0cPKCS-15";
    for (made, name) in [
        (make(23, "0a1b2c", date, None, None, &path), "0a1b2c_20240131080000Z_50154402"),
        (make(23, "0a1b2c", None, None, None, &path), "0a1b2c_NODATE_50154402"),
        (make(15, "0A1B2C", None, None, None, &path), "0A1B2C_DATE_50154402"),
        (
            make(23, "0a1b2c", date, None, Some(aid), &[0x44, 0x02]),
            "0a1b2c_20240131080000Z_A000000063504B43532D3135_4402",
        ),
        (make(24, "0123456789", date, Some(37), None, &path), "0123456789_20240131080000Z_37_50154402"),
        (make(23, "0123456789", date, Some(37), None, &path), "0123456789_20240131080000Z_50154402"),
        (make(23, "x", None, None, None, &[0x3F, 0x00]), "x_NODATE_3F00"),
        (make(23, "v0.9", None, None, None, &[0x3F, 0, 0x16, 0, 0, 4]), "v0.9_NODATE_16000004"),
    ] {
        assert_eq!(made.unwrap(), name);
        entry_of(name);
    }
    assert_eq!(make(15, "x", None, None, Some(aid), &path), Err(NotCached::Version));
    assert_eq!(make(23, "", None, None, None, &path), Err(NotCached::NoSerial));
    assert_eq!(make(23, "x", None, None, None, &[0x3F]), Err(NotCached::Path));
    assert_eq!(make(23, "x", None, None, None, &[1; 17]), Err(NotCached::Path));
}

#[test]
fn uids_are_told_from_serials() {
    let uid = Serial::Uid(vec![4, 0xA1, 0xB2, 0xC3, 0xD4, 0xE5, 0xF6]);
    let at = |minor, uid: &Serial| {
        CacheName::generate(Version::of(minor), uid, None, None, None, &[0x50, 0x15, 0x50, 0x31])
    };
    let name = at(23, &uid).unwrap();
    assert_eq!(name.to_string(), "uid-04A1B2C3D4E5F6_NODATE_50155031");
    assert_eq!(entry_of("uid-04A1B2C3D4E5F6_NODATE_50155031"), name);
    assert_eq!(at(16, &uid), Err(NotCached::Version));
    assert_eq!(at(23, &Serial::Uid(vec![8, 1])), Err(NotCached::NoSerial));
    assert_eq!(entry_of("uid-xy_NODATE_5031").serial, Serial::Text(b"uid-xy".to_vec()));
}

#[test]
fn a_can_is_not_a_ca_certificate() {
    assert_eq!(recognise("0123_NODATE_CA4E"), Recognised::Can);
    assert_eq!(recognise("0123_20240131080000Z_CA4E"), Recognised::Can);
    assert_eq!(recognise("0123_NODATE_7_CA4E"), Recognised::Can);
    let certificate = entry_of("DENK0200834_NODATE_E82B0601040181C31F0201_CA4E");
    assert_eq!(certificate.ef(), Some(EfPath::at(0xCA4E)));
    assert_eq!(recognise("lteid_can"), Recognised::LteidCan);
    assert_eq!(recognise(&"0aB1".repeat(16)), Recognised::OffCardCertificate);
    assert_eq!(recognise(&"0aB1".repeat(15)), Recognised::Unknown);
}

#[test]
fn fields_are_not_confused() {
    assert_eq!(entry_of("x_NODATE_5015").path, Some(vec![0x50, 0x15]));
    let both = entry_of("x_NODATE_5015_5015");
    assert_eq!((both.counter, both.path), (Some(5015), Some(vec![0x50, 0x15])));
    let all = entry_of("x_NODATE_65535_E82B060104_C401");
    assert_eq!((all.counter, all.aid.map(|a| a.len())), (Some(65535), Some(5)));
    assert_eq!(entry_of("a_b_NODATE_NODATE_5015").serial, Serial::Text(b"a_b_NODATE".to_vec()));
    assert_eq!(entry_of("a_2024013108_20240131080000Z_5015").serial, Serial::Text(b"a_2024013108".to_vec()));
    assert_eq!(entry_of("a_NODATE_2024013108_5015").last_update, LastUpdate::NoDate);
    for date in ["2024013108", "202401310800Z", "20240131080000.5Z", "20240131080000+0100"] {
        assert_eq!(entry_of(&format!("x_{date}_5015")).last_update, LastUpdate::Date(date.into()));
    }
}

#[test]
fn other_names_are_unknown() {
    for name in [
        "",
        ".",
        "..",
        "x",
        "x_NODATE",
        "x_NODATE_",
        "_NODATE_5015",
        "x_nodate_5015",
        "x_NODATE_ca4e",
        "x_NODATE_501",
        "x_NODATE_50",
        "x_NODATE_007_5015",
        "x_NODATE_65536_5015",
        "x_NODATE_123456_5015",
        "x_NODATE_1_2_3_5015",
        "x_NODATE_5015.bak",
        "x_20240131Z_5015",
        "x_20240131080000._5015",
        "../x_NODATE_5015",
        "a/b_NODATE_5015",
        "a\0b_NODATE_5015",
    ] {
        assert_eq!(recognise(name), Recognised::Unknown, "{name:?}");
    }
    assert_eq!(recognise(&format!("{}_NODATE_5015", "x".repeat(300))), Recognised::Unknown);
}

#[test]
fn a_hostile_serial_makes_no_file_name() {
    let long = "x".repeat(250);
    for serial in ["../../etc", "a/b", "a\0b", "..", "/", long.as_str()] {
        assert_eq!(CacheName::for_sc_hsm(serial, None, EfPath::at(0xC401)), Err(NotCached::NotAFileName));
    }
    assert_eq!(CacheName::for_sc_hsm("x", Some("../y"), EfPath::at(0xC401)), Err(NotCached::NotAFileName));
    CacheName::for_sc_hsm("a_b \u{1b}[2J", None, EfPath::at(0xC401)).unwrap();
}

#[test]
fn all_recorded_names_are_entries() {
    for name in [
        "00000000000000000001_20261123073415Z_50154301",
        "000000000001_NODATE_A401",
        "9168e52e6f026a829a5027a9011ca5a7_NODATE_0100CECE",
        "9168e52e6f026a829a5027a9011ca5a7_NODATE_DB00",
        "DENK0200834_NODATE_E82B0601040181C31F0201_C400",
        "DENK0200834_NODATE_E82B0601040181C31F0201_CE05",
    ] {
        entry_of(name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_parses_prints_back(name in prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..80),
        "[A-Z0-9_]{0,6}(uid-|_)?(NODATE|DATE|20240131080000Z|[0-9_]{0,16})(_[0-9A-F]{0,12}){0,4}".prop_map(String::into_bytes),
    ]) {
        if let Recognised::Entry(entry) = parse(&ByteString(name.clone())) {
            prop_assert_eq!(entry.name().0, name);
        }
    }

    #[test]
    fn what_is_generated_parses_back(
        minor in 12u16..29,
        serial in proptest::collection::vec(any::<u8>(), 0..20),
        date in proptest::option::of("[0-9]{14}Z"),
        counter in any::<Option<u16>>(),
        aid in proptest::option::of(proptest::collection::vec(any::<u8>(), 5..=16)),
        path in proptest::collection::vec(any::<u8>(), 0..18),
    ) {
        let serial = parse_serial(&serial);
        let made = CacheName::generate(
            Version::of(minor), &serial, date.as_deref(), counter, aid.as_deref(), &path);
        if let Ok(name) = made {
            match parse(&name.name()) {
                Recognised::Entry(read) => prop_assert_eq!(read.name(), name.name()),
                other => prop_assert_eq!(other, Recognised::Can),
            }
        }
    }
}
