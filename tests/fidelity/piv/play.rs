//! Plays a history with the real tools on two hosts.

use super::history::{self, Action, KEY_HISTORY, KINDS, NATURES, OBJECTS, SLOTS, Tamper};
use crate::authority::Authority;
use crate::compare::{Tally, Words};
use crate::history::{History, Random};
use crate::play::keys;
use crate::printed::{self, without_paths};
use crate::run;
use crate::stage::Stage;
use crate::stand::{CardFile, Family, Host, Options, PIV_PIN, Stand, YUBIKEY};
use serde_json::Value;
use stalecard::format::piv;
use stalecard::snapshot::EfPath;
use std::collections::BTreeMap;

/// How the listings of a PIV card are put into lines.
const WORDS: Words = Words {
    pkcs15: |_, listing| without_paths(printed::pkcs15(listing)),
    expected_pkcs15: |view, version| without_paths(printed::expected_pkcs15(view, version)),
    pkcs11: printed::pkcs11,
    expected_pkcs11: printed::expected_pkcs11,
    can_log_in: |_| true,
    held: |dump| Some(held(dump)),
    tokens: &[],
};

/// Keys, and certificates, which stand for their keys.
fn held(dump: &Value) -> BTreeMap<u8, EfPath> {
    let slots = piv::SLOTS.into_iter().chain(piv::retired(piv::RETIRED));
    let holds = |slot: &piv::Slot| {
        if keys(dump).any(|key| key == slot.reference) {
            return true;
        }
        let content = dump["files"][format!("5FC1{:02X}", slot.tag)].as_str().unwrap_or_default();
        let content = data_encoding::HEXLOWER_PERMISSIVE.decode(content.as_bytes()).unwrap();
        let object = stalecard::format::tlv::encode(0x53, &content);
        let certificate = piv::certificate(&object).ok().flatten();
        certificate.is_some_and(|bytes| stalecard::format::x509::decode(&bytes).is_some())
    };
    slots.filter(holds).map(|slot| (slot.reference, slot.object())).collect()
}

/// A stand with cards that are made anew for each history.
pub struct World {
    stage: Stage,
    authority: Authority,
    /// Of each nature two cards as they are after they were made: to begin each history with.
    blanks: Vec<[CardFile; 2]>,
    /// The card in the reader, and the other one.
    cards: Vec<CardFile>,
}

impl run::World for World {
    type Action = Action;
    const FAMILY: &str = "piv";
    const SEATS: [u32; run::STANDS] = [1, 0];

    fn new(_name: &str, seat: u32) -> Self {
        let options = Options {
            family: Family::Piv,
            switches: &YUBIKEY,
            readers: run::readers(seat),
            seat,
            ..Options::default()
        };
        let stand = Stand::with(options);
        let stage = Stage::new(stand, PIV_PIN, WORDS);
        let authority = Authority::new(stage.stand.dir(), &stage.eye.live);
        let blanks = (0..NATURES)
            .map(|nature| {
                ["a", "b"].map(|which| {
                    let card = stage.stand.new_card(&format!("blank-{nature}-{which}"), &YUBIKEY);
                    stage.stand.card().insert(&card);
                    if nature == 0 {
                        stage.eye.live.piv(&["--action", "set-chuid", "--action", "set-ccc"]).ok();
                    }
                    stage.stand.card().eject();
                    card
                })
            })
            .collect();
        Self { stage, authority, blanks, cards: Vec::new() }
    }

    fn random(seed: u64) -> History<Action> {
        history::random(seed)
    }

    fn repaired(seed: u64) -> History<Action> {
        history::repaired(seed)
    }

    fn play(&mut self, history: &History<Action>) -> Result<(), String> {
        self.stage.begin();
        let number = self.stage.games % 2;
        let blanks = self.blanks[history.nature].iter().zip(["a", "b"]);
        self.cards = blanks.map(|(blank, which)| blank.twin(&format!("game-{number}-{which}"))).collect();
        self.stage.stand.card().insert(&self.cards[0]);
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
            Action::Renew { host, slot, kind, name } => {
                let public = self.generate(host, slot, kind);
                if let Some(certificate) = self.authority.issue(&public, &format!("holder {name}")) {
                    self.write(host, slot, &certificate, "DER");
                }
            }
            Action::Generate { host, slot, kind } => {
                self.generate(host, slot, kind);
            }
            Action::Import { host, slot, which } => {
                let key = self.stage.eye.live.scratch("key", self.authority.foreign_key(which).as_bytes());
                let input = ["--input", key.to_str().unwrap()];
                let words = ["--action", "import-key", "--slot", SLOTS[slot]];
                self.host(host).piv(&[&words[..], &input].concat());
            }
            Action::WriteCertificate { host, slot, which, packed: false } => {
                self.write(host, slot, &self.authority.foreign(which), "DER");
            }
            Action::WriteCertificate { host, slot, which, packed: true } => {
                let certificate = self.authority.foreign(which);
                let packed = self.host(host).run_with_input(&["gzip", "--stdout"], &certificate).ok();
                self.write(host, slot, &packed.raw, "GZIP");
            }
            Action::DeleteCertificate { host, slot } => {
                self.host(host).piv(&["--action", "delete-certificate", "--slot", SLOTS[slot]]);
            }
            Action::SetChuid { host } => {
                self.host(host).piv(&["--action", "set-chuid"]);
            }
            Action::Exchange => {
                self.cards.rotate_left(1);
                self.stage.stand.card().insert(&self.cards[0]);
            }
            Action::Tamper { object, how } => self.tamper(object, how),
            Action::Common(event) => return self.stage.happen(&event, random),
        }
        Ok(())
    }

    /// The public key, in PEM.
    fn generate(&self, host: usize, slot: usize, kind: usize) -> String {
        let words = ["--action", "generate", "--slot", SLOTS[slot], "--algorithm", KINDS[kind]];
        self.host(host).piv(&words).stdout
    }

    fn write(&self, host: usize, slot: usize, certificate: &[u8], form: &str) {
        let file = self.stage.eye.live.scratch("certificate", certificate);
        let words =
            ["--action", "import-certificate", "--slot", SLOTS[slot], "--key-format", form, "--input"];
        self.host(host).piv(&[&words[..], &[file.to_str().unwrap()]].concat());
    }

    fn tamper(&self, object: usize, how: Tamper) {
        let dump = self.stage.stand.card().dump();
        let written = |tag: &[u8]| -> Option<Vec<u8>> {
            let text = dump["files"][data_encoding::HEXUPPER.encode(tag)].as_str()?;
            data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()
        };
        let content = |tag: &[u8]| written(tag).unwrap_or_default();
        let tag = OBJECTS[object];
        let mut old = content(tag);
        let new = match how {
            Tamper::Delete => None,
            Tamper::Empty => Some(Vec::new()),
            Tamper::Truncate(at) => Some(old[..at.min(old.len())].to_vec()),
            Tamper::Flip(at, bit) => {
                let at = at % old.len().max(1);
                old.get_mut(at).iter_mut().for_each(|byte| **byte ^= bit);
                Some(old)
            }
            Tamper::CopyOfOther(nth) => Some(content(OBJECTS[nth])),
            Tamper::Counts(number) => {
                let history = vec![0xC1, 1, number, 0xC2, 1, 0, 0xFE, 0];
                return self.stage.stand.card().tamper_path(KEY_HISTORY, Some(&history));
            }
        };
        match new {
            Some(new) => self.stage.stand.card().tamper_path(tag, Some(&new)),
            None if written(tag).is_some() => self.stage.stand.card().tamper_path(tag, None),
            None => {}
        }
    }
}
