//! ECDSA on every curve, in every encoding, right and wrong: the same answer as OpenSSL's.

use stalecard::crypto::{
    Hash, Outcome, Reason, Scheme, Signed, key_on, keys_of_point, recover, verify, verify_any,
};
use stalecard::format::curve::{self, Curve};
use stalecard::format::key::PublicKey;
use stalecard::format::signature::{Encoding, Flaw};
use stalecard::format::tlv::encode;
use virtual_card::openssl::bn::{BigNum, BigNumRef};
use virtual_card::openssl::ec::PointConversionForm;
use virtual_card::openssl::pkey::PKey;
use virtual_card::openssl::pkey_ctx::PkeyCtx;

use crate::random::Random;
use crate::second::Second;
use crate::{IsValid, cases};

/// What is wrong with a signature, if anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// n - s in place of s: right all the same.
    OtherS,
    Digest,
    R,
    S,
    Key,
    ZeroR,
    ZeroS,
    ROverN,
    SOverN,
    RIsN,
    SIsN,
    Swapped,
}

const WRONG: [Wrong; 16] = [
    Wrong::Nothing,
    Wrong::Nothing,
    Wrong::Nothing,
    Wrong::Nothing,
    Wrong::OtherS,
    Wrong::Digest,
    Wrong::R,
    Wrong::S,
    Wrong::Key,
    Wrong::ZeroR,
    Wrong::ZeroS,
    Wrong::ROverN,
    Wrong::SOverN,
    Wrong::RIsN,
    Wrong::SIsN,
    Wrong::Swapped,
];

const ENCODINGS: usize = 6;

fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
    encode(0x30, &[encode(0x02, r), encode(0x02, s)].concat())
}

/// The number in DER: with a zero where its first bit is set.
fn signed(number: &BigNumRef) -> Vec<u8> {
    let bytes = number.to_vec();
    let zero = bytes.first().is_none_or(|lead| lead & 0x80 != 0);
    if zero { [&[0], bytes.as_slice()].concat() } else { bytes }
}

/// r and s in one of the encodings, and what it should be told to be.
fn written(curve: &Curve, how: usize, r: &BigNumRef, s: &BigNumRef) -> (Vec<u8>, Encoding) {
    let exact = der(&signed(r), &signed(s));
    let loose = |bytes, flaw| (bytes, Encoding::Loose(vec![flaw]));
    let length = i32::try_from(curve.order.len()).unwrap();
    match how {
        0 => match (r.to_vec_padded(length), s.to_vec_padded(length)) {
            (Ok(r), Ok(s)) => ([r, s].concat(), Encoding::Plain),
            _ => (exact, Encoding::Der),
        },
        1 => loose(der(&[&[0], signed(r).as_slice()].concat(), &signed(s)), Flaw::SuperfluousZeros),
        2 if signed(s) != s.to_vec() && s.num_bits() > 0 => {
            loose(der(&signed(r), &s.to_vec()), Flaw::MissingZero)
        }
        3 => {
            let content = [encode(0x02, &signed(r)), encode(0x02, &signed(s))].concat();
            let length = u16::try_from(content.len()).unwrap().to_be_bytes();
            loose([&[0x30, 0x82], length.as_slice(), &content].concat(), Flaw::LongLength)
        }
        4 => loose([exact.as_slice(), b"\n"].concat(), Flaw::Trailing(1)),
        _ => (exact, Encoding::Der),
    }
}

struct Case {
    second: Second,
    digest: Vec<u8>,
    key: PublicKey,
    wrong: Wrong,
    r: BigNum,
    s: BigNum,
}

