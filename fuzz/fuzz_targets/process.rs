//! Anything that the kernel tells of a process, as far as its user decides it.
#![no_main]

#[path = "../properties/judged.rs"]
mod judged;
#[path = "../properties/process.rs"]
mod process;

libfuzzer_sys::fuzz_target!(|data: &[u8]| process::process(data));
