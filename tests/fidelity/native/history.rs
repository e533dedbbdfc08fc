//! What happens to a native card, as data.

use crate::history::{History, Random, Side};

/// What happens. A number called `nth` picks from what there is at that moment, modulo its count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Generate { host: Side, kind: usize, id: u8 },
    StoreCertificate { host: Side, id: u8, which: usize },
    StoreData { host: Side, name: u8, private: bool, size: usize },
    StorePin { host: Side },
    Delete { host: Side, what: usize, id: u8 },
    DeleteData { host: Side, name: u8 },
    Rename { host: Side, what: usize, id: u8, label: u8 },
    List { host: Side, module: bool },
    Flush { host: Side },
    Damage { host: Side, nth: usize, how: Damage },
    Caching { host: Side, how: usize },
    Observe,
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

pub const KINDS: &[&str] = &["ec/prime256v1", "ec/prime256v1", "ec/secp384r1", "rsa/1024"];
pub const OBJECTS: &[&str] = &["privkey", "pubkey", "cert"];
pub const CACHINGS: usize = 8;
pub const CERTIFICATES: usize = 3;

pub fn random(seed: u64) -> History<Action> {
    let mut random = Random(seed);
    let length = 4 + random.below(8);
    let mut actions = Vec::new();
    for _ in 0..length {
        actions.push(action(&mut random));
        if random.chance(12) {
            actions.push(Action::Observe);
        }
    }
    actions.push(Action::Observe);
    History { seed, nature: 0, actions }
}

fn action(random: &mut Random) -> Action {
    let host = random.below(2);
    let id = [0x45, 0x46, 0x47][random.below(3)];
    match random.below(100) {
        0..22 => Action::Generate { host, kind: random.below(KINDS.len()), id },
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
        58..72 => Action::List { host, module: random.chance(50) },
        72..77 => Action::Flush { host },
        77..95 => Action::Damage { host, nth: random.below(64), how: damage(random) },
        _ => Action::Caching { host, how: random.below(CACHINGS) },
    }
}

fn damage(random: &mut Random) -> Damage {
    match random.below(10) {
        0 => Damage::Truncate(random.below(400)),
        1 => Damage::Empty,
        2 => Damage::Random(random.next()),
        3 => Damage::Doubled,
        4 => Damage::Directory,
        5 => Damage::Missing,
        6 | 7 => Damage::Older(random.below(8)),
        _ => Damage::Flip(random.below(300), 1 << random.below(8)),
    }
}
