//! What OpenSC would put into a real cache at its next listing of a card: found by having it list the card over a copy, under
//! the settings that are in effect.
//!
//! Only what holds is given. The same copy is listed once more, and what comes of it has to be what is on the card: so it is
//! neither old nor does it turn old by being read. What the second listing does not take as it is (it grows) is no entry that
//! would serve anybody. What is flagged private is not given: where everything is cached, OpenSC is told to cache what is public.

use std::cell::Cell;
use std::collections::BTreeSet;

use super::aside;
use super::digest::Digester;
use super::entries::{self, Files, Which};
use super::idle::{Idle, Stop};
use super::place::Place;
use super::round::{End, Round, copies};
use super::setting::{Setting, Speaker, speakers};
use crate::observe::privacy::Privacy;
use crate::observe::progress::Progress;
use crate::repair::config::Goal;
use crate::safe_fs::observe_cache_dir;
use crate::snapshot::{
    AskEnd, AskTool, ByteString, Bytes, CacheDir, Card, Content, EntryName, Snapshot, Withheld,
};
use crate::text::escape;

/// An entry that is out of its cache: the real directory, and its name there.
pub type Taken = (ByteString, EntryName);

/// An entry that OpenSC would write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextEntry {
    /// The real directory of the cache.
    pub directory: ByteString,
    /// Its name there.
    pub name: EntryName,
    /// Its content.
    pub content: Vec<u8>,
}

/// What comes of the next listing of the cards whose entries were taken.
#[derive(Debug, Default)]
pub struct NextListing {
    /// What OpenSC would write.
    pub entries: Vec<NextEntry>,
    /// Of which cards that is not known, and why.
    pub left: Vec<(String, String)>,
}

/// A card, and what was taken of it.
struct Subject<'a> {
    card: &'a Card,
    taken: BTreeSet<&'a Taken>,
}

/// Finds out what OpenSC would write into the caches as they are in the snapshot, of the cards that `taken` is of.
#[must_use]
pub fn next_listing(snapshot: &Snapshot, taken: &BTreeSet<Taken>, progress: Progress) -> NextListing {
    let mut next = NextListing::default();
    let setting = Setting::of(snapshot);
    for subject in subjects(snapshot, taken) {
        let reader = escape(subject.card.reader.as_bytes());
        if let Some(other) = shares_names(snapshot, &subject) {
            let other = escape(other.as_bytes());
            let why = format!(
                "the card in reader {other} has the same serial number: what would be right for one is wrong for the other"
            );
            next.left.push((format!("card in reader {reader}"), why));
            continue;
        }
        let what = format!("asking OpenSC what it caches of the card in reader {reader}");
        match progress.during(&what, || of_card(snapshot, &setting, &subject)) {
            Ok(entries) => next.entries.extend(entries),
            Err(why) => next.left.push((format!("card in reader {reader}"), why)),
        }
    }
    next
}

/// The reader of another card whose entries have the same names, as far as serial numbers tell.
fn shares_names<'a>(snapshot: &'a Snapshot, subject: &Subject<'_>) -> Option<&'a str> {
    let serial = subject.card.serial.as_ref()?;
    let is_same = |other: &&Card| {
        let known = other.serial.as_ref().is_some_and(|known| known.eq_ignore_ascii_case(serial));
        known && other.reader != subject.card.reader
    };
    snapshot.cards.iter().find(is_same).map(|other| other.reader.as_str())
}

/// The cards in the readers, each with what was taken of it.
fn subjects<'a>(snapshot: &'a Snapshot, taken: &'a BTreeSet<Taken>) -> Vec<Subject<'a>> {
    let mut subjects: Vec<Subject<'a>> = Vec::new();
    let in_reader = |card: &Card| (card.reader.clone(), card.atr.clone());
    let readers: BTreeSet<(String, Bytes)> = snapshot.cards.iter().map(in_reader).collect();
    for card in &snapshot.cards {
        let is_of = |one: &&Taken| {
            let Some(name) = one.1.of_copy() else { return false };
            let serial = card
                .serial
                .as_ref()
                .is_some_and(|serial| serial.as_bytes().eq_ignore_ascii_case(name.serial.text().as_ref()));
            // Some cards have another number in the names than the one that they tell.
            serial || readers.len() == 1
        };
        let of_card: BTreeSet<&Taken> = taken.iter().filter(is_of).collect();
        let known = subjects.iter_mut().find(|known| in_reader(known.card) == in_reader(card));
        match known {
            // Two applications of one card.
            Some(known) => known.taken.extend(of_card),
            None if !of_card.is_empty() => subjects.push(Subject { card, taken: of_card }),
            None => {}
        }
    }
    subjects
}

