//! Data objects of a PIV card (NIST SP 800-73-4, part 1), as OpenSC takes them apart.
//!
//! A card hands out an object as `53 { … }`. OpenSC knows it as a file named by the object's
//! container identifier (`0101`), and the certificate in it, decompressed, as a second file
//! with `CECE` behind that name.

use std::io::Read;

use flate2::read::{GzDecoder, ZlibDecoder};

use super::curve;
use super::key::PublicKey;
use super::tlv::{first, tagged};
use crate::snapshot::EfPath;

/// The largest certificate that is unpacked; a card's objects are far smaller.
const LARGEST_CERTIFICATE: u64 = 65_535;

/// What stands behind the container identifier in the path of a certificate.
const CERTIFICATE: [u8; 2] = [0xCE, 0xCE];

/// The first two bytes of the usual tags.
pub const TAGS: [u8; 2] = [0x5F, 0xC1];

/// A place for a key and its certificate, or for a certificate alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Key reference: 9A, 9C, 9D, 9E, or 82 to 95 for retired keys; 0 in [`MESSAGING`].
    pub reference: u8,
    /// Container identifier of the certificate.
    pub container: u16,
    /// Last byte of the certificate's tag.
    pub tag: u8,
}

/// A data object that is no certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object {
    /// Container identifier.
    pub container: u16,
    /// Its tag: the last byte of one like all others, or one of its own.
    pub tag: Tag,
}

/// The tag of a data object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// 5FC1 and this byte.
    Usual(u8),
    /// 7E: the discovery object.
    Discovery,
    /// 7F61: the biometric information templates group template.
    Biometrics,
}

/// Discovery object.
pub const DISCOVERY: Object = Object { container: 0x6050, tag: Tag::Discovery };
/// Biometric information templates group template.
pub const BIOMETRICS: Object = Object { container: 0x1016, tag: Tag::Biometrics };
/// Card holder unique identifier (CHUID).
pub const CHUID: Object = Object { container: 0x3000, tag: Tag::Usual(0x02) };
/// Key history object.
pub const KEY_HISTORY: Object = Object { container: 0x6060, tag: Tag::Usual(0x0C) };
/// Card capability container.
pub const CAPABILITIES: Object = Object { container: 0xDB00, tag: Tag::Usual(0x07) };
/// Security object.
pub const SECURITY: Object = Object { container: 0x9000, tag: Tag::Usual(0x06) };

/// The objects that everybody may read.
pub const PUBLIC: [Object; 6] = [DISCOVERY, CHUID, KEY_HISTORY, CAPABILITIES, SECURITY, BIOMETRICS];

/// PIV authentication, digital signature, key management, card authentication.
pub const SLOTS: [Slot; 4] = [
    Slot { reference: 0x9A, container: 0x0101, tag: 0x05 },
    Slot { reference: 0x9C, container: 0x0100, tag: 0x0A },
    Slot { reference: 0x9D, container: 0x0102, tag: 0x0B },
    Slot { reference: 0x9E, container: 0x0500, tag: 0x01 },
];

/// Where the certificate of whoever signs for secure messaging stands: a place without a key.
pub const MESSAGING: Slot = Slot { reference: 0, container: 0x1017, tag: 0x22 };

/// How many retired keys there can be.
pub const RETIRED: u8 = 20;

/// The key by which a YubiKey vouches for the keys that it makes.
pub const ATTESTATION: u8 = 0xF9;

/// The slots of the first so many retired keys.
pub fn retired(count: u8) -> impl Iterator<Item = Slot> {
    (1..=count.min(RETIRED)).map(|number| Slot {
        reference: 0x81 + number,
        container: 0x1000 + u16::from(number),
        tag: 0x0C + number,
    })
}

/// True for the last byte of the tag of an object that everybody may read.
#[must_use]
pub fn is_public(tag: u8) -> bool {
    let of_key = |slot: Slot| slot.tag == tag;
    PUBLIC.iter().any(|object| object.tag == Tag::Usual(tag))
        || SLOTS.into_iter().chain([MESSAGING]).chain(retired(RETIRED)).any(of_key)
}

