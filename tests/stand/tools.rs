//! The real tools' commands that the tests use, by what they do.
//!
//! What it hides: options, temporary files and the parsing of what is printed. Every helper fails
//! the test when the tool fails; where a failure is what a test is about, use [`Host::run`] or
//! [`Host::pkcs11_login`].

use super::Host;
use super::listing::{Pkcs11Listing, Pkcs15Listing, ScHsmStatus};
use super::namespace::opensc_module;
use super::process::Output;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// The user PIN and SO-PIN of the seed's story: throw-away.
pub const PIN: &str = "648219";
pub const SO_PIN: &str = "3537363231383830";

/// What `pkcs11-tool --keypairgen` said it made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratedKey {
    pub id: String,
    pub label: String,
    /// The point (`04…`) of an EC key.
    pub ec_point: Option<String>,
    pub bits: Option<u32>,
}

/// A file that nobody else can read, as one with a PIN has to be.
pub fn secret(path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
    std::fs::write(&path, content).expect("a secret");
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("its mode");
}

impl Host {
    /// `sc-hsm-tool --initialize`: wipes the card.
    pub fn initialize(&self, label: &str, pin: &str, so_pin: &str, dkek_shares: Option<u8>) -> Output {
        let shares = dkek_shares.map(|shares| shares.to_string());
        let mut command =
            vec!["sc-hsm-tool", "--initialize", "--label", label, "--pin", pin, "--so-pin", so_pin];
        if let Some(shares) = &shares {
            command.extend(["--dkek-shares", shares]);
        }
        self.run(&command).ok()
    }

    /// Makes a DKEK share in this file of the home. The tool takes 15 s of processor time for its password, and as much
    /// again to import it: see [`Host::import_plain_dkek_share`].
    pub fn create_dkek_share(&self, file: &str, password: &str) -> Output {
        self.run(&["sc-hsm-tool", "--create-dkek-share", file, "--password", password]).ok()
    }

    pub fn import_dkek_share(&self, file: &str, password: &str) -> Output {
        self.run(&["sc-hsm-tool", "--import-dkek-share", file, "--password", password]).ok()
    }

    /// What `sc-hsm-tool --import-dkek-share` sends once it has deciphered the file.
    pub fn import_plain_dkek_share(&self, share: [u8; 32]) -> Output {
        let share: String = share.iter().map(|byte| format!(":{byte:02x}")).collect();
        let output = self.run(&["opensc-tool", "--send-apdu", &format!("80:52:00:00:20{share}:00")]).ok();
        assert!(output.stdout.contains("SW1=0x90"), "{output}");
        output
    }

    /// `sc-hsm-tool` without arguments.
    pub fn sc_hsm_status(&self) -> ScHsmStatus {
        ScHsmStatus::parse(&self.run(&["sc-hsm-tool"]).ok().stdout)
    }

    /// `pkcs11-tool --login` with these arguments, whatever comes of it.
    pub fn pkcs11_login(&self, arguments: &[&str]) -> Output {
        let mut command = vec!["pkcs11-tool", "--login", "--pin", self.pin()];
        command.extend(arguments);
        self.run(&command)
    }

    /// Makes a key pair: `EC:prime256v1`, `rsa:2048`; `options` as `["--label", "x", "--id", "01"]`.
    pub fn keypairgen(&self, key_type: &str, options: &[&str]) -> GeneratedKey {
        let mut arguments = vec!["--keypairgen", "--key-type", key_type];
        arguments.extend(options);
        let output = self.pkcs11_login(&arguments).ok();
        let listing = Pkcs11Listing::parse(&output.stdout);
        let keys = listing.public_keys();
        let Some(key) = keys.first() else {
            panic!("no public key in {output}");
        };
        GeneratedKey {
            id: key.id.clone().unwrap_or_default(),
            label: key.label.clone(),
            ec_point: key.ec_point.clone(),
            bits: key.bits,
        }
    }

    /// `kind` is `privkey`, `pubkey`, `cert` or `data`; an object is picked by ID.
    pub fn delete_object(&self, kind: &str, id: &str) -> Output {
        self.pkcs11_login(&["--delete-object", "--type", kind, "--id", id]).ok()
    }

    /// A data object is deleted by label and application.
    pub fn delete_data(&self, label: &str) -> Output {
        self.pkcs11_login(&["--delete-object", "--type", "data", "--label", label]).ok()
    }

    /// Writes a certificate (DER), as for a key when the ID is a key's.
    pub fn write_cert(&self, der: &[u8], id: &str, label: &str) -> Output {
        let file = self.scratch("cert", der);
        self.pkcs11_login(&["--write-object", text(&file), "--type", "cert", "--id", id, "--label", label])
            .ok()
    }

