//! Switching the cache on and off: what is planned, what is written, and what is
//! left when that is interrupted.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

#[path = "../support/random.rs"]
mod random;
#[path = "../support/schema.rs"]
#[allow(dead_code, reason = "no snapshots here")]
mod schema;
#[path = "../support/text.rs"]
mod text;

mod alive;
mod asked;
mod cases;
mod command;
mod files;
mod generated;
mod killed;
mod meaning;
mod rehearsal;
