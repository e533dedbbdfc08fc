//! Anything that lies in a folder that is audited.
#![no_main]

#[path = "../properties/audit.rs"]
mod audit;

libfuzzer_sys::fuzz_target!(|data: &[u8]| audit::audit(data));
