//! Histories of a native card: a MyEID, or a Java Card with the IsoApplet, that the real `pkcs15-init` and
//! `pkcs11-tool` fill and empty; some of the former with further applications and with files of records, which no
//! tool makes.

mod history;
mod kind;
mod made;
mod play;

pub use history::Action;
pub use kind::{IsoApplet, MyEid};
pub use play::{WORDS, World};
