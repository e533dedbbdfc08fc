//! Is a directory file as a card may once have given it?

use super::kinds::{decodes, listed_tags};
use crate::format::pkcs15::{self, Directory, Zeros};

/// Entries of this kind and nothing else, up to the padding, which may be whatever it likes but the beginning of a further
/// entry.
pub(super) fn is_whole_directory(kind: Directory, bytes: &[u8]) -> bool {
    let mut length = 0;
    let whole = pkcs15::directory(bytes, Zeros::End, |entry| {
        let decoded = decodes(kind, entry);
        if decoded.is_ok() || pkcs15::is_of_other_kind(entry, listed_tags(kind)) {
            length += entry.len();
            return Ok(());
        }
        decoded
    });
    let behind = bytes.get(length..).unwrap_or_default();
    let is_cut = match behind.first() {
        Some(0 | 0xFF) | None => false,
        Some(0x30 | 0xA0..=0xAF) => true,
        Some(_) => length == 0,
    };
    whole && !is_cut
}

#[cfg(test)]
mod tests {
    use super::super::kinds::KINDS;
    use super::*;
    use crate::format::tlv::encode;

    /// An entry of a kind of directory, with this label.
    fn entry(kind: Directory, label: &str) -> Vec<u8> {
        let common = encode(0x30, &[encode(0x0C, label.as_bytes()), vec![3, 2, 6, 0x40]].concat());
        let path = encode(0x30, &encode(0x04, &[0x33, 0x01]));
        let key = encode(0x30, &[4, 1, 1, 3, 2, 6, 0x40]);
        let (class, kind) = match kind {
            Directory::PrivateKeys | Directory::PublicKeys => (key, [&path[..], &[2, 2, 4, 0]].concat()),
            Directory::SecretKeys => (key, path),
            Directory::Certificates => (encode(0x30, &[4, 1, 1]), path),
            Directory::Data => (encode(0x30, &encode(0x0C, b"app")), encode(0x04, &[0x33, 0x01])),
            Directory::Authentication => {
                (encode(0x30, &[4, 1, 1]), vec![3, 2, 4, 0x10, 0x0A, 1, 1, 2, 1, 4, 2, 1, 8, 2, 1, 8])
            }
        };
        encode(0x30, &[common, class, encode(0xA1, &encode(0x30, &kind))].concat())
    }

    #[test]
    fn what_a_card_once_held_is_whole_and_its_beginning_is_not() {
        for kind in KINDS {
            let entries = [entry(kind, "one"), entry(kind, "another")];
            let directory = entries.concat();
            for padding in [&[][..], &[0; 9], &[0xFF; 9], &[0x6A, 0x82]] {
                for whole in [&[][..], &entries[0], &directory] {
                    let padded = [whole, padding].concat();
                    let is_nothing = whole.is_empty() && padding.first() == Some(&0x6A);
                    assert_eq!(is_whole_directory(kind, &padded), !is_nothing, "{kind:?} {padded:02x?}");
                }
            }
            for length in 1..directory.len() {
                let cut = directory.get(..length).unwrap_or_default();
                assert_eq!(is_whole_directory(kind, cut), length == entries[0].len(), "{kind:?} {length}");
            }
        }
    }

    #[test]
    fn an_entry_of_a_kind_that_is_not_listed_is_as_whole() {
        let of_tag = |tag: u8| {
            let mut entry = entry(Directory::PrivateKeys, "key");
            if let Some(first) = entry.first_mut() {
                *first = tag;
            }
            entry
        };
        // A DSA key; a key of another algorithm.
        for tag in [0xA2, 0xA8] {
            assert!(is_whole_directory(Directory::PrivateKeys, &of_tag(tag)));
            assert!(is_whole_directory(Directory::PrivateKeys, &[of_tag(tag), of_tag(0x30)].concat()));
        }
        assert!(!is_whole_directory(Directory::PrivateKeys, &of_tag(0x31)));
    }
}
