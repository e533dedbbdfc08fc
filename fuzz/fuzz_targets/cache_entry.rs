//! Any content of a cache directory.
#![no_main]

#[path = "../properties/cache_entry.rs"]
mod cache_entry;
#[path = "../properties/judged.rs"]
mod judged;

libfuzzer_sys::fuzz_target!(|data: &[u8]| cache_entry::cache_entry(data));
