//! X.509 certificates and requests, as OpenSSL's command line makes them.

use std::fs;
use std::path::Path;

use stalecard::crypto::x509::{scheme, signed_by, signers};
use stalecard::crypto::{Fit, Hash, Outcome, Reason, Scheme, given};
use stalecard::format::curve;
use stalecard::format::given::structures;
use stalecard::format::key::PublicKey;
use stalecard::format::signature::Encoding;
use stalecard::format::{tlv, x509};

use crate::IsValid;

fn file(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/signatures").join(name)).unwrap()
}

fn der(name: &str) -> Vec<u8> {
    structures(&file(name)).unwrap().remove(0).contents
}

/// The key that a certificate or a request names.
fn key(name: &str) -> PublicKey {
    given::public_key(&file(name), None).unwrap()
}

fn valid(scheme: Scheme, encoding: Encoding) -> Outcome {
    Outcome::Valid(Fit { scheme, encoding })
}

#[test]
fn every_algorithm_of_certificates_and_requests() {
    let ecdsa = |hash| valid(Scheme::Ecdsa(Some(hash)), Encoding::Der);
    let pkcs1 = |hash| valid(Scheme::Pkcs1(Some(hash)), Encoding::Plain);
    let pss = |hash, salt| valid(Scheme::Pss { hash, mask: hash, salt: Some(salt) }, Encoding::Plain);
    let expected = [
        ("ecdsa-sha256.pem", ecdsa(Hash::Sha256)),
        ("ecdsa-sha384-explicit.pem", ecdsa(Hash::Sha384)),
        ("ecdsa-sha512-brainpoolP320r1.pem", ecdsa(Hash::Sha512)),
        ("request-ecdsa-sha256.pem", ecdsa(Hash::Sha256)),
        ("rsa-sha1.pem", pkcs1(Hash::Sha1)),
        ("rsa-sha224.pem", pkcs1(Hash::Sha224)),
        ("rsa-sha256.pem", pkcs1(Hash::Sha256)),
        ("rsa-sha384.pem", pkcs1(Hash::Sha384)),
        ("rsa-sha512.pem", pkcs1(Hash::Sha512)),
        ("request-rsa-sha1.pem", pkcs1(Hash::Sha1)),
        ("pss-sha1.pem", pss(Hash::Sha1, 20)),
        ("pss-sha256.pem", pss(Hash::Sha256, 32)),
        ("pss-sha384-no-salt.pem", pss(Hash::Sha384, 0)),
        ("pss-sha512.pem", pss(Hash::Sha512, 64)),
        (
            "pss-two-hashes.pem",
            valid(Scheme::Pss { hash: Hash::Sha256, mask: Hash::Sha1, salt: Some(222) }, Encoding::Plain),
        ),
        ("ed25519.pem", valid(Scheme::Ed25519, Encoding::Plain)),
        ("request-ed25519.pem", valid(Scheme::Ed25519, Encoding::Plain)),
        ("ed448.pem", Outcome::NotDecidable(Reason::UnknownAlgorithm("Ed448 (1.3.101.113)".to_owned()))),
    ];
    for (name, outcome) in expected {
        let (bytes, key) = (der(name), key(name));
        assert_eq!(signed_by(&bytes, &key), Ok(outcome.clone()), "{name}");
        // What follows it, as the zeros of a card's file, does not matter.
        assert_eq!(signed_by(&[bytes.as_slice(), &[0; 9]].concat(), &key), Ok(outcome.clone()), "{name}");
        let decidable = !matches!(outcome, Outcome::NotDecidable(_));
        for other in ["ecdsa-sha256.pem", "rsa-sha256.pem", "ed25519.pem"].map(self::key) {
            let other = (other != key && decidable).then(|| signed_by(&bytes, &other));
            assert!(other.is_none_or(|outcome| outcome == Ok(Outcome::Invalid)), "{name}");
        }
        let mut tampered = bytes.clone();
        tampered[30] ^= 1;
        assert!(signed_by(&tampered, &key).is_ok_and(|outcome| !outcome.is_valid()), "{name}");
    }
}

#[test]
fn a_curve_spelt_out_is_known_by_its_parameters() {
    let certificate = x509::decode(&der("ecdsa-sha384-explicit.pem")).unwrap();
    assert!(matches!(certificate.key, PublicKey::Other(_)));
    let named = certificate.key.named().unwrap();
    assert_eq!(named.describe(), "EC secp384r1");
    assert_eq!(key("ecdsa-sha384-explicit.pem"), named);
    // One flipped bit in the parameters, and it is unknown.
    let PublicKey::Other(mut spki) = certificate.key else { panic!() };
    spki[60] ^= 1;
    assert_eq!(PublicKey::Other(spki).named(), None);
}

