//! What OpenSC looks for in its configuration: which setting, in which block, in which releases, and what its value
//! may be; beside it the drivers that it knows by name. One table, for whoever has to tell what a line comes to.
//!
//! Read in the sources of 0.23.0, 0.26.1 and 0.27.1; what came or went is dated by OpenSC's NEWS. Of what is not dated
//! it is taken that every release from 0.19 on has it. Names of settings count without regard to case, names of drivers
//! and values exactly. Pure.

use std::ops::RangeInclusive;

use Kind::{Caching, Driver, Drivers, Emulations, List, Number, OneOf, Path, Switch, Text, Texts};

use super::Version;
use super::differences::UP_TO_HEAD;

mod drivers;

pub use drivers::{is_driver, is_shown_driver, nearest_driver, nearest_emulation};

/// A kind of block, by what OpenSC looks for in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    /// `app NAME`
    App,
    /// `framework pkcs15`
    Framework,
    /// `reader_driver pcsc`
    Pcsc,
    /// `reader_driver ctapi`
    CtApi,
    /// `reader_driver openct`
    OpenCt,
    /// `module FILE` of CT-API
    CtApiModule,
    /// `framework tokend`, for OpenSC.tokend on macOS
    Tokend,
    /// `pkcs11`
    Pkcs11,
    /// `card_driver NAME`
    CardDriver,
    /// `card gemsafeV1`
    Card,
    /// `card_atr ATR`
    CardAtr,
    /// `secure_messaging NAME`
    SecureMessaging,
    /// `application AID`
    Application,
    /// `emulate NAME`
    Emulate,
    /// `pkcs15init NAME`
    Pkcs15Init,
}

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `use_file_caching`: what it comes to is worked out elsewhere.
    Caching,
    /// One path.
    Path,
    /// On if it begins with t, T, y or Y, all else is off.
    Switch,
    /// A number as `strtol` reads it.
    Number,
    /// One of these, exactly so; all else counts as the first.
    OneOf(&'static [&'static str]),
    /// A list of names of drivers.
    Drivers,
    /// The name of one driver.
    Driver,
    /// A list of names of emulations.
    Emulations,
    /// A list of words.
    List,
    /// A list of texts that may hold blanks.
    Texts,
    /// Some text.
    Text,
}

impl Kind {
    /// May there be several values?
    #[must_use]
    pub const fn is_list(self) -> bool {
        match self {
            Self::Drivers | Self::Emulations | Self::List | Self::Texts => true,
            Self::Caching
            | Self::Path
            | Self::Switch
            | Self::Number
            | Self::OneOf(_)
            | Self::Driver
            | Self::Text => false,
        }
    }
}

/// A setting that OpenSC looks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Known {
    /// The block.
    pub room: Room,
    /// The name; a `*` at its end stands for anything.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// The releases (0.x) that do.
    releases: RangeInclusive<u16>,
}

const fn since(minor: u16, room: Room, name: &'static str, kind: Kind) -> Known {
    Known { room, name, kind, releases: minor..=*UP_TO_HEAD.end() }
}

const fn until(minor: u16, room: Room, name: &'static str, kind: Kind) -> Known {
    Known { room, name, kind, releases: *UP_TO_HEAD.start()..=minor }
}

const fn known(room: Room, name: &'static str, kind: Kind) -> Known {
    Known { room, name, kind, releases: UP_TO_HEAD }
}

/// Blocks: in which, the key, the name where there is but one, and what they are.
const BLOCKS: &[(Room, &str, Option<&str>, Room)] = &[
    (Room::App, "framework", Some("pkcs15"), Room::Framework),
    (Room::App, "framework", Some("tokend"), Room::Tokend),
    (Room::App, "reader_driver", Some("pcsc"), Room::Pcsc),
    (Room::App, "reader_driver", Some("ctapi"), Room::CtApi),
    (Room::App, "reader_driver", Some("openct"), Room::OpenCt),
    (Room::App, "pkcs11", None, Room::Pkcs11),
    (Room::App, "card_driver", None, Room::CardDriver),
    (Room::App, "card", Some("gemsafeV1"), Room::Card),
    (Room::App, "card_atr", None, Room::CardAtr),
    (Room::App, "secure_messaging", None, Room::SecureMessaging),
    (Room::Framework, "application", None, Room::Application),
    (Room::Framework, "emulate", None, Room::Emulate),
    (Room::Framework, "pkcs15init", None, Room::Pkcs15Init),
    (Room::CtApi, "module", None, Room::CtApiModule),
];

const ACTION: Kind = OneOf(&["leave", "reset", "unpower"]);

