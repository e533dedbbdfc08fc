//! What a native PKCS#15 card adds to the entries: EF.DIR, the object directory (ODF), PINs, and
//! directory files with many entries.

use super::parts::{Common, Path, parts, path, truncated};
use crate::format::tlv::{TlvError, Walk, bit_field, first, integer};

/// An application of EF.DIR (ISO 7816-15, 7.1; tag 61).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Application {
    /// Its AID.
    pub aid: Vec<u8>,
    /// Its label.
    pub label: Option<Vec<u8>>,
    /// Its directory; if there is none it is known by its AID.
    pub path: Option<Vec<u8>>,
    /// Where its object directory is, if not in file 5031.
    pub odf: Option<Path>,
    /// Where its TokenInfo is, if not in file 5032.
    pub token_info: Option<Path>,
    /// The AID that the files of its objects belong to.
    pub object_aid: Option<Vec<u8>>,
}

/// What a directory file describes, in the order of the tags of an object directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Directory {
    /// PrKDF.
    PrivateKeys,
    /// PuKDF.
    PublicKeys,
    /// SKDF.
    SecretKeys,
    /// CDF, trusted, useful or neither.
    Certificates,
    /// DODF.
    Data,
    /// AODF.
    Authentication,
}

/// A PIN entry (AODF).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinEntry {
    /// Common attributes.
    pub common: Common,
    /// Its authentication ID, by which objects name it.
    pub id: Vec<u8>,
    /// PIN flags.
    pub flags: u32,
    /// PIN type.
    pub kind: i32,
    /// Least, stored and greatest length; the last is 0 if absent.
    pub lengths: [i32; 3],
    /// Reference; 0 if absent.
    pub reference: i32,
    /// Pad character.
    pub pad: Option<u8>,
    /// Where it is, if the entry says.
    pub path: Option<Path>,
}

/// The applications of EF.DIR; a record that does not decode ends them.
#[must_use]
pub fn applications(bytes: &[u8]) -> Vec<Application> {
    // OpenSC has room for so many.
    const MOST: usize = 8;
    let mut found = Vec::new();
    let mut rest = bytes;
    while let Some(element) = first(rest).filter(|element| element.tag == 0x61 && found.len() < MOST) {
        let Ok(application) = application(element.value) else { break };
        found.push(application);
        rest = element.rest;
    }
    found
}

fn application(content: &[u8]) -> Result<Application, TlvError> {
    let short = |bytes: &[u8]| bytes.get(..16).unwrap_or(bytes).to_vec();
    let mut walk = Walk::new(content)?;
    let mut application = Application { aid: short(walk.required(0x4F)?), ..Application::default() };
    application.label = walk.optional(0x50).map(<[u8]>::to_vec);
    application.path = walk.optional(0x51).filter(|path| !path.is_empty()).map(short);
    if let Some(ddo) = walk.optional(0x73) {
        let mut walk = Walk::new(ddo)?;
        walk.optional(0x06);
        application.odf = walk.optional(0x30).map(path).transpose()?;
        application.token_info = walk.optional(0xA0).map(path).transpose()?;
        for tag in [0xA1, 0x42] {
            walk.optional(tag);
        }
        application.object_aid = walk.optional(0x4F).map(short);
    }
    Ok(application)
}

/// The directory files that an object directory (ODF) names. Not that of trusted public keys: OpenSC knows its
/// tag and looks no further, in all versions watched.
///
/// # Errors
/// [`TlvError`] where OpenSC gives the whole application up: an entry that is not a path, an unknown tag.
pub fn object_directory(bytes: &[u8]) -> Result<Vec<(Directory, Path)>, TlvError> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while let Some(element) = first(rest) {
        let kind = match element.tag {
            0xA0 => Some(Directory::PrivateKeys),
            0xA1 => Some(Directory::PublicKeys),
            0xA2 => None,
            0xA3 => Some(Directory::SecretKeys),
            0xA4..=0xA6 => Some(Directory::Certificates),
            0xA7 => Some(Directory::Data),
            0xA8 => Some(Directory::Authentication),
            other => return Err(TlvError::Missing(other)),
        };
        let path = path(Walk::new(element.value)?.required(0x30)?)?;
        found.extend(kind.map(|kind| (kind, path)));
        rest = element.rest;
    }
    Ok(found)
}

/// What 00 behind an entry of a directory file means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zeros {
    /// The end.
    End,
    /// Nothing: what comes behind counts.
    Skipped,
}

/// Walks through a directory file: gives each entry's bytes to `decode`, which says whether it decodes.
///
/// As OpenSC walks (watched with 0.23): 00, FF or an element beyond the end is the end, and
/// the first entry that does not decode is the last. False if it was ended so.
pub fn directory(bytes: &[u8], zeros: Zeros, mut decode: impl FnMut(&[u8]) -> Result<(), TlvError>) -> bool {
    let mut rest = bytes;
    while let Some(element) = first(rest) {
        match decode(element.raw) {
            Ok(()) => {}
            Err(TlvError::EndOfContents) => return true,
            Err(_) => return false,
        }
        rest = element.rest;
        while let (Zeros::Skipped, [0, behind @ ..]) = (zeros, rest) {
            rest = behind;
        }
    }
    true
}

