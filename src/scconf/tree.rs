//! What a parsed file holds, and how OpenSC's `scconf.c` looks things up in it.
//!
//! The tree keeps every statement as it was written. OpenSC's own list merges
//! assignments of the same key; [`Body::setting`] does that on the way.
//! A comment (or an empty line) in the middle of a statement takes the key away
//! from it: the statement stays, with [`Key::Lost`], and the first search
//! that meets it compares with a null pointer. [`Trap`] is that meeting.

use std::ops::Range;

use super::lexer::{Quote, Token, TokenKind};
use super::{Position, Spot};

/// A file that OpenSC accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    text: Vec<u8>,
    tokens: Vec<Token>,
    root: Body,
    /// Where lines begin, so that the many positions of a long file are found at once.
    lines: Vec<usize>,
}

/// The statements of a file or block, in the order of the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Body(pub Vec<Statement>);

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// `key = value, value;`
    Assignment(Assignment),
    /// `key name { … }`
    Block(Block),
    /// Words that OpenSC silently forgets.
    Discarded(Discarded),
}

/// `key = value, value;`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// From the key to the `;`, or to the last value or comma where there is none.
    pub range: Range<usize>,
    /// The key.
    pub key: Key,
    /// Words between key and `=`: without effect.
    pub ignored: Vec<Word>,
    /// Place of the `=`.
    pub equals: usize,
    /// The values.
    pub values: Vec<Word>,
    /// What ended it.
    pub end: End,
}

/// `key name, name { … }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// From the key to the `}`, or to the end of the file where there is none.
    pub range: Range<usize>,
    /// The key, for example `app` or `framework`.
    pub key: Key,
    /// The names; OpenSC compares only the first.
    pub names: Vec<Word>,
    /// Place of the `{`.
    pub open: usize,
    /// What stands inside.
    pub body: Body,
    /// Place of the `}`; a block that is never closed ends with the file.
    pub close: Option<usize>,
}

/// Words without `=` or `{`, discarded by a `;` or by the end of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discarded {
    /// From the first word to the `;`, or to the last word or comma where there is none.
    pub range: Range<usize>,
    /// The words.
    pub words: Vec<Word>,
}

/// The key of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// As written.
    Written(Word),
    /// Written, but taken away by the comment or empty line behind it.
    Lost {
        /// The word that was meant.
        word: Word,
        /// The comment, or the line end that closes the empty line.
        taken_by: Range<usize>,
    },
}

/// A word and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Its bytes in the text, quotes included.
    pub range: Range<usize>,
    /// The characters OpenSC keeps.
    pub value: Vec<u8>,
    /// How it was quoted.
    pub quote: Quote,
}

/// What ended an assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Its `;`.
    Semicolon,
    /// The `}` of its block: a warning in OpenSC.
    Brace,
    /// The next word, which begins another statement: a warning in OpenSC.
    NextWord,
    /// The end of the file.
    File,
}

/// A setting as OpenSC's readers see it: all assignments of one key in a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting<'a> {
    /// The assignments in order; there is at least one.
    pub assignments: Vec<&'a Assignment>,
    /// The first value of the joined list, which is the only one scalar readers look at.
    pub first: Option<&'a Word>,
}

/// A statement without a key, met by a search: OpenSC dies of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trap {
    /// What lost its key.
    pub kind: TrapKind,
    /// The word that was meant as key.
    pub key: Word,
    /// The comment or empty line that took it.
    pub taken_by: Range<usize>,
}

/// What kind of statement lost its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrapKind {
    /// An assignment: any search for a setting that gets this far dies.
    Assignment,
    /// A block: any search for a block in the same place dies.
    Block,
}

impl Document {
    pub(super) fn new(text: Vec<u8>, tokens: Vec<Token>, root: Body) -> Self {
        let ends = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let lines = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
        Self { text, tokens, root, lines }
    }

    /// The text it was parsed from, which is also how it prints.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// All tokens, white space included; they tile the text.
    #[must_use]
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The comments, in order.
    pub fn comments(&self) -> impl Iterator<Item = Range<usize>> {
        self.tokens.iter().filter(|t| t.kind == TokenKind::Comment).map(|t| t.range.clone())
    }

