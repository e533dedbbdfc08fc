//! Readers (PC/SC's `SCardListReaders` and `SCardGetStatusChange`): which there are, and what is in
//! them. No card is touched.

use std::ffi::CString;
use std::time::{Duration, Instant};

use pcsc::{Context, Error, ReaderState, Scope, State};

pub use super::pcsc_error::PcscError;
use crate::patience::{SILENCE, within};
use crate::text::escape;

/// How long to wait for a first reader: pcscd may just have been started by our own call.
const FIRST_READER: Duration = Duration::from_millis(800);
/// How long the service may take to see that a program has let go of a card (pcscd looks every 0.4 s).
pub const LAG: Duration = Duration::from_millis(1200);
/// How often to ask it meanwhile.
pub const LOOK: Duration = Duration::from_millis(50);

/// A reader and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    /// Its name for PC/SC.
    pub id: CString,
    /// What is in it.
    pub state: Slot,
    /// Answer to reset of the card.
    pub atr: Vec<u8>,
    /// A program has the card open (`SCARD_STATE_INUSE`), perhaps for itself alone (`SCARD_STATE_EXCLUSIVE`).
    pub in_use: bool,
}

/// What is in a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// A card.
    Card,
    /// No card.
    Empty,
    /// A card that does not answer to reset.
    Mute,
    /// The reader cannot be used.
    Unavailable,
}

impl Reader {
    /// The name as text; it comes from a USB descriptor and may hold anything.
    #[must_use]
    pub fn name(&self) -> String {
        self.id.to_string_lossy().into_owned()
    }

    /// The name, fit to be shown.
    #[must_use]
    pub fn shown(&self) -> String {
        escape(self.id.to_bytes())
    }
}

impl Slot {
    /// Why nothing can be read.
    #[must_use]
    pub const fn why(self) -> &'static str {
        match self {
            Self::Card => "there is a card",
            Self::Empty => "no card (SCARD_E_NO_SMARTCARD): put one in",
            Self::Mute => {
                "the card does not answer (SCARD_W_UNRESPONSIVE_CARD): is it the right way round, and are its \
                 contacts clean?"
            }
            Self::Unavailable => "the reader cannot be used (SCARD_E_READER_UNAVAILABLE): plug it in again",
        }
    }
}

/// All readers, in PC/SC's order.
///
/// # Errors
/// No service, none that answers, no permission, no reader.
pub fn readers() -> Result<Vec<Reader>, PcscError> {
    within(SILENCE, |_| now()).unwrap_or_else(|overdue| Err(overdue.into()))
}

fn now() -> Result<Vec<Reader>, PcscError> {
    let context = Context::establish(Scope::User).map_err(PcscError::from)?;
    let mut names = list(&context)?;
    if names.is_empty() {
        let mut plugged = [ReaderState::new(pcsc::PNP_NOTIFICATION(), State::UNAWARE)];
        let _ = context.get_status_change(FIRST_READER, &mut plugged);
        names = list(&context)?;
    }
    if names.is_empty() {
        return Err(PcscError::from(Error::NoReadersAvailable));
    }
    let mut states: Vec<_> =
        names.iter().map(|name| ReaderState::new(name.clone(), State::UNAWARE)).collect();
    context.get_status_change(Duration::ZERO, &mut states).map_err(PcscError::from)?;
    Ok(states.iter().map(Reader::from).collect())
}

/// Has a program the card in this reader open now? None if that cannot be told.
pub(super) fn in_use(reader: &Reader) -> Option<bool> {
    let reader = reader.clone();
    within(SILENCE, move |_| is_used(&reader)).ok().flatten()
}

/// Has no program the card in this reader open, or will it be so at once? That a program has let go of it the service
/// sees some time later.
pub(super) fn becomes_idle(reader: &Reader) -> bool {
    let begun = Instant::now();
    loop {
        match in_use(reader) {
            Some(false) => return true,
            Some(true) if begun.elapsed() < LAG => std::thread::sleep(LOOK),
            Some(true) | None => return false,
        }
    }
}

