//! Histories of a native card: a MyEID, or a Java Card with the IsoApplet, that the real `pkcs15-init` and
//! `pkcs11-tool` fill and empty.

mod history;
mod kind;
mod play;

pub use kind::{IsoApplet, MyEid};
pub use play::World;
