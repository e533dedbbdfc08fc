//! Any snapshot file.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use super::judged::{harmless, judged};
use stalecard::observe::parse_snapshot;

/// A snapshot file.
pub fn snapshot(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match parse_snapshot(text) {
        Ok(snapshot) => judged(&snapshot),
        Err(why) => harmless(&stalecard::text::tame(&why)),
    }
}