fn case(random: &mut Random, curve: &'static Curve) -> Case {
    let second = Second::on(curve);
    let message = random.bytes(20);
    let raw = random.below(80);
    let mut digest = match random.below(6) {
        0 => random.bytes(raw),
        _ => random.one(&Hash::USUAL).digest(&message),
    };
    let (mut secret, nonce) = (second.scalar(random), second.scalar(random));
    let (mut r, mut s) = second.sign(&secret, &digest, &nonce);
    let wrong = random.one(&WRONG);
    let mut flipped = |number: &BigNumRef| {
        let mut bytes = number.to_vec();
        random.flip(&mut bytes);
        BigNum::from_slice(&bytes).unwrap()
    };
    let order: &BigNumRef = &second.order;
    match wrong {
        Wrong::Nothing => {}
        Wrong::OtherS => s = order - &s,
        Wrong::R => r = flipped(&r),
        Wrong::S => s = flipped(&s),
        Wrong::Key => secret.add_word(1).unwrap(),
        Wrong::ZeroR => r = BigNum::new().unwrap(),
        Wrong::ZeroS => s = BigNum::new().unwrap(),
        Wrong::ROverN => r = &r + order,
        Wrong::SOverN => s = &s + order,
        Wrong::RIsN => r = order.to_owned().unwrap(),
        Wrong::SIsN => s = order.to_owned().unwrap(),
        Wrong::Swapped => std::mem::swap(&mut r, &mut s),
        Wrong::Digest => random.flip(&mut digest),
    }
    Case { key: second.key(&secret), second, digest, wrong, r, s }
}

