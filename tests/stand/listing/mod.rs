//! What the real tools print, as values: the oracle of the tests.
//!
//! What it hides: the layout of the listings. All of them are blocks: a line at the margin, then
//! indented `name: value` lines. Everything a block says is kept in `fields`, so that a test may ask
//! for what no parser here gave a name to. Seen with OpenSC 0.23; names are compared loosely where
//! later versions differ.

mod pkcs11;
mod pkcs15;
mod sc_hsm;

pub use pkcs11::{Pkcs11Listing, Pkcs11Object};
pub use pkcs15::{Kind, Pkcs15Listing, Pkcs15Object};
pub use sc_hsm::ScHsmStatus;

/// A line at the margin and what is indented below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    pub head: String,
    pub fields: Vec<(String, String)>,
}

impl Block {
    /// The value of the first field of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    fn owned(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }
}

/// Cuts a listing into blocks. An indented line without a colon continues the value above it (hex dumps).
pub fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if !line.starts_with([' ', '\t']) {
            blocks.push(Block { head: line.trim_end().to_owned(), fields: Vec::new() });
            continue;
        }
        let Some(block) = blocks.last_mut() else { continue };
        match (field(line), block.fields.last_mut()) {
            (Some((name, value)), _) => block.fields.push((name.trim().to_owned(), value.trim().to_owned())),
            (None, Some((_, value))) => {
                value.push(' ');
                value.push_str(line.trim());
            }
            (None, None) => block.fields.push((line.trim().to_owned(), String::new())),
        }
    }
    blocks
}

/// Splits at the first colon that ends a word: names hold colons too (`MD:guid`).
fn field(line: &str) -> Option<(&str, &str)> {
    let at = line
        .match_indices(':')
        .map(|(at, _)| at)
        .find(|at| line[at + 1..].chars().next().is_none_or(char::is_whitespace))?;
    Some((&line[..at], &line[at + 1..]))
}

/// The number at the start of a text like `129 (0x81)`.
fn number(text: &str) -> Option<u32> {
    let digits = text.trim_start();
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

/// The text between the first `open` and the last `close` (labels may hold brackets of their own).
fn between(text: &str, open: char, close: char) -> Option<&str> {
    let start = text.find(open)? + open.len_utf8();
    let end = text.rfind(close)?;
    text.get(start..end)
}
