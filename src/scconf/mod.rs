//! The language of `opensc.conf` as OpenSC's own lexer and parser really read it.
//!
//! OpenSC accepts much that looks wrong, silently ignores much that looks
//! right, and with some texts builds a tree that kills it later. [`parse`]
//! follows it step by step, so that a [`Document`] means to us what the file
//! means to OpenSC. It is lossless: the tokens tile the text, every node
//! carries its byte range, and an unchanged document prints the same bytes.
//! What the settings mean to a program is not decided here but in
//! [`crate::opensc`].

pub mod edit;
pub mod foreign;
pub mod glyphs;
mod lexer;
mod parser;
mod position;
mod tree;

pub use lexer::{Quote, Token, TokenKind, tokens};
pub use parser::{Dialect, parse};
pub use position::{ParseError, Position, Spot, Why};
pub use tree::{
    Assignment, Block, Body, Discarded, Document, End, Key, Setting, Statement, Trap, TrapKind, Word,
};

#[cfg(test)]
mod tests;
