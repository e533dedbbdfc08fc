//! PKCS#15 / ISO 7816-15 directory entries, decoded the way OpenSC decodes them.
//!
//! An entry is `T { 30 common attributes, 30 class attributes, [A0 subclass],
//! A1 type attributes }`. The decoder of an entry takes the first one of the bytes; what
//! follows is ignored, as OpenSC does with the files of a SmartCard-HSM, or is
//! walked through with [`directory`], as it does with directory files.

mod keys;
mod parts;
mod structure;

pub use keys::{PublicKeyEntry, SecretKeyEntry, public_key, secret_key};
pub(crate) use parts::path;
pub use parts::{Common, KeyType, Path, Value};
pub use structure::{
    Application, Directory, PinEntry, Zeros, applications, directory, object_directory, pin,
};

use parts::{KeyClass, boolean, key_class, parts, truncated, unsigned_reference, value};

use super::tlv::{TlvError, Walk, bit_field, first, integer};

/// Object flag "private" of the common object attributes.
pub const FLAG_PRIVATE: u32 = 1;

/// A private key entry (PrKDF).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivateKeyEntry {
    /// Common attributes.
    pub common: Common,
    /// Type of key.
    pub key_type: KeyType,
    /// ID, the `CKA_ID` of PKCS#11; at most 255 bytes are kept.
    pub id: Vec<u8>,
    /// Usage flags, bit 0 encrypt … bit 9 non-repudiation.
    pub usage: u32,
    /// Native flag, true when absent.
    pub native: bool,
    /// Access flags, bit 0 sensitive … bit 4 local.
    pub access: u32,
    /// Key reference of the entry, if it has one.
    pub key_reference: Option<i32>,
    /// Subject name of the certificate, DER content, if any.
    pub subject: Option<Vec<u8>>,
    /// Modulus length of an RSA key or field length of an EC key, in bits; 0 if absent.
    pub bits: i32,
    /// Where the key is.
    pub path: Path,
}

/// A certificate entry (CDF).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateEntry {
    /// Common attributes.
    pub common: Common,
    /// ID.
    pub id: Vec<u8>,
    /// Is it a certificate authority's?
    pub authority: bool,
    /// Where the certificate is.
    pub value: Value,
}

/// A data object entry (DODF).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataEntry {
    /// Common attributes.
    pub common: Common,
    /// Application name.
    pub application: Vec<u8>,
    /// Application OID, DER content.
    pub application_oid: Option<Vec<u8>>,
    /// Where the data are.
    pub value: Value,
}

/// TokenInfo, as far as a listing shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenInfo {
    /// Version.
    pub version: i32,
    /// Serial number.
    pub serial: Option<Vec<u8>>,
    /// Manufacturer.
    pub manufacturer: Option<Vec<u8>>,
    /// Label.
    pub label: Option<Vec<u8>>,
    /// GeneralizedTime of the last update, if given directly.
    pub last_update: Option<Vec<u8>>,
    /// The file that holds it, if it is given so.
    pub last_update_path: Option<Path>,
}

/// Is this an entry of a kind that PKCS#15 knows and OpenSC does not list: a key of another algorithm (as a SmartCard-HSM's
/// AES keys), a biometric template, a certificate that is not X.509? Then it is as whole as one that decodes. `listed`: the
/// tags of those that are listed.
#[must_use]
pub fn is_of_other_kind(entry: &[u8], listed: &[u32]) -> bool {
    let Some(element) = first(entry).filter(|element| matches!(element.tag, 0xA0..=0xAF)) else {
        return false;
    };
    let Ok(mut parts) = Walk::new(element.value) else { return false };
    !listed.contains(&element.tag) && parts.optional(0x30).is_some() && parts.optional(0x30).is_some()
}

