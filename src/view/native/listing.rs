//! The lists of a native card, read once.

use std::collections::BTreeMap;

use super::key::public_key;
use super::kinds::KINDS;
use super::token::{ANY_SIZE, Token};
use super::whole::is_whole_directory;
use crate::format::key::PublicKey;
use crate::format::pkcs15::{Directory, KeyType};
use crate::format::x509;
use crate::snapshot::{Card, EfPath};
use crate::view::layout::Listing;
use crate::view::{Condition, Read, Source};

/// What the directories of a card name.
pub(super) struct Named<'c> {
    card: &'c Card,
    /// None: nothing of it is a PKCS#15 application.
    token: Option<Token>,
    /// By file, the kind of the first directory that names it.
    kinds: BTreeMap<EfPath, Directory>,
    /// A directory could not be read: it may name anything.
    is_unread: bool,
}

impl<'c> Named<'c> {
    pub(super) fn of(card: &'c Card) -> Self {
        let token = Token::of(card);
        let mut kinds = BTreeMap::new();
        for (kind, named) in token.iter().flat_map(|token| token.named(card)) {
            kinds.entry(named.file).or_insert(kind);
        }
        let unread = |(_, file): &(_, EfPath)| matches!(card.read(*file, ANY_SIZE), Read::Unknown(_));
        let is_unread = token.as_ref().is_some_and(|token| token.directories.iter().any(unread));
        Self { card, token, kinds, is_unread }
    }
}

impl Listing for Named<'_> {
    fn is_listed(&self, file: EfPath) -> bool {
        let Some(token) = &self.token else { return true };
        token.directory(file).is_some() || self.is_unread || self.kinds.contains_key(&file)
    }

    fn condition(&self, file: EfPath, bytes: &[u8]) -> Condition {
        if bytes.is_empty() {
            return Condition::Empty;
        }
        let Some(token) = &self.token else { return Condition::Whole };
        if self.card.content(file) == Some(bytes) {
            return Condition::Whole;
        }
        // Another profile makes another kind of directory, or of file, in the same place: what was once right there is old, not damaged.
        if token.directory(file).is_some() {
            let whole = KINDS.iter().any(|kind| is_whole_directory(*kind, bytes));
            return if whole { Condition::Whole } else { Condition::Undecodable };
        }
        match self.kinds.get(&file) {
            Some(Directory::Certificates | Directory::PublicKeys) => {
                let is_certificate = || x509::decode(bytes).is_some();
                let is_key = || {
                    let kinds = [KeyType::Rsa, KeyType::Ec];
                    kinds.iter().any(|kind| public_key(*kind, bytes, true).is_some())
                        || PublicKey::from_spki(bytes).is_ok()
                };
                Condition::of_element(bytes, is_certificate() || is_key())
            }
            _ => Condition::Whole,
        }
    }
}
