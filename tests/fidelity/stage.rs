//! What every family's histories have in common: two hosts around a card, whose caches are filled, grow old, are
//! damaged, flushed and switched on and off.

use crate::compare::{Observer, Tally, Words, is_of_view, lines, snapshot};
use crate::history::{Random, Side};
use crate::stand::{Host, Stand, opensc_version, reader_name};
use stalecard::finding::{Safety, Severity};
use stalecard::judge::judge;
use std::collections::BTreeMap;
use std::fs;

/// What happens on a host, whatever the card is. A number called `nth` picks from what there is at that moment,
/// modulo its count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    List {
        host: Side,
        module: bool,
    },
    Flush {
        host: Side,
    },
    Damage {
        host: Side,
        nth: usize,
        how: Damage,
    },
    Caching {
        host: Side,
        how: usize,
    },
    /// `fix` on a copy, with consent or without: see [`crate::repaired`].
    Repair {
        host: Side,
        guarded: bool,
    },
    Observe,
}

impl Event {
    pub fn repair(random: &mut Random) -> Self {
        Self::Repair { host: random.below(2), guarded: random.chance(25) }
    }
}

/// What becomes of a cache entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    Truncate(usize),
    Empty,
    Random(u64),
    Doubled,
    Directory,
    Missing,
    Older(usize),
    Flip(usize, u8),
}

impl Damage {
    pub fn random(random: &mut Random) -> Self {
        match random.below(10) {
            0 => Self::Truncate(random.below(400)),
            1 => Self::Empty,
            2 => Self::Random(random.next()),
            3 => Self::Doubled,
            4 => Self::Directory,
            5 => Self::Missing,
            6 | 7 => Self::Older(random.below(8)),
            _ => Self::Flip(random.below(300), 1 << random.below(8)),
        }
    }
}

/// How many ways of caching there are.
pub const CACHINGS: usize = HIDING + 5;
/// From here on settings hide the card from programs as well.
const HIDING: usize = 8;
/// The first of them are the same for all programs.
pub const UNIFORM: usize = 4;

/// What gives the card in the fifth reader a slot.
const SLOTS: &str = "pkcs11 {\n\t\tmax_virtual_slots = 24;\n\t}";

/// With slots for the card in the fifth reader, if it is there, unless they are what is left out.
pub fn configuration(how: usize, is_far: bool) -> String {
    let block = |app: &str, value: &str| {
        let slots = if is_far && app == "default" && how != HIDING + 4 { SLOTS } else { "" };
        format!("app {app} {{\n\tframework pkcs15 {{\n\t\tuse_file_caching = {value};\n\t}}\n\t{slots}\n}}\n")
    };
    match how {
        0 | 1 | 12 => block("default", "yes"),
        2 => block("default", "public"),
        3 => block("default", "no"),
        4 => block("default", "yes") + &block("opensc-pkcs11", "no"),
        5 => block("default", "yes") + &block("pkcs15-tool", "no"),
        6 => block("default", "no") + &block("pkcs15-tool", "public"),
        7 => block("default", "no") + &block("opensc-pkcs11", "public"),
        8 => hiding("pkcs15-tool", "ignored_readers = \"PCD 00 00\";") + &block("default", "yes"),
        9 => hiding("opensc-pkcs11", "ignored_readers = \"Reader\", \"Virtual\";") + &block("default", "yes"),
        // No OpenSC has these.
        10 => hiding("opensc-pkcs11", "card_drivers = piv, sc_hsm;") + &block("default", "public"),
        _ => hiding("opensc-pkcs11", "pkcs11 {\n\t\tmax_virtual_slots = 0;\n\t}") + &block("default", "yes"),
    }
}

fn hiding(app: &str, setting: &str) -> String {
    format!("app {app} {{\n\t{setting}\n}}\n")
}

