//! From bytes to tokens, with the habits of OpenSC's `sclex.c`:
//!
//! - punctuation and `#` count only where a token begins; inside a bare word
//!   they are ordinary characters, so `use_file_caching=yes` is one word;
//! - a quoted word ends at the quote or at the end of the line, knows no escape,
//!   and without its closing quote swallows the line end (or, at the end of
//!   the file, gains a byte FF);
//! - a NUL ends any token and disappears with it.

use std::ops::Range;

/// One token or piece of white space. The ranges of all tokens tile the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Its bytes in the text.
    pub range: Range<usize>,
}

/// Kind of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenKind {
    /// Blanks, tabs and carriage returns.
    Space,
    /// One LF.
    Newline,
    /// From `#` to before the end of the line.
    Comment,
    /// One of `{ } = ; ,`.
    Punctuation(u8),
    /// A bare or quoted word.
    Word {
        /// The characters OpenSC keeps, without quotes.
        value: Vec<u8>,
        /// How it was quoted.
        quote: Quote,
    },
}

/// How a word was quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quote {
    /// Not at all.
    Bare,
    /// In double quotes.
    Closed,
    /// Opened by a quote that is not closed on its line; the value is not what was meant.
    Unclosed,
}

/// Splits a text into tokens. Every text has tokens; only the parser refuses.
#[must_use]
pub fn tokens(text: &[u8]) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&first) = text.get(at) {
        let (kind, end) = match first {
            b' ' | b'\t' | b'\r' => (TokenKind::Space, skip_space(text, at)),
            b'\n' => (TokenKind::Newline, at + 1),
            b'#' => (TokenKind::Comment, run(text, at + 1, b"\r\n").after_nul()),
            b'{' | b'}' | b'=' | b';' | b',' => (TokenKind::Punctuation(first), at + 1),
            b'"' => quoted(text, at),
            _ => bare(text, at),
        };
        tokens.push(Token { kind, range: at..end });
        at = end;
    }
    tokens
}

/// Where a run of ordinary characters ended.
struct Run {
    /// First byte that is not part of it.
    end: usize,
    /// It was ended by a NUL, which OpenSC consumes unseen.
    nul: bool,
}

impl Run {
    const fn after_nul(&self) -> usize {
        if self.nul { self.end + 1 } else { self.end }
    }
}

fn run(text: &[u8], start: usize, stops: &[u8]) -> Run {
    let rest = text.get(start..).unwrap_or_default();
    let length = rest.iter().position(|b| *b == 0 || stops.contains(b)).unwrap_or(rest.len());
    Run { end: start + length, nul: rest.get(length) == Some(&0) }
}

fn skip_space(text: &[u8], start: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    start + rest.iter().position(|b| !matches!(b, b' ' | b'\t' | b'\r')).unwrap_or(rest.len())
}

fn bare(text: &[u8], at: usize) -> (TokenKind, usize) {
    // A NUL at the beginning is not kept but still begins a word.
    let start = if text.get(at) == Some(&0) { at + 1 } else { at };
    let run = run(text, start.max(at + 1), b";, \t\r\n");
    let raw = text.get(start..run.end).unwrap_or_default();
    (unquote(raw.to_vec()), run.after_nul())
}

fn quoted(text: &[u8], at: usize) -> (TokenKind, usize) {
    let run = run(text, at + 1, b"\"\r\n");
    let mut raw = text.get(at..run.end).unwrap_or_default().to_vec();
    // Whatever stopped the run is kept; after a NUL it is the byte behind it.
    let last = run.after_nul();
    let end = match text.get(last) {
        Some(&byte) => {
            if byte != 0 {
                raw.push(byte);
            }
            last + 1
        }
        None => {
            raw.push(0xFF);
            text.len()
        }
    };
    (unquote(raw), end)
}

/// OpenSC looks for quotes in the finished token, whichever way it was read.
fn unquote(raw: Vec<u8>) -> TokenKind {
    match raw.split_first() {
        Some((b'"', inside)) => match inside.split_last() {
            Some((b'"', value)) => TokenKind::Word { value: value.to_vec(), quote: Quote::Closed },
            _ => TokenKind::Word { value: inside.to_vec(), quote: Quote::Unclosed },
        },
        _ => TokenKind::Word { value: raw, quote: Quote::Bare },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &[u8]) -> Vec<Vec<u8>> {
        tokens(text)
            .into_iter()
            .filter_map(|t| match t.kind {
                TokenKind::Word { value, .. } => Some(value),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn punctuation_counts_only_at_the_start_of_a_token() {
        assert_eq!(words(b"use_file_caching=yes;"), [b"use_file_caching=yes"]);
        assert_eq!(words(b"default{ yes} a#b"), [&b"default{"[..], b"yes}", b"a#b"]);
        assert_eq!(words(b"=yes;"), [b"yes"]);
        assert_eq!(words(b"// /*"), [&b"//"[..], b"/*"]);
    }

    #[test]
    fn quotes_have_no_escapes_and_end_with_the_line() {
        assert_eq!(words(b"\"a b\" \"\""), [&b"a b"[..], b""]);
        assert_eq!(words(b"\"a\\\"b\""), [&b"a\\"[..], b"b\""]);
        assert_eq!(words(b"\"yes;\nx"), [&b"yes;\n"[..], b"x"]);
        assert_eq!(words(b"\"yes"), [b"yes\xFF"]);
        assert_eq!(words(b"'yes'"), [b"'yes'"]);
    }

    #[test]
    fn a_nul_ends_a_token_and_vanishes() {
        assert_eq!(words(b"a\0b"), [b"a", b"b"]);
        assert_eq!(words(b"\0a"), [b"a"]);
        assert_eq!(words(b"\0;"), [b""]);
        assert_eq!(words(b"\"ye\0\""), [b"ye"]);
        assert_eq!(words(b"\"ye\0s\""), [&b"yes"[..], b"\xFF"]);
        assert_eq!(words(b"# c\0 d"), [b"d"]);
        assert_eq!(words(b"\0\"ab c\""), [&b"ab"[..], b"c\""]);
    }
}