    /// Writes a data object; `private` ones need the PIN to be read.
    pub fn write_data(&self, content: &[u8], label: &str, private: bool) -> Output {
        let file = self.scratch("data", content);
        let mut arguments = vec!["--write-object", text(&file), "--type", "data", "--label", label];
        if private {
            arguments.push("--private");
        }
        self.pkcs11_login(&arguments).ok()
    }

    /// A self-signed certificate (DER) of a fresh P-256 key that openssl makes: foreign to every card.
    pub fn foreign_certificate(&self, name: &str) -> Vec<u8> {
        let (key, certificate) = (self.scratch("key", b""), self.scratch("certificate", b""));
        self.run(&[
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "3650",
            "-subj",
            &format!("/CN={name}"),
            "-keyout",
            text(&key),
            "-outform",
            "DER",
            "-out",
            text(&certificate),
        ])
        .ok();
        std::fs::read(&certificate).expect("certificate")
    }

    /// Signs with an EC key: ECDSA over the SHA-256 of the data, DER, as openssl takes it.
    pub fn sign(&self, id: &str, data: &[u8]) -> Vec<u8> {
        let hash = self.run_with_input(&["openssl", "dgst", "-sha256", "-binary"], data).ok();
        let input = self.scratch("hash", &hash.raw);
        let signature = self.scratch("signature", b"");
        self.pkcs11_login(&[
            "--sign",
            "--mechanism",
            "ECDSA",
            "--signature-format",
            "openssl",
            "--id",
            id,
            "--input-file",
            text(&input),
            "--output-file",
            text(&signature),
        ])
        .ok();
        std::fs::read(&signature).expect("signature")
    }

    /// Signs as the seed's story does: openssl with the PKCS#11 engine. Any key type; whatever comes of it.
    pub fn engine_sign(&self, id: &str, data: &[u8]) -> (Output, Vec<u8>) {
        let input = self.scratch("data", data);
        let signature = self.scratch("signature", b"");
        let host = self.clone().env("PKCS11_MODULE_PATH", text(&opensc_module()));
        let output = host.run(&[
            "openssl",
            "dgst",
            "-sha256",
            "-keyform",
            "engine",
            "-engine",
            "pkcs11",
            "-passin",
            &format!("pass:{}", self.pin()),
            "-sign",
            &format!("id_{id}"),
            "-out",
            text(&signature),
            text(&input),
        ]);
        (output, std::fs::read(&signature).unwrap_or_default())
    }

    /// The public key under this ID as this host sees it, in PEM.
    pub fn public_key(&self, id: &str) -> String {
        self.run(&["pkcs15-tool", "--read-public-key", id]).ok().stdout
    }

    /// Whether openssl finds the signature (over the SHA-256 of the data) to be this key's. Uses neither card nor cache.
    pub fn openssl_verify(&self, public_key: &str, data: &[u8], signature: &[u8]) -> bool {
        let key = self.scratch("public", public_key.as_bytes());
        let signature = self.scratch("signature", signature);
        let data = self.scratch("data", data);
        let output = self.run(&[
            "openssl",
            "dgst",
            "-sha256",
            "-verify",
            text(&key),
            "-signature",
            text(&signature),
            text(&data),
        ]);
        let verdict = output.stdout.trim();
        assert!(
            verdict == "Verified OK" || verdict == "Verification failure",
            "neither yes nor no: {output}"
        );
        verdict == "Verified OK"
    }

    /// `pkcs15-tool -D`.
    pub fn pkcs15_list(&self) -> Pkcs15Listing {
        let output = self.run(&["pkcs15-tool", "-D"]).ok();
        Pkcs15Listing::parse(&output.stdout).unwrap_or_else(|| panic!("no card in {output}"))
    }

    /// `pkcs11-tool -O`: without login, private objects stay hidden.
    pub fn pkcs11_list(&self) -> Pkcs11Listing {
        Pkcs11Listing::parse(&self.run(&["pkcs11-tool", "-O"]).ok().stdout)
    }

    /// `pkcs11-tool -O` with login.
    pub fn pkcs11_list_logged_in(&self) -> Pkcs11Listing {
        Pkcs11Listing::parse(&self.pkcs11_login(&["-O"]).ok().stdout)
    }

    /// A file outside the home, so that neither home nor cache changes.
    pub fn scratch(&self, purpose: &str, content: &[u8]) -> PathBuf {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = self.scratch_dir().join(format!("{purpose}-{number}"));
        if purpose == "pin" {
            secret(&path, content);
        } else {
            std::fs::write(&path, content).expect("scratch file");
        }
        path
    }
}

pub(super) fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8 path")
}
