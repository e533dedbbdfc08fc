//! `unexpected-file`: something that OpenSC did not put there lies in a cache
//!
//! The name is not one that any version of OpenSC makes, or it is not a file at
//! all: a directory, a named pipe, a socket, a device. stalecard opens none of
//! them. It may be harmless, as a file that somebody saved at the wrong place;
//! `pkcs15-tool --clear-cache` would delete it all the same. Where it has the
//! name of a card's file, OpenSC opens it when it looks for that file: a
//! directory or a socket cannot be opened, so it reads the card, each time; what
//! a device gives it takes for the card's file; at a named pipe it waits for
//! ever, with the card in a transaction, and every program that needs the card
//! waits with it. That last one is an error. So it is under the name of what a
//! user stores there (a certificate of a retired key of a PIV card, a card access
//! number): OpenSC looks for those with caching off, too.
//!
//! Files with names of 64 hex digits are not meant: OpenSC reads them as
//! certificates of PIV cards that their user placed there. Nor are stored card
//! access numbers; see `secret-in-cache`.
//!
//! Cure: look at it. A file goes to the quarantine when it is named: `stalecard
//! flush --unsafe FILE`. Nothing else takes it away; what is no file has to be
//! removed by hand.

use crate::case::cache::{CacheCase, entries, few};
use crate::finding::{Finding, Id, Remedy, Safety, Severity};
use crate::opensc::{Recognised, Version, differences};
use crate::snapshot::{CacheEntry, FileKind};
use crate::text::shell_word;

/// Applies the rule to one cache directory.
pub fn apply(case: &CacheCase<'_>, sink: &mut Vec<Finding>) {
    let unexpected = |entry: &&CacheEntry| match entry.kind {
        FileKind::File => *entry.name.means() == Recognised::Unknown,
        FileKind::Symlink => false,
        FileKind::Directory | FileKind::Fifo | FileKind::Socket | FileKind::Device => true,
    };
    let (pipes, found): (Vec<&CacheEntry>, Vec<&CacheEntry>) =
        case.dir.entries.iter().filter(unexpected).partition(|entry| is_waited_at(case, entry));
    waited_at(case, &pipes, sink);
    if found.is_empty() {
        return;
    }
    let files: Vec<&CacheEntry> =
        found.iter().copied().filter(|entry| entry.kind == FileKind::File).collect();
    let texts = (
        format!("{} holds {} that OpenSC did not put there.", case.dir.path, entries(found.len())),
        "OpenSC's listings do not change by it, unless it has the name of a card's file: at a named pipe a program \
         waits for ever, and what a device gives it takes for that file."
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

/// Does a program open this named pipe when it looks for a file of that name?
fn is_waited_at(case: &CacheCase<'_>, entry: &CacheEntry) -> bool {
    let knows = |since: fn(Version) -> bool| !case.opened_by.is_empty() && case.version.is_none_or(since);
    entry.kind == FileKind::Fifo
        && match entry.name.means() {
            Recognised::Entry(_) => !case.programs.is_empty(),
            Recognised::OffCardCertificate => !case.opened_by.is_empty(),
            Recognised::Can => knows(differences::has_stored_can),
            Recognised::LteidCan => knows(differences::has_lteid_can),
            Recognised::Unknown => false,
        }
}

fn waited_at(case: &CacheCase<'_>, pipes: &[&CacheEntry], sink: &mut Vec<Finding>) {
    let Some(first) = pipes.first() else { return };
    let path = case.dir.path_of(&first.name).to_string();
    let texts = (
        format!("OpenSC hangs on {path} when it looks for that file: it is a named pipe."),
        "A program that looks for that file of a card waits for ever, and keeps the card from all others."
            .to_owned(),
    );
    let fix = Remedy::by_hand(format!("remove it by hand: rm {}", shell_word(&path)));
    let (few, more) = few(pipes);
    let mut finding = case.finding(Id::UnexpectedFile, (texts.0 + &more, texts.1), few, fix);
    if finding.program.is_empty() {
        finding.program.clone_from(&case.opened_by);
    }
    finding.severity = Severity::Error;
    finding.safety = Safety::Manual;
    sink.push(finding);
}
