//! What people call a key or a token, in whatever form they have it in hand, and which of several that means.
//!
//! [`Naming::parse`] is all that is known of a text by itself; [`Naming::pick`] holds it against what there is. A text has
//! several readings, and the first that fits anything counts: what is shown here, character by character (label, ID, key
//! reference, serial number, file); then an ID in any spelling, a PKCS#11 URI ([`uri`], RFC 7512), the names that libp11's
//! engine (`slot_0-id_03`), strongSwan (`%smartcard0@opensc:03`) and ykman (`KEY_MANAGEMENT`) give to keys; at last the
//! beginning of an ID. What might be meant twice is an error that lists both.

mod names;
mod readings;
pub mod uri;

use std::collections::BTreeSet;

use crate::text::{escape, hex, is_key_reference, is_typed};
use names::names_serial;
pub use names::{Maker, Names, TokenNames};
use readings::{Reading, SHORTEST_BEGINNING, hex_digits, of_other_programs, spelled};
use uri::Uri;

/// The longest text that is looked at: a PKCS#11 URI with all its attributes is shorter by far.
const LONGEST: usize = 4096;

/// How many of those there are an error lists.
const LISTED: usize = 12;

/// Why a text names nothing, or not one thing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It begins as a PKCS#11 URI does, and is none.
    #[error("{typed}: {why} (RFC 7512 says how a PKCS#11 URI is written)")]
    Uri {
        /// What was typed, escaped.
        typed: String,
        /// What is wrong with it.
        why: uri::Error,
    },
    /// The ID in a URI is written as if it were hex.
    #[error(
        "id={raw} in a PKCS#11 URI means the {} bytes of that text, and no key has such an ID; the ID {raw} is written \
         id={meant} there (RFC 7512)", raw.len()
    )]
    NotEscaped {
        /// As it was typed.
        raw: String,
        /// As it would have to be.
        meant: String,
    },
    /// A URI says otherwise who made the token than OpenSC does, and would name something without that.
    #[error(
        "{attribute}=\"{said}\" in the PKCS#11 URI is not what OpenSC says of the token, which is \"{own}\": correct it, or \
         leave it out"
    )]
    Maker {
        /// The attribute.
        attribute: &'static str,
        /// What it says, escaped.
        said: String,
        /// What OpenSC says, escaped.
        own: String,
    },
    /// Several things are called so.
    #[error("\"{typed}\" could be any of these, name one of them in full: {}", list(candidates))]
    Ambiguous {
        /// What was typed, escaped.
        typed: String,
        /// What it could be.
        candidates: Vec<String>,
    },
    /// Nothing is called so.
    #[error("no {what} is called \"{typed}\"; {}; `stalecard show` lists them all", there_is(known))]
    Nothing {
        /// What it was taken for: "key", "token, key, label or cache entry".
        what: &'static str,
        /// What was typed, escaped.
        typed: String,
        /// What there is.
        known: Vec<String>,
    },
}

/// A dozen of them, and how many more there are.
#[must_use]
pub fn list(all: &[String]) -> String {
    let mut listed = all.iter().take(LISTED).cloned().collect::<Vec<_>>().join("; ");
    if let Some(more) = all.len().checked_sub(LISTED).filter(|more| *more > 0) {
        listed.push_str(&format!("; and {more} more"));
    }
    listed
}

/// What an error says of what there is.
#[must_use]
pub fn there_is(known: &[String]) -> String {
    if known.is_empty() { "there is none at all".to_owned() } else { format!("there is: {}", list(known)) }
}

/// How well a text fits: the better first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Exact,
    Spelled,
    Beginning,
}

/// What somebody calls a key or a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naming {
    typed: String,
    readings: Vec<Reading>,
}

impl Naming {
    /// Reads what was typed.
    ///
    /// # Errors
    /// [`Error::Uri`], for what begins as a PKCS#11 URI does and is none.
    pub fn parse(typed: &str) -> Result<Self, Error> {
        let mut readings = Vec::new();
        if Uri::is_meant(typed) {
            let shown = uri::without_pin(&escape(typed.as_bytes()));
            let uri = if typed.len() > LONGEST { Err(uri::Error::TooLong) } else { Uri::parse(typed) };
            readings.push(Reading::Uri(uri.map_err(|why| Error::Uri { typed: shown, why })?));
        } else if typed.len() <= LONGEST {
            readings.extend(of_other_programs(typed));
            readings.extend(spelled(typed));
        }
        Ok(Self { typed: typed.to_owned(), readings })
    }

    /// What was typed, escaped, without a PIN in it.
    #[must_use]
    pub fn shown(&self) -> String {
        uri::without_pin(&escape(self.typed.as_bytes()))
    }

