//! RSA with both paddings and Ed25519, right and wrong: the same answer as OpenSSL's.

use std::fs;
use std::path::Path;

use stalecard::crypto::{Hash, Outcome, Reason, Scheme, Signed, verify, verify_any};
use stalecard::format::key::PublicKey;
use stalecard::format::signature::Encoding;
use virtual_card::openssl::hash::MessageDigest;
use virtual_card::openssl::pkey::{Id, PKey, Private, Public};
use virtual_card::openssl::pkey_ctx::PkeyCtx;
use virtual_card::openssl::rsa::{Padding, Rsa};
use virtual_card::openssl::sign::{RsaPssSaltlen, Signer, Verifier};

use crate::random::Random;
use crate::{IsValid, cases};

/// Among them sizes whose encoded message is a byte shorter than the modulus, and a small exponent.
const KEYS: [&str; 7] =
    ["rsa-1024", "rsa-1025", "rsa-1031", "rsa-1536-e3", "rsa-2048", "rsa-4096", "rsa-8192"];

fn secret(name: &str) -> Rsa<Private> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/signatures/{name}.pem"));
    Rsa::private_key_from_pem(&fs::read(path).unwrap()).unwrap()
}

fn public(key: &Rsa<Private>) -> PublicKey {
    PublicKey::rsa(&key.n().to_vec(), &key.e().to_vec())
}

fn digest_of(hash: Hash) -> MessageDigest {
    match hash {
        Hash::Sha1 => MessageDigest::sha1(),
        Hash::Sha224 => MessageDigest::sha224(),
        Hash::Sha256 => MessageDigest::sha256(),
        Hash::Sha384 => MessageDigest::sha384(),
        Hash::Sha512 => MessageDigest::sha512(),
        _ => panic!("{hash:?}"),
    }
}

/// A signature by OpenSSL; `None` where the key is too short for the hash and the salt.
fn signed(key: &PKey<Private>, scheme: Scheme, message: &[u8]) -> Option<Vec<u8>> {
    let Scheme::Pkcs1(Some(hash)) = scheme else { return pss_or_raw(key, scheme, message) };
    Signer::new(digest_of(hash), key).unwrap().sign_oneshot_to_vec(message).ok()
}

fn pss_or_raw(key: &PKey<Private>, scheme: Scheme, message: &[u8]) -> Option<Vec<u8>> {
    let mut signature = vec![0; key.size()];
    match scheme {
        Scheme::Pss { hash, salt, .. } => {
            let mut signer = Signer::new(digest_of(hash), key).unwrap();
            signer.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
            signer.set_rsa_pss_saltlen(salt_length(salt)).unwrap();
            signer.set_rsa_mgf1_md(digest_of(hash)).unwrap();
            signer.sign_oneshot_to_vec(message).ok()
        }
        _ => {
            let length = key.rsa().unwrap().private_encrypt(message, &mut signature, Padding::PKCS1).ok()?;
            signature.truncate(length);
            Some(signature)
        }
    }
}

fn salt_length(salt: Option<usize>) -> RsaPssSaltlen {
    salt.map_or(RsaPssSaltlen::MAXIMUM_LENGTH, |salt| RsaPssSaltlen::custom(i32::try_from(salt).unwrap()))
}

/// OpenSSL's opinion. For PSS without a length, -2 lets it find the length out.
fn opinion(key: &PKey<Public>, scheme: Scheme, message: &[u8], signature: &[u8]) -> bool {
    match scheme {
        Scheme::Pkcs1(Some(hash)) => {
            Verifier::new(digest_of(hash), key).unwrap().verify_oneshot(signature, message).unwrap_or(false)
        }
        Scheme::Pss { hash, salt, .. } => {
            let mut verifier = Verifier::new(digest_of(hash), key).unwrap();
            verifier.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
            verifier.set_rsa_pss_saltlen(salt_length(salt)).unwrap();
            verifier.set_rsa_mgf1_md(digest_of(hash)).unwrap();
            verifier.verify_oneshot(signature, message).unwrap_or(false)
        }
        _ => {
            let mut context = PkeyCtx::new(key).unwrap();
            context.verify_init().unwrap();
            context.set_rsa_padding(Padding::PKCS1).unwrap();
            context.verify(message, signature).unwrap_or(false)
        }
    }
}

