//! Talking to cards.
//!
//! - [`family`]: which protocol a card may be spoken to in, by its ATR alone
//! - [`apdu`]: the closed list of commands, all of which only read; `channel`, the door they go through
//! - [`read`]: one file in as few commands as can be
//! - [`sc_hsm`]: the walk through a SmartCard-HSM
//! - [`native`], [`application`]: the walk through a native PKCS#15 card, and where its files are
//! - [`piv`], [`openpgp`], `objects`: the walk through cards of data objects
//! - [`held`], [`sign`]: a card kept to oneself, for a login and fresh signatures
//! - [`readers`]: which readers there are, and what is in them
//! - [`presence`]: waiting until something happens in them; `service`: is PC/SC itself there
//! - [`pcsc`]: connections and short transactions
//! - `which`: which application a card has whose ATR names none
//! - [`image`]: a card made from a recording
//! - [`module`]: another PKCS#11 module, in a process that is there for nothing else
//!
//! Everything that cannot be read ends as a [`Gap`], never as a missing line.

pub mod apdu;
pub mod application;
mod channel;
pub mod family;
mod fci;
pub mod held;
pub mod image;
pub mod module;
pub mod native;
mod objects;
pub mod openpgp;
mod options;
pub mod pcsc;
mod pcsc_error;
pub mod piv;
pub mod presence;
pub mod read;
pub mod readers;
pub mod sc_hsm;
mod sc_hsm_identity;
mod scan_error;
#[cfg(test)]
pub(crate) mod script;
mod service;
pub mod sign;
mod status;
mod traced;
mod which;

use std::thread::Builder;
use std::time::Duration;

pub use options::{Link, Options};
use readers::{Reader, Slot};
use scan_error::ScanError;

use crate::patience::left;
use crate::snapshot::{Bytes, Card, Family, Gap, GapKind, PinState, SeenReader};
use crate::text::escape;

/// The cards of a host as far as they could be read.
#[derive(Debug, Default)]
pub struct Reading {
    /// Cards, in the order of their readers; those of an unknown family without files. A card with several
    /// applications that OpenSC makes tokens of is there once for each.
    pub cards: Vec<Card>,
    /// What could not be read, and why.
    pub gaps: Vec<Gap>,
    /// All readers, whichever were asked for.
    pub readers: Vec<SeenReader>,
}

/// Reads the cards in all readers, or in the one that is named (by its name or
/// its number, counted from 0).
///
/// The readers are read side by side, so that several slow cards take the time of one, and one that hangs delays
/// nobody. Failures are gaps, because one bad card must not hide the others. An empty
/// reader is a gap only if it was named or no reader has a card. A card of another kind counts as asked for if it
/// was named or there is no other card. `guess_of` tells by its ATR what a card is to be read as.
#[must_use]
pub fn read_all(
    wanted: Option<&str>,
    options: &Options<'_>,
    guess_of: &(dyn Fn(&[u8]) -> Guess + Sync),
) -> Reading {
    let mut reading = Reading::default();
    let all = readers::readers().inspect(|all| {
        let seen = |reader: &Reader| SeenReader { name: reader.name(), card: reader.state == Slot::Card };
        reading.readers = all.iter().map(seen).collect();
    });
    let readers = match all.and_then(|all| readers::choose(all, wanted)) {
        Ok(readers) => readers,
        Err(error) => {
            let what = wanted
                .map_or_else(|| "cards".to_owned(), |name| format!("reader {}", escape(name.as_bytes())));
            reading.gaps.push(Gap::new(GapKind::Card, true, what, error.to_string()));
            return reading;
        }
    };
    let alone = wanted.is_some() || readers.iter().all(|reader| reader.state == Slot::Empty);
    // The caches need some time, too.
    let time = left().map(|left| left * 3 / 4);
    let read = |reader: &Reader| {
        let mut one = Reading::default();
        match reader.state {
            Slot::Empty if !alone => {}
            Slot::Card => one.read_one(reader, &guess_of(&reader.atr), wanted.is_some(), options, time),
            other => one.gap_in(reader, "reader", other.why().to_owned(), true),
        }
        one
    };
    for one in side_by_side(&readers, &read) {
        reading.cards.extend(one.cards);
        reading.gaps.extend(one.gaps);
    }
    // Nothing but cards of other kinds: then nothing of what was asked for could be looked at.
    if reading.cards.iter().all(|card| card.family == Family::Other) {
        for gap in &mut reading.gaps {
            gap.asked_for = true;
        }
    }
    reading
}

