//! Histories of a native card: a MyEID that the real `pkcs15-init` and `pkcs11-tool` fill and empty, some with
//! further applications and with files of records, which no tool makes.

mod history;
mod made;
mod play;

pub use play::World;
