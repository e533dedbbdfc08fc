//! What stands in text, line by line, so that a file of any length takes the memory of its largest structure: PEM (RFC
//! 7468) and its relatives wherever they stand, LDIF (RFC 2849), Base64 with one structure a line or over many lines,
//! SPKAC, JSON Web Signatures, keys and certificates of OpenSSH, and the index of `openssl ca`.

use std::borrow::Cow;

use data_encoding::{BASE64, BASE64_NOPAD};
use memchr::memmem;

use super::artefact::Offer;
use super::recognise::{Found, Sink, jws, may_be_signed, ssh_signature, structures, too_deep};
use super::{closed, of_containers};
use crate::format::tlv::first;
use crate::format::{ca_index, jose, pem, ssh};
use crate::text::escape;

/// Digits of one structure.
const MOST_DIGITS: usize = 24 << 20;
/// What may stand before a block in its first line.
const MOST_BEFORE: usize = 200;
/// Said of what would be more.
pub const TOO_LARGE: &str = "it may be signed, and is larger than 16 MiB: too large to be looked at";
/// Bytes of a line; what is longer is cut.
pub const MOST_LINE: usize = MOST_DIGITS;

/// The lines of a file, one after the other.
#[derive(Debug)]
pub struct Lines {
    /// Containers within containers that are looked at.
    depth: u8,
    /// The PEM block that we are in.
    block: Option<Block>,
    /// The value of LDIF that we are in.
    value: Option<Digits>,
    /// Base64 without armour.
    digits: Digits,
}

/// A PEM block.
#[derive(Debug)]
struct Block {
    label: String,
    /// What stands before each of its lines: a mark of what is quoted, of a comment, of a string.
    before: Vec<u8>,
    headers: pem::Headers,
    digits: Digits,
}

/// Digits of Base64.
#[derive(Debug, Default)]
struct Digits {
    bytes: Vec<u8>,
    /// Were there more than are kept?
    is_cut: bool,
}

impl Lines {
    /// Before the first. `depth`: containers within containers that are looked at.
    pub fn new(depth: u8) -> Self {
        Self { depth, block: None, value: None, digits: Digits::default() }
    }

    /// The next line, without its end.
    pub fn line(&mut self, line: &[u8], sink: &mut Sink<'_>) {
        // Ends as on Windows, however often it was written so; and those of old.
        let end = line.iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last + 1);
        for line in line.get(..end).unwrap_or_default().split(|&byte| byte == b'\r') {
            self.one(line, sink);
        }
    }

    /// The beginning of a line that is too long to be held.
    pub fn cut(&mut self, start: &[u8], sink: &mut Sink<'_>) {
        if let Some(block) = &mut self.block {
            block.digits.is_cut = true;
            return;
        }
        self.end(sink);
        let line = start.trim_ascii_start();
        let digits = value_of(line).unwrap_or(line);
        let armour = memmem::find(line, b"-----BEGIN ").and_then(|place| line.get(place..));
        if jose::is_header(line) || armour.is_some_and(is_armour_of_signed) || begins_like_signed(digits) {
            sink(Found::NotComputed(TOO_LARGE.to_owned()));
        }
    }

    fn one(&mut self, raw: &[u8], sink: &mut Sink<'_>) {
        let line = raw.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(raw).trim_ascii();
        if let Some((label, before)) = begin(line) {
            self.end(sink);
            let (label, before) = (label.to_owned(), before.to_owned());
            let headers = pem::Headers::of_block(behind(raw, &before));
            self.block = Some(Block { label, before, headers, digits: Digits::default() });
            return;
        }
        if let Some(Block { label, before, headers, digits }) = &mut self.block {
            let own = behind(raw, before);
            let line = unquoted(line, before);
            if line.starts_with(b"-----END ") {
                let (label, digits) = (std::mem::take(label), std::mem::take(digits));
                self.block = None;
                block(&label, &digits, self.depth, sink);
            } else if !headers.has(own) {
                digits.push(line);
            }
            return;
        }
        if let Some(value) = self.value.as_mut().filter(|_| raw.first() == Some(&b' ')) {
            value.push(line);
            return;
        }
        self.end_value(sink);
        if in_one_line(line, self.depth, sink) {
            return self.end_digits(sink);
        }
        if let Some(value) = value_of(line).or_else(|| line.strip_prefix(b"SPKAC=")) {
            self.end_digits(sink);
            let mut digits = Digits::default();
            digits.push(value);
            self.value = Some(digits);
        } else if is_digits(line) {
            self.digits_of(line, sink);
        } else {
            self.end_digits(sink);
            text(line, self.depth, sink);
        }
    }

    /// Nothing comes any more.
    pub fn end(&mut self, sink: &mut Sink<'_>) {
        self.end_value(sink);
        self.end_digits(sink);
        if let Some(Block { label, .. }) = self.block.take() {
            cut_off(&label, "it is cut off", sink);
        }
    }

    /// A line that is Base64: a structure of its own, or a part of one.
    fn digits_of(&mut self, line: &[u8], sink: &mut Sink<'_>) {
        let own = if self.digits.bytes.is_empty() { BASE64.decode(line).ok() } else { None };
        match own.filter(|bytes| first(bytes).is_some_and(|one| one.rest.is_empty() && one.raw.len() > 2)) {
            Some(bytes) => {
                let _ = structures(&bytes, false, self.depth, sink);
            }
            None => self.digits.push(line),
        }
    }

    fn end_digits(&mut self, sink: &mut Sink<'_>) {
        let digits = std::mem::take(&mut self.digits);
        // No DER of a signed structure begins in another way.
        if matches!(digits.bytes.first(), Some(b'M' | b'f' | b'Z' | b'L')) {
            digits.structures(self.depth, sink);
        }
    }

    fn end_value(&mut self, sink: &mut Sink<'_>) {
        if let Some(digits) = self.value.take() {
            digits.structures(self.depth, sink);
        }
    }
}

