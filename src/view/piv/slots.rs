//! What a PIV card says of itself and of its slots: its serial number, the key history, which slots OpenSC looks at, and what
//! a YubiKey tells of the key in one.

use crate::card::piv::NO_SERIAL;
use crate::format::piv::{self, MESSAGING, Slot};
use crate::opensc::{Version, differences};
use crate::snapshot::{Answer, Card, EfPath};
use crate::text::hex;
use crate::view::{FILE_BUFFER, KeyFacts, KeyInPlace, Read, Source};

/// The PIN that protects keys and private objects.
pub(super) const PIN: u8 = 1;

/// What the card tells of the key in this place, if it tells of keys.
pub(super) fn key_in(card: &Card, ef: EfPath) -> KeyInPlace {
    let (Some(keys), Some(slot)) = (&card.keys, Slot::of(ef)) else { return KeyInPlace::Untold };
    match keys.iter().find(|key| key.key == slot.reference) {
        None => KeyInPlace::None,
        Some(key) => facts(&key.answer).map_or(KeyInPlace::Untold, KeyInPlace::Told),
    }
}

pub(super) fn facts(answer: &Answer) -> Option<KeyFacts> {
    let Answer::Content(bytes) = answer else { return None };
    let known = piv::metadata(bytes.as_slice())?;
    let policies = [("PIN", known.pin), ("touch", known.touch)];
    let policies = policies.into_iter().filter_map(|(what, when)| Some(format!("{what}: {}", when?)));
    let words = known.origin.map(str::to_owned).into_iter().chain(policies).collect();
    Some(KeyFacts { public: known.public, words })
}

/// The serial number as a version puts it into file names.
pub(super) fn serial(card: &Card, version: Version) -> String {
    let chuid = chuid(card);
    let serial = piv::serial(&chuid, differences::piv_passes_over_zero_fasc_n(version));
    serial.map_or_else(|| NO_SERIAL.to_owned(), hex)
}

pub(super) fn chuid(card: &Card) -> Vec<u8> {
    content(card, piv::CHUID)
}

/// How many retired keys have their certificate on the card, and how many elsewhere.
pub(super) fn history(card: &Card) -> (u8, u8) {
    piv::key_history(&content(card, piv::KEY_HISTORY))
}

fn content(card: &Card, object: piv::Object) -> Vec<u8> {
    match card.read(EfPath::at(object.container), FILE_BUFFER) {
        Read::Content(bytes) => bytes,
        _ => Vec::new(),
    }
}

/// The slots that are looked at.
pub(super) fn slots(card: &Card) -> impl Iterator<Item = Slot> {
    // In OpenSC's order, in which the certificate without a key is the last.
    piv::SLOTS.into_iter().chain(piv::retired(history(card).0)).chain([MESSAGING])
}

/// The ID of what is in a slot: its number, decimal digits read as hexadecimal ones.
pub(super) fn id(slot: Slot) -> u8 {
    let number = match slot.reference {
        0 => 81,
        0x9A => 1,
        0x9C => 2,
        0x9D => 3,
        0x9E => 4,
        _ => 4 + slot.retired_number().unwrap_or_default(),
    };
    number / 10 * 16 + number % 10
}
