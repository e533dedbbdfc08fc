//! Random bytes, and real structures with random damage: an answer each time, never a panic,
//! and never that something verifies.

use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use stalecard::crypto::{Hash, Scheme, Signed, cvc, given, keys_of_point, recover, verify, verify_any, x509};
use stalecard::format::curve;
use stalecard::format::key::PublicKey;

use crate::{IsValid, cases};

const FILES: [&[u8]; 6] = [
    include_bytes!("../../fixtures/signatures/request-p256.cvc"),
    include_bytes!("../../fixtures/signatures/request-rsa-1024.cvc"),
    include_bytes!("../../fixtures/signatures/nitrokey-2f02.cvc"),
    include_bytes!("../../fixtures/signatures/ecdsa-sha384-explicit.pem"),
    include_bytes!("../../fixtures/signatures/pss-sha256.pem"),
    include_bytes!("../../fixtures/seed/sampledata.sign"),
];

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let damaged = (0..FILES.len(), vec((any::<usize>(), any::<u8>()), 1..6), any::<usize>());
    let damaged = damaged.prop_map(|(file, changes, cut)| {
        let mut bytes = given_structure(FILES[file]);
        for (at, value) in changes {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        bytes.truncate(bytes.len() - if cut % 4 == 0 { cut % bytes.len() } else { 0 });
        bytes
    });
    prop_oneof![vec(any::<u8>(), 0..200), damaged]
}

fn given_structure(file: &[u8]) -> Vec<u8> {
    stalecard::format::given::structures(file).unwrap().remove(0).contents
}

fn keys() -> impl Strategy<Value = PublicKey> {
    let curves = || (0..19_usize).prop_map(|index| curve::all().nth(index).unwrap());
    prop_oneof![
        (vec(any::<u8>(), 0..300), vec(any::<u8>(), 0..8))
            .prop_map(|(modulus, exponent)| PublicKey::Rsa { modulus, exponent }),
        (curves(), vec(any::<u8>(), 0..140))
            .prop_map(|(curve, point)| PublicKey::Ec { curve_oid: curve.oid.to_vec(), point }),
        curves().prop_map(|curve| PublicKey::Ec {
            curve_oid: curve.oid.to_vec(),
            point: curve.base_point.to_vec()
        }),
        bytes().prop_map(PublicKey::Other),
        any::<[u8; 32]>().prop_map(|bytes| PublicKey::from_ed25519(&bytes)),
    ]
}

fn schemes() -> impl Strategy<Value = Scheme> {
    let hash = || (0..Hash::ALL.len()).prop_map(|index| Hash::ALL[index]);
    prop_oneof![
        proptest::option::of(hash()).prop_map(Scheme::Ecdsa),
        proptest::option::of(hash()).prop_map(Scheme::Pkcs1),
        (hash(), hash(), proptest::option::of(any::<usize>())).prop_map(|(hash, mask, salt)| Scheme::Pss {
            hash,
            mask,
            salt
        }),
        Just(Scheme::Ed25519),
        proptest::option::of(hash()).prop_map(Scheme::Dsa),
    ]
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: u32::try_from(cases(150, 3_000)).unwrap(), ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_signature_verifies_by_chance(key in keys(), scheme in schemes(), message in bytes(), signature in bytes()) {
        for signed in [Signed::message(&message), Signed::digest(&message)] {
            assert!(!verify(&key, scheme, &signed, &signature).is_valid());
            assert!(!verify_any(&key, &signed, &signature).is_valid());
        }
    }

    #[test]
    fn every_structure_has_an_answer(bytes in bytes(), key in keys()) {
        let _ = given::public_key(&bytes, None);
        let _ = keys_of_point(&bytes);
        assert!(!x509::signed_by(&bytes, &key).is_ok_and(|outcome| outcome.is_valid()));
        let _ = x509::signers(&bytes, &curve::table::SECP256R1);
        let signer = cvc::device(&bytes).ok().and_then(|device| device.signer.ok());
        if let (Some(signer), Ok(request)) = (signer, stalecard::format::cvc::decode(&bytes)) {
            let _ = cvc::possession(&request);
            let _ = cvc::made_by(&request, &signer);
        }
    }

    #[test]
    fn whatever_is_recovered_verifies(digest in vec(any::<u8>(), 0..70), signature in bytes(), index in 0..19_usize) {
        let curve = curve::all().nth(index).unwrap();
        for key in recover(curve, &digest, &signature) {
            assert!(verify(&key, Scheme::Ecdsa(None), &Signed::digest(&digest), &signature).is_valid());
        }
    }
}
