//! What needs neither reader nor card, neither OpenSC nor root: fixtures, recordings, what is committed, and the sources.
//!
//! One crate, because each takes seconds to build. One of its files: `cargo test --test offline docs::`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

#[path = "../support/calls.rs"]
mod calls;
#[path = "../support/finding_fixture.rs"]
mod finding_fixture;
#[path = "../../fuzz/properties/judged.rs"]
mod judged;
#[path = "../stand/listing/mod.rs"]
#[allow(dead_code, unused_imports, reason = "a library of the tests")]
mod listing;
#[path = "../support/native_listing.rs"]
#[allow(dead_code, clippy::cast_possible_truncation, reason = "a library of the tests")]
mod native_listing;
#[path = "../support/recorded.rs"]
#[allow(dead_code, reason = "a library of the tests")]
mod recorded;
#[path = "../support/schema.rs"]
#[allow(dead_code, reason = "a library of the tests")]
mod schema;
#[path = "../support/text.rs"]
#[allow(dead_code, reason = "each test uses its part")]
mod text;

mod advisories;
mod architecture;
mod cache_safety;
mod config_findings;
mod config_fixtures;
mod config_show;
mod corpus;
mod docs;
mod findings;
mod fleets;
mod generated;
mod recordings;
mod recordings_myeid;
mod report;
mod scconf;
mod schemas;
mod threads;
mod told;
mod transcripts;
