//! What holds for every text, whoever made it: for the fuzzer and for `tests/offline/scconf.rs`.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use stalecard::scconf::{Body, Dialect, Position, Statement, TokenKind, parse, tokens};

/// In both dialects, the text prints back as it was or is refused in a place inside of it.
pub fn kept_or_refused(text: &[u8]) {
    tiled(text);
    for dialect in [Dialect::Until022, Dialect::Since023] {
        check(text, dialect);
    }
}

/// The tokens tile the text.
fn tiled(text: &[u8]) {
    let mut end = 0;
    for token in tokens(text) {
        assert_eq!(token.range.start, end);
        assert!(token.range.end > token.range.start);
        end = token.range.end;
    }
    assert_eq!(end, text.len());
}

/// Nodes nest and do not overlap, and every token with a meaning belongs to a node or is one
/// that OpenSC ignores.
fn check(text: &[u8], dialect: Dialect) {
    let document = match parse(text, dialect) {
        Err(error) => {
            assert!(error.range.end <= text.len() && error.range.start < error.range.end);
            assert_eq!(error.position, Position::of(text, error.range.start));
            assert!(!error.to_string().is_empty());
            return;
        }
        Ok(document) => document,
    };
    let printed: Vec<u8> =
        document.tokens().iter().flat_map(|token| &text[token.range.clone()]).copied().collect();
    assert_eq!(printed, text);
    assert_eq!(document.text(), text);
    nested(document.root(), 0, text.len());
    for token in document.tokens() {
        let stray = token.kind == TokenKind::Punctuation(b';');
        let inside = document.root().0.iter().any(|statement| statement.range().contains(&token.range.start));
        if matches!(token.kind, TokenKind::Word { .. } | TokenKind::Punctuation(_)) && !stray {
            assert!(inside, "{token:?} of {text:?} is lost");
        }
        assert_eq!(document.position(token.range.start), Position::of(text, token.range.start));
    }
}

fn nested(body: &Body, start: usize, end: usize) {
    let mut last = start;
    for statement in &body.0 {
        let range = statement.range();
        assert!(last <= range.start && range.start < range.end && range.end <= end);
        last = range.end;
        if let Statement::Block(block) = statement {
            nested(&block.body, block.open + 1, block.close.unwrap_or(end));
        }
    }
}
