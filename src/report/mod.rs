//! Renderers: each shows what it is given in one format and decides nothing.

pub mod audit;
mod cache_entries;
pub mod comparison;
pub mod config;
pub mod edited;
mod findings;
pub mod fixed;
pub mod human;
pub mod json;
pub mod lines;
pub mod nagios;
mod objects;
pub mod prometheus;
pub mod proofs;
pub mod repaired;
mod source;
pub mod watch;
