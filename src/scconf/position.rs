//! Places in a configuration, and why one makes OpenSC drop the whole file.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::lexer::Token;

/// A place in a text, counted from 1 as editors do; columns count bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line, ended by LF.
    pub line: usize,
    /// Byte within the line.
    pub column: usize,
}

impl Position {
    /// The position of byte `offset` of `text`.
    #[must_use]
    pub fn of(text: &[u8], offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
        Self {
            line: before.iter().filter(|&&b| b == b'\n').count() + 1,
            column: before.len() - line_start + 1,
        }
    }
}

/// A part of a text: its bytes, and where the first of them stands. What is found by the parser keeps both up to
/// the report, so that nobody counts lines or reads tokens again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spot {
    /// Its first byte.
    pub start: usize,
    /// The byte behind its last one.
    pub end: usize,
    /// Line and column of the first byte.
    pub position: Position,
}

impl Spot {
    /// Its bytes.
    #[must_use]
    pub const fn range(&self) -> Range<usize> {
        self.start..self.end
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.position.fmt(f)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Why OpenSC drops the whole file, and where. Blocks before the place are lost as well.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{position}: {why}")]
pub struct ParseError {
    /// The place of the token that was refused.
    pub position: Position,
    /// That token's bytes.
    pub range: Range<usize>,
    /// What is wrong with it.
    pub why: Why,
    /// All tokens of the text, for whoever looks for the cause before the place.
    pub tokens: Arc<[Token]>,
}

/// What is wrong with a refused token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// A word where `=`, `{`, `,` or `;` has to come.
    #[error("a word is not allowed here")]
    Word,
    /// A value after a comment or an empty line that followed the `=` (refused since 0.23).
    #[error("a comment or an empty line stands between `=` and this value")]
    ValueAfterComment,
    /// One of `{`, `}`, `=`, `,` where it cannot stand.
    #[error("`{0}` is not allowed here")]
    Punctuation(char),
    /// A `}` without an open block.
    #[error("there is no open block for this `}}`")]
    Unmatched,
    /// Since 0.23: a `{` or a `,` inside sixteen open blocks.
    #[error("sixteen blocks are open already")]
    TooDeep,
    /// OpenSC does not refuse this, but what it does is not predictable.
    #[error("what OpenSC does here is undefined: {0}")]
    Undefined(&'static str),
}
