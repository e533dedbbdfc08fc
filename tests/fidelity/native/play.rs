//! Plays a history with the real tools on two hosts.

use super::history::{self, Action, OBJECTS};
use super::kind::Kind;
use crate::compare::{Tally, Words};
use crate::history::{History, Random};
use crate::native_listing;
use crate::run;
use crate::stage::Stage;
use crate::stand::{CardFile, Options, PIN, Stand, generate_key_under};
use std::marker::PhantomData;
use std::path::PathBuf;

const WORDS: Words = Words {
    pkcs15: |_, listing| native_listing::pkcs15(listing),
    expected_pkcs15: |view, _| native_listing::expected_pkcs15(view),
    pkcs11: native_listing::pkcs11,
    expected_pkcs11: native_listing::expected_pkcs11,
    can_log_in: native_listing::can_log_in,
    tokens: &[],
};

/// A stand with a card that is made anew for each history.
pub struct World<K> {
    kind: PhantomData<K>,
    stage: Stage,
    certificates: Vec<PathBuf>,
    /// A card as it is after it was made: to begin each history with.
    blank: CardFile,
}

impl<K: Kind> run::World for World<K> {
    type Action = Action;
    const FAMILY: &str = K::NAME;

    fn new(_name: &str) -> Self {
        let stand = Stand::with(Options { family: K::FAMILY, ..Options::default() });
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
        Self { kind: PhantomData, stage, certificates, blank }
    }

    fn random(seed: u64) -> History<Action> {
        history::random(seed)
    }

    fn play(&mut self, history: &History<Action>) -> Result<(), String> {
        self.stage.begin();
        let card = self.blank.twin(&format!("game-{}", self.stage.games % 2));
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

impl<K: Kind> World<K> {
    /// What the tools refuse, they refuse: only what is listed afterwards counts.
    fn act(&mut self, action: &Action, random: &mut Random) -> Result<(), String> {
        let hosts = &self.stage.eye.hosts;
        let hex = |id: u8| format!("{id:02x}");
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
            Action::Common(event) => return self.stage.happen(&event, random),
        }
        Ok(())
    }
}
