//! Signatures and certificates in files, made by the real openssl through the PKCS#11 engine.

use super::*;

use stand::Stand;

/// Runs openssl with the engine on this host, fails the test when it fails.
fn openssl(host: &Host, arguments: &str) -> Output {
    let module = host.sh("ls /usr/lib/*/opensc-pkcs11.so /usr/lib/opensc-pkcs11.so 2>/dev/null | head -n 1");
    let host = host.clone().env("PKCS11_MODULE_PATH", module.stdout.trim());
    host.sh(&format!("openssl {arguments}")).ok()
}

/// A self-signed certificate of the key that this host knows under this ID (PEM).
pub fn self_signed(stand: &Stand, host: &Host, id: &str) -> PathBuf {
    let file = stand.dir().join(format!("{id}.pem"));
    openssl(
        host,
        &format!(
            "req -new -x509 -subj /CN=root -days 30 -sha256 -keyform engine -engine pkcs11 -passin pass:{PIN} \
             -key id_{id} -out {}",
            file.display()
        ),
    );
    file
}

fn sampledata(stand: &Stand, host: &Host, id: &str) -> (String, String) {
    let (signed, signature) = host.engine_sign(id, b"Sample Data");
    signed.ok();
    let (data, sign) = (stand.dir().join("sampledata"), stand.dir().join("sampledata.sign"));
    std::fs::write(&data, "Sample Data").unwrap();
    std::fs::write(&sign, signature).unwrap();
    (data.to_str().unwrap().to_owned(), sign.to_str().unwrap().to_owned())
}

fn attribution(host: &Host, arguments: &[&str]) -> (i32, Value) {
    let output = host.stalecard(&[&["verify", "--format", "json"], arguments].concat());
    (output.code(), document(&output))
}

/// The seed's day, on one card: alpha signs and certifies through its stale cache.
fn made_on_stale_alpha(kind: &str) {
    let stand = Stand::start();
    let alpha = initialised(&stand, "alpha");
    let old = alpha.keypairgen(kind, &[]).id;
    alpha.pkcs15_list();
    let beta = initialised(&stand, "beta");
    let new = beta.keypairgen(kind, &[]).id;

    let (data, sign) = sampledata(&stand, &alpha, &old);
    let certificate = self_signed(&stand, &alpha, &old);
    let certificate = certificate.to_str().unwrap();

    // The signature is the live key's, whatever alpha shows.
    let (code, report) = attribution(&alpha, &["--data", &data, "--signature", &sign]);
    let made_by = &report["attribution"]["made_by"]["places"][0];
    assert_eq!(
        (code, &made_by["kind"], &made_by["id"]),
        (0, &Value::from("card"), &Value::from(new.clone()))
    );
    // The certificate names the old key, cached and gone, and is signed by the live one.
    let (code, report) = attribution(&alpha, &["--certificate", certificate]);
    let side = |name: &str| {
        let place = &report["attribution"][name]["places"][0];
        (place["kind"].as_str().unwrap().to_owned(), place["id"].as_str().unwrap().to_owned())
    };
    assert_eq!(
        (code, side("names"), side("made_by")),
        (1, ("cache".into(), old.clone()), ("card".into(), new.clone()))
    );
    assert_eq!(findings(&report), ["signed-by-other-key"]);
    let human = alpha.stalecard(&["verify", "--certificate", certificate]).exits(1);
    assert!(human.stdout.contains(&old) && human.stdout.contains(&new), "{human}");

    // Without the card: only alpha's old key is known, and it made neither.
    let offline = ["--offline", "--data", &data, "--signature", &sign];
    let (code, report) = attribution(&alpha, &offline);
    assert_eq!((code, &report["attribution"]["made_by"]), (1, &Value::Null));
    if kind.starts_with("EC") {
        // Recovery knows the live key all the same: it is one of two, if SHA-256 was the hash.
        let candidates = report["attribution"]["candidates"].as_array().unwrap();
        let ids: Vec<_> = candidates
            .iter()
            .filter(|one| one["hash"] == "SHA-256")
            .map(|one| one["id"].as_str().unwrap())
            .collect();
        assert!(ids.len() == 2 && ids.contains(&new.as_str()), "{ids:?}");
    }

    // After the flush all is green.
    alpha.stalecard(&["flush"]).ok();
    let (data, sign) = sampledata(&stand, &alpha, &new);
    let certificate = self_signed(&stand, &alpha, &new);
    for arguments in
        [&["--data", &data, "--signature", &sign][..], &["--certificate", certificate.to_str().unwrap()]]
    {
        let (code, report) = attribution(&alpha, arguments);
        assert_eq!((code, findings(&report).len()), (0, 0), "{report}");
    }
}

