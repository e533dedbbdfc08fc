//! What a reader's own pin pad has to know (PC/SC part 10, 2.5.2).

use super::plan::Access;

/// How long somebody may take.
const SECONDS: u8 = 30;

/// `PIN_VERIFY_STRUCTURE`: ASCII digits, left justified; the command is VERIFY. A PIN of fixed length has
/// its filling in the command, and the digits are written over that.
pub(super) fn structure(access: &Access) -> Vec<u8> {
    let (least, most) = access.pin.lengths;
    let bound = |length: usize| u8::try_from(length).unwrap_or(u8::MAX);
    let size = access.pin.pad.map_or(0, |(_, length)| bound(length));
    let mut structure = vec![
        SECONDS, // bTimerOut
        SECONDS, // bTimerOut2
        0x82,    // bmFormatString: bytes, left justified, ASCII
        // bmPINBlockString: no length in the command; bytes of a PIN of fixed length.
        size & 0x0F,
        0x00, // bmPINLengthFormat
        bound(most),
        bound(least), // wPINMaxExtraDigit, little-endian: shortest, longest
        0x02,         // bEntryValidationCondition: the confirmation key
        0x01,         // bNumberMessage
        0x09,
        0x04, // wLangId: English
        0x00, // bMsgIndex
        0x00,
        0x00,
        0x00, // bTeoPrologue
    ];
    let mut command = vec![0x00, 0x20, 0x00, access.reference, size];
    if let Some((byte, length)) = access.pin.pad {
        command.extend(std::iter::repeat_n(byte, length));
    }
    structure.extend(u32::try_from(command.len()).unwrap_or(0).to_le_bytes());
    structure.extend(command);
    structure
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]
    use super::super::plan::{Asks, Pin};
    use super::*;

    #[test]
    fn the_pin_pad_is_told_the_lengths_and_the_command() {
        let mut access = Access {
            pin: Pin { reference: 0x81, label: None, lengths: (6, 16), pad: None },
            reference: 0x81,
            asks: Asks::Once,
        };
        let told = structure(&access);
        assert_eq!(told.len(), 19 + 5);
        assert_eq!(told[3..7], [0, 0, 16, 6]);
        assert_eq!(told[15..], [5, 0, 0, 0, 0x00, 0x20, 0x00, 0x81, 0x00]);

        access = Access {
            pin: Pin { lengths: (6, 8), pad: Some((0xFF, 8)), ..access.pin },
            reference: 0x80,
            asks: Asks::Always,
        };
        let told = structure(&access);
        assert_eq!(told[3..7], [8, 0, 8, 6]);
        assert_eq!(told[15..24], [13, 0, 0, 0, 0x00, 0x20, 0x00, 0x80, 0x08]);
        assert_eq!(told[24..], [0xFF; 8]);
    }
}
