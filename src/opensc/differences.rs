//! What differs between OpenSC versions, as data in one place.
//!
//! Read in the sources of the releases and, where marked "seen", watched when
//! they ran. `None` means unknown: only 0.22, 0.23, 0.26.1, 0.27.1 and the
//! development head were compared for what concerns the view of a card, so
//! 0.24 and 0.25 stay open where those differ. What is only in the head counts
//! from [`HEAD`].

use std::ops::RangeInclusive;

use super::Version;
use crate::format::sc_hsm;
use crate::scconf::Dialect;

/// The releases (0.x) that are reckoned with.
pub const RELEASES: RangeInclusive<u16> = 19..=27;

/// The first release that can contain what today is only in the development head.
pub const HEAD: Version = Version::of(*RELEASES.end() + 1);

/// What an OpenSC of unknown version may be: one of the releases, or built from the development head.
pub const UP_TO_HEAD: RangeInclusive<u16> = *RELEASES.start()..=HEAD.minor;

const fn from(version: Version, minor: u16) -> bool {
    version.major > 0 || version.minor >= minor
}

/// For a change seen between 0.23 and 0.26.
const fn between_23_and_26(version: Version) -> Option<bool> {
    if from(version, 26) {
        Some(true)
    } else if from(version, 24) {
        None
    } else {
        Some(false)
    }
}

/// How the value of `use_file_caching` is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CachingWords {
    /// Up to 0.22: on if it begins with t, T, y or Y.
    Bool,
    /// From 0.23: exactly `yes`, `public` or `no`; all else is off.
    Words,
}

/// How `use_file_caching` is read.
#[must_use]
pub const fn caching_words(version: Version) -> CachingWords {
    if from(version, 23) { CachingWords::Words } else { CachingWords::Bool }
}

/// Which parser reads the configuration.
#[must_use]
pub const fn dialect(version: Version) -> Dialect {
    if from(version, 23) { Dialect::Since023 } else { Dialect::Until022 }
}

const DEFAULT_024: &[&str] = &[
    "akis",
    "atrust-acos",
    "belpic",
    "cac1",
    "cac",
    "coolkey",
    "dnie",
    "edo",
    "esteid2018",
    "flex",
    "cyberflex",
    "gemsafeV1",
    "idprime",
    "itacns",
    "jpki",
    "MaskTech",
    "mcrd",
    "myeid",
    "npa",
    "nqapplet",
    "tcos",
];

/// A driver whose cards are cached without any setting in every version that does so.
pub const LISTED_DRIVER: &str = "cac";
/// A driver whose cards never are.
pub const OTHER_DRIVER: &str = sc_hsm::DRIVER;
/// One of either kind: what a setting means for both it means for any card.
pub const EITHER_DRIVER: [&str; 2] = [LISTED_DRIVER, OTHER_DRIVER];

/// Whether the cache is on (`public`) for a driver's cards without any setting.
/// Driver names are compared exactly.
#[must_use]
pub fn cached_by_default(version: Version, driver: &str) -> bool {
    if !from(version, 24) {
        return false;
    }
    match driver {
        "akis" => !from(version, 25),
        "dnie" => !from(version, 27),
        "esteid2025" | "dtrust" => from(version, 27),
        "cedulauy" | "lteid" => version >= HEAD,
        _ => DEFAULT_024.contains(&driver),
    }
}

/// The drivers whose cards are cached without any setting.
#[must_use]
pub fn drivers_cached_by_default(version: Version) -> Vec<&'static str> {
    let later = ["esteid2025", "dtrust", "cedulauy", "lteid"];
    let known = DEFAULT_024.iter().copied().chain(later);
    known.filter(|driver| cached_by_default(version, driver)).collect()
}

/// Whether OpenSC looks for a card access number that was stored beside a card's files (driver dtrust, from 0.27).
#[must_use]
pub const fn has_stored_can(version: Version) -> bool {
    from(version, 27)
}

/// Whether it looks for the one that is stored for all cards of the driver lteid (development head).
#[must_use]
pub fn has_lteid_can(version: Version) -> bool {
    version >= HEAD
}

/// Whether a block `app <path of the executable>` counts (from 0.24).
#[must_use]
pub const fn has_executable_blocks(version: Version) -> bool {
    from(version, 24)
}