const SETTINGS: &[Known] = &[
    known(Room::App, "card_drivers", Drivers),
    known(Room::App, "debug", Number),
    known(Room::App, "debug_file", Path),
    known(Room::App, "disable_colors", Switch),
    since(25, Room::App, "disable_hw_pkcs1_padding", OneOf(&["decipher", "no", "sign", "both"])),
    known(Room::App, "disable_popups", Switch),
    known(Room::App, "enable_default_driver", Switch),
    known(Room::App, "ignored_readers", Texts),
    since(27, Room::App, "openssl_config", Path),
    known(Room::App, "profile_dir", Path),
    until(24, Room::App, "westcos_default_key", Text),
    known(Room::Framework, "use_file_caching", Caching),
    known(Room::Framework, "file_cache_dir", Path),
    known(Room::Framework, "builtin_emulators", Emulations),
    known(Room::Framework, "enable_builtin_emulation", Switch),
    known(Room::Framework, "enable_pkcs15_emulation", Switch),
    known(Room::Framework, "pin_cache_counter", Number),
    known(Room::Framework, "pin_cache_ignore_user_consent", Switch),
    since(24, Room::Framework, "pin_protected_certificate", Text),
    known(Room::Framework, "pkcs11_enable_InitToken", Switch),
    known(Room::Framework, "private_certificate", Text),
    known(Room::Framework, "try_emulation_first", Switch),
    known(Room::Framework, "use_pin_caching", Switch),
    until(26, Room::Tokend, "score", Number),
    known(Room::Pcsc, "connect_exclusive", Switch),
    known(Room::Pcsc, "disconnect_action", ACTION),
    known(Room::Pcsc, "enable_pace", Switch),
    known(Room::Pcsc, "enable_pinpad", Switch),
    known(Room::Pcsc, "fixed_pinlength", Text),
    known(Room::Pcsc, "max_recv_size", Number),
    known(Room::Pcsc, "max_send_size", Number),
    known(Room::Pcsc, "provider_library", Path),
    known(Room::Pcsc, "reconnect_action", ACTION),
    known(Room::Pcsc, "transaction_end_action", ACTION),
    known(Room::CtApi, "enable_escape", Switch),
    known(Room::CtApi, "max_recv_size", Number),
    known(Room::CtApi, "max_send_size", Number),
    known(Room::CtApiModule, "ports", List),
    known(Room::OpenCt, "enable_escape", Switch),
    known(Room::OpenCt, "max_recv_size", Number),
    known(Room::OpenCt, "max_send_size", Number),
    known(Room::OpenCt, "readers", Number),
    known(Room::Pkcs11, "atomic", Switch),
    known(Room::Pkcs11, "create_puk_slot", Switch),
    known(Room::Pkcs11, "create_slots_for_pins", Text),
    known(Room::Pkcs11, "init_sloppy", Switch),
    known(Room::Pkcs11, "lock_login", Switch),
    known(Room::Pkcs11, "max_virtual_slots", Number),
    known(Room::Pkcs11, "slots_per_card", Number),
    known(Room::Pkcs11, "user_pin_unblock_style", Text),
    known(Room::CardDriver, "can", Text),
    since(27, Room::CardDriver, "can_use_cache", Switch),
    known(Room::CardDriver, "disable_hw_pkcs1_padding", Text),
    known(Room::CardDriver, "module", Path),
    since(24, Room::CardDriver, "piv_pairing_code", Text),
    since(24, Room::CardDriver, "piv_use_sm", Text),
    known(Room::CardDriver, "st_certificate", Path),
    known(Room::CardDriver, "st_dv_certificate", Path),
    known(Room::CardDriver, "st_key", Path),
    known(Room::CardDriver, "user_consent_app", Path),
    known(Room::CardDriver, "user_consent_enabled", Switch),
    known(Room::Card, "aid", Text),
    known(Room::CardAtr, "atrmask", Text),
    known(Room::CardAtr, "driver", Driver),
    known(Room::CardAtr, "flags", List),
    known(Room::CardAtr, "force_protocol", Text),
    known(Room::CardAtr, "md_*", Text),
    known(Room::CardAtr, "name", Text),
    known(Room::CardAtr, "notify_*", Text),
    known(Room::CardAtr, "pkcs11_enable_InitToken", Switch),
    known(Room::CardAtr, "read_only", Switch),
    known(Room::CardAtr, "secure_messaging", Text),
    known(Room::CardAtr, "type", Number),
    known(Room::SecureMessaging, "flags", Text),
    known(Room::SecureMessaging, "ifd_serial", Text),
    known(Room::SecureMessaging, "keyset_*", Text),
    known(Room::SecureMessaging, "kmc", Text),
    known(Room::SecureMessaging, "mode", Text),
    known(Room::SecureMessaging, "module_data", Text),
    known(Room::SecureMessaging, "module_name", Text),
    known(Room::SecureMessaging, "module_path", Path),
    known(Room::Application, "disable", Text),
    known(Room::Application, "model", Text),
    since(24, Room::Application, "sign_pin", Text),
    known(Room::Application, "type", Text),
    since(24, Room::Application, "user_pin", Text),
    known(Room::Emulate, "function", Text),
    known(Room::Emulate, "module", Path),
    known(Room::Pkcs15Init, "module", Path),
    known(Room::Pkcs15Init, "profile", Text),
];