/// Decodes a private key entry.
///
/// # Errors
/// [`TlvError`] where OpenSC reports "PrKey DF ASN.1 decoding failed"; secret
/// keys (`A8`) are among them.
pub fn private_key(bytes: &[u8]) -> Result<PrivateKeyEntry, TlvError> {
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
    if let Some(algorithms) = parts.class.optional(0xA1) {
        let mut walk = Walk::new(algorithms)?;
        while let Some(algorithm) = walk.optional(0x02) {
            integer(0x02, algorithm)?;
        }
    }
    let subject = match parts.subclass {
        Some(subclass) => Walk::new(subclass)?.optional(0x30).map(<[u8]>::to_vec),
        None => None,
    };
    let mut kind = Walk::new(parts.kind.required(0x30)?)?;
    let path = path(kind.required(0x30)?)?;
    let bits = match key_type {
        KeyType::Rsa => {
            let bits = integer(0x02, kind.required(0x02)?)?;
            if let Some(info) = kind.optional(0x02) {
                integer(0x02, info)?;
            }
            bits
        }
        KeyType::Ec | KeyType::Edwards | KeyType::Montgomery | KeyType::Other => {
            kind.optional(0x02).map_or(Ok(0), |value| integer(0x02, value))?
        }
    };
    Ok(PrivateKeyEntry {
        common: parts.common,
        key_type,
        id,
        usage,
        native,
        access,
        key_reference: reference.map(unsigned_reference),
        subject,
        bits,
        path,
    })
}

/// Decodes a certificate entry.
///
/// # Errors
/// [`TlvError`] if it is not an X.509 certificate entry or is damaged.
pub fn certificate(bytes: &[u8]) -> Result<CertificateEntry, TlvError> {
    let mut parts = parts(Walk::new(bytes)?.required(0x30)?)?;
    let id = truncated(parts.class.required(0x04)?);
    let authority = parts.class.optional(0x01).map_or(Ok(false), boolean)?;
    let mut kind = Walk::new(parts.kind.required(0x30)?)?;
    let value = value(&mut kind)?;
    Ok(CertificateEntry { common: parts.common, id, authority, value })
}

/// Decodes a data object entry.
///
/// # Errors
/// [`TlvError`] if it is damaged.
pub fn data_object(bytes: &[u8]) -> Result<DataEntry, TlvError> {
    let mut parts = parts(Walk::new(bytes)?.required(0x30)?)?;
    let application = parts.class.optional(0x0C).unwrap_or_default().to_vec();
    let application_oid = parts.class.optional(0x06).map(<[u8]>::to_vec);
    // What stands in the entry itself is an error to OpenSC, in all versions watched.
    let value = Value::Path(path(parts.kind.required(0x30)?)?);
    Ok(DataEntry { common: parts.common, application, application_oid, value })
}

