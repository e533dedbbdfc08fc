//! The virtual OpenPGP card in the hands of the real tools: openpgp-tool and pkcs15-init fill it, OpenSC reads and uses
//! it, and returns stale public keys where a real card would make it.

use crate::stand::{Family, Host, Options, PW1, Stand};

fn stand(version: &str) -> (Stand, Host) {
    let switches = ["--card-version", version];
    let stand = Stand::with(Options { family: Family::OpenPgp, switches: &switches, ..Options::default() });
    let alpha = stand.host("alpha").with_pin(PW1);
    (stand, alpha)
}

/// Three RSA keys: OpenSC lists them as on a real card, and each works.
#[test]
fn the_tools_fill_and_use_a_card_of_version_2() {
    let (stand, alpha) = stand("2.0");
    let alpha = alpha.live();
    for key in 1..=3 {
        alpha.openpgp_generate(key);
    }
    alpha.openpgp_certificate(&alpha.foreign_certificate("holder"));
    let listing = alpha.pkcs15_list();
    assert_eq!((listing.label.as_str(), listing.serial.as_str()), ("OpenPGP card", "000000000001"));
    assert_eq!(listing.pins().len(), 3);
    let keys: Vec<_> = listing
        .public_keys()
        .iter()
        .map(|key| (key.id.clone().unwrap(), key.label.clone(), key.path.clone().unwrap(), key.bits.unwrap()))
        .collect();
    let expected = [
        ("01", "Signature key", "b601"),
        ("02", "Encryption key", "b801"),
        ("03", "Authentication key", "a401"),
    ];
    assert_eq!(keys, expected.map(|(id, label, path)| (id.into(), label.into(), path.into(), 2048)));
    assert_eq!(listing.private_keys().len(), 3);
    assert_eq!(listing.certificates()[0].label, "AUT certificate");

    for id in ["01", "03"] {
        let signature = alpha.openpgp_sign(id, "SHA256-RSA-PKCS", b"data");
        assert!(alpha.openssl_verify(&alpha.public_key(id), b"data", &signature), "{id}");
    }
    let public = alpha.scratch("public", alpha.public_key("02").as_bytes());
    let secret = alpha.scratch("enciphered", b"");
    let (public, secret) = (public.to_str().unwrap(), secret.to_str().unwrap());
    let encrypt = ["openssl", "pkeyutl", "-encrypt", "-pubin", "-inkey", public, "-out", secret];
    alpha.run_with_input(&encrypt, b"hello").ok();
    let plain =
        alpha.pkcs11_login(&["--decrypt", "--id", "02", "--mechanism", "RSA-PKCS", "--input-file", secret]);
    assert_eq!(plain.ok().stdout.trim(), "hello");
    let dump = stand.card().dump();
    assert_eq!((&dump["pw1_tries"], &dump["signatures"]), (&3.into(), &1.into()), "{dump}");
}

/// Elliptic curves and a certificate per key; wrong answers cost tries that OpenSC shows.
#[test]
fn the_tools_fill_and_use_a_card_of_version_3() {
    let (stand, alpha) = stand("3.4");
    let alpha = alpha.live();
    alpha.openpgp_generate_ec(1, "prime256v1");
    alpha.openpgp_generate_ec(2, "secp384r1");
    for (number, name) in [(None, "authentication"), (Some(1), "decryption"), (Some(2), "signature")] {
        let tag = [Some(0x7F), Some(0x21), number].into_iter().flatten().collect::<Vec<u8>>();
        stand.card().tamper_path(&tag, Some(&alpha.foreign_certificate(name)));
    }
    let listing = alpha.pkcs15_list();
    let keys: Vec<_> =
        listing.private_keys().iter().map(|key| (key.label.as_str(), key.bits.unwrap())).collect();
    assert_eq!(keys, [("Signature key", 256), ("Encryption key", 384)]);
    let certificates: Vec<_> = listing
        .certificates()
        .iter()
        .map(|object| (object.id.as_deref().unwrap(), object.label.as_str()))
        .collect();
    assert_eq!(
        certificates,
        [("03", "AUT certificate"), ("02", "DEC certificate"), ("01", "SIG certificate")]
    );

    let hash = alpha.run_with_input(&["openssl", "dgst", "-sha256", "-binary"], b"data").ok().raw;
    let signature = alpha.openpgp_sign("01", "ECDSA", &hash);
    assert!(alpha.openssl_verify(&alpha.public_key("01"), b"data", &signature));

    let wrong = alpha.clone().with_pin("000000").pkcs11_login(&["-O"]);
    assert!(!wrong.success(), "{wrong}");
    let tries: Vec<_> = alpha.pkcs15_list().pins().iter().map(|pin| pin.tries_left).collect();
    assert_eq!(tries, [Some(2), Some(2), Some(3)]);
}

/// A key made anew: the listing stays the same, and OpenSC goes on handing out the old public key.
#[test]
fn a_key_made_anew_stays_stale() {
    let (_stand, alpha) = stand("2.0");
    alpha.openpgp_generate(1);
    alpha.openpgp_generate(3);
    let before = alpha.pkcs15_list();
    assert!(alpha.cache_names().is_empty(), "listing alone caches nothing");
    let old = ["01", "03"].map(|id| alpha.public_key(id));
    assert_eq!(alpha.cache_names(), ["000000000001_NODATE_A401", "000000000001_NODATE_B601"]);

    alpha.openpgp_generate(1);
    alpha.openpgp_generate(3);
    assert_eq!((alpha.pkcs15_list(), alpha.live().pkcs15_list()), (before.clone(), before));
    assert_eq!(["01", "03"].map(|id| alpha.public_key(id)), old);
    for (id, old) in ["01", "03"].iter().zip(&old) {
        let new = alpha.live().public_key(id);
        let signature = alpha.openpgp_sign(id, "SHA256-RSA-PKCS", b"data");
        assert!(!alpha.openssl_verify(old, b"data", &signature), "{id}");
        assert!(alpha.openssl_verify(&new, b"data", &signature), "{id}");
    }
}
