//! Whatever somebody types for a key.
#![no_main]

#[path = "../properties/naming.rs"]
mod naming;
#[path = "../properties/judged.rs"]
mod judged;

libfuzzer_sys::fuzz_target!(|data: &[u8]| naming::naming(data));