/// Decodes a PIN entry.
///
/// # Errors
/// [`TlvError`] if it is another kind of authentication object, or damaged.
pub fn pin(bytes: &[u8]) -> Result<PinEntry, TlvError> {
    let mut parts = parts(Walk::new(bytes)?.required(0x30)?)?;
    let id = truncated(parts.class.required(0x04)?);
    let mut kind = Walk::new(parts.kind.required(0x30)?)?;
    let flags = bit_field(0x03, kind.required(0x03)?)?;
    let pin_kind = integer(0x0A, kind.required(0x0A)?)?;
    let least = integer(0x02, kind.required(0x02)?)?;
    let stored = integer(0x02, kind.required(0x02)?)?;
    let most = kind.optional(0x02).map_or(Ok(0), |value| integer(0x02, value))?;
    let reference = kind.optional(0x80).map_or(Ok(0), |value| integer(0x80, value))?;
    let pad = kind.optional(0x04).and_then(|pad| pad.first().copied());
    kind.optional(0x18);
    let path = kind.optional(0x30).map(path).transpose()?;
    Ok(PinEntry {
        common: parts.common,
        id,
        flags,
        kind: pin_kind,
        lengths: [least, stored, most],
        reference: if reference < 0 { reference + 256 } else { reference },
        pad,
        path,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;
    use crate::format::pkcs15::{Value, certificate, private_key, public_key};

    fn hex(text: &str) -> Vec<u8> {
        data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap()
    }

    // The files of a generic card that OpenSC 0.23's default driver listed.
    #[test]
    fn a_whole_card_is_walked_through() {
        let dir = hex(
            "611d4f0ca000000063504b43532d313550075465737441707051043f00501500000000000000000000000000000000",
        );
        let found = applications(&dir);
        assert_eq!(found.len(), 1);
        assert_eq!(found.first().unwrap().path.as_deref(), Some(&[0x3F, 0, 0x50, 0x15][..]));
        let odf = hex(
            "a80a300804063f0050154401a00a300804063f0050154402a10a300804063f0050154403a40a300804063f0050154404ffffffffffffffff",
        );
        let kinds: Vec<Directory> =
            object_directory(&odf).unwrap().into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(
            kinds,
            [
                Directory::Authentication,
                Directory::PrivateKeys,
                Directory::PublicKeys,
                Directory::Certificates
            ]
        );
        let aodf = hex(
            "303230090c0350494e030206c03003040101a120301e0302020c0a0101020104020108020108800101040100300604043f0050150000",
        );
        let mut pins = Vec::new();
        assert!(directory(&aodf, Zeros::End, |entry| pin(entry).map(|pin| pins.push(pin))));
        let [pin] = pins.as_slice() else { panic!("{pins:?}") };
        assert_eq!((pin.lengths, pin.reference, pin.pad), ([4, 8, 8], 1, Some(0)));
        let prkdf = hex(
            "a032300e0c0565636b657903020780040101300e04014503020520030203b8020101a110300e300804063f0050154b0102020100302d300f0c067273616b657903020780040101300e0404deadbeef0302026402020082a10a300830020400020204000000",
        );
        let mut keys = Vec::new();
        assert!(directory(&prkdf, Zeros::End, |entry| private_key(entry).map(|key| keys.push(key))));
        let references: Vec<_> = keys.iter().map(|key| key.key_reference).collect();
        assert_eq!(references, [Some(1), Some(130)]);
        let pukdf = hex("a02030070c0565636b6579300704014503020102a10c300a300804063f0050153300");
        let key = public_key(&pukdf).unwrap();
        assert!(matches!(key.value, Value::Path(path) if path.bytes == [0x3F, 0, 0x50, 0x15, 0x33, 0]));
        let cdf = hex("301c30070c0565636572743003040145a10c300a300804063f0050153400");
        assert_eq!(certificate(&cdf).unwrap().id, [0x45]);
    }

    #[test]
    fn a_directory_ends_where_opensc_ends_it() {
        let walk = |bytes: &[u8], zeros| {
            let mut found = 0;
            let whole = directory(bytes, zeros, |entry| {
                found += 1;
                if entry == [0x31, 0] { Err(TlvError::Missing(0x30)) } else { Ok(()) }
            });
            (found, whole)
        };
        // Watched with 0.26 and 0.27: only behind an entry.
        assert_eq!(walk(&[0x30, 0, 0, 0, 0x30, 0], Zeros::Skipped), (2, true));
        assert_eq!(walk(&[0x30, 0, 0, 0, 0xFF, 0x30, 0], Zeros::Skipped), (1, true));
        assert_eq!(walk(&[0, 0x30, 0], Zeros::Skipped), walk(&[0, 0x30, 0], Zeros::End));
        let count = |bytes: &[u8]| walk(bytes, Zeros::End);
        assert_eq!(count(&[0x30, 0, 0, 0, 0x30, 0]), (1, true));
        assert_eq!(count(&[0x30, 0, 0x30, 0]), (2, true));
        assert_eq!(count(&[0x30, 0, 0xFF, 0x30, 0]), (1, true));
        assert_eq!(count(&[0x30, 0, 0x30, 9, 1]), (1, true));
        assert_eq!(count(&[0x30, 0, 0x31, 0, 0x30, 0]), (2, false));
        assert_eq!(count(&[0, 0x30, 0]), (0, true));
        assert_eq!(count(&[]), (0, true));
    }

    #[test]
    fn trusted_public_keys_are_passed_over() {
        let odf = hex("a106300404024401a206300404024402a306300404024403");
        let kinds: Vec<_> = object_directory(&odf).unwrap().into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, [Directory::PublicKeys, Directory::SecretKeys]);
        assert!(object_directory(&hex("a2023000")).is_err());
    }

    #[test]
    fn paths_have_parts_and_applications() {
        let part = path(&hex("04043f004301020110800120")).unwrap();
        assert_eq!((part.bytes.len(), part.part), (4, Some((16, 32))));
        assert_eq!(path(&hex("04043f004301020110")).unwrap().part, None);
        let extended = path(&hex("a10b4f05a00000006304024301")).unwrap();
        assert_eq!((extended.aid.len(), extended.bytes), (5, vec![0x43, 1]));
        assert!(path(&[]).is_err());
    }
}
