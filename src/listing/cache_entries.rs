//! The entries of all cache directories, decoded: which card and object, which
//! ID, how old, and whether a program reads them today.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::crypto::same_form;
use crate::finding::Id;
use crate::format::x509::{self, Certificate};
use crate::naming::{Names, TokenNames};
use crate::opensc::cache_name::LastUpdate;
use crate::opensc::{CacheName, Recognised};
use crate::snapshot::{ByteString, CacheDir, CacheEntry, Content, FileKind, Snapshot, Withheld};
use crate::text::{escape, hex, rfc3339};
use crate::verdict::Verdict;
use crate::view::{layout_of, native};

/// One cache entry for a listing. Text is escaped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Entry"))]
pub struct Item {
    /// Directory.
    #[cfg_attr(feature = "schema", schemars(with = "crate::snapshot::ByteString"))]
    pub directory: String,
    /// File name.
    #[cfg_attr(feature = "schema", schemars(with = "crate::snapshot::ByteString"))]
    pub name: String,
    /// Serial of its card, if the name is an OpenSC cache name.
    pub card: Option<String>,
    /// What the file holds, in words.
    pub object: String,
    /// ID of the key or certificate, hex.
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Hex>"))]
    pub id: Option<String>,
    /// Label.
    pub label: Option<String>,
    /// SHA-256 of the public key, hex.
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Sha256>"))]
    pub public_key: Option<String>,
    /// What is to be said of it today.
    pub state: State,
    /// Findings that name it.
    pub findings: Vec<Id>,
    /// Size in bytes.
    pub size: u64,
    /// Owner.
    pub owner: u32,
    /// When it was last written.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Rfc3339"))]
    pub modified: String,
    /// The same, Unix seconds.
    #[serde(skip)]
    pub modified_at: i64,
    /// Age in whole days when the snapshot was taken.
    pub age_days: i64,
}

/// What is to be said of a cache entry today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "EntryState"))]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// A program reads it under today's configuration.
    InUse,
    /// No program reads this directory today.
    Dormant,
    /// Its object is not on the card.
    Orphan,
    /// No program looks for this name any more.
    OldGeneration,
    /// Of OpenSC, but not a copy of a card's file: never touched without being named.
    Apart,
    /// Not OpenSC's, or not a file.
    Unknown,
}

impl State {
    /// In a word or two.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::InUse => "in use",
            Self::Dormant => "dormant",
            Self::Orphan => "orphan",
            Self::OldGeneration => "old generation",
            Self::Apart => "not a card file",
            Self::Unknown => "not OpenSC's",
        }
    }
}

/// Lists all entries, in the order of the directories.
#[must_use]
pub fn inventory(snapshot: &Snapshot, verdict: &Verdict) -> Vec<Item> {
    let named = verdict.by_file();
    let findings = |dir: &CacheDir, entry: &CacheEntry| {
        let found = named.get(&(&dir.path, entry.name.bytes())).map(Vec::as_slice).unwrap_or_default();
        let mut ids: Vec<Id> = found.iter().map(|finding| finding.id).collect();
        ids.dedup();
        ids
    };
    let mut items = Vec::new();
    for dir in &snapshot.caches {
        for entry in &dir.entries {
            items.push(item(snapshot, verdict, dir, entry, findings(dir, entry)));
        }
    }
    items
}

/// The serial numbers of the cards that the caches have entries of. Escaped.
#[must_use]
pub fn serials(snapshot: &Snapshot) -> BTreeSet<String> {
    let others = snapshot.others.iter().flat_map(|other| &other.caches);
    let entries = snapshot.caches.iter().chain(others).flat_map(|dir| &dir.entries);
    let serial = |entry: &CacheEntry| Some(escape(&entry.name.of_copy()?.serial.text()));
    entries.filter_map(serial).collect()
}

/// What the entries of the calling user's caches go by: the file of the card that they are copies of, the key that this belongs
/// to where its place tells that, and the ID and label of what is in them.
#[must_use]
pub fn names(snapshot: &Snapshot) -> Vec<(ByteString, Names)> {
    let mut all = Vec::new();
    for dir in &snapshot.caches {
        for entry in dir.entries.iter().filter(|entry| entry.kind == FileKind::File) {
            let path = dir.path_of(&entry.name);
            let Some(name) = entry.name.of_copy() else { continue };
            let (object, id, label, _) = describe(snapshot, dir, entry, Some(name));
            let id = id.and_then(|id| data_encoding::HEXLOWER.decode(id.as_bytes()).ok());
            let token = TokenNames { serial: escape(&name.serial.text()), ..TokenNames::default() };
            let known = name.ef().and_then(|file| Some((file, layout_of(&snapshot.cards, name)?.0)));
            let names = Names {
                what: format!("{path} ({object})"),
                reference: known.and_then(|(file, layout)| layout.key_of(file)),
                words: name.ef().map(|file| file.to_string()).into_iter().collect(),
                ids: id.into_iter().collect(),
                labels: label.into_iter().collect(),
                token,
                ..Names::default()
            };
            all.push((path, names));
        }
    }
    all
}

