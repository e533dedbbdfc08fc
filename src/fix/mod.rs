//! Look, plan, act, look again: the engine behind `fix`, `flush`, `undo` and the edits.

pub mod caches;
pub mod revival;
pub mod revived;