/// The application name under which `onepin-opensc-pkcs11.so` looks for its block.
#[must_use]
pub const fn onepin_app_name(version: Version) -> &'static str {
    if from(version, 24) { "opensc-pkcs11" } else { "onepin-opensc-pkcs11" }
}

/// Whether `file_cache_dir` is known (from 0.16).
#[must_use]
pub const fn has_cache_dir_setting(version: Version) -> bool {
    from(version, 16)
}

/// Whether the default cache directory follows XDG (from 0.22) or is `~/.eid/cache`.
#[must_use]
pub const fn cache_follows_xdg(version: Version) -> bool {
    from(version, 22)
}

/// Whether an AID is part of cache names and `NODATE` replaced `DATE` (from 0.16).
#[must_use]
pub const fn names_hold_aid(version: Version) -> bool {
    from(version, 16)
}

/// Whether cards without serial are named by their UID (from 0.17).
#[must_use]
pub const fn names_hold_uid(version: Version) -> bool {
    from(version, 17)
}

/// Whether a change counter is part of cache names (from 0.24; MyEID and OsEID only).
#[must_use]
pub const fn names_hold_counter(version: Version) -> bool {
    from(version, 24)
}

/// Whether a SmartCard-HSM's files go through the cache (from 0.17).
#[must_use]
pub const fn sc_hsm_is_cached(version: Version) -> bool {
    from(version, 17)
}

/// Whether files of a driver's cards go through the cache at all, whatever is set.
#[must_use]
pub fn is_cached(version: Version, driver: &str) -> bool {
    driver != sc_hsm::DRIVER || sc_hsm_is_cached(version)
}

/// Whether a serial number from TokenInfo is written in lower case (from 0.20). Text
/// serials, such as a SmartCard-HSM's, were never changed.
#[must_use]
pub const fn token_info_serial_is_lower_case(version: Version) -> bool {
    from(version, 20)
}

/// Whether a PIV card whose FASC-N is all zeros counts as one without a serial number (head only).
#[must_use]
pub fn piv_passes_over_zero_fasc_n(version: Version) -> bool {
    version >= HEAD
}

/// Whether the objects of NIST SP 800-73-4 for secure messaging (1016 to 1018, and the certificate in 1017) are listed
/// of a PIV card (seen: not in 0.23, in 0.26.1 and 0.27.1).
#[must_use]
pub const fn piv_lists_messaging(version: Version) -> Option<bool> {
    between_23_and_26(version)
}

/// Whether a PIV object with nothing in it (`53 00`) cannot be read, at which `pkcs15-tool -D` ends its list of data objects
/// (seen: in 0.21 and 0.23, not in 0.26.1 and 0.27.1), or counts as one that is not there.
#[must_use]
pub fn piv_fails_at_empty_objects(version: Version) -> Option<bool> {
    between_23_and_26(version).map(|passed_over| !passed_over)
}

/// Whether keys on Curve25519 are listed of a PIV card (seen: not in 0.26.1, in 0.27.1), or only their certificates.
#[must_use]
pub const fn piv_lists_edwards_keys(version: Version) -> bool {
    from(version, 27)
}

/// Whether a certificate for a key on Curve25519 or Curve448 is understood (seen: not in 0.21, in 0.23).
#[must_use]
pub const fn edwards_is_understood(version: Version) -> bool {
    from(version, 22)
}

/// Whether each key of an OpenPGP card has a certificate and its curve its own size and use (seen: in 0.23 and later). In
/// 0.21 there is one certificate, and a key on whatever curve has no size and the use of an RSA key, unless it is one for EdDSA,
/// which is not listed.
#[must_use]
pub const fn openpgp_lists_by_key(version: Version) -> Option<bool> {
    if from(version, 23) {
        Some(true)
    } else if from(version, 22) {
        None
    } else {
        Some(false)
    }
}

/// Whether the names of RFC 8410 for curves are known on an OpenPGP card (seen: not in 0.23 and 0.26.1, in 0.27.1), or only
/// those of GnuPG.
#[must_use]
pub const fn openpgp_knows_rfc_8410(version: Version) -> bool {
    from(version, 27)
}

