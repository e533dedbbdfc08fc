//! Cards that are made of files alone: identity cards of many countries, and PKCS#15 on operating systems that `pkcs15-init`
//! does not make here. What OpenSC reads of such a card is real; that it is renewed, as an office would, is done here.
//!
//! What it hides: the state file and who holds it, so that a card can be changed wherever it is: in the drawer, in a reader,
//! under the eyes of a program. In a reader it is then as after a reset, without having been taken out.
//!
//! ```ignore
//! let (stand, mut eid) = Stand::with_file_card(Kind::Belpic, &["authentication", "signature"]);  // it is in the reader
//! let host = stand.host("alpha").configure("").clone();     // no configuration at all; or .caching("public")
//! host.pkcs15_list();                                       // OpenSC fills its cache
//! eid.renew(0, 0);                                          // a new certificate of the same length; 40: longer, -40: shorter
//! eid.renew_all(40); eid.add("third"); eid.remove(1);
//! eid.certificate(0).der; eid.recipe().serial_text();       // what is on it, and how names of cached files begin
//! let other = stand.file_card("other", Kind::Belpic, 1, &["of another person"]);   // with the same serial, in the drawer
//! stand.card().insert(other.file());                        // instead of the first one
//! let mut beside = stand.file_card("beside", Kind::Tcos, 2, &["signature"]);
//! beside.put_into(&stand, 1);                               // into the second reader, where it stays
//! stand.file_card_of("shared", Recipe { layout: Layout::OneFile, ..recipe });      // several in one file; a date; longer keys
//! ```
//!
//! The PIN of each is [`super::PIN`]; a belpic's keys sign.

use super::card::Slot;
use super::{CardFile, Family, Options, Stand};
use std::sync::Arc;
use virtual_card::files::FileCard as State;
use virtual_card::files::certificate::Certificate;
pub use virtual_card::files::recipe::{Kind, Layout, Recipe};

/// A card, and the recipe that it is made by.
pub struct FileCard {
    recipe: Recipe,
    file: CardFile,
    /// Where it may be in use.
    slots: Vec<Arc<Slot>>,
}

impl Stand {
    /// A stand with a card of this kind, number 1, in the reader, with a certificate for each of these names.
    pub fn with_file_card(kind: Kind, names: &[&str]) -> (Self, FileCard) {
        let stand = Self::with(Options { family: Family::Files, inserted: false, ..Options::default() });
        let card = stand.file_card("file-card", kind, 1, names);
        stand.card().insert(card.file());
        (stand, card)
    }

    /// A card in the drawer.
    pub fn file_card(&self, name: &str, kind: Kind, serial: u32, certificates: &[&str]) -> FileCard {
        self.file_card_of(name, Recipe::new(kind, serial, certificates).expect("certificates"))
    }

    /// A card in the drawer, made by this recipe.
    pub fn file_card_of(&self, name: &str, recipe: Recipe) -> FileCard {
        let card =
            FileCard { recipe, file: self.card().place(name), slots: vec![Arc::clone(self.card().slot())] };
        card.write();
        card
    }
}

impl FileCard {
    pub fn file(&self) -> &CardFile {
        &self.file
    }

    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// How many certificates are on it.
    pub fn len(&self) -> usize {
        self.recipe.entries.len()
    }

    pub fn certificate(&self, nth: usize) -> &Certificate {
        &self.recipe.entries[nth].certificate
    }

    /// Puts it into the reader of this number (from 1; the first is [`super::Card::insert`]'s), where it stays.
    pub fn put_into(&mut self, stand: &Stand, number: u32) {
        self.slots.push(stand.card().hold_beside(number, &self.file, &[]));
    }

    /// A new certificate in place of this one, so many bytes longer.
    pub fn renew(&mut self, nth: usize, longer_by: isize) {
        self.recipe.renew(nth, longer_by).expect("a new certificate");
        self.write();
    }

    /// A new certificate in place of each.
    pub fn renew_all(&mut self, longer_by: isize) {
        for nth in 0..self.len() {
            self.recipe.renew(nth, longer_by).expect("a new certificate");
        }
        self.write();
    }

    /// One more certificate in the first free place; whether there is one.
    pub fn add(&mut self, name: &str) -> bool {
        let added = self.recipe.add(name).expect("a new certificate");
        self.write();
        added
    }

    /// One certificate less; whether this kind of card can do without.
    pub fn remove(&mut self, nth: usize) -> bool {
        let removed = self.recipe.remove(nth);
        self.write();
        removed
    }

    /// Changes the recipe in any way.
    pub fn change(&mut self, how: impl FnOnce(&mut Recipe)) {
        how(&mut self.recipe);
        self.write();
    }

    fn write(&self) {
        let state = self.recipe.state().expect("state of the card");
        State::create(self.file.path(), state).expect("state file of the card");
        for slot in &self.slots {
            slot.renewed(&self.file);
        }
    }
}
