//! What cards sign: requests, device certificates and their roots.

use std::fs;
use std::path::Path;

use data_encoding::HEXLOWER as HEX;
use stalecard::crypto::cvc::{Origin, Signer, device, issued_by, made_by, possession};
use stalecard::crypto::{Fit, Hash, Outcome, Reason, Scheme, Signed, recover, verify};
use stalecard::format::curve::{self, Curve};
use stalecard::format::cvc::{Cvc, decode};
use stalecard::format::key::PublicKey;
use stalecard::format::signature::Encoding;
use stalecard::format::tlv::encode;

use crate::IsValid;
use crate::random::Random;
use crate::second::Second;

const P256: &[u8] = include_bytes!("../../fixtures/signatures/request-p256.cvc");
const RSA: &[u8] = include_bytes!("../../fixtures/signatures/request-rsa-1024.cvc");
const NITROKEY: &[u8] = include_bytes!("../../fixtures/signatures/nitrokey-2f02.cvc");
const ROOTS: [&[u8]; 2] = [
    include_bytes!("../../fixtures/signatures/DESRCACC100001.cvc"),
    include_bytes!("../../fixtures/signatures/UTSRCACC100001.cvc"),
];

fn ec(curve: &str, point: &str) -> PublicKey {
    let curve = curve::by_name(curve).unwrap();
    PublicKey::Ec { curve_oid: curve.oid.to_vec(), point: HEX.decode(point.as_bytes()).unwrap() }
}

fn plain(scheme: Scheme) -> Outcome {
    Outcome::Valid(Fit { scheme, encoding: Encoding::Plain })
}

/// The device that made both requests: an emulator's.
fn emulator() -> Signer {
    Signer {
        key: ec(
            "secp256k1",
            "043359f5234ce62e0eb80460046d8fd1aae018cc8b9e687b40aa2c047e352409b45153d1ad888e4e7e780a3b1fa8c69ca8998bd271c8849137149142e96816a5a4",
        ),
        scheme: Scheme::Ecdsa(Some(Hash::Sha256)),
    }
}

#[test]
fn both_signatures_of_a_request_for_an_ec_key() {
    let request = decode(P256).unwrap();
    let scheme = Scheme::Ecdsa(Some(Hash::Sha256));
    assert_eq!(possession(&request), plain(scheme));
    assert_eq!(made_by(&request, &emulator()), Some(plain(scheme)));
    // By the device, not by the key itself.
    assert_eq!(made_by(&request, &Signer::new(&request.key).unwrap()), Some(Outcome::Invalid));
}

#[test]
fn both_signatures_of_a_request_for_an_rsa_key() {
    let request = decode(RSA).unwrap();
    assert_eq!(possession(&request), plain(Scheme::Pkcs1(Some(Hash::Sha256))));
    assert_eq!(made_by(&request, &emulator()), Some(plain(Scheme::Ecdsa(Some(Hash::Sha256)))));
}

/// Each flipped byte of the body spoils both signatures, or the structure; of the rest, one.
#[test]
fn a_request_that_was_tampered_with_proves_nothing() {
    for (whole, end_of_body) in [(P256, 349), (RSA, 212)] {
        for at in (0..whole.len()).step_by(3) {
            let mut bytes = whole.to_vec();
            bytes[at] ^= 0x10;
            let Ok(request) = decode(&bytes) else { continue };
            let inner = possession(&request).is_valid();
            let outer = made_by(&request, &emulator()).is_some_and(|outcome| outcome.is_valid());
            assert!(!inner || !outer, "byte {at}");
            assert!(at >= end_of_body || !inner, "byte {at}");
        }
    }
}

#[test]
fn a_real_device_leads_to_the_root_of_its_maker() {
    let nitrokey = device(NITROKEY).unwrap();
    assert_eq!(nitrokey.chr, b"DENK040414400000");
    let Origin::Root(root) = nitrokey.origin else { panic!("{:?}", nitrokey.origin) };
    assert!(root.production && root.chr == "DESRCACC100001");
    // Its certificate names no curve: the root's is found by the point.
    let signer = nitrokey.signer.unwrap();
    let curve = curve::by_name("brainpoolP256r1").unwrap();
    assert!(matches!(signer.key, PublicKey::Ec { ref curve_oid, .. } if curve_oid == curve.oid));
}

