//! Any answers of a native card, a PIV card or an OpenPGP card.
#![no_main]

#[path = "../properties/card.rs"]
#[allow(dead_code, reason = "only how it lies")]
mod card;
#[path = "../properties/family_card.rs"]
mod family_card;
#[path = "../properties/judged.rs"]
mod judged;

libfuzzer_sys::fuzz_target!(|data: &[u8]| family_card::family_card(data));
