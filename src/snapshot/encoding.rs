//! How bytes, names and file identifiers are written in a snapshot: so that none is
//! lost, and none reaches a terminal as a control sequence.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER_PERMISSIVE;
use serde::{Deserialize, Serialize};

/// Two-byte file identifier (ISO 7816-4), shown as four upper-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("pattern" = "^[0-9A-F]{4}$")))]
#[serde(try_from = "String", into = "String")]
pub struct Fid(pub u16);

/// Where a file is on a card, as OpenSC puts it into cache file names: `C401` on a SmartCard-HSM,
/// `50154401` below the master file, a container of a PIV card. Shown as upper-case hex. A file
/// that is known by an application has that application's AID in front: `A000…_4401`. (A
/// SmartCard-HSM has one application, which is not named.)
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("pattern" = "^(([0-9A-F]{2}){1,16}_)?([0-9A-F]{2}){1,16}$")))]
#[serde(try_from = "String", into = "String")]
pub struct EfPath {
    application: Short,
    path: Short,
}

/// At most 16 bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Short {
    length: u8,
    bytes: [u8; EfPath::LONGEST],
}

/// Bytes, written as lower-case hex.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("pattern" = "^([0-9a-f]{2})*$")))]
#[serde(try_from = "String", into = "String")]
pub struct Bytes(pub Vec<u8>);

/// A file name or path, or any byte string of the environment. Serialised and
/// shown with everything but printable ASCII (and the backslash) as `\xNN`, so
/// that it can neither lose bytes nor reach a terminal as a control sequence.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("pattern" = "^([ -\\[\\]-~]|\\\\x[0-9a-f]{2})*$")))]
#[serde(try_from = "String", into = "String")]
pub struct ByteString(pub Vec<u8>);

/// A string in a snapshot file that is not what its field asks for.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// Not an even number of hex digits.
    #[error("not a hex string: {}", crate::text::escape(.0.as_bytes()))]
    Hex(String),
    /// Not four hex digits.
    #[error("not a file identifier: {}", crate::text::escape(.0.as_bytes()))]
    Fid(String),
    /// Not hex digits of at most 16 bytes.
    #[error("not a path: {}", crate::text::escape(.0.as_bytes()))]
    Path(String),
    /// A backslash not followed by `xNN`.
    #[error("not an escaped name: {}", crate::text::escape(.0.as_bytes()))]
    ByteString(String),
}

impl Bytes {
    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// Lower-case hex.
    #[must_use]
    pub fn hex(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes({})", self.hex())
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<Bytes> for String {
    fn from(bytes: Bytes) -> Self {
        bytes.hex()
    }
}

impl TryFrom<String> for Bytes {
    type Error = FormatError;

    fn try_from(text: String) -> Result<Self, FormatError> {
        HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map(Self).map_err(|_| FormatError::Hex(text))
    }
}

impl ByteString {
    /// The name as the operating system wants it.
    #[must_use]
    pub fn as_os_str(&self) -> &OsStr {
        OsStr::from_bytes(&self.0)
    }

    /// The name as a path.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        Path::new(self.as_os_str())
    }

    /// The name as text, if it is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl fmt::Display for ByteString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in &self.0 {
            match byte {
                b'\\' => write!(f, "\\x5c")?,
                0x20..=0x7e => write!(f, "{}", char::from(byte))?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for ByteString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ByteString({self})")
    }
}

impl From<&Path> for ByteString {
    fn from(path: &Path) -> Self {
        Self(path.as_os_str().as_bytes().to_vec())
    }
}

impl From<PathBuf> for ByteString {
    fn from(path: PathBuf) -> Self {
        Self(path.into_os_string().into_vec())
    }
}

impl From<OsString> for ByteString {
    fn from(name: OsString) -> Self {
        Self(name.into_vec())
    }
}

impl From<&str> for ByteString {
    fn from(name: &str) -> Self {
        Self(name.as_bytes().to_vec())
    }
}

impl From<ByteString> for String {
    fn from(name: ByteString) -> Self {
        name.to_string()
    }
}

impl TryFrom<String> for ByteString {
    type Error = FormatError;