    fn fit(&self, names: &Names) -> Option<Fit> {
        if self.is_exactly(names) {
            return Some(Fit::Exact);
        }
        let token = names.token.is_called(&self.typed, &self.shown()).then_some(Fit::Spelled);
        self.readings
            .iter()
            .filter_map(|reading| match reading {
                Reading::Id(id) => names.ids.contains(id).then_some(Fit::Spelled),
                Reading::Beginning(start) => {
                    names.ids.iter().any(|id| hex(id).starts_with(start)).then_some(Fit::Beginning)
                }
                Reading::Label(label) => names.labels.contains(label).then_some(Fit::Spelled),
                Reading::Reference(number) => (names.reference == Some(*number)).then_some(Fit::Spelled),
                Reading::Uri(uri) => names.is_called_by(uri).then_some(Fit::Spelled),
            })
            .chain(token)
            .min()
    }

    /// What is shown, as it is shown.
    #[must_use]
    pub fn is_exactly(&self, names: &Names) -> bool {
        self.is_label(names) || self.is_exactly_otherwise(names)
    }

    fn is_label(&self, names: &Names) -> bool {
        let shown = self.shown();
        names.labels.iter().any(|label| *label == shown || *label == self.typed)
    }

    fn is_exactly_otherwise(&self, names: &Names) -> bool {
        let typed = self.typed.as_str();
        names.reference.is_some_and(|reference| is_key_reference(reference, typed))
            || names.ids.iter().any(|id| !id.is_empty() && hex(id).eq_ignore_ascii_case(typed))
            || names.words.iter().any(|word| word.eq_ignore_ascii_case(typed))
            || is_typed(names.token.serial.as_bytes(), typed)
    }

    /// Which of these are meant, by their places: all that fit as well as the one that fits best.
    ///
    /// # Errors
    /// When it is the beginning of the IDs of several keys, or a URI whose ID lacks its percent signs.
    pub fn pick(&self, all: &[Names]) -> Result<Vec<usize>, Error> {
        let fits: Vec<(usize, Fit)> =
            all.iter().enumerate().filter_map(|(place, names)| Some((place, self.fit(names)?))).collect();
        let Some(best) = fits.iter().map(|(_, fit)| *fit).min() else {
            return match self.unescaped(all).or_else(|| self.made_otherwise(all)) {
                Some(error) => Err(error),
                None => Ok(Vec::new()),
            };
        };
        let picked: Vec<usize> =
            fits.iter().filter(|(_, fit)| *fit == best).map(|(place, _)| *place).collect();
        if best == Fit::Beginning {
            self.one_key(all, &picked)?;
        }
        self.no_id_of_another(all, &picked)?;
        Ok(picked)
    }

    /// A label that reads as an ID, and is that of another key, means either.
    fn no_id_of_another(&self, all: &[Names], picked: &[usize]) -> Result<(), Error> {
        let mut names = picked.iter().filter_map(|place| all.get(*place));
        let is_only_a_label = names.all(|names| self.is_label(names) && !self.is_exactly_otherwise(names));
        let is_id = |names: &Names| {
            let mut ids = self.readings.iter().filter_map(|reading| match reading {
                Reading::Id(id) => Some(id),
                Reading::Beginning(_) | Reading::Label(_) | Reading::Reference(_) | Reading::Uri(_) => None,
            });
            ids.any(|id| names.ids.contains(id))
        };
        let mut both = picked.to_vec();
        both.extend(all.iter().enumerate().filter(|(_, names)| is_id(names)).map(|(place, _)| place));
        if is_only_a_label && both.len() > picked.len() { self.one_key(all, &both) } else { Ok(()) }
    }

    /// Those of one key that are meant, as [`Naming::pick`].
    ///
    /// # Errors
    /// When they are of several keys.
    pub fn key(&self, all: &[Names]) -> Result<Vec<usize>, Error> {
        let picked = self.pick(all)?;
        self.one_key(all, &picked)?;
        Ok(picked)
    }

    /// The one that is meant.
    ///
    /// # Errors
    /// When there are several, or none: the error lists what there is.
    pub fn one(&self, what: &'static str, all: &[Names]) -> Result<usize, Error> {
        match self.pick(all)?.as_slice() {
            [one] => Ok(*one),
            [] => Err(self.nothing(what, all.iter().map(|names| names.what.clone()))),
            several => Err(self.ambiguous(all, several)),
        }
    }

    /// Says that nothing is called so, and what there is.
    #[must_use]
    pub fn nothing(&self, what: &'static str, known: impl IntoIterator<Item = String>) -> Error {
        // One name for what stands there several times, as a key and its certificate do.
        let mut seen = BTreeSet::new();
        let known = known.into_iter().filter(|known| seen.insert(known.clone())).collect();
        Error::Nothing { what, typed: self.shown(), known }
    }

    fn ambiguous(&self, all: &[Names], several: &[usize]) -> Error {
        self.any_of(several.iter().filter_map(|place| Some(all.get(*place)?.what.clone())))
    }

    /// Says that it could be any of these.
    #[must_use]
    pub fn any_of(&self, candidates: impl IntoIterator<Item = String>) -> Error {
        let mut seen = BTreeSet::new();
        let candidates = candidates.into_iter().filter(|what| seen.insert(what.clone())).collect();
        Error::Ambiguous { typed: self.shown(), candidates }
    }