/// Is it the reference of a key that signs or deciphers?
#[must_use]
pub fn is_key(reference: u8) -> bool {
    reference == ATTESTATION
        || SLOTS.into_iter().chain(retired(RETIRED)).any(|slot| slot.reference == reference)
}

impl Slot {
    /// The object with the certificate.
    #[must_use]
    pub const fn object(self) -> EfPath {
        EfPath::at(self.container)
    }

    /// The certificate in it.
    #[must_use]
    pub fn certificate(self) -> EfPath {
        let path = [self.container.to_be_bytes(), CERTIFICATE].concat();
        EfPath::new(&path).unwrap_or_default()
    }

    /// The slot that a file belongs to, whether it is the object or the certificate in it.
    #[must_use]
    pub fn of(file: EfPath) -> Option<Self> {
        SLOTS
            .into_iter()
            .chain([MESSAGING])
            .chain(retired(RETIRED))
            .find(|slot| slot.object() == file || slot.certificate() == file)
    }

    /// The number of a retired key, from 1.
    #[must_use]
    pub const fn retired_number(self) -> Option<u8> {
        match self.reference {
            0x82..=0x95 => Some(self.reference - 0x81),
            _ => None,
        }
    }
}

/// The content of an object; none if it is damaged.
#[must_use]
pub fn content(object: &[u8]) -> Option<&[u8]> {
    first(object).filter(|element| matches!(element.tag, 0x53 | 0x7E)).map(|element| element.value)
}

/// The certificate of an object as OpenSC keeps it; `Ok(None)` if there is none in it.
///
/// # Errors
/// When it is compressed in a way that cannot be unpacked.
pub fn certificate(object: &[u8]) -> std::io::Result<Option<Vec<u8>>> {
    let Some(content) = content(object) else { return Ok(None) };
    let Some(bytes) = tagged(content, 0x70).filter(|bytes| !bytes.is_empty()) else { return Ok(None) };
    let info = tagged(content, 0x71).and_then(|info| info.first()).copied().unwrap_or_default();
    // 01 by NIST SP 800-73; 80 by its first version, bits counted from the other end.
    if info & 0x81 == 0 {
        return Ok(Some(bytes.to_vec()));
    }
    let mut unpacked = Vec::new();
    let packed: Box<dyn Read + '_> = match bytes {
        [0x1F, 0x8B, ..] => Box::new(GzDecoder::new(bytes)),
        _ => Box::new(ZlibDecoder::new(bytes)),
    };
    packed.take(LARGEST_CERTIFICATE).read_to_end(&mut unpacked)?;
    Ok(Some(unpacked))
}

/// How many retired keys have their certificate on the card, and how many elsewhere.
#[must_use]
pub fn key_history(object: &[u8]) -> (u8, u8) {
    let content = content(object).unwrap_or_default();
    let count = |tag| match tagged(content, tag) {
        Some(&[count]) => count,
        _ => 0,
    };
    (count(0xC1), count(0xC2))
}

/// What a YubiKey tells of a key (GET METADATA; Yubico, "PIV extensions").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// Its public half; none if its kind is not known here.
    pub public: Option<PublicKey>,
    /// When it asks for the PIN, in words.
    pub pin: Option<&'static str>,
    /// When it asks for a touch, in words.
    pub touch: Option<&'static str>,
    /// Where it was made, in words.
    pub origin: Option<&'static str>,
}

/// What stands in an answer to GET METADATA; none if no algorithm does.
#[must_use]
pub fn metadata(answer: &[u8]) -> Option<Metadata> {
    let algorithm = *tagged(answer, 0x01)?.first()?;
    let policies = tagged(answer, 0x02).unwrap_or_default();
    let pin = policies.first().and_then(|policy| match policy {
        1 => Some("never"),
        2 => Some("once"),
        3 => Some("for each use"),
        4 => Some("once, or a fingerprint"),
        5 => Some("for each use, or a fingerprint"),
        _ => None,
    });
    let touch = policies.get(1).and_then(|policy| match policy {
        1 => Some("never"),
        2 => Some("for each use"),
        3 => Some("for each use, but within 15 seconds of the last one"),
        _ => None,
    });
    let origin = tagged(answer, 0x03).and_then(|origin| match origin {
        [1] => Some("generated on the card"),
        [2] => Some("imported"),
        _ => None,
    });
    let public = tagged(answer, 0x04).and_then(|key| told_key(algorithm, key));
    Some(Metadata { public, pin, touch, origin })
}