fn is_used(reader: &Reader) -> Option<bool> {
    let context = Context::establish(Scope::User).ok()?;
    let mut states = [ReaderState::new(reader.id.clone(), State::UNAWARE)];
    context.get_status_change(Duration::ZERO, &mut states).ok()?;
    states.first().map(|state| Reader::from(state).in_use)
}

/// The card in one reader at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its answer to reset; none if there is none, or it is mute.
    pub atr: Option<Vec<u8>>,
    /// A program has it open.
    pub in_use: bool,
    /// A program has it for itself alone.
    pub exclusive: bool,
    /// How often a card has come or gone.
    pub count: u32,
}

/// What is in the reader of this name now.
///
/// # Errors
/// No service, none that answers, no such reader.
pub fn standing(reader: &str) -> Result<Standing, PcscError> {
    let name = reader.to_owned();
    within(SILENCE, move |_| standing_now(&name)).unwrap_or_else(|overdue| Err(overdue.into()))
}

fn standing_now(reader: &str) -> Result<Standing, PcscError> {
    let context = Context::establish(Scope::User).map_err(PcscError::from)?;
    let named = list(&context)?.into_iter().find(|id| id.to_string_lossy() == reader);
    let id = named.ok_or_else(|| PcscError::from(Error::UnknownReader))?;
    let mut states = [ReaderState::new(id, State::UNAWARE)];
    context.get_status_change(Duration::ZERO, &mut states).map_err(PcscError::from)?;
    let [state] = &states;
    let seen = Reader::from(state);
    Ok(Standing {
        atr: (seen.state == Slot::Card).then_some(seen.atr),
        in_use: seen.in_use,
        exclusive: state.event_state().contains(State::EXCLUSIVE),
        count: state.event_count(),
    })
}

pub(super) fn list(context: &Context) -> Result<Vec<CString>, PcscError> {
    match context.list_readers_owned() {
        Ok(names) => Ok(names),
        Err(Error::NoReadersAvailable) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

impl From<&ReaderState> for Reader {
    fn from(state: &ReaderState) -> Self {
        let flags = state.event_state();
        let slot = if flags.intersects(State::UNKNOWN | State::UNAVAILABLE | State::IGNORE) {
            Slot::Unavailable
        } else if flags.contains(State::MUTE) || (flags.contains(State::PRESENT) && state.atr().is_empty()) {
            Slot::Mute
        } else if flags.contains(State::PRESENT) {
            Slot::Card
        } else {
            Slot::Empty
        };
        let in_use = flags.intersects(State::INUSE | State::EXCLUSIVE);
        Self { id: state.name().to_owned(), state: slot, atr: state.atr().to_vec(), in_use }
    }
}

/// The reader that is meant, by name or by number from 0; all of them if none is named.
///
/// # Errors
/// When there is no such reader; the error names those there are.
pub fn choose(readers: Vec<Reader>, wanted: Option<&str>) -> Result<Vec<Reader>, PcscError> {
    let Some(wanted) = wanted else { return Ok(readers) };
    let found = readers
        .iter()
        .find(|reader| reader.name() == wanted)
        .or_else(|| readers.get(wanted.parse::<usize>().ok()?))
        .cloned();
    found.map(|reader| vec![reader]).ok_or_else(|| {
        let known =
            readers.iter().enumerate().map(|(number, reader)| format!("{number}: {}", reader.shown()));
        PcscError::NoSuchReader(escape(wanted.as_bytes()), known.collect::<Vec<_>>().join(", "))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn reader(name: &str) -> Reader {
        Reader { id: CString::new(name).unwrap(), state: Slot::Empty, atr: Vec::new(), in_use: false }
    }

    #[test]
    fn readers_are_chosen_by_name_or_number() {
        let all = vec![reader("A 00 00"), reader("1"), reader("C")];
        assert_eq!(choose(all.clone(), None).unwrap().len(), 3);
        assert_eq!(choose(all.clone(), Some("C")).unwrap(), [reader("C")]);
        assert_eq!(choose(all.clone(), Some("2")).unwrap(), [reader("C")]);
        assert_eq!(choose(all.clone(), Some("1")).unwrap(), [reader("1")]);
        let error = choose(all, Some("3")).unwrap_err().to_string();
        assert!(error.contains("0: A 00 00, 1: 1, 2: C"), "{error}");
    }
}
