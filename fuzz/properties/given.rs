//! Anything that a user hands in as a public key, a certificate, a signature or a baseline.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use stalecard::baseline::Baseline;
use stalecard::crypto;
use stalecard::format::given::{self, Given};
use stalecard::format::signature::readings;
use stalecard::format::{curve, x509};

use super::judged::{harmless, key};

/// Whatever it was meant to be.
pub fn given(data: &[u8]) {
    for block in given::structures(data).unwrap_or_default() {
        let _ = x509::decode(&block.contents);
    }
    match given::public_key(data) {
        Ok(Given::Key(found)) => key(&found),
        Ok(Given::Point(point)) => assert!(point.len() <= data.len()),
        Err(why) => harmless(&why.to_string()),
    }
    match crypto::given::public_key(data, None) {
        Ok(found) => key(&found),
        Err(why) => harmless(&why.to_string()),
    }
    for curve in curve::all() {
        for reading in readings(data, curve.bits.div_ceil(8)) {
            // Taken from what was given, and nothing twice.
            assert!(reading.r.len() + reading.s.len() <= data.len());
        }
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(baseline) = Baseline::parse(text)
    {
        // What was read is what is written, from then on.
        let text = baseline.text().unwrap();
        assert_eq!(Baseline::parse(&text).unwrap().text().unwrap(), text);
        for key in &baseline.keys {
            harmless(&key.describe().unwrap_or_default());
        }
    }
}