/// What older releases than 0.19 looked for, and what took its place.
const OLD: &[(&str, &str)] = &[
    ("cache_pins", "use_pin_caching"),
    ("connect_reset", "disconnect_action"),
    ("force_card_driver", "card_drivers"),
    ("num_slots", "slots_per_card"),
    ("transaction_reset", "transaction_end_action"),
    ("use_caching", "use_file_caching"),
];

/// The word is not a near miss of anything if more than one letter in so many is wrong.
const LETTERS_PER_MISTAKE: usize = 4;

impl Known {
    /// Whether this is the setting of that name.
    #[must_use]
    pub fn is_called(&self, key: &[u8]) -> bool {
        match self.name.strip_suffix('*') {
            Some(start) => key.get(..start.len()).is_some_and(|k| k.eq_ignore_ascii_case(start.as_bytes())),
            None => key.eq_ignore_ascii_case(self.name.as_bytes()),
        }
    }

    fn is_in(&self, version: Version) -> bool {
        version.major > 0 || self.releases.contains(&version.minor)
    }
}

impl Room {
    /// Where it is, in words.
    #[must_use]
    pub const fn place(self) -> &'static str {
        match self {
            Self::App => "directly in an app block",
            Self::Framework => "in framework pkcs15 { } inside an app block",
            Self::Tokend => "in framework tokend { } inside app tokend",
            Self::Pcsc => "in reader_driver pcsc { } inside an app block",
            Self::CtApi => "in reader_driver ctapi { } inside an app block",
            Self::OpenCt => "in reader_driver openct { } inside an app block",
            Self::CtApiModule => "in module FILE { } inside reader_driver ctapi { }",
            Self::Pkcs11 => "in pkcs11 { } inside an app block",
            Self::CardDriver => "in card_driver NAME { } inside an app block",
            Self::Card => "in card gemsafeV1 { } inside an app block",
            Self::CardAtr => "in card_atr ATR { } inside an app block",
            Self::SecureMessaging => "in secure_messaging NAME { } inside an app block",
            Self::Application => "in application AID { } inside framework pkcs15 { }",
            Self::Emulate => "in emulate NAME { } inside framework pkcs15 { }",
            Self::Pkcs15Init => "in pkcs15init NAME { } inside framework pkcs15 { }",
        }
    }

    /// The blocks around a setting in an `app` block, where they can be written down without a name of one's own.
    #[must_use]
    pub const fn wrapping(self) -> Option<&'static [&'static str]> {
        match self {
            Self::App => Some(&[]),
            Self::Framework => Some(&["framework pkcs15"]),
            Self::Pcsc => Some(&["reader_driver pcsc"]),
            Self::Pkcs11 => Some(&["pkcs11"]),
            Self::Tokend
            | Self::CtApi
            | Self::OpenCt
            | Self::CtApiModule
            | Self::CardDriver
            | Self::Card
            | Self::CardAtr
            | Self::SecureMessaging
            | Self::Application
            | Self::Emulate
            | Self::Pkcs15Init => None,
        }
    }

    /// Of several such blocks in the blocks of a program only the first is read.
    #[must_use]
    pub const fn first_wins(self) -> bool {
        matches!(self, Self::Framework | Self::Pcsc | Self::CtApi | Self::OpenCt | Self::Pkcs11)
    }
}

/// What a block in another is; none if OpenSC looks for no such block there.
#[must_use]
pub fn block(inside: Room, key: &[u8], name: &[u8]) -> Option<Room> {
    let is = |known: &&(Room, &str, Option<&str>, Room)| {
        let (room, known, only, _) = known;
        *room == inside
            && key.eq_ignore_ascii_case(known.as_bytes())
            && only.is_none_or(|only| name.eq_ignore_ascii_case(only.as_bytes()))
    };
    BLOCKS.iter().find(is).map(|(.., room)| *room)
}

/// The setting of this name in a block.
#[must_use]
pub fn setting(room: Room, key: &[u8], version: Version) -> Option<&'static Known> {
    named(key, version).find(|known| known.room == room)
}

/// Is this what a block or a setting is called, wherever?
#[must_use]
pub fn is_word(key: &[u8]) -> bool {
    let is = |word: &str| key.eq_ignore_ascii_case(word.as_bytes());
    SETTINGS.iter().any(|known| known.is_called(key))
        || BLOCKS.iter().any(|(_, word, only, _)| is(word) || only.is_some_and(is))
}

