//! Takes names out of a page before it is rendered, and puts pseudonyms in their place that show which are equal.
//!
//! What was observed says what a name is ([`Names`]): serial numbers, IDs, labels, subjects of certificates, hosts,
//! users, readers, services, and every path, component by component. They are found wherever they stand (`find`), also in
//! prose, in commands and in PKCS#11 URIs. What is OpenSC's own, or the same on every machine, stays: a report without
//! `opensc.conf` and `C401` would be of no use. Comments of a configuration are left out.

mod find;
mod names;
mod paths;

pub use names::Names;

use super::{Block, Cell, Page};
use crate::case::config::KEPT;
use crate::scconf::{TokenKind, tokens};
use find::Finder;

/// The page without names.
#[must_use]
pub fn redact(page: Page, names: Names) -> Page {
    let finder = Finder::new(names);
    let Page { title, blocks } = page;
    let blocks = blocks.into_iter().map(|block| match block {
        Block::Lines(lines) => Block::Lines(lines.into_iter().map(without_comment).collect()),
        other => other,
    });
    Page { title, blocks: blocks.collect() }.map(&|cell| match cell {
        Cell::Words(text) => Cell::Words(finder.without(&text)),
        Cell::Code(text) => Cell::Code(finder.without(&text)),
        Cell::Fixed(text) => Cell::Fixed(text),
    })
}

/// Whatever people write behind the mark of a comment: as OpenSC finds it, to whom a string ends with its line. Where the
/// line is not as it stands in the file (control characters, a part that was left out), at the first mark.
fn without_comment(cell: Cell) -> Cell {
    let text = cell.text();
    let mark = if text.contains("\\x") || text.len() >= KEPT {
        text.find('#')
    } else {
        let mut tokens = tokens(text.as_bytes()).into_iter();
        tokens.find(|token| token.kind == TokenKind::Comment).map(|token| token.range.start)
    };
    match mark.and_then(|at| text.get(..at)) {
        Some(before) => Cell::Code(format!("{before}# (left out)")),
        None => cell,
    }
}
