//! The name of a file in a cache directory, with what it means: understood once, where the name comes from, and carried
//! from then on.
//!
//! Cache file names (`pkcs15-cache.c`, `generate_cache_filename`):
//! `<serial>_<lastUpdate|NODATE>[_<counter>][_<AID>]_<path>`, hex in upper case.
//!
//! A name is text under control of the card and of whoever can write to the
//! directory. It is read as bytes, bounded, and what does not print back
//! exactly is not an OpenSC name. The fields cannot be confused: a counter has
//! one to five digits and an AID at least ten, and either is followed by a path.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;

use data_encoding::{HEXLOWER, HEXUPPER};
use memchr::{memchr_iter, memchr2};
use serde::{Deserialize, Serialize};

use super::ByteString;

/// Longest file name of the usual file systems.
const NAME_MAX: usize = 255;

/// The name of a cache entry, taken apart. Displays as exactly the name again
/// (unusual bytes of the serial escaped as in [`ByteString`]).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CacheName {
    /// Whose card.
    pub serial: Serial,
    /// Which generation of the card's content.
    pub last_update: LastUpdate,
    /// Change counter (MyEID, OsEID, from 0.24).
    pub counter: Option<u16>,
    /// Application the file belongs to.
    pub aid: Option<Vec<u8>>,
    /// Path of the file, without a leading 3F00.
    pub path: Option<Vec<u8>>,
}

/// The first field of a cache name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Serial {
    /// The card's serial number as text, which may be any bytes.
    Text(Vec<u8>),
    /// `uid-…`: the UID of a contactless card without serial number.
    Uid(Vec<u8>),
}

/// What stands before the UID in the name.
const UID: &[u8] = b"uid-";

impl Serial {
    /// As people are shown it and type it: a UID in lower case, although names hold it in upper case.
    #[must_use]
    pub fn text(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Text(text) => text.into(),
            Self::Uid(uid) => [UID, HEXLOWER.encode(uid).as_bytes()].concat().into(),
        }
    }
}

/// The second field of a cache name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LastUpdate {
    /// A GeneralizedTime as the card gave it, for example `20240131080000Z`.
    Date(String),
    /// `NODATE`, from 0.16: the card tells no date.
    NoDate,
    /// `DATE`, the same up to 0.15.
    OldDate,
}

/// What a file in a cache directory is, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recognised {
    /// A file of a card.
    Entry(CacheName),
    /// `<serial>_<date>_CA4E` without an AID: the card access number of a D-Trust card.
    Can,
    /// 64 hex digits: a PIV certificate kept off the card, placed by the user.
    OffCardCertificate,
    /// `lteid_can`: the card access number of Lithuanian cards.
    LteidCan,
    /// Not one of OpenSC's names.
    Unknown,
}

impl CacheName {
    /// The file name.
    #[must_use]
    pub fn name(&self) -> ByteString {
        ByteString(self.bytes())
    }

    /// Do its fields make one file name?
    #[must_use]
    pub fn is_file_name(&self) -> bool {
        is_file_name(&self.bytes())
    }

    fn bytes(&self) -> Vec<u8> {
        let mut name = match &self.serial {
            Serial::Text(text) => text.clone(),
            Serial::Uid(uid) => [UID, HEXUPPER.encode(uid).as_bytes()].concat(),
        };
        let mut field = |text: &[u8]| {
            name.push(b'_');
            name.extend_from_slice(text);
        };
        match &self.last_update {
            LastUpdate::Date(date) => field(date.as_bytes()),
            LastUpdate::NoDate => field(b"NODATE"),
            LastUpdate::OldDate => field(b"DATE"),
        }
        if let Some(counter) = self.counter {
            field(counter.to_string().as_bytes());
        }
        for hex in [&self.aid, &self.path].into_iter().flatten() {
            field(HEXUPPER.encode(hex).as_bytes());
        }
        name
    }
}

impl fmt::Display for CacheName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name().fmt(f)
    }
}

/// The name of a file in a cache directory, with what it means. Written as the name alone.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "ByteString", into = "ByteString")]
pub struct EntryName {
    name: ByteString,
    means: Recognised,
}

impl EntryName {
    /// What it means.
    #[must_use]
    pub const fn means(&self) -> &Recognised {
        &self.means
    }

    /// Taken apart, if it is the name of a copy of a card's file.
    #[must_use]
    pub const fn of_copy(&self) -> Option<&CacheName> {
        match &self.means {
            Recognised::Entry(name) => Some(name),
            Recognised::Can | Recognised::OffCardCertificate | Recognised::LteidCan | Recognised::Unknown => {
                None
            }
        }
    }

    /// The bytes of the name.
    #[must_use]
    pub const fn bytes(&self) -> &ByteString {
        &self.name
    }
}

impl From<ByteString> for EntryName {
    fn from(name: ByteString) -> Self {
        Self { means: recognise(&name), name }
    }
}