    /// Do all of these belong together by an ID or a key reference, as a key and its certificate do?
    fn one_key(&self, all: &[Names], picked: &[usize]) -> Result<(), Error> {
        let names: Vec<&Names> = picked.iter().filter_map(|place| all.get(*place)).collect();
        let Some((first, rest)) = names.split_first() else { return Ok(()) };
        let mut token = &first.token.serial;
        let mut known: BTreeSet<&Vec<u8>> = first.ids.iter().collect();
        let mut references: BTreeSet<u8> = first.reference.into_iter().collect();
        let mut open: Vec<&&Names> = rest.iter().collect();
        loop {
            let before = open.len();
            open.retain(|names| {
                let is_of_key = names.ids.iter().any(|id| known.contains(id))
                    || names.reference.is_some_and(|reference| references.contains(&reference));
                let belongs = names.token.serial == *token && is_of_key;
                if belongs {
                    known.extend(&names.ids);
                    references.extend(names.reference);
                    token = &names.token.serial;
                }
                !belongs
            });
            match open.len() {
                0 => return Ok(()),
                left if left == before => return Err(self.ambiguous(all, picked)),
                _ => {}
            }
        }
    }

    /// Is it a URI whose ID lacks its percent signs, and is the ID of nothing as it stands?
    fn unescaped(&self, all: &[Names]) -> Option<Error> {
        self.readings.iter().find_map(|reading| {
            let Reading::Uri(Uri { bare_id: Some(raw), id: Some(id), .. }) = reading else { return None };
            let meant = hex_digits(raw).filter(|_| all.iter().all(|names| !names.ids.contains(id)))?;
            Some(Error::NotEscaped { raw: escape(raw.as_bytes()), meant: uri::escaped_id(&meant) })
        })
    }

    /// Is it a URI that would name something, if it did not say otherwise who made the token?
    fn made_otherwise(&self, all: &[Names]) -> Option<Error> {
        self.readings.iter().find_map(|reading| {
            let Reading::Uri(uri) = reading else { return None };
            let rest = Uri { manufacturer: None, model: None, ..uri.clone() };
            let maker = |names: &Names| names.token.maker.as_ref()?.contradicts(uri);
            let (attribute, said, own) =
                all.iter().filter(|names| names.is_called_by(&rest)).find_map(maker)?;
            Some(Error::Maker { attribute, said: escape(&said), own: escape(&own) })
        })
    }

    /// Is it a URI of something on a token, and of no token as a whole?
    #[must_use]
    pub fn is_of_object(&self) -> bool {
        self.readings.iter().any(|reading| match reading {
            Reading::Uri(uri) => uri.id.is_some() || uri.object.is_some() || uri.class.is_some(),
            Reading::Id(_) | Reading::Beginning(_) | Reading::Label(_) | Reading::Reference(_) => false,
        })
    }

    /// Is this what somebody calls the token: its serial number in any case, or the beginning of it; a label; a URI?
    ///
    /// # Errors
    /// When it is the beginning, or the label, of several.
    pub fn token<'t>(&self, all: &'t [TokenNames]) -> Result<Vec<&'t TokenNames>, Error> {
        let typed = self.typed.as_str();
        let bytes = typed.as_bytes();
        let ways: [&dyn Fn(&&TokenNames) -> bool; 5] = [
            &|token| is_typed(token.serial.as_bytes(), typed),
            &|token| is_typed(token.serial.to_ascii_lowercase().as_bytes(), &typed.to_ascii_lowercase()),
            &|token| {
                self.readings
                    .iter()
                    .any(|reading| matches!(reading, Reading::Uri(uri) if token.is_called_by(uri)))
            },
            &|token| token.labels.iter().any(|label| *label == self.shown()),
            &|token| {
                let start = token.serial.as_bytes().get(..bytes.len());
                bytes.len() >= SHORTEST_BEGINNING
                    && start.is_some_and(|start| start.eq_ignore_ascii_case(bytes))
            },
        ];
        for (number, way) in ways.iter().enumerate() {
            let found: Vec<&TokenNames> = all.iter().filter(way).collect();
            let serials: BTreeSet<&String> = found.iter().map(|token| &token.serial).collect();
            match serials.len() {
                0 => {}
                // Cards that share a serial number, or spell it differently, are told apart elsewhere.
                several if several > 1 && number > 1 => {
                    let mut candidates: Vec<String> = found.iter().map(|token| token.what()).collect();
                    candidates.sort();
                    candidates.dedup();
                    return Err(Error::Ambiguous { typed: self.shown(), candidates });
                }
                _ => return Ok(found),
            }
        }
        Ok(Vec::new())
    }
}

/// Is this serial number what was typed: it, in any case, the way we show it, or a PKCS#11 URI of its token?
#[must_use]
pub fn is_serial(serial: &[u8], typed: &str) -> bool {
    serial.eq_ignore_ascii_case(typed.as_bytes())
        || escape(serial).eq_ignore_ascii_case(typed)
        || (Uri::is_meant(typed) && Uri::parse(typed).is_ok_and(|uri| names_serial(&uri, serial)))
}

#[cfg(test)]
mod tests;
