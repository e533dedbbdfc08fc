//! Data objects of an OpenPGP card (functional specification 2.0 to 3.4, §4.4), and the files that
//! OpenSC makes of its public keys.

use super::curve;
use super::key::PublicKey;
use super::tlv::{Walk, first, tagged};
use crate::snapshot::EfPath;

/// Length of a whole application identifier.
pub const AID_LENGTH: usize = 16;

/// Application related data.
pub const APPLICATION: EfPath = EfPath::at(0x006E);

/// Objects for private use that everybody may read: path, and the PIN by which OpenSC says they are protected.
pub const PRIVATE_USE: [(EfPath, u8); 2] = [(EfPath::at(0x0101), 2), (EfPath::at(0x0102), 3)];

/// The certificates in the order in which SELECT DATA counts them: path, ID of its key, label since version 3.
pub const CERTIFICATES: [(&[u8], u8, &str); 3] = [
    (&[0x7F, 0x21], 3, "AUT certificate"),
    (&[0x7F, 0x21, 1], 2, "DEC certificate"),
    (&[0x7F, 0x21, 2], 1, "SIG certificate"),
];

/// Algorithm identifiers in algorithm attributes.
pub const RSA: u8 = 0x01;
/// Elliptic curve Diffie-Hellman.
pub const ECDH: u8 = 0x12;
/// Elliptic curve signatures.
pub const ECDSA: u8 = 0x13;
/// Edwards curve signatures.
pub const EDDSA: u8 = 0x16;

/// Ed25519 as GnuPG names it, and as RFC 8410 does.
pub const ED25519: [&[u8]; 2] =
    [&[0x2B, 0x06, 0x01, 0x04, 0x01, 0xDA, 0x47, 0x0F, 0x01], &[0x2B, 0x65, 0x70]];
/// X25519 likewise.
pub const X25519: [&[u8]; 2] =
    [&[0x2B, 0x06, 0x01, 0x04, 0x01, 0x97, 0x55, 0x01, 0x05, 0x01], &[0x2B, 0x65, 0x6E]];

/// A key, or a place for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// 0 signature, 1 encryption, 2 authentication.
    pub number: u8,
    /// Algorithm attributes.
    pub attributes: Vec<u8>,
    /// Fingerprint, as the software that made the key has written it.
    pub fingerprint: Vec<u8>,
}

impl Key {
    /// The file that OpenSC makes of its public half.
    #[must_use]
    pub const fn file(&self) -> EfPath {
        EfPath::at(match self.number {
            0 => 0xB601,
            1 => 0xB801,
            _ => 0xA401,
        })
    }

    /// Has it a fingerprint? Software that makes a key writes one, and without it OpenSC takes the key for none.
    #[must_use]
    pub fn is_named(&self) -> bool {
        self.fingerprint.iter().any(|&byte| byte != 0)
    }

    /// The curve of a key that has one, OID content.
    #[must_use]
    pub fn curve(&self) -> Option<&[u8]> {
        curve_of(&self.attributes)
    }

    /// Size of its modulus or field in bits.
    #[must_use]
    pub fn bits(&self) -> i32 {
        match *self.attributes {
            [RSA, high, low, ..] => u16::from_be_bytes([high, low]).into(),
            _ => {
                let curve = self.curve().and_then(curve::by_oid);
                curve.and_then(|curve| i32::try_from(curve.bits).ok()).unwrap_or_default()
            }
        }
    }
}

/// The OID in algorithm attributes; the format of imported keys (00, FF) may stand behind it.
fn curve_of(attributes: &[u8]) -> Option<&[u8]> {
    let (&algorithm, oid) = attributes.split_first()?;
    let oid = oid.strip_suffix(&[0xFF]).or(oid.strip_suffix(&[0x00])).unwrap_or(oid);
    (algorithm != RSA).then_some(oid)
}

/// What is in application related data; version 2 leaves out the template around it.
fn related(bytes: &[u8]) -> &[u8] {
    first(bytes).filter(|element| element.tag == 0x6E).map_or(bytes, |element| element.value)
}

/// The application identifier, with version and serial number.
#[must_use]
pub fn aid(application: &[u8]) -> Option<&[u8]> {
    tagged(related(application), 0x4F).filter(|aid| aid.len() == AID_LENGTH)
}

/// Manufacturer and serial number, which OpenSC takes for the card's serial number.
#[must_use]
pub fn serial(aid: &[u8]) -> Option<&[u8]> {
    aid.get(8..14)
}

