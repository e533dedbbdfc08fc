//! What may be kept of cached copies: of files that everybody may read on the card, nothing else.
//!
//! With caching `yes` OpenSC keeps what it read after the PIN, too, and a name does not tell. What
//! tells is the description of an object, on the card or cached beside the copy.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::opensc::config::Situation;
use crate::opensc::{Recognised, Version, differences};
use crate::safe_fs::{Classification, MAX_CONTENT};
use crate::snapshot::{
    Answer, ByteString, CacheDir, CacheEntry, Card, Content, EntryName, Snapshot, Withheld,
};
use crate::view::{is_private, is_surely_public, layout, layout_of, of_files};

/// What the cards say of their files.
#[derive(Serialize, Deserialize)]
pub(super) struct Privacy {
    cards: Vec<Card>,
    /// Cache names of the files that their descriptions name, and whether they are private.
    described: Vec<(ByteString, bool)>,
    /// Nothing is kept beyond the moment: see [`Self::for_links`].
    passing: bool,
}

impl Privacy {
    /// Of the cards that were read.
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let version = Situation::of(snapshot).version().unwrap_or(differences::HEAD);
        let described = snapshot.cards.iter().flat_map(|card| described_on_card(card, version)).collect();
        Self { cards: snapshot.cards.clone(), described, passing: false }
    }

    /// Before a card is read nothing tells of a native card's entries what they are. To find out which files
    /// they name they are looked at, and nothing of them is kept in a snapshot.
    pub(super) const fn for_links() -> Self {
        Self { cards: Vec::new(), described: Vec::new(), passing: true }
    }

    /// Which entries may be read: copies of card files that can be told to be public, sooner or later.
    pub(super) fn classify(&self, name: &EntryName) -> Classification {
        match name.means() {
            Recognised::Entry(name) if is_private(&self.cards, name) => {
                Classification::Withhold(Withheld::Private)
            }
            Recognised::Entry(name) if self.passing || layout_of(&self.cards, name).is_some() => {
                Classification::Keep { max: MAX_CONTENT }
            }
            // With caching `yes` OpenSC keeps what it read after the PIN, too: what is no certificate, no public key
            // and no directory of public objects stays where it is.
            Recognised::Entry(_) => Classification::KeepIf(|name, bytes| {
                name.of_copy().is_some_and(|name| is_surely_public(name, bytes))
            }),
            Recognised::Can | Recognised::LteidCan => Classification::Withhold(Withheld::Can),
            Recognised::OffCardCertificate | Recognised::Unknown => {
                Classification::Withhold(Withheld::Unknown)
            }
        }
    }

    /// Forgets the content of what may be private unless every description of it, cached beside it
    /// or on the card, says that it is public.
    pub(super) fn withhold(&self, dir: &mut CacheDir) {
        let mut described: BTreeMap<ByteString, bool> = BTreeMap::new();
        let in_cache = dir.entries.iter().flat_map(|entry| described_in_entry(&self.cards, entry));
        for (name, private) in in_cache.chain(self.described.iter().cloned()) {
            *described.entry(name).or_default() |= private;
        }
        for entry in &mut dir.entries {
            let may_be_private = || {
                entry.name.of_copy().is_some_and(|name| {
                    layout_of(&self.cards, name).is_some_and(|(layout, card)| {
                        name.ef().is_none_or(|file| layout.may_be_private(card, file))
                    })
                })
            };
            let why = match described.get(entry.name.bytes()) {
                Some(true) => Withheld::Private,
                None if may_be_private() => Withheld::Undecided,
                _ => continue,
            };
            if matches!(entry.content, Content::Bytes(_)) {
                entry.content = Content::Withheld(why);
            }
        }
    }
}

/// The cache names of the files that a card's own descriptions name, and whether they are private.
fn described_on_card(card: &Card, version: Version) -> Vec<(ByteString, bool)> {
    let Some(layout) = layout(card.family) else { return Vec::new() };
    let named = card.files.iter().flat_map(|file| match &file.answer {
        Answer::Content(bytes) => layout.names(file.path, bytes.as_slice()),
        _ => Vec::new(),
    });
    named
        .filter_map(|named| Some((layout.cache_name(card, version, named.file).ok()?.name(), named.private)))
        .collect()
}

/// The cache names of the files that an entry names, and whether they are private.
fn described_in_entry(cards: &[Card], entry: &CacheEntry) -> Vec<(ByteString, bool)> {
    let (Some(name), Content::Bytes(bytes)) = (entry.name.of_copy(), &entry.content) else {
        return Vec::new();
    };
    let Some(file) = name.ef() else { return Vec::new() };
    let named = match layout_of(cards, name) {
        Some((layout, _)) => layout.names(file, bytes.as_slice()),
        // Of a card that was not read: as far as its directories are those of PKCS#15.
        None => of_files().names(file, bytes.as_slice()),
    };
    named.into_iter().map(|named| (name.at(named.file).name(), named.private)).collect()
}
