//! The OpenSC view: the card's files, answered from a cache directory where
//! OpenSC would answer them from there.
//!
//! An existing file is believed without any question: no age, length or owner is
//! looked at, nothing is compared with the card. It is passed over, and the card
//! read, only if it is larger than the program's buffer, cannot be opened or is
//! a directory.

use std::collections::BTreeMap;

use super::{Read, Source};
use crate::snapshot::{ByteString, CacheDir, CacheEntry, Card, Content, EfPath, FileKind};

/// A card behind a cache directory.
pub struct Cached<'a> {
    card: &'a Card,
    entries: BTreeMap<EfPath, &'a CacheEntry>,
}

impl<'a> Cached<'a> {
    /// Puts the entries that `name_of` names for this card in front of it.
    pub fn new(card: &'a Card, dir: &'a CacheDir, name_of: impl Fn(EfPath) -> Option<ByteString>) -> Self {
        Self::of(card, dir.entries.iter(), name_of)
    }

    /// The same with some of the entries of a directory.
    pub fn of(
        card: &'a Card,
        entries: impl Iterator<Item = &'a CacheEntry>,
        name_of: impl Fn(EfPath) -> Option<ByteString>,
    ) -> Self {
        let of_card = |entry: &'a CacheEntry| {
            let file = trailing(&entry.name)
                .into_iter()
                .find(|&file| name_of(file).as_ref() == Some(entry.name.bytes()));
            file.map(|file| (file, entry))
        };
        Self { card, entries: entries.filter_map(of_card).collect() }
    }

    /// Is there no entry at all for a file of this card?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The cache entry that answers when a program reads this file into a buffer
    /// of this size; `None` if the card is read.
    #[must_use]
    pub fn hit(&self, fid: EfPath, buffer: usize) -> Option<&'a CacheEntry> {
        let entry = *self.entries.get(&fid)?;
        let fits = usize::try_from(entry.inode.size).is_ok_and(|size| size <= buffer);
        let opens = match entry.kind {
            FileKind::File => fits && !matches!(entry.content, Content::Unreadable(_)),
            FileKind::Symlink | FileKind::Fifo | FileKind::Device => true,
            FileKind::Directory | FileKind::Socket => false,
        };
        opens.then_some(entry)
    }

    /// The cache entry with this file's name, whether it is read or not.
    #[must_use]
    pub fn entry(&self, fid: EfPath) -> Option<&'a CacheEntry> {
        self.entries.get(&fid).copied()
    }

    /// All entries with the name of one of this card's files.
    pub fn entries(&self) -> impl Iterator<Item = (EfPath, &'a CacheEntry)> {
        self.entries.iter().map(|(&fid, &entry)| (fid, entry))
    }
}

/// Why the content of an entry that a program reads is not known.
fn unread(entry: &CacheEntry) -> &'static str {
    match entry.kind {
        FileKind::Symlink => {
            "is a symbolic link, which OpenSC follows and stalecard does not: look where it leads, then remove it"
        }
        FileKind::Fifo => "is a named pipe, at which OpenSC waits for ever: remove it",
        FileKind::Device => "is a device, which OpenSC opens and stalecard does not: remove it",
        FileKind::File | FileKind::Directory | FileKind::Socket => "was not read",
    }
}

/// The files that the end of an entry's name can mean, whatever stands before it: a path, or a path
/// within an application.
fn trailing(name: &ByteString) -> Vec<EfPath> {
    let Some(name) = name.as_str() else { return Vec::new() };
    let mut fields = name.rsplit('_');
    let path = fields.next().unwrap_or_default();
    let within = fields.next().map(|aid| format!("{aid}_{path}"));
    [Some(path.to_owned()), within].into_iter().flatten().filter_map(|text| text.try_into().ok()).collect()
}

impl Source for Cached<'_> {
    fn read(&self, fid: EfPath, buffer: usize) -> Read {
        match self.hit(fid, buffer) {
            None => self.card.read(fid, buffer),
            Some(CacheEntry { content: Content::Bytes(bytes), .. }) => Read::Content(bytes.0.clone()),
            Some(entry) => Read::Unknown(format!("cache entry {} {}", entry.name, unread(entry))),
        }
    }

    /// A copy that does not reach so far is passed over.
    fn read_part(&self, file: EfPath, part: Option<(usize, usize)>) -> Read {
        match (self.read(file, usize::MAX), part) {
            (Read::Content(bytes), Some((index, count))) => {
                match bytes.get(index..index.saturating_add(count)) {
                    Some(bytes) => Read::Content(bytes.to_vec()),
                    None => self.card.read_part(file, part),
                }
            }
            (read, _) => read,
        }
    }
}
