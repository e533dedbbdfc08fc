//! Plays a history with the real tools on two hosts.

use crate::compare::{Tally, Words};
use crate::history::{Action, History, KINDS, Random};
use crate::printed;
use crate::run;
use crate::stage::Stage;
use crate::stand::listing::Pkcs11Listing;
use crate::stand::{CardFile, Options, PIN, SO_PIN, Stand};
use serde_json::Value;
use stalecard::snapshot::EfPath;
use std::path::PathBuf;

const SWITCHES: [&[&str]; 4] = [
    &["--enumerate", "hardware", "--eof", "6282"],
    &["--enumerate", "emulator", "--eof", "9000"],
    &["--enumerate", "hardware", "--eof", "9000"],
    &["--enumerate", "emulator", "--eof", "6282-more"],
];

/// The numbers of the keys in a card's memory.
pub fn keys(dump: &Value) -> impl Iterator<Item = u8> {
    let names = dump["keys"].as_array().into_iter().flatten().filter_map(Value::as_str);
    names.filter_map(|name| u8::from_str_radix(name.get(name.len().checked_sub(2)?..)?, 16).ok())
}

/// A stand with four cards and everything that can be prepared.
pub struct World {
    pub stage: Stage,
    cards: Vec<CardFile>,
    inserted: usize,
    certificates: Vec<PathBuf>,
    issuer_key: PathBuf,
    ids: Vec<String>,
}

/// How the listings of a SmartCard-HSM are put into lines.
pub const WORDS: Words = Words {
    pkcs15: |_, listing| printed::pkcs15(listing),
    expected_pkcs15: printed::expected_pkcs15,
    pkcs11: printed::pkcs11,
    expected_pkcs11: printed::expected_pkcs11,
    can_log_in: |_| true,
    held: |dump| {
        let users = keys(dump).filter(|key| *key != 0);
        Some(users.map(|key| (key, EfPath::at(0xCC00 | u16::from(key)))).collect())
    },
    tokens: &[],
};

impl run::World for World {
    type Action = Action;
    const FAMILY: &str = "sc-hsm";
    const SEATS: [u32; run::STANDS] = [0, 4];

