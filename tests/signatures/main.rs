//! Signatures: the bytes of real cards and of the thread that started it all, and a second
//! opinion on everything else from OpenSSL, which the program itself never asks.

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
#[path = "../stand/mod.rs"]
mod stand;

mod agreement;
mod cards;
mod certificates;
mod ecdsa;
mod handed_in;
mod hostile;
mod limits;
mod on_cards;
mod opinion;
mod public;
mod rsa;
mod second;
mod secrets;
mod seed;
mod table;
mod wycheproof;

use stalecard::crypto::Outcome;

/// For tests, which say elsewhere what may not be decided.
trait IsValid {
    fn is_valid(&self) -> bool;
}

impl IsValid for Outcome {
    fn is_valid(&self) -> bool {
        matches!(self, Self::Valid(_))
    }
}

/// A few hundred cases, many thousand with `STALECARD_LONG`.
fn cases(usual: u64, long: u64) -> u64 {
    if is_long() { long } else { usual }
}

fn is_long() -> bool {
    std::env::var_os("STALECARD_LONG").is_some()
}
