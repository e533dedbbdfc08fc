//! The drivers that OpenSC knows by name, in which releases, and the one that may be meant by a name that it does not know.

use std::ops::RangeInclusive;

use super::{LETTERS_PER_MISTAKE, plain};
use crate::opensc::Version;
use crate::opensc::differences::UP_TO_HEAD;

/// The drivers of OpenSC's own list, the older ones that only `old` or their name loads among them; and the releases.
const DRIVERS: &[(&str, RangeInclusive<u16>)] = &[
    ("PIV-II", UP_TO_HEAD),
    ("acos5", 0..=19),
    ("akis", 0..=24),
    ("asepcos", UP_TO_HEAD),
    ("atrust-acos", UP_TO_HEAD),
    ("authentic", UP_TO_HEAD),
    ("belpic", UP_TO_HEAD),
    ("cac", UP_TO_HEAD),
    ("cac1", UP_TO_HEAD),
    ("cardos", UP_TO_HEAD),
    ("cedulauy", *UP_TO_HEAD.end()..=*UP_TO_HEAD.end()),
    ("coolkey", UP_TO_HEAD),
    ("cyberflex", UP_TO_HEAD),
    ("default", UP_TO_HEAD),
    ("dnie", UP_TO_HEAD),
    ("dtrust", 24..=*UP_TO_HEAD.end()),
    ("eOI", 24..=*UP_TO_HEAD.end()),
    ("edo", UP_TO_HEAD),
    ("entersafe", UP_TO_HEAD),
    ("epass2003", UP_TO_HEAD),
    ("esteid2018", UP_TO_HEAD),
    ("esteid2025", 27..=*UP_TO_HEAD.end()),
    ("flex", UP_TO_HEAD),
    ("gemsafeV1", UP_TO_HEAD),
    ("gids", UP_TO_HEAD),
    ("gpk", 0..=24),
    ("iasecc", UP_TO_HEAD),
    ("idprime", UP_TO_HEAD),
    ("incrypto34", 0..=24),
    ("isoApplet", UP_TO_HEAD),
    ("itacns", UP_TO_HEAD),
    ("jcop", 0..=22),
    ("jpki", UP_TO_HEAD),
    ("lteid", *UP_TO_HEAD.end()..=*UP_TO_HEAD.end()),
    ("masktech", UP_TO_HEAD),
    ("mcrd", UP_TO_HEAD),
    ("miocos", 0..=22),
    ("muscle", UP_TO_HEAD),
    ("myeid", UP_TO_HEAD),
    ("npa", UP_TO_HEAD),
    ("nqapplet", UP_TO_HEAD),
    ("oberthur", UP_TO_HEAD),
    ("openpgp", UP_TO_HEAD),
    ("rutoken", UP_TO_HEAD),
    ("rutoken_ecp", UP_TO_HEAD),
    ("sc-hsm", UP_TO_HEAD),
    ("setcos", UP_TO_HEAD),
    ("skeid", 24..=*UP_TO_HEAD.end()),
    ("srbeid", *UP_TO_HEAD.end()..=*UP_TO_HEAD.end()),
    ("starcos", UP_TO_HEAD),
    ("tcos", UP_TO_HEAD),
    ("westcos", 0..=24),
];

/// What people call a driver that has another name.
const DRIVER_NICKNAMES: &[(&str, &str)] = &[("piv", "PIV-II"), ("nitrokey", "sc-hsm"), ("yubikey", "PIV-II")];

/// What stands in a list of drivers for many.
const MANY: &[&str] = &["internal", "old"];

/// Whether a name in a list of drivers is one that OpenSC has, or stands for many.
#[must_use]
pub fn is_driver(name: &[u8], version: Version) -> bool {
    MANY.iter().any(|many| many.as_bytes() == name) || drivers(version).any(|known| known.as_bytes() == name)
}

/// Whether a block may name it: there a driver goes by the name that `opensc-tool --list-drivers` shows.
#[must_use]
pub fn is_shown_driver(name: &[u8], version: Version) -> bool {
    drivers(version).any(|known| (if known == "masktech" { "MaskTech" } else { known }).as_bytes() == name)
}

/// The driver that may be meant.
#[must_use]
pub fn nearest_driver(name: &[u8], version: Version) -> Option<&'static str> {
    let word = plain(name)?;
    let nickname = DRIVER_NICKNAMES.iter().find(|(nick, _)| *nick == word).map(|(_, driver)| *driver);
    let distance =
        |known: &str| strsim::damerau_levenshtein(&known.to_ascii_lowercase().replace('-', "_"), &word);
    let most = (word.len() / LETTERS_PER_MISTAKE).max(1);
    let near = drivers(version).map(|known| (distance(known), known)).min_by_key(|(wrong, _)| *wrong);
    nickname.or(near.filter(|(wrong, _)| *wrong <= most).map(|(_, known)| known))
}

/// Emulations whose names were watched (0.23): they count letter by letter.
const EMULATIONS: [&str; 3] = ["PIV-II", "openpgp", "sc-hsm"];

/// The emulation that is meant, if it is one of the common ones: names of others are not known here.
#[must_use]
pub fn nearest_emulation(name: &[u8]) -> Option<&'static str> {
    let word = plain(name)?;
    let nickname = DRIVER_NICKNAMES.iter().find(|(nick, _)| *nick == word).map(|(_, driver)| *driver);
    let is_same = |known: &&str| plain(known.as_bytes()).is_some_and(|known| known == word);
    nickname.or_else(|| EMULATIONS.iter().find(|known| is_same(known)).copied())
}

fn drivers(version: Version) -> impl Iterator<Item = &'static str> {
    let has = move |releases: &RangeInclusive<u16>| version.major > 0 || releases.contains(&version.minor);
    DRIVERS.iter().filter(move |(_, releases)| has(releases)).map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const V: Version = Version::of(23);

    #[test]
    fn which_driver_is_meant_by_a_near_miss() {
        for (typed, meant) in [
            ("piv", Some("PIV-II")),
            ("piv-II", Some("PIV-II")),
            ("schsm", Some("sc-hsm")),
            ("sc_hsm", Some("sc-hsm")),
            ("isoapplet", Some("isoApplet")),
            ("whatever", None),
        ] {
            assert_eq!(nearest_driver(typed.as_bytes(), V), meant, "{typed}");
            assert!(!is_driver(typed.as_bytes(), V));
        }
        assert!(DRIVER_NICKNAMES.iter().all(|(_, name)| DRIVERS.iter().any(|(known, _)| known == name)));
    }

    #[test]
    fn an_emulation_is_known_by_its_letters() {
        for (typed, meant) in [
            ("piv", Some("PIV-II")),
            ("SC-HSM", Some("sc-hsm")),
            ("sc_hsm", Some("sc-hsm")),
            ("sc-hsm", Some("sc-hsm")),
            ("OpenPGP", Some("openpgp")),
            ("nqApplet", None),
            ("tccardos", None),
        ] {
            assert_eq!(nearest_emulation(typed.as_bytes()), meant, "{typed}");
        }
        assert!(EMULATIONS.iter().all(|name| drivers(V).any(|known| known == *name)));
    }

    #[test]
    fn releases_differ() {
        assert!(is_driver(b"akis", Version::of(24)) && !is_driver(b"akis", Version::of(25)));
        assert!(is_driver(b"internal", V) && !is_driver(b"Internal", V));
    }
}
