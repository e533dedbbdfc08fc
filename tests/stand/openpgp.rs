//! What fills and uses an OpenPGP card: openpgp-tool for RSA keys, pkcs15-init for elliptic curves and the
//! first certificate, plain commands for Curve25519.
//!
//! What it hides: options, temporary files, and that OpenSC shows the card as two tokens, one per
//! reference of the user's password.

use super::Host;
use super::process::Output;
use super::tools::text;

/// The user's and the administrator's password of a new OpenPGP card.
pub const PW1: &str = "123456";
pub const PW3: &str = "12345678";

impl Host {
    /// Makes an RSA key of 2048 bits: 1 for signatures, 2 for deciphering, 3 for authentication. An old one is replaced.
    pub fn openpgp_generate(&self, key: u8) -> Output {
        let key = key.to_string();
        let output = self.run(&["openpgp-tool", "--verify", "CHV3", "--pin", PW3, "--gen-key", &key]).ok();
        assert!(!output.stdout.contains("00000000000000000000000000000000"), "no fingerprint: {output}");
        output
    }

    /// Makes a key on a curve (`prime256v1`) where there is none yet.
    pub fn openpgp_generate_ec(&self, key: u8, curve: &str) -> Output {
        let (key, curve) = (key.to_string(), format!("ec:{curve}"));
        let mut command = vec!["pkcs15-init", "--verify-pin", "--generate-key", &curve, "--id", &key];
        command.extend(["--auth-id", "3", "--pin", PW3, "--so-pin", PW3]);
        self.run(&command).ok()
    }

    /// Puts a certificate (DER) where the one of the authentication key belongs.
    pub fn openpgp_certificate(&self, certificate: &[u8]) -> Output {
        let file = self.scratch("certificate", certificate);
        let mut command = vec!["pkcs15-init", "--store-certificate", text(&file), "--format", "der"];
        command.extend(["--id", "3", "--auth-id", "3", "--pin", PW3, "--so-pin", PW3]);
        self.run(&command).ok()
    }

    /// Signs with a mechanism of `pkcs11-tool` (`SHA256-RSA-PKCS`, `EDDSA`; `ECDSA` takes a hash).
    pub fn openpgp_sign(&self, id: &str, mechanism: &str, input: &[u8]) -> Vec<u8> {
        let token = if id == "01" { "OpenPGP card (User PIN (sig))" } else { "OpenPGP card (User PIN)" };
        let (input, signature) = (self.scratch("input", input), self.scratch("signature", b""));
        let mut arguments = vec!["--token-label", token, "--sign", "--mechanism", mechanism, "--id", id];
        if mechanism == "ECDSA" {
            arguments.extend(["--signature-format", "openssl"]);
        }
        arguments.extend(["--input-file", text(&input), "--output-file", text(&signature)]);
        self.pkcs11_login(&arguments).ok();
        std::fs::read(&signature).expect("signature")
    }

    /// On Curve25519, which the tools do not make: PUT DATA of the algorithm attributes, GENERATE ASYMMETRIC KEY PAIR, PUT
    /// DATA of a fingerprint of these bytes. `key`: 1 to 3.
    pub fn openpgp_generate_25519(&self, key: u8, mark: u8) -> Output {
        let attributes = if key == 2 { "122B060104019755010501" } else { "162B06010401DA470F01" };
        let template = ["B6", "B8", "A4"][usize::from(key) - 1];
        let fingerprint = format!("{mark:02X}").repeat(20);
        let commands = [
            "00200083083132333435363738".to_owned(),
            format!("00DA00C{key}{:02X}{attributes}", attributes.len() / 2),
            format!("0047800002{template}0000"),
            format!("00DA00{:02X}14{fingerprint}", 0xC6 + key),
        ];
        let words = commands.iter().flat_map(|command| ["--send-apdu", command.as_str()]);
        self.run(&["opensc-tool"].into_iter().chain(words).collect::<Vec<_>>()).ok()
    }
}
