//! What is tried on the stand, beside the real tools.
//!
//! One crate, because each takes seconds to build. One of its files: `cargo test --test on_stand courtesy::`. What has a
//! random run of its own, or needs a process of its own, is a crate of its own, too.

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
#[allow(dead_code, reason = "a library of the tests")]
mod schema;
#[path = "../stand/mod.rs"]
mod stand;
#[path = "../support/text.rs"]
mod text;
#[path = "../support/traced.rs"]
mod traced;

mod all_clear;
mod beside_opensc;
mod cost;
mod courtesy;
mod covered;
mod faults;
mod holders;
mod iso_applet;
mod json;
mod names;
mod native_cards;
mod recipe;
mod repairs;
mod right_key;
mod run;
mod screens;
mod seed;
mod stand_listings;
mod stand_works;
mod virtual_myeid;
mod virtual_openpgp;
mod virtual_piv;
