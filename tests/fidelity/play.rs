//! Plays a history with the real tools on two hosts.

use crate::compare::{Observer, Tally, Words, lines, snapshot};
use crate::history::{Action, History, KINDS, Random};
use crate::printed;
use crate::run;
use crate::stand::listing::Pkcs11Listing;
use crate::stand::{CardFile, PIN, SO_PIN, Stand};
use stalecard::finding::Severity;
use stalecard::rules::judge;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

const SWITCHES: [&[&str]; 4] = [
    &["--enumerate", "hardware", "--eof", "6282"],
    &["--enumerate", "emulator", "--eof", "9000"],
    &["--enumerate", "hardware", "--eof", "9000"],
    &["--enumerate", "emulator", "--eof", "6282-more"],
];

/// A stand with four cards and everything that can be prepared.
pub struct World {
    pub stand: Stand,
    cards: Vec<CardFile>,
    inserted: usize,
    certificates: Vec<PathBuf>,
    issuer_key: PathBuf,
    pub eye: Observer,
    games: usize,
    ids: Vec<String>,
    /// All contents that an entry has had, by host and name.
    pub old: BTreeMap<(usize, String), Vec<Vec<u8>>>,
}

/// How the listings of a SmartCard-HSM are put into lines.
pub const WORDS: Words = Words {
    pkcs15: printed::pkcs15,
    expected_pkcs15: printed::expected_pkcs15,
    pkcs11: printed::pkcs11,
    expected_pkcs11: printed::expected_pkcs11,
    can_log_in: |_| true,
};

impl run::World for World {
    type Action = Action;

    fn new(name: &str) -> Self {
        let stand = Stand::start();
        let mut cards = Vec::new();
        for (number, switches) in SWITCHES.iter().enumerate() {
            cards.push(stand.new_card(&format!("{name}{number}"), switches));
        }
        stand.card().insert(&cards[0]);
        let live = stand.host("reference").live();
        let dir = stand.dir().to_owned();
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
        Self {
            stand,
            cards,
            inserted: 0,
            certificates,
            issuer_key,
            eye: Observer { live, hosts: Vec::new(), tally: Tally::default(), words: WORDS },
            games: 0,
            ids: Vec::new(),
            old: BTreeMap::new(),
        }
    }

    fn random(seed: u64) -> History {
        History::random(seed)
    }

    fn play(&mut self, history: &History) -> Result<(), String> {
        self.games += 1;
        if self.inserted != history.nature {
            self.stand.card().insert(&self.cards[history.nature]);
            self.inserted = history.nature;
        }
        for host in &self.eye.hosts {
            let _ = fs::remove_dir_all(host.home());
        }
        self.eye.hosts =
            ["alpha", "beta"].map(|name| self.stand.host(&format!("{name}-{}", self.games))).to_vec();
        self.ids.clear();
        self.old.clear();
        self.eye.live.initialize("HSM", PIN, SO_PIN, None);
        let mut random = Random(history.seed ^ 0xF1DE);
        for (number, action) in history.actions.iter().enumerate() {
            self.act(action, &mut random).map_err(|why| format!("at action {number} ({action:?}): {why}"))?;
            self.remember();
        }
        Ok(())
    }

    fn tally(self) -> Tally {
        self.eye.tally
    }
}

impl World {
    fn remember(&mut self) {
        for (side, host) in self.eye.hosts.iter().enumerate() {
            for (name, content) in host.cache_files() {
                let versions = self.old.entry((side, name)).or_default();
                if !versions.contains(&content) {
                    versions.push(content);
                }
            }
        }
    }