    fn try_from(text: String) -> Result<Self, FormatError> {
        let bad = || FormatError::ByteString(text.clone());
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let Some((&first, tail)) = rest.split_first() {
            if first == b'\\' {
                let digits = tail.strip_prefix(b"x").and_then(|t| t.get(..2)).ok_or_else(bad)?;
                bytes.extend(HEXLOWER_PERMISSIVE.decode(digits).map_err(|_| bad())?);
                rest = tail.get(3..).unwrap_or_default();
            } else {
                bytes.push(first);
                rest = tail;
            }
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Fid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

impl From<Fid> for String {
    fn from(fid: Fid) -> Self {
        fid.to_string()
    }
}

impl TryFrom<String> for Fid {
    type Error = FormatError;

    fn try_from(text: String) -> Result<Self, FormatError> {
        match HEXLOWER_PERMISSIVE.decode(text.as_bytes()).as_deref() {
            Ok(&[high, low]) => Ok(Self(u16::from_be_bytes([high, low]))),
            _ => Err(FormatError::Fid(text)),
        }
    }
}

impl Short {
    fn new(content: &[u8]) -> Option<Self> {
        let mut bytes = [0; EfPath::LONGEST];
        bytes.get_mut(..content.len())?.copy_from_slice(content);
        Some(Self { length: u8::try_from(content.len()).ok()?, bytes })
    }

    fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
}

impl EfPath {
    /// The longest path of ISO 7816-4 and of OpenSC; and the longest AID.
    pub const LONGEST: usize = 16;

    /// A file that is known by its identifier alone.
    #[must_use]
    pub const fn at(fid: u16) -> Self {
        let mut bytes = [0; Self::LONGEST];
        [bytes[0], bytes[1]] = fid.to_be_bytes();
        let none = Short { length: 0, bytes: [0; Self::LONGEST] };
        Self { application: none, path: Short { length: 2, bytes } }
    }

    /// A path of these bytes; none if it is too long.
    #[must_use]
    pub fn new(path: &[u8]) -> Option<Self> {
        Self::within(&[], path)
    }

    /// A path within the application of this AID; none if either is too long.
    #[must_use]
    pub fn within(aid: &[u8], path: &[u8]) -> Option<Self> {
        Some(Self { application: Short::new(aid)?, path: Short::new(path)? })
    }

    /// Its bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.path.as_slice()
    }

    /// The AID of the application it is known by, if it is.
    #[must_use]
    pub fn aid(&self) -> Option<&[u8]> {
        Some(self.application.as_slice()).filter(|aid| !aid.is_empty())
    }

    /// The file identifier, if that is all it is.
    #[must_use]
    pub const fn fid(self) -> Option<Fid> {
        let [high, low, ..] = self.path.bytes;
        if self.path.length == 2 && self.application.length == 0 {
            Some(Fid(u16::from_be_bytes([high, low])))
        } else {
            None
        }
    }
}

impl From<Fid> for EfPath {
    fn from(fid: Fid) -> Self {
        Self::at(fid.0)
    }
}

impl fmt::Display for EfPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(aid) = self.aid() {
            write!(f, "{}_", data_encoding::HEXUPPER.encode(aid))?;
        }
        f.write_str(&data_encoding::HEXUPPER.encode(self.as_slice()))
    }
}

impl fmt::Debug for EfPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EfPath({self})")
    }
}

impl From<EfPath> for String {
    fn from(path: EfPath) -> Self {
        path.to_string()
    }
}

impl TryFrom<String> for EfPath {
    type Error = FormatError;

    fn try_from(text: String) -> Result<Self, FormatError> {
        let (aid, path) = text.split_once('_').unwrap_or(("", &text));
        let hex = |text: &str| HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok();
        let path = hex(aid).zip(hex(path)).and_then(|(aid, path)| Self::within(&aid, &path));
        path.ok_or(FormatError::Path(text))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn names_survive_with_every_byte() {
        let name = ByteString((0..=255).collect());
        let text = String::from(name.clone());
        assert!(text.bytes().all(|b| (0x20..0x7f).contains(&b)));
        assert_eq!(ByteString::try_from(text).unwrap(), name);
        assert!(ByteString::try_from("a\\q".to_string()).is_err());
        assert!(ByteString::try_from("a\\x1".to_string()).is_err());
    }

    #[test]
    fn bytes_and_fids_are_hex() {
        assert_eq!(Bytes::try_from("C401".to_string()).unwrap(), Bytes(vec![0xC4, 1]));
        assert!(Bytes::try_from("C4x".to_string()).is_err());
        assert_eq!(Fid::try_from("C401".to_string()).unwrap(), Fid(0xC401));
        assert!(Fid::try_from("+401".to_string()).is_err());
        let path = EfPath::try_from("50154401".to_string()).unwrap();
        assert_eq!((path.as_slice(), path.fid()), (&[0x50, 0x15, 0x44, 1][..], None));
        assert_eq!(EfPath::at(0xC401).fid(), Some(Fid(0xC401)));
        assert!(EfPath::try_from("00".repeat(17)).is_err());
        let within = EfPath::within(&[0xA0, 0, 0, 0, 0x63], &[0x44, 1]).unwrap();
        assert_eq!((within.to_string().as_str(), within.fid()), ("A000000063_4401", None));
        assert_eq!(EfPath::try_from(within.to_string()).unwrap(), within);
    }
}
