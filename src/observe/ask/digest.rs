//! Digests that tell equal from different within one observation, and nothing else: what they are salted with is random
//! and never kept. A name or a tax number could be guessed by any other.

use sha2::{Digest, Sha256};

use crate::format::{tlv, x509};
use crate::snapshot::{Against, AskedFile, Bytes, EntryName};
use crate::text::hex;

/// Makes them.
pub(super) struct Digester([u8; 32]);

impl Digester {
    /// With a salt of its own.
    pub(super) fn new() -> std::io::Result<Self> {
        let mut salt = [0; 32];
        rustix::rand::getrandom(&mut salt, rustix::rand::GetRandomFlags::empty())?;
        Ok(Self(salt))
    }

    /// Of these bytes.
    pub(super) fn of(&self, content: &[u8]) -> Bytes {
        let mut digest = Sha256::new();
        digest.update(self.0);
        digest.update(content);
        Bytes(digest.finalize().to_vec())
    }

    /// Of a piece of text, in a few digits.
    pub(super) fn short(&self, content: &[u8]) -> String {
        hex(self.of(content.trim_ascii()).as_slice().get(..8).unwrap_or_default())
    }

    /// What is kept of a file.
    pub(super) fn file(&self, name: &EntryName, content: &[u8], against: Option<Against>) -> AskedFile {
        AskedFile {
            name: name.clone(),
            size: content.len() as u64,
            digest: self.of(content),
            content: x509::decode(content).map(|certificate| Bytes(certificate.der)),
            against,
        }
    }
}

/// How a cache entry compares with the fresh file of its name.
pub(super) fn against(entry: &[u8], fresh: &[u8]) -> Against {
    if entry == fresh {
        return Against::Equal;
    }
    // OpenSC may have written it more than once in one listing, too.
    let unit = (2..=MOST_COPIES).rev().find_map(|copies| {
        let unit = fresh.get(..fresh.len().checked_div(copies)?)?;
        is_repeated(fresh, unit).then_some(unit)
    });
    let unit = unit.unwrap_or(fresh);
    if is_repeated(entry, unit) {
        return Against::Copies((entry.len() / unit.len()) as u64);
    }
    if fresh.starts_with(entry) {
        return if is_whole(entry) { Against::Prefix } else { Against::Cut };
    }
    Against::Differs(entry.iter().zip(fresh).take_while(|(a, b)| a == b).count() as u64)
}

/// Is it made of whole BER elements?
fn is_whole(mut rest: &[u8]) -> bool {
    while !rest.is_empty() {
        let Some(header) = tlv::header(rest).filter(|header| !header.indefinite) else { return false };
        let Some(behind) = header.size.checked_add(header.length).and_then(|end| rest.get(end..)) else {
            return false;
        };
        rest = behind;
    }
    true
}

/// So many copies of a file OpenSC writes in one listing at most.
const MOST_COPIES: usize = 16;

fn is_repeated(whole: &[u8], unit: &[u8]) -> bool {
    !unit.is_empty()
        && !whole.is_empty()
        && whole.len().is_multiple_of(unit.len())
        && whole.chunks(unit.len()).all(|piece| piece == unit)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn copies_and_beginnings_are_no_difference() {
        assert_eq!(against(b"abc", b"abc"), Against::Equal);
        assert_eq!(against(b"abcabcabc", b"abc"), Against::Copies(3));
        // A listing that wrote it twice.
        assert_eq!(against(b"abc", b"abcabc"), Against::Copies(1));
        assert_eq!(against(b"ab", b"abc"), Against::Cut);
        assert_eq!(against(&[0x30, 1, 0], &[0x30, 1, 0, 0x30, 0]), Against::Prefix);
        assert_eq!(against(b"", b"abc"), Against::Prefix);
        assert_eq!(against(b"abx", b"abc"), Against::Differs(2));
        assert_eq!(against(b"oldabc", b"abc"), Against::Differs(0));
        assert_eq!(against(b"abcx", b"abc"), Against::Differs(3));
        assert_eq!(against(b"abc", b""), Against::Differs(0));
        assert_eq!(against(b"", b""), Against::Equal);
    }

    #[test]
    fn a_digest_tells_nothing_in_another_run() {
        let (one, other) = (Digester::new().unwrap(), Digester::new().unwrap());
        assert_eq!(one.of(b"x"), one.of(b"x"));
        assert_ne!(one.of(b"x"), one.of(b"y"));
        assert_ne!(one.of(b"x"), other.of(b"x"));
    }
}