impl Digits {
    /// Adds digits without the blanks between them, as long as they can be those of one structure.
    fn push(&mut self, line: &[u8]) {
        if self.bytes.len() + line.len() <= MOST_DIGITS {
            self.bytes.extend(line.iter().filter(|byte| !byte.is_ascii_whitespace()));
        } else {
            self.is_cut = true;
        }
    }

    /// What they are, if they are of something that may be signed.
    fn structures(&self, depth: u8, sink: &mut Sink<'_>) {
        if self.is_cut {
            if begins_like_signed(&self.bytes) {
                sink(Found::NotComputed(TOO_LARGE.to_owned()));
            }
        } else if let Ok(bytes) = BASE64.decode(&self.bytes) {
            decoded(&bytes, depth, sink);
        }
    }
}

/// What stands in Base64: structures, or PEM, which is decoded once more.
fn decoded(bytes: &[u8], depth: u8, sink: &mut Sink<'_>) {
    if !bytes.starts_with(b"-----BEGIN ") {
        let _ = structures(bytes, false, depth, sink);
    } else if let Some(depth) = depth.checked_sub(1) {
        let mut lines = Lines::new(depth);
        bytes.split(|&byte| byte == b'\n').for_each(|line| lines.line(line, sink));
        lines.end(sink);
    } else {
        sink(too_deep());
    }
}

/// The label of a line that begins a block, and what stands before it: no word, the one that names it, or what ends with a
/// quotation mark.
fn begin(line: &[u8]) -> Option<(&str, &[u8])> {
    // Several in one line are no label.
    let is_label = |label: &&str| !label.contains("-----");
    if let Some(label) = pem::label(line, "BEGIN").filter(is_label) {
        return Some((label, &[]));
    }
    let place = memmem::find(line.get(..MOST_BEFORE).unwrap_or(line), b"-----BEGIN ")?;
    let (before, rest) = line.split_at_checked(place)?;
    let is_mark = before.iter().all(|byte| !byte.is_ascii_alphanumeric());
    let quote = before.len().checked_sub(1).and_then(|last| before.get(last..)).unwrap_or_default();
    let is_string = matches!(quote, b"\"" | b"'" | b"`");
    let is_named = is_mark || is_string || quote == b">" || is_name(before);
    let label = pem::label(without_end(rest), "BEGIN").filter(is_label).filter(|_| is_named)?;
    // Of a string that goes on in others each begins alike.
    let own = if is_mark { before.trim_ascii() } else { quote };
    Some((label, if is_mark || is_string { own } else { &[] }))
}

/// Is it one word and a blank, as Git, YAML and the like name what follows?
fn is_name(before: &[u8]) -> bool {
    let word = before.trim_ascii();
    before.ends_with(b" ") && !word.iter().any(u8::is_ascii_whitespace)
}

/// A line of a block behind what stands before each of them, with the blanks that follow.
fn behind<'l>(raw: &'l [u8], before: &[u8]) -> &'l [u8] {
    match before {
        [] => raw.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(raw),
        before => raw.trim_ascii_start().strip_prefix(before).unwrap_or(raw),
    }
}