/// What is read of each of these readers, in their order.
fn side_by_side(readers: &[Reader], read: &(dyn Fn(&Reader) -> Reading + Sync)) -> Vec<Reading> {
    let [others @ .., last] = readers else { return Vec::new() };
    std::thread::scope(|scope| {
        let begun: Vec<_> = others
            .iter()
            .map(|reader| Builder::new().spawn_scoped(scope, move || read(reader)).map_err(|_| reader))
            .collect();
        // This thread has nothing else to do, and what no thread could be had for is left to it.
        let last = read(last);
        let ended = begun.into_iter().map(|one| match one {
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(reader) => read(reader),
        });
        ended.chain([last]).collect()
    })
}

impl Reading {
    /// Reads the card in one reader.
    fn read_one(
        &mut self,
        reader: &Reader,
        guess: &Guess,
        named: bool,
        options: &Options<'_>,
        time: Option<Duration>,
    ) {
        let usual = family::of_atr(&reader.atr);
        let kind = guess.kind;
        let is_to_find = walk(kind.family).is_none() && !guess.by_application.is_empty();
        // Only the ATR tells without a SELECT, which ends the login of whoever has the card.
        if (kind != usual || is_to_find) && !readers::becomes_idle(reader) {
            let unread = family::Kind { family: Family::Other, driver: None };
            return self.see_one(reader, unread, named, Some(IN_USE.to_owned()));
        }
        let name = reader.name();
        let read = |mut session: pcsc::Session| {
            let found =
                if is_to_find { which::which(&mut session, &guess.by_application)? } else { Some(kind) };
            let walk = found.and_then(|kind| Some((walk(kind.family)?, kind)));
            walk.map(|(walk, kind)| walk(&mut session, &name, &reader.atr, kind, options)).transpose()
        };
        let opened = || pcsc::Session::open(reader, time).map_err(ScanError::from);
        let scanned =
            if is_to_find || walk(kind.family).is_some() { opened().and_then(read) } else { Ok(None) };
        let scanned = match scanned {
            Ok(None) => return self.see_one(reader, kind, named, None),
            Ok(Some(scanned)) => Ok(scanned),
            Err(error) => Err(error),
        };
        // The configuration says what it is, and the card that it is not: then it is what its ATR says.
        if let Err(error) = &scanned
            && kind != usual
            && is_another(error, kind)
        {
            let guess = Guess { kind: usual, by_application: Vec::new() };
            return self.read_one(reader, &guess, named, options, time);
        }
        // Our own connection is closed. Who had the card open before it and does not now, has ended and left its login.
        let in_use = || readers::in_use(reader).or(reader.in_use.then_some(true));
        match scanned {
            Ok((mut cards, gaps)) => {
                for status in cards.iter_mut().filter_map(|card| card.status.as_mut()) {
                    if [status.user_pin, status.so_pin].contains(&Some(PinState::LoggedIn)) {
                        status.in_use = in_use();
                    }
                }
                self.cards.extend(cards);
                self.gaps.extend(gaps);
            }
            Err(ScanError::LoggedInElsewhere) if in_use() == Some(false) => {
                self.gap_in(reader, "card in reader", ScanError::LeftBehindElsewhere.to_string(), true);
            }
            Err(error) => self.gap_in(reader, "card in reader", error.to_string(), true),
        }
    }

