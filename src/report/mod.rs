//! Renderers: each shows what it is given in one format and decides nothing.

pub mod comparison;
pub mod config;
pub mod edited;
pub mod fixed;
pub mod human;
pub mod json;
pub mod nagios;
pub mod prometheus;
pub mod proofs;
pub mod repaired;
mod source;
pub mod watch;
