//! What random histories found (`tests/fidelity`), one test for each mistake. The files are built
//! here by hand, in the shape OpenSC 0.23 writes them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;

use super::sc_hsm::decode;
use super::*;
use crate::format::pkcs15::KeyType;
use crate::format::tlv::encode;
use crate::snapshot::Fid;

fn of_023() -> Behaviour {
    Behaviour::of(Some(Version::of(23)))
}

/// P-256 certificate of `CN=leaf`, made by openssl and issued by `CN=root`.
fn certificate() -> Vec<u8> {
    x509_by("root", "leaf")
}

fn x509_by(issuer: &str, subject: &str) -> Vec<u8> {
    let name = |name: &str| {
        let value = [encode(0x06, &[0x55, 4, 3]), encode(0x0C, name.as_bytes())].concat();
        encode(0x30, &encode(0x31, &encode(0x30, &value)))
    };
    let algorithm = encode(0x30, &encode(0x06, &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 4, 3, 2]));
    let date = encode(0x17, b"260101000000Z");
    let key_type = [
        encode(0x06, &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 2, 1]),
        encode(0x06, &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7]),
    ]
    .concat();
    let point = [&[0, 4][..], &[7; 64]].concat();
    let key = [encode(0x30, &key_type), encode(0x03, &point)].concat();
    let body = [
        encode(0xA0, &encode(2, &[2])),
        encode(2, &[9]),
        algorithm.clone(),
        name(issuer),
        encode(0x30, &[date.clone(), date].concat()),
        name(subject),
        encode(0x30, &key),
    ]
    .concat();
    encode(0x30, &[encode(0x30, &body), algorithm, encode(3, &[0, 1])].concat())
}

struct Entry<'a> {
    tag: u32,
    label: &'a str,
    id: &'a [u8],
    access: Option<u8>,
    path: Vec<u8>,
}

impl Default for Entry<'_> {
    fn default() -> Self {
        Self { tag: 0xA0, label: "key", id: &[1], access: None, path: vec![4, 0] }
    }
}

fn private_key(entry: &Entry<'_>) -> Vec<u8> {
    let common = [encode(0x0C, entry.label.as_bytes()), vec![3, 2, 6, 0xC0, 4, 1, 1]].concat();
    let mut class = [encode(4, entry.id), vec![3, 3, 7, 0x30, 0x80]].concat();
    class.extend(entry.access.into_iter().flat_map(|flags| vec![3, 2, 3, flags]));
    let kind = [encode(0x30, &entry.path), vec![2, 2, 1, 0]].concat();
    let parts = [encode(0x30, &common), encode(0x30, &class), encode(0xA1, &encode(0x30, &kind))].concat();
    encode(entry.tag, &parts)
}

fn ca_description(label: &str, id: &[u8], path: &[u8]) -> Vec<u8> {
    let common = [encode(0x0C, label.as_bytes()), vec![3, 2, 6, 0x40]].concat();
    let kind = encode(0x30, &encode(0x30, path));
    let parts = [encode(0x30, &common), encode(0x30, &encode(4, id)), encode(0xA1, &kind)].concat();
    encode(0x30, &parts)
}

fn data_description(kind: &[u8], auth_id: Option<u8>, flags: u8) -> Vec<u8> {
    let mut common = [encode(0x0C, b"data"), vec![3, 2, 6, flags]].concat();
    common.extend(auth_id.into_iter().flat_map(|id| vec![4, 1, id]));
    encode(0x30, &[encode(0x30, &common), encode(0x30, &encode(0x0C, b"app")), encode(0xA1, kind)].concat())
}

struct Files(BTreeMap<u16, Vec<u8>>);

impl Source for Files {
    fn read(&self, file: EfPath, _buffer: usize) -> Read {
        self.0.get(&file.fid().unwrap().0).map_or(Read::Absent, |content| Read::Content(content.clone()))
    }
}

fn view(files: &[(u16, Vec<u8>)]) -> View {
    let list: Vec<Fid> = files
        .iter()
        .filter_map(|(fid, _)| match fid >> 8 {
            0xC4 => Some(Fid(fid + 0x0800)),
            0xC8 | 0xC9 => Some(Fid(*fid)),
            _ => None,
        })
        .collect();
    decode(&list, &Files(files.iter().cloned().collect()), of_023())
}

