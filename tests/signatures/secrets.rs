//! Secrets that prove keys which do not sign: OpenSSL shares the same ones, and deciphers them.

use stalecard::crypto::{agrees, cryptogram, is_deciphered, point_of};
use stalecard::format::curve;
use stalecard::format::key::PublicKey;
use virtual_card::openssl::bn::{BigNum, BigNumContext};
use virtual_card::openssl::ec::{EcPoint, PointConversionForm};
use virtual_card::openssl::rsa::{Padding, Rsa};

use crate::cases;
use crate::random::Random;
use crate::second::Second;

/// The card's side of it, as OpenSSL computes it: the whole shared point.
fn shared(second: &Second, secret: &BigNum, point: &[u8]) -> Vec<u8> {
    let mut context = BigNumContext::new().unwrap();
    let point = EcPoint::from_bytes(&second.group, point, &mut context).unwrap();
    let mut product = EcPoint::new(&second.group).unwrap();
    product.mul2(&second.group, &point, secret, &mut context).unwrap();
    product.to_bytes(&second.group, PointConversionForm::UNCOMPRESSED, &mut context).unwrap()
}

#[test]
fn secrets_are_shared_on_every_curve() {
    for curve in curve::all() {
        let second = Second::on(curve);
        let mut random = Random(0x5EC2E7);
        for _ in 0..cases(4, 60) {
            let (card, other) = (second.scalar(&mut random), second.scalar(&mut random));
            let number = random.bytes(curve.order.len() - 1);
            let point = point_of(curve, &number).unwrap();
            let number_of = BigNum::from_slice(&number).unwrap();
            assert_eq!(point, second.point(&number_of, PointConversionForm::UNCOMPRESSED), "{}", curve.name);
            let whole = shared(&second, &card, &point);
            let x = &whole[1..=whole.len() / 2];
            let key = second.key(&card);
            assert!(agrees(&key, &number, x) && agrees(&key, &number, &whole), "{}", curve.name);
            assert!(!agrees(&second.key(&other), &number, x), "{}", curve.name);
            let mut wrong = x.to_vec();
            wrong[0] ^= 1;
            for answer in [&wrong[..], &x[1..], &[], &whole[1..]] {
                assert!(!agrees(&key, &number, answer), "{}", curve.name);
            }
        }
        // Neither zero nor the order, nor anything longer, is a private number.
        for number in [vec![0; curve.order.len()], curve.order.to_vec(), vec![1; curve.order.len() + 1]] {
            assert_eq!(point_of(curve, &number), None, "{}", curve.name);
        }
    }
    let elsewhere = Second::on(curve::by_name("P-256").unwrap());
    let key = elsewhere.key(&BigNum::from_u32(7).unwrap());
    assert!(!agrees(&PublicKey::rsa(&[0xC1; 128], &[3]), &[5], &[1; 32]) && !agrees(&key, &[], &[1; 32]));
}

#[test]
fn what_is_enciphered_only_its_key_deciphers() {
    let mut random = Random(0x0DEC_1FE2);
    for bits in [1024, 1031, 2048] {
        let [own, other] = [(); 2].map(|()| Rsa::generate(bits).unwrap());
        let public = |key: &Rsa<_>| PublicKey::rsa(&key.n().to_vec(), &key.e().to_vec());
        let (key, stranger) = (public(&own), public(&other));
        for _ in 0..cases(6, 100) {
            let challenge = random.bytes(32);
            let sent = cryptogram(&key, &challenge).unwrap();
            assert_eq!(sent.len(), usize::try_from(own.size()).unwrap());
            let mut answer = vec![0; sent.len()];
            let length = own.private_decrypt(&sent, &mut answer, Padding::PKCS1).unwrap();
            answer.truncate(length);
            assert!(is_deciphered(&key, &challenge, &answer));
            assert!(!is_deciphered(&stranger, &challenge, &answer));
            assert!(!is_deciphered(&key, &random.bytes(32), &answer));
            answer[0] ^= 1;
            assert!(!is_deciphered(&key, &challenge, &answer));
            // Different each time, as the challenge is.
            assert_ne!(cryptogram(&key, &random.bytes(32)), Some(sent));
        }
    }
    // Too short for the secret, no RSA key, no key at all.
    assert_eq!(cryptogram(&PublicKey::rsa(&[0xC1; 32], &[3]), &[1; 32]), None);
    assert_eq!(cryptogram(&PublicKey::rsa(&[], &[]), &[1; 32]), None);
    let point = Second::on(curve::by_name("P-256").unwrap()).key(&BigNum::from_u32(7).unwrap());
    assert_eq!(cryptogram(&point, &[1; 32]), None);
}
