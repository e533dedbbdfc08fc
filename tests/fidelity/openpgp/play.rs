//! Plays a history with the real tools on two hosts.

use super::history::{self, Action, CURVES, NATURES};
use crate::authority::Authority;
use crate::compare::{Tally, Words};
use crate::history::{History, Random};
use crate::printed::{self, without_paths};
use crate::run;
use crate::stage::Stage;
use crate::stand::listing::Pkcs15Listing;
use crate::stand::{CardFile, Family, Host, Options, PW1, PW3, Stand};
use serde_json::Value;
use stalecard::opensc::Version;
use stalecard::snapshot::EfPath;
use stalecard::view::{Class, View};
use std::collections::BTreeMap;

/// How the listings of an OpenPGP card are put into lines.
const WORDS: Words = Words {
    pkcs15: listed,
    expected_pkcs15: expected,
    pkcs11: printed::pkcs11,
    expected_pkcs11: printed::expected_pkcs11,
    can_log_in: |_| true,
    held: |dump| Some(held(dump)),
    tokens: &["OpenPGP card (User PIN)", "OpenPGP card (User PIN (sig))"],
};

/// The keys in a card's memory: whether they have a fingerprint only OpenSC asks.
fn held(dump: &Value) -> BTreeMap<u8, EfPath> {
    let names = dump["keys"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let place = |name| match name {
        "signature" => (0, EfPath::at(0xB601)),
        "decryption" => (1, EfPath::at(0xB801)),
        _ => (2, EfPath::at(0xA401)),
    };
    names.map(place).collect()
}

/// By nature. With extended lengths the answer to reset is that of a ZeitControl card, which OpenSC and stalecard know.
const SWITCHES: [[&str; 4]; NATURES] =
    [["--card-version", "2.0", "--apdu", "extended"], ["--card-version", "3.4", "--apdu", "extended"]];

/// `pkcs15-tool -D`, which shows no public key, and what it gives when asked for each.
fn listed(host: &Host, listing: &Pkcs15Listing) -> Vec<String> {
    let mut lines = without_paths(printed::pkcs15(listing));
    for key in listing.public_keys() {
        let id = key.id.clone().unwrap_or_default();
        let pem = host.run(&["pkcs15-tool", "--read-public-key", &id]).stdout;
        let base64: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        lines.push(format!("public key {id}: {base64}"));
    }
    lines
}

fn expected(view: &View, version: Version) -> Vec<String> {
    let mut lines = without_paths(printed::expected_pkcs15(view, version));
    for object in view.objects.iter().filter(|object| matches!(object.class, Class::PublicKey { .. })) {
        let base64 = object.public_key().map(|key| data_encoding::BASE64.encode(&key.spki()));
        lines.push(format!("public key {:02x}: {}", object.id[0], base64.unwrap_or_default()));
    }
    lines
}

/// A stand with cards that are made anew for each history.
pub struct World {
    stage: Stage,
    authority: Authority,
    blanks: Vec<CardFile>,
    version: &'static str,
}

impl run::World for World {
    type Action = Action;
    const FAMILY: &str = "openpgp";
    const SEATS: [u32; run::STANDS] = [0, 1];

    fn new(_name: &str, seat: u32) -> Self {
        let (family, switches) = (Family::OpenPgp, &SWITCHES[0]);
        let options = Options { family, switches, readers: run::readers(seat), seat, ..Options::default() };
        let stage = Stage::new(Stand::with(options), PW1, WORDS);
        let authority = Authority::new(stage.stand.dir(), &stage.eye.live);
        let blank = |(nature, switches): (usize, &[&str; 4])| {
            stage.stand.new_card(&format!("blank-{nature}"), switches)
        };
        let blanks = SWITCHES.iter().enumerate().map(blank).collect();
        Self { stage, authority, blanks, version: "" }
    }

    fn random(seed: u64) -> History<Action> {
        history::random(seed)
    }

    fn play(&mut self, history: &History<Action>) -> Result<(), String> {
        self.stage.begin();
        let card = self.blanks[history.nature].twin(&format!("game-{}", self.stage.games % 2));
        self.version = SWITCHES[history.nature][1];
        self.stage.stand.card().insert(&card);
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
    fn host(&self, side: usize) -> &Host {
        &self.stage.eye.hosts[side]
    }

    /// What the tools refuse, they refuse: only what is listed afterwards counts.
    fn act(&mut self, action: &Action, random: &mut Random) -> Result<(), String> {
        match *action {
            Action::GenerateRsa { host, key, mark } => {
                let number = (key + 1).to_string();
                let words = ["openpgp-tool", "--verify", "CHV3", "--pin", PW3, "--gen-key", &number];
                if self.host(host).run(&words).success() {
                    // With extended commands the tool fails to write the fingerprint.
                    self.put(&[0xC7 + key as u8], Some(&[mark; 20]));
                }
            }
            Action::GenerateEc { host, key, curve } => {
                let (id, curve) = ((key + 1).to_string(), format!("ec:{}", CURVES[curve]));
                let words = ["pkcs15-init", "--verify-pin", "--generate-key", &curve, "--id", &id];
                let pins = ["--auth-id", "3", "--pin", PW3, "--so-pin", PW3];
                self.host(host).run(&[&words[..], &pins].concat());
            }
            Action::Generate25519 { host, key, mark } => {
                if self.version != "2.0" {
                    self.host(host).openpgp_generate_25519(key as u8 + 1, mark);
                }
            }
            Action::PrivateUse { number, content } => {
                let content = content.map(|length| vec![0x61; length.into()]);
                self.put(&[0x01, number], content.as_deref());
            }
            Action::ReadPrivateUse { host, number } => {
                let (auth, pin) = if number == 1 { ("02", PW1) } else { ("03", PW3) };
                let name = format!("PrivDO{number}");
                let words = ["pkcs15-tool", "--read-data-object", &name, "--verify-pin"];
                self.host(host).run(&[&words[..], &["--auth-id", auth, "--pin", pin]].concat());
            }
            Action::Forget { key } => self.put(&[0xC7 + key as u8], None),
            Action::WriteCertificate { host, key: 2, which } => {
                let der = self.authority.foreign(which);
                let file = self.stage.eye.live.scratch("certificate", &der);
                let words = ["pkcs15-init", "--store-certificate", file.to_str().unwrap(), "--format", "der"];
                let pins = ["--id", "3", "--auth-id", "3", "--pin", PW3, "--so-pin", PW3];
                self.host(host).run(&[&words[..], &pins].concat());
            }
            Action::WriteCertificate { key, which, .. } => {
                // Version 2 has but one.
                if self.version != "2.0" {
                    self.put(&certificate(key), Some(&self.authority.foreign(which)));
                }
            }
            Action::DeleteCertificate { key } => self.put(&certificate(key), None),
            Action::FlipCertificate { key, at, bit } => {
                if let Some(mut old) = self.get(&certificate(key)).filter(|old| !old.is_empty()) {
                    let at = at % old.len();
                    old[at] ^= bit;
                    self.put(&certificate(key), Some(&old));
                }
            }
            Action::ReadKey { host, key } => {
                self.host(host).run(&["pkcs15-tool", "--read-public-key", &format!("{:02}", key + 1)]);
            }
            Action::Common(event) => return self.stage.happen(&event, random),
        }
        Ok(())
    }

    fn get(&self, name: &[u8]) -> Option<Vec<u8>> {
        let dump = self.stage.stand.card().dump();
        let text = dump["files"][data_encoding::HEXUPPER.encode(name)].as_str()?;
        data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()
    }

    /// By the card's own door.
    fn put(&self, name: &[u8], content: Option<&[u8]>) {
        if content.is_some() || self.get(name).is_some() {
            self.stage.stand.card().tamper_path(name, content);
        }
    }
}

/// The name of a key's certificate on the card.
fn certificate(key: usize) -> Vec<u8> {
    match key {
        2 => vec![0x7F, 0x21],
        1 => vec![0x7F, 0x21, 1],
        _ => vec![0x7F, 0x21, 2],
    }
}
