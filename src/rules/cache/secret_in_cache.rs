//! `secret-in-cache`: a card access number or private data lies in a cache
//!
//! OpenSC keeps the card access number of D-Trust cards (`…_CA4E` without an AID
//! in its name) and of Lithuanian cards (`lteid_can`), and with `use_file_caching
//! = yes` also objects that a card gives only after the PIN. They lie unprotected
//! on the disk and in every backup. stalecard never reads, shows or copies their
//! content.
//!
//! A file `…_CA4E` *with* the AID of a SmartCard-HSM is not meant: it is the copy
//! of a certificate.
//!
//! Cure for private data: `stalecard fix --unsafe` removes it and keeps nothing;
//! set `use_file_caching = public` or `no`. A card access number is needed by its
//! card, and goes only when its file is named: `stalecard flush --unsafe FILE`.

use crate::case::cache::{CacheCase, entries};
use crate::finding::{Finding, Id, Safety};
use crate::opensc::Recognised;
use crate::snapshot::{CacheEntry, Content, FileKind, Withheld};
use crate::text::count;

/// Applies the rule to one cache directory.
pub fn apply(case: &CacheCase<'_>, sink: &mut Vec<Finding>) {
    let files = || case.dir.entries.iter().filter(|entry| entry.kind == FileKind::File);
    let is_number =
        |entry: &&CacheEntry| matches!(entry.name.means(), Recognised::Can | Recognised::LteidCan);
    let numbers: Vec<&CacheEntry> = files().filter(is_number).collect();
    if let Some(first) = numbers.first() {
        let texts = (
            format!(
                "{} holds {}.",
                case.dir.path,
                count(numbers.len(), "card access number", "card access numbers")
            ),
            "Whoever can read the file can talk to the card over the air.".to_owned(),
        );
        let fix = case.flush_named("move it to the quarantine", first);
        sink.push(case.finding(Id::SecretInCache, texts, &numbers, fix));
    }
    let private: Vec<&CacheEntry> =
        files().filter(|entry| entry.content == Content::Withheld(Withheld::Private)).collect();
    if !private.is_empty() {
        let texts = (
            format!("{} holds {} with private data.", case.dir.path, entries(private.len())),
            "Whoever can read the file needs no PIN for it.".to_owned(),
        );
        let fix = CacheCase::fix("remove it, keeping nothing", Safety::Unsafe);
        sink.push(case.finding(Id::SecretInCache, texts, &private, fix));
    }
}
