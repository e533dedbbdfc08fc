//! Any name of a file in a cache directory.
#![no_main]

#[path = "../properties/cache_name.rs"]
mod cache_name;
#[path = "../properties/judged.rs"]
mod judged;

libfuzzer_sys::fuzz_target!(|data: &[u8]| cache_name::cache_name(data));
