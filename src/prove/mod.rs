//! Proofs by signature: by the keys of a card ([`keys`]), or of what somebody has signed ([`given`]).
//!
//! A room of its own beside [`fix`](crate::fix): it is no observation, because it spends what a card counts, and no
//! repair, because nothing is mended by it. It chooses the card, the keys, and the order of PINs; whoever has a PIN
//! is asked for it by the caller ([`PinSource`]).

pub mod brief;
mod choice;
pub mod given;
pub mod keys;

pub use choice::named;
pub use keys::{PinSource, Request};