fn listed(view: &View) -> Vec<String> {
    let line = |item: &pkcs11::Item<'_>| format!("{} {}", item.class(), String::from_utf8_lossy(&item.label));
    pkcs11::project(view).iter().map(line).collect()
}

#[test]
fn a_key_without_access_flags_is_sensitive_and_local() {
    for (written, shown) in [(None, 0x1D), (Some(0), 0x1D), (Some(0x40), 0x02)] {
        let view = view(&[(0xC401, private_key(&Entry { access: written, ..Entry::default() }))]);
        assert!(
            matches!(view.objects[0].class, Class::PrivateKey { access, .. } if access == shown),
            "{written:?}"
        );
    }
}

#[test]
fn a_gost_key_is_listed_with_its_size_and_a_dsa_key_is_not() {
    let key = |tag| view(&[(0xC401, private_key(&Entry { tag, ..Entry::default() }))]);
    assert!(matches!(key(0xA4).objects[0].class, Class::PrivateKey { bits: 256, .. }));
    assert!(key(0xA2).objects.is_empty());
}

#[test]
fn an_entry_whose_path_has_no_octets_is_not_listed() {
    let wrong = vec![5, 2, 0xCA, 0];
    let files = [
        (0xC401, private_key(&Entry { path: vec![5, 0], ..Entry::default() })),
        (0xC800, ca_description("ca", &[7], &wrong)),
        (0xC900, data_description(&encode(0x30, &wrong), None, 0x40)),
    ];
    assert!(view(&files).objects.is_empty());
}

#[test]
fn a_data_object_without_a_value_is_not_listed() {
    assert!(view(&[(0xC900, data_description(&encode(0x31, &[]), None, 0x40))]).objects.is_empty());
}

#[test]
fn a_certificate_is_one_although_its_date_is_none() {
    let mut der = certificate();
    let date = der.windows(6).position(|bytes| bytes == b"260101").unwrap();
    der[date] = b'x';
    let found = x509::decode(&der).unwrap();
    assert_eq!((found.validity, found.subject().as_str()), (None, "CN=leaf"));
    assert!(x509::decode(&certificate()).unwrap().validity.is_some());
}

#[test]
fn a_certificate_with_a_curve_that_opensc_does_not_know_is_none() {
    let with_curve = |curve: &[u8]| {
        let der = certificate();
        let at = der.windows(8).position(|bytes| bytes == [0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7]).unwrap();
        [&der[..at], curve, &der[at + 8..]].concat()
    };
    let usable = |der: &[u8]| x509_as(der, of_023()).is_some();
    assert!(usable(&with_curve(&[0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 1])));
    let unknown = with_curve(&[0x2A, 0x86, 0x48, 0xDE, 0x3D, 3, 1, 7]);
    assert!(x509::decode(&unknown).is_some() && !usable(&unknown));
    assert!(crate::format::curve::is_known_by_name(&[0x2B, 0x81, 4, 0, 0x21], false));
    let twisted = [0x2B, 0x24, 3, 3, 2, 8, 1, 1, 8];
    assert!(!crate::format::curve::is_known_by_name(&twisted, false));
}

#[test]
fn a_certificate_with_a_foreign_tag_class_is_none() {
    let mut der = certificate();
    // The sequence of the signature algorithm, behind version and serial number.
    let at = der.windows(3).position(|bytes| bytes == [2, 1, 9]).unwrap() + 3;
    assert_eq!(der[at], 0x30);
    der[at] = 0x70;
    assert_eq!(x509::decode(&der), None);
}

#[test]
fn a_broken_certificate_takes_those_behind_it_along() {
    let path = |number| encode(4, &[0xCA, number]);
    let files = [
        (0xC401, private_key(&Entry { label: "one", ..Entry::default() })),
        (0xCE01, vec![0x30, 3, 2, 1, 1]),
        (0xC800, ca_description("ca", &[7], &path(0))),
        (0xCA00, certificate()),
    ];
    let broken = view(&files);
    assert_eq!(broken.objects.len(), 3);
    assert_eq!(listed(&broken), ["Private Key one"]);
    let sound = view(&[files[0].clone(), files[2].clone(), files[3].clone()]);
    assert_eq!(listed(&sound), ["Private Key one", "Certificate ca", "Public Key ca"]);
    assert_eq!(pkcs11::differing(&sound, &broken), [Place::whole(EfPath::at(0xC800))]);
}

