//! How a scan ends without a result: for good, or to begin anew.

use super::apdu::{Channel, StatusWord, Transport, TransportError};

/// Why a card could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// No talk.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// Every attempt met a change.
    #[error(
        "the card changed or was reset during each of {0} attempts ({1}): wait until nobody works with it"
    )]
    Restless(u32, &'static str),
    /// Another application has a PIN 81 that somebody entered.
    #[error(
        "a program is logged in to another application of this card, and selecting the SmartCard-HSM would \
         end that: run this again when the program is done"
    )]
    LoggedInElsewhere,
    /// The same, and PC/SC knows of nobody who could be.
    #[error(
        "a login to another application of this card is open, and selecting the SmartCard-HSM would end that; no \
         program has the card open, so it was left behind: take the card out, put it back and run this again"
    )]
    LeftBehindElsewhere,
    /// SELECT failed.
    #[error(
        "it should be a SmartCard-HSM by its ATR or by OpenSC's configuration, but selecting that gives {0}: where a \
         setting (OPENSC_DRIVER, card_drivers, card_atr) says so, take that out; opensc-tool -n tells the driver"
    )]
    NoApplication(String),
    /// A card of a native driver without PKCS#15.
    #[error(
        "OpenSC would look for PKCS#15 files on this card: {0}; what it makes of it without its cache: stalecard run -- \
         pkcs15-tool -D"
    )]
    NoPkcs15(String),
    /// SELECT of another application failed.
    #[error(
        "it should be {card} by its ATR or by OpenSC's configuration, but selecting that gives {status}: where a setting \
         (OPENSC_DRIVER, card_drivers, card_atr) says so, take that out; opensc-tool -n tells the driver"
    )]
    NotThere {
        /// What the card should be.
        card: &'static str,
        /// What it says.
        status: String,
    },
    /// ENUMERATE OBJECTS failed.
    #[error("the card does not list its keys ({0})")]
    NoList(StatusWord),
}

/// What ends one attempt.
pub enum Stop {
    /// The card is not what it was when the attempt began.
    Moved(&'static str),
    /// There is no use in going on.
    Failed(ScanError),
}

impl<E: Into<ScanError>> From<E> for Stop {
    fn from(error: E) -> Self {
        match error.into() {
            ScanError::Transport(TransportError::Reset) => Self::Moved("it was reset"),
            ScanError::Transport(TransportError::LetGo) => Self::Moved("other programs came in between"),
            error => Self::Failed(error),
        }
    }
}

/// How often a scan begins anew because the card moved meanwhile.
const RESTARTS: u32 = 3;

/// Attempts to read a card, until one meets no change.
pub fn until_it_rests<T>(
    transport: &mut dyn Transport,
    mut attempt: impl FnMut(&mut Channel<'_>) -> Result<T, Stop>,
) -> Result<T, ScanError> {
    let mut channel = Channel::new(transport);
    let mut why = "";
    for _ in 0..=RESTARTS {
        match attempt(&mut channel) {
            Ok(read) => return Ok(read),
            Err(Stop::Moved(reason)) => why = reason,
            Err(Stop::Failed(error)) => return Err(error),
        }
    }
    Err(ScanError::Restless(RESTARTS + 1, why))
}