/// Is the card in a reader for which OpenSC by default has no slot?
fn is_far(host: &Host) -> bool {
    host.reader() == reader_name(4)
}

/// A stand and its two hosts.
pub struct Stage {
    pub stand: Stand,
    pub eye: Observer,
    /// Histories begun so far.
    pub games: usize,
    pin: &'static str,
    /// What OpenSC and stalecard are told that the card is, if its ATR does not tell.
    driver: Option<&'static str>,
    /// All contents that an entry has had, by host and name.
    pub old: BTreeMap<(Side, String), Vec<Vec<u8>>>,
}

fn told(host: Host, driver: Option<&str>) -> Host {
    match driver {
        Some(driver) => host.env("OPENSC_DRIVER", driver),
        None => host,
    }
}

impl Stage {
    pub fn new(stand: Stand, pin: &'static str, words: Words) -> Self {
        Self::with_driver(stand, pin, words, None)
    }

    pub fn with_driver(stand: Stand, pin: &'static str, words: Words, driver: Option<&'static str>) -> Self {
        let live = told(stand.host("reference"), driver).with_pin(pin).live();
        if is_far(&live) {
            live.configure(&configuration(3, true));
        }
        let eye =
            Observer { live, hosts: Vec::new(), tally: Tally::default(), words, version: opensc_version() };
        Self { stand, eye, games: 0, pin, driver, old: BTreeMap::new() }
    }

    /// Clean hosts for the next history.
    pub fn begin(&mut self) {
        self.games += 1;
        for host in &self.eye.hosts {
            let _ = fs::remove_dir_all(host.home());
        }
        let host = |name: &str| {
            told(self.stand.host(&format!("{name}-{}", self.games)), self.driver).with_pin(self.pin)
        };
        self.eye.hosts = ["alpha", "beta"].map(host).to_vec();
        for host in self.eye.hosts.iter().filter(|host| is_far(host)) {
            host.configure(&configuration(0, true));
        }
        self.old.clear();
    }

    pub fn remember(&mut self) {
        for (side, host) in self.eye.hosts.iter().enumerate() {
            for (name, content) in host.cache_files() {
                let versions = self.old.entry((side, name)).or_default();
                if !versions.contains(&content) {
                    versions.push(content);
                }
            }
        }
    }

    pub fn happen(&mut self, event: &Event, random: &mut Random) -> Result<(), String> {
        match *event {
            Event::List { host, module: false } => {
                self.eye.hosts[host].run(&["pkcs15-tool", "-D"]);
            }
            Event::List { host, module: true } => {
                self.eye.hosts[host].run(&["pkcs11-tool", "-O"]);
            }
            Event::Flush { host } => {
                let output = self.eye.hosts[host].stalecard(&["flush"]);
                if output.code() != 0 {
                    return Err(format!("flush failed: {output}"));
                }
                let left = judge(&snapshot(&self.eye.hosts[host])?).findings;
                // What is wrong on the card itself, which no program shows wrong, stays.
                let mut errors = left.iter().filter(|finding| finding.severity >= Severity::Error);
                // So does what takes consent, or a person, because a repair could take away what is right.
                if errors.any(|finding| is_of_view(finding) && finding.safety == Safety::Safe) {
                    return Err(format!("flush has cured not all: {output}\n{}", lines(&left)));
                }
            }
            Event::Damage { host, nth, how } => self.damage(host, nth, how),
            Event::Caching { host, how } => {
                let host = &self.eye.hosts[host];
                host.configure(&configuration(how, is_far(host)));
            }
            Event::Repair { host, guarded } => {
                return crate::repaired::judge_repair(&self.eye.hosts[host], guarded, &mut self.eye.tally);
            }
            Event::Observe => {
                let held = (self.eye.words.held)(&self.stand.card().dump());
                return self.eye.observe(random, held.as_ref());
            }
        }
        Ok(())
    }

    fn damage(&self, side: Side, nth: usize, how: Damage) {
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
