//! Histories of a native card: a MyEID that the real `pkcs15-init` and `pkcs11-tool` fill and empty.

mod history;
mod play;

pub use play::World;