/// A line of a block without what stands before and behind each of its lines.
fn unquoted<'l>(line: &'l [u8], before: &[u8]) -> &'l [u8] {
    match before {
        [] => line,
        before => without_end(line.strip_prefix(before).unwrap_or(line).trim_ascii()),
    }
}

/// Without the end of a string, and the escape of the end of a line in it.
fn without_end(mut line: &[u8]) -> &[u8] {
    const ENDS: [&[u8]; 8] = [b"\\n", b"\\r", b"\" +", b"\"", b"'", b",", b";", b"\\"];
    while let Some(rest) = ENDS.iter().find_map(|end| line.strip_suffix(*end)) {
        line = rest.trim_ascii_end();
    }
    line
}

/// Blocks that stand in one line, the ends of their own lines written as escapes or blanks, as JSON and environments have them.
/// Were there any?
fn in_one_line(line: &[u8], depth: u8, sink: &mut Sink<'_>) -> bool {
    /// Nothing that is signed has fewer digits.
    const LEAST: usize = 64;
    let (mut rest, mut is_any) = (line, false);
    while let Some(text) = memmem::find(rest, b"-----BEGIN ").and_then(|place| rest.get(place..)) {
        rest = text.get(11..).unwrap_or_default();
        let Some((name, after)) = memmem::find(rest, b"-----").and_then(|end| rest.split_at_checked(end))
        else {
            break;
        };
        let Some(end) = memmem::find(after, b"-----END ") else { break };
        let digits = unescaped(after.get(5..end).unwrap_or_default());
        rest = after.get(end..).unwrap_or_default();
        if let Ok(label) = std::str::from_utf8(name)
            && digits.len() >= LEAST
            && is_digits(&digits)
        {
            is_any = true;
            block(label.trim(), &Digits { bytes: digits, is_cut: false }, depth, sink);
        }
    }
    is_any
}

/// Digits without blanks, and without the escapes of such.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut bytes = text.iter().copied();
    let mut digits = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        match byte {
            // "\/" is a digit, the others are blanks, however often they are escaped.
            b'\\' => digits.extend(bytes.find(|byte| *byte != b'\\').filter(|byte| *byte == b'/')),
            byte if byte.is_ascii_whitespace() => {}
            byte => digits.push(byte),
        }
    }
    digits
}

/// Do digits begin as those of a structure that may be signed, which goes on for as long as it says?
fn begins_like_signed(digits: &[u8]) -> bool {
    let start = digits.get(..64).and_then(|start| BASE64.decode(start).ok());
    start.is_some_and(|start| may_be_signed(&start, u64::MAX))
}

/// Does what stands here begin a block of what is signed?
fn is_armour_of_signed(text: &[u8]) -> bool {
    let end = text.get(11..).and_then(|rest| memmem::find(rest, b"-----")).map(|end| end + 16);
    end.and_then(|end| pem::label(text.get(..end)?, "BEGIN")).is_some_and(is_signed)
}

fn is_digits(line: &[u8]) -> bool {
    line.len() >= 4
        && line.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
}

/// The digits of a line of LDIF with a Base64 value ("userCertificate;binary:: MII").
fn value_of(line: &[u8]) -> Option<&[u8]> {
    let place = memmem::find(line.get(..200).unwrap_or(line), b"::")?;
    let (name, value) = line.split_at_checked(place)?;
    let is_name =
        !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-;.".contains(byte));
    let value = value.get(2..)?.trim_ascii();
    (is_name && value.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')))
        .then_some(value)
}

/// A line that is no Base64.
fn text(line: &[u8], depth: u8, sink: &mut Sink<'_>) {
    if let Some(signed) = jose::compact(line) {
        return jws(&[signed], depth, sink);
    }
    // What is found in a line, or might have been, says nothing of what else it holds.
    let of_ssh = memmem::find(line, b"ssh-").is_some() || memmem::find(line, b"ecdsa-sha2-").is_some();
    if let Some(blob) = of_ssh.then(|| ssh::of_line(line)).flatten() {
        ssh_blob(&blob, sink);
    }
    if let Some(noted) = ca_index::line(line) {
        let (serial, until, state) = (noted.serial, noted.until, noted.state);
        sink(Found::Noted { serial, until, state, subject: noted.subject.to_vec() });
    }
    if memmem::find(line, b"RRSIG").is_some() {
        closed::of_line(line).into_iter().for_each(|name| sink(Found::NotOpened(name)));
    }
    between(&as_json_means(line), depth, sink);
}

/// The signs of Base64 that are written as escapes in strings of JSON, as themselves.
fn as_json_means(line: &[u8]) -> Cow<'_, [u8]> {
    const ESCAPES: [(&[u8], u8); 6] = [
        (b"\\/", b'/'),
        (b"\\u002F", b'/'),
        (b"\\u002f", b'/'),
        (b"\\u002B", b'+'),
        (b"\\u002b", b'+'),
        (b"\\u003D", b'='),
    ];
    if memchr::memchr(b'\\', line).is_none() {
        return Cow::Borrowed(line);
    }
    let mut meant = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some((first, after)) = rest.split_first() {
        let escaped = ESCAPES.iter().find(|(written, _)| *first == b'\\' && rest.starts_with(written));
        match escaped {
            Some((written, byte)) => {
                meant.push(*byte);
                rest = rest.get(written.len()..).unwrap_or_default();
            }
            None => {
                meant.push(*first);
                rest = after;
            }
        }
    }
    Cow::Owned(meant)
}