#[test]
fn rsa_agrees_with_openssl() {
    let keys = KEYS.map(secret);
    let (mut right, mut not) = (0, 0);
    for seed in 0..cases(300, 4_000) {
        let random = &mut Random(seed);
        // The longest key is slow, and signs one case in twenty.
        let index = if random.below(20) == 0 { KEYS.len() - 1 } else { random.below(KEYS.len() - 1) };
        let key = &keys[index];
        let pair = PKey::from_rsa(key.clone()).unwrap();
        let hash = random.one(&Hash::USUAL);
        let salt = random.one(&[Some(0), Some(20), Some(hash.length()), None]);
        let scheme = random.one(&[
            Scheme::Pkcs1(Some(hash)),
            Scheme::Pkcs1(None),
            Scheme::Pss { hash, mask: hash, salt },
        ]);
        // OpenSSL signs an empty block, but does not take the signature.
        let length = 1 + random.below(100);
        let mut message = random.bytes(length);
        let Some(mut signature) = signed(&pair, scheme, &message) else { continue };

        let (mut scheme, mut public) = (scheme, public(key));
        let wrong = random.below(9);
        match wrong {
            0 => random.flip(&mut signature),
            1 => random.flip(&mut message),
            2 => public = PublicKey::rsa(&keys[(index + 1) % KEYS.len()].n().to_vec(), &[1, 0, 1]),
            3 => signature.insert(0, 0),
            4 => {
                signature.pop();
            }
            5 => scheme = Scheme::Pss { hash: Hash::Sha384, mask: Hash::Sha384, salt: Some(7) },
            _ => {}
        }
        let spki = PKey::public_key_from_der(&public.spki()).unwrap();
        let expected = opinion(&spki, scheme, &message, &signature);
        let outcome = verify(&public, scheme, &Signed::message(&message), &signature);
        let told = format!("seed {seed}: {} {scheme}, {salt:?}, {wrong}: {outcome:?}", KEYS[index]);
        assert_eq!(outcome.is_valid(), expected, "{told}");
        // What ends like RSA-PSS may be that with another hash.
        let is_open = matches!(outcome, Outcome::NotDecidable(Reason::OtherPadding(_)));
        assert!(!matches!(outcome, Outcome::NotDecidable(_)) || (is_open && !expected), "{told}");
        if wrong > 5 {
            assert!(expected, "{told}");
            right += 1;
        } else {
            not += u64::from(!expected);
        }
    }
    println!("{right} right, {not} wrong");
    assert!(right > 60 && not > 60);
}

#[test]
fn the_usual_ways_are_tried_in_turn() {
    let key = secret("rsa-2048");
    let pair = PKey::from_rsa(key.clone()).unwrap();
    let public = public(&key);
    let message = b"Sample Data";
    for hash in Hash::USUAL {
        let digest = hash.digest(message);
        for scheme in [Scheme::Pkcs1(Some(hash)), Scheme::Pss { hash, mask: hash, salt: None }] {
            let signature = signed(&pair, scheme, message).unwrap();
            for what in [Signed::message(message), Signed::digest(&digest)] {
                let Outcome::Valid(fit) = verify_any(&public, &what, &signature) else { panic!("{scheme}") };
                assert_eq!((fit.scheme, fit.encoding), (scheme, Encoding::Plain));
            }
        }
    }
    // CKM_RSA_PKCS over the message, and over a DigestInfo that the caller made.
    let signature = signed(&pair, Scheme::Pkcs1(None), message).unwrap();
    let Outcome::Valid(fit) = verify_any(&public, &Signed::message(message), &signature) else { panic!() };
    assert_eq!(fit.scheme, Scheme::Pkcs1(None));
    let info = Hash::Sha256.digest_info(&Hash::Sha256.digest(message));
    let signature = signed(&pair, Scheme::Pkcs1(None), &info).unwrap();
    let Outcome::Valid(fit) = verify_any(&public, &Signed::message(message), &signature) else { panic!() };
    assert_eq!(fit.scheme, Scheme::Pkcs1(Some(Hash::Sha256)));
    // It opens under the key: that key's, over something else.
    let other = verify_any(&public, &Signed::message(b"other"), &signature);
    assert!(matches!(other, Outcome::Otherwise(_)), "{other:?}");
}