    /// Keeps what is known of a card that is not read.
    fn see_one(&mut self, reader: &Reader, kind: family::Kind, named: bool, why: Option<String>) {
        let atr = Bytes(reader.atr.clone());
        let hex = atr.hex();
        let readable = family::nameable(&reader.atr).collect::<Vec<_>>().join(" or ");
        let unknown = || match kind.driver {
            Some(driver) => format!(
                "a card of OpenSC's driver {driver} (ATR {hex}), which this program cannot read: seen, not read; what \
                 OpenSC shows of it without its cache: stalecard run -- pkcs15-tool -D"
            ),
            None => format!(
                "a card that this program does not know (ATR {hex}): seen, not read; opensc-tool -n tells which driver \
                 OpenSC takes (it selects one application after the other, which ends logins). If that is {readable}, \
                 name it: OPENSC_DRIVER=NAME for one run, card_drivers in opensc.conf for all. Any other: stalecard run \
                 -- pkcs15-tool -D shows it without OpenSC's cache"
            ),
        };
        self.gap_in(reader, "card in reader", why.unwrap_or_else(unknown), named);
        self.cards.push(Card {
            reader: reader.name(),
            atr,
            family: kind.family,
            driver: kind.driver.map(str::to_owned),
            serial: None,
            application: None,
            change_counter: None,
            key_list: Vec::new(),
            files: Vec::new(),
            status: None,
            keys: None,
            trials: Vec::new(),
        });
    }

    fn gap_in(&mut self, reader: &Reader, what: &str, why: String, asked_for: bool) {
        let what = format!("{what} {}", reader.shown());
        self.gaps.push(Gap::new(GapKind::Card, asked_for, what, why).in_reader(&reader.name()));
    }
}

/// As what a card is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guess {
    /// What its ATR tells, or a setting.
    pub kind: family::Kind,
    /// If that is nothing: as what OpenSC would take it that has one of these applications, in its order.
    pub by_application: Vec<family::Kind>,
}

/// Why a card is left alone of which the ATR alone does not tell what it is.
const IN_USE: &str = "another program has it open, and its ATR does not tell which application it has: that is found by \
                      selecting one, which would end a login of that program. End the program (stalecard check -v names \
                      whoever has OpenSC loaded), or wait for it, and run this again";

/// The walk through a card.
type Walk = fn(
    &mut dyn apdu::Transport,
    &str,
    &[u8],
    family::Kind,
    &Options<'_>,
) -> Result<(Vec<Card>, Vec<Gap>), ScanError>;

/// How cards of a family are read; none if they are seen only. No family's commands ever go to another's card.
fn walk(family: Family) -> Option<Walk> {
    fn alone((card, gaps): (Card, Vec<Gap>)) -> (Vec<Card>, Vec<Gap>) {
        (vec![card], gaps)
    }
    match family {
        Family::SmartCardHsm => {
            Some(|card, reader, atr, _, options| sc_hsm::scan(card, reader, atr, options).map(alone))
        }
        Family::Pkcs15 => Some(native::scan),
        Family::Piv => Some(|card, reader, atr, _, _| piv::scan(card, reader, atr).map(alone)),
        Family::OpenPgp => Some(|card, reader, atr, _, _| openpgp::scan(card, reader, atr).map(alone)),
        Family::Other => None,
    }
}

/// Is a card not what it was read as? OpenSC's driver `default` takes any card, and finds PKCS#15 on few.
fn is_another(error: &ScanError, kind: family::Kind) -> bool {
    match error {
        ScanError::NotThere { .. } | ScanError::NoApplication(_) => true,
        ScanError::NoPkcs15(_) => kind.driver == Some("default"),
        ScanError::Transport(_)
        | ScanError::Restless(..)
        | ScanError::LoggedInElsewhere
        | ScanError::LeftBehindElsewhere
        | ScanError::NoList(_) => false,
    }
}
