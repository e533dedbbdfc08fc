//! Any file of a native card, a PIV card or an OpenPGP card.
#![no_main]

#[path = "../properties/judged.rs"]
mod judged;
#[path = "../properties/structures.rs"]
mod structures;

libfuzzer_sys::fuzz_target!(|data: &[u8]| structures::structures(data));
