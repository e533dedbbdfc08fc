//! Any description of an object.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use stalecard::format::sc_hsm::referenced;
use stalecard::format::{pkcs15, tlv};

/// The entries that describe objects (PKCS#15), and the elements they are made of (BER).
pub fn pkcs15(data: &[u8]) {
    if let Some(element) = tlv::first(data) {
        assert!(element.value.len() + element.rest.len() <= data.len());
    }
    let _ = pkcs15::private_key(data);
    let _ = pkcs15::certificate(data);
    let _ = pkcs15::data_object(data);
    let _ = pkcs15::token_info(data);
    assert!(referenced(data).len() <= data.len());
}