fn item(
    snapshot: &Snapshot,
    verdict: &Verdict,
    dir: &CacheDir,
    entry: &CacheEntry,
    findings: Vec<Id>,
) -> Item {
    let read = verdict.cache_in_use(&dir.path);
    let name = entry.name.of_copy();
    let (object, id, label, public_key) = describe(snapshot, dir, entry, name);
    let state = match (entry.name.means(), entry.kind) {
        (_, kind) if kind != FileKind::File => State::Unknown,
        (Recognised::Unknown, _) => State::Unknown,
        (Recognised::Can | Recognised::LteidCan | Recognised::OffCardCertificate, _) => State::Apart,
        (Recognised::Entry(name), _) => {
            if findings.contains(&Id::OrphanEntry) {
                State::Orphan
            } else if findings.contains(&Id::OldGeneration) || name.last_update == LastUpdate::OldDate {
                State::OldGeneration
            } else if read {
                State::InUse
            } else {
                State::Dormant
            }
        }
    };
    let taken = snapshot.taken_at.unix_timestamp();
    Item {
        directory: dir.path.to_string(),
        name: entry.name.to_string(),
        card: name.map(|name| escape(&name.serial.text())),
        object,
        id,
        label,
        public_key,
        state,
        findings,
        size: entry.inode.size,
        owner: entry.inode.uid,
        modified: rfc3339(entry.inode.mtime),
        modified_at: entry.inode.mtime,
        age_days: taken.saturating_sub(entry.inode.mtime) / 86_400,
    }
}

/// The certificate in an entry of a card that OpenSC was asked about.
fn asked_certificate(snapshot: &Snapshot, dir: &CacheDir, entry: &CacheEntry) -> Option<Certificate> {
    let of_dir = snapshot.asks.iter().filter(|ask| ask.directory.as_ref() == Some(&dir.path));
    let file = of_dir.flat_map(|ask| &ask.files).find(|file| file.name == entry.name)?;
    x509::decode(file.content.as_ref()?.as_slice()).filter(|_| !matches!(entry.content, Content::Bytes(_)))
}

/// What is in an entry of a card that was not read, as far as it tells for itself.
fn of_unread(bytes: &[u8]) -> Description {
    if bytes.is_empty() {
        return ("empty file of a card".to_owned(), None, None, None);
    }
    match x509::decode(bytes) {
        Some(certificate) => {
            let key = hex(&same_form(&certificate.key).fingerprint());
            (format!("certificate {}", escape(certificate.subject().as_bytes())), None, None, Some(key))
        }
        None => {
            let words = native::directory(bytes).unwrap_or_else(|| "file of a card".to_owned());
            (words, None, None, None)
        }
    }
}

type Description = (String, Option<String>, Option<String>, Option<String>);

fn describe(
    snapshot: &Snapshot,
    dir: &CacheDir,
    entry: &CacheEntry,
    name: Option<&CacheName>,
) -> Description {
    let plain = |text: &str| (text.to_owned(), None, None, None);
    if let Some(certificate) = asked_certificate(snapshot, dir, entry) {
        let key = hex(&same_form(&certificate.key).fingerprint());
        return (format!("certificate {}", escape(certificate.subject().as_bytes())), None, None, Some(key));
    }
    let bytes = match &entry.content {
        Content::Bytes(bytes) => bytes.as_slice(),
        Content::Withheld(why) => {
            return plain(match why {
                Withheld::Can => "card access number, not read",
                Withheld::Private => "private data, not read",
                Withheld::Unknown => "not an OpenSC cache name, not read",
                Withheld::NotAFile => "not a regular file, not read",
                Withheld::TooBig => "too big, not read",
                Withheld::Undecided => "perhaps private, not read",
            });
        }
        Content::Unreadable(why) => return plain(&format!("not readable: {why}")),
    };
    let known = name.and_then(|name| Some((name.ef()?, layout_of(&snapshot.cards, name)?)));
    let Some((file, (layout, card))) = known else { return of_unread(bytes) };
    let described = layout.describe(card, file, bytes);
    (
        described.words,
        described.id.as_deref().map(hex),
        described.label.as_deref().map(escape),
        described.key.map(|key| hex(&same_form(&key).fingerprint())),
    )
}
