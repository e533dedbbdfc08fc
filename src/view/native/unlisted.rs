//! What a directory file of a native card describes and OpenSC does not list: all from the first entry on that does not
//! decode, or that stands behind zeros where this version takes those for the end. And the files of private keys that no
//! directory describes, on cards that list their files.

use std::collections::BTreeSet;

use super::super::unlisted::{Because, Cure, Unlisted};
use super::super::{Behaviour, Class, Read, Source, View};
use super::kinds::{decodes, listed_tags, words};
use super::token::{ANY_SIZE, Token};
use crate::card::native::KEY_IS_THERE;
use crate::finding::ObjectClass;
use crate::format::pkcs15::{self, Directory, Zeros};
use crate::format::tlv;
use crate::snapshot::{Answer, Card, CardFile, EfPath};
use crate::text::count;

/// Directory by directory.
pub(super) fn unlisted(card: &Card, behaviour: Behaviour, live: &View) -> Vec<Unlisted> {
    let Some(token) = Token::of(card) else { return Vec::new() };
    let of_directory = |(kind, file): &(Directory, EfPath)| match card.read(*file, ANY_SIZE) {
        Read::Content(bytes) => end(*kind, *file, &bytes, behaviour.zeros_in_directories),
        Read::Absent | Read::Failed | Read::Unknown(_) => None,
    };
    let mut unlisted: Vec<Unlisted> = token.directories.iter().filter_map(of_directory).collect();
    // What a directory describes is told with that.
    if live.unknown.is_empty() && unlisted.iter().all(|one| one.class != class(Directory::PrivateKeys)) {
        unlisted.extend(undescribed(card, live));
    }
    unlisted
}

/// Keys that nothing describes: somebody has written a directory back as a stale cache showed it, or a run was interrupted.
fn undescribed<'a>(card: &'a Card, live: &View) -> impl Iterator<Item = Unlisted> + use<'a> {
    let described: BTreeSet<EfPath> = live
        .private_keys()
        .filter_map(|key| if let Class::PrivateKey { path, .. } = key.class { path } else { None })
        .collect();
    let is_there = |file: &&CardFile| matches!(&file.answer, Answer::NotRead(why) if why == KEY_IS_THERE);
    let files = card.files.iter().filter(is_there).filter(move |file| !described.contains(&file.path));
    files.map(|file| Unlisted {
        ef: file.path,
        class: class(Directory::PrivateKeys),
        reference: None,
        what: format!("the private key in file {}", file.path),
        why: "no directory of the card describes it".to_owned(),
        because: Because::Fault(Cure {
            what: "have its description written anew, from a copy of the directory that still has it (a backup, or another \
                   host's cache: stalecard ls), by the program that made the key; do not delete or generate a key because it \
                   seems to be missing"
                .to_owned(),
            missing: true,
        }),
        key: None,
    })
}

/// What stands behind the end of a directory's list.
fn end(kind: Directory, file: EfPath, bytes: &[u8], zeros: Zeros) -> Option<Unlisted> {
    let (listed, behind) = walk(kind, bytes, zeros);
    let begins_entry = matches!(behind.first(), Some(0x30 | 0xA0..=0xAF));
    let unlisted = |why: String, because| Unlisted {
        ef: file,
        class: class(kind),
        reference: None,
        what: format!("all that the {} (EF {file}) describes", words(kind)),
        why,
        because,
        key: None,
    };
    let fault = |why: String| {
        let what = format!(
            "have the {} written anew by the program that wrote it, or from a copy; write nothing to the card with OpenSC \
             before: it writes the directory back as it shows it, and what it does not show is gone then",
            words(kind)
        );
        Some(unlisted(why, Because::Fault(Cure { what, missing: true })))
    };
    match behind {
        [] | [0xFF, ..] => None,
        [0, ..] => match walk(kind, without_zeros(behind), Zeros::Skipped).0 {
            0 => None,
            more => fault(format!(
                "{} behind zeros, which this version of OpenSC takes for the end",
                count(more, "entry stands", "entries stand")
            )),
        },
        // Padding, if entries are before it.
        _ if !begins_entry && listed > 0 => None,
        _ => {
            let place = count(listed, "entry", "entries");
            let rest = tlv::first(behind).map(|entry| entry.rest).unwrap_or_default();
            let is_last = !matches!(rest.first(), Some(0x30 | 0xA0..=0xAF));
            if is_last && pkcs15::is_of_other_kind(behind, listed_tags(kind)) {
                return Some(unlisted(
                    format!("the last entry, behind {place}, is of a kind that OpenSC does not list"),
                    Because::Limit,
                ));
            }
            fault(format!("what follows the first {place} does not decode, and there OpenSC ends its list"))
        }
    }
}

