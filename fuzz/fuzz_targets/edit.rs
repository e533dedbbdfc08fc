//! Any bytes are either edited so that caching is off, or refused; the second edit changes nothing.
#![no_main]

#[path = "../properties/edit.rs"]
mod edit;

libfuzzer_sys::fuzz_target!(|text: &[u8]| edit::off_or_refused(text));
