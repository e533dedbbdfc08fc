//! Bad input: each with a clear error and the right exit code, nothing lost, nothing changed, and
//! nothing of it on the terminal as it was.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

#[path = "../support/schema.rs"]
#[allow(dead_code, reason = "each test uses its part")]
mod schema;
#[path = "../stand/mod.rs"]
mod stand;
#[path = "../support/text.rs"]
mod text;

mod caches;
mod cards;
mod changing;
mod lies;
mod readers;
mod secrets;
mod snapshots;
mod support;
mod surroundings;