/// The settings of this name, wherever.
pub fn named(key: &[u8], version: Version) -> impl Iterator<Item = &'static Known> {
    SETTINGS.iter().filter(move |known| known.is_called(key) && known.is_in(version))
}

/// Whether other releases have a setting of this name in the block.
#[must_use]
pub fn other_releases(room: Room, key: &[u8]) -> Option<&'static RangeInclusive<u16>> {
    SETTINGS.iter().find(|known| known.room == room && known.is_called(key)).map(|known| &known.releases)
}

/// Whether older releases than those that are reckoned with looked for it.
#[must_use]
pub fn is_old(key: &[u8]) -> bool {
    OLD.iter().any(|(old, _)| key.eq_ignore_ascii_case(old.as_bytes()))
}

/// The setting that may be meant by a name that OpenSC does not look for: what took its place, or what is spelt almost
/// so; of several the one in `room`.
#[must_use]
pub fn nearest(room: Option<Room>, key: &[u8], version: Version) -> Option<&'static Known> {
    let word = plain(key)?;
    let all = || SETTINGS.iter().filter(|known| known.is_in(version) && !known.name.ends_with('*'));
    let meant = OLD.iter().find(|(old, _)| *old == word).map(|(_, new)| *new);
    let distance = |known: &Known| {
        let name = known.name.to_ascii_lowercase();
        let room = usize::from(Some(known.room) != room);
        if meant == Some(known.name) || name == word {
            return Some((0, room));
        }
        let wrong = strsim::damerau_levenshtein(&name, &word);
        // All its words are words of the name: `file_caching`.
        let words = |text: &str| text.split('_').map(str::to_owned).collect::<Vec<_>>();
        let is_part = word.contains('_') && words(&word).iter().all(|part| words(&name).contains(part));
        let goes_on = word.len() > 8 && (word.starts_with(&name) || name.starts_with(&word));
        let most = (word.len() / LETTERS_PER_MISTAKE).max(1);
        (wrong <= most || is_part || goes_on).then_some((wrong, room))
    };
    all()
        .filter_map(|known| Some((distance(known)?, known)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, k)| k)
}

/// The key of a block that may be meant by one that OpenSC does not look for in `room`.
#[must_use]
pub fn nearest_block(room: Room, key: &[u8], name: &[u8]) -> Option<String> {
    let (word, name) = (plain(key)?, plain(name)?);
    let near = |known: &&(Room, &str, Option<&str>, Room)| {
        let (_, key, only, _) = known;
        let wrong = strsim::damerau_levenshtein(key, &word)
            + only.map_or(0, |only| strsim::damerau_levenshtein(&only.to_ascii_lowercase(), &name));
        wrong <= (word.len() / LETTERS_PER_MISTAKE).max(1)
    };
    let (_, key, only, _) = BLOCKS.iter().filter(|known| known.0 == room).find(near)?;
    Some(only.map_or_else(|| (*key).to_owned(), |only| format!("{key} {only}")))
}

/// As names of settings are written: lower case, no dashes. Nothing longer than any of them is compared.
fn plain(key: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(key).ok().filter(|text| text.len() <= 40)?;
    Some(text.to_ascii_lowercase().replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const V: Version = Version::of(23);

    #[test]
    fn what_is_meant_by_a_near_miss() {
        for (typed, meant) in [
            ("use_caching", Some("use_file_caching")),
            ("use-file-caching", Some("use_file_caching")),
            ("use_file_cache", Some("use_file_caching")),
            ("file_caching", Some("use_file_caching")),
            ("cache_dir", Some("file_cache_dir")),
            ("file_cache_directory", Some("file_cache_dir")),
            ("enable_pinpads", Some("enable_pinpad")),
            ("card_driver", Some("card_drivers")),
            ("force_card_driver", Some("card_drivers")),
            ("ignore_readers", Some("ignored_readers")),
            ("something_else", None),
            ("x", None),
        ] {
            assert_eq!(nearest(None, typed.as_bytes(), V).map(|known| known.name), meant, "{typed}");
        }
    }

    #[test]
    fn releases_differ() {
        let at = |minor, room, key: &str| setting(room, key.as_bytes(), Version::of(minor)).is_some();
        assert!(!at(26, Room::App, "openssl_config") && at(27, Room::App, "OpenSSL_config"));
        assert!(at(23, Room::CardAtr, "md_guid_as_id") && !at(23, Room::App, "md_guid_as_id"));
    }

    #[test]
    fn each_name_stands_once_in_a_block() {
        for (index, one) in SETTINGS.iter().enumerate() {
            assert!(
                !SETTINGS
                    .iter()
                    .skip(index + 1)
                    .any(|other| (one.room, one.name) == (other.room, other.name))
            );
        }
        assert!(OLD.iter().all(|(_, new)| SETTINGS.iter().any(|known| known.name == *new)));
    }
}
