//! What fills a PIV card: yubico-piv-tool, and openssl as the authority behind it.
//!
//! What it hides: options, temporary files, and that certificates are issued by a throw-away
//! authority: this yubico-piv-tool (2.2.0 with OpenSSL 3) fails to sign one with a key on the card
//! before it has sent a single command.

use super::Host;
use super::process::Output;
use super::tools::text;

/// The PIN of a new PIV card.
pub const PIV_PIN: &str = "123456";

/// Makes a card one that OpenSC and stalecard know by its answer to reset: a YubiKey 5.
pub const YUBIKEY: [&str; 2] = ["--atr", "3BFD1300008131FE158073C021C057597562694B657940"];

impl Host {
    /// `yubico-piv-tool` with these arguments, whatever comes of it.
    pub fn piv(&self, arguments: &[&str]) -> Output {
        let mut command = vec!["yubico-piv-tool", "--reader", self.reader()];
        command.extend(arguments);
        self.run(&command)
    }

    /// Makes a key in a slot (`9a`): `RSA1024`, `RSA2048`, `ECCP256`, `ECCP384`. Its public half, in PEM.
    pub fn piv_generate(&self, slot: &str, algorithm: &str) -> String {
        self.piv(&["--action", "generate", "--slot", slot, "--algorithm", algorithm]).ok().stdout
    }

    /// Puts a certificate (DER) into a slot; `form` is `DER`, or `GZIP` for one that was compressed.
    pub fn piv_certificate(&self, slot: &str, certificate: &[u8], form: &str) -> Output {
        let file = self.scratch("certificate", certificate);
        self.piv(&[
            "--action",
            "import-certificate",
            "--slot",
            slot,
            "--key-format",
            form,
            "--input",
            text(&file),
        ])
        .ok()
    }

    /// Puts a key (PEM) from outside into a slot.
    pub fn piv_import(&self, slot: &str, key: &str) -> Output {
        let file = self.scratch("key", key.as_bytes());
        self.piv(&["--action", "import-key", "--slot", slot, "--input", text(&file)]).ok()
    }

    /// A new key and its new certificate in a slot; the public key, in PEM.
    pub fn piv_renew(&self, slot: &str, algorithm: &str, name: &str) -> String {
        let key = self.piv_generate(slot, algorithm);
        self.piv_certificate(slot, &self.issue(&key, name), "DER");
        key
    }

    /// A certificate (DER) for this public key (PEM), from an authority that is forgotten afterwards.
    pub fn issue(&self, public_key: &str, name: &str) -> Vec<u8> {
        let key = self.scratch("public", public_key.as_bytes());
        let [authority, authority_key, certificate] =
            ["authority", "authority-key", "certificate"].map(|purpose| self.scratch(purpose, b""));
        let (authority, authority_key) = (text(&authority), text(&authority_key));
        let mut command = vec!["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"];
        command.extend(["ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=authority"]);
        command.extend(["-keyout", authority_key, "-out", authority]);
        self.run(&command).ok();
        let subject = format!("/CN={name}");
        let mut command = vec!["openssl", "x509", "-new", "-force_pubkey", text(&key), "-subj", &subject];
        command.extend(["-days", "365", "-CA", authority, "-CAkey", authority_key]);
        command.extend(["-outform", "DER", "-out", text(&certificate)]);
        self.run(&command).ok();
        std::fs::read(&certificate).expect("certificate")
    }
}
