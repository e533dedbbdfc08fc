//! Finds names wherever they stand in a text: those that are known, the longest first; and whatever looks like a path, an
//! address or a long number, whether it is known or not.

use std::cell::RefCell;
use std::ops::Bound::{Included, Unbounded};

use super::names::Names;
use super::paths::number;

/// From this length on a name is found inside of a longer word, too: a card's name is the serial number and more.
const UNMISTAKABLE: usize = 8;

/// What is known, ready to be looked for.
#[derive(Debug)]
pub(super) struct Finder {
    names: RefCell<Names>,
    /// The bytes with which names begin.
    begins: [bool; 256],
}

impl Finder {
    pub(super) fn new(names: Names) -> Self {
        let mut begins = [false; 256];
        for first in names.known.keys().filter_map(|text| text.bytes().next()) {
            if let Some(begins) = begins.get_mut(usize::from(first)) {
                *begins = true;
            }
        }
        Self { names: RefCell::new(names), begins }
    }

    /// The text with pseudonyms in the place of names.
    pub(super) fn without(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        let mut before: Option<char> = None;
        while let Some(first) = rest.chars().next() {
            let taken = match self.taken(before, rest) {
                Some((taken, name)) => {
                    out.push_str(&name);
                    taken.max(first.len_utf8())
                }
                None => {
                    out.push(first);
                    first.len_utf8()
                }
            };
            let (gone, left) = rest.split_at_checked(taken).unwrap_or((rest, ""));
            before = gone.chars().next_back();
            rest = left;
        }
        out
    }

    /// How much of what is to come is a name, and what stands for it.
    fn taken(&self, before: Option<char>, rest: &str) -> Option<(usize, String)> {
        let known = self.known(before, rest);
        let is_below = |text: &str| rest.get(text.len()..).is_some_and(|rest| rest.starts_with('/'));
        let length = path(before, rest);
        let names = || self.names.borrow_mut();
        match (known, length) {
            // Below a known directory, whatever it is called.
            (Some((text, name)), _) if text.starts_with('/') && is_below(text) => {
                let more = rest.get(text.len()..).unwrap_or_default();
                let length = end_of_path(before, more);
                let more = more.get(..length).unwrap_or_default();
                Some((text.len() + length, format!("{name}{}", names().pseudonym_of(more))))
            }
            (Some((text, name)), _) => Some((text.len(), name)),
            (None, Some(length)) => {
                Some((length, names().pseudonym_of(rest.get(..length).unwrap_or_default())))
            }
            (None, None) => {
                let (kind, length) = address(before, rest)
                    .map(|length| ("address", length))
                    .or_else(|| number(before, rest).map(|length| ("number", length)))?;
                Some((length, names().named(kind, rest.get(..length).unwrap_or_default()).to_string()))
            }
        }
    }

    /// The longest name that is known and stands here, as a part of this text, with its pseudonym.
    ///
    /// In the order of texts a name stands before whatever begins with it. So the last one up to here is that name, or it
    /// tells how much of what is to come any name has at most.
    fn known<'r>(&self, before: Option<char>, rest: &'r str) -> Option<(&'r str, String)> {
        let first = rest.bytes().next()?;
        if !self.begins.get(usize::from(first)).is_some_and(|begins| *begins) {
            return None;
        }
        let names = self.names.borrow();
        let mut upto = rest;
        while !upto.is_empty() {
            let (text, name) = names.known.range::<str, _>((Unbounded, Included(upto))).next_back()?;
            let is_here = rest.starts_with(&**text);
            if is_here && is_whole(before, text, rest) {
                return Some((rest.get(..text.len())?, name.to_string()));
            }
            let common = if is_here { text.len().saturating_sub(1) } else { common(text, rest) };
            upto = (0..=common).rev().find_map(|end| rest.get(..end))?;
        }
        None
    }
}

/// How many bytes two texts have in common at their beginnings.
fn common(one: &str, other: &str) -> usize {
    one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count()
}

/// Does a name begin and end here as a word? A short one has to stand by itself.
fn is_whole(before: Option<char>, name: &str, rest: &str) -> bool {
    let after = rest.get(name.len()..).and_then(|rest| rest.chars().next());
    if name.starts_with('/') {
        return !after.is_some_and(|c| c.is_alphanumeric() || matches!(c, '-' | '_'));
    }
    if name.len() >= UNMISTAKABLE {
        return true;
    }
    let part_of_word =
        |c: char| c.is_alphanumeric() || (name.len() < 4 && matches!(c, ':' | '-' | '.' | '+'));
    let starts =
        name.chars().next().is_none_or(|c| !c.is_alphanumeric()) || !before.is_some_and(part_of_word);
    let ends =
        name.chars().next_back().is_none_or(|c| !c.is_alphanumeric()) || !after.is_some_and(part_of_word);
    starts && ends
}

/// The length of an absolute path that begins here: in quotes up to these, else up to the next blank.
fn path(before: Option<char>, rest: &str) -> Option<usize> {
    let is_begun =
        before.is_none_or(|c| c.is_whitespace() || matches!(c, '"' | '\'' | '(' | '=' | '[' | ',' | ':'));
    if !is_begun || !rest.starts_with('/') {
        return None;
    }
    let length = end_of_path(before, rest);
    (length > 2).then_some(length)
}

fn end_of_path(before: Option<char>, rest: &str) -> usize {
    let quote = before.filter(|c| matches!(c, '"' | '\'')).filter(|quote| rest.contains(*quote));
    let length = match quote {
        Some(quote) => rest.find(quote),
        None => rest
            .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ')' | ',' | ';' | ']' | ':' | '`')),
    };
    rest.get(..length.unwrap_or(rest.len())).map_or(0, |path| path.trim_end_matches('.').len())
}

/// The length of an e-mail address that begins here. A unit of systemd is none.
fn address(before: Option<char>, rest: &str) -> Option<usize> {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '+' | '@');
    if before.is_some_and(part) {
        return None;
    }
    let word = rest.get(..rest.find(|c| !part(c)).unwrap_or(rest.len()))?.trim_end_matches('.');
    let (account, domain) = word.split_once('@')?;
    (!account.is_empty() && domain.contains('.') && !domain.ends_with(".service")).then_some(word.len())
}
