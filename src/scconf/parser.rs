//! From tokens to a tree, with the state machine of OpenSC's `parse.c`.
//!
//! A word begins a statement; `{` makes it a block, `=` an assignment, `;` ends
//! whatever it is and is welcome anywhere. A comment, or an empty line, is an item
//! of its own, and if it stands behind a key it takes the key with it.

use std::ops::Range;

use super::lexer::{Token, TokenKind, tokens};
use super::tree::{Assignment, Block, Body, Discarded, Document, End, Key, Statement, Word};
use super::{ParseError, Position, Why};

/// Which generation of OpenSC's parser reads the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Up to 0.22: no limit of nesting, and a value behind a comment is not refused.
    Until022,
    /// From 0.23.
    Since023,
}

/// Number of open blocks at which a further `{` or `,` is refused since 0.23.
const DEPTH_LIMIT: usize = 16;
/// Our own limit where OpenSC has none, so that the tree never gets too deep to walk.
const DEPTH_WE_FOLLOW: usize = 500;

/// Reads a configuration text as OpenSC does.
///
/// # Errors
/// A [`ParseError`] where OpenSC gives up and drops the whole file.
pub fn parse(text: &[u8], dialect: Dialect) -> Result<Document, ParseError> {
    let tokens = tokens(text);
    let mut parser = Parser::new(dialect);
    for token in &tokens {
        if let Err(why) = parser.token(token) {
            let (position, range) = (Position::of(text, token.range.start), token.range.clone());
            return Err(ParseError { position, range, why, tokens: tokens.into() });
        }
    }
    let root = parser.finish(text.len());
    Ok(Document::new(text.to_vec(), tokens, root))
}

/// What the parser is in the middle of.
enum State {
    /// Between statements.
    Idle,
    /// Behind a key: names may follow, then `{` or `=`.
    Named { key: Key, names: Vec<Word>, comma_needed: bool, end: usize },
    /// Behind `=`.
    Valued { assignment: Assignment, comma_needed: bool, interrupted: Option<Interruption> },
}

/// An item of OpenSC's list that has pushed itself between `=` and the next value.
#[derive(Clone, Copy)]
enum Interruption {
    Comment,
    EmptyLine,
}

/// A block that is still open.
struct Frame {
    key: Key,
    names: Vec<Word>,
    open: usize,
    outer: Body,
}

struct Parser {
    dialect: Dialect,
    state: State,
    body: Body,
    frames: Vec<Frame>,
    after_newline: bool,
}

impl Parser {
    const fn new(dialect: Dialect) -> Self {
        Self { dialect, state: State::Idle, body: Body(Vec::new()), frames: Vec::new(), after_newline: false }
    }

    fn token(&mut self, token: &Token) -> Result<(), Why> {
        let newline = match &token.kind {
            TokenKind::Space => return Ok(()),
            TokenKind::Newline => {
                if self.after_newline {
                    self.comment(&token.range, Interruption::EmptyLine);
                }
                true
            }
            TokenKind::Comment => {
                self.comment(&token.range, Interruption::Comment);
                false
            }
            TokenKind::Word { value, quote } => {
                self.word(Word { range: token.range.clone(), value: value.clone(), quote: *quote })?;
                false
            }
            TokenKind::Punctuation(byte) => {
                self.punctuation(*byte, &token.range)?;
                false
            }
        };
        self.after_newline = newline;
        Ok(())
    }

    /// The key moves to the comment; what remains has none. Only the first comment finds one.
    fn comment(&mut self, range: &Range<usize>, kind: Interruption) {
        match &mut self.state {
            State::Idle => {}
            State::Named { key, .. } => {
                if let Key::Written(word) = key {
                    *key = Key::Lost { word: word.clone(), taken_by: range.clone() };
                }
            }
            State::Valued { interrupted, .. } => *interrupted = Some(kind),
        }
    }

