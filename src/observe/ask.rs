//! Cards that are not read here are asked for through OpenSC: when that is done, and what is kept of it.
//!
//! A card is asked only while nobody else has it, and only if that was not forbidden; nothing of anybody's is written. What
//! is *fresh* is asked once a card; *shown* once for each cache that is looked at. Whatever keeps it from being asked is
//! told in the place of what would otherwise be said of a card that is not read.

mod beside;
mod digest;
mod entries;
mod holders;
mod idle;
mod listing;
mod next;
mod place;
pub(super) mod provider;
mod round;
mod run;
mod setting;
mod trust;

use std::cell::Cell;
use std::collections::BTreeMap;

use beside::Beside;
use digest::Digester;
use idle::{Idle, Stop};
pub use next::{NextEntry, NextListing, Taken, next_listing};
use place::Place;
use round::{End, Fresh, Round};
use setting::{Setting, Speaker, speakers};

use super::aside;
use super::progress::Progress;
use crate::snapshot::{Ask, AskEnd, AskKind, AskTool, Bytes, CacheDir, Card, Gap, GapKind, Snapshot};
use crate::text::escape;
use crate::view::layout;

/// Of which cards OpenSC is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Asking {
    /// Of none; and no application is selected on a card of which nothing tells which it has.
    #[default]
    Never,
    /// Of none, but that is done.
    Found,
    /// Of those that are not read here.
    Unread,
    /// Of the same, also while only the user's own programs with OpenSC have them open.
    Beside,
    /// Of all: of those that are read, for a second opinion.
    All,
}

/// What is needed to ask, kept for all users of a host.
pub(super) struct Asker {
    asking: Asking,
    progress: Progress,
    tools: Option<(Place, Digester)>,
    cards: BTreeMap<(String, Bytes), Known>,
}

/// What is known of a card.
enum Known {
    /// It was asked.
    Asked(Box<Fresh>),
    /// It cannot be.
    Closed,
}

impl Asker {
    pub(super) const fn new(asking: Asking, progress: Progress) -> Self {
        Self { asking, progress, tools: None, cards: BTreeMap::new() }
    }

    /// Asks of the cards of a snapshot, for the caches of its user; what comes of it goes into the snapshot.
    pub(super) fn ask(&mut self, snapshot: &mut Snapshot) {
        let is_asked = |card: &&Card| match self.asking {
            Asking::Never | Asking::Found => false,
            Asking::Unread | Asking::Beside => is_unread(card),
            Asking::All => true,
        };
        let mut subjects: Vec<(String, Bytes)> = Vec::new();
        for card in snapshot.cards.iter().filter(is_asked) {
            let subject = (card.reader.clone(), card.atr.clone());
            if !subjects.contains(&subject) {
                subjects.push(subject);
            }
        }
        self.leave(snapshot);
        if subjects.is_empty() {
            return;
        }
        let setting = Setting::of(snapshot);
        for (reader, atr) in subjects {
            let what = format!("asking OpenSC about the card in reader {}", escape(reader.as_bytes()));
            let progress = self.progress;
            progress.during(&what, || self.one(snapshot, &setting, &reader, &atr));
        }
    }

    /// Says of cards that are not read here what would tell of them, where nobody said that OpenSC is to be asked.
    fn leave(&self, snapshot: &mut Snapshot) {
        if !matches!(self.asking, Asking::Never | Asking::Found) {
            return;
        }
        let unread: Vec<String> =
            snapshot.cards.iter().filter(|card| is_unread(card)).map(|card| what(&card.reader)).collect();
        for gap in snapshot.coverage.iter_mut().filter(|gap| unread.contains(&gap.what)) {
            gap.why = format!(
                "not read here, and OpenSC, which may read it, was not asked (--ask asks it); {}",
                gap.why
            );
        }
    }

