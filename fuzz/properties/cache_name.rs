//! Any name of a file in a cache directory.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use super::judged::harmless;
use stalecard::snapshot::{ByteString, EntryName};

/// The name of a file in a cache directory.
pub fn cache_name(data: &[u8]) {
    let name = ByteString(data.to_vec());
    harmless(&name.to_string());
    if let Some(entry) = EntryName::from(name.clone()).of_copy() {
        assert_eq!(entry.name(), name);
        let _ = (entry.is_sc_hsm(), stalecard::view::is_private(&[], entry));
    }
}
