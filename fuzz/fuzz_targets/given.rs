//! Anything that a user hands in as a public key, a certificate, a signature or a baseline.
#![no_main]

#[path = "../properties/given.rs"]
mod given;
#[path = "../properties/judged.rs"]
mod judged;

libfuzzer_sys::fuzz_target!(|data: &[u8]| given::given(data));
