//! Which [`Layout`] the cards of a family have, and whose card a cache entry is of.

use super::Layout;
use super::native::Native;
use super::openpgp::OpenPgp;
use super::piv::Piv;
use super::sc_hsm::ScHsm;
use crate::opensc::CacheName;
use crate::opensc::cache_name::Serial;
use crate::snapshot::{Card, Family};

/// Applications of one card that are compared with each other: no card has more, and no entry is one's of so many.
const MOST: usize = 16;

/// The layout of a family's cards; none if such cards are seen and not read.
#[must_use]
pub fn layout(family: Family) -> Option<&'static dyn Layout> {
    match family {
        Family::SmartCardHsm => Some(&ScHsm),
        Family::Pkcs15 => Some(&Native),
        Family::Piv => Some(&Piv),
        Family::OpenPgp => Some(&OpenPgp),
        Family::Other => None,
    }
}

/// Does a card give the file of this cache entry only after a PIN? True only if the name tells, with
/// what is known of the card.
#[must_use]
pub fn is_private(cards: &[Card], name: &CacheName) -> bool {
    let file = name.ef();
    layout_of(cards, name).is_some_and(|(layout, _)| file.is_some_and(|file| layout.is_private(file)))
}

/// The family of the card of a cache entry, if the name alone tells: a SmartCard-HSM's do.
fn family_of(name: &CacheName) -> Option<Family> {
    name.is_sc_hsm().then_some(Family::SmartCardHsm)
}

/// How the files of a card are laid out of which nothing is known but that its directories may be those of PKCS#15.
#[must_use]
pub const fn of_files() -> &'static dyn Layout {
    &Native
}

/// The card of a cache entry as far as the entry's name tells of it, for a card that was not read.
#[must_use]
pub fn unread(name: &CacheName) -> Option<Card> {
    layout(family_of(name)?)?.unread(name)
}

/// The layout behind a cache entry's name, and its card if that was read.
#[must_use]
pub fn layout_of<'c>(cards: &'c [Card], name: &CacheName) -> Option<(&'static dyn Layout, Option<&'c Card>)> {
    let is_named = |card: &&Card| match (&card.serial, &name.serial) {
        (Some(serial), Serial::Text(text)) => serial.as_bytes().eq_ignore_ascii_case(text),
        _ => false,
    };
    let named: Vec<&Card> = cards.iter().filter(is_named).take(MOST).collect();
    let owns = |card: &&&Card| match (layout(card.family), name.ef()) {
        (Some(layout), Some(file)) => layout.owns(card, &named, file),
        _ => true,
    };
    let card = named.iter().find(owns).copied();
    let family = family_of(name).or_else(|| card.map(|card| card.family))?;
    Some((layout(family)?, card.filter(|card| card.family == family)))
}
