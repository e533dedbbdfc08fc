//! `token-not-visible`: a program does not see the card, because of its settings
//!
//! The card is in the reader and well, and a program says "No slots.", "No smart card readers found." or "Card is invalid or
//! cannot be handled". What keeps the card away from it stands in `opensc.conf`, or is OpenSC's built-in limit:
//!
//! - `ignored_readers`: a word of it is part of the reader's name (an empty word is part of every name);
//! - `max_virtual_slots` and `slots_per_card`: each reader takes slots, empty ones too, 4 each by default, and by default
//!   there are 16: a card in the fifth reader has none, and so no PKCS#11 application sees it. `pkcs15-tool` does;
//! - `card_drivers` (or `OPENSC_DRIVER`): the list lacks the card's driver, or names one that no OpenSC has, as `piv` for
//!   `PIV-II`; `default` takes a card only with `enable_default_driver = true;`;
//! - `enable_pkcs15_emulation`, `enable_builtin_emulation` and `builtin_emulators`: of a SmartCard-HSM, a PIV and an OpenPGP card
//!   there is no token without its emulation, whose name in the list counts letter by letter;
//! - `create_slots_for_pins`: without `user` (or `all`) applications have no slot for the PIN of most cards; without `sign` the
//!   signature key of an OpenPGP card is missing.
//!
//! Or the program finds its modules by p11-kit, and that gives it none of OpenSC's: no file `*.module` names it, or one
//! keeps it to some programs (`enable-in`) or away from them (`disable-in`).
//!
//! It is an error where no program sees the card, or where the setting cannot mean what it does; where it does what it says
//! for one program, it is told for whoever wonders why that program sees nothing.
//!
//! Cure: change the line that the finding names.

use crate::case::visibility::{Hidden, Unregistered, Why};
use crate::finding::{Deed, Finding, Id, Remedy, Severity};
use crate::opensc::card_driver::DriverName;
use crate::opensc::program::PKCS11_FILE;
use crate::text::count;

/// What is said of programs that name no module themselves.
const BY_P11_KIT: &str = "programs that find their modules by p11-kit";

