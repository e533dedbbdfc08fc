//! What the content of a file is, by its beginning: structures, which go to [`super::recognise`], or text, which goes
//! to [`super::lines`].

use std::sync::Arc;

use memchr::memmem;
use serde_json::Value;

use super::artefact::Offer;
use super::closed;
use super::lines::{Lines, TOO_LARGE};
use super::mail;
use super::objects::each_object;
use super::recognise::{Found, MOST_DEPTH, Sink, jws, may_be_signed, ssh_signature, structures};
use crate::format::container;
use crate::format::{jose, ssh};

/// Of a file that is larger, only text is looked at, line by line.
pub use crate::crypto::IN_MEMORY;

/// All of a file that is in memory.
pub fn whole(bytes: &[u8], sink: &mut Sink<'_>) {
    whole_at(bytes, MOST_DEPTH, sink);
}

/// Looks through what is signed as through a file, and hands on everything else.
pub fn opened(found: Found, sink: &mut Sink<'_>) {
    match found {
        Found::Content { bytes, depth } => {
            whole_at(&bytes, depth, &mut |found| found.within().into_iter().for_each(&mut *sink));
        }
        found => sink(found),
    }
}

fn whole_at(bytes: &[u8], depth: u8, sink: &mut Sink<'_>) {
    let sink: &mut Sink<'_> = &mut |found| opened(found, sink);
    let mut count = 0;
    let mut counted = |found: Found| {
        count += 1;
        sink(found);
    };
    let text = container::as_text(bytes);
    if let Some(name) = closed::of_file(bytes).or_else(|| closed::of_text(&text)) {
        return counted(Found::NotOpened(name));
    }
    let mut behind: &[u8] = &[];
    if matches!(text.first(), Some(0x30 | 0x67 | 0x7F)) {
        behind = structures(&text, false, depth, &mut counted);
    } else if text.starts_with(ssh::SIGNATURE_MAGIC) {
        counted(ssh_signature(&text));
    }
    if count > 0 {
        // What somebody has put together, DER first, goes on as text.
        if memmem::find(behind, b"-----BEGIN ").is_some() {
            lines(behind, depth, sink);
        }
        return;
    }
    if is_text(&text) || memmem::find(&text, b"-----BEGIN ").is_some() {
        let part = mail::signed_part(&text).map(Arc::<[u8]>::from);
        let sink: &mut Sink<'_> = &mut |found| sink(mail::with_part(found, part.as_ref()));
        json(&text, depth, sink);
        lines(&text, depth, sink);
    }
}

fn lines(text: &[u8], depth: u8, sink: &mut Sink<'_>) {
    let mut lines = Lines::new(depth);
    for line in text.split(|&byte| byte == b'\n') {
        lines.line(line, sink);
    }
    lines.end(sink);
}

/// Is it text, by its beginning?
#[must_use]
pub fn is_text(bytes: &[u8]) -> bool {
    let start = bytes.get(..4_096).unwrap_or(bytes);
    !start.is_empty() && !start.iter().any(|byte| matches!(byte, 0..=8 | 14..=26 | 28..=31))
}

/// What a file that is too large to be held in memory is, by its beginning: text, or a structure that may be signed.
#[must_use]
pub fn large(start: &[u8], length: u64) -> Large {
    let is_text = is_text(start) || memmem::find(start, b"-----BEGIN ").is_some();
    match (may_be_signed(start, length), is_text, is_wide(start)) {
        (true, ..) => Large::Structure,
        (false, true, _) => Large::Text,
        (false, false, true) => Large::Wide,
        (false, false, false) => Large::Other,
    }
}

/// Is it text with two bytes a letter, by its beginning?
fn is_wide(start: &[u8]) -> bool {
    let even = start.get(..start.len().min(4_096) & !1).unwrap_or_default();
    let decoded = container::as_text(even);
    let is_marked = matches!(start, [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..]);
    (is_marked || decoded.len() != even.len()) && is_text(&decoded)
}

/// See [`large`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Large {
    /// What may be signed.
    Structure,
    /// Text.
    Text,
    /// Text in UTF-16, which is not read in pieces.
    Wide,
    /// Anything else.
    Other,
}

/// What a text is that is too large to be held in memory, and that is one thing as a whole.
#[derive(Debug)]
pub struct LargeText {
    is_json: bool,
    is_xml: bool,
    /// Of what makes it signed: in JSON a member, in XML a name and an element.
    has: [bool; 3],
}

impl LargeText {
    /// By its beginning.
    #[must_use]
    pub fn new(start: &[u8]) -> Self {
        let text = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start).trim_ascii_start();
        Self { is_json: text.starts_with(b"{"), is_xml: text.starts_with(b"<"), has: [false; 3] }
    }

    /// The next line, or the beginning of one.
    pub fn line(&mut self, line: &[u8]) {
        let has = |word: &[u8]| memmem::find(line, word).is_some();
        let [json, name, element] = &mut self.has;
        *json |= self.is_json && has(b"\"signature");
        *name |= self.is_xml && has(b"http://www.w3.org/2000/09/xmldsig#");
        *element |= self.is_xml && has(b"SignatureValue>");
    }

    /// Nothing comes any more.
    pub fn end(&self, sink: &mut Sink<'_>) {
        match self.has {
            [true, ..] => sink(Found::NotComputed(TOO_LARGE.to_owned())),
            [_, true, true] => sink(Found::NotOpened(closed::XML)),
            _ => {}
        }
    }
}

/// Text that is JSON: signatures or keys, alone, in an array, or one after the other.
fn json(text: &[u8], depth: u8, sink: &mut Sink<'_>) {
    /// Objects of one text.
    const MOST_OBJECTS: usize = 10_000;
    let has = |word: &[u8]| memmem::find(text, word).is_some();
    let is_json = matches!(text.trim_ascii_start().first(), Some(b'{' | b'['));
    if !is_json || !(has(b"\"signature") || has(b"\"kty\"")) {
        return;
    }
    let mut left = MOST_OBJECTS;
    each_object(text, &mut |value| {
        let Some(fewer) = left.checked_sub(1) else {
            let why = format!("only the first {MOST_OBJECTS} objects of its JSON were looked at");
            sink(Found::NotComputed(why));
            return false;
        };
        left = fewer;
        object(value, depth, sink);
        true
    });
}

/// An object of JSON: a signature, or keys.
fn object(value: &Value, depth: u8, sink: &mut Sink<'_>) {
    if jose::is_cut(value) {
        let most = jose::MOST;
        sink(Found::NotComputed(format!("of its signatures or keys only the first {most} were looked at")));
    }
    if jose::is_damaged(value) {
        sink(Found::NotComputed("a JSON Web Signature that does not decode".to_owned()));
    }
    jws(&jose::object(value), depth, sink);
    for key in jose::keys(value) {
        sink(Found::Key(Offer { called: key.key_id, ..Offer::bare(key.key) }));
    }
}
