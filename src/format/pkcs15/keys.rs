//! The keys that a native PKCS#15 card describes beside its private ones: public (PuKDF) and secret (SKDF).

use super::parts::{Common, KeyClass, KeyType, Value, key_class, parts, unsigned_reference, value};
use crate::format::tlv::{TlvError, Walk, first, integer};

/// A public key entry (PuKDF).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKeyEntry {
    /// Common attributes.
    pub common: Common,
    /// Type of key.
    pub key_type: KeyType,
    /// ID; at most 255 bytes are kept.
    pub id: Vec<u8>,
    /// Usage flags.
    pub usage: u32,
    /// Native flag, true when absent.
    pub native: bool,
    /// Access flags.
    pub access: u32,
    /// Key reference of the entry, if it has one.
    pub key_reference: Option<i32>,
    /// Modulus length of an RSA key in bits; 0 if absent.
    pub bits: i32,
    /// Where the key is.
    pub value: Value,
}

/// A secret key entry (SKDF).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretKeyEntry {
    /// Common attributes.
    pub common: Common,
    /// Type of key, as OpenSC calls it.
    pub key_type: &'static str,
    /// ID; at most 255 bytes are kept.
    pub id: Vec<u8>,
    /// Usage flags.
    pub usage: u32,
    /// Native flag, true when absent.
    pub native: bool,
    /// Access flags.
    pub access: u32,
    /// Key reference; 0 if absent.
    pub key_reference: i32,
    /// Length in bits; 0 if absent.
    pub bits: i32,
    /// Where the key is.
    pub value: Value,
}

/// Decodes a public key entry.
///
/// # Errors
/// [`TlvError`] if it is of a key type OpenSC does not know here, or damaged.
pub fn public_key(bytes: &[u8]) -> Result<PublicKeyEntry, TlvError> {
    Walk::new(bytes)?;
    let element = first(bytes).ok_or(TlvError::Missing(0x30))?;
    let key_type = match element.tag {
        0x30 => KeyType::Rsa,
        0xA0 => KeyType::Ec,
        0xA4 => KeyType::Other,
        _ => return Err(TlvError::Missing(0x30)),
    };
    let mut parts = parts(element.value)?;
    let KeyClass { id, usage, native, access, reference } = key_class(&mut parts.class)?;
    let mut kind = Walk::new(parts.kind.required(0x30)?)?;
    let value = value(&mut kind)?;
    // What the standard has for a whole SubjectPublicKeyInfo is an error to OpenSC, in all versions watched.
    if matches!(&value, Value::Direct(content) if content.first() == Some(&0xA1)) {
        return Err(TlvError::Invalid(0xA1));
    }
    let bits = match key_type {
        KeyType::Rsa => integer(0x02, kind.required(0x02)?)?,
        KeyType::Ec | KeyType::Edwards | KeyType::Montgomery | KeyType::Other => 0,
    };
    Ok(PublicKeyEntry {
        common: parts.common,
        key_type,
        id,
        usage,
        native,
        access,
        key_reference: reference.map(unsigned_reference),
        bits,
        value,
    })
}

/// Decodes a secret key entry.
///
/// # Errors
/// [`TlvError`] if it is of a key type OpenSC does not know here, or damaged.
pub fn secret_key(bytes: &[u8]) -> Result<SecretKeyEntry, TlvError> {
    Walk::new(bytes)?;
    let element = first(bytes).ok_or(TlvError::Missing(0x30))?;
    let key_type = match element.tag {
        0x30 => "Generic",
        0xA2 => "DES",
        0xA3 => "2DES",
        0xA4 => "3DES",
        _ => return Err(TlvError::Missing(0x30)),
    };
    let mut parts = parts(element.value)?;
    let KeyClass { id, usage, native, access, reference } = key_class(&mut parts.class)?;
    let bits = match parts.subclass {
        Some([]) | None => 0,
        Some(subclass) => Walk::new(subclass)?.optional(0x02).map_or(Ok(0), |value| integer(0x02, value))?,
    };
    let mut kind = Walk::new(parts.kind.required(0x30)?)?;
    let value = value(&mut kind)?;
    Ok(SecretKeyEntry {
        common: parts.common,
        key_type,
        id,
        usage,
        native,
        access,
        key_reference: reference.unwrap_or_default(),
        bits,
        value,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::format::pkcs15::data_object;
    use crate::format::tlv;

    fn hex(text: &str) -> Vec<u8> {
        data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap()
    }

    // Written by OpenSC 0.23 to a MyEID; what it does without was tried with 0.21 to 0.27.
    #[test]
    fn secret_keys_are_described() {
        let key = secret_key(&hex(
            "303a300c0c03616573030206c00401013016040170030206c003020780020101a106020101020102a00402020080a10c300a300804063f0050154d01",
        ))
        .unwrap();
        assert_eq!((key.key_type, key.bits, key.usage, key.access), ("Generic", 128, 3, 1));
        assert_eq!((key.key_reference, key.common.auth_id.as_slice()), (1, &[1][..]));
        let of_tag = |tag: &str| {
            secret_key(&hex(&format!("{tag}1930030c016b3007040170030206c0a109300730050403500101")))
        };
        for (tag, name) in [("30", "Generic"), ("a2", "DES"), ("a3", "2DES"), ("a4", "3DES")] {
            assert_eq!(of_tag(tag).map(|key| (key.key_type, key.bits, key.key_reference)), Ok((name, 0, 0)));
        }
        assert!(["a0", "a1", "a5", "a8"].iter().all(|tag| of_tag(tag).is_err()));
    }

    /// As OpenSC 0.21 to 0.27 were seen to take them.
    #[test]
    fn what_stands_in_a_description_itself() {
        let key = |value: &str| {
            let kind = tlv::encode(0x30, &hex(value));
            let parts = [hex("30030c0178"), hex("300704014503020102"), tlv::encode(0xA1, &kind)].concat();
            public_key(&tlv::encode(0xA0, &parts)).map(|key| key.value)
        };
        assert_eq!(key("a0030401aa"), Ok(Value::Direct(hex("0401aa"))));
        assert!(key("a005a1033001aa").is_err());
        let data = |value: &str| {
            let parts = [hex("30030c0178"), hex("30030c0179"), tlv::encode(0xA1, &hex(value))].concat();
            data_object(&tlv::encode(0x30, &parts)).map(|data| data.value)
        };
        assert!(data("300404023300").is_ok());
        assert!(data("a00401020304").is_err());
    }
}
