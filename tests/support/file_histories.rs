//! Random histories of a card of files and a host that lists it: what an office does to the card, when the host looks, what is
//! taken out of its cache. And the truth about what comes of it, found by experiment: which cached files make the real tools
//! show something else than the card, now or within [`READINGS`] further readings. That is the list, and each certificate
//! itself: a broken one may look right in a list.
//!
//! A test that uses it has `mod stand;` and `mod random;` at its root. The same seed is the same history.
#![allow(
    dead_code,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests"
)]

use crate::random::Random;
use crate::stand::listing::Pkcs15Listing;
use crate::stand::{FileCard, Host, Kind, Layout, Recipe, Stand, opensc_version};
use stalecard::opensc::Version;
use std::collections::{BTreeMap, BTreeSet};

/// How far ahead is looked.
pub const READINGS: usize = 8;

/// What happens. A number called `nth` picks from what there is at that moment, modulo its count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The host lists the card, with `pkcs15-tool -D` or `pkcs11-tool -O`, and fills its cache.
    List {
        module: bool,
    },
    Renew {
        nth: usize,
        longer_by: isize,
    },
    RenewAll {
        longer_by: isize,
    },
    Add,
    Remove {
        nth: usize,
    },
    /// The other card of this serial is in the reader from now on.
    Swap,
    /// One file is taken out of the cache.
    Forget {
        nth: usize,
    },
}

/// A card's nature and what happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    pub seed: u64,
    pub kind: Kind,
    pub layout: Layout,
    pub certificates: usize,
    pub events: Vec<Event>,
}

impl History {
    pub fn random(kind: Kind, seed: u64) -> Self {
        let mut random = Random(seed);
        // Before 0.24 a cached file holds what was read of it last, so that a view is wrong as soon as it is cached.
        let can_share = kind.can_share_a_file() && opensc_version() >= Version::of(24);
        let layout = if can_share && random.chance(30) { Layout::OneFile } else { Layout::Files };
        let certificates = kind.least().max(1 + random.below(3)).min(kind.capacity());
        let mut events = vec![Event::List { module: false }];
        for _ in 0..3 + random.below(6) {
            events.push(event(&mut random));
        }
        Self { seed, kind, layout, certificates, events }
    }
}

fn event(random: &mut Random) -> Event {
    let nth = random.below(8);
    let longer_by = random.one(&[0, 0, 1, 40, 300, -1, -40]);
    match random.below(100) {
        0..30 => Event::List { module: random.chance(40) },
        30..60 => Event::Renew { nth, longer_by },
        60..68 => Event::RenewAll { longer_by },
        68..76 => Event::Add,
        76..84 => Event::Remove { nth },
        84..92 => Event::Swap,
        _ => Event::Forget { nth },
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("played was {:?}", self.history);
        }
    }
}

/// A stand on which a history is played; one that fails is told.
pub struct World {
    history: History,
    pub stand: Stand,
    pub host: Host,
    cards: [FileCard; 2],
    in_reader: usize,
    added: usize,
}

