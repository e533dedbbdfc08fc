//! Plays a history with the real tools on two hosts.

use super::history::{self, Action, DIRECTORIES, Garble, OBJECTS};
use super::kind::Kind as CardKind;
use super::made::{Entry, Made, Updated};
use crate::authority::Authority;
use crate::compare::{Tally, Words, lines, snapshot};
use crate::history::{History, Random};
use crate::native_listing;
use crate::run;
use crate::stage::Event;
use crate::stage::Stage;
use crate::stand::listing::{Kind, Pkcs15Listing};
use crate::stand::{CardFile, Host, Options, PIN, Stand, generate_key_under};
use serde_json::Value;
use stalecard::judge::{judge, tokens};
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::path::PathBuf;

pub const WORDS: Words = Words {
    pkcs15: |_, listing| native_listing::pkcs15(listing),
    expected_pkcs15: |view, _| native_listing::expected_pkcs15(view),
    pkcs11: native_listing::pkcs11,
    expected_pkcs11: native_listing::expected_pkcs11,
    can_log_in: native_listing::can_log_in,
    held: |_| None,
    tokens: &[],
};

/// A stand with a card that is made anew for each history.
pub struct World<K> {
    kind: PhantomData<K>,
    stage: Stage,
    certificates: Vec<PathBuf>,
    authority: Authority,
    /// The same for the further applications, DER; and one of an RSA key.
    contents: Vec<Vec<u8>>,
    /// The further applications of the card in the reader.
    further: Vec<Made>,
    /// A card as it is after it was made: to begin each history with.
    blank: CardFile,
    /// How many objects of each class the tools listed before some were damaged: as long as nothing was written since, the
    /// card still describes them.
    described: Option<BTreeMap<&'static str, usize>>,
    /// Other actions are of no use with it.
    nature: usize,
}

impl<K: CardKind> run::World for World<K> {
    type Action = Action;
    const FAMILY: &str = K::NAME;
    const SEATS: [u32; run::STANDS] = [0, 1];

