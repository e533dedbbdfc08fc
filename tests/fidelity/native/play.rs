//! Plays a history with the real tools on two hosts.

use super::history::{self, Action, Damage, KINDS, OBJECTS};
use crate::compare::{Observer, Tally, Words, lines, snapshot};
use crate::history::{History, Random};
use crate::native_listing;
use crate::play::configuration;
use crate::run;
use crate::stand::{CardFile, Family, Options, Stand};
use stalecard::finding::Severity;
use stalecard::rules::judge;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

const WORDS: Words = Words {
    pkcs15: native_listing::pkcs15,
    expected_pkcs15: native_listing::expected_pkcs15,
    pkcs11: native_listing::pkcs11,
    expected_pkcs11: native_listing::expected_pkcs11,
    can_log_in: native_listing::can_log_in,
};

/// A stand with a card that is made anew for each history.
pub struct World {
    stand: Stand,
    eye: Observer,
    certificates: Vec<PathBuf>,
    games: usize,
    /// All contents that an entry has had, by host and name.
    old: BTreeMap<(usize, String), Vec<Vec<u8>>>,
    /// A card as it is after it was made: to begin each history with.
    blank: CardFile,
}

impl run::World for World {
    type Action = Action;

    fn new(_name: &str) -> Self {
        let stand = Stand::with(Options { family: Family::MyEid, ..Options::default() });
        let live = stand.host("reference").live();
        live.personalise();
        let blank = stand.card().first().twin("blank");
        let certificates = (0..history::CERTIFICATES)
            .map(|number| {
                let der = stand.dir().join(format!("c{number}.pem"));
                let subject = format!("/C=FI/CN=holder {number}");
                let command = [
                    "openssl",
                    "req",
                    "-x509",
                    "-nodes",
                    "-days",
                    "3650",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:P-256",
                    "-subj",
                    &subject,
                    "-keyout",
                    "/dev/null",
                    "-out",
                    der.to_str().unwrap(),
                ];
                live.run(&command).ok();
                der
            })
            .collect();
        Self {
            stand,
            eye: Observer { live, hosts: Vec::new(), tally: Tally::default(), words: WORDS },
            certificates,
            games: 0,
            old: BTreeMap::new(),
            blank,
        }
    }

    fn random(seed: u64) -> History<Action> {
        history::random(seed)
    }

    fn play(&mut self, history: &History<Action>) -> Result<(), String> {
        self.games += 1;
        let card = self.blank.twin(&format!("game-{}", self.games % 2));
        self.stand.card().insert(&card);
        for host in &self.eye.hosts {
            let _ = fs::remove_dir_all(host.home());
        }
        self.eye.hosts =
            ["alpha", "beta"].map(|name| self.stand.host(&format!("{name}-{}", self.games))).to_vec();
        self.old.clear();
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
        let hosts = &self.eye.hosts;
        let hex = |id: u8| format!("{id:02x}");
        match *action {
            Action::Generate { host, kind, id } => {
                let (id, label) = (hex(id), format!("key {id}"));
                hosts[host].pkcs15_init(&crate::stand::generate_key(KINDS[kind], &id, &label));
            }
            Action::StoreCertificate { host, id, which } => {
                let file = self.certificates[which].to_str().unwrap().to_owned();
                let (id, label) = (hex(id), format!("certificate {which}"));
                hosts[host].pkcs15_init(&[
                    "--store-certificate",
                    &file,
                    "--auth-id",
                    "01",
                    "--id",
                    &id,
                    "--label",
                    &label,
                ]);
            }
            Action::StoreData { host, name, private, size } => {
                let file = self.eye.live.scratch("data", &vec![b'a' + name; size]);
                let label = format!("data {name}");
                let mut arguments = vec![
                    "--store-data",
                    file.to_str().unwrap(),
                    "--label",
                    &label,
                    "--application-name",
                    "test",
                ];
                if private {
                    arguments.extend(["--auth-id", "01"]);
                }
                hosts[host].pkcs15_init(&arguments);
            }
            Action::StorePin { host } => {
                hosts[host].pkcs15_init(&[
                    "--store-pin",
                    "--auth-id",
                    "02",
                    "--label",
                    "second",
                    "--puk",
                    crate::stand::PUK,
                    "--so-pin",
                    crate::stand::NATIVE_SO_PIN,
                ]);
            }
            Action::Delete { host, what, id } => {
                hosts[host].pkcs15_init(&["--delete-objects", OBJECTS[what], "--id", &hex(id)]);
            }
            Action::DeleteData { host, name } => {
                let label = format!("data {name}");
                hosts[host].pkcs11_login(&["--delete-object", "--type", "data", "--label", &label]);
            }
            Action::Rename { host, what, id, label } => {
                let label = format!("renamed {label}");
                hosts[host].pkcs15_init(&[
                    "--change-attributes",
                    OBJECTS[what],
                    "--id",
                    &hex(id),
                    "--label",
                    &label,
                ]);
            }
            Action::List { host, module: false } => {
                hosts[host].run(&["pkcs15-tool", "-D"]);
            }
            Action::List { host, module: true } => {
                hosts[host].run(&["pkcs11-tool", "-O"]);
            }
            Action::Flush { host } => {
                let output = hosts[host].stalecard(&["flush"]);
                if output.code() != 0 {
                    return Err(format!("flush failed: {output}"));
                }
                let left = judge(&snapshot(&hosts[host])?).findings;
                let mut errors = left.iter().filter(|finding| finding.severity >= Severity::Error);
                if errors.any(|finding| !finding.program.is_empty()) {
                    return Err(format!("flush has cured not all: {output}\n{}", lines(&left)));
                }
            }
            Action::Damage { host, nth, how } => self.damage(host, nth, how),
            Action::Caching { host, how } => {
                hosts[host].configure(&configuration(how));
            }
            Action::Observe => return self.eye.observe(random),
        }
        Ok(())
    }

    fn damage(&self, side: usize, nth: usize, how: Damage) {
        let host = &self.eye.hosts[side];
        let names = host.cache_names();
        if names.is_empty() {
            return;
        }
        let name = &names[nth % names.len()];
        let path = host.cache().join(name);
        let mut content = fs::read(&path).unwrap_or_default();
        let new = match how {
            Damage::Truncate(at) => Some(content[..at.min(content.len())].to_vec()),
            Damage::Empty => Some(Vec::new()),
            Damage::Random(seed) => {
                let mut random = Random(seed);
                Some((0..1 + random.below(100)).map(|_| random.next() as u8).collect())
            }
            Damage::Doubled => Some([content.clone(), content].concat()),
            Damage::Directory | Damage::Missing => None,
            Damage::Older(nth) => {
                self.old.get(&(side, name.clone())).map(|versions| versions[nth % versions.len()].clone())
            }
            Damage::Flip(at, bit) => {
                let at = at % content.len().max(1);
                content.get_mut(at).iter_mut().for_each(|byte| **byte ^= bit);
                Some(content)
            }
        };
        if path.is_dir() {
            let _ = fs::remove_dir(&path);
        } else {
            let _ = fs::remove_file(&path);
        }
        match new {
            Some(content) => fs::write(&path, content).unwrap(),
            None if how == Damage::Directory => fs::create_dir(&path).unwrap(),
            None => {}
        }
    }
}
