//! Any description of an object.
#![no_main]

#[path = "../properties/pkcs15.rs"]
mod pkcs15;

libfuzzer_sys::fuzz_target!(|data: &[u8]| pkcs15::pkcs15(data));