#[test]
fn rsa_keys_have_bounds() {
    let verify = |modulus: &[u8], exponent: &[u8]| {
        verify(&PublicKey::rsa(modulus, exponent), Scheme::Pkcs1(None), &Signed::message(b"x"), &[1; 16])
    };
    assert_eq!(verify(&[0xFF; 2048], &[1, 0, 1]), Outcome::Invalid);
    for too_large in [verify(&[0xFF; 2049], &[1, 0, 1]), verify(&[0xFF; 512], &[1, 0, 0, 0, 0, 0, 0, 0, 1])] {
        assert_eq!(too_large, Outcome::NotDecidable(Reason::KeyTooLarge));
    }
    // Large exponents are computed with as OpenSSL does: any up to 3072 bits, of 64 bits beyond.
    for large in [verify(&[0xFF; 384], &[0x7F; 384]), verify(&[0xFF; 512], &[3, 0, 0, 0, 0, 0, 0, 1])] {
        assert_eq!(large, Outcome::Invalid);
    }
    assert_eq!(verify(&[0xFE; 128], &[0xFF; 128]), Outcome::NotDecidable(Reason::BadKey));
    for bad in
        [verify(&[], &[3]), verify(&[0xFF; 128], &[]), verify(&[0xFE; 128], &[3]), verify(&[0xFF; 128], &[4])]
    {
        assert_eq!(bad, Outcome::NotDecidable(Reason::BadKey));
    }
    // Shorter than any padding, but a number all the same.
    for length in 1..20 {
        assert!(!verify(&vec![0xFF; length], &[3]).is_valid());
    }
}

#[test]
fn ed25519_agrees_with_openssl() {
    for seed in 0..cases(40, 1_000) {
        let random = &mut Random(seed);
        let pair = PKey::private_key_from_raw_bytes(&random.bytes(32), Id::ED25519).unwrap();
        let mut raw: [u8; 32] = pair.raw_public_key().unwrap().try_into().unwrap();
        let length = random.below(100);
        let mut message = random.bytes(length);
        let mut signature = Signer::new_without_digest(&pair).unwrap().sign_oneshot_to_vec(&message).unwrap();
        match random.below(6) {
            0 => random.flip(&mut signature),
            1 => random.flip(&mut message),
            2 => raw = random.bytes(32).try_into().unwrap(),
            3 => signature.push(0),
            _ => {}
        }
        let expected = PKey::public_key_from_raw_bytes(&raw, Id::ED25519).is_ok_and(|key| {
            let mut verifier = Verifier::new_without_digest(&key).unwrap();
            verifier.verify_oneshot(&signature, &message).unwrap_or(false)
        });
        let key = PublicKey::from_ed25519(&raw);
        assert_eq!(key.describe(), "Ed25519");
        let outcome = verify_any(&key, &Signed::message(&message), &signature);
        assert_eq!(outcome.is_valid(), expected, "seed {seed}");
        let digest = verify_any(&key, &Signed::digest(&message), &signature);
        // Another length is no signature of this kind.
        assert!(
            matches!(digest, Outcome::NotDecidable(Reason::MessageNeeded | Reason::BadKey))
                || (digest == Outcome::Invalid && signature.len() != 64)
        );
    }
    // A key of small order, whose signature verifies over anything for whoever is not strict.
    let small = PublicKey::from_ed25519(&std::array::from_fn(|at| u8::from(at == 0)));
    let signature: Vec<u8> = (0..64).map(|at| u8::from(at == 0)).collect();
    assert_eq!(verify_any(&small, &Signed::message(b"anything"), &signature), Outcome::Invalid);
}
