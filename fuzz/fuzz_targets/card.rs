//! Any answers of a card.
#![no_main]

#[path = "../properties/card.rs"]
mod card;
#[path = "../properties/judged.rs"]
mod judged;

libfuzzer_sys::fuzz_target!(|data: &[u8]| card::card(data));