/// Does a card follow version 3? Then it has a certificate for each key, not only one, and tells who is logged in.
#[must_use]
pub fn is_version_3(aid: &[u8]) -> bool {
    aid.get(6).is_some_and(|&version| version >= 3)
}

/// What the PW status bytes (C4) say of the user's password, PW1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PwStatus {
    /// It counts for one signature.
    pub once: bool,
    /// Its greatest length.
    pub longest: usize,
    /// It is sent as a PIN block of format 2 (ISO 9564-1), not as it is typed.
    pub is_packed: bool,
    /// Tries left.
    pub tries: u8,
}

/// The PW status bytes of application related data (4.4.2).
#[must_use]
pub fn pw_status(application: &[u8]) -> Option<PwStatus> {
    let status = tagged(tagged(related(application), 0x73)?, 0xC4)?;
    let &[validity, user, _, _, tries, _, _] = status else { return None };
    Some(PwStatus {
        once: validity == 0,
        longest: usize::from(user & 0x7F),
        is_packed: user & 0x80 != 0,
        tries,
    })
}

/// Can a card want its passwords derived from what is typed (KDF-DO)? By its extended capabilities.
#[must_use]
pub fn may_derive(application: &[u8]) -> bool {
    let capabilities = tagged(related(application), 0x73).and_then(|list| tagged(list, 0xC0));
    capabilities.and_then(|capabilities| capabilities.first()).is_some_and(|first| first & 0x01 != 0)
}

/// Does a card take long data in extended APDUs and not in parts? By the card capabilities (tag 7, third byte) of its
/// historical bytes (ISO/IEC 7816-4, 12.1.2).
#[must_use]
pub fn takes_only_extended(application: &[u8]) -> bool {
    let historical = tagged(related(application), 0x5F52).unwrap_or_default();
    let capabilities = historical.windows(4).find(|four| four.first() == Some(&0x73));
    matches!(capabilities, Some([_, _, _, third]) if third & 0xC0 == 0x40)
}

/// The keys on the card: those with a fingerprint and an algorithm.
#[must_use]
pub fn keys(application: &[u8]) -> Vec<Key> {
    places(application).into_iter().filter(Key::is_named).collect()
}

/// The places for keys that have an algorithm, whether there is a key in them or not.
#[must_use]
pub fn places(application: &[u8]) -> Vec<Key> {
    let related = related(application);
    let Some(discretionary) = tagged(related, 0x73) else { return Vec::new() };
    let fingerprints = tagged(discretionary, 0xC5).unwrap_or_default();
    let key = |number: u8| {
        let attributes = tagged(discretionary, 0xC1 + u32::from(number))?;
        let fingerprint = fingerprints.chunks_exact(20).nth(usize::from(number))?;
        let has_algorithm = attributes.first().is_some_and(|&first| first != 0);
        has_algorithm.then(|| Key {
            number,
            attributes: attributes.to_vec(),
            fingerprint: fingerprint.to_vec(),
        })
    };
    (0..3).filter_map(key).collect()
}

/// The file that OpenSC makes of a public key template (7F49); none if the key is of a kind we do not know.
#[must_use]
pub fn public_key(template: &[u8], attributes: &[u8]) -> Option<Vec<u8>> {
    let parts = first(template).filter(|element| element.tag == 0x7F49)?.value;
    if let (Some(modulus), Some(exponent)) = (tagged(parts, 0x81), tagged(parts, 0x82)) {
        let spki = PublicKey::rsa(modulus, exponent).spki();
        // The PKCS#1 key is what stands in the BIT STRING.
        let bits = Walk::new(first(&spki)?.value).ok().and_then(|mut walk| {
            walk.required(0x30).ok()?;
            walk.required(0x03).ok()
        })?;
        return bits.get(1..).map(<[u8]>::to_vec);
    }
    let point = tagged(parts, 0x86)?;
    let oid = curve_of(attributes)?;
    if ED25519.contains(&oid) {
        return Some(PublicKey::from_ed25519(point.try_into().ok()?).spki());
    }
    if X25519.contains(&oid) {
        return Some(PublicKey::from_x25519(point.try_into().ok()?).spki());
    }
    curve::by_oid(oid)?;
    Some(PublicKey::Ec { curve_oid: oid.to_vec(), point: point.to_vec() }.spki())
}

