//! Which family's protocol a card may be spoken to in, and which of OpenSC's drivers takes it,
//! decided by the answer to reset (ATR, ISO 7816-3) and its historical bytes alone.
//!
//! OpenSC asks a card it does not know by selecting one foreign application
//! after the other, which ends other programs' logins. Here a card is told by
//! what OpenSC's drivers know without asking (`card-sc-hsm.c`, `card-myeid.c`), in
//! the order of OpenSC's driver list, or it is left alone.

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

/// What a card is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// How it is spoken to.
    pub family: Family,
    /// Short name of the OpenSC driver that takes it, if the ATR tells.
    pub driver: Option<&'static str>,
}

/// What a card with this ATR is.
///
/// `3B 80 80 01 01` is in OpenSC's table as well, but many cards answer so,
/// PIV ones among them, and OpenSC tells them apart by selecting. It is
/// [`Family::Other`] here: seen, not read.
#[must_use]
pub fn of_atr(atr: &[u8]) -> Kind {
    let (family, driver) = match historical_bytes(atr) {
        // MyEID stands before the SmartCard-HSM in OpenSC's list.
        Some([.., b'M', b'y', b'E', b'I', b'D'] | [.., b'O', b's', b'E', b'I', b'D']) => {
            (Family::Pkcs15, Some("myeid"))
        }
        _ if SMART_CARD_HSM.contains(&atr) || is_goid(atr) => (Family::SmartCardHsm, Some("sc-hsm")),
        _ => (Family::Other, None),
    };
    Kind { family, driver }
}

/// The historical bytes of an ATR (ISO 7816-3, 8.2): so many as T0 says, behind all interface bytes.
fn historical_bytes(atr: &[u8]) -> Option<&[u8]> {
    let [_, t0, rest @ ..] = atr else { return None };
    let mut rest = rest;
    let mut present = *t0;
    // Each TDi says which interface bytes follow it; it is the last of its group itself.
    while present & 0xF0 != 0 {
        let group = usize::try_from((present & 0xF0).count_ones()).ok()?;
        let next = if present & 0x80 == 0 { 0 } else { *rest.get(group - 1)? };
        rest = rest.get(group..)?;
        present = next;
    }
    rest.get(..usize::from(t0 & 0x0F))
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

    const SC_HSM: Kind = Kind { family: Family::SmartCardHsm, driver: Some("sc-hsm") };

    #[test]
    fn known_atrs_are_smart_card_hsms() {
        for atr in SMART_CARD_HSM {
            assert_eq!(of_atr(atr), SC_HSM);
        }
        assert_eq!(of_atr(b"\x3B\x84\x80\x01GoID\x99"), SC_HSM);
        assert_eq!(of_atr(b"\x3B\x8F\x80\x01GoID\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0A\x0B\x99"), SC_HSM);
    }

    #[test]
    fn my_eid_is_told_by_the_end_of_its_historical_bytes() {
        let atrs: [&[u8]; 3] = [
            b"\x3B\xF5\x18\x00\x00\x81\x31\xFE\x45MyEID\x9A",
            b"\x3B\x85\x80\x01MyEID\x78",
            b"\x3B\xF5\x18\x00\xFF\x81\x31\xFE\x45OsEID\x1A",
        ];
        for atr in atrs {
            let driver = of_atr(atr);
            assert_eq!(driver, Kind { family: Family::Pkcs15, driver: Some("myeid") }, "{atr:02X?}");
        }
    }

    #[test]
    fn everything_else_is_left_alone() {
        let mut almost = SMART_CARD_HSM[0].to_vec();
        almost.reverse();
        let others: [&[u8]; 9] = [
            b"\x3B\x80\x80\x01\x01",
            b"\x3B\xF8\x13\x00\x00\x81\x31\xFE\x45JCOPv241\xB7",
            b"\x3B\xF5\x18\x00\x00\x81\x31\xFE\x45MyEIX\x9A",
            b"\x3B\xF5\x18\x00\x00\x81\x31\xFE\x45MyEI",
            b"\x3B\x83\x80\x01GoID\x99",
            b"\x3B\x84\x80\x01GoID",
            b"\x3B\x84\x80\x01GoID\x00\x99",
            b"",
            &almost,
        ];
        for atr in others {
            assert_eq!(of_atr(atr), Kind { family: Family::Other, driver: None }, "{atr:02X?}");
        }
    }
}
