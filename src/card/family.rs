//! Which family's protocol a card may be spoken to in, and which of OpenSC's drivers takes it by itself,
//! decided by the answer to reset (ATR, ISO 7816-3) and its historical bytes alone. (What the configuration
//! makes of that is in [`crate::opensc::card_driver`].)
//!
//! OpenSC asks a card it does not know by selecting one foreign application
//! after the other, which ends other programs' logins. Here a card is told by
//! what OpenSC's drivers know without asking (`card-sc-hsm.c`, `card-myeid.c`), in
//! the order of OpenSC's driver list, or it is left alone.

use crate::format::sc_hsm;
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

/// ATRs of cards with PIV that OpenSC knows (`card-piv.c`); it asks each of them for PIV all the same.
const PIV: [&[u8]; 7] = [
    // Oberthur.
    b"\x3B\xDB\x96\x00\x80\x1F\x03\x00\x31\xC0\x64\x77\xE3\x03\x00\x82\x90\x00\xC1",
    b"\x3B\xDB\x96\x00\x80\x1F\x03\x00\x31\xC0\x64\xB0\xF3\x10\x00\x07\x90\x00\x80",
    b"\x3B\xDB\x96\x00\x80\x1F\x03\x00\x31\xC0\x64\xB0\xF3\x10\x00\x0F\x90\x00\x88",
    // Gemalto.
    b"\x3B\x7D\x96\x00\x00\x80\x31\x80\x65\xB0\x83\x11\x13\xAC\x83\x00\x90\x00",
    b"\x3B\x7D\x96\x00\x00\x80\x31\x80\x65\xB0\x83\x11\x17\xD6\x83\x00\x90\x00",
    // PIVKEY of Taglio.
    b"\x3B\xFC\x18\x00\x00\x81\x31\x80\x45\x90\x67\x46\x4A\x00\x64\x2D\x70\xC1\x72\xFE\xE0\xFE",
    b"\x3B\xFC\x18\x00\x00\x81\x31\x80\x45\x90\x67\x46\x4A\x00\x64\x16\x06\xF2\x72\x7E\x00\xE0",
];

/// ATRs that OpenSC takes for an OpenPGP card (`card-openpgp.c`) and for nothing before it in its list.
const OPENPGP: [&[u8]; 3] = [
    // Version 1.0 and 1.1, 2.0, 3.
    b"\x3B\xFA\x13\x00\xFF\x81\x31\x80\x45\x00\x31\xC1\x73\xC0\x01\x00\x00\x90\x00\xB1",
    b"\x3B\xDA\x18\xFF\x81\xB1\xFE\x75\x1F\x03\x00\x31\xC5\x73\xC0\x01\x40\x00\x90\x00\x0C",
    b"\x3B\xDA\x18\xFF\x81\xB1\xFE\x75\x1F\x03\x00\x31\xF5\x73\xC0\x01\x60\x00\x90\x00\x1C",
];

/// What a card is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// How it is spoken to.
    pub family: Family,
    /// Short name of the OpenSC driver that takes it, if the ATR tells.
    pub driver: Option<&'static str>,
}

/// OpenSC's drivers whose cards can be read, by their short names.
const DRIVERS: [(&str, Family); 6] = [
    (sc_hsm::DRIVER, Family::SmartCardHsm),
    ("myeid", Family::Pkcs15),
    ("isoApplet", Family::Pkcs15),
    ("default", Family::Pkcs15),
    ("PIV-II", Family::Piv),
    ("openpgp", Family::OpenPgp),
];

impl Kind {
    /// May a card that this is told of by its ATR be read as another kind, because OpenSC's configuration
    /// says so? All may of which nothing is known. YubiKeys have PIV and OpenPGP; a MyEID needs no driver of its
    /// own to be read. Of other cards it is a mistake, and nothing foreign is selected on them.
    #[must_use]
    pub fn may_be(self, other: Self) -> bool {
        match (self.driver, other.driver) {
            (None, _) | (Some("PIV-II"), Some("openpgp")) | (Some("myeid"), Some("default")) => true,
            _ => self == other,
        }
    }
}

/// Is a card with this ATR never read as such a one, whatever a setting says? So many kinds of cards answer
/// `3B 80 80 01 01` that none of them is asked for its PIN as a SmartCard-HSM is.
#[must_use]
pub fn is_never(atr: &[u8], kind: Kind) -> bool {
    kind.family == Family::SmartCardHsm && atr == [0x3B, 0x80, 0x80, 0x01, 0x01]
}

/// The drivers as whose cards one with this ATR is read if a setting names them.
pub fn nameable(atr: &[u8]) -> impl Iterator<Item = &'static str> {
    let kind = |(driver, family)| Kind { family, driver: Some(driver) };
    // That of a MyEID tells its cards by the ATR alone.
    DRIVERS
        .into_iter()
        .filter(move |driver| !is_never(atr, kind(*driver)))
        .map(|(driver, _)| driver)
        .filter(|driver| *driver != "myeid")
}

