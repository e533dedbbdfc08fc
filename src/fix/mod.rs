//! Look, plan, act, look again: the engine behind `fix`, `flush`, `undo`, the edits and `watch --flush-stale`.
//!
//! What was typed comes as plain data, what was done goes back as data: nothing is printed here, and nothing is
//! decided by whoever prints it.

pub mod brief;
pub mod caches;
pub mod config;
pub mod ending;
pub mod findings;
pub mod flush;
mod named;
pub mod outcome;
mod proof;
pub mod quarantine;
mod refill;
pub mod revival;
pub mod revived;
pub mod undo;

pub use caches::{Agreed, Subject};
