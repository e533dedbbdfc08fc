//! The thread that started it all prints a signature made on the host with the stale cache, and
//! two public keys. These bytes decide the case.

use stalecard::crypto::{Fit, Hash, Outcome, Scheme, Signed, given, recover, verify_any};
use stalecard::format::curve;
use stalecard::format::key::PublicKey;
use stalecard::format::signature::Encoding;

const MESSAGE: &[u8] = include_bytes!("../../fixtures/seed/sampledata");
const SIGNATURE: &[u8] = include_bytes!("../../fixtures/seed/sampledata.sign");
const ON_BETA: &[u8] = include_bytes!("../../fixtures/seed/key-6e5182b9.txt");
const LATER: &[u8] = include_bytes!("../../fixtures/seed/key-93ed81be.txt");

fn key(text: &[u8]) -> PublicKey {
    given::public_key(text, None).unwrap()
}

fn id(key: &PublicKey) -> String {
    data_encoding::HEXLOWER.encode(&key.intrinsic_id())
}

#[test]
fn the_signature_that_failed_verifies_with_the_key_made_on_beta() {
    let key = key(ON_BETA);
    assert_eq!(id(&key), "6e5182b957014bfff8a7dc1da6b2f325c73dbee0");
    assert_eq!(key.describe(), "EC prime256v1");
    let fit = Fit { scheme: Scheme::Ecdsa(Some(Hash::Sha256)), encoding: Encoding::Der };
    assert_eq!(fit.scheme.to_string(), "ECDSA with SHA-256");
    assert_eq!(verify_any(&key, &Signed::message(MESSAGE), SIGNATURE), Outcome::Valid(fit));
}

#[test]
fn not_with_the_key_made_afterwards() {
    let key = key(LATER);
    assert_eq!(id(&key), "93ed81be96dded1557b0beb27350aee44e3bfba6");
    assert_eq!(verify_any(&key, &Signed::message(MESSAGE), SIGNATURE), Outcome::Invalid);
}

#[test]
fn the_signature_alone_names_its_key_as_one_of_two() {
    let curve = curve::by_name("prime256v1").unwrap();
    let message = Signed::message(MESSAGE);
    let keys = recover(curve, message.digest_by(Some(Hash::Sha256)), SIGNATURE);
    let mut ids: Vec<String> = keys.iter().map(id).collect();
    ids.sort();
    assert_eq!(ids, ["6e5182b957014bfff8a7dc1da6b2f325c73dbee0", "e9a14c631db572c37b70a1a31ecce915f56e2e5b"]);
    assert!(keys.contains(&key(ON_BETA)));
    // The ID that the stale host showed is not among them.
    assert!(!ids.contains(&"2caf2c01df2eb911514a169cc885c73d3a8dd07a".to_owned()));
    // Nor is the right key recovered when the wrong hash is taken.
    for hash in Hash::USUAL.into_iter().filter(|hash| *hash != Hash::Sha256) {
        assert!(!recover(curve, message.digest_by(Some(hash)), SIGNATURE).contains(&key(ON_BETA)));
    }
}
