//! Waiting until something happens in the readers (`SCardGetStatusChange`, with
//! `\\?PnP?\Notification` for readers that come and go). No card is touched.
//!
//! That a program connects to a card or lets go of it wakes nobody: pcscd (1.9.9, and nothing in
//! later sources speaks against it) signals cards and readers that come and go, nothing else.
//! Whether a card is in use (`SCARD_STATE_INUSE`) can only be asked.

use std::time::Duration;

use pcsc::{Context, Error, ReaderState, Scope, State};

use super::pcsc_error::PcscError;
use super::readers::{Reader, Slot, list};
use crate::patience::{SILENCE, within};

/// A reader at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its name.
    pub reader: String,
    /// Is there a card that answers?
    pub card: bool,
    /// How often a card has come or gone.
    pub count: u32,
}

/// Has any program a connection to a card? False if that cannot be told.
#[must_use]
pub fn in_use() -> bool {
    within(SILENCE, |_| is_used()).unwrap_or(false)
}

fn is_used() -> bool {
    let used = |lookout: &mut Lookout| {
        lookout.now()?;
        let used = State::INUSE | State::EXCLUSIVE;
        Ok(lookout.states.iter().any(|state| state.event_state().intersects(used)))
    };
    Lookout::open().and_then(|mut lookout| used(&mut lookout)).unwrap_or(false)
}

/// A connection to the PC/SC service that only waits.
pub struct Lookout {
    context: Context,
    states: Vec<ReaderState>,
}

impl Lookout {
    /// Connects.
    ///
    /// # Errors
    /// No service, or no permission.
    pub fn open() -> Result<Self, PcscError> {
        Ok(Self { context: Context::establish(Scope::User)?, states: Vec::new() })
    }

    /// What is in the readers now; from here [`Self::wait`] counts.
    ///
    /// # Errors
    /// When the service is gone.
    pub fn now(&mut self) -> Result<Vec<Seen>, PcscError> {
        let unaware = |name| ReaderState::new(name, State::UNAWARE);
        self.states = list(&self.context)?.into_iter().map(unaware).collect();
        if !self.states.is_empty() {
            self.context.get_status_change(Duration::ZERO, &mut self.states)?;
        }
        let seen = self.states.iter().map(Seen::from).collect();
        self.states.push(ReaderState::new(pcsc::PNP_NOTIFICATION(), State::UNAWARE));
        for state in self.states.iter_mut().rev().skip(1) {
            state.sync_current_state();
        }
        Ok(seen)
    }

    /// Waits until something is different, however long.
    ///
    /// # Errors
    /// When the service is gone.
    pub fn wait(&mut self) -> Result<(), PcscError> {
        loop {
            match self.context.get_status_change(None, &mut self.states) {
                Err(Error::Timeout) => {}
                Err(error) => return Err(error.into()),
                Ok(()) => return Ok(()),
            }
        }
    }
}

impl From<&ReaderState> for Seen {
    fn from(state: &ReaderState) -> Self {
        let reader = Reader::from(state);
        Self { reader: reader.name(), card: reader.state == Slot::Card, count: state.event_count() }
    }
}
