//! The real cache, for copies: read by handle, no link followed, nothing but regular files of a size that OpenSC has.
//!
//! What is read here goes into the private directory and is compared there; nothing of it is kept but what
//! [`super::digest`] keeps.

use std::collections::BTreeSet;

use crate::opensc::Recognised;
use crate::patience::{SILENCE, within};
use crate::safe_fs::{Classification, MAX_CONTENT, observe_cache_dir};
use crate::snapshot::{CacheDir, CacheEntry, Content, EntryName, FileKind, Withheld};
use crate::text::{count, escape, shell_option, shell_word};

/// Files of a cache with their content.
pub(super) type Files = Vec<(EntryName, Vec<u8>)>;

/// What is to be read.
#[derive(Debug, Clone)]
pub(super) enum Which {
    /// The copies of the files of cards with these serial numbers.
    Of(BTreeSet<Vec<u8>>),
    /// All that OpenSC has put there.
    All,
    /// What is no copy of a card's file and OpenSC needs to talk to cards: access numbers, certificates off the card.
    Needed,
}

impl Which {
    fn is_meant(&self, name: &EntryName) -> bool {
        match (self, name.means()) {
            (Self::Of(serials), Recognised::Entry(name)) => serials.contains(name.serial.text().as_ref()),
            (Self::All, Recognised::Entry(_))
            | (
                Self::All | Self::Needed,
                Recognised::Can | Recognised::LteidCan | Recognised::OffCardCertificate,
            ) => true,
            _ => false,
        }
    }
}

/// Does the directory hold any of it?
pub(super) fn holds(dir: &CacheDir, which: &Which) -> bool {
    dir.entries.iter().any(|entry| entry.kind == FileKind::File && which.is_meant(&entry.name))
}

/// What OpenSC needs besides the card, of all these directories: each name once.
pub(super) fn needed<'a>(dirs: impl Iterator<Item = &'a CacheDir>) -> Files {
    let mut files: Files = dirs.flat_map(|dir| read(dir, &Which::Needed).0).collect();
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files.dedup_by(|a, b| a.0 == b.0);
    files
}

/// Reads it; and what could not be read, in words.
pub(super) fn read(dir: &CacheDir, which: &Which) -> (Files, Option<String>) {
    if !holds(dir, which) {
        return (Vec::new(), None);
    }
    let (path, origin, which) = (dir.path.clone(), dir.origin, which.clone());
    // What the facts do not have is not in the copy, either: a cache is tried without what is to go.
    let known: BTreeSet<EntryName> = dir.entries.iter().map(|entry| entry.name.clone()).collect();
    let seen = within(SILENCE, move |pulse| {
        observe_cache_dir(path.as_path(), origin, false, &|name| {
            pulse.beat();
            if which.is_meant(name) && known.contains(name) {
                Classification::Keep { max: MAX_CONTENT }
            } else {
                Classification::Withhold(Withheld::Unknown)
            }
        })
        .0
    });
    let seen = match seen {
        Ok(seen) => seen,
        Err(overdue) => return (Vec::new(), Some(overdue.to_string())),
    };
    let (mut files, mut left): (Files, Vec<EntryName>) = Default::default();
    for entry in seen.entries {
        match entry.content {
            Content::Bytes(bytes) => files.push((entry.name, bytes.0)),
            Content::Withheld(Withheld::TooBig) | Content::Unreadable(_) => {
                left.push(entry.name);
            }
            Content::Withheld(_) => {}
        }
    }
    let left = left.first().map(|first| {
        let serial = first.of_copy().map(|name| escape(&name.serial.text()));
        let cure = serial.map(|serial| {
            let option = shell_option("--serial", &serial);
            format!("; without a comparison `stalecard flush {option}` takes it")
        });
        format!(
            "{} could not be read, or is larger than any of OpenSC's: {first}{}",
            count(left.len(), "entry", "entries"),
            cure.unwrap_or_default()
        )
    });
    (files, left)
}

/// Those of these entries that are no regular file, and that OpenSC opens all the same: what it makes of them is not compared.
/// In words. (A directory or a socket it cannot open: it reads the card.)
pub(super) fn irregular(dir: &CacheDir, which: &Which) -> Option<String> {
    let makes = |entry: &CacheEntry| match entry.kind {
        FileKind::Symlink => Some("OpenSC follows it to another file, which was not compared"),
        FileKind::Fifo => Some("OpenSC waits there for ever"),
        FileKind::Device => Some("OpenSC takes what that gives for the card's file"),
        FileKind::File | FileKind::Directory | FileKind::Socket => None,
    };
    let meant = dir.entries.iter().filter(|entry| which.is_meant(&entry.name));
    let found: Vec<(&CacheEntry, &str)> = meant.filter_map(|entry| Some((entry, makes(entry)?))).collect();
    let (first, what) = found.first()?;
    let more = match found.len() - 1 {
        0 => String::new(),
        more => format!(" (and {} like it)", count(more, "entry", "entries")),
    };
    let path = shell_word(&dir.path_of(&first.name).to_string());
    Some(format!(
        "{} is {}{more}: {what}; look at it with `ls -l {path}`, then remove it by hand",
        first.name,
        first.kind.words()
    ))
}