/// Some key types, in the long run all that the real tools can make on this card.
#[test]
fn what_was_made_on_stale_alpha_is_attributed() {
    let mut kinds = vec!["EC:prime256v1".to_owned(), "EC:brainpoolP384r1".to_owned(), "rsa:2048".to_owned()];
    if is_long() {
        kinds.extend(matrix::CURVES.map(|curve| format!("EC:{curve}")));
        kinds.extend(["rsa:3072", "rsa:4096"].map(str::to_owned));
    }
    for kind in &kinds {
        println!("{kind}");
        made_on_stale_alpha(kind);
    }
}

/// A request, and a certificate whose issuer is not here to be asked.
#[test]
fn requests_and_issued_certificates() {
    let stand = Stand::start();
    let host = initialised(&stand, "alpha");
    let id = host.keypairgen("EC:prime256v1", &[]).id;
    let file = |name: &str| stand.dir().join(name).to_str().unwrap().to_owned();
    let (request, issued, ca) = (file("csr.pem"), file("issued.pem"), file("ca.der"));
    openssl(
        &host,
        &format!(
            "req -new -subj /CN=leaf -sha256 -keyform engine -engine pkcs11 -passin pass:{PIN} -key id_{id} -out {request}"
        ),
    );
    assert_eq!(attribution(&host, &["--certificate", &request]).0, 0);
    host.sh(&format!(
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout {ca}.key -subj /CN=authority -outform DER -out {ca} && \
         openssl x509 -inform DER -in {ca} -out {ca}.pem && \
         openssl x509 -req -in {request} -CA {ca}.pem -CAkey {ca}.key -set_serial 7 -out {issued}"
    ))
    .ok();
    // Nothing is wrong, and nothing is proved.
    let (code, report) = attribution(&host, &["--certificate", &issued]);
    assert_eq!((code, findings(&report).len()), (3, 0), "{report}");
    assert_eq!(report["attribution"]["names"]["places"][0]["id"], id.as_str());
    let (code, report) = attribution(&host, &["--certificate", &issued, "--pubkey", &ca]);
    assert_eq!((code, &report["attribution"]["made_by"]["places"][0]["kind"]), (0, &Value::from("given")));
}

#[test]
fn what_is_no_certificate_or_signature_is_said() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    let file = stand.dir().join("rubbish");
    std::fs::write(&file, b"rubbish").unwrap();
    let file = file.to_str().unwrap();
    let output = host.stalecard(&["verify", "--certificate", file]).exits(2);
    assert!(output.stderr.contains("is neither a certificate nor a certificate request"), "{output}");
    // What is no signature at all is refused by what it is, and not called nobody's.
    let output = host.stalecard(&["verify", "--offline", "--data", file, "--signature", file]).exits(2);
    assert!(output.stderr.contains("is text, and no digits of a signature"), "{output}");
    host.stalecard(&["verify", "--data", file]).exits(2);
    host.stalecard(&["verify", "--signature", file]).exits(2);
    host.stalecard(&["verify", "--data", file, "--signature", file, "--pubkey", "no such file"]).exits(2);
}