/// Decodes TokenInfo (CIAInfo).
///
/// # Errors
/// [`TlvError`] if it is damaged; OpenSC then goes on with its defaults.
pub fn token_info(bytes: &[u8]) -> Result<TokenInfo, TlvError> {
    let mut walk = Walk::new(Walk::new(bytes)?.required(0x30)?)?;
    let version = integer(0x02, walk.required(0x02)?)?;
    let serial = walk.optional(0x04).map(<[u8]>::to_vec);
    let manufacturer = walk.optional(0x0C).map(<[u8]>::to_vec);
    let label = walk.optional(0x80).map(<[u8]>::to_vec);
    walk.optional(0xA0);
    bit_field(0x03, walk.required(0x03)?)?;
    for tag in [0x30, 0xA1, 0xA2, 0x83, 0x84] {
        walk.optional(tag);
    }
    let (mut last_update, mut last_update_path) = (None, None);
    if let Some(content) = walk.optional(0xA5) {
        let mut content = Walk::new(content)?;
        last_update = content.optional(0x18).map(<[u8]>::to_vec);
        last_update_path = content.optional(0x30).map(path).transpose()?;
    }
    Ok(TokenInfo { version, serial, manufacturer, label, last_update, last_update_path })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use data_encoding::HEXLOWER as HEX;

    fn hex(text: &str) -> Vec<u8> {
        HEX.decode(text.as_bytes()).unwrap()
    }

    // The entries were written by OpenSC 0.23 to an emulated SmartCard-HSM.
    #[test]
    fn ec_key_without_a_given_id() {
        let entry = private_key(&hex(
            "a03d300f0c066b2d6e6f6964030206c0040101301e0414750b580c0e6b0a94c4f9fff44ecd2510717f8d7c0303073080020101a10a30083002040002020100",
        ))
        .unwrap();
        assert_eq!(entry.common.label, b"k-noid");
        assert_eq!(entry.common.flags, 3);
        assert_eq!(entry.common.auth_id, [1]);
        assert_eq!(HEX.encode(&entry.id), "750b580c0e6b0a94c4f9fff44ecd2510717f8d7c");
        assert_eq!(entry.usage, 0x10C);
        assert_eq!((entry.key_type, entry.key_reference, entry.bits), (KeyType::Ec, Some(1), 256));
    }

    #[test]
    fn ec_521_and_rsa_keys() {
        let p521 = private_key(&hex(
            "a028300d0c046b353231030206c0040101300b0401210303073080020103a10a30083002040002020209",
        ))
        .unwrap();
        assert_eq!((p521.id.as_slice(), p521.bits), (&[0x21][..], 521));
        let rsa1024 = private_key(&hex(
            "303e30110c087273612d6e6f6964030206c0040101301d0414d977f584cf6e5668777238538ea9db22dfbd678103020470020105a10a30083002040002020400",
        ))
        .unwrap();
        assert_eq!((rsa1024.key_type, rsa1024.bits, rsa1024.usage), (KeyType::Rsa, 1024, 0x0E));
        let rsa2048 = private_key(&hex(
            "302b30110c087273612d69643331030206c0040101300a04013103020470020106a10a30083002040002020800",
        ))
        .unwrap();
        assert_eq!((rsa2048.id.as_slice(), rsa2048.bits), (&[0x31][..], 2048));
    }

    #[test]
    fn device_key_entry_has_an_empty_label() {
        let entry = private_key(&hex("a01a30020c0030080401300303072080a10a30083002040002020100")).unwrap();
        assert_eq!((entry.common.label.len(), entry.id.as_slice()), (0, &[0x30][..]));
        assert_eq!(entry.key_reference, None);
    }

    #[test]
    fn foreign_certificate_leaves_its_subject_in_the_key_entry() {
        let entry = private_key(&hex(
            "a046300f0c066d7963657274030206c0040101300f0401100303073080030203b8020101a016301430123110300e06035504030c07666f726569676ea10a30083002040002020100",
        ))
        .unwrap();
        assert_eq!(entry.common.label, b"mycert");
        assert_eq!(entry.access, 0b1_1101);
        assert_eq!(entry.subject.map(|name| name.len()), Some(20));
    }

    #[test]
    fn certificate_and_token_info() {
        let entry =
            certificate(&hex("301d300c0c06636163657274030206403003040177a108300630040402ca00")).unwrap();
        assert_eq!((entry.common.label.as_slice(), entry.id.as_slice()), (&b"cacert"[..], &[0x77][..]));
        assert_eq!(entry.value, Value::Path(Path { bytes: vec![0xCA, 0x00], ..Path::default() }));
        let info = token_info(&hex("301102010080086c6162206361726403020520")).unwrap();
        assert_eq!(info.label.as_deref(), Some(&b"lab card"[..]));
        assert_eq!(info.last_update, None);
    }

    #[test]
    fn every_truncation_is_refused_or_complete() {
        let whole =
            hex("302b30110c087273612d69643331030206c0040101300a04013103020470020106a10a30083002040002020800");
        for length in 0..whole.len() {
            assert!(private_key(whole.get(..length).unwrap()).is_err(), "{length}");
        }
        let mut padded = whole.clone();
        padded.extend([0; 20]);
        assert_eq!(private_key(&padded), private_key(&whole));
    }

    #[test]
    fn secret_keys_and_empty_files_are_not_private_keys() {
        assert!(private_key(&[]).is_err());
        assert!(private_key(&[0xA8, 0x02, 0x30, 0x00]).is_err());
        assert_eq!(private_key(&[0xFF, 0xFF]), Err(TlvError::EndOfContents));
    }
}
