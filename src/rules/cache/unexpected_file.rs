//! `unexpected-file`: something that OpenSC did not put there lies in a cache
//!
//! The name is not one that any version of OpenSC makes, or it is not a file at
//! all: a directory, a named pipe (at which a program would wait for ever), a
//! socket, a device. stalecard opens none of them. It may be harmless, as a file
//! that somebody saved at the wrong place; `pkcs15-tool --clear-cache` would
//! delete it all the same.
//!
//! Files with names of 64 hex digits are not meant: OpenSC reads them as
//! certificates of PIV cards that their user placed there. Nor are stored card
//! access numbers; see `secret-in-cache`.
//!
//! Cure: look at it. A file goes to the quarantine when it is named: `stalecard
//! flush --unsafe FILE`. Nothing else takes it away.

use crate::case::cache::{CacheCase, entries, few};
use crate::finding::{Finding, Id, Remedy, Safety};
use crate::opensc::Recognised;
use crate::snapshot::{CacheEntry, FileKind};

/// Applies the rule to one cache directory.
pub fn apply(case: &CacheCase<'_>, sink: &mut Vec<Finding>) {
    let unexpected = |entry: &&CacheEntry| match entry.kind {
        FileKind::File => *entry.name.means() == Recognised::Unknown,
        FileKind::Symlink => false,
        FileKind::Directory | FileKind::Fifo | FileKind::Socket | FileKind::Device => true,
    };
    let found: Vec<&CacheEntry> = case.dir.entries.iter().filter(unexpected).collect();
    if found.is_empty() {
        return;
    }
    let files: Vec<&CacheEntry> =
        found.iter().copied().filter(|entry| entry.kind == FileKind::File).collect();
    let texts = (
        format!("{} holds {} that OpenSC did not put there.", case.dir.path, entries(found.len())),
        "OpenSC's listings do not change by it, but a program that opens a named pipe waits for ever."
            .to_owned(),
    );
    let fix = match files.first() {
        Some(first) => case.flush_named("look at it, then move it to the quarantine", first),
        None => Remedy::by_hand(format!("look at it with `ls -la {}`, then remove it by hand", case.path())),
    };
    let (few, more) = few(&found);
    let mut finding = case.finding(Id::UnexpectedFile, (texts.0 + &more, texts.1), few, fix);
    if files.is_empty() {
        finding.safety = Safety::Manual;
    }
    sink.push(finding);
}
