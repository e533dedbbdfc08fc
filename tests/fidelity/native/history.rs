//! What happens to a native card, as data.

use super::made::{Entry, PADDINGS};
use crate::history::{History, Random, Side};
use crate::stage::{CACHINGS, Damage, Event, UNIFORM};

/// What happens. A number called `nth` picks from what there is at that moment, modulo its count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Generate {
        host: Side,
        kind: usize,
        id: u8,
    },
    StoreCertificate {
        host: Side,
        id: u8,
        which: usize,
    },
    StoreOwnCertificate {
        host: Side,
        id: u8,
    },
    /// Without an ID: OpenSC makes one from the key.
    GenerateBySelf {
        host: Side,
        kind: usize,
    },
    StoreData {
        host: Side,
        name: u8,
        private: bool,
        size: usize,
    },
    StorePin {
        host: Side,
    },
    Delete {
        host: Side,
        what: usize,
        id: u8,
    },
    DeleteData {
        host: Side,
        name: u8,
    },
    Rename {
        host: Side,
        what: usize,
        id: u8,
        label: u8,
    },
    /// Behind everybody's back, in the further applications.
    Add {
        application: usize,
        entry: Entry,
    },
    Drop {
        application: usize,
        nth: usize,
    },
    /// `whole`: not only its content and label.
    Change {
        application: usize,
        nth: usize,
        to: Entry,
        whole: bool,
    },
    Pad {
        application: usize,
        padding: usize,
    },
    Update {
        application: usize,
    },
    /// What a directory of the card's own application describes is damaged, behind everybody's back.
    Garble {
        directory: usize,
        at: usize,
        how: Garble,
    },
    /// Some file of the card becomes one of records, with this descriptor byte, or is transparent again.
    Reshape {
        nth: usize,
        descriptor: Option<u8>,
    },
    Common(Event),
}

/// What becomes of the bytes at some place of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Garble {
    Flip(u8),
    Zeros(usize),
    Cut,
}

/// The directories that the tools fill: private keys, certificates, public keys, data.
pub const DIRECTORIES: &[u16] = &[0x4402, 0x4403, 0x4404, 0x4406];

/// Kinds of keys.
pub const KINDS: usize = 4;
pub const OBJECTS: &[&str] = &["privkey", "pubkey", "cert"];
pub const CERTIFICATES: usize = 3;

/// `natures`: those that the card can have, see [`super::kind::Kind::NATURES`].
pub fn random(seed: u64, natures: &[usize]) -> History<Action> {
    let mut random = Random(seed);
    let nature = natures[random.below(natures.len())];
    let length = 4 + random.below(8);
    let mut actions = Vec::new();
    for _ in 0..length {
        if nature > 0 && random.chance(45) {
            // From 0.24 on a copy grows old only by what changes behind the card's counter.
            if random.chance(60) {
                let (host, module) = (random.below(2), random.chance(50));
                actions.push(Action::Common(Event::List { host, module }));
            }
            actions.push(of_further(&mut random, nature));
        } else {
            actions.push(action(&mut random));
        }
        if random.chance(12) {
            actions.push(Action::Common(Event::Observe));
        }
    }
    actions.push(Action::Common(Event::Observe));
    History { seed, nature, actions }
}

/// Keys that are made anew, certificates of theirs and of others, and repairs.
pub fn repaired(seed: u64) -> History<Action> {
    let mut random = Random(seed);
    let list = |random: &mut Random| {
        Action::Common(Event::List { host: random.below(2), module: random.chance(50) })
    };
    let mut actions = vec![of_keys(&mut random, 0), list(&mut random)];
    for _ in 0..3 + random.below(5) {
        let what = random.below(100);
        actions.push(of_keys(&mut random, what));
        if random.chance(30) {
            actions.push(list(&mut random));
        }
        if random.chance(15) {
            actions.push(Action::Common(Event::repair(&mut random)));
        }
    }
    actions.extend([0, 1].map(|host| Action::Common(Event::Repair { host, guarded: false })));
    actions.push(Action::Common(Event::Repair { host: random.below(2), guarded: true }));
    History { seed, nature: 0, actions }
}

fn of_keys(random: &mut Random, what: usize) -> Action {
    let host = random.below(2);
    let id = [0x45, 0x46][random.below(2)];
    match what {
        0..25 => Action::Generate { host, kind: [0, 0, 3][random.below(3)], id },
        25..32 => Action::GenerateBySelf { host, kind: [0, 3][random.below(2)] },
        32..45 => Action::StoreCertificate { host, id, which: random.below(CERTIFICATES) },
        45..57 => Action::StoreOwnCertificate { host, id },
        57..72 => Action::Delete { host, what: [0, 0, 1, 2][random.below(4)], id },
        72..76 => {
            Action::Rename { host, what: random.below(OBJECTS.len()), id, label: random.below(4) as u8 }
        }
        76..80 => Action::Common(Event::Flush { host }),
        80..84 => Action::Common(Event::Damage { host, nth: random.below(64), how: Damage::random(random) }),
        84..87 => Action::Common(Event::Caching { host, how: random.below(UNIFORM) }),
        _ => Action::Common(Event::List { host, module: random.chance(50) }),
    }
}

fn of_further(random: &mut Random, nature: usize) -> Action {
    let (application, nth) = (random.below(2), random.below(8));
    match random.below(100) {
        0..30 => Action::Add { application, entry: Entry::random(random) },
        30..38 => Action::Drop { application, nth },
        38..54 => Action::Change { application, nth, to: Entry::random(random), whole: random.chance(40) },
        54..60 => Action::Pad { application, padding: random.below(PADDINGS) },
        60..66 => Action::Update { application },
        66..82 if nature == 2 => Action::Reshape {
            nth: random.below(64),
            descriptor: [Some(0x02), Some(0x04), Some(0x05), Some(0x06), None][random.below(5)],
        },
        _ => Action::Common(Event::List { host: random.below(2), module: random.chance(50) }),
    }
}

fn action(random: &mut Random) -> Action {
    let host = random.below(2);
    let id = [0x45, 0x46, 0x47][random.below(3)];
    match random.below(100) {
        0..22 => Action::Generate { host, kind: random.below(KINDS), id },
        22..32 => Action::StoreCertificate { host, id, which: random.below(CERTIFICATES) },
        32..39 => Action::StoreData {
            host,
            name: random.below(3) as u8,
            private: random.chance(30),
            size: [1, 40, 300, 700][random.below(4)],
        },
        39..41 => Action::StorePin { host },
        41..50 => Action::Delete { host, what: random.below(OBJECTS.len()), id },
        50..53 => Action::DeleteData { host, name: random.below(3) as u8 },
        53..58 => {
            Action::Rename { host, what: random.below(OBJECTS.len()), id, label: random.below(4) as u8 }
        }
        58..69 => Action::Common(Event::List { host, module: random.chance(50) }),
        69..72 => Action::Garble {
            directory: random.below(DIRECTORIES.len()),
            at: random.below(160),
            how: match random.below(4) {
                0 => Garble::Zeros(1 + random.below(12)),
                1 => Garble::Cut,
                _ => Garble::Flip(1 << random.below(8)),
            },
        },
        72..77 => Action::Common(Event::Flush { host }),
        77..95 => Action::Common(Event::Damage { host, nth: random.below(64), how: Damage::random(random) }),
        _ => Action::Common(Event::Caching { host, how: random.below(CACHINGS) }),
    }
}