#[test]
fn roots_sign_themselves() {
    for bytes in ROOTS {
        let root = decode(bytes).unwrap();
        let signer = Signer::new(&root.key).unwrap();
        assert_eq!(issued_by(&root, &signer), plain(Scheme::Ecdsa(Some(Hash::Sha256))));
        // The key we know of it is its own: a root leads to itself.
        let Origin::Root(known) = device(bytes).unwrap().origin else { panic!() };
        assert_eq!(known.chr.as_bytes(), root.chr);
    }
}

#[test]
fn a_chain_with_a_flaw_leads_nowhere() {
    // The device's certificate alone.
    let alone = device(&NITROKEY[..232]).unwrap();
    assert_eq!(alone.origin, Origin::UnknownIssuer(b"DEDINK0400001".to_vec()));
    assert!(alone.signer.is_ok());
    // A flipped bit in a signature, the device's or its issuer's.
    for (at, holder) in [(230, &b"DENK040414400000"[..]), (462, b"DEDINK0400001")] {
        let mut bytes = NITROKEY.to_vec();
        bytes[at] ^= 1;
        assert_eq!(device(&bytes).unwrap().origin, Origin::Broken(holder.to_vec()));
    }
    // The issuer's point moved off its curve.
    let mut bytes = NITROKEY.to_vec();
    let at = bytes.windows(4).position(|window| window == [0x04, 0x41, 0xBE, 0xF1]).unwrap();
    bytes[at + 5] ^= 1;
    let broken = device(&bytes).unwrap().origin;
    assert_eq!(broken, Origin::NotDecidable(b"DENK040414400000".to_vec(), Reason::UnknownCurve));
}

/// EF 2F02 of the emulated card in the recordings.
fn recorded_device() -> Vec<u8> {
    let log = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/recordings/sc-hsm/5-keys-live.apdus");
    let log = fs::read_to_string(log).unwrap();
    let mut lines = log.lines().skip_while(|line| *line != "> 00a40000022f0200").skip(2);
    let mut file = Vec::new();
    while let (Some(command), Some(answer)) = (lines.next(), lines.next()) {
        if !command.starts_with("> 00b10000") {
            break;
        }
        let answer = HEX.decode(&answer.as_bytes()[2..]).unwrap();
        file.extend_from_slice(&answer[..answer.len() - 2]);
    }
    assert_eq!(file.len(), 798);
    file
}

#[test]
fn an_emulated_device_vouches_for_itself_and_made_its_keys() {
    let bytes = recorded_device();
    let emulated = device(&bytes).unwrap();
    assert_eq!((emulated.chr.as_slice(), &emulated.origin), (&b"DENK020083400001"[..], &Origin::SelfSigned));
    let signer = emulated.signer.unwrap();
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/recordings/sc-hsm/5-keys-cache");
    for key in 1..=5 {
        let bytes =
            fs::read(cache.join(format!("DENK0200834_NODATE_E82B0601040181C31F0201_CE0{key}"))).unwrap();
        let request = decode(&bytes).unwrap();
        assert!(possession(&request).is_valid(), "{key}");
        assert!(made_by(&request, &signer).unwrap().is_valid(), "{key}");
        assert_eq!(request.outer.unwrap().car, emulated.chr);
    }
}

#[test]
fn ecdsa_key_recovery() {
    let curve = curve::by_name("P-256").unwrap();
    let digest = [0; 32];
    let signature = "29d3579b82e20f34a027d315a6d5857e15602e0ec08df439d4b1f0995fe669d79c0ba06e2ef3e638eec67d910f14ca622a13b19738f858464a3195590e5a6d22";
    let der = "3045022029d3579b82e20f34a027d315a6d5857e15602e0ec08df439d4b1f0995fe669d70221009c0ba06e2ef3e638eec67d910f14ca622a13b19738f858464a3195590e5a6d22";
    let x = "04620882df3f10892975b8335ff6a8177933f89033bbc3163fcb5da55ccb1f9c8b";
    let own = ec("P-256", &format!("{x}2dde0d2884e245a8a717c2bff1d0e965da35b43271fbc9afcd60db1d8c23fb82"));
    let other = ec("P-256", &format!("{x}d221f2d67b1dba5858e83d400e2f169a25ca4bce8e043650329f24e273dc047d"));
    for signature in [signature, der] {
        let signature = HEX.decode(signature.as_bytes()).unwrap();
        let mut keys = recover(curve, &digest, &signature);
        keys.sort();
        assert_eq!(keys, [own.clone(), other.clone()]);
        for key in &keys {
            assert!(verify(key, Scheme::Ecdsa(None), &Signed::digest(&digest), &signature).is_valid());
        }
    }
}

