//! Distinguished names (X.501): as text (RFC 4514), and as they are compared (RFC 5280, 7.1, RFC 4518): upper and lower
//! case, blanks and the type of a string do not count.

use std::borrow::Cow;

use data_encoding::HEXLOWER;
use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::prelude::FromDer;
use x509_parser::x509::{AttributeTypeAndValue, RelativeDistinguishedName, X509Name};

use crate::format::tlv::{Element, Walk, encode, first};

/// A distinguished name (DER content) as text, RFC 4514-like, not escaped for a terminal; empty if it
/// is empty or does not decode.
#[must_use]
pub fn name(content: &[u8]) -> String {
    let whole = encode(0x30, content);
    let Ok((_, name)) = X509Name::from_der(&whole) else { return String::new() };
    let registry = oid_registry();
    let part = |part: &AttributeTypeAndValue<'_>| {
        let kind = oid2abbrev(part.attr_type(), registry)
            .map_or_else(|_| part.attr_type().to_id_string(), ToOwned::to_owned);
        let value = part.attr_value();
        let text = text_of(value.tag().0, value.data);
        // What is no text is written as RFC 4514 has it: its DER in hexadecimal.
        let text = text.unwrap_or_else(|| {
            let der = encode(value.tag().0, value.data);
            format!("#{}", HEXLOWER.encode(&der))
        });
        format!("{kind}={text}")
    };
    let relative =
        |relative: &RelativeDistinguishedName<'_>| relative.iter().map(part).collect::<Vec<_>>().join(" + ");
    name.iter_rdn().map(relative).collect::<Vec<_>>().join(", ")
}

/// Are two distinguished names (DER content) the same (RFC 5280, 7.1)? Upper and lower case, blanks
/// and the type of the strings do not count.
#[must_use]
pub fn is_same_name(one: &[u8], other: &[u8]) -> bool {
    one == other || canonical(one).is_some_and(|one| canonical(other) == Some(one))
}

/// A distinguished name (DER content) in a form that is byte for byte the same for names that are the same.
#[must_use]
pub fn canonical_name(content: &[u8]) -> Vec<u8> {
    canonical(content).unwrap_or_else(|| content.to_vec())
}

/// The same; `None` if it does not decode.
fn canonical(content: &[u8]) -> Option<Vec<u8>> {
    let mut name = Vec::with_capacity(content.len());
    for set in elements(content)? {
        let mut parts = Vec::new();
        for part in elements(Some(set).filter(|set| set.tag == 0x31)?.value)? {
            let mut part = Walk::new(part.value).ok()?;
            let (oid, value) = (part.optional(0x06)?, first(part.rest())?);
            let value = match prepared(value.tag, value.value) {
                Some(text) => encode(0x0C, text.as_bytes()),
                None => encode(0x04, value.raw),
            };
            parts.push([encode(0x06, oid), value].concat());
        }
        // The parts of one relative name have no order.
        parts.sort();
        let parts: Vec<u8> = parts.iter().flat_map(|part| encode(0x30, part)).collect();
        name.extend(encode(0x31, &parts));
    }
    Some(name)
}

/// Is this how OpenSSL writes a distinguished name (DER content) on one line ("/O=Example/CN=a")? Every value has to be the same,
/// byte by byte, what is not printable as `\xNN` or as it is; what the types are called does not matter.
#[must_use]
pub fn is_one_line(content: &[u8], mut line: &[u8]) -> bool {
    let Some(sets) = elements(content) else { return false };
    for part in sets.iter().filter_map(|set| elements(set.value)).flatten() {
        let value = first(part.value).and_then(|oid| first(oid.rest)).map(|value| value.value);
        let Some(value) = value else { return false };
        let is_mark = matches!(line.first(), Some(b'/' | b'+' | b','));
        let after = line.iter().position(|byte| *byte == b'=').and_then(|end| line.get(end + 1..));
        let Some(after) = after.filter(|_| is_mark) else { return false };
        let written: Vec<u8> = value.iter().flat_map(|byte| escaped(*byte)).collect();
        let Some(rest) = after.strip_prefix(written.as_slice()).or_else(|| after.strip_prefix(value)) else {
            return false;
        };
        line = rest;
    }
    matches!(line, b"" | b"/")
}

/// A byte as OpenSSL writes it in a name on one line.
fn escaped(byte: u8) -> Vec<u8> {
    match byte {
        b' '..=b'~' => vec![byte],
        byte => format!("\\x{byte:02X}").into_bytes(),
    }
}

/// All elements, if there is nothing else.
pub(super) fn elements(mut content: &[u8]) -> Option<Vec<Element<'_>>> {
    let mut all = Vec::new();
    while !content.is_empty() {
        let element = first(content)?;
        content = element.rest;
        all.push(element);
    }
    Some(all)
}

/// A string as RFC 4518 prepares it: in lower case, one blank between words. `None` if it is no string.
fn prepared(tag: u32, value: &[u8]) -> Option<String> {
    let text = match std::str::from_utf8(value) {
        Ok(text) if text.is_ascii() && is_of_bytes(tag) => Cow::Borrowed(text),
        _ => Cow::Owned(text_of(tag, value)?),
    };
    let mut prepared = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !prepared.is_empty() {
            prepared.push(' ');
        }
        if word.is_ascii() {
            prepared.extend(word.bytes().map(|byte| char::from(byte.to_ascii_lowercase())));
        } else {
            prepared.push_str(&word.to_lowercase());
        }
    }
    Some(prepared)
}

/// Is a string of this type one byte a letter, as far as it is ASCII?
const fn is_of_bytes(tag: u32) -> bool {
    matches!(tag, 0x0C | 0x12 | 0x13 | 0x14 | 0x16 | 0x1A)
}

/// A string of any of the types that names are made of. `None` if it is none, or not in its encoding.
fn text_of(tag: u32, value: &[u8]) -> Option<String> {
    Some(match tag {
        // UTF8String, PrintableString, IA5String, VisibleString.
        0x0C | 0x12 | 0x13 | 0x16 | 0x1A => String::from_utf8(value.to_vec()).ok()?,
        // T61String, which everybody takes for Latin 1.
        0x14 => value.iter().copied().map(char::from).collect(),
        0x1E => {
            let units = value.as_chunks::<2>();
            let units: Vec<u16> =
                units.0.iter().filter(|_| units.1.is_empty()).map(|unit| u16::from_be_bytes(*unit)).collect();
            String::from_utf16(&units).ok()?
        }
        0x1C => {
            let units = value.as_chunks::<4>();
            let points = units.0.iter().map(|unit| char::from_u32(u32::from_be_bytes(*unit)));
            points.collect::<Option<String>>().filter(|_| units.1.is_empty())?
        }
        _ => return None,
    })
}
