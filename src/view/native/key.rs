//! A public key as a file or a description of a native card holds it.

use crate::format::key::PublicKey;
use crate::format::pkcs15::KeyType;
use crate::format::tlv::{self, Walk};

pub(super) fn reference(reference: Option<i32>) -> Option<u8> {
    u8::try_from(reference?).ok()
}

/// The key in a public key's file, or in its description; `takes_bits`: its point may be a BIT STRING.
pub(super) fn public_key(kind: KeyType, bytes: &[u8], takes_bits: bool) -> Option<PublicKey> {
    let spki = |bytes: &[u8]| PublicKey::from_spki(bytes).ok().map(|(key, _)| key);
    match (kind, bytes.first()?) {
        (KeyType::Rsa, 0x30) => {
            let mut numbers = Walk::new(tlv::first(bytes)?.value).ok()?;
            Some(PublicKey::rsa(numbers.optional(0x02)?, numbers.optional(0x02)?))
        }
        (KeyType::Ec, 0x30) => spki(bytes).filter(|key| matches!(key, PublicKey::Ec { .. })),
        // A point of which nothing says on what curve.
        (KeyType::Ec, 0x04) => Some(PublicKey::Other(tlv::first(bytes)?.raw.to_vec())),
        (KeyType::Ec, 0x03) if takes_bits => {
            let (_, point) = tlv::first(bytes)?.value.split_first()?;
            Some(PublicKey::Other(tlv::encode(0x04, point)))
        }
        _ => None,
    }
}

/// Its length in bits; of a bare point as many as half of it has.
pub(super) fn bits(key: &PublicKey) -> usize {
    match key {
        PublicKey::Other(point) => tlv::first(point).map_or(0, |point| point.value.len() / 2 * 8),
        key => key.bits(),
    }
}