/// How many entries are listed, and what stands behind them.
fn walk(kind: Directory, bytes: &[u8], zeros: Zeros) -> (usize, &[u8]) {
    let (mut listed, mut rest) = (0, bytes);
    while let Some(entry) = tlv::first(rest).filter(|entry| decodes(kind, entry.raw).is_ok()) {
        listed += 1;
        rest = match zeros {
            Zeros::Skipped => without_zeros(entry.rest),
            Zeros::End => entry.rest,
        };
    }
    (listed, rest)
}

fn without_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

/// What such entries describe.
const fn class(kind: Directory) -> ObjectClass {
    match kind {
        Directory::PrivateKeys => ObjectClass::PrivateKey,
        Directory::PublicKeys => ObjectClass::PublicKey,
        Directory::SecretKeys => ObjectClass::SecretKey,
        Directory::Certificates => ObjectClass::Certificate,
        Directory::Data => ObjectClass::Data,
        Directory::Authentication => ObjectClass::Pin,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::tlv::encode;

    /// An entry of a private key with this ID.
    fn key(id: u8) -> Vec<u8> {
        let common = encode(0x30, &encode(0x0C, b"key"));
        let class = encode(0x30, &[4, 1, id, 3, 2, 6, 0x40]);
        let path = encode(0x30, &encode(0x04, &[0x4B, id]));
        let kind = encode(0xA1, &encode(0x30, &[&path[..], &[2, 2, 4, 0]].concat()));
        encode(0x30, &[common, class, kind].concat())
    }

    fn told(bytes: &[u8], zeros: Zeros) -> Option<Because> {
        end(Directory::PrivateKeys, EfPath::at(0x4402), bytes, zeros).map(|unlisted| unlisted.because)
    }

    fn is_fault(bytes: &[u8], zeros: Zeros) -> bool {
        matches!(told(bytes, zeros), Some(Because::Fault(_)))
    }

    #[test]
    fn a_directory_that_is_whole_hides_nothing() {
        let whole = [key(1), key(2)].concat();
        for padding in [&[][..], &[0; 9], &[0xFF; 9], &[0x6A, 0x82], &[0, 0, 0x6A, 0x82]] {
            for entries in [&[][..], &whole] {
                let padded = [entries, padding].concat();
                let is_nothing = entries.is_empty() && padding.first() == Some(&0x6A);
                for zeros in [Zeros::End, Zeros::Skipped] {
                    assert_eq!(told(&padded, zeros).is_some(), is_nothing, "{padded:02x?}");
                }
            }
        }
    }

    #[test]
    fn what_follows_an_entry_that_does_not_decode_is_hidden() {
        let mut damaged = key(1);
        if let Some(byte) = damaged.get_mut(2) {
            *byte = 0x31;
        }
        let bytes = [damaged, key(2)].concat();
        let cut = key(1);
        for zeros in [Zeros::End, Zeros::Skipped] {
            assert!(is_fault(&bytes, zeros) && is_fault(&[key(3), bytes.clone()].concat(), zeros));
            for length in 1..cut.len() {
                assert!(is_fault(cut.get(..length).unwrap_or_default(), zeros), "{length}");
            }
        }
    }

    #[test]
    fn zeros_hide_what_follows_from_older_versions() {
        let bytes = [&key(1)[..], &[0; 5], &key(2)].concat();
        assert!(is_fault(&bytes, Zeros::End) && !is_fault(&bytes, Zeros::Skipped));
        // At the very beginning they are the end for all.
        let bytes = [&[0; 5][..], &key(2)].concat();
        assert!(is_fault(&bytes, Zeros::End) && is_fault(&bytes, Zeros::Skipped));
    }

    #[test]
    fn a_kind_of_key_that_is_listed_of_no_card_hides_only_what_follows() {
        let mut other = key(1);
        if let Some(tag) = other.first_mut() {
            *tag = 0xA2;
        }
        assert_eq!(told(&[key(2), other.clone()].concat(), Zeros::End), Some(Because::Limit));
        assert!(is_fault(&[other, key(2)].concat(), Zeros::End));
    }
}
