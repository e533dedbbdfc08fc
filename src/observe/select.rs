//! Of what was observed, what concerns one card: a narrower view of the same facts.

use std::collections::BTreeSet;

use crate::error::Error;
use crate::listing::cache_entries::serials;
use crate::listing::objects::{show, token_names};
use crate::naming::{self, Naming, TokenNames, is_serial};
use crate::snapshot::{Gap, GapKind, Snapshot};
use crate::text::escape;

/// Leaves only what concerns the card that is called so: itself, and its cache entries. If there is no such card and cards
/// were to be read, that is a gap, which says what there is. Gives the card's serial number, and those that the caches know
/// otherwise.
///
/// # Errors
/// When several cards are called so.
pub fn select_serial(snapshot: &mut Snapshot, typed: &str, offline: bool) -> Result<BTreeSet<String>, Error> {
    let tokens = token_names(snapshot);
    let naming = Naming::parse(typed)?;
    let serials_of = |tokens: &[TokenNames]| {
        let named = naming.token(tokens)?;
        Ok::<BTreeSet<String>, Error>(named.into_iter().map(|token| token.serial.clone()).collect())
    };
    let mut meant = serials_of(&tokens)?;
    if meant.is_empty() {
        // As the PKCS#11 module calls them: that takes to list the cards.
        let listed = show(&crate::judge::tokens(snapshot));
        meant = serials_of(&listed.into_iter().map(|listed| listed.names.token).collect::<Vec<_>>())?;
    }
    snapshot.select_cards(&meant);
    if snapshot.cards.is_empty() && !offline {
        let cards: Vec<String> = tokens.iter().map(TokenNames::what).collect();
        let cached: Vec<String> = serials(snapshot).into_iter().collect();
        let caches = if cached.is_empty() {
            String::new()
        } else {
            format!("; the caches have entries of: {}", naming::list(&cached))
        };
        snapshot.coverage.push(Gap::new(
            GapKind::Card,
            true,
            format!("card {}", escape(typed.as_bytes())),
            format!(
                "no reader holds a card with this serial number that could be read; {}{caches}",
                naming::there_is(&cards)
            ),
        ));
    }
    let serials = if meant.is_empty() { BTreeSet::from([typed.to_owned()]) } else { meant };
    select_entries(snapshot, &serials);
    Ok(serials)
}

/// Leaves only the cache entries of the cards with these serial numbers.
pub fn select_entries(snapshot: &mut Snapshot, serials: &BTreeSet<String>) {
    let others = snapshot.others.iter_mut().flat_map(|other| &mut other.caches);
    for dir in snapshot.caches.iter_mut().chain(others) {
        dir.entries.retain(|entry| {
            // An entry may be of an older OpenSC that wrote the serial in another case.
            entry
                .name
                .of_copy()
                .is_some_and(|name| serials.iter().any(|serial| is_serial(&name.serial.text(), serial)))
        });
    }
}

/// What is done with the facts about each user.
pub type Each<'a> = &'a mut dyn FnMut(&mut Snapshot) -> Result<(), Error>;

/// The same for facts that are handed over user by user: the first have the cards. Without a serial number all of
/// them are handed on.
pub fn selecting<'a>(
    serial: Option<&'a str>,
    offline: bool,
    each: Each<'a>,
) -> impl FnMut(&mut Snapshot) -> Result<(), Error> + 'a {
    let mut meant: Option<BTreeSet<String>> = None;
    move |snapshot| {
        match (serial, &meant) {
            (Some(serial), None) => meant = Some(select_serial(snapshot, serial, offline)?),
            (Some(_), Some(meant)) => select_entries(snapshot, meant),
            (None, _) => {}
        }
        each(snapshot)
    }
}