    fn word(&mut self, word: Word) -> Result<(), Why> {
        if matches!(self.state, State::Valued { comma_needed: true, .. }) {
            // A missing `;` is only a warning: this word begins the next statement.
            self.close_statement(End::NextWord, None);
        }
        match &mut self.state {
            State::Idle => {
                let end = word.range.end;
                let key = Key::Written(word);
                self.state = State::Named { key, names: Vec::new(), comma_needed: false, end };
            }
            State::Named { comma_needed: true, .. } => return Err(Why::Word),
            State::Named { names, comma_needed, end, .. } => {
                *end = word.range.end;
                names.push(word);
                *comma_needed = true;
            }
            State::Valued { assignment, comma_needed, interrupted } => {
                *comma_needed = true;
                assignment.range.end = word.range.end;
                match (*interrupted, self.dialect) {
                    (None, _) => assignment.values.push(word),
                    (Some(_), Dialect::Since023) => return Err(Why::ValueAfterComment),
                    // The word joins the empty line's item and is never found.
                    (Some(Interruption::EmptyLine), Dialect::Until022) => {}
                    (Some(Interruption::Comment), Dialect::Until022) => {
                        return Err(Why::Undefined("the text of a comment is followed as a list of values"));
                    }
                }
            }
        }
        Ok(())
    }

    fn punctuation(&mut self, byte: u8, range: &Range<usize>) -> Result<(), Why> {
        if matches!(byte, b'{' | b',') {
            let (limit, why) = match self.dialect {
                Dialect::Since023 => (DEPTH_LIMIT, Why::TooDeep),
                Dialect::Until022 => (DEPTH_WE_FOLLOW, Why::Undefined("blocks are nested too deeply")),
            };
            if self.frames.len() >= limit {
                return Err(why);
            }
        }
        match byte {
            b'{' => self.open(range.start),
            b'}' => self.close(range),
            b'=' => self.equals(range),
            b',' => match &mut self.state {
                State::Idle => Err(Why::Punctuation(',')),
                State::Named { comma_needed, end, .. }
                | State::Valued {
                    comma_needed,
                    assignment: Assignment { range: Range { end, .. }, .. },
                    ..
                } => {
                    *comma_needed = false;
                    *end = range.end;
                    Ok(())
                }
            },
            _ => {
                self.close_statement(End::Semicolon, Some(range.end));
                Ok(())
            }
        }
    }

    fn open(&mut self, at: usize) -> Result<(), Why> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Named { key, names, .. } => {
                let outer = std::mem::take(&mut self.body);
                self.frames.push(Frame { key, names, open: at, outer });
                Ok(())
            }
            _ => Err(Why::Punctuation('{')),
        }
    }

    fn equals(&mut self, range: &Range<usize>) -> Result<(), Why> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Named { key, names, .. } => {
                let assignment = Assignment {
                    range: key.word().range.start..range.end,
                    key,
                    ignored: names,
                    equals: range.start,
                    values: Vec::new(),
                    end: End::File,
                };
                self.state = State::Valued { assignment, comma_needed: false, interrupted: None };
                Ok(())
            }
            _ => Err(Why::Punctuation('=')),
        }
    }

    fn close(&mut self, range: &Range<usize>) -> Result<(), Why> {
        match self.state {
            State::Idle => {}
            State::Valued { comma_needed: true, .. } => self.close_statement(End::Brace, None),
            _ => return Err(Why::Punctuation('}')),
        }
        self.close_block(range.end, Some(range.start)).ok_or(Why::Unmatched)
    }

    fn close_block(&mut self, end: usize, close: Option<usize>) -> Option<()> {
        let Frame { key, names, open, outer } = self.frames.pop()?;
        let body = std::mem::replace(&mut self.body, outer);
        let range = key.word().range.start..end;
        self.body.0.push(Statement::Block(Block { range, key, names, open, body, close }));
        Some(())
    }

    /// Ends the statement under way; `after` is the end of its `;`, if it has one.
    fn close_statement(&mut self, end: End, after: Option<usize>) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle => {}
            State::Named { key, names, end, .. } => {
                let mut words = vec![key.word().clone()];
                words.extend(names);
                let range = key.word().range.start..after.unwrap_or(end);
                self.body.0.push(Statement::Discarded(Discarded { range, words }));
            }
            State::Valued { mut assignment, .. } => {
                assignment.range.end = after.unwrap_or(assignment.range.end);
                assignment.end = end;
                self.body.0.push(Statement::Assignment(assignment));
            }
        }
    }

    /// At the end of the file everything still open counts as closed.
    fn finish(mut self, end: usize) -> Body {
        self.close_statement(End::File, None);
        while self.close_block(end, None).is_some() {}
        self.body
    }
}
