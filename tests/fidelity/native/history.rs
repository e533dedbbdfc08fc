//! What happens to a native card, as data.

use crate::history::{History, Random, Side};
use crate::stage::{CACHINGS, Damage, Event};

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
    Common(Event),
}

/// Kinds of keys.
pub const KINDS: usize = 4;
pub const OBJECTS: &[&str] = &["privkey", "pubkey", "cert"];
pub const CERTIFICATES: usize = 3;

pub fn random(seed: u64) -> History<Action> {
    let mut random = Random(seed);
    let length = 4 + random.below(8);
    let mut actions = Vec::new();
    for _ in 0..length {
        actions.push(action(&mut random));
        if random.chance(12) {
            actions.push(Action::Common(Event::Observe));
        }
    }
    actions.push(Action::Common(Event::Observe));
    History { seed, nature: 0, actions }
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
        58..72 => Action::Common(Event::List { host, module: random.chance(50) }),
        72..77 => Action::Common(Event::Flush { host }),
        77..95 => Action::Common(Event::Damage { host, nth: random.below(64), how: Damage::random(random) }),
        _ => Action::Common(Event::Caching { host, how: random.below(CACHINGS) }),
    }
}
