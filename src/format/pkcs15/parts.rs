//! What all entries of PKCS#15 begin with, and the types that several kinds of entries have in common.

use crate::format::tlv::{TlvError, Walk, bit_field, integer};

/// Attributes that every kind of object has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Common {
    /// Label (UTF-8 in the standard, any bytes in practice), at most 254 bytes.
    pub label: Vec<u8>,
    /// Flags: bit 0 private, bit 1 modifiable.
    pub flags: u32,
    /// Authentication ID of the PIN that protects the object.
    pub auth_id: Vec<u8>,
    /// Uses of a key that one entry of its PIN is good for; 0: any number.
    pub user_consent: i32,
    /// Authentication ID of the first access rule that is about the use of a key.
    pub use_auth_id: Vec<u8>,
}

/// Type of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    /// RSA.
    Rsa,
    /// Elliptic curve.
    Ec,
    /// On Curve25519 for signatures (Ed25519); no card's own description of a key says so.
    Edwards,
    /// On Curve25519 to agree on secrets (X25519); likewise.
    Montgomery,
    /// GOST R 34.10, which OpenSC takes for EC on a SmartCard-HSM.
    Other,
}

impl KeyType {
    /// Its name as people use it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::Ec => "EC",
            Self::Edwards => "Ed25519",
            Self::Montgomery => "X25519",
            Self::Other => "neither RSA nor EC",
        }
    }
}

/// Where a file is, as a description says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Path {
    /// AID of the application it belongs to, if it is named (an extension of OpenSC's).
    pub aid: Vec<u8>,
    /// Path or file identifier, at most 16 bytes; maybe none.
    pub bytes: Vec<u8>,
    /// Offset and length, if only a part of the file is meant.
    pub part: Option<(usize, usize)>,
}

/// Where the value of an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// In a file with this path.
    Path(Path),
    /// In the entry itself.
    Direct(Vec<u8>),
}

/// The four parts of an entry.
pub(super) struct Parts<'a> {
    pub(super) common: Common,
    pub(super) class: Walk<'a>,
    pub(super) subclass: Option<&'a [u8]>,
    pub(super) kind: Walk<'a>,
}

pub(super) fn parts(entry: &[u8]) -> Result<Parts<'_>, TlvError> {
    let mut walk = Walk::new(entry)?;
    let common = common(walk.required(0x30)?)?;
    let class = Walk::new(walk.required(0x30)?)?;
    let subclass = walk.optional(0xA0);
    let kind = Walk::new(walk.required(0xA1)?)?;
    Ok(Parts { common, class, subclass, kind })
}

fn common(content: &[u8]) -> Result<Common, TlvError> {
    let mut walk = Walk::new(content)?;
    let mut common = Common::default();
    if let Some(label) = walk.optional(0x0C) {
        if label.len() > 254 {
            return Err(TlvError::Invalid(0x0C));
        }
        common.label = label.to_vec();
    }
    if let Some(flags) = walk.optional(0x03) {
        common.flags = bit_field(0x03, flags)?;
    }
    if let Some(id) = walk.optional(0x04) {
        common.auth_id = truncated(id);
    }
    if let Some(consent) = walk.optional(0x02) {
        common.user_consent = integer(0x02, consent)?;
    }
    if let Some(rules) = walk.optional(0x30) {
        common.use_auth_id = access_rules(rules)?;
    }
    Ok(common)
}

/// Up to eight access rules: gives the authentication ID of the first that is about the use of a key.
fn access_rules(content: &[u8]) -> Result<Vec<u8>, TlvError> {
    // execute, sign, decrypt, authenticate
    const USE: u32 = 1 << 2 | 1 << 5 | 1 << 7 | 1 << 9;
    let mut walk = Walk::new(content)?;
    let mut of_use = None;
    for _ in 0..8 {
        let Some(rule) = walk.optional(0x30) else { break };
        let mut rule = Walk::new(rule)?;
        let mode = rule.optional(0x03).map_or(Ok(0), |mode| bit_field(0x03, mode))?;
        let id = rule.optional(0x04).map(truncated);
        if mode & USE != 0 {
            of_use = of_use.or(id);
        }
    }
    Ok(of_use.unwrap_or_default())
}

/// OpenSC keeps the first 255 bytes of an identifier.
pub(super) fn truncated(id: &[u8]) -> Vec<u8> {
    id.get(..255).unwrap_or(id).to_vec()
}

/// The value of an object, or where it is.
pub(super) fn value(kind: &mut Walk<'_>) -> Result<Value, TlvError> {
    match kind.optional(0x30) {
        Some(content) => Ok(Value::Path(path(content)?)),
        None => Ok(Value::Direct(kind.required(0xA0)?.to_vec())),
    }
}

/// What all descriptions of keys begin with (`CommonKeyAttributes`).
pub(super) struct KeyClass {
    pub(super) id: Vec<u8>,
    pub(super) usage: u32,
    /// True when absent.
    pub(super) native: bool,
    pub(super) access: u32,
    /// As it stands there.
    pub(super) reference: Option<i32>,
}

pub(super) fn key_class(class: &mut Walk<'_>) -> Result<KeyClass, TlvError> {
    Ok(KeyClass {
        id: truncated(class.required(0x04)?),
        usage: bit_field(0x03, class.required(0x03)?)?,
        native: class.optional(0x01).map_or(Ok(true), boolean)?,
        access: class.optional(0x03).map_or(Ok(0), |value| bit_field(0x03, value))?,
        reference: class.optional(0x02).map(|value| integer(0x02, value)).transpose()?,
    })
}

/// Old OpenSC wrote references above 7F as negative numbers.
pub(super) const fn unsigned_reference(reference: i32) -> i32 {
    if reference < -1 { reference + 256 } else { reference }
}

pub(super) fn boolean(value: &[u8]) -> Result<bool, TlvError> {
    match value {
        [byte] => Ok(*byte != 0),
        _ => Err(TlvError::Invalid(0x01)),
    }
}

/// A path: `[04 path] [02 index] [80 length] [A1 {4F aid, 04 path}]`. The last is an extension of
/// OpenSC's and wins; one of the two must be there. Of a path OpenSC keeps 16 bytes; index
/// and length count together only.
pub(crate) fn path(content: &[u8]) -> Result<Path, TlvError> {
    let short = |bytes: &[u8]| bytes.get(..16).unwrap_or(bytes).to_vec();
    let mut walk = Walk::new(content)?;
    let plain = walk.optional(0x04);
    let index = walk.optional(0x02).map(|number| integer(0x02, number)).transpose()?;
    let length = walk.optional(0x80).map(|number| integer(0x80, number)).transpose()?;
    let part = index
        .zip(length)
        .and_then(|(index, length)| Some((usize::try_from(index).ok()?, usize::try_from(length).ok()?)));
    if let Some(extended) = walk.optional(0xA1) {
        let mut walk = Walk::new(extended)?;
        let (aid, bytes) = (walk.required(0x4F)?, walk.required(0x04)?);
        return Ok(Path { aid: short(aid), bytes: short(bytes), part });
    }
    Ok(Path { aid: Vec::new(), bytes: short(plain.ok_or(TlvError::Missing(0x04))?), part })
}
