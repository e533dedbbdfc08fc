//! Random histories of cards of files and of all families, each ended by `fix --refill`: then the real tool shows what it shows
//! with a new cache, sends as few commands as with a warm one, has nothing to write, and nothing has been put there that it
//! would not write under `public`.
//!
//! `STALECARD_REFILL_COUNT`: how many of each kind and family. Without it some kinds have one, in the long run more.

use super::opinions::{Play, play};
use super::refill::{cost, placed, view, warm};
use super::*;
use crate::file_histories::{History, World};
use crate::histories::{host_of, number};
use crate::random::Random;
use crate::stand::Family;
use std::collections::BTreeSet;

/// How often a cache is filled, the card changed, and what is stale fixed in one history.
const ROUNDS: usize = 3;

/// How many of each.
fn count(usual: u64) -> u64 {
    let usual = if std::env::var_os("STALECARD_LONG").is_some() { 6 } else { usual };
    number("STALECARD_REFILL_COUNT", usual)
}

/// What comes of histories.
#[derive(Debug, Default)]
struct Sum {
    all: usize,
    filled: usize,
    entries: usize,
    left: usize,
}

impl Sum {
    /// Fixes what there is to fix, fills anew, and looks.
    fn fix(&mut self, stand: &Stand, host: &Host, grows: bool) {
        self.all += 1;
        let before: BTreeSet<String> = host.cache_names().into_iter().collect();
        let output = ours(host, &["fix", "--refill", "--format", "json"]);
        let report = document(&output);
        let put = placed(&report);
        let names: BTreeSet<String> = host.cache_names().into_iter().collect();
        assert!(names.is_subset(&before.union(&put).cloned().collect()), "{output}");
        self.entries += put.len();
        let left = report["refilled"]["left"].as_array().unwrap();
        self.left += usize::from(!left.is_empty());
        assert!(put.is_empty() || left.is_empty(), "{output}");
        assert_eq!(left_behind(stand), Vec::<String>::new());
        if put.is_empty() {
            return;
        }
        self.filled += 1;
        let filled = host.cache_files();
        let (warm, new) = warm(stand, host);
        assert_eq!(view(&host.with_cache_copy()), new, "{output}");
        let public = as_public(host);
        assert!(put.is_subset(&public), "{put:?} was put there, and under public there would be {public:?}");
        if !grows {
            assert_eq!((cost(stand, host), host.cache_files()), (warm, filled), "{output}");
        }
    }
}

/// The names of all that OpenSC writes under `public`.
fn as_public(host: &Host) -> BTreeSet<String> {
    let other = host.with_cache_copy();
    for name in other.cache_names() {
        std::fs::remove_file(other.cache().join(name)).unwrap();
    }
    other.caching("public");
    other.run(&["pkcs15-tool", "-D"]);
    other.run(&["pkcs11-tool", "-O"]);
    other.cache_names().into_iter().collect()
}

#[test]
fn cards_of_files() {
    let count = count(0);
    let mut sum = Sum::default();
    for (nth, kind) in kinds().filter(|kind| *kind != Kind::Jpki).enumerate() {
        let seeds = if count > 0 { 0..count } else { 3..3 + u64::from(nth % 4 == 0) };
        for seed in seeds {
            let history = History::random(kind, seed);
            let caching = if seed.is_multiple_of(2) { "public" } else { "yes" };
            let text = format!("app default {{ framework pkcs15 {{ use_file_caching = {caching}; }} }}");
            let mut world = World::start(&history, &text);
            world.host = host_of(&world);
            for event in &history.events {
                world.play(*event);
            }
            // One that is answered from only when it has grown long enough.
            sum.fix(&world.stand, &world.host, kind == Kind::Cac);
        }
    }
    println!("refilled: OpenSC {}: files: {sum:?}", stand::opensc_version());
    assert!(sum.filled > 0);
}

/// Keys go and others come. (Certificates of another's key, over which only a signature decides, are in `refill`.)
fn keys(_: &Stand, host: &Host, random: &mut Random, _step: usize) {
    let live = host.live();
    let listing = live.pkcs15_list();
    let keys: Vec<String> = listing.private_keys().iter().filter_map(|key| key.id.clone()).collect();
    let is_gone = !keys.is_empty() && random.chance(60);
    if is_gone {
        live.delete_object("privkey", &keys[random.below(keys.len())]);
    }
    // The next key takes the slot of the one that went.
    if keys.len() < 4 && (!is_gone || random.chance(70)) {
        live.keypairgen("EC:prime256v1", &[]);
    }
}

fn all(family: Family) {
    let mut sum = Sum::default();
    for seed in 0..count(1) {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9) ^ 0x20 ^ u64::from(family as u8));
        let Play { stand, host, happens } = play(family);
        let happens = if matches!(family, Family::ScHsm) { keys } else { happens };
        host.caching(random.one(&["yes", "public"]));
        for round in 0..ROUNDS {
            happens(&stand, &host, &mut random, 3 * round);
            host.run(&["pkcs15-tool", "-D"]);
            if random.chance(50) {
                host.run(&["pkcs11-tool", "-O"]);
            }
            for more in 0..=random.below(2) {
                happens(&stand, &host, &mut random, 3 * round + 1 + more);
            }
            sum.fix(&stand, &host, false);
        }
    }
    println!("refilled: OpenSC {}: {family:?}: {sum:?}", stand::opensc_version());
}

#[test]
fn smartcard_hsms() {
    all(Family::ScHsm);
}

#[test]
fn piv_cards() {
    all(Family::Piv);
}

#[test]
fn openpgp_cards() {
    // `openpgp-tool` of 0.27 does not make out what this card answers to a new key.
    if stand::opensc_version() >= Version::of(27) {
        return;
    }
    all(Family::OpenPgp);
}

#[test]
fn myeids() {
    all(Family::MyEid);
}

#[test]
fn iso_applets() {
    all(Family::IsoApplet);
}