    /// The statements outside every block.
    #[must_use]
    pub const fn root(&self) -> &Body {
        &self.root
    }

    /// Line and column of a byte.
    #[must_use]
    pub fn position(&self, offset: usize) -> Position {
        let offset = offset.min(self.text.len());
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = line.checked_sub(1).and_then(|index| self.lines.get(index)).copied().unwrap_or_default();
        Position { line, column: offset - start + 1 }
    }

    /// A part of the text with its place.
    #[must_use]
    pub fn spot(&self, range: &Range<usize>) -> Spot {
        Spot { start: range.start, end: range.end, position: self.position(range.start) }
    }
}

impl Body {
    /// The blocks `key name { … }` in order, as `scconf_find_blocks` finds them:
    /// keys and names without regard to case, only the first name, any name for `None`.
    /// The search looks at every block here, also behind a match.
    ///
    /// # Errors
    /// A [`Trap`] if one of the blocks has lost its key.
    pub fn blocks(&self, key: &str, name: Option<&[u8]>) -> Result<Vec<&Block>, Trap> {
        let mut found = Vec::new();
        for block in self.all_blocks() {
            match &block.key {
                Key::Lost { word, taken_by } => return Err(Trap::new(TrapKind::Block, word, taken_by)),
                Key::Written(word) => {
                    let named = name.is_none_or(|name| block.name().eq_ignore_ascii_case(name));
                    if word.value.eq_ignore_ascii_case(key.as_bytes()) && named {
                        found.push(block);
                    }
                }
            }
        }
        Ok(found)
    }

    /// The setting `key`, as `scconf_find_list` finds it. The search ends at the first match.
    ///
    /// # Errors
    /// A [`Trap`] if an assignment before the match has lost its key.
    pub fn setting(&self, key: &str) -> Result<Option<Setting<'_>>, Trap> {
        let mut assignments = self.assignments().skip_while(|a| !a.key.is(key) && !a.key.is_lost());
        match assignments.next() {
            None => Ok(None),
            Some(Assignment { key: Key::Lost { word, taken_by }, .. }) => {
                Err(Trap::new(TrapKind::Assignment, word, taken_by))
            }
            Some(first) => {
                let mut all = vec![first];
                all.extend(assignments.filter(|a| a.key.is(key)));
                let value = all.iter().find_map(|a| a.values.first());
                Ok(Some(Setting { assignments: all, first: value }))
            }
        }
    }

    /// The assignments standing directly here.
    pub fn assignments(&self) -> impl Iterator<Item = &Assignment> {
        self.0.iter().filter_map(|s| match s {
            Statement::Assignment(a) => Some(a),
            _ => None,
        })
    }

    /// The blocks standing directly here.
    pub fn all_blocks(&self) -> impl Iterator<Item = &Block> {
        self.0.iter().filter_map(|s| match s {
            Statement::Block(b) => Some(b),
            _ => None,
        })
    }
}

impl Statement {
    /// Its bytes in the text.
    #[must_use]
    pub const fn range(&self) -> &Range<usize> {
        match self {
            Self::Assignment(a) => &a.range,
            Self::Block(b) => &b.range,
            Self::Discarded(d) => &d.range,
        }
    }
}

impl Block {
    /// The name OpenSC compares: the first one, empty if there is none.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        self.names.first().map_or(&[], |word| &word.value)
    }
}

impl Key {
    /// Whether a search for `key` matches it (without regard to case).
    #[must_use]
    pub fn is(&self, key: &str) -> bool {
        matches!(self, Self::Written(word) if word.value.eq_ignore_ascii_case(key.as_bytes()))
    }

    /// Whether a comment or an empty line took it away.
    #[must_use]
    pub const fn is_lost(&self) -> bool {
        matches!(self, Self::Lost { .. })
    }

    /// The word as written, lost or not.
    #[must_use]
    pub const fn word(&self) -> &Word {
        match self {
            Self::Written(word) | Self::Lost { word, .. } => word,
        }
    }
}

impl Trap {
    fn new(kind: TrapKind, key: &Word, taken_by: &Range<usize>) -> Self {
        Self { kind, key: key.clone(), taken_by: taken_by.clone() }
    }
}