    fn new(name: &str, seat: u32) -> Self {
        let stand = Stand::with(Options { readers: run::readers(seat), seat, ..Options::default() });
        let mut cards = Vec::new();
        for (number, switches) in SWITCHES.iter().enumerate() {
            cards.push(stand.new_card(&format!("{name}{number}"), switches));
        }
        stand.card().insert(&cards[0]);
        let stage = Stage::new(stand, PIN, WORDS);
        let live = &stage.eye.live;
        let dir = stage.stand.dir().to_owned();
        let mut certificates = Vec::new();
        let issuer_key = dir.join("c0.key");
        for (number, algorithm) in [
            &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"][..],
            &["rsa:1024"],
            &["ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
        ]
        .iter()
        .enumerate()
        {
            let (key, der) = (dir.join(format!("c{number}.key")), dir.join(format!("c{number}.der")));
            let mut command = vec!["openssl", "req", "-x509", "-nodes", "-days", "3650", "-newkey"];
            command.extend(*algorithm);
            let subject = format!("/C=DE/CN=foreign {number}");
            command.extend(["-subj", &subject, "-keyout", key.to_str().unwrap()]);
            command.extend(["-outform", "DER", "-out", der.to_str().unwrap()]);
            live.run(&command).ok();
            certificates.push(der);
        }
        // One that the first has issued: OpenSC lists issuers with what they issued.
        let issued = dir.join("c3.der");
        live.sh(&format!(
            "cd {dir} && openssl x509 -inform DER -in c0.der -out c0.pem && \
             openssl req -new -key c2.key -subj /CN=issued -out c3.csr && \
             openssl x509 -req -in c3.csr -CA c0.pem -CAkey c0.key -set_serial 0x8001 -outform DER -out c3.der",
            dir = dir.display()
        ))
        .ok();
        certificates.push(issued);
        Self { stage, cards, inserted: 0, certificates, issuer_key, ids: Vec::new() }
    }

    fn random(seed: u64) -> History {
        History::random(seed)
    }

    fn repaired(seed: u64) -> History {
        History::repaired(seed)
    }

    fn play(&mut self, history: &History) -> Result<(), String> {
        if self.inserted != history.nature {
            self.stage.stand.card().insert(&self.cards[history.nature]);
            self.inserted = history.nature;
        }
        self.stage.begin();
        self.ids.clear();
        self.stage.eye.live.initialize("HSM", PIN, SO_PIN, None);
        let mut random = Random(history.seed ^ 0xF1DE);
        for (number, action) in history.actions.iter().enumerate() {
            self.act(action, &mut random).map_err(|why| format!("at action {number} ({action:?}): {why}"))?;
            self.stage.remember();
        }
        Ok(())
    }

    fn tally(self) -> Tally {
        self.stage.eye.tally
    }
}

impl World {
    /// What the tools refuse, they refuse: only what is listed afterwards counts.
    fn act(&mut self, action: &Action, random: &mut Random) -> Result<(), String> {
        let id = |nth: usize, ids: &[String]| -> String {
            if ids.is_empty() { "01".to_owned() } else { ids[nth % ids.len()].clone() }
        };
        match *action {
            Action::Initialise { host } => {
                self.stage.eye.hosts[host].initialize("HSM", PIN, SO_PIN, None);
            }
            Action::Generate { host, kind, id, label } => {
                let mut options =
                    vec!["--keypairgen".to_owned(), "--key-type".to_owned(), KINDS[kind].to_owned()];
                options.extend(id.into_iter().flat_map(|id| ["--id".to_owned(), format!("{id:02}")]));
                options.extend(label.into_iter().flat_map(|l| ["--label".to_owned(), format!("key {l}")]));
                let options: Vec<&str> = options.iter().map(String::as_str).collect();
                let output = self.stage.eye.hosts[host].pkcs11_login(&options);
                let made = Pkcs11Listing::parse(&output.stdout);
                self.ids.extend(made.public_keys().first().and_then(|key| key.id.clone()));
            }
            Action::DeleteKey { host, nth } => {
                let id = id(nth, &self.ids);
                self.stage.eye.hosts[host].pkcs11_login(&[
                    "--delete-object",
                    "--type",
                    "privkey",
                    "--id",
                    &id,
                ]);
            }
            Action::DeleteCertificate { host, nth } => {
                let id = if nth % 2 == 0 { "77".to_owned() } else { id(nth, &self.ids) };
                self.stage.eye.hosts[host].pkcs11_login(&["--delete-object", "--type", "cert", "--id", &id]);
            }
            Action::DeleteData { host, name } => {
                let label = format!("data {name}");
                self.stage.eye.hosts[host].pkcs11_login(&[
                    "--delete-object",
                    "--type",
                    "data",
                    "--label",
                    &label,
                ]);
            }
            Action::WriteCertificate { host, nth, which } => {
                let file = self.certificates[which].to_str().unwrap().to_owned();
                self.write_certificate(host, &file, &id(nth, &self.ids));
            }
            Action::WriteOwnCertificate { host, nth } => {
                let id = id(nth, &self.ids);
                let public = self.stage.eye.live.run(&["pkcs15-tool", "--read-public-key", &id]);
                if public.stdout.contains("PUBLIC KEY") {
                    let key = self.stage.eye.live.scratch("public", public.stdout.as_bytes());
                    let der = self.stage.eye.live.scratch("own", b"");
                    let made = self.stage.eye.live.sh(&format!(
                        "openssl x509 -new -force_pubkey {} -subj '/CN=own' -days 30 -key {} -outform DER -out {}",
                        key.display(),
                        self.issuer_key.display(),
                        der.display()
                    ));
                    if made.success() {
                        self.write_certificate(host, der.to_str().unwrap(), &id);
                    }
                }
            }
            Action::WriteCa { host, id, which } => {
                let file = self.certificates[which].to_str().unwrap().to_owned();
                self.write_certificate(host, &file, &format!("{id:02x}"));
            }
            Action::WriteData { host, name, private, size } => {
                let file = self.stage.eye.live.scratch("data", &vec![b'a' + name; size]);
                let label = format!("data {name}");
                let mut options =
                    vec!["--write-object", file.to_str().unwrap(), "--type", "data", "--label", &label];
                if private {
                    options.push("--private");
                }
                if name == 1 {
                    options.extend(["--application-label", "an application"]);
                }
                self.stage.eye.hosts[host].pkcs11_login(&options);
            }
            Action::Damage { host, nth, how } => self.damage(host, nth, how),
            Action::Tamper { nth, how } => self.tamper(nth, how),
            Action::Common(event) => return self.stage.happen(&event, random),
        }
        Ok(())
    }

    fn write_certificate(&self, host: usize, file: &str, id: &str) {
        let label = if file.ends_with("c2.der") { "" } else { "certificate" };
        let mut options = vec!["--write-object", file, "--type", "cert", "--id", id];
        if !label.is_empty() {
            options.extend(["--label", label]);
        }
        self.stage.eye.hosts[host].pkcs11_login(&options);
    }
}