/// The size that is shown of a key on Curve25519 (seen: with 0.23 and 0.26.1, with 0.27.1).
#[must_use]
pub const fn curve_25519_bits(version: Version) -> i32 {
    if from(version, 27) { 255 } else { 256 }
}

/// Whether a directory file of a native card goes on behind 00 after an entry (seen: not in 0.21 and 0.23, in 0.26.1 and
/// 0.27.1).
#[must_use]
pub const fn directories_go_on_behind_zeros(version: Version) -> Option<bool> {
    between_23_and_26(version)
}

/// Whether the point of an EC key of a native card may be a BIT STRING, not only an OCTET STRING (seen: not in
/// 0.21, 0.23 and 0.26.1, in 0.27.1).
#[must_use]
pub const fn ec_point_may_be_bits(version: Version) -> bool {
    from(version, 27)
}

/// Whether an RSA key of an OpenPGP card for authentication may decipher, too (seen with cards of versions 2.0 and 3.4: in
/// 0.21 and 0.23, not in 0.26.1, in 0.27.1 that of 2.0 only).
#[must_use]
pub const fn openpgp_authentication_deciphers(version: Version, is_version_3: bool) -> Option<bool> {
    match between_23_and_26(version) {
        Some(true) => Some(from(version, 27) && !is_version_3),
        Some(false) => Some(true),
        None => None,
    }
}

/// Whether the device key CC00 is listed when C400 exists (seen up to 0.23; not from 0.26).
#[must_use]
pub fn shows_device_key(version: Version) -> Option<bool> {
    between_23_and_26(version).map(|skipped| !skipped)
}

/// Whether an EC field length of 528 bits is corrected to 521 (from 0.26).
#[must_use]
pub const fn corrects_field_length_528(version: Version) -> Option<bool> {
    between_23_and_26(version)
}

/// Whether the public part of an EC key may also derive (from 0.26).
#[must_use]
pub const fn ec_public_key_derives(version: Version) -> Option<bool> {
    between_23_and_26(version)
}

/// Whether a request without the inner certification authority reference can be decoded
/// (from 0.23; before, its key has no public part).
#[must_use]
pub const fn inner_car_is_optional(version: Version) -> bool {
    from(version, 23)
}

/// How the curve of a SmartCard-HSM's public key is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CurveMatch {
    /// By the prime alone; the table has the r1 and k1 curves.
    Prime,
    /// From 0.27: by prime and coefficient a, byte for byte; Brainpool t1 curves are in the table.
    PrimeAndCoefficient,
}

/// How the curve of a SmartCard-HSM's public key is recognised.
#[must_use]
pub const fn curve_match(version: Version) -> CurveMatch {
    if from(version, 27) { CurveMatch::PrimeAndCoefficient } else { CurveMatch::Prime }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_caching_follows_the_releases() {
        let at = |minor, driver| cached_by_default(Version::of(minor), driver);
        assert!(!at(23, "cac") && at(24, "cac") && at(27, "cac"));
        assert!(at(24, "akis") && !at(25, "akis"));
        assert!(at(26, "dnie") && !at(27, "dnie"));
        assert!(!at(26, "dtrust") && at(27, "dtrust"));
        assert!(!at(27, "lteid") && at(28, "lteid"));
        for minor in UP_TO_HEAD {
            assert_eq!((at(minor, LISTED_DRIVER), at(minor, OTHER_DRIVER)), (minor > 23, false), "0.{minor}");
        }
        let drivers = |minor| drivers_cached_by_default(Version::of(minor)).len();
        assert_eq!((drivers(23), drivers(24), drivers(26), drivers(27), drivers(28)), (0, 21, 20, 21, 23));
        for minor in 12..30 {
            for driver in [sc_hsm::DRIVER, "PIV-II", "openpgp", "cardos", "CAC", "masktech"] {
                assert!(!at(minor, driver), "{driver} 0.{minor}");
            }
        }
    }

    #[test]
    fn what_lies_between_two_compared_versions_is_unknown() {
        assert_eq!(shows_device_key(Version::of(23)), Some(true));
        assert_eq!(shows_device_key(Version::of(24)), None);
        assert_eq!(shows_device_key(Version::of(25)), None);
        assert_eq!(shows_device_key(Version::of(26)), Some(false));
        assert_eq!(corrects_field_length_528(Version::of(26)), Some(true));
    }
}
