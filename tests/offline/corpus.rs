//! What fuzzing has found once never breaks anything again: every file of `fuzz/corpus` goes through
//! the same functions. Beside them the fixtures that the fuzzer begins with, cut and changed.

#[path = "../../fuzz/properties/audit.rs"]
mod audit;
#[path = "../../fuzz/properties/cache_entry.rs"]
mod cache_entry;
#[path = "../../fuzz/properties/cache_name.rs"]
mod cache_name;
#[path = "../../fuzz/properties/card.rs"]
mod card;
#[path = "../../fuzz/properties/cvc.rs"]
mod cvc;
#[path = "../../fuzz/properties/family_card.rs"]
mod family_card;
#[path = "../../fuzz/properties/given.rs"]
mod given;
#[path = "../../fuzz/properties/journal.rs"]
mod journal;
#[path = "../../fuzz/properties/naming.rs"]
mod naming;
#[path = "../../fuzz/properties/pkcs15.rs"]
mod pkcs15;
#[path = "../../fuzz/properties/process.rs"]
mod process;
#[path = "../../fuzz/properties/snapshot.rs"]
mod snapshot;
#[path = "../../fuzz/properties/structures.rs"]
mod structures;
#[path = "../../fuzz/properties/x509.rs"]
mod x509;

use crate::judged;
use std::path::{Path, PathBuf};

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Every file of the corpus, by its name when it fails; how many there were is what the fuzzer begins with.
fn corpus(target: &str, property: fn(&[u8])) {
    let files = files(&project().join("fuzz/corpus").join(target));
    assert!(files.len() > 2, "{target} has no corpus");
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        let outcome = std::panic::catch_unwind(|| property(&bytes));
        assert!(outcome.is_ok(), "{}", file.display());
    }
}

/// The fixtures whole, cut at every place, and with every byte changed.
fn spoilt(folder: &str, property: fn(&[u8])) {
    for file in files(&project().join("fixtures").join(folder)) {
        let mut bytes = std::fs::read(&file).unwrap();
        for end in 0..=bytes.len() {
            property(&bytes[..end]);
        }
        for at in 0..bytes.len() {
            for mask in [0x01, 0x20, 0x80, 0xFF] {
                bytes[at] ^= mask;
                property(&bytes);
                bytes[at] ^= mask;
            }
        }
    }
}

#[test]
fn what_is_typed_for_a_key() {
    corpus("naming", naming::naming);
}

#[test]
fn cache_names() {
    corpus("cache_name", cache_name::cache_name);
}

#[test]
fn cache_entries() {
    corpus("cache_entry", cache_entry::cache_entry);
}

#[test]
fn cards() {
    corpus("card", card::card);
}

#[test]
fn card_verifiable_certificates() {
    corpus("cvc", cvc::cvc);
    spoilt("recordings/sc-hsm/5-keys-cache", cvc::cvc);
}

#[test]
fn descriptions_of_objects() {
    corpus("pkcs15", pkcs15::pkcs15);
    spoilt("recordings/sc-hsm/5-keys-cache", pkcs15::pkcs15);
}

#[test]
fn cards_of_other_families() {
    corpus("family_card", family_card::family_card);
    // Honest ones, and every single answer spoilt in every way.
    for family in 0..3 {
        family_card::family_card(&[family]);
        for at in 0..8 {
            for how in (0x80..=0xFF).step_by(5) {
                let script = [&[family][..], &vec![0; at], &[how, 3, 0x61, 0x02, 0x30]].concat();
                family_card::family_card(&script);
            }
        }
    }
}

#[test]
fn files_of_other_families() {
    corpus("structures", structures::structures);
    for family in ["myeid", "piv", "openpgp"] {
        spoilt(&format!("recordings/{family}/2-cache"), structures::structures);
    }
}

#[test]
fn what_users_hand_in() {
    corpus("given", given::given);
}

#[test]
fn what_lies_in_folders() {
    corpus("audit", audit::audit);
}

#[test]
fn x509_certificates() {
    corpus("x509", x509::x509);
}

#[test]
fn snapshots() {
    corpus("snapshot", snapshot::snapshot);
}

#[test]
fn journals() {
    corpus("journal", journal::journal);
}

#[test]
fn processes() {
    corpus("process", process::process);
}

/// Found by the fuzzer: what was wrong with a journal was told by quoting it, control characters and all.
#[test]
fn a_damaged_journal_is_told_without_its_control_characters() {
    for name in ["escape-in-a-bad-value", "escape-in-a-reason"] {
        journal::journal(&std::fs::read(project().join("fuzz/corpus/journal").join(name)).unwrap());
    }
}