#[test]
fn verify_and_recover_agree_with_openssl() {
    let curves: Vec<_> = curve::all().collect();
    let (mut right, mut not, mut recovered) = (0, 0, 0);
    for seed in 0..cases(300, 12_000) {
        let random = &mut Random(seed);
        let curve = curves[usize::try_from(seed).unwrap() % curves.len()];
        let case = case(random, curve);
        let (signature, encoding) = written(curve, random.below(ENCODINGS), &case.r, &case.s);
        let expected = case.second.verify(&case.key, &case.digest, &case.r, &case.s);
        let told = format!("seed {seed}: {}, {:?}, {encoding}, {}", curve.name, case.wrong, hex(&signature));

        let signed = Signed::digest(&case.digest);
        match verify(&case.key, Scheme::Ecdsa(None), &signed, &signature) {
            Outcome::Valid(fit) => assert!(expected && fit.encoding == encoding, "{told}, {fit:?}"),
            Outcome::Invalid => assert!(!expected, "{told}"),
            Outcome::Otherwise(opened) => panic!("{told}: {opened}"),
            Outcome::NotDecidable(reason) => panic!("{told}: {reason}"),
        }
        if matches!(case.wrong, Wrong::Nothing | Wrong::OtherS) {
            assert!(expected, "{told}");
            right += 1;
        } else {
            not += u64::from(!expected);
        }

        if seed % 4 == 0 {
            let keys = recover(curve, &case.digest, &signature);
            assert_eq!(keys.contains(&case.key), expected, "{told}");
            assert!(keys.len() == 2 || !expected && keys.is_empty(), "{told}: {}", keys.len());
            for key in &keys {
                assert!(case.second.verify(key, &case.digest, &case.r, &case.s), "{told}: {key:?}");
            }
            recovered += keys.len();
        }
    }
    println!("{right} right, {not} wrong, {recovered} keys recovered");
    assert!(right > 60 && not > 60 && recovered > 60);
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

#[test]
fn a_key_of_another_curve_is_no_key_of_this_one() {
    let mut pairs = 0;
    for curve in curve::all() {
        let random = &mut Random(7);
        let second = Second::on(curve);
        let (secret, nonce) = (second.scalar(random), second.scalar(random));
        let digest = Hash::Sha256.digest(b"message");
        let (r, s) = second.sign(&secret, &digest, &nonce);
        let signature = der(&signed(&r), &signed(&s));
        let PublicKey::Ec { point, .. } = second.key(&secret) else { panic!() };
        for other in curve::all().filter(|other| *other != curve) {
            let key = PublicKey::Ec { curve_oid: other.oid.to_vec(), point: point.clone() };
            let outcome = verify(&key, Scheme::Ecdsa(None), &Signed::digest(&digest), &signature);
            assert_eq!(outcome, Outcome::NotDecidable(Reason::BadKey), "{} {}", curve.name, other.name);
            pairs += 1;
            if other.bits != curve.bits {
                continue;
            }
            // What is recovered on another curve is nobody's key, but never one of this curve.
            for key in recover(other, &digest, &signature) {
                let PublicKey::Ec { curve_oid, .. } = &key else { panic!() };
                assert_eq!(curve_oid, other.oid);
                assert!(Second::on(other).verify(&key, &digest, &r, &s));
            }
        }
    }
    assert_eq!(pairs, 19 * 18);
}

#[test]
fn points_tell_their_curve_and_are_uncompressed() {
    for curve in curve::all() {
        let second = Second::on(curve);
        let secret = second.scalar(&mut Random(3));
        let key = second.key(&secret);
        let PublicKey::Ec { point, .. } = &key else { panic!() };
        assert_eq!(keys_of_point(point), std::slice::from_ref(&key), "{}", curve.name);
        let compressed = second.point(&secret, PointConversionForm::COMPRESSED);
        assert_eq!(key_on(curve, &compressed), Some(key.clone()));
        assert!(keys_of_point(&compressed).contains(&key));
        let mut off = point.clone();
        *off.last_mut().unwrap() ^= 1;
        assert!(keys_of_point(&off).is_empty());
        for bytes in [&[][..], &[0], &[4], &point[1..], &point[..point.len() - 1]] {
            assert!(keys_of_point(bytes).is_empty());
        }
    }
}

#[test]
fn the_usual_hashes_are_tried_in_turn() {
    // One curve of each crate and one of ours.
    for name in ["P-256", "secp256k1", "P-521", "brainpoolP256r1", "P-224"] {
        let curve = curve::by_name(name).unwrap();
        let random = &mut Random(5);
        let second = Second::on(curve);
        let (secret, nonce) = (second.scalar(random), second.scalar(random));
        let key = second.key(&secret);
        let message = random.bytes(40);
        let ways = Hash::USUAL.into_iter().map(Some).chain([None]);
        for hash in ways {
            let digest = hash.map_or(message.clone(), |hash| hash.digest(&message));
            let (r, s) = second.sign(&secret, &digest, &nonce);
            let signature = der(&signed(&r), &signed(&s));
            let Outcome::Valid(fit) = verify_any(&key, &Signed::message(&message), &signature) else {
                panic!("{} {hash:?}", curve.name)
            };
            assert_eq!((fit.scheme, fit.encoding), (Scheme::Ecdsa(hash), Encoding::Der));
            // With the digest in hand its length tells the hash.
            let Outcome::Valid(fit) = verify_any(&key, &Signed::digest(&digest), &signature) else {
                panic!()
            };
            assert_eq!(fit.scheme, Scheme::Ecdsa(hash));
        }
        let other = verify_any(&key, &Signed::message(b"another message"), &[0x30, 6, 2, 1, 1, 2, 1, 1]);
        assert_eq!(other, Outcome::Invalid);
    }
    // A message longer than any digest was not signed by its first bytes, unless somebody says so.
    let second = Second::on(curve::by_name("P-256").unwrap());
    let (secret, message) = (second.scalar(&mut Random(1)), [5; 65]);
    let (r, s) = second.sign(&secret, &message, &second.scalar(&mut Random(2)));
    let signature = der(&signed(&r), &signed(&s));
    let key = second.key(&secret);
    assert_eq!(verify_any(&key, &Signed::message(&message), &signature), Outcome::Invalid);
    assert!(verify_any(&key, &Signed::digest(&message), &signature).is_valid());
}

#[test]
fn openssl_refuses_what_is_not_quite_der() {
    let curve = curve::by_name("P-256").unwrap();
    let second = Second::on(curve);
    let random = &mut Random(11);
    let secret = second.scalar(random);
    let key = PKey::from_ec_key(second.openssl_key(&second.key(&secret)).unwrap()).unwrap();
    let digest = Hash::Sha256.digest(b"message");
    let mut seen = Vec::new();
    for how in (0..ENCODINGS).cycle().take(8 * ENCODINGS) {
        let (r, s) = second.sign(&secret, &digest, &second.scalar(random));
        let (signature, encoding) = written(curve, how, &r, &s);
        let mut context = PkeyCtx::new(&key).unwrap();
        context.verify_init().unwrap();
        let taken = context.verify(&digest, &signature).unwrap_or(false);
        assert_eq!(taken, encoding == Encoding::Der, "{encoding}");
        assert!(
            verify(&second.key(&secret), Scheme::Ecdsa(None), &Signed::digest(&digest), &signature)
                .is_valid()
        );
        if !seen.contains(&encoding) {
            seen.push(encoding);
        }
    }
    assert_eq!(seen.len(), ENCODINGS);
}
