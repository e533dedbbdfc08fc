//! Which cache entries somebody means who names a key or a token: all that make up the key, or all of the token, so that no half of
//! a key is left behind. A name that caches do not tell, as a token's label, only its card does.

use std::collections::BTreeSet;

use crate::case::token_content::absent_cards;
use crate::error::Error;
use crate::finding::ObjectClass;
use crate::judge::{tokens, tokens_of};
use crate::listing::asked::{AskedObject, asked, names as asked_names};
use crate::listing::cache_entries;
use crate::listing::objects::{show, token_names};
use crate::naming::{Names, Naming, TokenNames};
use crate::repair::{KeptFile, OperationState, Outcome};
use crate::snapshot::{CacheEntry, Snapshot};
use crate::text::escape;

/// What there is to be named in the caches of one user.
pub(super) struct Named {
    /// An entry, or an object of a token, and the paths of the entries that it is made of.
    things: Vec<(Names, Vec<String>)>,
    /// The tokens that there are entries of, or that were read.
    tokens: Vec<TokenNames>,
    /// Each entry: the serial number in its name, and its path.
    entries: Vec<(String, String)>,
}

impl Named {
    /// Of these caches, beside the cards that were read.
    pub fn of(snapshot: &Snapshot) -> Self {
        let (mut things, mut entries) = (Vec::new(), Vec::new());
        let mut known = token_names(snapshot);
        for (path, names) in cache_entries::names(snapshot) {
            let serial = &names.token.serial;
            if !known.iter().any(|token| token.serial.eq_ignore_ascii_case(serial)) {
                known.push(TokenNames { serial: serial.clone(), ..TokenNames::default() });
            }
            entries.push((serial.clone(), path.to_string()));
            things.push((names, vec![path.to_string()]));
        }
        let absent = absent_cards(snapshot);
        for tokens in [tokens(snapshot), tokens_of(snapshot, &absent)] {
            for listed in show(&tokens) {
                let paths = listed.sides.shown.iter().flat_map(|shown| shown.entries.iter().cloned());
                // With the label that the PKCS#11 module makes of the card's and the PIN's.
                let token = &listed.names.token;
                if let Some(own) = known.iter_mut().find(|own| own.serial == token.serial) {
                    let more = token.labels.iter().filter(|label| !own.labels.contains(label));
                    let more: Vec<String> = more.cloned().collect();
                    own.labels.extend(more);
                    own.maker = own.maker.take().or_else(|| token.maker.clone());
                }
                things.push((listed.names, paths.collect()));
            }
        }
        let mut named = Self { things, tokens: known, entries };
        for object in asked(&tokens(snapshot)) {
            named.add_asked(snapshot, &object);
        }
        named
    }

    /// An object of a card that OpenSC was asked about, with the entries in which it lies.
    fn add_asked(&mut self, snapshot: &Snapshot, object: &AskedObject) {
        if object.class == ObjectClass::Token {
            let is_it = |token: &&mut TokenNames| token.serial.eq_ignore_ascii_case(&object.token);
            if let Some(token) = self.tokens.iter_mut().find(is_it)
                && !token.labels.contains(&object.label)
            {
                token.labels.push(object.label.clone());
            }
            return;
        }
        let Some(place) = &object.path else {
            self.things.push((asked_names(object), Vec::new()));
            return;
        };
        let is_in = |entry: &&CacheEntry| {
            entry.name.of_copy().is_some_and(|name| {
                name.path.as_deref() == Some(place.as_slice())
                    && escape(&name.serial.text()).eq_ignore_ascii_case(&object.token)
            })
        };
        let entries = snapshot.caches.iter().flat_map(|dir| {
            dir.entries.iter().filter(is_in).map(|entry| dir.path_of(&entry.name).to_string())
        });
        self.things.push((asked_names(object), entries.collect()));
    }

    /// What the entries are, in words.
    pub fn known(&self) -> impl Iterator<Item = String> {
        let entries = self.things.iter().take(self.entries.len());
        entries.map(|(names, _)| names.what.clone())
    }

