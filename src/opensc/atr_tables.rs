//! The answers to reset by which OpenSC's drivers know their cards, as they stand in its library.
//!
//! OpenSC keeps them as text (`3b:98:13:…`, `card-*.c`), most of them whole, some with a mask of the same length beside
//! them. What stands nowhere in the library no driver takes by its answer to reset alone.

use std::path::Path;

use super::strings::Strings;

/// The longest answer to reset (ISO 7816-3), in bytes.
const LONGEST: usize = 33;
/// More than any library has.
const MOST: usize = 4096;

/// Does a driver of this library take a card with this answer to reset for its own by that alone, or may it? What cannot
/// be read may.
#[must_use]
pub fn may_know(library: &Path, atr: &[u8]) -> bool {
    let mut written: Vec<Vec<u8>> = Vec::new();
    let mut look = |strings: &Strings| {
        strings.each_with(b":", &mut |_, text| {
            written.extend(bytes(text).filter(|known| known.len() == atr.len()));
            written.len() < MOST
        })
    };
    let is_read = Strings::open(library).and_then(|strings| look(&strings)).is_ok();
    !is_read || written.len() >= MOST || is_among(&written, atr)
}

/// Is it one of these, or one of them under a mask that stands among them? Which mask belongs to which the library does not
/// tell, but one that has a mask is 0 wherever that is.
fn is_among(written: &[Vec<u8>], atr: &[u8]) -> bool {
    let (atrs, masks): (Vec<&Vec<u8>>, Vec<&Vec<u8>>) =
        written.iter().partition(|bytes| matches!(bytes.first(), Some(0x3B | 0x3F)));
    let masks: Vec<&Vec<u8>> = masks.into_iter().filter(|mask| mask.first() == Some(&0xFF)).collect();
    atrs.iter().any(|known| {
        known.as_slice() == atr
            || masks.iter().any(|mask| {
                let all = atr.iter().zip(known.iter()).zip(mask.iter());
                all.into_iter().all(|((atr, known), mask)| atr & mask == *known)
            })
    })
}

/// Bytes in hex with colons between them.
fn bytes(text: &[u8]) -> Option<Vec<u8>> {
    if text.len() < 5 || text.len() > LONGEST * 3 {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    text.split(':').map(|byte| u8::from_str_radix(byte, 16).ok().filter(|_| byte.len() == 2)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn tables_are_lists_of_text() {
        let written = ["3B:98:13:40", "3b:00:00:07", "FF:00:00:FF", "3B:AB:CD:08", "3B:12"]
            .map(|text| bytes(text.as_bytes()).unwrap());
        assert!(is_among(&written, &[0x3B, 0x98, 0x13, 0x40]));
        assert!(is_among(&written, &[0x3B, 0xAB, 0xCD, 0x07]));
        assert!(is_among(&written, &[0x3B, 0xAB, 0xCD, 0x08]), "whole");
        assert!(!is_among(&written, &[0x3B, 0xEE, 0xCD, 0x08]), "that one has no mask");
        for none in ["3B", "3B:1", "3B:XX", "", "3B 98", "3B:98:"] {
            assert_eq!(bytes(none.as_bytes()), None, "{none}");
        }
        let dir = tempfile::tempdir().unwrap();
        let library = dir.path().join("libopensc.so");
        std::fs::write(&library, b"x\x003b:7d:00:00\x00FF:FF:00:FF\x00z").unwrap();
        assert!(may_know(&library, &[0x3B, 0x7D, 0x96, 0x00]));
        assert!(!may_know(&library, &[0x3B, 0x7E, 0x95, 0x00]));
        assert!(may_know(&dir.path().join("none"), &[0x3B]));
    }
}