    fn one(&mut self, snapshot: &mut Snapshot, setting: &Setting, reader: &str, atr: &Bytes) {
        let subject = (reader.to_owned(), atr.clone());
        let known = match self.cards.remove(&subject) {
            Some(Known::Asked(fresh)) => Some(*fresh),
            Some(Known::Closed) => {
                self.cards.insert(subject, Known::Closed);
                return;
            }
            None => None,
        };
        let is_first = known.is_none();
        match self.rounds(snapshot, setting, reader, atr, known) {
            Ok((fresh, asks, left)) => {
                told(snapshot, reader, atr, &fresh, asks, left);
                self.cards.insert(subject, Known::Asked(Box::new(fresh)));
            }
            Err(end) => {
                not_told(snapshot, setting, reader, atr, end, is_first);
                self.cards.insert(subject, Known::Closed);
            }
        }
    }

    /// A round, and another one if the card moved.
    fn rounds(
        &mut self,
        snapshot: &Snapshot,
        setting: &Setting,
        reader: &str,
        atr: &Bytes,
        known: Option<Fresh>,
    ) -> Result<(Fresh, Vec<Ask>, Vec<String>), AskEnd> {
        // A copy of this program clears up behind it.
        if !aside::is_the_program() {
            return Err(AskEnd::Failed("only the program itself can ask".to_owned()));
        }
        let no_place = |why: std::io::Error| AskEnd::Failed(format!("there is no private directory: {why}"));
        if self.tools.is_none() {
            self.tools = Some((Place::new().map_err(no_place)?, Digester::new().map_err(no_place)?));
        }
        let Some((place, digester)) = &mut self.tools else {
            return Err(AskEnd::Failed("there is no private directory".to_owned()));
        };
        let caches: Vec<(&CacheDir, Vec<Speaker>)> =
            snapshot.caches.iter().map(|dir| (dir, speakers(snapshot, dir))).collect();
        let read = caches.iter().filter(|(_, speakers)| !speakers.is_empty()).map(|(dir, _)| *dir);
        let needed = entries::needed(read);
        let mut known = known;
        let mut moved = String::new();
        let is_it = |card: &&Card| card.reader == reader && card.atr == *atr;
        let is_beside = self.asking == Asking::Beside && snapshot.cards.iter().filter(is_it).all(is_unread);
        let beside = || Beside::of(setting, reader);
        for _ in 0..2 {
            let allowed: Option<&dyn Fn() -> Result<Beside, String>> =
                if is_beside { Some(&beside) } else { None };
            let idle = match Idle::begin(reader, atr.as_slice(), allowed) {
                Ok(idle) => idle,
                Err(Stop::Moved(why) | Stop::Failed(why)) => return Err(AskEnd::Failed(why)),
                Err(Stop::Held(who, _)) => return Err(AskEnd::NotIdle(who)),
            };
            if let Some(beside) = idle.beside() {
                let (reader, who) = (escape(reader.as_bytes()), beside.names());
                self.progress.tell(&format!(
                    "asking about the card in reader {reader} beside {who}, who waits meanwhile"
                ));
            }
            let mut round = Round {
                setting,
                place,
                digester,
                idle: &idle,
                needed: &needed,
                asks: Vec::new(),
                left: Vec::new(),
                is_listed: Cell::new(false),
            };
            match round.all(known.take(), &caches) {
                Ok(fresh) => return Ok((fresh, round.asks, round.left)),
                Err(End::For(end)) => return Err(end),
                Err(End::Again(Stop::Failed(why))) => return Err(AskEnd::Failed(why)),
                Err(End::Again(Stop::Held(why, _) | Stop::Moved(why))) => moved = why,
            }
        }
        Err(AskEnd::Restless(moved))
    }
}

