//! Taking a card for oneself, the state of its PINs, and having its keys sign: the answers become facts about the
//! card.
//!
//! Hides that the reader of a card has to be found again, under the same ATR, and that pcscd needs a moment to take
//! the power from a card that nobody uses.

use std::time::Duration;

use super::progress::Progress;
use crate::card::apdu::TransportError;
use crate::card::held::{Exclusive, HeldCard};
use crate::card::readers::{self, PcscError, Slot};
use crate::card::sign::{self, Login, Order, Pin, SignError};
use crate::snapshot::{Card, PinState};

/// How long a login may outlive the program that made it on a card that loses its power at once.
const POWER_OFF: Duration = Duration::from_millis(1500);

/// Takes the card that was read in this reader: nobody else has it until this is dropped.
///
/// # Errors
/// When it is not there any more, or others do not let go of it.
pub fn hold(card: &Card, progress: Progress) -> Result<HeldCard, SignError> {
    let reader = reader_of(card)?;
    Ok(progress.during("waiting for the card", || HeldCard::take(&reader))?)
}

/// The reader of a card that was read, as it is now.
fn reader_of(card: &Card) -> Result<readers::Reader, SignError> {
    let gone = || SignError::Moved("the card that was read is not in its reader any more");
    let readers = readers::readers().map_err(|error| match error {
        PcscError::Silent(_) => error.into(),
        _ => gone(),
    })?;
    let named = |reader: &readers::Reader| reader.name() == card.reader && reader.state == Slot::Card;
    let reader = readers.into_iter().find(named);
    reader.filter(|reader| reader.atr == card.atr.as_slice()).ok_or_else(gone)
}

/// What is to be known before anybody is asked for a PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// State of the PIN.
    pub state: PinState,
    /// Another program has the card open.
    pub shared: bool,
    /// The reader has a pin pad.
    pub pad: bool,
}

impl Asked {
    /// Is a login open that no program has the card open for?
    #[must_use]
    pub fn is_left_behind(&self) -> bool {
        self.state == PinState::LoggedIn && !self.shared
    }
}

/// The state of one of a card's PINs.
///
/// # Errors
/// As for [`hold`], or if the PIN could not be used whatever it is.
pub fn pin_state(card: &Card, pin: &Pin, progress: Progress) -> Result<Asked, SignError> {
    let mut held = hold(card, progress)?;
    let state = sign::pin_state(&mut held, card, pin)?;
    Ok(Asked { state, shared: held.is_shared(), pad: held.has_pad() })
}

/// Waits for the end of a login that no program has the card open for: pcscd takes the power from a card that
/// nobody uses, some readers' within a second.
pub fn wait_for_power_off() {
    std::thread::sleep(POWER_OFF);
}

/// Ends the login of a PIN that no program has the card open for. That is certain: the card is opened for this
/// process alone, which fails if another one has it.
///
/// # Errors
/// When another program has the card open after all, or the login is still there.
pub fn end_login(card: &Card, pin: &Pin) -> Result<(), SignError> {
    let reader = reader_of(card)?;
    let alone = |error: TransportError| if error.is_shared() { SignError::LoggedIn } else { error.into() };
    let mut held = HeldCard::take_alone(&reader).map_err(alone)?;
    sign::end_login(&mut held, card, pin)
}

/// Has each key prove itself, and adds the answers to the facts about the card.
///
/// # Errors
/// When there is no proof; at most one try of the PIN is spent.
pub fn prove(
    held: &mut HeldCard,
    card: &mut Card,
    orders: &[Order],
    login: &Login,
    keep: u8,
    progress: Progress,
) -> Result<(), SignError> {
    let trials = progress.during("signing; a card that blinks wants to be touched", || {
        sign::sign(held, card, orders, login, keep)
    })?;
    card.trials.extend(trials);
    Ok(())
}

/// Fresh random bytes.
///
/// # Errors
/// When the system has none.
pub fn random(length: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        filled += rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty())?;
    }
    Ok(bytes)
}