/// The kind of card that OpenSC's driver of this name is for, if such cards can be read.
#[must_use]
pub fn of_driver(name: &str) -> Option<Kind> {
    let (driver, family) = DRIVERS.into_iter().find(|(known, _)| *known == name)?;
    Some(Kind { family, driver: Some(driver) })
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
        _ if SMART_CARD_HSM.contains(&atr) || is_goid(atr) => (Family::SmartCardHsm, Some(sc_hsm::DRIVER)),
        // PIV stands before OpenPGP; a YubiKey has both.
        Some(historical) if PIV.contains(&atr) || is_piv(historical) => (Family::Piv, Some("PIV-II")),
        _ if OPENPGP.contains(&atr) || is_gnuk(atr) => (Family::OpenPgp, Some("openpgp")),
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

/// Do historical bytes name a maker of PIV cards? Either as they are, or (ISO 7816-4, 12.1.1) as
/// card issuer's data of a compact TLV list.
fn is_piv(historical: &[u8]) -> bool {
    let names: [&[u8]; 3] = [b"Yubikey", b"PIVKEY", b"SPIVKEY"];
    names.iter().any(|name| historical.starts_with(name))
        || issuer(historical).is_some_and(|name| name.starts_with(b"YubiKe"))
}

/// Gnuk, whatever its life cycle state; the check byte depends on that.
fn is_gnuk(atr: &[u8]) -> bool {
    let known = b"\x3B\xDA\x11\xFF\x81\xB1\xFE\x55\x1F\x03\x00\x31\x84\x73\x80\x01\x80";
    matches!(atr.strip_prefix(known), Some([_, 0x90, 0x00, _]))
}

/// Card issuer's data (tag 5) in the historical bytes.
fn issuer(historical: &[u8]) -> Option<&[u8]> {
    let [0x00 | 0x80, list @ ..] = historical else { return None };
    let mut list = list;
    while let [head, rest @ ..] = list {
        let value = rest.get(..usize::from(head & 0x0F))?;
        if head >> 4 == 5 {
            return Some(value);
        }
        list = rest.get(value.len()..)?;
    }
    None
}

/// Is a card known to answer VERIFY without data as the standard says, so that it can be asked
/// whether somebody is logged in? A YubiKey 5; older ones may not (OpenSC's `CI_VERIFY_LC0_FAIL`).
#[must_use]
pub fn answers_empty_verify(atr: &[u8]) -> bool {
    historical_bytes(atr).and_then(issuer).is_some_and(|name| name.starts_with(b"YubiKe"))
}

/// May a card be asked what keys it has (GET METADATA, 00 F7)? A YubiKey: from firmware 5.3 on it tells, before that the
/// number means nothing to it. Of other cards nobody knows what it means.
#[must_use]
pub fn may_tell_keys(atr: &[u8]) -> bool {
    historical_bytes(atr).and_then(issuer).is_some_and(|name| name.starts_with(b"YubiKe"))
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

    const SC_HSM: Kind = Kind { family: Family::SmartCardHsm, driver: Some(sc_hsm::DRIVER) };

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
    fn piv_cards_are_told_by_name_or_by_their_whole_atr() {
        let yubikey_5: &[u8] = b"\x3B\xFD\x13\x00\x00\x81\x31\xFE\x15\x80\x73\xC0\x21\xC0\x57YubiKey\x40";
        let yubikey_4: &[u8] = b"\x3B\xF8\x13\x00\x00\x81\x31\xFE\x15Yubikey4\xD4";
        let pivkey: &[u8] = b"\x3B\xF9\x96\x00\x00\x81\x31\xFE\x45SPIVKEY70\x28";
        for atr in [yubikey_5, yubikey_4, pivkey].iter().chain(&PIV) {
            assert_eq!(of_atr(atr), Kind { family: Family::Piv, driver: Some("PIV-II") }, "{atr:02X?}");
        }
        assert!(answers_empty_verify(yubikey_5) && !answers_empty_verify(yubikey_4));
        assert!(may_tell_keys(yubikey_5) && !may_tell_keys(yubikey_4));
        assert!(PIV.iter().all(|atr| !may_tell_keys(atr)));
    }

    #[test]
    fn open_pgp_cards_are_told_by_their_whole_atr() {
        let gnuk: &[u8] =
            b"\x3B\xDA\x11\xFF\x81\xB1\xFE\x55\x1F\x03\x00\x31\x84\x73\x80\x01\x80\x05\x90\x00\xE4";
        for atr in OPENPGP.iter().chain(&[gnuk]) {
            assert_eq!(of_atr(atr), Kind { family: Family::OpenPgp, driver: Some("openpgp") }, "{atr:02X?}");
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