#[test]
fn one_private_key_of_an_id_is_shown_with_all_public_parts_of_that_id() {
    let key = |label| private_key(&Entry { label, ..Entry::default() });
    let files = [(0xC401, key("one")), (0xC402, key("two")), (0xCE02, certificate())];
    let first = view(&files);
    assert_eq!(listed(&first), ["Private Key one", "Certificate two", "Public Key two"]);
    let other = view(&[files[0].clone(), (0xC402, key("2")), files[2].clone()]);
    assert_eq!(pkcs11::differing(&first, &other), [Place::whole(EfPath::at(0xCC02))]);
    let hidden = view(&[files[0].clone(), files[1].clone()]);
    let renamed = view(&[files[0].clone(), (0xC402, key("2"))]);
    assert!(!difference::compare(&hidden, &renamed).is_empty());
    assert!(pkcs11::differing(&hidden, &renamed).is_empty());
}

#[test]
fn private_keys_of_one_id_are_shown_with_the_usages_of_all() {
    let rsa = private_key(&Entry { tag: 0x30, ..Entry::default() });
    // decrypt, sign, signRecover instead of sign, signRecover, derive
    let usage = rsa.windows(5).position(|bytes| bytes == [3, 3, 7, 0x30, 0x80]).unwrap();
    let rsa = [&rsa[..usage], &[3, 3, 7, 0x70, 0x00], &rsa[usage + 5..]].concat();
    let view = view(&[(0xC401, private_key(&Entry::default())), (0xC402, rsa)]);
    let items = pkcs11::project(&view);
    assert_eq!((items.len(), items[0].object.ef, items[0].usage), (1, EfPath::at(0xCC02), 0x10E));
}

#[test]
fn a_certificate_is_followed_by_its_key_and_its_issuer() {
    let path = |number| encode(4, &[0xCA, number]);
    let view = view(&[
        (0xC800, ca_description("leaf", &[1], &path(0))),
        (0xC801, ca_description("other", &[2], &path(1))),
        (0xC802, ca_description("", &[3], &path(2))),
        (0xCA00, certificate()),
        (0xCA01, x509_by("else", "other")),
        (0xCA02, x509_by("root", "root")),
    ]);
    assert_eq!(
        listed(&view),
        [
            "Certificate leaf",
            "Public Key leaf",
            "Certificate root",
            "Public Key root",
            "Certificate other",
            "Public Key other"
        ]
    );
}

#[test]
fn there_is_room_for_128_objects() {
    let names: Vec<String> = (1..=100).map(|number| format!("key{number}")).collect();
    let mut files = Vec::new();
    for (label, number) in names.iter().zip(1..) {
        files
            .push((0xC400 + number, private_key(&Entry { label, id: label.as_bytes(), ..Entry::default() })));
        files.push((0xCE00 + number, certificate()));
    }
    let view = view(&files);
    assert_eq!(view.objects.len(), 200);
    assert_eq!(pkcs11::project(&view).len(), 128);
}

#[test]
fn data_that_name_a_pin_are_private_or_for_nobody() {
    let path = encode(0x30, &encode(4, &[0xCF, 0]));
    let data = |auth_id, flags| view(&[(0xC900, data_description(&path, auth_id, flags))]);
    assert_eq!(listed(&data(None, 0x40)), ["Data data"]);
    assert_eq!(listed(&data(Some(1), 0x40)), [""; 0]);
    assert!(pkcs11::project(&data(Some(1), 0xC0))[0].private);
    assert_eq!(listed(&data(Some(2), 0xC0)), [""; 0]);
}

#[test]
fn a_name_of_a_smart_card_hsm_tells_whether_its_file_is_private() {
    let name = |file| crate::opensc::CacheName::for_sc_hsm("DENK0200834", None, EfPath::at(file)).unwrap();
    assert!(is_private(&[], &name(0xCD01)));
    assert!(!is_private(&[], &name(0xCF01)) && !is_private(&[], &name(0xC401)));
}

