//! What the lists of one card say of its files, read once for many questions: a cache may hold as many entries as
//! somebody likes, and a card of files may list as many objects.

use super::layout::{Condition, Layout, Listing};
use crate::snapshot::{Card, EfPath};

/// The lists of one card.
pub struct Inventory<'c> {
    /// The card.
    pub card: &'c Card,
    layout: &'static dyn Layout,
    read: Option<Box<dyn Listing + 'c>>,
}

impl<'c> Inventory<'c> {
    /// Reads them.
    #[must_use]
    pub fn of(layout: &'static dyn Layout, card: &'c Card) -> Self {
        Self { card, layout, read: layout.listing(card) }
    }

    /// Does the card list the object that this file belongs to? See [`Layout::is_listed`].
    #[must_use]
    pub fn is_listed(&self, file: EfPath) -> bool {
        self.read.as_ref().map_or_else(|| self.layout.is_listed(self.card, file), |read| read.is_listed(file))
    }

    /// What the content of a file is as such. See [`Layout::condition`].
    #[must_use]
    pub fn condition(&self, file: EfPath, bytes: &[u8]) -> Condition {
        let of_layout = || self.layout.condition(Some(self.card), file, bytes);
        self.read.as_ref().map_or_else(of_layout, |read| read.condition(file, bytes))
    }
}
