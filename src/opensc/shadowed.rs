//! Cache settings that look alive and have no effect on a program.
//!
//! OpenSC says nothing about any of them: it takes the first block, the first
//! duplicate and the first name, and ignores what it does not know.

use crate::scconf::{Block, Body, Document, Spot, Statement, Word};
use crate::snapshot::ByteString;

/// The settings that decide about the cache.
pub(super) const SETTINGS: [&str; 2] = ["use_file_caching", "file_cache_dir"];

/// A cache setting without effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shadowed {
    /// The whole statement.
    pub at: Spot,
    /// The key as written.
    pub key: ByteString,
    /// Its first value.
    pub value: Option<ByteString>,
    /// Why it has no effect.
    pub why: WhyShadowed,
}

/// Why a setting has no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyShadowed {
    /// The block sets the same key before.
    LaterDuplicate,
    /// Another `framework pkcs15` block, at this place, wins whole.
    OtherFramework(Spot),
    /// An earlier `app` block of the same name, at this place, is the one that counts.
    DuplicateApp(Spot),
    /// The program is only the second name of the block, and only the first counts.
    SecondName,
    /// It does not stand in a `framework pkcs15` block.
    OutsideFramework,
    /// It does not stand in an `app` block.
    OutsideApp,
    /// There is no `=` of its own, for example in `use_file_caching=yes;`.
    NotAnAssignment,
}

/// Finds them. `names` are the program's block names, `apps` its blocks, `winner` the
/// `framework pkcs15` block that decides.
pub(super) fn find(
    document: &Document,
    names: &[&[u8]],
    apps: &[&Block],
    winner: Option<&Block>,
) -> Vec<Shadowed> {
    let mut finder = Finder { document, winner, found: Vec::new() };
    for statement in &document.root().0 {
        let Statement::Block(block) = statement else {
            finder.statement(statement, WhyShadowed::OutsideApp);
            continue;
        };
        if !block.key.is("app") {
            finder.body(&block.body, WhyShadowed::OutsideApp);
            continue;
        }
        let is_name = |word: &[u8]| names.iter().any(|name| name.eq_ignore_ascii_case(word));
        let holds_winner = winner.is_some_and(|winner| block.range.contains(&winner.range.start));
        let is_second = || block.names.iter().skip(1).any(|word| is_name(&word.value));
        if apps.iter().any(|app| app.range == block.range) {
            if !holds_winner && is_second() {
                // It names the program, which has another block.
                finder.second(&block.body);
            } else {
                finder.app(block);
            }
        } else if is_name(block.name()) {
            let first = apps.iter().find(|app| app.name().eq_ignore_ascii_case(block.name()));
            let at = document.spot(&first.map_or(0..0, |app| app.key.word().range.clone()));
            finder.body(&block.body, WhyShadowed::DuplicateApp(at));
        } else if is_second() {
            finder.body(&block.body, WhyShadowed::SecondName);
        }
    }
    finder.found
}

struct Finder<'a> {
    document: &'a Document,
    winner: Option<&'a Block>,
    found: Vec<Shadowed>,
}

impl Finder<'_> {
    /// A block that counts for the program.
    fn app(&mut self, app: &Block) {
        for statement in &app.body.0 {
            match statement {
                Statement::Block(b) if b.key.is("framework") && b.name().eq_ignore_ascii_case(b"pkcs15") => {
                    match self.winner {
                        Some(winner) if winner.range == b.range => self.effective(&b.body),
                        Some(winner) => {
                            let at = self.document.spot(&winner.key.word().range);
                            self.body(&b.body, WhyShadowed::OtherFramework(at));
                        }
                        None => {}
                    }
                }
                other => self.statement(other, WhyShadowed::OutsideFramework),
            }
        }
    }

    /// A block that only names the program: what the one that decides says, too, has the effect that it seems to have.
    fn second(&mut self, body: &Body) {
        let mut others = self.found.split_off(0);
        self.body(body, WhyShadowed::SecondName);
        let decides = |shadowed: &Shadowed| {
            let setting = self.winner?.body.setting(std::str::from_utf8(&shadowed.key.0).ok()?).ok()??;
            Some(setting.first?.value.clone())
        };
        let told = self.found.iter().filter(|one| {
            let own = one.value.as_ref().map(|value| value.0.clone());
            own.is_none() || own != decides(one)
        });
        others.extend(told.cloned());
        self.found = others;
    }

    /// The block that decides: everything but the assignment that holds the first value.
    fn effective(&mut self, body: &Body) {
        let firsts =
            SETTINGS.map(|key| (key, body.setting(key).ok().flatten().and_then(|setting| setting.first)));
        for statement in &body.0 {
            match statement {
                Statement::Assignment(a) => {
                    // The same value once more has the effect that it seems to have.
                    let holds = |first: &Word| {
                        a.range.contains(&first.range.start)
                            || a.values.first().is_some_and(|word| word.value == first.value)
                    };
                    let effective = firsts
                        .iter()
                        .filter(|(key, _)| a.key.is(key))
                        .any(|(_, first)| first.is_none_or(holds));
                    if !effective {
                        self.statement(statement, WhyShadowed::LaterDuplicate);
                    }
                }
                other => self.statement(other, WhyShadowed::OutsideFramework),
            }
        }
    }

    fn body(&mut self, body: &Body, why: WhyShadowed) {
        for statement in &body.0 {
            self.statement(statement, why);
        }
    }

    fn statement(&mut self, statement: &Statement, why: WhyShadowed) {
        match statement {
            Statement::Block(block) => self.body(&block.body, why),
            Statement::Assignment(a) if SETTINGS.iter().any(|key| a.key.is(key)) => {
                self.push(statement, a.key.word(), a.values.first(), why);
            }
            Statement::Assignment(_) => {}
            Statement::Discarded(discarded) => {
                let begins = |word: &Word| {
                    SETTINGS.iter().any(|key| {
                        word.value.get(..key.len()).is_some_and(|k| k.eq_ignore_ascii_case(key.as_bytes()))
                    })
                };
                if let Some(word) = discarded.words.iter().find(|word| begins(word)) {
                    self.push(statement, word, None, WhyShadowed::NotAnAssignment);
                }
            }
        }
    }

    fn push(&mut self, statement: &Statement, key: &Word, value: Option<&Word>, why: WhyShadowed) {
        self.found.push(Shadowed {
            at: self.document.spot(statement.range()),
            key: ByteString(key.value.clone()),
            value: value.map(|word| ByteString(word.value.clone())),
            why,
        });
    }
}