/// The key in such a file.
#[must_use]
pub fn decode_public_key(file: &[u8]) -> Option<PublicKey> {
    if let Ok((key, algorithm)) = PublicKey::from_spki(file) {
        if ED25519.contains(&algorithm.as_slice()) {
            let content = first(file)?.value;
            let bytes = tagged(content, 0x03)?.get(1..)?;
            return bytes.try_into().ok().map(PublicKey::from_ed25519);
        }
        return Some(key);
    }
    let mut numbers = Walk::new(first(file).filter(|element| element.tag == 0x30)?.value).ok()?;
    Some(PublicKey::rsa(numbers.required(0x02).ok()?, numbers.required(0x02).ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use crate::format::tlv::encode;

    const P256: [u8; 9] = [ECDSA, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];

    #[test]
    fn public_keys_and_their_files() {
        let modulus = [&[0xC1][..], &[7; 127]].concat();
        let template = encode(0x7F49, &[encode(0x81, &modulus), encode(0x82, &[1, 0, 1])].concat());
        let file = public_key(&template, &[RSA, 4, 0, 0, 32, 0]).unwrap();
        assert_eq!(file[..6], [0x30, 0x81, 0x89, 0x02, 0x81, 0x81]);
        assert_eq!(decode_public_key(&file), Some(PublicKey::rsa(&modulus, &[1, 0, 1])));

        let point = [&[4][..], &[9; 64]].concat();
        let template = encode(0x7F49, &encode(0x86, &point));
        for suffix in [&[][..], &[0xFF], &[0x00]] {
            let file = public_key(&template, &[&P256, suffix].concat()).unwrap();
            let key = PublicKey::Ec { curve_oid: P256[1..].to_vec(), point: point.clone() };
            assert_eq!((file.clone(), decode_public_key(&file)), (key.spki(), Some(key)));
        }
        assert_eq!(public_key(b"", &P256), None);
        assert_eq!(decode_public_key(b"\x30\x00"), None);
    }

    #[test]
    fn what_a_card_says_of_its_password_and_itself() {
        let application = |capabilities: u8, status: &[u8], lengths: u8| {
            let historical = [0x00, 0x31, 0xF5, 0x73, 0xC0, 0x01, lengths, 0x05, 0x90, 0x00];
            let list = [encode(0xC0, &[capabilities; 10]), encode(0xC4, status)].concat();
            encode(0x6E, &[encode(0x5F52, &historical), encode(0x73, &list)].concat())
        };
        let once = application(0x5C, &[0, 0x7F, 0x7F, 0x7F, 3, 0, 3], 0x80);
        assert_eq!(pw_status(&once), Some(PwStatus { once: true, longest: 127, is_packed: false, tries: 3 }));
        assert!(!may_derive(&once) && !takes_only_extended(&once));
        let packed = application(0x5D, &[1, 0x88, 0x7F, 0x7F, 0, 0, 3], 0x40);
        assert_eq!(pw_status(&packed), Some(PwStatus { once: false, longest: 8, is_packed: true, tries: 0 }));
        assert!(may_derive(&packed) && takes_only_extended(&packed));
        assert!(!takes_only_extended(&application(0, &[], 0xC0)));
        assert_eq!(pw_status(&application(0, &[1, 2, 3], 0)), None);
        assert_eq!(pw_status(b""), None);
    }

    #[test]
    fn keys_have_a_fingerprint_in_both_versions_and_places_an_algorithm() {
        let fingerprints = [[1; 20], [0; 20], [3; 20]].concat();
        let parts = [
            encode(0xC1, &[RSA, 8, 0, 0, 32, 0]),
            encode(0xC2, &[RSA, 8, 0, 0, 32, 0]),
            encode(0xC3, &P256),
            encode(0xC5, &fingerprints),
        ];
        let aid = [0xD2, 0x76, 0, 1, 0x24, 1, 3, 4, 0, 5, 0, 0, 0x12, 0x34, 0, 0];
        let bare = [encode(0x4F, &aid), encode(0x73, &parts.concat())].concat();
        for application in [bare.clone(), encode(0x6E, &bare)] {
            let found: Vec<_> =
                keys(&application).iter().map(|key| (key.number, key.file(), key.bits())).collect();
            assert_eq!(found, [(0, EfPath::at(0xB601), 2048), (2, EfPath::at(0xA401), 256)]);
            let places: Vec<_> =
                places(&application).iter().map(|place| (place.number, place.is_named())).collect();
            assert_eq!(places, [(0, true), (1, false), (2, true)]);
            let aid = super::aid(&application).unwrap();
            assert_eq!((serial(aid), is_version_3(aid)), (Some(&[0, 5, 0, 0, 0x12, 0x34][..]), true));
        }
        assert!(keys(b"").is_empty());
    }
}