/// A public key as such a card tells it.
fn told_key(algorithm: u8, key: &[u8]) -> Option<PublicKey> {
    let on = |curve: &str| {
        let curve = curve::by_name(curve)?;
        Some(PublicKey::Ec { curve_oid: curve.oid.to_vec(), point: tagged(key, 0x86)?.to_vec() })
    };
    let bytes = || <&[u8; 32]>::try_from(tagged(key, 0x86)?).ok();
    match algorithm {
        0x05..=0x07 | 0x16 => Some(PublicKey::rsa(tagged(key, 0x81)?, tagged(key, 0x82)?)),
        0x11 => on("P-256"),
        0x14 => on("P-384"),
        0xE0 => bytes().map(PublicKey::from_ed25519),
        0xE1 => bytes().map(PublicKey::from_x25519),
        _ => None,
    }
}

/// Does a discovery object (7E) say that the PIN of the whole card (reference 00) is meant, and not the application's
/// own (80)? So it is if both satisfy its rules and the former is said to be the usual one (PIN usage
/// policy 5F2F, SP 800-73-4, part 1, 3.3.2).
#[must_use]
pub fn prefers_global_pin(discovery: &[u8]) -> bool {
    let policy = content(discovery).and_then(|content| tagged(content, 0x5F2F));
    matches!(policy, Some([rules, 0x20]) if rules & 0x60 == 0x60)
}

/// The serial number that OpenSC makes of a CHUID: of its FASC-N, or of its GUID where the FASC-N is
/// that of an agency which is none (9999). `None` if there is neither. `zeros_are_none`: a
/// FASC-N of zeros does not count.
#[must_use]
pub fn serial(chuid: &[u8], zeros_are_none: bool) -> Option<&[u8]> {
    let content = content(chuid)?;
    let is_set = |bytes: &&[u8]| bytes.iter().any(|&byte| byte != 0);
    let fasc_n = tagged(content, 0x30).filter(|value| value.len() == 25);
    let fasc_n = fasc_n.filter(|value| !zeros_are_none || is_set(value));
    let guid = tagged(content, 0x34).filter(|value| value.len() == 16).filter(is_set);
    match fasc_n {
        Some(fasc_n) if is_agency(fasc_n) || guid.is_none() => Some(fasc_n),
        _ => guid,
    }
}