impl From<EntryName> for ByteString {
    fn from(name: EntryName) -> Self {
        name.name
    }
}

impl Deref for EntryName {
    type Target = ByteString;

    fn deref(&self) -> &ByteString {
        &self.name
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}

impl PartialEq for EntryName {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for EntryName {}

impl PartialOrd for EntryName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for EntryName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name.cmp(&other.name)
    }
}

/// Says what a file is by its name, for all versions of OpenSC.
fn recognise(name: &ByteString) -> Recognised {
    let bytes = name.0.as_slice();
    if bytes == b"lteid_can" {
        return Recognised::LteidCan;
    }
    if bytes.len() == 64 && bytes.iter().all(u8::is_ascii_hexdigit) {
        return Recognised::OffCardCertificate;
    }
    if !is_file_name(bytes) {
        return Recognised::Unknown;
    }
    match entry(bytes) {
        // With the AID it is file CA4E of a SmartCard-HSM, the CA certificate number 4E.
        Some(entry) if entry.aid.is_none() && entry.path.as_deref() == Some(&[0xCA, 0x4E]) => Recognised::Can,
        Some(entry) => Recognised::Entry(entry),
        None => Recognised::Unknown,
    }
}

/// One component, no way up, and not too long. Stricter than needed with `..`: no card
/// has a reason for it in its serial number.
fn is_file_name(name: &[u8]) -> bool {
    !name.is_empty()
        && name.len() <= NAME_MAX
        && memchr2(b'/', 0, name).is_none()
        && !memchr_iter(b'.', name).any(|at| name.get(at + 1) == Some(&b'.'))
}

/// The serial may hold the separator, so the date field is searched from the left until
/// what follows it fits.
fn entry(name: &[u8]) -> Option<CacheName> {
    memchr_iter(b'_', name).find_map(|at| {
        let (serial, rest) = (name.get(..at)?, name.get(at + 1..)?);
        let mut fields = rest.split(|b| *b == b'_');
        let last_update = last_update(fields.next()?)?;
        let (counter, aid, path) = match (fields.next()?, fields.next(), fields.next(), fields.next()) {
            (path, None, ..) => (None, None, path),
            (first, Some(path), None, _) if first.len() <= 5 => (Some(counter(first)?), None, path),
            (first, Some(path), None, _) => (None, Some(hex(first, 5)?), path),
            (first, Some(second), Some(path), None) => (Some(counter(first)?), Some(hex(second, 5)?), path),
            _ => return None,
        };
        if serial.is_empty() {
            return None;
        }
        let path = Some(hex(path, 2)?);
        Some(CacheName { serial: parse_serial(serial), last_update, counter, aid, path })
    })
}

fn parse_serial(text: &[u8]) -> Serial {
    text.strip_prefix(UID)
        .and_then(|digits| hex(digits, 1).filter(|uid| uid.len() <= 10))
        .map_or_else(|| Serial::Text(text.to_vec()), Serial::Uid)
}

fn last_update(field: &[u8]) -> Option<LastUpdate> {
    match field {
        b"NODATE" => Some(LastUpdate::NoDate),
        b"DATE" => Some(LastUpdate::OldDate),
        _ if is_generalized_time(field) => String::from_utf8(field.to_vec()).ok().map(LastUpdate::Date),
        _ => None,
    }
}

/// `YYYYMMDDHH[MM[SS[.f…]]]` with `Z`, `+hhmm`, `-hhmm` or nothing: digits and places only,
/// for the card may write what it likes and OpenSC copies it.
fn is_generalized_time(field: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|b| b.is_ascii_digit()).count();
    let whole = digits(field);
    let Some(mut rest) = field.get(whole..) else { return false };
    if !matches!(whole, 10 | 12 | 14) {
        return false;
    }
    if let Some(fraction) = rest.strip_prefix(b".") {
        let length = digits(fraction);
        if length == 0 {
            return false;
        }
        rest = fraction.get(length..).unwrap_or_default();
    }
    match rest {
        [] | [b'Z'] => true,
        [b'+' | b'-', zone @ ..] => zone.len() == 4 && digits(zone) == 4,
        _ => false,
    }
}

/// Decimal, unpadded, two bytes.
fn counter(field: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(field).ok()?;
    let value: u16 = text.parse().ok()?;
    (value.to_string() == text).then_some(value)
}

/// Upper-case hex of `least` to 16 bytes.
fn hex(field: &[u8], least: usize) -> Option<Vec<u8>> {
    let length = field.len() / 2;
    if !(least..=16).contains(&length) || !field.len().is_multiple_of(2) {
        return None;
    }
    let mut bytes = [0; 16];
    // As much as decoding gives, which is what it wants.
    let room = bytes.get_mut(..length)?;
    HEXUPPER.decode_mut(field, room).ok()?;
    Some(room.to_vec())
}
