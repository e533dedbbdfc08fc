//! Any X.509 certificate.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use super::judged::key;
use stalecard::format::x509;

/// An X.509 certificate.
pub fn x509(data: &[u8]) {
    if let Some(certificate) = x509::decode(data) {
        for twisted in [false, true] {
            let _ = certificate.is_understood(twisted);
        }
        key(&certificate.key);
    }
}