#[test]
fn the_signer_of_a_certificate_is_one_of_two() {
    for (name, curve) in [
        ("ecdsa-sha256.pem", "P-256"),
        ("request-ecdsa-sha256.pem", "P-256"),
        ("ecdsa-sha384-explicit.pem", "P-384"),
    ] {
        let keys = signers(&der(name), curve::by_name(curve).unwrap()).unwrap();
        assert!(keys.len() == 2 && keys.contains(&key(name)), "{name}");
    }
    assert_eq!(signers(&der("rsa-sha256.pem"), curve::by_name("P-256").unwrap()), Ok(vec![]));
}

#[test]
fn a_certificate_that_names_two_algorithms_is_not_decided() {
    let mut bytes = der("ecdsa-sha256.pem");
    let sha256 = [0x2A, 0x86, 0x48, 0xCE, 0x3D, 4, 3, 2];
    let outer = bytes.windows(8).rposition(|window| window == sha256).unwrap();
    bytes[outer + 7] = 4;
    let signed = x509::signed(&bytes).unwrap();
    assert_eq!(scheme(&signed), Err(Reason::Contradiction));
}

#[test]
fn requests_are_read_and_certificates_are_no_requests() {
    let request = x509::decode_request(&der("request-rsa-sha1.pem")).unwrap();
    assert_eq!(
        (x509::name(&request.raw_subject).as_str(), request.key.describe().as_str()),
        ("CN=stalecard.test", "RSA 2048")
    );
    assert_eq!(x509::decode(&request.der), None);
    assert!(x509::decode_request(&der("rsa-sha256.pem")).is_err());
    for length in 0..request.der.len() {
        assert!(x509::decode_request(&request.der[..length]).is_err());
    }
}

#[test]
fn keys_are_found_in_every_usual_file() {
    let rsa = key("rsa-sha256.pem");
    // A private key is refused, unless something public is beside it.
    let private = given::public_key(&file("rsa-2048.pem"), None).unwrap_err();
    assert!(private.to_string().contains("private key"), "{private}");
    let both = [file("rsa-2048.pem"), file("rsa-sha256.pem")].concat();
    assert_eq!(given::public_key(&both, None).unwrap(), rsa);
    assert_eq!(given::public_key(&der("rsa-sha256.pem"), None).unwrap(), rsa);

    use virtual_card::openssl::pkey::PKey;
    use virtual_card::openssl::rsa::Rsa;
    let pair = Rsa::private_key_from_pem(&file("rsa-2048.pem")).unwrap();
    let openssl = PKey::from_rsa(pair.clone()).unwrap();
    for bytes in [
        openssl.public_key_to_pem().unwrap(),
        openssl.public_key_to_der().unwrap(),
        pair.public_key_to_pem_pkcs1().unwrap(),
        pair.public_key_to_der_pkcs1().unwrap(),
    ] {
        assert_eq!(given::public_key(&bytes, None).unwrap(), rsa);
    }
    let text = String::from_utf8(openssl.public_key_to_pem().unwrap()).unwrap();
    let windows = format!("Bag Attributes\r\n{}", text.replace('\n', "\r\n"));
    assert_eq!(given::public_key(windows.as_bytes(), None).unwrap(), rsa);
}

#[test]
fn points_need_their_curve_only_when_they_are_compressed() {
    let point = "044104a2d3a474f9e2c07997e221654b1357f9407440b6bab16a279c566486c2591ce6a6085da7d9d480d8d23a8f884db47d9701db49c622beba9280dddf38680731fe";
    let key = given::public_key(point.as_bytes(), None).unwrap();
    assert_eq!(key.describe(), "EC prime256v1");
    let compressed = format!("02{}", &point[6..70]);
    let curve = curve::by_name("P-256");
    assert_eq!(given::public_key(compressed.as_bytes(), curve), Ok(key));
    // About every other X is one of any curve.
    let small = (1..99).map(|x| format!("02{x:064x}"));
    let several =
        small.map(|point| given::public_key(point.as_bytes(), None)).find_map(|given| match given {
            Err(error @ given::Error::OnSeveralCurves(_)) => Some(error.to_string()),
            _ => None,
        });
    assert!(several.unwrap().contains(" as well as of "));
    let wrong = given::public_key(point.as_bytes(), curve::by_name("secp256k1")).unwrap_err();
    assert_eq!(wrong, given::Error::NotOnCurve("secp256k1"));
    let off = point.replace("731fe", "731ff");
    assert_eq!(given::public_key(off.as_bytes(), None), Err(given::Error::OnNoCurve));
}

#[test]
fn nothing_of_a_truncated_certificate_is_judged() {
    for name in ["ecdsa-sha256.pem", "pss-sha256.pem"] {
        let bytes = der(name);
        for length in 0..bytes.len() {
            assert!(signed_by(&bytes[..length], &key(name)).is_err());
        }
        let whole: tlv::Element<'_> = tlv::first(&bytes).unwrap();
        assert!(whole.rest.is_empty());
    }
}
