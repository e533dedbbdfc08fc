//! What happens to an OpenPGP card, as data.

use crate::authority::CERTIFICATES;
use crate::history::{History, Random, Side};
use crate::stage::{CACHINGS, Damage, Event};

/// Keys are 0 for signatures, 1 for deciphering, 2 for authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    GenerateRsa {
        host: Side,
        key: usize,
        mark: u8,
    },
    GenerateEc {
        host: Side,
        key: usize,
        curve: usize,
    },
    /// On Curve25519, which the tools do not make: by the card's own commands.
    Generate25519 {
        host: Side,
        key: usize,
        mark: u8,
    },
    /// An object for private use, 1 to 4: something, nothing, or no object.
    PrivateUse {
        number: u8,
        content: Option<u8>,
    },
    /// What puts its content into the cache, if private data may be there.
    ReadPrivateUse {
        host: Side,
        number: u8,
    },
    /// Its fingerprint goes, and with it the key for OpenSC.
    Forget {
        key: usize,
    },
    /// Of whatever key; that of the authentication key by the real tool.
    WriteCertificate {
        host: Side,
        key: usize,
        which: usize,
    },
    DeleteCertificate {
        key: usize,
    },
    FlipCertificate {
        key: usize,
        at: usize,
        bit: u8,
    },
    /// What puts the public key into the cache.
    ReadKey {
        host: Side,
        key: usize,
    },
    Common(Event),
}

pub const CURVES: &[&str] = &["prime256v1", "prime256v1", "secp384r1", "secp521r1"];

/// Version 2.0, and version 3.4 with certificates and curves for all keys.
pub const NATURES: usize = 2;

pub fn random(seed: u64) -> History<Action> {
    let mut random = Random(seed);
    let nature = random.below(NATURES);
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

fn action(random: &mut Random) -> Action {
    let host = random.below(2);
    // Some more often than others, so that a key is often made anew.
    let key = random.one(&[0, 0, 2, 2, 1]);
    match random.below(100) {
        0..24 => Action::GenerateRsa { host, key, mark: random.next() as u8 | 1 },
        24..27 => Action::PrivateUse {
            number: 1 + random.below(4) as u8,
            content: if random.chance(80) { Some(random.below(4) as u8) } else { None },
        },
        27..32 => Action::Generate25519 { host, key, mark: random.next() as u8 | 1 },
        32..38 => Action::GenerateEc { host, key, curve: random.below(CURVES.len()) },
        38..41 => Action::Forget { key },
        41..48 => Action::WriteCertificate { host, key, which: random.below(CERTIFICATES) },
        48 => Action::DeleteCertificate { key },
        49..51 => Action::FlipCertificate { key, at: random.below(400), bit: 1 << random.below(8) },
        51..55 => Action::ReadPrivateUse { host, number: 1 + random.below(2) as u8 },
        55..74 => Action::ReadKey { host, key },
        74..79 => Action::Common(Event::List { host, module: random.chance(70) }),
        79..83 => Action::Common(Event::Flush { host }),
        83..96 => Action::Common(Event::Damage { host, nth: random.below(64), how: Damage::random(random) }),
        _ => Action::Common(Event::Caching { host, how: random.below(CACHINGS) }),
    }
}