/// What it writes of one card; the error says in a few words why that is not known.
fn of_card(snapshot: &Snapshot, setting: &Setting, subject: &Subject<'_>) -> Result<Vec<NextEntry>, String> {
    // A copy of this program clears up behind it.
    if !aside::is_the_program() {
        return Err("only the program itself can ask".to_owned());
    }
    let no_place = |why: std::io::Error| format!("there is no private directory: {why}");
    let mut place = Place::new().map_err(no_place)?;
    let digester = Digester::new().map_err(no_place)?;
    let Card { reader, atr, .. } = subject.card;
    let caches: Vec<(&CacheDir, Vec<Speaker>)> =
        snapshot.caches.iter().map(|dir| (dir, speakers(snapshot, dir))).collect();
    let read = caches.iter().filter(|(_, speakers)| !speakers.is_empty()).map(|(dir, _)| *dir);
    let needed = entries::needed(read);
    let concerned = |dir: &CacheDir| subject.taken.iter().any(|taken| taken.0 == dir.real_path());
    let caches: Vec<(&CacheDir, Vec<Speaker>)> =
        caches.into_iter().filter(|(dir, speakers)| concerned(dir) && !speakers.is_empty()).collect();
    if caches.is_empty() {
        return Ok(Vec::new());
    }
    let mut moved = String::new();
    for _ in 0..2 {
        let idle = match Idle::begin(reader, atr.as_slice(), None) {
            Ok(idle) => idle,
            Err(Stop::Moved(why) | Stop::Failed(why)) => return Err(why),
            Err(Stop::Held(who, _)) => {
                return Err(format!("OpenSC is asked only while nobody has the card: {who}"));
            }
        };
        let round = Round {
            setting,
            place: &mut place,
            digester: &digester,
            idle: &idle,
            needed: &needed,
            asks: Vec::new(),
            left: Vec::new(),
            is_listed: Cell::new(false),
        };
        match (Asking { snapshot, subject, round, live: Vec::new() }).all(&caches) {
            Ok(entries) => return Ok(entries),
            Err(End::For(AskEnd::ListsNothing(why))) => {
                return Err(format!("OpenSC shows nothing of it: {why}"));
            }
            Err(End::For(AskEnd::Failed(why) | AskEnd::NotIdle(why) | AskEnd::Restless(why))) => {
                return Err(why);
            }
            Err(End::For(AskEnd::Done | AskEnd::NoProgram)) => return Ok(Vec::new()),
            Err(End::Again(Stop::Failed(why))) => return Err(why),
            Err(End::Again(Stop::Held(why, _) | Stop::Moved(why))) => moved = why,
        }
    }
    Err(format!("{moved}, twice"))
}

/// One card, while nobody else has it.
struct Asking<'a, 'r> {
    snapshot: &'a Snapshot,
    subject: &'a Subject<'a>,
    round: Round<'r>,
    /// What each tool lists with caching off.
    live: Vec<(AskTool, Vec<String>)>,
}

impl Asking<'_, '_> {
    fn all(mut self, caches: &[(&CacheDir, Vec<Speaker>)]) -> Result<Vec<NextEntry>, End> {
        let mut all: Vec<NextEntry> = Vec::new();
        for (dir, speakers) in caches {
            let directory = dir.real_path();
            let mut files: Files = Vec::new();
            // What a program with settings of its own writes is its own affair.
            for speaker in speakers.iter().filter(|speaker| !speaker.stands_in) {
                for (name, content) in self.written(dir, speaker)? {
                    match files.iter().find(|(known, _)| *known == name) {
                        None => files.push((name, content)),
                        Some((_, known)) if *known == content => {}
                        Some(_) => {
                            return Err(unsure(
                                "programs with different settings would write different files",
                            ));
                        }
                    }
                }
            }
            let entry = |(name, content): (EntryName, Vec<u8>)| NextEntry {
                directory: directory.clone(),
                name,
                content,
            };
            all.extend(files.into_iter().map(entry));
        }
        Ok(all)
    }

