//! Any journal of an operation and of its undo.
#![no_main]

#[path = "../properties/journal.rs"]
mod journal;
#[path = "../properties/judged.rs"]
mod judged;

libfuzzer_sys::fuzz_target!(|data: &[u8]| journal::journal(data));
