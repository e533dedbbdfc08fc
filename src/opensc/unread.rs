//! What OpenSC passes over in a file that it can parse, besides the cache settings (those: `shadowed`): settings
//! in a block where it does not look for them, or of a name that it does not look for at all; blocks that it does
//! not look for; words without `=`; and what another line or block decides. Pure.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

use super::known::{self, Kind, Known, Room};
use super::reading::Reading;
use super::shadowed::SETTINGS;
use super::{Program, Version};
use crate::scconf::glyphs::plain;
use crate::scconf::{Assignment, Block, Body, Discarded, Document, Setting, Spot, Statement, Trap};
use crate::snapshot::ByteString;

/// A statement that has no effect, or not on a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// The whole statement; of a block, its key and names.
    pub at: Spot,
    /// Its key as written.
    pub key: ByteString,
    /// Why.
    pub why: WhyUnread,
}

/// Why a statement has no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyUnread {
    /// It stands outside of every `app` block; the setting that is meant, if one is.
    OutsideApp(Option<&'static Known>),
    /// It is looked for in another block.
    OtherBlock(&'static Known),
    /// There is no such setting; the one that may be meant.
    NoSuchSetting(Option<&'static Known>),
    /// Only other releases look for it.
    OtherReleases(&'static RangeInclusive<u16>),
    /// No block of this kind is looked for here; the one that may be meant.
    NoSuchBlock(Option<String>),
    /// A block that belongs into an `app` block.
    BlockOutsideApp,
    /// There is no `=`; the setting that is meant.
    NotAnAssignment(&'static Known),
    /// No other file is read.
    Include,
    /// Of the names of this block only the first counts; the one that counts for nothing.
    SecondName(ByteString),
    /// The same setting stands before it in its block, with another value.
    LaterDuplicate(Spot),
    /// The first block of the kind, at this place, is the one that counts.
    SecondBlock(Spot),
    /// For a program: what stands here, in a block behind its own, decides.
    Overridden(Spot),
    /// For a program: the block at this place, in an `app` block before this one, wins whole.
    HiddenBlock(Spot),
}

/// What no program reads.
#[must_use]
pub fn unread(document: &Document, version: Version) -> Vec<Unread> {
    let mut finder = Finder { document, version, found: Vec::new() };
    let mut apps: Vec<&Block> = Vec::new();
    for statement in &document.root().0 {
        match statement {
            Statement::Assignment(assignment) => finder.outside(assignment),
            Statement::Discarded(discarded) => finder.discarded(discarded),
            Statement::Block(block) if block.key.is("app") => {
                let first = apps.iter().find(|app| app.name().eq_ignore_ascii_case(block.name()));
                match first {
                    Some(first) if !block.key.is_lost() => finder.second(block, first),
                    _ => {
                        let named = |name: &[u8]| {
                            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
                            Program::called(&name, &BTreeMap::new(), version).is_some()
                        };
                        finder.names(block, named);
                        finder.body(Room::App, &block.body);
                    }
                }
                apps.push(block);
            }
            Statement::Block(block) => finder.block_outside(block),
        }
    }
    finder.found
}

/// Whether every setting that begins in a part of the text stands where it is looked for.
#[must_use]
pub fn is_read(document: &Document, part: &Range<usize>, version: Version) -> bool {
    fn inside(body: &Body, room: Option<Room>, is_root: bool, part: &Range<usize>, version: Version) -> bool {
        body.0.iter().filter(|statement| statement.range().start < part.end).all(
            |statement| match statement {
                Statement::Assignment(a) => {
                    let known = || known::setting(room?, &a.key.word().value, version);
                    !part.contains(&a.range.start) || known().is_some()
                }
                Statement::Block(block) if block.range.end <= part.start => true,
                Statement::Block(block) => {
                    let key = &block.key.word().value;
                    let kind = match room {
                        None => (is_root && block.key.is("app")).then_some(Room::App),
                        Some(room) => known::block(room, key, block.name()),
                    };
                    inside(&block.body, kind, false, part, version)
                }
                Statement::Discarded(discarded) => !part.contains(&discarded.range.start),
            },
        )
    }
    inside(document.root(), None, true, part, version)
}

impl Reading<'_> {
    /// What has no effect on one program, besides what no program reads.
    pub(super) fn unread(&self, program: &Program) -> Result<Vec<Unread>, Trap> {
        let apps = self.app_blocks(program)?;
        let mut found = Vec::new();
        let push = |found: &mut Vec<Unread>, assignment: &Assignment, why| {
            found.push(Unread {
                at: self.document.spot(&assignment.range),
                key: ByteString(assignment.key.word().value.clone()),
                why,
            });
        };
        for (index, app) in apps.iter().enumerate() {
            let behind = apps.get(index + 1..).unwrap_or_default();
            for (key, wins) in DECIDED_BY_THE_LAST {
                let Some(own) = app.body.setting(key)? else { continue };
                for other in behind {
                    if let Some(other) = other.body.setting(key)?
                        && values(&own) != values(&other)
                        && wins(&other)
                        && let (Some(assignment), Some(by)) = (own.assignments.first(), other.first)
                    {
                        push(&mut found, assignment, WhyUnread::Overridden(self.document.spot(&by.range)));
                        break;
                    }
                }
            }
        }
        // Of these blocks the first one wins whole.
        let mut winners: Vec<(Room, &Block)> = Vec::new();
        for app in &apps {
            for block in app.body.all_blocks().filter(|block| !block.key.is_lost()) {
                let room = known::block(Room::App, &block.key.word().value, block.name());
                let Some(room) = room.filter(|room| room.first_wins()) else { continue };
                let Some((_, winner)) = winners.iter().find(|(known, _)| *known == room) else {
                    winners.push((room, block));
                    continue;
                };
                if app.body.all_blocks().any(|own| own.range == winner.range) {
                    continue;
                }
                for assignment in block.body.assignments().filter(|assignment| !assignment.key.is_lost()) {
                    let key = &assignment.key.word().value;
                    let decided = SETTINGS.iter().any(|cache| assignment.key.is(cache))
                        || winner
                            .body
                            .assignments()
                            .any(|own| own.key.word().value.eq_ignore_ascii_case(key));
                    if !decided && known::setting(room, key, self.version).is_some() {
                        let by = self.document.spot(&winner.key.word().range);
                        push(&mut found, assignment, WhyUnread::HiddenBlock(by));
                    }
                }
            }
        }
        Ok(found)
    }
}

type Wins = fn(&Setting<'_>) -> bool;

/// Settings of an `app` block for which a block further behind, and so `default`, decides: where it has the setting at
/// all, or where it switches on.
const DECIDED_BY_THE_LAST: [(&str, Wins); 5] = [
    ("card_drivers", |other| other.first.is_some()),
    ("debug_file", |other| other.first.is_some()),
    ("enable_default_driver", is_on),
    ("disable_popups", is_on),
    ("disable_colors", is_on),
];

fn is_on(setting: &Setting<'_>) -> bool {
    matches!(setting.first.map(|word| word.value.as_slice()), Some([b't' | b'T' | b'y' | b'Y', ..]))
}

fn values<'a>(setting: &Setting<'a>) -> Vec<&'a [u8]> {
    let words = setting.assignments.iter().flat_map(|assignment| &assignment.values);
    words.map(|word| word.value.as_slice()).collect()
}

struct Finder<'a> {
    document: &'a Document,
    version: Version,
    found: Vec<Unread>,
}

impl Finder<'_> {
    /// The statements of a block that OpenSC looks into.
    fn body(&mut self, room: Room, body: &Body) {
        // The first of each name. Some names are open at their end: they are told apart by what is written.
        let mut first: BTreeMap<Vec<u8>, &Assignment> = BTreeMap::new();
        let mut blocks: Vec<(Room, &Block)> = Vec::new();
        for statement in &body.0 {
            match statement {
                Statement::Assignment(a) if a.key.is_lost() || is_about_the_cache(a) => {}
                Statement::Assignment(a) => match known::setting(room, &a.key.word().value, self.version) {
                    Some(setting) => {
                        let key = a.key.word().value.to_ascii_lowercase();
                        match first.get(&key) {
                            Some(first) => self.duplicate(setting, first, a),
                            None if a.values.is_empty() => {}
                            None => drop(first.insert(key, a)),
                        }
                    }
                    None => self.misplaced(room, a),
                },
                Statement::Block(b) if b.key.is_lost() => {}
                Statement::Block(b) => {
                    let Some(kind) = known::block(room, &b.key.word().value, b.name()) else {
                        let near = known::nearest_block(room, &plain(&b.key.word().value), &plain(b.name()));
                        self.block(b, WhyUnread::NoSuchBlock(near));
                        continue;
                    };
                    match blocks.iter().find(|(known, _)| *known == kind) {
                        Some((_, first)) if kind.first_wins() => self.second(b, first),
                        _ => {
                            blocks.push((kind, b));
                            self.names(b, |name| known::block(room, &b.key.word().value, name).is_some());
                            self.body(kind, &b.body);
                        }
                    }
                }
                Statement::Discarded(discarded) => self.discarded(discarded),
            }
        }
    }

    fn duplicate(&mut self, known: &Known, first: &Assignment, second: &Assignment) {
        let joins = known.kind.is_list();
        let value = |assignment: &Assignment| {
            let word = assignment.values.first().map(|word| word.value.to_ascii_lowercase());
            // `false` and `no` are one.
            let is_switch = known.kind == Kind::Switch;
            word.map(|word| {
                if is_switch {
                    vec![u8::from(word.starts_with(b"t") || word.starts_with(b"y"))]
                } else {
                    word
                }
            })
        };
        if !joins && value(first) != value(second) {
            let by = self.document.spot(&first.range);
            self.push(second, WhyUnread::LaterDuplicate(by));
        }
    }

    /// A setting that is not looked for in its block.
    fn misplaced(&mut self, room: Room, assignment: &Assignment) {
        let key = &assignment.key.word().value;
        let why = match (known::other_releases(room, key), self.meant(assignment, Some(room))) {
            (Some(releases), _) => WhyUnread::OtherReleases(releases),
            (None, Some((true, known))) => WhyUnread::OtherBlock(known),
            (None, meant) => WhyUnread::NoSuchSetting(meant.map(|(_, known)| known)),
        };
        self.push(assignment, why);
    }

    /// The setting that is meant, and whether it is called so: also where another word stands before its name.
    fn meant(&self, assignment: &Assignment, room: Option<Room>) -> Option<(bool, &'static Known)> {
        let key = &assignment.key.word().value;
        if let Some(known) = known::named(key, self.version).next() {
            return Some((true, known));
        }
        let mut words = std::iter::once(key).chain(assignment.ignored.iter().map(|word| &word.value));
        words.find_map(|word| known::nearest(room, &plain(word), self.version)).map(|known| (false, known))
    }

    fn outside(&mut self, assignment: &Assignment) {
        if !assignment.key.is_lost() && !is_about_the_cache(assignment) {
            let meant = self.meant(assignment, None).map(|(_, known)| known);
            self.push(assignment, WhyUnread::OutsideApp(meant));
        }
    }

    fn block_outside(&mut self, block: &Block) {
        if block.key.is_lost() {
            return;
        }
        let key = plain(&block.key.word().value);
        let why = match known::block(Room::App, &key, block.name()) {
            Some(_) => WhyUnread::BlockOutsideApp,
            None if strsim::levenshtein(&String::from_utf8_lossy(&key).to_ascii_lowercase(), "app") <= 1 => {
                WhyUnread::NoSuchBlock(Some("app".to_owned()))
            }
            None => WhyUnread::NoSuchBlock(None),
        };
        self.block(block, why);
    }

    /// Names behind the first that could be one.
    fn names(&mut self, block: &Block, is_one: impl Fn(&[u8]) -> bool) {
        if let Some(second) = block.names.iter().skip(1).find(|word| is_one(&word.value)) {
            self.block(block, WhyUnread::SecondName(ByteString(second.value.clone())));
        }
    }

    fn second(&mut self, block: &Block, first: &Block) {
        let by = self.document.spot(&first.key.word().range);
        self.block(block, WhyUnread::SecondBlock(by));
    }

    /// A block that is not looked at, told as one; where it holds cache settings those are told instead.
    fn block(&mut self, block: &Block, why: WhyUnread) {
        if block.body.0.is_empty() || holds_cache_settings(&block.body) {
            return;
        }
        let head = block.names.last().map_or(&block.key.word().range, |name| &name.range);
        let range = block.range.start..head.end;
        let key = ByteString(self.document.text().get(range.clone()).unwrap_or_default().to_vec());
        self.found.push(Unread { at: self.document.spot(&range), key, why });
    }

    fn discarded(&mut self, discarded: &Discarded) {
        let Some(word) = discarded.words.first() else { return };
        let head = word.value.split(|b| matches!(b, b'=' | b':')).next().unwrap_or_default();
        let is_include =
            matches!(word.value.trim_ascii_start(), b"include" | b".include" | b"@include" | b"!include");
        let looks_set = discarded.words.len() > 1 || head.len() < word.value.len();
        let why = if is_include {
            WhyUnread::Include
        } else if SETTINGS.iter().any(|cache| starts_with(&word.value, cache)) {
            // Told with the cache settings.
            return;
        } else if let Some(known) = known::named(head, self.version).next() {
            WhyUnread::NotAnAssignment(known)
        } else if let Some(known) = known::nearest(None, &plain(head), self.version).filter(|_| looks_set) {
            WhyUnread::NotAnAssignment(known)
        } else {
            return;
        };
        let key = ByteString(word.value.clone());
        self.found.push(Unread { at: self.document.spot(&discarded.range), key, why });
    }

    fn push(&mut self, assignment: &Assignment, why: WhyUnread) {
        self.found.push(Unread {
            at: self.document.spot(&assignment.range),
            key: ByteString(assignment.key.word().value.clone()),
            why,
        });
    }
}

fn is_about_the_cache(assignment: &Assignment) -> bool {
    SETTINGS.iter().any(|cache| assignment.key.is(cache))
}

fn starts_with(word: &[u8], start: &str) -> bool {
    word.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
}

/// Whether cache settings stand in a body, at whatever depth.
fn holds_cache_settings(body: &Body) -> bool {
    body.0.iter().any(|statement| match statement {
        Statement::Assignment(assignment) => is_about_the_cache(assignment),
        Statement::Block(block) => holds_cache_settings(&block.body),
        Statement::Discarded(discarded) => {
            discarded.words.iter().any(|word| SETTINGS.iter().any(|cache| starts_with(&word.value, cache)))
        }
    })
}
