//! Which readers a program's settings leave it, and how many slots for them (`ctx.c`, `pkcs11/misc.c`, `pkcs11/slot.c`).
//!
//! A reader is ignored if one of the words of `ignored_readers`, in any of the program's `app` blocks, is part of its name:
//! case matters, and the empty word is part of every name. The PKCS#11 module gives each reader, empty ones too, as many slots as
//! `slots_per_card` says, in PC/SC's order, until there are `max_virtual_slots`; what is left for the last of them is enough
//! for it. Both stand in a block `pkcs11`, of which the first one counts. What is no number is none. In the same block
//! `create_slots_for_pins` says for which PINs there are slots: words in one value, of which it knows three. (Watched: 0.23.)
//! Pure.

use std::ops::Range;

use super::config::Configuration;
use super::effective::is_template;
use super::reading::Reading;
use super::{Program, differences};
use crate::scconf::{Block, Trap};

/// What holds where nothing is set.
const PER_CARD: u32 = 4;
/// The same.
const MOST: u32 = 16;
/// The PC/SC libraries that OpenSC is built for (`configure.ac`).
const USUAL: [&[u8]; 5] = [
    b"libpcsclite.so.1",
    b"libpcsclite.so",
    b"libpcsclite.dylib",
    b"/System/Library/Frameworks/PCSC.framework/PCSC",
    b"winscard.dll",
];

/// What a program's settings say of readers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readers {
    /// The words of `ignored_readers`, each with its place in the file.
    pub ignored: Vec<(Vec<u8>, Range<usize>)>,
    /// `slots_per_card`.
    pub per_card: Number,
    /// `max_virtual_slots`.
    pub most: Number,
    /// `create_slots_for_pins`, with its place in the file; none: it is not set, and all PINs have slots.
    pub pins: Option<(Pins, Range<usize>)>,
    /// `provider_library` of block `reader_driver pcsc`, with its place in the file, if it is not the usual one.
    pub library: Option<(Vec<u8>, Range<usize>)>,
}

/// For which PINs there are slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pins {
    /// For the user's own.
    pub user: bool,
    /// For the one that is only for signatures.
    pub sign: bool,
    /// As it is written.
    pub text: Vec<u8>,
}

impl Pins {
    fn of(text: &[u8]) -> Self {
        let words = || text.split(|byte| matches!(byte, b' ' | b','));
        let has = |word: &[u8]| words().any(|known| known == word || known == b"all");
        Self { user: has(b"user"), sign: has(b"sign"), text: text.to_vec() }
    }
}

/// A number, and where it is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    /// As OpenSC takes it.
    pub value: u32,
    /// Its place in the file; none: it is not set.
    pub at: Option<Range<usize>>,
}

impl Default for Readers {
    fn default() -> Self {
        let unset = |value| Number { value, at: None };
        Self { ignored: Vec::new(), per_card: unset(PER_CARD), most: unset(MOST), pins: None, library: None }
    }
}

impl Readers {
    /// The word because of which a reader is ignored, and its place.
    #[must_use]
    pub fn ignores(&self, reader: &str) -> Option<&(Vec<u8>, Range<usize>)> {
        self.ignored.iter().find(|(word, _)| memchr::memmem::find(reader.as_bytes(), word).is_some())
    }

    /// Is a slot left for the reader that comes behind so many others?
    #[must_use]
    pub fn has_slot(&self, before: usize) -> bool {
        let taken = u64::try_from(before).unwrap_or(u64::MAX).saturating_mul(self.per_card.value.into());
        self.per_card.value > 0 && taken < self.most.value.into()
    }
}

impl Configuration<'_> {
    /// What a program's settings say of readers; none if it dies of them, which is said elsewhere.
    #[must_use]
    pub fn readers(&self, program: &Program) -> Option<Readers> {
        let situation = self.situation();
        let version = situation.version().unwrap_or(differences::HEAD);
        let (Some((path, _)), Some(Ok(document))) = (self.text(), self.parsed(version)) else {
            return Some(Readers::default());
        };
        Reading { situation, document, path, version }.readers(program).ok()
    }
}