    fn new(_name: &str, seat: u32) -> Self {
        let stand = Stand::with(Options {
            family: K::FAMILY,
            readers: run::readers(seat),
            seat,
            ..Options::default()
        });
        let stage = Stage::with_driver(stand, PIN, WORDS, K::DRIVER);
        let live = &stage.eye.live;
        K::personalise(live);
        let blank = stage.stand.card().first().twin("blank");
        let certificates = (0..history::CERTIFICATES)
            .map(|number| {
                let der = stage.stand.dir().join(format!("c{number}.pem"));
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
        let mut contents: Vec<Vec<u8>> =
            ["one", "two"].iter().map(|name| live.foreign_certificate(name)).collect();
        contents.push(rsa_certificate(live));
        let authority = Authority::new(stage.stand.dir(), &stage.eye.live);
        Self {
            kind: PhantomData,
            stage,
            certificates,
            authority,
            contents,
            further: Vec::new(),
            blank,
            described: None,
            nature: 0,
        }
    }

    fn random(seed: u64) -> History<Action> {
        history::random(seed, K::NATURES)
    }

    fn repaired(seed: u64) -> History<Action> {
        history::repaired(seed)
    }

    fn play(&mut self, history: &History<Action>) -> Result<(), String> {
        self.stage.begin();
        let card = self.blank.twin(&format!("game-{}", self.stage.games % 2));
        self.stage.stand.card().insert(&card);
        self.further = further(history.nature);
        (self.described, self.nature) = (None, history.nature);
        self.write_further(history.nature);
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

impl<K: CardKind> World<K> {
    /// What the tools refuse, they refuse: only what is listed afterwards counts.
    fn act(&mut self, action: &Action, random: &mut Random) -> Result<(), String> {
        let hosts = &self.stage.eye.hosts;
        let hex = |id: u8| format!("{id:02x}");
        if !matches!(action, Action::Garble { .. } | Action::Common(_)) {
            self.described = None;
        }
        match *action {
            Action::Generate { host, kind, id } => {
                let (id, label) = (hex(id), format!("key {id}"));
                hosts[host].pkcs15_init(&generate_key_under(K::AUTH_ID, K::KEYS[kind], &id, &label));
            }
            Action::StoreCertificate { host, id, which } => {
                let file = self.certificates[which].to_str().unwrap().to_owned();
                let (id, label) = (hex(id), format!("certificate {which}"));
                hosts[host].pkcs15_init(&[
                    "--store-certificate",
                    &file,
                    "--auth-id",
                    K::AUTH_ID,
                    "--id",
                    &id,
                    "--label",
                    &label,
                ]);
            }
            Action::StoreOwnCertificate { host, id } => {
                let id = hex(id);
                let public = self.stage.eye.live.run(&["pkcs15-tool", "--read-public-key", &id]);
                if let Some(der) = self.authority.issue(&public.stdout, &format!("holder of {id}")) {
                    let file = self.stage.eye.live.scratch("own", &der);
                    let form = ["--format", "der", "--label", "own"];
                    let words =
                        ["--store-certificate", file.to_str().unwrap(), "--auth-id", K::AUTH_ID, "--id", &id];
                    hosts[host].pkcs15_init(&[&words[..], &form].concat());
                }
            }
            Action::GenerateBySelf { host, kind } => {
                let (auth, kind) = (K::AUTH_ID, K::KEYS[kind]);
                hosts[host].pkcs15_init(&["--generate-key", kind, "--auth-id", auth, "--label", "by itself"]);
            }
            Action::StoreData { host, name, private, size } => {
                let file = self.stage.eye.live.scratch("data", &vec![b'a' + name; size]);
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
                    arguments.extend(["--auth-id", K::AUTH_ID]);
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
            Action::Add { application, entry } => self.further[application].entries.push(entry),
            Action::Drop { application, nth } => {
                let entries = &mut self.further[application].entries;
                if !entries.is_empty() {
                    entries.remove(nth % entries.len());
                }
            }
            Action::Change { application, nth, to, whole } => {
                let entries = &mut self.further[application].entries;
                let count = entries.len().max(1);
                if let Some(entry) = entries.get_mut(nth % count) {
                    *entry =
                        if whole { to } else { Entry { content: to.content, label: to.label, ..*entry } };
                }
            }
            Action::Pad { application, padding } => self.further[application].padding = padding,
            Action::Update { application } => {
                let updated = &mut self.further[application].updated;
                *updated = match *updated {
                    Updated::Never => Updated::Never,
                    Updated::Said(number) => Updated::Said(number + 1),
                    Updated::InFile(number) => Updated::InFile(number + 1),
                };
            }
            Action::Reshape { nth, descriptor } => self.reshape(nth, descriptor),
            Action::Garble { directory, at, how } => self.garble(DIRECTORIES[directory], at, how),
            Action::Common(event) => {
                self.stage.happen(&event, random)?;
                if event == Event::Observe {
                    self.all_is_told()?;
                }
                // Whoever lists the card lists all of it.
                if let Event::List { host, module: false } = event {
                    for further in &self.further {
                        self.stage.eye.hosts[host].run(&["pkcs15-tool", "-D", "--aid", &further.aid_text()]);
                    }
                }
            }
        }
        match *action {
            Action::Add { application, .. }
            | Action::Drop { application, .. }
            | Action::Change { application, .. }
            | Action::Pad { application, .. }
            | Action::Update { application } => {
                self.further[application].write(self.stage.stand.card(), &self.contents);
            }
            _ => {}
        }
        Ok(())
    }

    /// Of the tools' own application alone on its card.
    fn garble(&mut self, directory: u16, at: usize, how: Garble) {
        let card = self.stage.stand.card();
        let name = format!("3F005015{directory:04X}");
        let Some(mut content) = card.dump()["files"][name].as_str().map(unhex) else { return };
        if self.nature > 0 || content.is_empty() {
            return;
        }
        // Entries stand at the beginning.
        let used = content.iter().rposition(|byte| !matches!(byte, 0 | 0xFF)).map_or(1, |last| last + 1);
        let at = at % used;
        match how {
            Garble::Flip(bit) => content[at] ^= bit,
            Garble::Zeros(count) => content.iter_mut().skip(at).take(count).for_each(|byte| *byte = 0),
            Garble::Cut => content.truncate(at + 1),
        }
        if self.described.is_none() {
            self.described = self.counted();
        }
        let path = [&[0x50, 0x15][..], &directory.to_be_bytes()].concat();
        self.stage.stand.card().tamper_path(&path, Some(&content));
    }

    /// How many objects of each class `pkcs15-tool -D` lists; none if it sees no card.
    fn counted(&self) -> Option<BTreeMap<&'static str, usize>> {
        let listing = Pkcs15Listing::parse(&self.stage.eye.live.run(&["pkcs15-tool", "-D"]).stdout)?;
        let mut counted = BTreeMap::new();
        for object in &listing.objects {
            let class = match object.kind {
                Kind::PrivateKey => "private key",
                Kind::Certificate => "certificate",
                Kind::PublicKey => "public key",
                Kind::Data => "data object",
                _ => continue,
            };
            *counted.entry(class).or_default() += 1;
        }
        Some(counted)
    }

    /// Is it told where the tools list less than the card describes?
    fn all_is_told(&mut self) -> Result<(), String> {
        let (Some(described), Some(listed)) = (&self.described, self.counted()) else { return Ok(()) };
        let missed = described.iter().filter(|(class, before)| listed.get(*class).unwrap_or(&0) < before);
        let missed: Vec<&str> = missed.map(|(class, _)| *class).collect();
        if missed.is_empty() {
            return Ok(());
        }
        let observed = snapshot(&self.stage.eye.live)?;
        let tokens = tokens(&observed);
        let Some(case) = tokens.cases.first().filter(|case| case.live.unknown.is_empty()) else {
            return Ok(());
        };
        let told = |class: &&&str| case.unlisted.iter().any(|unlisted| unlisted.class.name() == **class);
        self.stage.eye.tally.missed += missed.len();
        match missed.iter().find(|class| !told(class)) {
            Some(class) => Err(format!(
                "on live: all-clear: nobody lists a {class} that the card describes: {described:?}, {listed:?}\n{}{:#}",
                lines(&judge(&observed).findings),
                self.stage.stand.card().dump()["files"],
            )),
            None => Ok(()),
        }
    }

    /// Puts the further applications on the card: behind the one that the tools made, or one of them before it.
    fn write_further(&self, nature: usize) {
        let card = self.stage.stand.card();
        let [second, third] = self.further.as_slice() else { return };
        for further in &self.further {
            further.write(card, &self.contents);
        }
        let usual = &unhex(card.dump()["files"]["3F002F00"].as_str().unwrap());
        let usual = &usual[..2 + usize::from(usual[1])];
        let (second, third) = (second.record(), third.record());
        let dir = match nature {
            1 => [usual, &second, &third].concat(),
            _ => [&second, usual, &third, &[0; 9]].concat(),
        };
        card.tamper_path(&[0x2F, 0x00], Some(&dir));
    }

    /// Cuts some file of the card into records, or glues them together again. Without object directory or TokenInfo
    /// there is no token to be compared.
    fn reshape(&self, nth: usize, descriptor: Option<u8>) {
        let card = self.stage.stand.card();
        let files = card.dump()["files"].clone();
        let files: Vec<_> = files.as_object().unwrap().iter().collect();
        let is_optional = |name: &&String| !name.ends_with("5031") && !name.ends_with("5032");
        let files: Vec<_> = files.into_iter().filter(|(name, _)| is_optional(name)).collect();
        let (name, content) = files[nth % files.len()];
        let content: Vec<u8> = match content {
            Value::Array(records) => {
                records.iter().flat_map(|record| unhex(record.as_str().unwrap())).collect()
            }
            whole => unhex(whole.as_str().unwrap()),
        };
        let path = unhex(name);
        match descriptor {
            Some(descriptor) => card.records(&path, descriptor, &content.chunks(120).collect::<Vec<_>>()),
            None => card.tamper_path(&path, Some(&content)),
        }
    }
}

fn further(nature: usize) -> Vec<Made> {
    let made = |directory, name, serial, updated| Made {
        directory,
        name,
        serial,
        updated,
        padding: 1,
        entries: Vec::new(),
    };
    match nature {
        0 => Vec::new(),
        // The second has a serial number of its own, the third that of the card.
        1 => vec![
            made(0x5016, "second", Some(&[0x0A, 0x0B]), Updated::Never),
            made(0x5017, "third", None, Updated::Said(0)),
        ],
        _ => vec![
            made(0x5016, "second", Some(&[0x0A, 0x0B]), Updated::InFile(0)),
            made(0x5017, "third", None, Updated::Never),
        ],
    }
}

/// DER, self-signed, 1024 bits.
fn rsa_certificate(host: &Host) -> Vec<u8> {
    let file = host.home().join("rsa.der");
    let command =
        ["openssl", "req", "-x509", "-nodes", "-days", "3650", "-newkey", "rsa:1024", "-subj", "/CN=three"];
    let out = ["-keyout", "/dev/null", "-outform", "DER", "-out", file.to_str().unwrap()];
    host.run(&[&command[..], &out].concat()).ok();
    std::fs::read(file).unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).unwrap()
}
