//! Talking to cards.
//!
//! - [`family`]: which protocol a card may be spoken to in, by its ATR alone
//! - [`apdu`]: the closed list of commands, all of which only read, and the door they go through
//! - [`read`]: one file in as few commands as can be
//! - [`sc_hsm`]: the walk through a SmartCard-HSM
//! - [`image`]: a card made from a recording
//!
//! Everything that cannot be read ends as a [`Gap`](crate::snapshot::Gap), never as a missing line.

pub mod apdu;
pub mod family;
mod identity;
pub mod image;
pub mod read;
pub mod sc_hsm;
#[cfg(test)]
pub(crate) mod script;
mod status;