/// How the domain parameters are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    Padded,
    Minimal,
    Absent,
    /// Those of another curve.
    Wrong,
}

/// A request as a card would make it, signed by OpenSSL.
fn request(
    curve: &'static Curve,
    number: u8,
    hash: Hash,
    parameters: Written,
    random: &mut Random,
) -> Vec<u8> {
    let second = Second::on(curve);
    let secret = second.scalar(random);
    let PublicKey::Ec { point, .. } = second.key(&secret) else { panic!() };
    let element = |tag, number: &[u8]| match parameters {
        Written::Absent => Vec::new(),
        Written::Minimal => encode(tag, if number == [0; 32] { &[0] } else { curve::significant(number) }),
        Written::Padded => encode(tag, number),
        Written::Wrong => encode(tag, &[number, &[1]].concat()),
    };
    let algorithm = [&[4, 0, 0x7F, 0, 7, 2, 2, 2, 2][..], &[number]].concat();
    let key = [
        encode(0x06, &algorithm),
        element(0x81, curve.prime),
        element(0x82, curve.a),
        element(0x83, curve.b),
        if parameters == Written::Absent { Vec::new() } else { encode(0x84, curve.base_point) },
        element(0x85, curve.order),
        encode(0x86, &point),
        if parameters == Written::Absent { Vec::new() } else { encode(0x87, &[1]) },
    ];
    let body = [encode(0x5F29, &[0]), encode(0x7F49, &key.concat()), encode(0x5F20, b"ZZTEST00000001")];
    let body = encode(0x7F4E, &body.concat());
    let (r, s) = second.sign(&secret, &hash.digest(&body), &second.scalar(random));
    let length = i32::try_from(curve.order.len()).unwrap();
    let signature = [r.to_vec_padded(length).unwrap(), s.to_vec_padded(length).unwrap()].concat();
    encode(0x7F21, &[body, encode(0x5F37, &signature)].concat())
}

#[test]
fn possession_on_every_curve_with_every_hash_however_the_parameters_are_written() {
    let hashes =
        [(1, Hash::Sha1), (2, Hash::Sha224), (3, Hash::Sha256), (4, Hash::Sha384), (5, Hash::Sha512)];
    for (index, curve) in curve::all().enumerate() {
        let random = &mut Random(index as u64);
        let (number, hash) = hashes[index % hashes.len()];
        for parameters in [Written::Padded, Written::Minimal, Written::Absent, Written::Wrong] {
            let bytes = request(curve, number, hash, parameters, random);
            let request = decode(&bytes).unwrap();
            let expected = match parameters {
                Written::Wrong => Outcome::NotDecidable(Reason::UnknownCurve),
                _ => plain(Scheme::Ecdsa(Some(hash))),
            };
            assert_eq!(possession(&request), expected, "{} {parameters:?}", curve.name);
            assert_eq!(made_by(&request, &emulator()), None);
            let mut tampered = request.signature.to_vec();
            random.flip(&mut tampered);
            let tampered = Cvc { signature: &tampered, ..request };
            assert!(!possession(&tampered).is_valid());
        }
    }
    let bytes = request(&curve::table::SECP256R1, 9, Hash::Sha256, Written::Padded, &mut Random(1));
    let unknown = Reason::UnknownAlgorithm("0.4.0.127.0.7.2.2.2.2.9".to_owned());
    assert_eq!(possession(&decode(&bytes).unwrap()), Outcome::NotDecidable(unknown));
}