/// What stands whole between other things, as in tables, JSON and YAML: JSON Web Signatures, structures and PEM in Base64.
fn between(line: &[u8], depth: u8, sink: &mut Sink<'_>) {
    /// Nothing that is signed has fewer letters.
    const LEAST: usize = 86;
    let words = |letters: &'static [u8]| {
        let is_of_word = move |byte: &u8| byte.is_ascii_alphanumeric() || letters.contains(byte);
        line.split(move |byte| !is_of_word(byte)).filter(|word| word.len() >= LEAST)
    };
    for word in words(b"-_.") {
        // A full stop or a dash beside it may be the sentence's; one of Base64 may be its own.
        let own =
            word.get(word.iter().take_while(|byte| b"-_.".contains(byte)).count()..).unwrap_or_default();
        let end = own.iter().rposition(|byte| !b"-_.".contains(byte)).map_or(0, |last| last + 1);
        let ends = [own, own.strip_suffix(b".").unwrap_or(own), own.get(..end).unwrap_or_default()];
        if let Some(signed) = ends.iter().find_map(|word| jose::compact(word)) {
            jws(&[signed], depth, sink);
        }
    }
    for word in words(b"+/").filter(|word| word.starts_with(b"MI") || word.starts_with(b"LS0tLS1CRUdJTi")) {
        let Ok(bytes) = BASE64_NOPAD.decode(word) else { continue };
        // One that goes on in the next line is none.
        if bytes.starts_with(b"-----") || first(&bytes).is_some_and(|one| one.rest.is_empty()) {
            decoded(&bytes, depth, sink);
        }
    }
}

fn ssh_blob(blob: &[u8], sink: &mut Sink<'_>) {
    if let Some(certificate) = of_containers::of_ssh_certificate(blob) {
        sink(Found::Artefact(Box::new(certificate)));
    } else if let Some(key) = ssh::public_key(blob) {
        sink(Found::Key(Offer::bare(key)));
    }
}

/// A block of PEM. The label is a hint: whether what does not decode should have.
fn block(label: &str, digits: &Digits, depth: u8, sink: &mut Sink<'_>) {
    if label.starts_with("PGP ") {
        return sink(Found::NotOpened("OpenPGP messages and keys"));
    }
    if label.ends_with("PRIVATE KEY") {
        return;
    }
    if digits.is_cut {
        if is_signed(label) || begins_like_signed(&digits.bytes) {
            sink(Found::NotComputed(TOO_LARGE.to_owned()));
        }
        return;
    }
    let Ok(bytes) = BASE64.decode(&digits.bytes) else {
        return cut_off(label, "its Base64 is damaged", sink);
    };
    if label == "SSH SIGNATURE" {
        return sink(ssh_signature(&bytes));
    }
    if label == "TRUSTED CERTIFICATE" {
        // Behind the certificate stands what OpenSSL trusts it for.
        let certificate = first(&bytes).map_or(bytes.as_slice(), |one| one.raw);
        let _ = structures(certificate, true, depth, sink);
        return;
    }
    let _ = structures(&bytes, is_signed(label), depth, sink);
}

fn cut_off(label: &str, why: &str, sink: &mut Sink<'_>) {
    if is_signed(label) {
        sink(Found::NotComputed(format!("a PEM block {}: {why}", escape(label.as_bytes()))));
    }
}

/// Is a block with this label said to be signed?
fn is_signed(label: &str) -> bool {
    label.contains("CERTIFICATE")
        || matches!(label, "X509 CRL" | "CMS" | "PKCS7" | "SSH SIGNATURE" | "OCSP RESPONSE")
}
