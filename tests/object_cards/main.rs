//! Cards whose content is data objects (PIV, OpenPGP): what stalecard makes of them, held against what
//! the real tools printed in the recordings, and print on the stand.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    missing_docs,
    reason = "tests"
)]

mod compare;
mod cost;
mod openpgp;
mod piv;
#[path = "../fidelity/printed.rs"]
mod printed;
#[path = "../support/recorded.rs"]
#[allow(dead_code, reason = "a library of the tests: each test uses a part of it")]
mod recorded;
mod recordings;
#[path = "../support/schema.rs"]
#[allow(dead_code, reason = "each test uses its part")]
mod schema;
#[path = "../stand/mod.rs"]
mod stand;
#[path = "../support/text.rs"]
#[allow(dead_code, reason = "each test uses its part")]
mod text;
