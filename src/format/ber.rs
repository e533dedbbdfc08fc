//! BER with indefinite lengths and strings in pieces (ITU-T X.690, 8.1.3.6 and 8.7.3), as CMS may be written
//! (RFC 5652, 5.2), to the same with definite lengths and strings in one piece, which is what everything else
//! here reads.
//!
//! Hides that lengths may only be known at the end. How deep it may nest is bounded; what comes out is
//! never longer than what went in, plus the lengths that were left out.

use super::tlv::{encode, header};

/// Deeper nested is nothing that is signed.
const MOST_DEPTH: u8 = 32;

/// The element at the start of `bytes` with definite lengths, and what follows it. `None` if it is cut off,
/// malformed or nested too deeply.
#[must_use]
pub fn definite(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    element(bytes, MOST_DEPTH)
}

fn element(bytes: &[u8], depth: u8) -> Option<(Vec<u8>, &[u8])> {
    let depth = depth.checked_sub(1)?;
    let head = header(bytes)?;
    let after = bytes.get(head.size..)?;
    if !head.indefinite && !is_constructed(bytes) {
        let (_, rest) = after.split_at_checked(head.length)?;
        return Some((bytes.get(..head.size + head.length)?.to_vec(), rest));
    }
    if head.indefinite && !is_constructed(bytes) {
        return None;
    }
    let (mut content, rest) = if head.indefinite {
        (after, None)
    } else {
        let (content, rest) = after.split_at_checked(head.length)?;
        (content, Some(rest))
    };
    let mut inner = Vec::new();
    let rest = loop {
        match (content, rest) {
            ([], Some(rest)) => break rest,
            ([0, 0, tail @ ..], None) => break tail,
            _ => {}
        }
        let (one, tail) = element(content, depth)?;
        // The pieces of a string are its value.
        if head.tag == 0x24 {
            let piece = header(&one).filter(|piece| piece.tag == 0x04)?;
            inner.extend_from_slice(one.get(piece.size..)?);
        } else {
            inner.extend_from_slice(&one);
        }
        content = tail;
    };
    let tag = if head.tag == 0x24 { 0x04 } else { head.tag };
    Some((encode(tag, &inner), rest))
}

/// Does an element hold others?
fn is_constructed(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|lead| lead & 0x20 != 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn lengths_are_told_and_strings_joined() {
        // SEQUENCE { OCTET STRING in two pieces, [0] { INTEGER 5 } }, nothing of it with a length; a byte follows.
        let bytes =
            [0x30, 0x80, 0x24, 0x80, 0x04, 2, 1, 2, 0x04, 1, 3, 0, 0, 0xA0, 0x80, 2, 1, 5, 0, 0, 0, 0, 9];
        let (der, rest) = definite(&bytes).unwrap();
        assert_eq!(der, [0x30, 10, 0x04, 3, 1, 2, 3, 0xA0, 3, 2, 1, 5]);
        assert_eq!(rest, [9]);
        // What has its lengths stays as it is.
        assert_eq!(definite(&der).unwrap(), (der.clone(), &[][..]));
        for cut in 0..bytes.len() - 1 {
            assert!(definite(bytes.get(..cut).unwrap()).is_none(), "{cut}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nest = |depth: usize| [[0x30, 0x80].repeat(depth), [0, 0].repeat(depth)].concat();
        assert!(definite(&nest(30)).is_some());
        assert!(definite(&nest(1_000_000)).is_none());
        assert!(definite(&[0x30; 1_000]).is_none());
        // A string in pieces is made of strings.
        assert!(definite(&[0x24, 0x80, 2, 1, 5, 0, 0]).is_none());
        assert!(definite(&[0x04, 0x80, 0, 0]).is_none());
    }
}