    /// What the next listing for one kind of program adds to one cache.
    fn written(&mut self, dir: &CacheDir, speaker: &Speaker) -> Result<Files, End> {
        let directory = dir.real_path();
        let taken: BTreeSet<EntryName> = self
            .subject
            .taken
            .iter()
            .filter(|taken| taken.0 == directory)
            .map(|taken| taken.1.clone())
            .collect();
        let mut serials: BTreeSet<Vec<u8>> = taken.iter().filter_map(serial_of).collect();
        // A card may have another number by now: then its other entries belong into the copy, too.
        for _ in 0..2 {
            let files = self.added(dir, speaker, &taken, &serials)?;
            let others: BTreeSet<Vec<u8>> = files.iter().filter_map(|(name, _)| serial_of(name)).collect();
            if others.is_subset(&serials) {
                return Ok(files);
            }
            serials.extend(others);
        }
        Err(unsure("its number is another one at each listing"))
    }

    fn added(
        &mut self,
        dir: &CacheDir,
        speaker: &Speaker,
        taken: &BTreeSet<EntryName>,
        serials: &BTreeSet<Vec<u8>>,
    ) -> Result<Files, End> {
        let (before, left) = entries::read(dir, &Which::Of(serials.clone()));
        if let Some(why) = left {
            return Err(unsure(&why));
        }
        let room = self.round.place.room(&[copies(&before), copies(self.round.needed)].concat())?;
        let goal = self.goal(speaker);
        let is_new = |name: &EntryName| before.iter().all(|(known, _)| known != name);
        let mut tools = vec![speaker.tool];
        self.round.listed(&room, speaker.tool, goal)?;
        let mut files = self.round.written(&room)?;
        // What the first tool never reads the second does; of that only what had been there.
        let is_missing = |name: &EntryName| files.iter().all(|(known, _)| known != name);
        if speaker.tool == AskTool::Pkcs15 && speaker.programs.len() > 1 && taken.iter().any(is_missing) {
            tools.push(AskTool::Pkcs11);
            let first: BTreeSet<EntryName> = files.iter().map(|(name, _)| name.clone()).collect();
            self.round.listed(&room, AskTool::Pkcs11, goal)?;
            files = self.round.written(&room)?;
            files.retain(|(name, _)| first.contains(name) || taken.contains(name));
        }
        files.retain(|(name, _)| is_new(name));
        if files.is_empty() {
            return Ok(files);
        }
        for tool in tools {
            let (shown, _) = self.round.listed(&room, tool, goal)?;
            if !self.is_of_card(tool, &shown)? {
                return Err(unsure(
                    "with what it would write OpenSC would still show something else than the card (tried on a copy)",
                ));
            }
        }
        let again = self.round.written(&room)?;
        files.retain(|file| again.contains(file));
        let private = self.private(dir, &room.cache);
        files.retain(|(name, _)| !private.contains(name));
        Ok(files)
    }

    /// Is this what is on the card?
    fn is_of_card(&mut self, tool: AskTool, shown: &[String]) -> Result<bool, End> {
        if !self.live.iter().any(|(known, _)| *known == tool) {
            let listed = self.round.of_card(tool)?;
            self.live.push((tool, listed));
        }
        let live = self.live.iter().find(|(known, _)| *known == tool);
        if live.is_some_and(|(_, blocks)| blocks == shown) {
            return Ok(true);
        }
        // Some OpenSC lists a card otherwise with caching off than with it: then a new cache that lists the same twice stands
        // for the card.
        let room = self.round.place.room(&copies(self.round.needed))?;
        for _ in 0..2 {
            if self.round.listed(&room, tool, Some(Goal::Yes))?.0 != shown {
                return Ok(false);
            }
        }
        let is_same = self.round.of_card(tool)?;
        Ok(self.live.iter().any(|(known, blocks)| *known == tool && *blocks == is_same))
    }

    /// As it is configured; where that is to cache everything, what is public.
    fn goal(&self, speaker: &Speaker) -> Option<Goal> {
        (speaker.caches_all && self.round.setting.knows_public()).then_some(Goal::Public)
    }

    /// What is flagged private among the files of a copy.
    fn private(&self, dir: &CacheDir, copy: &std::path::Path) -> BTreeSet<EntryName> {
        let privacy = Privacy::of(self.snapshot);
        let (mut seen, _) = observe_cache_dir(copy, dir.origin, false, &|name| privacy.classify(name));
        privacy.withhold(&mut seen);
        let is_private = |content: &Content| matches!(content, Content::Withheld(Withheld::Private));
        seen.entries.into_iter().filter(|entry| is_private(&entry.content)).map(|entry| entry.name).collect()
    }
}

fn serial_of(name: &EntryName) -> Option<Vec<u8>> {
    name.of_copy().map(|name| name.serial.text().into_owned())
}

fn unsure(why: &str) -> End {
    End::For(AskEnd::Failed(why.to_owned()))
}
