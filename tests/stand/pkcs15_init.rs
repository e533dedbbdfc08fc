//! The real `pkcs15-init`, which makes native PKCS#15 cards and changes them.
//!
//! Every helper fails the test when the tool fails; where a failure is what a test is about, use
//! [`Host::pkcs15_init`]. Keys and PINs get the authentication ID 01.

use super::Host;
use super::process::Output;
use super::tools::text;

/// PINs of native cards, at most eight characters long; the user PIN is [`super::PIN`].
pub const PUK: &str = "11223344";
/// Exactly as long as it has to be.
pub const ISOAPPLET_PUK: &str = "1122334455667788";
pub const NATIVE_SO_PIN: &str = "12345678";
pub const NATIVE_SO_PUK: &str = "87654321";

impl Host {
    /// `pkcs15-init` with the user PIN and these arguments, whatever comes of it.
    pub fn pkcs15_init(&self, arguments: &[&str]) -> Output {
        let mut command = vec!["pkcs15-init", "--pin", self.pin()];
        command.extend(arguments);
        self.run(&command)
    }

    /// An empty PKCS#15 structure with a security officer's PIN. OpenSC 0.21 wants a user PIN before there is one.
    pub fn create_pkcs15(&self) -> Output {
        self.pkcs15_init(&["--create-pkcs15", "--so-pin", NATIVE_SO_PIN, "--so-puk", NATIVE_SO_PUK]).ok()
    }

    /// The user PIN, labelled `user`.
    pub fn store_pin(&self) -> Output {
        self.pkcs15_init(&[
            "--store-pin",
            "--auth-id",
            "01",
            "--label",
            "user",
            "--puk",
            PUK,
            "--so-pin",
            NATIVE_SO_PIN,
        ])
        .ok()
    }

    /// A card that is ready for keys: structure, PIN, and access conditions in force. Those of the directories come with
    /// the erasure. The card is a blank or an erased one.
    pub fn personalise(&self) {
        self.run(&["pkcs15-init", "--erase-card"]).ok();
        self.create_pkcs15();
        self.store_pin();
        self.run(&["pkcs15-init", "--finalize"]).ok();
    }

    /// An empty PKCS#15 structure on a card with the IsoApplet, whose one PIN has the authentication ID FF.
    pub fn personalise_isoapplet(&self) {
        let (pin, puk) = (self.pin(), ISOAPPLET_PUK);
        self.pkcs15_init(&["--create-pkcs15", "--puk", puk, "--so-pin", pin, "--so-puk", puk]).ok();
    }

    /// Makes a key pair for signatures: `ec/prime256v1`, `rsa/2048`.
    pub fn generate_key(&self, key_type: &str, id: &str, label: &str) -> Output {
        self.pkcs15_init(&generate_key(key_type, id, label)).ok()
    }

    /// Stores a certificate (PEM); a key with this ID takes over label and subject.
    pub fn store_certificate(&self, pem: &str, id: &str, label: &str) -> Output {
        let file = self.scratch("certificate", pem.as_bytes());
        self.pkcs15_init(&[
            "--store-certificate",
            text(&file),
            "--auth-id",
            "01",
            "--id",
            id,
            "--label",
            label,
        ])
        .ok()
    }

    /// Stores a data object; a `private` one needs the PIN to be read.
    pub fn store_data(&self, content: &[u8], label: &str, private: bool) -> Output {
        let file = self.scratch("data", content);
        let mut arguments = vec!["--store-data", text(&file), "--label", label, "--application-name", "test"];
        if private {
            arguments.extend(["--auth-id", "01"]);
        }
        self.pkcs15_init(&arguments).ok()
    }

    /// `kinds` as `privkey,pubkey,cert`.
    pub fn delete_objects(&self, kinds: &str, id: &str) -> Output {
        self.pkcs15_init(&["--delete-objects", kinds, "--id", id]).ok()
    }

    /// Gives an object another label; `kind` is `privkey`, `pubkey`, `cert` or `data`.
    pub fn change_label(&self, kind: &str, id: &str, label: &str) -> Output {
        self.pkcs15_init(&["--change-attributes", kind, "--id", id, "--label", label]).ok()
    }

    /// Wipes a personalised card. OpenSC 0.23's `--erase-card` asks for the security officer's PIN at a terminal, whatever it
    /// is given; for its own application it does not, and wipes as much.
    pub fn erase_application(&self) -> Output {
        let application = "A000000063504B43532D3135";
        self.run(&["pkcs15-init", "--erase-application", application, "--so-pin", NATIVE_SO_PIN]).ok()
    }
}

/// The arguments that make a key pair for signatures under the PIN 01.
pub fn generate_key<'a>(key_type: &'a str, id: &'a str, label: &'a str) -> Vec<&'a str> {
    generate_key_under("01", key_type, id, label)
}

/// The same under another PIN.
pub fn generate_key_under<'a>(
    auth_id: &'a str,
    key_type: &'a str,
    id: &'a str,
    label: &'a str,
) -> Vec<&'a str> {
    vec![
        "--generate-key",
        key_type,
        "--auth-id",
        auth_id,
        "--id",
        id,
        "--label",
        label,
        "--key-usage",
        "sign",
    ]
}
