//! The virtual PIV card in the hands of the real tools: yubico-piv-tool fills it, OpenSC reads and uses it, and shows
//! stale certificates where a real card would make it.

use crate::stand::listing::Pkcs15Listing;
use crate::stand::{Family, Host, Options, PIV_PIN, Stand};

fn stand() -> (Stand, Host) {
    let stand = Stand::with(Options { family: Family::Piv, ..Options::default() });
    let alpha = stand.host("alpha").with_pin(PIV_PIN);
    (stand, alpha)
}

/// What a listing says of the certificates: ID, label, serial number.
fn certificates(listing: &Pkcs15Listing) -> Vec<(String, String, String)> {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    listing
        .certificates()
        .iter()
        .map(|object| {
            (text(object.id.as_deref()), object.label.clone(), text(object.block.get("Encoded serial")))
        })
        .collect()
}

/// Every slot, every kind of key, certificates plain and compressed; OpenSC lists all and each key works.
#[test]
fn the_tools_fill_and_use_the_card() {
    let (stand, alpha) = stand();
    let alpha = alpha.live();
    assert_eq!(alpha.pkcs15_list().serial, "00000000", "no CHUID");
    alpha.piv(&["--action", "set-chuid", "--action", "set-ccc"]).ok();
    let authentication = alpha.piv_renew("9a", "RSA2048", "holder");
    let signature = alpha.piv_generate("9c", "ECCP256");
    let compressed = alpha.run_with_input(&["gzip", "--stdout"], &alpha.issue(&signature, "signer")).ok().raw;
    alpha.piv_certificate("9c", &compressed, "GZIP");
    alpha.piv_renew("9d", "RSA1024", "decipherer");
    let card = alpha.piv_renew("9e", "ECCP384", "card");
    alpha.piv_renew("83", "ECCP256", "retired");

    let listing = alpha.pkcs15_list();
    assert_eq!((listing.label.as_str(), listing.serial.len()), ("holder", 32));
    let keys: Vec<_> = listing
        .private_keys()
        .iter()
        .map(|key| (key.id.clone().unwrap(), key.label.clone(), key.key_ref.unwrap(), key.bits.unwrap()))
        .collect();
    let expected = [
        ("01", "PIV AUTH key", 0x9A, 2048),
        ("02", "SIGN key", 0x9C, 256),
        ("03", "KEY MAN key", 0x9D, 1024),
        ("04", "CARD AUTH key", 0x9E, 384),
        ("06", "Retired KEY MAN 2", 0x83, 256),
    ];
    assert_eq!(keys, expected.map(|(id, label, reference, bits)| (id.into(), label.into(), reference, bits)));
    assert_eq!(listing.certificates().len(), 5);
    assert_eq!(alpha.pkcs11_list_logged_in().private_keys().len(), 5);
    assert_eq!(alpha.public_key("02"), signature, "from the compressed certificate");

    let (output, made) = alpha.engine_sign("01", b"data");
    assert!(output.success() && alpha.openssl_verify(&authentication, b"data", &made), "{output}");
    for (id, key) in [("02", &signature), ("04", &card)] {
        assert!(alpha.openssl_verify(key, b"data", &alpha.sign(id, b"data")), "{id}");
    }
    let status = alpha.piv(&["--action", "status"]).ok();
    assert!(
        status.stdout.contains("CN=decipherer") && status.stdout.contains("PIN tries left:\t3"),
        "{status}"
    );
    let stats = stand.card().stats();
    assert!(stats.signatures >= 3 && stats.verify_wrong == 0, "{stats:?}");
}

/// Keys that come from outside decipher and agree as their public halves say.
#[test]
fn imported_keys_work() {
    let (_stand, alpha) = stand();
    let alpha = alpha.live();
    for (slot, kind) in [("9d", ["RSA", "rsa_keygen_bits:2048"]), ("82", ["EC", "ec_paramgen_curve:P-384"])] {
        let [algorithm, option] = kind;
        let key = alpha.run(&["openssl", "genpkey", "-algorithm", algorithm, "-pkeyopt", option]).ok().stdout;
        let public = alpha.run_with_input(&["openssl", "pkey", "-pubout"], key.as_bytes()).ok().stdout;
        alpha.piv_import(slot, &key);
        let certificate = alpha.issue(&public, "escrowed");
        alpha.piv_certificate(slot, &certificate, "DER");
        let file = alpha.scratch("certificate", &certificate);
        let file = file.to_str().unwrap();
        let verify = ["--action", "verify-pin", "--pin", PIV_PIN, "--slot", slot];
        let decipher = ["--action", "test-decipher", "--key-format", "DER", "--input", file];
        let output = alpha.piv(&[&verify[..], &decipher].concat()).ok();
        assert!(output.to_string().contains("Successful"), "{output}");
    }
    assert_eq!(alpha.pkcs15_list().private_keys().len(), 2);
}