    /// The paths of the entries that are meant: of what has no entry, an empty list; none if nothing is called so.
    ///
    /// # Errors
    /// When it could be any of several.
    pub fn meant(&self, typed: &str) -> Result<Option<Vec<String>>, Error> {
        let naming = Naming::parse(typed)?;
        let of_token = if naming.is_of_object() { Vec::new() } else { naming.token(&self.tokens)? };
        if of_token.is_empty() { self.of_key(&naming) } else { self.of_token(&naming, &of_token).map(Some) }
    }

    /// All entries of a token, unless a key is called the same.
    fn of_token(&self, naming: &Naming, of_token: &[&TokenNames]) -> Result<Vec<String>, Error> {
        let by_itself =
            |(names, _): &(Names, Vec<String>)| Names { token: TokenNames::default(), ..names.clone() };
        let others: Vec<Names> = self.things.iter().map(by_itself).collect();
        let picked = naming.pick(&others)?;
        let is_key = |place: &usize| others.get(*place).is_some_and(|names| naming.is_exactly(names));
        let by_label = of_token.iter().all(|token| token.labels.contains(&naming.shown()));
        // As everywhere: a label names the key that has it, and a token only where no key has it.
        if by_label && !picked.is_empty() && picked.iter().all(is_key) {
            return Ok(self.of_key(naming)?.unwrap_or_default());
        }
        if !picked.is_empty() {
            let tokens = of_token.iter().map(|token| format!("token {}", token.what()));
            let keys = picked.iter().filter_map(|place| Some(others.get(*place)?.what.clone()));
            return Err(naming.any_of(tokens.chain(keys)).into());
        }
        let is_of = |serial: &str| of_token.iter().any(|token| token.serial.eq_ignore_ascii_case(serial));
        let paths = self.entries.iter().filter(|(serial, _)| is_of(serial)).map(|(_, path)| path.clone());
        Ok(paths.collect())
    }

    /// All entries of the key, whichever of them has that name.
    fn of_key(&self, naming: &Naming) -> Result<Option<Vec<String>>, Error> {
        let names: Vec<Names> = self.things.iter().map(|(names, _)| names.clone()).collect();
        let picked: Vec<&Names> = naming.key(&names)?.iter().filter_map(|place| names.get(*place)).collect();
        if picked.is_empty() {
            return Ok(None);
        }
        let belongs = |names: &Names| picked.iter().any(|meant| is_one_key(meant, names));
        let mut paths: Vec<String> = Vec::new();
        for (_, more) in self.things.iter().filter(|(names, _)| belongs(names)) {
            for path in more.iter().filter(|path| self.entries.iter().any(|(_, entry)| entry == *path)) {
                if !paths.contains(path) {
                    paths.push(path.clone());
                }
            }
        }
        Ok(Some(paths))
    }
}

/// Is this what an entry is called that an earlier flush took, which was not taken back: its name, its path, or the card's file
/// alone if it was of one card only? Whoever says it once more finds it done.
pub(super) fn was_taken(typed: &str) -> Result<bool, Error> {
    let operations = super::quarantine::list()?;
    let standing = operations.iter().filter(|operation| operation.state != OperationState::Undone);
    let is_taken = |file: &&KeptFile| matches!(file.outcome, Some(Outcome::Moved | Outcome::Removed));
    let mut of_cards: BTreeSet<String> = BTreeSet::new();
    for file in standing.flat_map(|operation| &operation.files).filter(is_taken) {
        let name = file.name.to_string();
        if name == typed || format!("{}/{name}", file.directory) == typed {
            return Ok(true);
        }
        if let Some((card, short)) =
            name.rsplit_once('_').filter(|(_, short)| short.eq_ignore_ascii_case(typed))
        {
            of_cards.insert(format!("{card}_{}", short.to_ascii_uppercase()));
        }
    }
    Ok(of_cards.len() == 1)
}

/// By the key reference where both have one, else by an ID.
fn is_one_key(one: &Names, other: &Names) -> bool {
    one.token.serial.eq_ignore_ascii_case(&other.token.serial)
        && match (one.reference, other.reference) {
            (Some(one), Some(other)) => one == other,
            _ => one.ids.iter().any(|id| other.ids.contains(id)) || one == other,
        }
}