/// Keeps what OpenSC told of a card.
fn told(
    snapshot: &mut Snapshot,
    reader: &str,
    atr: &Bytes,
    fresh: &Fresh,
    asks: Vec<Ask>,
    left: Vec<String>,
) {
    let serial =
        fresh.serials().into_iter().next().map(|serial| String::from_utf8_lossy(&serial).into_owned());
    let is_it = |card: &&mut Card| card.reader == reader && card.atr == *atr && is_unread(card);
    for card in snapshot.cards.iter_mut().filter(is_it) {
        card.serial = card.serial.take().or_else(|| serial.clone());
        // What was said of a card that is not read.
        snapshot.coverage.retain(|gap| !gap.is_of_card_in(reader));
    }
    // What was asked before stands for the card alone.
    if asks.iter().any(|ask| ask.kind == AskKind::Fresh) {
        snapshot.asks.retain(|ask| !(ask.reader == reader && ask.atr == *atr));
    }
    snapshot.asks.extend(asks);
    let what = format!("cache entries of the {}", what(reader));
    // What was left when it was asked before may be gone.
    snapshot.coverage.retain(|gap| gap.what != what);
    snapshot.coverage.extend(
        left.into_iter().map(|why| Gap::new(GapKind::Cache, true, what.clone(), why).in_reader(reader)),
    );
}

/// Keeps why OpenSC told nothing of it.
fn not_told(
    snapshot: &mut Snapshot,
    setting: &Setting,
    reader: &str,
    atr: &Bytes,
    end: AskEnd,
    is_first: bool,
) {
    let why = match &end {
        AskEnd::Done | AskEnd::NoProgram => String::new(),
        AskEnd::ListsNothing(why) => format!("OpenSC shows nothing of it: {why}"),
        AskEnd::Failed(why) => format!("OpenSC could not be asked: {why}"),
        AskEnd::NotIdle(why) => format!("OpenSC is asked only while nobody has the card: {why}"),
        AskEnd::Restless(why) => format!("what OpenSC told does not count: {why}, twice; run this again"),
    };
    let unread = match &end {
        AskEnd::Done | AskEnd::NoProgram => String::new(),
        AskEnd::ListsNothing(_) | AskEnd::Failed(_) | AskEnd::NotIdle(_) | AskEnd::Restless(_) => {
            format!("not read here, and {why}")
        }
    };
    let is_read = |card: &Card| card.reader == reader && card.atr == *atr && !is_unread(card);
    if snapshot.cards.iter().any(is_read) {
        // A second opinion was asked for, and there is none.
        let what = format!("a second opinion on the {}", what(reader));
        snapshot.coverage.push(Gap::new(GapKind::OpenSc, true, what, why).in_reader(reader));
    } else if let Some(gap) = snapshot.coverage.iter_mut().find(|gap| gap.is_of_card_in(reader)) {
        gap.why = unread;
        // What was begun and came to nothing is told as such, whatever other cards there are.
        gap.asked_for |= matches!(end, AskEnd::Failed(_) | AskEnd::Restless(_));
    } else if is_first {
        snapshot.coverage.push(Gap::new(GapKind::Card, true, what(reader), unread).in_reader(reader));
    }
    snapshot.asks.retain(|ask| !(ask.reader == reader && ask.atr == *atr));
    snapshot.asks.push(setting.ask(reader, atr, AskKind::Fresh, AskTool::Pkcs15, Vec::new(), None, end));
}

/// Is it a card that is not read here?
fn is_unread(card: &Card) -> bool {
    layout(card.family).is_none()
}

fn what(reader: &str) -> String {
    format!("card in reader {}", escape(reader.as_bytes()))
}

/// Asks of the cards of a snapshot once more, for the caches as they are in it now. False if one that told before tells
/// nothing now.
pub fn ask_again(snapshot: &mut Snapshot, asking: Asking, progress: Progress) -> bool {
    let done = |snapshot: &Snapshot| -> Vec<(String, Bytes)> {
        let fresh = snapshot.asks.iter().filter(|ask| ask.kind == AskKind::Fresh && ask.is_done());
        fresh.map(|ask| (ask.reader.clone(), ask.atr.clone())).collect()
    };
    let before = done(snapshot);
    if before.is_empty() {
        return true;
    }
    let setting = Setting::of(snapshot);
    let mut asker = Asker::new(asking, progress);
    for (reader, atr) in &before {
        let what = format!("asking OpenSC again about the card in reader {}", escape(reader.as_bytes()));
        progress.during(&what, || asker.one(snapshot, &setting, reader, atr));
    }
    let after = done(snapshot);
    before.iter().all(|subject| after.contains(subject))
}