impl Reading<'_> {
    fn readers(&self, program: &Program) -> Result<Readers, Trap> {
        let mut readers = Readers::default();
        let (mut of_module, mut of_pcsc): (Option<&Block>, Option<&Block>) = (None, None);
        for app in self.app_blocks(program)? {
            if let Some(setting) = app.body.setting("ignored_readers")? {
                let words = setting.assignments.iter().flat_map(|assignment| &assignment.values);
                readers.ignored.extend(words.map(|word| (word.value.clone(), word.range.clone())));
            }
            if of_module.is_none() {
                of_module = app.body.blocks("pkcs11", None)?.first().copied();
            }
            if of_pcsc.is_none() {
                of_pcsc = app.body.blocks("reader_driver", Some(b"pcsc"))?.first().copied();
            }
        }
        if let Some(block) = of_pcsc {
            let library = block.body.setting("provider_library")?.and_then(|setting| setting.first);
            let other =
                library.filter(|word| !is_template(&word.value) && !USUAL.contains(&word.value.as_slice()));
            readers.library = other.map(|word| (word.value.clone(), word.range.clone()));
        }
        if let Some(block) = of_module {
            let pins = block.body.setting("create_slots_for_pins")?.and_then(|setting| setting.first);
            readers.pins = pins
                .filter(|word| !is_template(&word.value))
                .map(|word| (Pins::of(&word.value), word.range.clone()));
            for (key, number) in
                [("slots_per_card", &mut readers.per_card), ("max_virtual_slots", &mut readers.most)]
            {
                if let Some(word) = block.body.setting(key)?.and_then(|setting| setting.first) {
                    *number = Number { value: number_of(&word.value), at: Some(word.range.clone()) };
                }
            }
        }
        Ok(readers)
    }
}

/// As C's `strtol` with any base reads it, and an unsigned variable keeps it.
fn number_of(text: &[u8]) -> u32 {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        all => (false, all),
    };
    let (base, digits) = match digits {
        [b'0', b'x' | b'X', rest @ ..] => (16, rest),
        [b'0', ..] => (8, digits),
        all => (10, all),
    };
    let digits = digits.iter().map_while(|digit| char::from(*digit).to_digit(base));
    let value = digits.fold(0_u32, |value, digit| value.saturating_mul(base).saturating_add(digit));
    let value = value.min(i32::MAX.unsigned_abs());
    if negative { value.wrapping_neg() } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        let cases: [(&[u8], u32); 8] = [
            (b"17", 17),
            (b" 0x10", 16),
            (b"010", 8),
            (b"x", 0),
            (b"4x", 4),
            (b"", 0),
            (b"-1", u32::MAX),
            (b"99999999999", i32::MAX.unsigned_abs()),
        ];
        for (text, value) in cases {
            assert_eq!(number_of(text), value, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn pins_have_slots_by_words_in_one_value() {
        let of = |text: &[u8]| (Pins::of(text).user, Pins::of(text).sign);
        assert_eq!(
            [of(b"all"), of(b"user"), of(b"sign"), of(b"sign,user")],
            [(true, true), (true, false), (false, true), (true, true)]
        );
        assert_eq!([of(b"User"), of(b"none"), of(b"")], [(false, false); 3]);
    }

    #[test]
    fn slots_go_to_readers_in_their_order() {
        let of = |per_card, most| Readers {
            per_card: Number { value: per_card, at: None },
            most: Number { value: most, at: None },
            ..Readers::default()
        };
        let seen = |readers: &Readers| (0..8).filter(|before| readers.has_slot(*before)).count();
        assert_eq!(seen(&Readers::default()), 4);
        assert_eq!(
            [(4, 17), (4, 4), (1, 16), (0, 16), (4, 0)].map(|(per, most)| seen(&of(per, most))),
            [5, 1, 8, 0, 0]
        );
    }
}
