//! Any snapshot file.
#![no_main]

#[path = "../properties/judged.rs"]
mod judged;
#[path = "../properties/snapshot.rs"]
mod snapshot;

libfuzzer_sys::fuzz_target!(|data: &[u8]| snapshot::snapshot(data));
