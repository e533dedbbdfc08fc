//! Which programs see which cards at all, as far as their settings decide: readers, slots, drivers, and p11-kit in front of
//! the module.

use std::collections::{BTreeMap, BTreeSet};

use super::driver_choice::{Choices, driver};
use crate::case::config::source;
use crate::case::visibility::{Hidden, Unregistered, Why};
use crate::finding::Evidence;
use crate::opensc::Program;
use crate::opensc::card_driver::DriverName;
use crate::opensc::config::Configuration;
use crate::opensc::emulation::Denied;
use crate::opensc::p11_kit::registered;
use crate::opensc::program::{PKCS11, module_places};
use crate::snapshot::{Card, ConfigState, Gap, GapKind, Snapshot};
use crate::text::escape;
use crate::view::{Layout, layout};

/// Programs and the cards that they do not see.
pub(super) fn hidden(
    snapshot: &Snapshot,
    cards: &[Card],
    configuration: &Configuration<'_>,
    programs: &[Program],
    choices: &Choices,
) -> Vec<Hidden> {
    let mut found = Vec::new();
    for program in programs {
        let names = configuration.driver_names(program);
        let unknown: Vec<DriverName> = names.iter().filter(|name| !name.known).cloned().collect();
        let at = |range: Option<&std::ops::Range<usize>>, note: &str| -> Option<Evidence> {
            let (path, text) = configuration.text()?;
            Some(source(path, text, range?, note, None))
        };
        let of_drivers = |by: String, wanted: Option<String>| {
            let wants_default = unknown.is_empty() && names.iter().any(|name| name.name == "default");
            let place = unknown.first().or(names.first()).and_then(|name| name.at.as_ref());
            let evidence = at(
                place,
                if unknown.is_empty() { "the list of drivers" } else { "no OpenSC has this driver" },
            );
            (Why::NoDriver { by, unknown: unknown.clone(), wants_default, wanted }, evidence)
        };
        if cards.is_empty() {
            if !names.is_empty() && names.len() == unknown.len() {
                let (why, evidence) = of_drivers("the list of drivers".to_owned(), None);
                found.push(Hidden {
                    program: program.label.clone(),
                    reader: None,
                    token: None,
                    part: None,
                    why,
                    evidence,
                });
            }
            continue;
        }
        let readers = configuration.readers(program).unwrap_or_default();
        let is_module = program.app_name == PKCS11;
        // Of the readers that are not ignored, how many come before each.
        let mut before = BTreeMap::new();
        let mut counted = 0;
        for other in &snapshot.readers {
            before.entry(other.name.as_str()).or_insert(counted);
            counted += usize::from(readers.ignores(&other.name).is_none());
        }
        // Each application of a card is there once.
        let mut seen = BTreeSet::new();
        for card in cards.iter().filter(|card| seen.insert(card.reader.as_str())) {
            let layout = layout(card.family);
            let emulation = layout.and_then(Layout::emulation);
            let denied = || configuration.denies(program, emulation?);
            let signature_pin = layout.and_then(Layout::signature_pin);
            let is_listed = before.contains_key(card.reader.as_str());
            let before = before.get(card.reader.as_str()).copied().unwrap_or(counted);
            let cause = if let Some((word, range)) = readers.ignores(&card.reader) {
                Some((Why::Ignored(escape(word)), at(Some(range), "part of the reader's name")))
            } else if let Some(by) = choices.refused_by(card, &program.label) {
                let wanted = layout.is_some().then(|| driver(card).to_owned());
                Some(of_drivers(by.to_owned(), wanted))
            } else if is_module && is_listed && !readers.has_slot(before) {
                let per_card = readers.per_card.value;
                let needed = u64::try_from(before + 1).unwrap_or(u64::MAX).saturating_mul(per_card.into());
                let place = if per_card == 0 { &readers.per_card.at } else { &readers.most.at };
                let evidence = at(place.as_ref(), "too few");
                Some((Why::NoSlot { most: readers.most.value, per_card, needed }, evidence))
            } else if let Some(Denied { key, value, at: place }) = denied() {
                let wanted = emulation.unwrap_or_default();
                let why = Why::NoEmulation { key, value: escape(&value), wanted };
                Some((why, at(Some(&place), "without it there is no token of this card")))
            } else if let Some((pins, place)) = readers.pins.as_ref().filter(|_| is_module) {
                let is_whole = if signature_pin.is_some() { pins.user && pins.sign } else { pins.user };
                let why = Why::NoSlotForPin(escape(&pins.text), pins.user || pins.sign);
                (!is_whole).then(|| (why, at(Some(place), "for these PINs")))
            } else {
                None
            };
            if let Some((why, evidence)) = cause {
                let part = match (&why, &readers.pins, signature_pin) {
                    (Why::NoSlotForPin(_, true), Some((pins, _)), Some([user, sign])) => {
                        Some(if pins.user { sign } else { user }.to_owned())
                    }
                    _ => None,
                };
                found.push(Hidden {
                    program: program.label.clone(),
                    reader: Some(escape(card.reader.as_bytes())),
                    token: card.serial.as_ref().map(|serial| escape(serial.as_bytes())),
                    part,
                    why,
                    evidence,
                });
            }
        }
    }
    found
}

/// Programs that are told to look for readers by way of another PC/SC library than the usual one: whether that is there, and what
/// it sees, was not looked at.
pub(super) fn libraries(configuration: &Configuration<'_>, programs: &[Program]) -> Vec<Gap> {
    let of_program = |program: &Program| {
        let (library, range) = configuration.readers(program)?.library?;
        let (path, text) = configuration.text()?;
        let place = source(path, text, &range, "", None).source?;
        Some(Gap::new(
            GapKind::OpenSc,
            true,
            format!("{}, which readers it sees", program.label),
            format!(
                "provider_library = {} at {}:{} names a PC/SC library of its own; take it out, or ask that program",
                escape(&library),
                place.file,
                place.line
            ),
        ))
    };
    programs.iter().filter_map(of_program).collect()
}

/// What p11-kit does not do with OpenSC's module; nothing where there is no p11-kit, or no card that somebody would miss.
pub(super) fn unregistered(snapshot: &Snapshot) -> Vec<Unregistered> {
    let known =
        snapshot.p11_kit.as_ref().filter(|_| !snapshot.cards.is_empty() && !snapshot.opensc.is_empty());
    let Some((known, modules)) = known.and_then(|known| Some((known, registered(known)?))) else {
        return Vec::new();
    };
    if modules.is_empty() {
        let beside = snapshot.opensc.first().and_then(|own| module_places(&own.library).into_iter().next());
        return vec![Unregistered::Unknown(beside.map(|path| path.to_string()))];
    }
    // One module that everybody gets is enough.
    if modules.iter().any(|module| module.only.is_none()) {
        return Vec::new();
    }
    let kept = modules.into_iter().filter_map(|module| module.only).filter_map(|only| {
        let file = known.system.iter().chain(&known.user).find(|file| file.path == only.file)?;
        let ConfigState::Text(text) = &file.state else { return None };
        let evidence = source(&file.path, text.as_slice(), &only.range, "these programs", None);
        Some(Unregistered::Kept {
            enables: only.enables,
            programs: only.programs,
            evidence: Box::new(evidence),
        })
    });
    kept.collect()
}
