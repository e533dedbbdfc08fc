//! Random histories of a card and two hosts, as data: seeded, printable, and
//! still meaningful when actions are taken out.

pub use crate::random::Random;
use crate::stage::{CACHINGS, Event, UNIFORM};

/// One of the two hosts.
pub type Side = usize;

/// What happens. A number called `nth` picks from what there is at that moment,
/// modulo its count, so that an action stays possible when others are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Initialise { host: Side },
    Generate { host: Side, kind: usize, id: Option<u8>, label: Option<u8> },
    DeleteKey { host: Side, nth: usize },
    DeleteCertificate { host: Side, nth: usize },
    DeleteData { host: Side, name: u8 },
    WriteCertificate { host: Side, nth: usize, which: usize },
    WriteOwnCertificate { host: Side, nth: usize },
    WriteCa { host: Side, id: u8, which: usize },
    WriteData { host: Side, name: u8, private: bool, size: usize },
    Damage { host: Side, nth: usize, how: Damage },
    Tamper { nth: usize, how: Tamper },
    Common(Event),
}

/// What becomes of a cache entry of a SmartCard-HSM, whose names tell what is in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    Truncate(usize),
    Empty,
    Random(u64),
    Begin30,
    Zeros(usize),
    Doubled,
    Huge,
    Directory,
    Missing,
    OtherSlot(usize),
    Older(usize),
    Flip(usize, u8),
}

/// What becomes of a file of the card, behind everybody's back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tamper {
    Delete,
    Empty,
    PlainCertificate,
    NoInnerCar,
    UnknownCurve,
    Truncate(usize),
    Flip(usize, u8),
    CopyOfOther(usize),
    LastUpdate,
    /// Of the description of a key nothing is left, or so much.
    Description(Option<usize>),
}

pub const KINDS: &[&str] = &[
    "EC:prime256v1",
    "EC:prime256v1",
    "EC:prime256v1",
    "EC:secp384r1",
    "EC:brainpoolP256r1",
    "EC:secp256k1",
    "EC:prime192v1",
    "EC:secp521r1",
    "rsa:1024",
    "rsa:1024",
    "rsa:2048",
];

/// How many natures of the card and ready-made certificates there are.
pub const NATURES: usize = 4;
pub const CERTIFICATES: usize = 4;

/// A card's nature and what happens to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History<A = Action> {
    pub seed: u64,
    pub nature: usize,
    pub actions: Vec<A>,
}

impl History {
    pub fn random(seed: u64) -> Self {
        let mut random = Random(seed);
        let nature = random.below(NATURES);
        let length = 5 + random.below(11);
        let mut actions: Vec<Action> = Vec::new();
        for _ in 0..length {
            actions.push(action(&mut random));
            if random.chance(15) {
                actions.push(Action::Common(Event::Observe));
            }
        }
        actions.push(Action::Common(Event::Observe));
        Self { seed, nature, actions }
    }
}

impl History {
    /// Keys, whose certificates are written over their requests, and repairs.
    pub fn repaired(seed: u64) -> Self {
        let mut random = Random(seed);
        let nature = random.below(NATURES);
        let mut actions = vec![of_keys(&mut random, 0), list(&mut random)];
        for _ in 0..3 + random.below(6) {
            let what = random.below(100);
            actions.push(of_keys(&mut random, what));
            if random.chance(25) {
                actions.push(list(&mut random));
            }
            if random.chance(15) {
                actions.push(Action::Common(Event::repair(&mut random)));
            }
        }
        actions.extend([0, 1].map(|host| Action::Common(Event::Repair { host, guarded: false })));
        actions.push(Action::Common(Event::Repair { host: random.below(2), guarded: true }));
        Self { seed, nature, actions }
    }
}

fn list(random: &mut Random) -> Action {
    Action::Common(Event::List { host: random.below(2), module: random.chance(50) })
}

fn of_keys(random: &mut Random, what: usize) -> Action {
    let host = random.below(2);
    let nth = random.below(3);
    match what {
        0..30 => Action::Generate {
            host,
            kind: [0, 0, 0, 8][random.below(4)],
            id: random.chance(50).then(|| 1 + random.below(2) as u8),
            label: random.chance(60).then(|| random.below(3) as u8),
        },
        30..45 => Action::DeleteKey { host, nth },
        45..60 => Action::WriteCertificate { host, nth, which: random.below(CERTIFICATES) },
        60..75 => Action::WriteOwnCertificate { host, nth },
        75..78 => Action::DeleteCertificate { host, nth: 2 * nth + 1 },
        78..80 => Action::Initialise { host },
        80 => Action::Tamper { nth, how: Tamper::Description(random.chance(60).then(|| random.below(60))) },
        81..84 => Action::Damage { host, nth: random.below(8), how: damage(random) },
        84..87 => Action::Common(Event::Flush { host }),
        87..90 => Action::Common(Event::Caching { host, how: random.below(UNIFORM) }),
        _ => list(random),
    }
}

fn action(random: &mut Random) -> Action {
    let host = random.below(2);
    let nth = random.below(64);
    match random.below(100) {
        0..26 => Action::Generate {
            host,
            kind: random.below(KINDS.len()),
            id: random.chance(50).then(|| 1 + random.below(4) as u8),
            label: random.chance(60).then(|| random.below(5) as u8),
        },
        26..34 => Action::DeleteKey { host, nth },
        34..36 => Action::DeleteCertificate { host, nth },
        36..38 => Action::DeleteData { host, name: random.below(3) as u8 },
        38..42 => Action::WriteCertificate { host, nth, which: random.below(CERTIFICATES) },
        42..45 => Action::WriteOwnCertificate { host, nth },
        45..49 => Action::WriteCa {
            host,
            id: [0x77, 0x78, 0x01][random.below(3)],
            which: random.below(CERTIFICATES),
        },
        49..54 => Action::WriteData {
            host,
            name: random.below(3) as u8,
            private: random.chance(30),
            size: [0, 3, 40, 300, 700][random.below(5)],
        },
        54..66 => Action::Common(Event::List { host, module: random.chance(50) }),
        66..70 => Action::Common(Event::Flush { host }),
        70..88 => Action::Damage { host, nth, how: damage(random) },
        88..94 => Action::Tamper { nth, how: tamper(random) },
        94..98 => Action::Common(Event::Caching { host, how: random.below(CACHINGS) }),
        _ => Action::Initialise { host },
    }
}

fn damage(random: &mut Random) -> Damage {
    match random.below(14) {
        0 => Damage::Truncate(random.below(600)),
        1 => Damage::Empty,
        2 => Damage::Random(random.next()),
        3 => Damage::Begin30,
        4 => Damage::Zeros(1 + random.below(100)),
        5 => Damage::Doubled,
        6 => Damage::Huge,
        7 => Damage::Directory,
        8 => Damage::Missing,
        9 => Damage::OtherSlot(random.below(8)),
        10 | 11 => Damage::Older(random.below(8)),
        _ => Damage::Flip(random.below(600), 1 << random.below(8)),
    }
}

fn tamper(random: &mut Random) -> Tamper {
    match random.below(14) {
        0 | 1 => Tamper::Delete,
        2 => Tamper::Empty,
        3 => Tamper::PlainCertificate,
        4 => Tamper::NoInnerCar,
        5 => Tamper::UnknownCurve,
        6 => Tamper::Truncate(random.below(600)),
        7 => Tamper::Flip(random.below(600), 1 << random.below(8)),
        8 | 9 => Tamper::CopyOfOther(random.below(8)),
        10..13 => Tamper::Description(random.chance(60).then(|| random.below(60))),
        _ => Tamper::LastUpdate,
    }
}