/// Objects of a native card, as its directories describe them.
fn of_native(objects: Vec<(&'static str, Class)>) -> View {
    let object = |(auth, class): (&'static str, Class)| Object {
        ef: EfPath::at(0x4402),
        part: Part::Entry(class.kind(), vec![1], 0),
        files: Vec::new(),
        label: b"label".to_vec(),
        id: vec![1],
        auth_id: auth.as_bytes().to_vec(),
        class,
    };
    View { objects: objects.into_iter().map(object).collect(), unknown: Unknown::default(), pins: &[] }
}

fn native_private_key() -> Class {
    Class::PrivateKey {
        reference: Some(1),
        key_type: KeyType::Ec,
        bits: 256,
        usage: 4,
        access: 0,
        flags: 1,
        native: true,
        path: None,
    }
}

#[test]
fn a_public_key_that_cannot_be_read_has_that_of_its_certificate() {
    let certificate = x509::decode(&certificate());
    let key = certificate.as_ref().map(|certificate| certificate.key.clone());
    let view = of_native(vec![
        ("", Class::PublicKey { key: None, entry: None }),
        ("", Class::Certificate { certificate, authority: false, flags: 0 }),
    ]);
    let items = pkcs11::project(&view);
    assert_eq!((items.len(), items[0].public_key()), (2, key.as_ref()));
    assert_eq!(pkcs11::project(&of_native(vec![("", Class::PublicKey { key: None, entry: None })])).len(), 1);
}

#[test]
fn where_no_pin_is_listed_nobody_sees_private_objects() {
    let pin = |flags| {
        Class::Pin(Pin {
            object_flags: 3,
            flags,
            kind: 1,
            lengths: [4, 8, 8],
            reference: 1,
            pad: None,
            path: None,
        })
    };
    let shown = |objects| pkcs11::project(&of_native(objects)).len();
    assert_eq!(shown(vec![("\u{1}", native_private_key())]), 0);
    assert_eq!(shown(vec![("\u{1}", native_private_key()), ("", pin(0xB0))]), 0);
    assert_eq!(shown(vec![("\u{1}", native_private_key()), ("", pin(0x30))]), 1);
}

#[test]
fn pkcs15_tool_ends_the_list_of_a_class_after_32() {
    let names: Vec<String> = (1..=40).map(|number| format!("key{number}")).collect();
    let files = names.iter().zip(1..).flat_map(|(label, number)| {
        let key = private_key(&Entry { label, id: label.as_bytes(), ..Entry::default() });
        [(0xC400 + number, key), (0xCE00 + number, certificate())]
    });
    let view = view(&files.collect::<Vec<_>>());
    assert_eq!((view.objects.len(), pkcs15::listed(&view).count()), (80, 64));
    let omitted = listed::omitted(&view);
    let of_tool = &omitted["pkcs15-tool"];
    let last = Place { ef: EfPath::at(0xCC00 + 32), part: Part::PrivateKey };
    let next = Place { ef: EfPath::at(0xCC00 + 33), part: Part::PrivateKey };
    assert_eq!((of_tool.get(&last), of_tool[&next].as_str()), (None, "its list ends after 32 of a class"));
    // 40 private keys, 40 certificates, each with a public key: 120.
    assert!(omitted["opensc-pkcs11"].is_empty());
}

#[test]
fn data_that_cannot_be_read_end_the_list_of_pkcs15_tool_and_of_nobody_else() {
    let description =
        |file, auth_id| data_description(&encode(0x30, &encode(4, &[0xCD, file])), auth_id, 0x40);
    // What takes the PIN, which the second description says and the third does not; what is not there at all.
    let files =
        [(0xC900, description(9, None)), (0xC901, description(1, Some(1))), (0xC902, description(2, None))];
    let files = files.into_iter().chain([(0xC903, description(3, None))]).collect();
    let list = [0xC900, 0xC901, 0xC902, 0xC903, 0xCD01, 0xCD02, 0xCD03].map(Fid);
    let view = decode(&list, &Files(files), of_023());
    let listed: Vec<EfPath> = pkcs15::listed(&view).map(|object| object.ef).collect();
    assert_eq!(listed, [0xC900, 0xC901, 0xC902].map(EfPath::at));
    let omitted = listed::omitted(&view);
    let behind = &omitted["pkcs15-tool"][&Place::whole(EfPath::at(0xC903))];
    assert_eq!(behind, "its list of data objects ends at \"data\", which cannot be read");
}

#[test]
fn why_an_object_is_in_no_token() {
    let path = |number| encode(4, &[0xCA, number]);
    let data = encode(0x30, &encode(4, &[0xCF, 0]));
    let view = view(&[
        (0xC401, private_key(&Entry { label: "one", ..Entry::default() })),
        (0xC402, private_key(&Entry { label: "two", ..Entry::default() })),
        (0xC800, ca_description("broken", &[7], &path(0))),
        (0xC801, ca_description("behind", &[8], &path(1))),
        (0xCA00, vec![0x30, 3, 2, 1, 1]),
        (0xCA01, certificate()),
        (0xC900, data_description(&data, Some(1), 0x40)),
    ]);
    let omitted: Vec<_> =
        pkcs11::omitted(&view).into_iter().map(|(object, why)| (object.ef, why.words())).collect();
    let expected = [
        (0xCC02, "a private key before it has the same ID"),
        (0xC800, "its bytes are no certificate"),
        (0xC801, "it lists no certificate behind \"broken\", whose bytes are none"),
        (0xC900, "it is public, and names a PIN all the same"),
    ];
    assert_eq!(omitted, expected.map(|(slot, why)| (EfPath::at(slot), why.to_owned())));
}

/// Whatever a card's file may once have held is old in the cache, not damaged; what was cut off is.
#[test]
fn an_old_copy_is_whole_and_a_cut_one_is_not() {
    let request = {
        let point = [&[4][..], &[7; 64]].concat();
        let key = [encode(0x06, &[4, 0, 0x7F, 0, 7, 2, 2, 2, 2, 3]), encode(0x86, &point)].concat();
        let body = [encode(0x5F29, &[0]), encode(0x7F49, &key), encode(0x5F20, b"HOLDER00001")].concat();
        let signed = [encode(0x7F4E, &body), encode(0x5F37, &[9; 64])].concat();
        let outer =
            [encode(0x7F21, &signed), encode(0x42, b"DEVICE00001"), encode(0x5F37, &[8; 64])].concat();
        encode(0x67, &outer)
    };
    let other = |tag| private_key(&Entry { tag, ..Entry::default() });
    let data = encode(0x30, &encode(4, &[0xCF, 0]));
    let contents = [
        // RSA, EC, GOST, DSA; the AES key that was in this slot.
        (0xC401, vec![other(0x30), other(0xA0), other(0xA4), other(0xA2), other(0xA8)]),
        (0xCE01, vec![request.clone(), tlv_value(&request), certificate()]),
        (0xC800, vec![ca_description("ca", &[7], &encode(4, &[0xCA, 0]))]),
        (0xCA00, vec![certificate()]),
        (0xC900, vec![data_description(&data, None, 0x40), data_description(&data, Some(1), 0xC0)]),
    ];
    let layout = layout(crate::snapshot::Family::SmartCardHsm).unwrap();
    for (file, contents) in contents {
        for content in contents {
            let condition = |bytes: &[u8]| layout.condition(None, EfPath::at(file), bytes);
            assert_eq!(condition(&content), Condition::Whole, "{file:04X} {content:02x?}");
            // A longer one was here before, and its end stayed behind; or memory that was never written.
            for behind in [&content[content.len() - 7..], &[0; 20], &[0xFF; 3]] {
                assert_eq!(condition(&[&content, behind].concat()), Condition::Whole, "{behind:02x?}");
            }
            let doubled = [content.clone(), content.clone()].concat();
            assert_eq!(condition(&doubled), Condition::Trailing(content.len()));
            for length in 1..content.len() {
                assert_eq!(condition(&content[..length]), Condition::Undecodable, "{file:04X} {length}");
            }
        }
    }
}

/// The certificate in an authenticated request.
fn tlv_value(request: &[u8]) -> Vec<u8> {
    let content = crate::format::tlv::first(request).unwrap().value;
    crate::format::tlv::first(content).unwrap().raw.to_vec()
}
