//! Files of a SmartCard-HSM, by name and number, as OpenSC's `card-sc-hsm.c` and `pkcs15-sc-hsm.c` know them.
//!
//! All its files have two-byte identifiers: a prefix that says of what kind, and a number. The key list
//! (ENUMERATE OBJECTS) names them. What belongs to one key has the key's number; where a certificate authority's
//! certificate or data are, only their description says.

use super::{cvc, pkcs15};
use crate::snapshot::{EfPath, Fid};

/// Identifier of its application, part of all its cache names.
pub const AID: [u8; 11] = [0xE8, 0x2B, 0x06, 0x01, 0x04, 0x01, 0x81, 0xC3, 0x1F, 0x02, 0x01];

/// OpenSC's short name of the driver for such cards.
pub const DRIVER: &str = "sc-hsm";

/// First bytes of its file identifiers.
pub mod prefix {
    /// Key object; never readable.
    pub const KEY: u8 = 0xCC;
    /// Description of a private key.
    pub const PRIVATE_KEY: u8 = 0xC4;
    /// Certificate request or certificate of a key.
    pub const CERTIFICATE: u8 = 0xCE;
    /// Description of a CA certificate.
    pub const CA_DESCRIPTION: u8 = 0xC8;
    /// CA certificate.
    pub const CA_CERTIFICATE: u8 = 0xCA;
    /// Description of a data object.
    pub const DATA_DESCRIPTION: u8 = 0xC9;
    /// Data that need the PIN.
    pub const PRIVATE_DATA: u8 = 0xCD;
    /// Public data.
    pub const DATA: u8 = 0xCF;
}

/// Device certificate, then that of its issuer (emulators: a request, then the certificate).
pub const DEVICE_CERTIFICATE: Fid = Fid(0x2F02);
/// The same for people.
pub const DEVICE_CERTIFICATE_NAME: &str = "device certificate (2F02)";
/// PKCS#15 TokenInfo.
pub const TOKEN_INFO: Fid = Fid(0x2F03);
/// The device's own key: its certificate is elsewhere, and it signs requests, nothing else.
pub const DEVICE_KEY: Fid = fid(prefix::KEY, 0);

/// Entries of the key list that OpenSC looks at (a buffer of 1014 bytes).
pub const MAX_OBJECTS: usize = 507;

/// A file identifier of prefix and number.
#[must_use]
pub const fn fid(prefix: u8, number: u8) -> Fid {
    Fid(u16::from_be_bytes([prefix, number]))
}

/// Prefix and number of a file identifier; zeros for what is none.
#[must_use]
pub fn split(file: impl Into<EfPath>) -> (u8, u8) {
    let [prefix, number] = file.into().fid().unwrap_or(Fid(0)).0.to_be_bytes();
    (prefix, number)
}

/// The file identifiers of a key list, in the card's order.
pub fn key_list(answer: &[u8]) -> impl Iterator<Item = Fid> {
    answer.as_chunks::<2>().0.iter().map(|pair| Fid(u16::from_be_bytes(*pair)))
}

/// The file that a path in a description names.
#[must_use]
pub fn file_of(path: &[u8]) -> Option<EfPath> {
    match path {
        [prefix, number] => Some(fid(*prefix, *number).into()),
        _ => None,
    }
}

/// The files that a description points to and that may be read
/// without the PIN: what a scan has to read besides the key list's own files.
#[must_use]
pub fn referenced(description: &[u8]) -> Vec<Fid> {
    let (value, private) = match (pkcs15::certificate(description), pkcs15::data_object(description)) {
        (Ok(entry), _) => (entry.value, false),
        (_, Ok(entry)) => (entry.value, entry.common.flags & pkcs15::FLAG_PRIVATE != 0),
        _ => return Vec::new(),
    };
    match value {
        pkcs15::Value::Path(path) if !private => {
            file_of(&path.bytes).filter(|&file| !is_private(file)).and_then(EfPath::fid).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// The serial as OpenSC takes it from a device certificate: the holder reference
/// without its last five characters.
#[must_use]
pub fn serial_of(device_certificate: &[u8]) -> Option<String> {
    let chr = cvc::decode(device_certificate).ok()?.chr;
    // OpenSC stops at a NUL and gives up below eight characters.
    let chr = chr.split(|&byte| byte == 0).next()?;
    if chr.len() < 8 {
        return None;
    }
    String::from_utf8(chr.get(..chr.len() - 5)?.to_vec()).ok()
}

/// True for the files that the card gives only after the PIN.
#[must_use]
pub fn is_private(file: impl Into<EfPath>) -> bool {
    matches!(split(file).0, prefix::PRIVATE_DATA | prefix::KEY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_identifier_is_a_prefix_and_a_number() {
        assert_eq!((fid(prefix::KEY, 3), split(Fid(0xC403))), (Fid(0xCC03), (prefix::PRIVATE_KEY, 3)));
        assert_eq!(split(EfPath::default()), (0, 0));
        assert_eq!(file_of(&[0xCF, 0x01]), Some(EfPath::at(0xCF01)));
        assert_eq!((file_of(&[0xCF]), file_of(&[0x3F, 0, 0xCF, 1])), (None, None));
    }

    #[test]
    fn a_key_list_ends_before_a_byte_that_is_left_over() {
        assert_eq!(key_list(&[0xCC, 0, 0xCC, 1, 0xC4]).collect::<Vec<_>>(), [DEVICE_KEY, Fid(0xCC01)]);
    }

    #[test]
    fn keys_and_protected_data_take_the_pin() {
        let private: Vec<u8> = (0..=0xFF).filter(|&first| is_private(fid(first, 1))).collect();
        assert_eq!(private, [prefix::KEY, prefix::PRIVATE_DATA]);
    }
}