impl World {
    /// Two cards with one serial, one of them in the reader, and a host with this configuration.
    pub fn start(history: &History, configuration: &str) -> Self {
        let stand = Stand::of_files();
        let made = |card: &str| {
            let names: Vec<String> = (0..history.certificates).map(|nth| format!("{card} {nth}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let recipe = Recipe::new(history.kind, 1, &names).expect("certificates");
            stand.file_card_of(card, Recipe { layout: history.layout, ..recipe })
        };
        let cards = [made("mine"), made("other")];
        stand.card().insert(cards[0].file());
        let host = stand.host("alpha");
        host.configure(configuration);
        Self { history: history.clone(), stand, host, cards, in_reader: 0, added: 0 }
    }

    /// The card in the reader.
    pub fn card(&self) -> &FileCard {
        &self.cards[self.in_reader]
    }

    pub fn play(&mut self, event: Event) {
        let card = &mut self.cards[self.in_reader];
        let some = |nth: usize| nth % card.len().max(1);
        match event {
            Event::List { module } => list(&self.host, module),
            Event::Renew { nth, longer_by } if card.len() > 0 => card.renew(some(nth), longer_by),
            Event::Renew { .. } => {}
            Event::RenewAll { longer_by } => card.renew_all(longer_by),
            Event::Add => {
                self.added += 1;
                card.add(&format!("added {}", self.added));
            }
            Event::Remove { nth } => {
                card.remove(some(nth));
            }
            Event::Swap => {
                self.in_reader = 1 - self.in_reader;
                self.stand.card().insert(self.cards[self.in_reader].file());
            }
            Event::Forget { nth } => {
                let names = self.host.cache_names();
                if let Some(name) = names.get(nth % names.len().max(1)) {
                    std::fs::remove_file(self.host.cache().join(name)).expect("cache file");
                }
            }
        }
    }

    /// What is on the card: what is listed with caching off, what OpenSC caches when nothing is cached yet, and the
    /// certificates that it gives then.
    pub fn live(&self) -> Truth {
        let list = view(&self.host.live());
        let host = self.with_entries(|_| false);
        view(&host);
        let listing = Pkcs15Listing::parse(&list);
        let ids = listing
            .iter()
            .flat_map(|listing| listing.certificates().into_iter())
            .filter_map(|one| one.id.clone());
        let certificates = ids.map(|id| (id.clone(), certificate(&host, &id))).collect();
        Truth { list, certificates, fresh: self.fresh() }
    }

    /// What OpenSC caches of the card today, when nothing is cached yet.
    pub fn fresh(&self) -> BTreeMap<String, Vec<u8>> {
        let host = self.with_entries(|_| false);
        view(&host);
        host.cache_files()
    }

    /// Another host with a copy of these entries.
    pub fn with_entries(&self, keep: impl Fn(&str) -> bool) -> Host {
        let copy = self.host.with_cache_copy();
        for name in copy.cache_names() {
            if !keep(&name) {
                std::fs::remove_file(copy.cache().join(&name)).expect("cache file");
            }
        }
        copy
    }

    /// The first of the next readings with these entries alone that shows something else than the card.
    pub fn first_wrong_reading(&self, live: &Truth, keep: impl Fn(&str) -> bool) -> Option<usize> {
        let host = self.with_entries(keep);
        let mut before = host.cache_files();
        for reading in 1..=READINGS {
            let certificates_of = live.is_open(&before).then(|| host.with_cache_copy());
            if view(&host) != live.list {
                return Some(reading);
            }
            if certificates_of.is_some_and(|host| !live.are_right_on(&host)) {
                return Some(reading);
            }
            let after = host.cache_files();
            // A reading that changes nothing is as every further one.
            if after == before {
                return None;
            }
            before = after;
        }
        None
    }

    /// The entries each of which alone makes a view wrong; without them no view is.
    pub fn guilty(&self) -> BTreeSet<String> {
        let live = self.live();
        let names = self.host.cache_names();
        let guilty: BTreeSet<String> = names
            .into_iter()
            .filter(|name| self.first_wrong_reading(&live, |other| other == name).is_some())
            .collect();
        let rest = self.first_wrong_reading(&live, |name| !guilty.contains(name));
        assert_eq!(rest, None, "the view is wrong without {guilty:?}, too");
        guilty
    }
}

/// What is on a card.
pub struct Truth {
    list: String,
    /// By ID, as it is given.
    certificates: BTreeMap<String, String>,
    fresh: BTreeMap<String, Vec<u8>>,
}

impl Truth {
    /// Is one of these files something else than today's, so that a list tells too little of it?
    fn is_open(&self, files: &BTreeMap<String, Vec<u8>>) -> bool {
        let differs = |(name, content): (&String, &Vec<u8>)| {
            let Some(fresh) = self.fresh.get(name).filter(|fresh| !fresh.is_empty()) else { return false };
            !content.chunks(fresh.len()).all(|copy| copy == fresh)
        };
        files.iter().any(differs)
    }

    fn are_right_on(&self, host: &Host) -> bool {
        self.certificates.iter().all(|(id, expected)| certificate(host, id) == *expected)
    }
}

fn certificate(host: &Host, id: &str) -> String {
    host.run(&["pkcs15-tool", "--read-certificate", id]).stdout
}

/// A view that is wrong enough is refused by the tools.
fn list(host: &Host, module: bool) {
    let command: &[&str] = if module { &["pkcs11-tool", "-O"] } else { &["pkcs15-tool", "-D"] };
    host.run(command);
}

/// `pkcs15-tool -D`, word for word, and how it ended.
fn view(host: &Host) -> String {
    let look = || host.run(&["pkcs15-tool", "-D"]);
    let mut output = look();
    // What is refused is refused again; a reader that was not ready on a busy machine is.
    if !output.success() {
        output = look();
    }
    format!("{}: {}", output.code(), output.stdout)
}