/// Applies the rule to what so many programs do not see.
#[must_use]
pub fn apply(hidden: &[Hidden], judged: usize) -> Vec<Finding> {
    let mut groups: Vec<Vec<&Hidden>> = Vec::new();
    for one in hidden {
        let same = |known: &&mut Vec<&Hidden>| {
            known.first().is_some_and(|first| {
                (&first.reader, &first.part, &first.why, &first.evidence)
                    == (&one.reader, &one.part, &one.why, &one.evidence)
            })
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    let whole = || hidden.iter().filter(|one| one.part.is_none());
    let blind = |reader: &Option<String>| whole().filter(|one| one.reader == *reader).count() >= judged;
    groups.iter().filter_map(|group| finding(group, blind(&group.first()?.reader))).collect()
}

fn finding(group: &[&Hidden], blind: bool) -> Option<Finding> {
    let first = group.first()?;
    let programs: Vec<String> = group.iter().map(|one| one.program.clone()).collect();
    let card = first
        .reader
        .as_ref()
        .map_or_else(|| "any card".to_owned(), |reader| format!("the card in reader {reader}"));
    let (summary, consequence, fix) = told(first, &programs, &card);
    let mut finding = Finding::new(Id::TokenNotVisible, summary, consequence.to_owned());
    let blind = blind && first.part.is_none();
    if !blind && !first.why.is_mistake() {
        finding.severity = Severity::Info;
    }
    finding.token.clone_from(&first.token);
    finding.place.clone_from(&first.reader);
    finding.program = programs;
    let place = first.evidence.as_ref().and_then(|evidence| evidence.source.as_ref());
    let place = place.map_or_else(String::new, |at| format!(", at {}:{}:{}", at.file, at.line, at.column));
    finding.evidence.extend(first.evidence.clone());
    finding.fix.push(Remedy::new(format!("{fix}{place}"), Deed::EditConfiguration));
    Some(finding)
}

/// What is wrong, what people see of it, and what to do.
fn told(first: &Hidden, programs: &[String], card: &str) -> (String, &'static str, String) {
    let who = programs.join(" and ");
    let does = if programs.len() == 1 { "does" } else { "do" };
    let has = if programs.len() == 1 { "has" } else { "have" };
    match &first.why {
        Why::Ignored(word) => (
            format!("{who} {does} not see {card}: \"{word}\" in ignored_readers is part of its name."),
            "The reader is not there for it: \"No slots.\", or \"No smart card readers found.\"",
            format!("take \"{word}\" out of ignored_readers"),
        ),
        Why::NoSlot { per_card: 0, .. } => (
            format!("{who} {has} no slot for {card}: slots_per_card is 0, or no number."),
            "PKCS#11 applications say \"No slots.\"",
            "set slots_per_card = 4; in block pkcs11 of app opensc-pkcs11".to_owned(),
        ),
        Why::NoSlot { most, per_card, needed } => (
            format!(
                "{who} {has} no slot for {card}: the readers before it take all {most} (max_virtual_slots), {per_card} \
                 each (slots_per_card)."
            ),
            "PKCS#11 applications do not list it; pkcs15-tool does.",
            format!(
                "set max_virtual_slots = {needed}; in block pkcs11 of app opensc-pkcs11, or unplug readers"
            ),
        ),
        Why::NoEmulation { key, value, wanted } => {
            let fix = if *key == "builtin_emulators" {
                format!("add {wanted} to builtin_emulators")
            } else {
                format!("set {key} = yes;")
            };
            (
                format!(
                    "{who} {does} not list {card}: {key} = {value} takes away OpenSC's emulation {wanted}."
                ),
                "It says \"Unsupported card\", or shows an empty slot.",
                fix,
            )
        }
        Why::NoSlotForPin(text, _) => {
            let what =
                first.part.as_ref().map_or_else(|| card.to_owned(), |part| format!("{part} of {card}"));
            (
                format!(
                    "{who} {has} no slot for {what}: create_slots_for_pins = \"{text}\" names other PINs, or none."
                ),
                "PKCS#11 applications show no token, or not all of its keys; pkcs15-tool does.",
                "set create_slots_for_pins = all;".to_owned(),
            )
        }
        Why::NoDriver { by, unknown, wants_default, wanted } => {
            let (why, fix) = no_driver(unknown, *wants_default, wanted.as_deref());
            (
                format!("{who} {has} no driver for {card}: {by}; {why}."),
                "It says \"Card is invalid or cannot be handled\", or shows an empty slot.",
                fix,
            )
        }
    }
}

/// Why no driver takes a card, and what to do.
fn no_driver(unknown: &[DriverName], wants_default: bool, wanted: Option<&str>) -> (String, String) {
    let why = match unknown {
        [] if wants_default => "the driver default takes it only if it is switched on".to_owned(),
        [] => "none of these drivers takes it".to_owned(),
        some => {
            let names: Vec<&str> = some.iter().take(4).map(|name| name.name.as_str()).collect();
            format!(
                "no OpenSC has {} {}",
                if names.len() == 1 { "a driver" } else { "drivers" },
                names.join(", ")
            )
        }
    };
    let meant: Vec<String> = unknown
        .iter()
        .filter_map(|name| {
            // The name of another card's driver does not help this one.
            let meant = name.meant.filter(|meant| wanted.is_none_or(|own| own == *meant))?;
            Some(format!("write {meant} in place of {}", name.name))
        })
        .collect();
    let fix = match meant.as_slice() {
        [] if wants_default => "set enable_default_driver = true; beside it".to_owned(),
        [] => match wanted {
            Some(own) => format!("add {own} to the list, or internal for OpenSC's own list"),
            None => "add the card's driver to the list, or internal for OpenSC's own list".to_owned(),
        },
        all => all.join(", "),
    };
    (why, fix)
}

/// The same for p11-kit in front of the module.
#[must_use]
pub fn by_p11_kit(unregistered: &[Unregistered]) -> Vec<Finding> {
    let told = unregistered.iter().map(|one| {
        let (summary, fix, evidence) = match one {
            Unregistered::Unknown(module) => {
                let module = module.as_deref().unwrap_or(PKCS11_FILE);
                (
                    "p11-kit knows no module of OpenSC: programs that find their modules by it do not see any card.".to_owned(),
                    format!("write a file /etc/pkcs11/modules/opensc.module with the line: module: {module}"),
                    None,
                )
            }
            Unregistered::Kept { enables, programs, evidence } => {
                let some = programs.iter().take(4).cloned().collect::<Vec<_>>().join(", ");
                let more = programs.len().checked_sub(4).filter(|more| *more > 0);
                let more = more.map_or_else(String::new, |more| format!(" and {}", count(more, "other", "others")));
                let place = evidence.source.as_ref();
                let place = place.map_or_else(String::new, |at| format!(" at {}:{}", at.file, at.line));
                let (what, key) = if *enables {
                    (format!("p11-kit gives OpenSC's module to {some}{more} only (enable-in)."), "enable-in")
                } else {
                    (format!("p11-kit does not give OpenSC's module to {some}{more} (disable-in)."), "disable-in")
                };
                (what, format!("change {key}{place}"), Some((**evidence).clone()))
            }
        };
        let consequence = "That is what it is told to do; whoever names the module itself is not concerned.";
        let mut finding = Finding::new(Id::TokenNotVisible, summary, consequence.to_owned());
        finding.severity = Severity::Info;
        finding.program.push(BY_P11_KIT.to_owned());
        finding.evidence.extend(evidence);
        finding.fix.push(Remedy::by_hand(fix));
        finding
    });
    told.collect()
}
