//! What each program does with caches: whether it reads one and which, by the driver of a card.

use crate::case::tokens::CachingProgram;
use crate::judge::driver_choice::driver;
use crate::opensc::config::{FileUse, Written};
use crate::opensc::{CacheLocation, Caching, Outcome, Program, Version, differences};
use crate::snapshot::{Card, Gap, GapKind, Snapshot, Whose};
use crate::verdict::{CachingState, ProgramState};
use crate::view::layout;

/// What a program does with a driver's cards.
pub(super) type OfDriver = (Program, String, Outcome);

/// What programs do with the caches of a user.
pub(super) fn programs(
    outcomes: &[OfDriver],
    version: Option<Version>,
    snapshot: &Snapshot,
) -> Vec<CachingProgram> {
    let env = &snapshot.user.env;
    let mut programs: Vec<CachingProgram> = outcomes
        .iter()
        .map(|(program, driver, outcome)| {
            caching_program(program, driver, &outcome.in_environment(version, env), version)
        })
        .collect();
    if snapshot.whose == Whose::Directories {
        programs.iter_mut().for_each(|program| read_what_is_named(program, snapshot));
    }
    // Where it depends on the driver, each line says of whose cards it speaks.
    let lines: Vec<ProgramState> = programs.iter().map(|program| program.state.clone()).collect();
    for program in &mut programs {
        let differs = |state: &ProgramState| state.name == program.name && *state != program.state;
        if lines.iter().any(differs) {
            program.state.name = format!("{} (cards of driver {})", program.name, program.driver);
        }
    }
    programs
}

/// Directories that were named are judged as if they were the cache of each program that has one.
fn read_what_is_named(program: &mut CachingProgram, snapshot: &Snapshot) {
    if program.state.caching.is_on() {
        program.reads = snapshot.caches.iter().map(|dir| dir.path.clone()).collect();
        let named: Vec<String> = program.reads.iter().map(ToString::to_string).collect();
        program.state.cache_dir = Some(named.join(", "));
        program.undecided = false;
    }
}

/// What cannot be said of OpenSC on this host.
pub(super) fn host_gaps(snapshot: &Snapshot, programs: &[CachingProgram]) -> Vec<Gap> {
    let mut gaps = Vec::new();
    if snapshot.opensc.is_empty() {
        gaps.push(Gap::new(
            GapKind::OpenSc,
            false,
            "OpenSC".to_owned(),
            "no libopensc was found on this host; no program reads a cache here".to_owned(),
        ));
    }
    for program in programs {
        let (what, why) = match (program.undecided, program.state.caching) {
            (_, CachingState::Crashes) => ("what it shows", Some(&program.state.caching_text)),
            (true, CachingState::Undecided) => ("whether it caches", Some(&program.state.caching_text)),
            (true, _) => ("its cache", program.state.cache_dir.as_ref()),
            (false, _) => continue,
        };
        gaps.push(Gap::new(
            GapKind::OpenSc,
            true,
            format!("{}, {what}", program.name),
            why.cloned().unwrap_or_default(),
        ));
    }
    gaps
}

/// The drivers of the cards that were read, each once.
pub(super) fn drivers(cards: &[Card]) -> Vec<String> {
    let mut drivers: Vec<String> = Vec::new();
    for card in cards.iter().filter(|card| layout(card.family).is_some()) {
        if !drivers.iter().any(|known| known == driver(card)) {
            drivers.push(driver(card).to_owned());
        }
    }
    if drivers.is_empty() {
        drivers.push(differences::OTHER_DRIVER.to_owned());
    }
    drivers
}

fn caching_program(
    program: &Program,
    driver: &str,
    outcome: &Outcome,
    version: Option<Version>,
) -> CachingProgram {
    let opensc = version.map(|version| version.to_string());
    let name = program.label.clone();
    let driver = driver.to_owned();
    let effective = match outcome {
        Outcome::Runs(effective) => effective,
        Outcome::Crashes(crash) => {
            let state = ProgramState {
                name: name.clone(),
                caching: CachingState::Crashes,
                caching_text: crash.to_string(),
                set_at: None,
                cache_dir: None,
                opensc,
            };
            return CachingProgram { name, driver, state, reads: Vec::new(), undecided: false };
        }
    };
    let set_at = match (&effective.file, &effective.use_file_caching) {
        (FileUse::Read(path), Some(Written { value: Some(_), at })) => Some(format!("{path}:{at}")),
        _ => None,
    };
    let origin = match (&effective.file, &effective.use_file_caching) {
        (FileUse::Read(path), Some(Written { value: Some(value), at })) => {
            format!("use_file_caching = {value} in {path}:{at}")
        }
        (FileUse::Read(path), _) => format!("default, {path} does not set it"),
        (FileUse::Missing(path), _) => format!("default, there is no {path}"),
        (FileUse::Dropped(path, error), _) => format!("default, OpenSC cannot parse {path}:{error}"),
        (FileUse::Unknown(why), _) => why.clone(),
    };
    let cached = version.is_none_or(|version| differences::is_cached(version, &driver));
    let (caching, text, on, undecided) = match &effective.caching {
        Caching::No => (CachingState::No, format!("off ({origin})"), false, false),
        Caching::Public if cached => (CachingState::Public, format!("on ({origin})"), true, false),
        Caching::All if cached => {
            (CachingState::Yes, format!("on, private data too ({origin})"), true, false)
        }
        Caching::Public | Caching::All => {
            (CachingState::No, "this version of OpenSC does not cache this card".to_owned(), false, false)
        }
        Caching::Undecided(why) => (CachingState::Undecided, format!("undecided: {why}"), false, true),
    };
    let (reads, dir) = match &effective.cache_dir {
        CacheLocation::At { path, relative: false, .. } => (on.then(|| path.clone()), Some(path.to_string())),
        CacheLocation::At { path, .. } => {
            (None, Some(format!("{path} (relative to where a program is started)")))
        }
        CacheLocation::Nowhere(why) => (None, Some(format!("none: {why}"))),
        CacheLocation::Undecided(why) => (None, Some(format!("undecided: {why}"))),
    };
    // A cache that is on, but somewhere that cannot be told, decides nothing either.
    let undecided = undecided
        || (on
            && matches!(
                effective.cache_dir,
                CacheLocation::At { relative: true, .. } | CacheLocation::Undecided(_)
            ));
    let state = ProgramState {
        name: name.clone(),
        caching,
        caching_text: text,
        set_at,
        cache_dir: dir.filter(|_| caching != CachingState::No),
        opensc,
    };
    CachingProgram { name, driver, state, reads: reads.into_iter().collect(), undecided }
}
