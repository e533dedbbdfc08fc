//! Any X.509 certificate.
#![no_main]

#[path = "../properties/judged.rs"]
mod judged;
#[path = "../properties/x509.rs"]
mod x509;

libfuzzer_sys::fuzz_target!(|data: &[u8]| x509::x509(data));
