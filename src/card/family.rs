//! Which family's protocol a card may be spoken to in, decided by the answer
//! to reset (ATR, ISO 7816-3) alone.
//!
//! OpenSC asks a card it does not know by selecting one foreign application
//! after the other, which ends other programs' logins. Here a card is either in
//! this table, which is OpenSC's own (`card-sc-hsm.c`, `sc_hsm_atrs`), or it is
//! left alone.

use crate::snapshot::Family;

/// The ATRs that OpenSC takes for a SmartCard-HSM without sending anything.
const SMART_CARD_HSM: [&[u8]; 4] = [
    // Contact interface; Nitrokey HSM and pico-hsm too.
    b"\x3B\xFE\x18\x00\x00\x81\x31\xFE\x45\x80\x31\x81\x54\x48\x53\x4D\x31\x73\x80\x21\x40\x81\x07\xFA",
    // Contactless interface.
    b"\x3B\x8E\x80\x01\x80\x31\x81\x54\x48\x53\x4D\x31\x73\x80\x21\x40\x81\x07\x18",
    // JCOP 3, at two speeds.
    b"\x3B\xDE\x18\xFF\x81\x91\xFE\x1F\xC3\x80\x31\x81\x54\x48\x53\x4D\x31\x73\x80\x21\x40\x81\x07\x1C",
    b"\x3B\xDE\x96\xFF\x81\x91\xFE\x1F\xC3\x80\x31\x81\x54\x48\x53\x4D\x31\x73\x80\x21\x40\x81\x07\x92",
];

/// The family of a card with this ATR.
///
/// `3B 80 80 01 01` is in OpenSC's table as well, but many cards answer so,
/// PIV ones among them, and OpenSC tells them apart by selecting. It is
/// [`Family::Other`] here: seen, not read.
#[must_use]
pub fn of_atr(atr: &[u8]) -> Family {
    if SMART_CARD_HSM.contains(&atr) || is_goid(atr) { Family::SmartCardHsm } else { Family::Other }
}

/// GoID: `3B 8x 80 01`, then x (4 to 15) historical bytes that begin with
/// "GoID" and a check byte. OpenSC masks out everything behind the name.
fn is_goid(atr: &[u8]) -> bool {
    let [0x3B, t0, 0x80, 0x01, b'G', b'o', b'I', b'D', rest @ ..] = atr else { return false };
    (0x84..=0x8F).contains(t0) && rest.len() == usize::from(t0 & 0x0F) - 4 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_atrs_are_smart_card_hsms() {
        for atr in SMART_CARD_HSM {
            assert_eq!(of_atr(atr), Family::SmartCardHsm);
        }
        assert_eq!(of_atr(b"\x3B\x84\x80\x01GoID\x99"), Family::SmartCardHsm);
        assert_eq!(
            of_atr(b"\x3B\x8F\x80\x01GoID\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0A\x0B\x99"),
            Family::SmartCardHsm
        );
    }

    #[test]
    fn everything_else_is_left_alone() {
        let mut almost = SMART_CARD_HSM[0].to_vec();
        almost.reverse();
        let others: [&[u8]; 8] = [
            b"\x3B\x80\x80\x01\x01",
            b"\x3B\xF8\x13\x00\x00\x81\x31\xFE\x45JCOPv241\xB7",
            b"\x3B\xF5\x18\x00\x00\x81\x31\xFE\x45MyEID\x9A",
            b"\x3B\x83\x80\x01GoID\x99",
            b"\x3B\x84\x80\x01GoID",
            b"\x3B\x84\x80\x01GoID\x00\x99",
            b"",
            &almost,
        ];
        for atr in others {
            assert_eq!(of_atr(atr), Family::Other, "{atr:02X?}");
        }
    }
}
