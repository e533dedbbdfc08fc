//! What differs between families when their keys are asked.

use std::collections::BTreeSet;

use super::super::apdu::{Channel, Command, Response};
use super::error::SignError;
use super::key_channel::KeyChannel;
use super::plan::{Attempt, Order, Pin};
use crate::snapshot::{EfPath, PinState};

/// What a family does in its own way. Nothing here spends a try.
pub(super) trait FamilySigner {
    /// Makes sure that it is this application that answers, without ending a login, and tells the state
    /// of this PIN. That of no PIN does not matter.
    fn state(&mut self, channel: &mut KeyChannel<'_>, pin: Option<&Pin>) -> Result<PinState, SignError>;

    /// Is it the card that was read, with the keys it had then?
    fn same_card(&mut self, channel: &mut KeyChannel<'_>, orders: &[Order]) -> Result<(), SignError>;

    /// Why a key that nobody has named is left alone, if it is.
    fn spares(&mut self, _talk: &mut KeyChannel<'_>, _order: &Order) -> Result<Option<String>, SignError> {
        Ok(None)
    }

    /// Which of the attempts fit the key, as far as the card itself says what key it is.
    fn fitting(&mut self, _talk: &mut KeyChannel<'_>, order: &Order) -> Result<Vec<Attempt>, SignError> {
        Ok(order.attempts.clone())
    }

    /// Asks a key once; the answer is bare.
    fn ask(
        &mut self,
        channel: &mut KeyChannel<'_>,
        order: &Order,
        attempt: &Attempt,
    ) -> Result<Response, SignError>;

    /// Tries that are left after the card has refused a PIN with a status that does not say.
    fn tries_after(&mut self, _talk: &mut KeyChannel<'_>) -> Option<u8> {
        None
    }

    /// The references under which this PIN may be logged in.
    fn references(&self, pin: &Pin) -> BTreeSet<u8> {
        BTreeSet::from([pin.reference])
    }

    /// Ends the logins of these references.
    fn leave(&mut self, channel: &mut KeyChannel<'_>, references: &BTreeSet<u8>) -> Result<(), SignError>;
}

/// Does this file still begin with all that was read of it?
pub(super) fn still_holds(channel: &mut Channel<'_>, file: EfPath, known: &[u8]) -> Result<bool, SignError> {
    if !channel.send(Command::SelectPath(file))?.status.carries_data() {
        return Ok(false);
    }
    let mut left = known;
    while !left.is_empty() {
        let ne = u16::try_from(left.len().min(256)).unwrap_or_default();
        let Ok(offset) = u16::try_from(known.len() - left.len()) else { return Ok(false) };
        let now = channel.send(Command::ReadSelected(offset, ne))?;
        left = match left.strip_prefix(now.data.as_slice()) {
            Some(rest) if !now.data.is_empty() => rest,
            _ => return Ok(false),
        };
    }
    Ok(true)
}
