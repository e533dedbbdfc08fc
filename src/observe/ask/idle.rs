//! Whether a card is idle, and whether it stayed the same: by what PC/SC says before and after each ask.
//!
//! The number of times that a card came or went moves with nothing else. That it is in use PC/SC's service sees only now
//! and then (pcscd: every 0.4 s): so our own last child may seem to have it for a moment.

use std::time::Instant;

use super::holders;
use crate::card::readers::{LAG, LOOK, Standing, standing};

/// A card that is to stay where it is.
pub(super) struct Idle<'a> {
    pub(super) reader: &'a str,
    pub(super) atr: &'a [u8],
    count: u32,
}

/// Why a card is not asked, or what was told of it does not count.
pub(super) enum Stop {
    /// It is gone or moved, or somebody came: it may be asked once more.
    Moved(String),
    /// A program has it, who that may be.
    Held(String),
    /// PC/SC fails.
    Failed(String),
}

impl<'a> Idle<'a> {
    /// The card with this answer to reset, if nobody has it.
    pub(super) fn begin(reader: &'a str, atr: &'a [u8]) -> Result<Self, Stop> {
        let idle = Self { reader, atr, count: 0 };
        let seen = idle.when_free()?;
        Ok(Self { count: seen.count, ..idle })
    }

    /// Is it still that card, and nobody else's?
    pub(super) fn is_still(&self) -> Result<(), Stop> {
        let seen = self.when_free()?;
        if seen.count == self.count {
            Ok(())
        } else {
            Err(Stop::Moved("the card was taken out, or another one put in, meanwhile".to_owned()))
        }
    }

    /// What PC/SC says once nobody has it.
    fn when_free(&self) -> Result<Standing, Stop> {
        let begun = Instant::now();
        loop {
            let seen = standing(self.reader).map_err(|error| Stop::Failed(error.to_string()))?;
            if seen.atr.as_deref() != Some(self.atr) {
                return Err(Stop::Moved("the card is not in the reader any more".to_owned()));
            }
            if !seen.in_use {
                return Ok(seen);
            }
            if seen.exclusive || begun.elapsed() >= LAG {
                return Err(Stop::Held(holders::who(seen.exclusive)));
            }
            std::thread::sleep(LOOK);
        }
    }
}
