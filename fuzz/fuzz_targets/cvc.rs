//! Any card-verifiable certificate.
#![no_main]

#[path = "../properties/cvc.rs"]
mod cvc;
#[path = "../properties/judged.rs"]
mod judged;

libfuzzer_sys::fuzz_target!(|data: &[u8]| cvc::cvc(data));
