//! Which cards of a host have something to do with each other.
//!
//! A snapshot may hold as many cards as somebody likes, with the same serial number, or the same one again and
//! again. So they are counted once, and no card is compared with all the others.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::snapshot::{Card, Family};

type Digested = [u8; 32];
/// What cards have in common that have the same cache file names.
type Names<'a> = (Family, Option<&'a str>);
/// What the applications of one card have in common.
type Place<'a> = (&'a str, &'a [u8]);
/// Cards of one name in one place: with this application, with these files; none: with any.
type Placed<'a> = (Names<'a>, Place<'a>, Option<Option<&'a [u8]>>, Option<Digested>);

/// More applications than a card has (OpenSC reads eight of EF.DIR, and knows a few without it).
const MOST_APPLICATIONS: usize = 16;
/// More cards with one serial number than a host has: twice as many as pcscd knows readers, each with other files.
const MOST_OF_ONE_NAME: usize = 32;

/// What else was read of the card that an application is on.
#[derive(Debug, Clone)]
pub enum Beside<'a> {
    /// Its other applications, and itself; nothing if it has no other.
    Cards(Arc<[&'a Card]>),
    /// More than there can be: whoever wrote this down has made it up, and nothing tells what is whose.
    Beyond(Invented),
}

/// What there is more of in a snapshot than there can be on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invented {
    /// Applications on one card.
    Applications,
    /// Cards with one serial number.
    Cards,
}

impl Invented {
    /// Why nothing is said of what is whose.
    #[must_use]
    pub fn why(self) -> String {
        let told = match self {
            Self::Applications => {
                format!("its card would have more than {MOST_APPLICATIONS} of them, and no card has")
            }
            Self::Cards => {
                format!(
                    "more than {MOST_OF_ONE_NAME} cards would have this serial number, and no host has them"
                )
            }
        };
        format!("{told}: somebody has made it up")
    }
}

/// What there is in one place.
#[derive(Default)]
struct Applications<'a> {
    names: BTreeSet<Option<&'a [u8]>>,
    /// The first of them, one more than a card can have.
    cards: Vec<&'a Card>,
}

/// The cards of a host, counted.
pub(crate) struct Kin<'a> {
    /// How many there are in all, and with these files.
    named: BTreeMap<(Names<'a>, Option<Digested>), usize>,
    /// Of which there are more than a host has.
    crowds: BTreeSet<Names<'a>>,
    /// The same of each place, in all and with this application.
    placed: BTreeMap<Placed<'a>, usize>,
    /// Applications in each place.
    applications: BTreeMap<Place<'a>, Applications<'a>>,
    /// What was met already.
    met: BTreeSet<Digested>,
}

impl<'a> Kin<'a> {
    /// Of these cards.
    pub(crate) fn of(cards: &'a [Card]) -> Self {
        let (mut named, mut placed) = (BTreeMap::new(), BTreeMap::new());
        let mut applications: BTreeMap<_, Applications<'_>> = BTreeMap::new();
        // One card alone has none.
        for card in cards.iter().filter(|_| cards.len() > 1) {
            let (names, place, application, files) =
                (names(card), place(card), application(card), files(card));
            for hash in [None, Some(files)] {
                *named.entry((names, hash)).or_default() += 1;
                for which in [None, Some(application)] {
                    *placed.entry((names, place, which, hash)).or_default() += 1;
                }
            }
            let there = applications.entry(place).or_default();
            there.names.insert(application);
            if there.cards.len() <= MOST_APPLICATIONS {
                there.cards.push(card);
            }
        }
        let mut contents: BTreeMap<Names<'_>, usize> = BTreeMap::new();
        for (names, _) in named.keys().filter(|(_, files)| files.is_some()) {
            *contents.entry(*names).or_default() += 1;
        }
        contents.retain(|_, number| *number > MOST_OF_ONE_NAME);
        let crowds = contents.into_keys().collect();
        Self { named, crowds, placed, applications, met: BTreeSet::new() }
    }

    /// Has another card, and not only another application of the same one, the same name in caches, but other files?
    pub(crate) fn has_twin(&self, card: &'a Card) -> bool {
        if self.named.is_empty() {
            return false;
        }
        let (names, place, files) = (names(card), place(card), files(card));
        let named = |hash| self.named.get(&(names, hash)).copied().unwrap_or(0);
        let placed = |which, hash| self.placed.get(&(names, place, which, hash)).copied().unwrap_or(0);
        let own = Some(application(card));
        let others = named(None) - named(Some(files));
        let beside = |hash| placed(None, hash) - placed(own, hash);
        others > beside(None) - beside(Some(files))
    }

    /// What else was read of the same card.
    pub(crate) fn beside(&self, card: &'a Card) -> Beside<'a> {
        if self.crowds.contains(&names(card)) {
            return Beside::Beyond(Invented::Cards);
        }
        match self.applications.get(&place(card)).filter(|there| there.names.len() > 1) {
            None => Beside::Cards(Arc::default()),
            Some(there) if there.cards.len() > MOST_APPLICATIONS => Beside::Beyond(Invented::Applications),
            Some(there) => Beside::Cards(there.cards.as_slice().into()),
        }
    }

    /// Is it the first time that this very card comes, in this reader and with this content?
    pub(crate) fn is_new(&mut self, card: &Card) -> bool {
        self.named.is_empty() || self.met.insert(digest(card))
    }
}

fn names(card: &Card) -> Names<'_> {
    (card.family, card.serial.as_deref())
}

fn place(card: &Card) -> Place<'_> {
    (&card.reader, card.atr.as_slice())
}

fn application(card: &Card) -> Option<&[u8]> {
    card.application.as_ref().map(crate::snapshot::Bytes::as_slice)
}

fn files(card: &Card) -> Digested {
    digest(&card.files)
}

/// Of every field: what is told apart by one is another card.
fn digest<T: Hash + ?Sized>(value: &T) -> Digested {
    let mut fields = Fields(Sha256::new());
    value.hash(&mut fields);
    fields.0.finalize().into()
}

/// Fields on their way into a digest that nobody finds two cards for.
struct Fields(Sha256);

impl Hasher for Fields {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest is taken as a whole; nobody asks for this.
    fn finish(&self) -> u64 {
        0
    }
}
