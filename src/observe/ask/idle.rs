//! Whether a card is idle, and whether it stayed the same: by what PC/SC says before and after each ask.
//!
//! The number of times that a card came or went moves with nothing else. That it is in use PC/SC's service sees only now
//! and then (pcscd: every 0.4 s): so our own last child may seem to have it for a moment.

use std::time::Instant;

use super::beside::Beside;
use super::holders;
use crate::card::readers::{LAG, LOOK, Standing, standing};

/// A card that is to stay where it is.
pub(super) struct Idle<'a> {
    pub(super) reader: &'a str,
    pub(super) atr: &'a [u8],
    count: u32,
    /// Other programs may have it open, these.
    beside: Option<Beside>,
}

/// Why a card is not asked, or what was told of it does not count.
pub(super) enum Stop {
    /// It is gone or moved, or somebody came: it may be asked once more.
    Moved(String),
    /// A program has it, who that may be; for itself alone?
    Held(String, bool),
    /// PC/SC fails.
    Failed(String),
}

impl<'a> Idle<'a> {
    /// The card with this answer to reset, if nobody has it; `beside`: or only those whom that allows.
    pub(super) fn begin(
        reader: &'a str,
        atr: &'a [u8],
        beside: Option<&dyn Fn() -> Result<Beside, String>>,
    ) -> Result<Self, Stop> {
        let idle = Self { reader, atr, count: 0, beside: None };
        match (idle.when_free(beside.is_none()), beside) {
            (Ok(seen), _) => Ok(Self { count: seen.count, ..idle }),
            (Err(Stop::Held(who, false)), Some(beside)) => {
                let beside = beside()
                    .map_err(|why| Stop::Held(format!("{who}; --beside does not help: {why}"), false))?;
                let idle = Self { beside: Some(beside), ..idle };
                let seen = idle.when_free(false)?;
                Ok(Self { count: seen.count, ..idle })
            }
            (Err(stop), _) => Err(stop),
        }
    }

    /// Those beside whom it is asked.
    pub(super) const fn beside(&self) -> Option<&Beside> {
        self.beside.as_ref()
    }

    /// Is it still that card, and nobody else's?
    pub(super) fn is_still(&self) -> Result<(), Stop> {
        let seen = self.when_free(false)?;
        if seen.count == self.count {
            Ok(())
        } else {
            Err(Stop::Moved("the card was taken out, or another one put in, meanwhile".to_owned()))
        }
    }

    /// What PC/SC says once nobody has it.
    fn when_free(&self, hints: bool) -> Result<Standing, Stop> {
        let begun = Instant::now();
        loop {
            let seen = standing(self.reader).map_err(|error| Stop::Failed(error.to_string()))?;
            if seen.atr.as_deref() != Some(self.atr) {
                return Err(Stop::Moved("the card is not in the reader any more".to_owned()));
            }
            if !seen.in_use {
                return Ok(seen);
            }
            if let Some(beside) = &self.beside
                && !seen.exclusive
            {
                return beside.is_same().map(|()| seen).map_err(Stop::Moved);
            }
            if seen.exclusive || begun.elapsed() >= LAG {
                return Err(Stop::Held(holders::who(seen.exclusive, hints), seen.exclusive));
            }
            std::thread::sleep(LOOK);
        }
    }
}