    /// What the tools refuse, they refuse: only what is listed afterwards counts.
    fn act(&mut self, action: &Action, random: &mut Random) -> Result<(), String> {
        let id = |nth: usize, ids: &[String]| -> String {
            if ids.is_empty() { "01".to_owned() } else { ids[nth % ids.len()].clone() }
        };
        match *action {
            Action::Initialise { host } => {
                self.eye.hosts[host].initialize("HSM", PIN, SO_PIN, None);
            }
            Action::Generate { host, kind, id, label } => {
                let mut options =
                    vec!["--keypairgen".to_owned(), "--key-type".to_owned(), KINDS[kind].to_owned()];
                options.extend(id.into_iter().flat_map(|id| ["--id".to_owned(), format!("{id:02}")]));
                options.extend(label.into_iter().flat_map(|l| ["--label".to_owned(), format!("key {l}")]));
                let options: Vec<&str> = options.iter().map(String::as_str).collect();
                let output = self.eye.hosts[host].pkcs11_login(&options);
                let made = Pkcs11Listing::parse(&output.stdout);
                self.ids.extend(made.public_keys().first().and_then(|key| key.id.clone()));
            }
            Action::DeleteKey { host, nth } => {
                let id = id(nth, &self.ids);
                self.eye.hosts[host].pkcs11_login(&["--delete-object", "--type", "privkey", "--id", &id]);
            }
            Action::DeleteCertificate { host, nth } => {
                let id = if nth % 2 == 0 { "77".to_owned() } else { id(nth, &self.ids) };
                self.eye.hosts[host].pkcs11_login(&["--delete-object", "--type", "cert", "--id", &id]);
            }
            Action::DeleteData { host, name } => {
                let label = format!("data {name}");
                self.eye.hosts[host].pkcs11_login(&["--delete-object", "--type", "data", "--label", &label]);
            }
            Action::WriteCertificate { host, nth, which } => {
                let file = self.certificates[which].to_str().unwrap().to_owned();
                self.write_certificate(host, &file, &id(nth, &self.ids));
            }
            Action::WriteOwnCertificate { host, nth } => {
                let id = id(nth, &self.ids);
                let public = self.eye.live.run(&["pkcs15-tool", "--read-public-key", &id]);
                if public.stdout.contains("PUBLIC KEY") {
                    let key = self.eye.live.scratch("public", public.stdout.as_bytes());
                    let der = self.eye.live.scratch("own", b"");
                    let made = self.eye.live.sh(&format!(
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
                let file = self.eye.live.scratch("data", &vec![b'a' + name; size]);
                let label = format!("data {name}");
                let mut options =
                    vec!["--write-object", file.to_str().unwrap(), "--type", "data", "--label", &label];
                if private {
                    options.push("--private");
                }
                if name == 1 {
                    options.extend(["--application-label", "an application"]);
                }
                self.eye.hosts[host].pkcs11_login(&options);
            }
            Action::List { host, module: false } => {
                self.eye.hosts[host].run(&["pkcs15-tool", "-D"]);
            }
            Action::List { host, module: true } => {
                self.eye.hosts[host].run(&["pkcs11-tool", "-O"]);
            }
            Action::Flush { host } => {
                let output = self.eye.hosts[host].stalecard(&["flush"]);
                if output.code() != 0 {
                    return Err(format!("flush failed: {output}"));
                }
                let left = judge(&snapshot(&self.eye.hosts[host])?).findings;
                let mut errors = left.iter().filter(|finding| finding.severity >= Severity::Error);
                // A foreign certificate on the card itself, which no program shows wrong, stays.
                if errors.any(|finding| !finding.program.is_empty()) {
                    return Err(format!("flush has cured not all: {output}\n{}", lines(&left)));
                }
            }
            Action::Damage { host, nth, how } => self.damage(host, nth, how),
            Action::Tamper { nth, how } => self.tamper(nth, how),
            Action::Caching { host, how } => {
                self.eye.hosts[host].configure(&configuration(how));
            }
            Action::Observe => return self.eye.observe(random),
        }
        Ok(())
    }

    fn write_certificate(&self, host: usize, file: &str, id: &str) {
        let label = if file.ends_with("c2.der") { "" } else { "certificate" };
        let mut options = vec!["--write-object", file, "--type", "cert", "--id", id];
        if !label.is_empty() {
            options.extend(["--label", label]);
        }
        self.eye.hosts[host].pkcs11_login(&options);
    }
}

pub fn configuration(how: usize) -> String {
    let block = |app: &str, value: &str| {
        format!("app {app} {{\n\tframework pkcs15 {{\n\t\tuse_file_caching = {value};\n\t}}\n}}\n")
    };
    match how {
        0 | 1 => block("default", "yes"),
        2 => block("default", "public"),
        3 => block("default", "no"),
        4 => block("default", "yes") + &block("opensc-pkcs11", "no"),
        5 => block("default", "yes") + &block("pkcs15-tool", "no"),
        6 => block("default", "no") + &block("pkcs15-tool", "public"),
        _ => block("default", "no") + &block("opensc-pkcs11", "public"),
    }
}
