//! Histories of an OpenPGP card that the real `openpgp-tool` and `pkcs15-init` fill.

mod history;
mod play;

pub use play::World;
