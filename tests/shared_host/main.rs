//! Root among users who mean ill: real users with homes of their own, a private user database,
//! and files of root that nobody may read, move or change on the way. Each test runs once more in a
//! mount namespace, so that nothing of it touches this machine.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod hostile;
mod killed;
mod order;
mod quiet;
mod race;
mod rehearsal;
mod scene;
#[path = "../support/schema.rs"]
#[allow(dead_code, reason = "a library of the tests: each test uses a part of it")]
mod schema;
mod silent;
#[path = "../repair/support.rs"]
#[allow(dead_code, reason = "a library of the tests: each test uses a part of it")]
mod support;
