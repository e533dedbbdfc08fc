//! Any bytes either parse and print back identically or are refused with a position.
#![no_main]

#[path = "../properties/scconf.rs"]
mod scconf;

libfuzzer_sys::fuzz_target!(|text: &[u8]| scconf::kept_or_refused(text));