/// 9C takes the PIN along with each signature; a wrong PIN costs a try that yubico-piv-tool sees gone.
#[test]
fn the_pin_is_asked_for_and_counted() {
    let (stand, alpha) = stand();
    alpha.piv_generate("9c", "ECCP256");
    let sign = format!("00:87:11:9C:26:7C:24:82:00:81:20{}:00", ":A5".repeat(32));
    let output = alpha.run(&[
        "opensc-tool",
        "--send-apdu",
        "00:20:00:80:08:31:32:33:34:35:36:FF:FF",
        "--send-apdu",
        &sign,
        "--send-apdu",
        &sign,
    ]);
    let answers: Vec<&str> = output.stdout.lines().filter(|line| line.starts_with("Received")).collect();
    assert_eq!(answers.len(), 3, "{output}");
    for (answer, status) in answers.iter().zip(["SW1=0x90", "SW1=0x90", "SW1=0x69, SW2=0x82"]) {
        assert!(answer.contains(status), "{status} in {output}");
    }
    let wrong = alpha.piv(&["--action", "verify-pin", "--pin", "000000"]);
    assert!(!wrong.success());
    assert_eq!(stand.card().dump()["pin_tries"], 2);
    alpha.piv(&["--action", "verify-pin", "--pin", PIV_PIN]).ok();
    assert_eq!(stand.card().dump()["pin_tries"], 3);
}

/// A renewed slot: OpenSC goes on showing the old certificate, the old type of key and the old public key; a slot whose
/// certificate was deleted stays, too.
#[test]
fn a_renewed_slot_stays_stale() {
    let (_stand, alpha) = stand();
    alpha.piv(&["--action", "set-chuid"]).ok();
    let old = alpha.piv_renew("9a", "ECCP256", "old holder");
    alpha.piv_renew("9c", "ECCP256", "old signer");
    alpha.piv_renew("9d", "ECCP256", "decipherer");
    let before = alpha.pkcs15_list();
    let prefix = format!("{}_NODATE_", before.serial);
    let names = ["0100", "0100CECE", "0101", "0101CECE", "0102", "0102CECE", "3000", "6050", "6060"]
        .map(|path| format!("{prefix}{path}"));
    assert_eq!(alpha.cache_names(), names);

    let new = alpha.piv_renew("9a", "ECCP256", "new holder");
    alpha.piv_renew("9c", "RSA2048", "new signer");
    alpha.piv(&["--action", "delete-certificate", "--slot", "9d"]).ok();
    let (stale, live) = (alpha.pkcs15_list(), alpha.live().pkcs15_list());
    assert_eq!(stale, before, "nothing has changed on alpha");
    assert_eq!(live.label, "new holder");
    assert_eq!((live.certificates().len(), stale.certificates().len()), (2, 3));
    assert_ne!(certificates(&live)[0], certificates(&stale)[0]);
    let signer = |listing: &Pkcs15Listing| listing.private_keys()[1].key_type.clone().unwrap();
    assert_eq!((signer(&stale).as_str(), signer(&live).as_str()), ("EC", "RSA"));
    let no_cache = alpha.run(&["pkcs15-tool", "--no-cache", "-D"]).ok();
    assert_eq!(
        Pkcs15Listing::parse(&no_cache.stdout).unwrap().label,
        "old holder",
        "bound with the cache all the same"
    );

    // The key itself is the card's: what it signs is the new key's.
    assert_eq!(alpha.public_key("01"), old);
    let signature = alpha.sign("01", b"data");
    assert!(!alpha.openssl_verify(&old, b"data", &signature));
    assert!(alpha.openssl_verify(&new, b"data", &signature));

    // What was not there before is no file either; and another CHUID is another card.
    alpha.piv_renew("9e", "ECCP256", "card");
    assert_eq!(alpha.pkcs15_list().certificates().len(), 4);
    alpha.piv(&["--action", "set-chuid"]).ok();
    assert_eq!(certificates(&alpha.pkcs15_list()), certificates(&alpha.live().pkcs15_list()));
}

/// Cards without a CHUID, or with one of zeros, share a prefix: the second one shows the first one's certificates, even
/// that of a slot it has no key in.
#[test]
fn cards_without_a_serial_are_taken_for_one() {
    let (stand, alpha) = stand();
    // FASC-N, GUID, expiry, and what stands for a signature.
    let zeros =
        [&[0x30, 25][..], &[0; 25], &[0x34, 16], &[0; 16], b"\x35\x0820330101", b"\x3E\x00\xFE\x00"].concat();
    for (chuid, prefix) in [(None, "0".repeat(8)), (Some(zeros), "0".repeat(50))] {
        let insert = |card| {
            stand.card().insert(card);
            if let Some(chuid) = &chuid {
                stand.card().tamper_path(&[0x5F, 0xC1, 0x02], Some(chuid));
            }
        };
        insert(stand.card().first());
        for (slot, name) in [("9a", "first"), ("9d", "first too")] {
            alpha.piv_renew(slot, "ECCP256", name);
        }
        let first = alpha.pkcs15_list();
        assert_eq!((first.label.as_str(), first.serial.as_str()), ("first", prefix.as_str()));
        let names = alpha.cache_names();
        assert!(names.contains(&format!("{prefix}_NODATE_0102CECE")), "{names:?}");

        let second = stand.new_card(&format!("second-{}", prefix.len()), &[]);
        insert(&second);
        alpha.piv_renew("9a", "ECCP256", "second");
        let (stale, live) = (alpha.pkcs15_list(), alpha.live().pkcs15_list());
        assert_eq!((live.label.as_str(), live.certificates().len()), ("second", 1));
        assert_eq!((stale.label.as_str(), stale.certificates().len()), ("first", 2));
        assert_eq!(certificates(&stale), certificates(&first));
    }
}
