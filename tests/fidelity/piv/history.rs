//! What happens to a PIV card, as data.

use crate::authority::CERTIFICATES;
use crate::history::{History, Random, Side};
use crate::stage::{CACHINGS, Damage, Event, UNIFORM};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A new key and its certificate.
    Renew {
        host: Side,
        slot: usize,
        kind: usize,
        name: u8,
    },
    Generate {
        host: Side,
        slot: usize,
        kind: usize,
    },
    Import {
        host: Side,
        slot: usize,
        which: usize,
    },
    /// Of whatever key.
    WriteCertificate {
        host: Side,
        slot: usize,
        which: usize,
        packed: bool,
    },
    DeleteCertificate {
        host: Side,
        slot: usize,
    },
    SetChuid {
        host: Side,
    },
    /// Another card comes into the reader; on cards without a CHUID it has the same cache file names.
    Exchange,
    Tamper {
        object: usize,
        how: Tamper,
    },
    Common(Event),
}

/// What becomes of an object of the card, behind everybody's back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tamper {
    Delete,
    Empty,
    Truncate(usize),
    Flip(usize, u8),
    CopyOfOther(usize),
    /// The key history counts so many certificates of retired keys.
    Counts(u8),
}

/// Some more often than others, so that a key is often renewed.
pub const SLOTS: &[&str] = &["9a", "9a", "9a", "9c", "9c", "9d", "9e", "82", "84", "95"];
pub const KINDS: &[&str] = &["ECCP256", "ECCP256", "ECCP384", "RSA1024", "RSA2048"];
/// Tags: certificates, that for secure messaging the last, CHUID, capability container, key history, biometric information
/// templates.
pub const OBJECTS: &[&[u8]] = &[
    &[0x5F, 0xC1, 0x05],
    &[0x5F, 0xC1, 0x0A],
    &[0x5F, 0xC1, 0x0B],
    &[0x5F, 0xC1, 0x01],
    &[0x5F, 0xC1, 0x0D],
    &[0x5F, 0xC1, 0x22],
    &[0x5F, 0xC1, 0x02],
    &[0x5F, 0xC1, 0x07],
    &[0x5F, 0xC1, 0x0C],
    &[0x7F, 0x61],
];

pub const KEY_HISTORY: &[u8] = &[0x5F, 0xC1, 0x0C];

/// With a CHUID, without one.
pub const NATURES: usize = 2;

pub fn random(seed: u64) -> History<Action> {
    let mut random = Random(seed);
    let nature = usize::from(random.chance(25));
    let length = 5 + random.below(8);
    let mut actions = Vec::new();
    for _ in 0..length {
        actions.push(action(&mut random));
        if random.chance(15) {
            actions.push(Action::Common(Event::Observe));
        }
    }
    actions.push(Action::Common(Event::Observe));
    History { seed, nature, actions }
}

/// Keys that are made anew or imported, certificates of theirs and of others, and repairs.
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
    // 9A, sometimes the retired 82.
    let slot = if random.chance(70) { 0 } else { 7 };
    match what {
        0..35 => {
            Action::Renew { host, slot, kind: [0, 0, 2, 3][random.below(4)], name: random.below(4) as u8 }
        }
        35..45 => Action::Generate { host, slot, kind: [0, 0, 3][random.below(3)] },
        45..52 => Action::Import { host, slot, which: random.below(CERTIFICATES) },
        52..72 => Action::WriteCertificate {
            host,
            slot,
            which: random.below(CERTIFICATES),
            packed: random.chance(30),
        },
        72..77 => Action::DeleteCertificate { host, slot },
        77..80 => Action::Common(Event::Damage { host, nth: random.below(64), how: Damage::random(random) }),
        80..83 => Action::Common(Event::Flush { host }),
        83..86 => Action::Common(Event::Caching { host, how: random.below(UNIFORM) }),
        _ => Action::Common(Event::List { host, module: random.chance(50) }),
    }
}

fn action(random: &mut Random) -> Action {
    let host = random.below(2);
    let slot = random.below(SLOTS.len());
    match random.below(100) {
        0..25 => Action::Renew { host, slot, kind: random.below(KINDS.len()), name: random.below(4) as u8 },
        25..29 => Action::Generate { host, slot, kind: random.below(KINDS.len()) },
        29..31 => Action::Import { host, slot, which: random.below(CERTIFICATES) },
        31..42 => Action::WriteCertificate {
            host,
            slot,
            which: random.below(CERTIFICATES),
            packed: random.chance(30),
        },
        42..48 => Action::DeleteCertificate { host, slot },
        48 => Action::SetChuid { host },
        49 => Action::Exchange,
        50..54 => Action::Tamper { object: random.below(OBJECTS.len()), how: tamper(random) },
        54..77 => Action::Common(Event::List { host, module: random.chance(50) }),
        77..81 => Action::Common(Event::Flush { host }),
        81..96 => Action::Common(Event::Damage { host, nth: random.below(64), how: Damage::random(random) }),
        _ => Action::Common(Event::Caching { host, how: random.below(CACHINGS) }),
    }
}

fn tamper(random: &mut Random) -> Tamper {
    match random.below(12) {
        9.. => Tamper::Counts([0, 1, 2, 3, 20][random.below(5)]),
        0 => Tamper::Delete,
        1 => Tamper::Truncate(random.below(400)),
        8 => Tamper::Empty,
        2 | 3 => Tamper::Flip(random.below(400), 1 << random.below(8)),
        _ => Tamper::CopyOfOther(random.below(5)),
    }
}
