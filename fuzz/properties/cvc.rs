//! Any card-verifiable certificate.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use super::judged::key;
use stalecard::format::cvc;
use stalecard::format::sc_hsm::serial_of;

/// A card-verifiable certificate or request.
pub fn cvc(data: &[u8]) {
    let _ = serial_of(data);
    if let Ok(certificate) = cvc::decode(data) {
        for match_a in [false, true] {
            if let Some(public) = certificate.key.public_key(match_a) {
                key(&public);
            }
        }
    }
}
