//! Certificates for random histories: made beforehand for foreign keys of all kinds, or issued for a key of the card.

use crate::stand::Host;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Keys of all kinds that certificates speak of, with what may stand in them of their use.
const FOREIGN: &[(&[&str], &str)] = &[
    (&["rsa:1024"], ""),
    (&["rsa:2048"], "digitalSignature,keyEncipherment"),
    (&["rsa:1024"], "dataEncipherment,keyAgreement"),
    (&["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], ""),
    (&["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "digitalSignature,nonRepudiation"),
    (&["ec", "-pkeyopt", "ec_paramgen_curve:P-384"], "keyAgreement"),
    (&["ec", "-pkeyopt", "ec_paramgen_curve:P-521"], ""),
    (&["ec", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1"], ""),
    (&["ed25519"], ""),
];

/// How many there are that were made beforehand.
pub const CERTIFICATES: usize = FOREIGN.len();

/// A throw-away authority.
pub struct Authority {
    dir: PathBuf,
    host: Host,
}

impl Authority {
    /// Its keys and certificates are made once, for all stands, which know nothing of each other.
    pub fn new(dir: &Path, host: &Host) -> Self {
        static MADE: OnceLock<Vec<[Vec<u8>; 2]>> = OnceLock::new();
        let authority = Self { dir: dir.to_owned(), host: host.clone() };
        let made = MADE.get_or_init(|| FOREIGN.iter().enumerate().map(|one| authority.make(one)).collect());
        for (number, files) in made.iter().enumerate() {
            for (path, content) in authority.foreign_files(number).iter().zip(files) {
                std::fs::write(path, content).unwrap();
            }
        }
        authority
    }

    fn make(&self, (number, (algorithm, usage)): (usize, &(&[&str], &str))) -> [Vec<u8>; 2] {
        let usage = format!("keyUsage={usage}");
        let mut command = vec!["openssl", "req", "-x509", "-nodes", "-days", "3650", "-newkey"];
        command.extend(*algorithm);
        let subject = format!("/C=DE/CN=foreign {number}");
        let [key, certificate] = self.foreign_files(number);
        command.extend(["-subj", &subject, "-keyout", &key, "-outform", "DER", "-out", &certificate]);
        if usage.len() > "keyUsage=".len() {
            command.extend(["-addext", &usage]);
        }
        self.host.run(&command).ok();
        [key, certificate].map(|path| std::fs::read(path).unwrap())
    }

    /// Private key and certificate.
    fn foreign_files(&self, which: usize) -> [String; 2] {
        ["key", "der"].map(|kind| self.path(&format!("foreign-{which}.{kind}")))
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).to_str().unwrap().to_owned()
    }

    /// One of those that were made beforehand, in DER.
    pub fn foreign(&self, which: usize) -> Vec<u8> {
        std::fs::read(self.path(&format!("foreign-{which}.der"))).unwrap()
    }

    /// The private key behind it, in PEM.
    pub fn foreign_key(&self, which: usize) -> String {
        std::fs::read_to_string(self.path(&format!("foreign-{which}.key"))).unwrap()
    }

    /// For a public key (PEM), in DER; none if that is no public key.
    pub fn issue(&self, public_key: &str, name: &str) -> Option<Vec<u8>> {
        let [key, certificate] = ["issued.key", "issued.der"].map(|name| self.path(name));
        std::fs::write(&key, public_key).unwrap();
        let (subject, signing) = (format!("/CN={name}"), self.path("foreign-3.key"));
        let mut command = vec!["openssl", "x509", "-new", "-days", "365", "-subj", &subject];
        command.extend(["-force_pubkey", &key, "-key", &signing]);
        command.extend(["-outform", "DER", "-out", &certificate]);
        let made = self.host.run(&command);
        made.success().then(|| std::fs::read(&certificate).unwrap())
    }
}
