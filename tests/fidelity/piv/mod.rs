//! Histories of a PIV card that the real `yubico-piv-tool` fills and empties.

mod history;
mod play;

pub use play::World;
