//! What we say of configurations, and what we make of them, held against the real OpenSC: the installed one, or another
//! version (`tests/matrix`).
//!
//! One of its files: `cargo test --test real_opensc lint::`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

#[path = "../asked/mod.rs"]
mod asked;
#[path = "../configurations/mod.rs"]
mod configurations;
#[path = "../support/schema.rs"]
#[allow(dead_code, reason = "a library of the tests")]
mod schema;
#[path = "../stand/mod.rs"]
mod stand;

mod caching;
mod card_drivers;
mod config;
mod disabled;
mod edit;
mod lint;
mod rhel_layout;
mod version;
