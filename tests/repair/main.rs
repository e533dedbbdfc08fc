//! The repair machinery on real directories: round trips, hostile caches, and
//! death at any system call.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod full_disk;
mod hostile;
mod journals;
mod killed;
mod refill;
mod round_trip;
mod support;