/// Is a FASC-N that of a federal agency, and not 9999?
#[must_use]
pub fn is_agency(fasc_n: &[u8]) -> bool {
    !matches!(*fasc_n, [0xD4, 0xE7, 0x39, fourth, ..] if fourth | 0x7F == 0xFF)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::io::Write;

    use super::*;
    use crate::format::tlv::encode;

    fn object(certificate: &[u8], info: u8) -> Vec<u8> {
        encode(0x53, &[encode(0x70, certificate), encode(0x71, &[info]), encode(0xFE, &[])].concat())
    }

    #[test]
    fn certificates_come_plain_or_compressed() {
        let plain = vec![0x30; 900];
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(&plain).unwrap();
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        zlib.write_all(&plain).unwrap();
        for (bytes, info) in [(plain.clone(), 0), (gzip.finish().unwrap(), 1), (zlib.finish().unwrap(), 0x80)]
        {
            assert_eq!(certificate(&object(&bytes, info)).unwrap(), Some(plain.clone()));
        }
        assert_eq!(certificate(b"\x53\x00").unwrap(), None);
        assert_eq!(certificate(b"").unwrap(), None);
        assert!(certificate(&object(b"no archive", 1)).is_err());
    }

    #[test]
    fn what_unpacks_to_more_than_any_certificate_is_cut() {
        let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        bomb.write_all(&vec![0; 1 << 22]).unwrap();
        let unpacked = certificate(&object(&bomb.finish().unwrap(), 1)).unwrap().unwrap();
        assert_eq!(unpacked.len() as u64, LARGEST_CERTIFICATE);
    }

    #[test]
    fn serials_as_opensc_makes_them() {
        let none = [0xD4, 0xE7, 0x39, 0xDA, 0x73];
        let mut fasc_n = [1; 25];
        let chuid = |fasc_n: &[u8], guid: &[u8]| {
            encode(0x53, &[encode(0x30, fasc_n), encode(0x34, guid), encode(0x3E, &[])].concat())
        };
        let of = |object: &[u8], strict| serial(object, strict).map(<[u8]>::to_vec);
        assert_eq!(of(&chuid(&fasc_n, &[2; 16]), false), Some(fasc_n.to_vec()));
        fasc_n.iter_mut().zip(none).for_each(|(byte, value)| *byte = value);
        assert_eq!(of(&chuid(&fasc_n, &[2; 16]), false), Some(vec![2; 16]));
        assert_eq!(of(&chuid(&fasc_n, &[0; 16]), false), Some(fasc_n.to_vec()));
        assert_eq!(of(&chuid(&[0; 25], &[0; 16]), false), Some(vec![0; 25]));
        assert_eq!(of(&chuid(&[0; 25], &[0; 16]), true), None);
        assert_eq!(of(b"\x53\x00", false), None);
    }

    #[test]
    fn what_a_yubikey_tells_of_a_key() {
        let answer = |algorithm: u8, policies: [u8; 2], origin: u8, key: &[u8]| {
            let fields =
                [encode(1, &[algorithm]), encode(2, &policies), encode(3, &[origin]), encode(4, key)];
            metadata(&fields.concat()).unwrap()
        };
        let point = [&[4][..], &[7; 64]].concat();
        let generated = answer(0x11, [2, 1], 1, &encode(0x86, &point));
        let curve = curve::by_name("P-256").unwrap();
        assert_eq!(generated.public, Some(PublicKey::Ec { curve_oid: curve.oid.to_vec(), point }));
        assert_eq!((generated.pin, generated.touch), (Some("once"), Some("never")));
        assert_eq!(generated.origin, Some("generated on the card"));
        let numbers = [encode(0x81, &[9; 128]), encode(0x82, &[1, 0, 1])].concat();
        let imported = answer(0x06, [3, 3], 2, &numbers);
        assert_eq!(imported.public, Some(PublicKey::rsa(&[9; 128], &[1, 0, 1])));
        assert_eq!(imported.origin, Some("imported"));
        assert!(answer(0xE0, [1, 2], 1, &encode(0x86, &[5; 32])).public.unwrap().is_ed25519());
        // Of another kind, cut off, or nothing.
        assert_eq!(answer(0x99, [0, 9], 3, &numbers).public, None);
        assert_eq!(answer(0xE1, [1, 2], 1, &encode(0x86, &[5; 31])).public, None);
        assert_eq!(metadata(b""), None);
        assert!(is_key(0x9A) && is_key(0x95) && is_key(0xF9) && !is_key(0x9B) && !is_key(0x96) && !is_key(0));
    }

    #[test]
    fn the_pin_that_a_discovery_object_prefers() {
        let discovery =
            |policy: &[u8]| encode(0x7E, &[encode(0x4F, &[0xA0]), encode(0x5F2F, policy)].concat());
        for (policy, global) in
            [([0x60, 0x20], true), ([0x60, 0x10], false), ([0x40, 0x00], false), ([0x70, 0x20], true)]
        {
            assert_eq!(prefers_global_pin(&discovery(&policy)), global, "{policy:02X?}");
        }
        assert!(!prefers_global_pin(b"") && !prefers_global_pin(&discovery(&[0x60])));
    }

    #[test]
    fn slots_by_their_files() {
        let slot = Slot::of(EfPath::new(&[0x10, 0x14, 0xCE, 0xCE]).unwrap()).unwrap();
        assert_eq!((slot.reference, slot.tag, slot.retired_number()), (0x95, 0x20, Some(20)));
        assert_eq!(Slot::of(EfPath::at(0x1015)), None);
        assert!(
            is_public(0x20) && is_public(0x05) && !is_public(0x09) && !is_public(0x21) && !is_public(0x03)
        );
        assert_eq!(key_history(b"\x53\x08\xC1\x01\x03\xC2\x01\x02\xFE\x00"), (3, 2));
    }
}
