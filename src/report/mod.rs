//! Renderers: each shows what it is given in one format and decides nothing.

pub mod about;
pub mod audit;
mod cache_entries;
mod causes;
pub mod comparison;
pub mod config;
pub mod edited;
mod findings;
pub mod fixed;
mod fleet;
pub mod html;
pub mod human;
pub mod json;
pub mod junit;
pub mod lines;
pub mod man;
pub mod markdown;
pub mod nagios;
mod objects;
pub mod page;
pub mod prometheus;
pub mod proofs;
mod providers;
pub mod repaired;
pub mod sarif;
mod source;
pub mod watch;
