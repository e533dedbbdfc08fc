//! Whether programs cache cards that are not read here, where no setting tells: then it depends on the driver, and which
//! that is OpenSC alone knows. What it did when it was asked tells; where it was not, or had nothing to answer from, that
//! is open, and is not called off.

use crate::case::tokens::Tokens;
use crate::opensc::differences::{EITHER_DRIVER, drivers_cached_by_default};
use crate::opensc::{CacheLocation, Caching, Outcome, Program, Situation, Version};
use crate::snapshot::{AskKind, Card, Snapshot};
use crate::text::escape;
use crate::verdict::{CachingState, ProgramState};
use crate::view::layout;

/// Puts a line for each such card beside those of the drivers of the cards that are read; in their place, if none is.
pub(super) fn apply(of: &Tokens<'_>, programs: &mut Vec<ProgramState>) {
    let mut unread: Vec<&Card> = Vec::new();
    for card in of.cards.iter().copied().filter(|card| layout(card.family).is_none()) {
        if !unread.iter().any(|known| known.reader == card.reader && known.atr == card.atr) {
            unread.push(card);
        }
    }
    let Some(version) = of.version.filter(|_| !unread.is_empty()) else { return };
    let is_alone = of.cards.len() == unread.len() && unread.len() == 1;
    for (name, dir) in depending(of.snapshot, version) {
        let Some(usual) = programs.iter().position(|state| state.name == name) else { continue };
        let own: Vec<ProgramState> = unread
            .iter()
            .filter_map(|card| {
                let state = state(of.snapshot, card, version, programs.get(usual)?, dir.as_deref());
                let card = card.serial.as_ref().map_or_else(
                    || format!("card in reader {}", escape(card.reader.as_bytes())),
                    |serial| format!("card {}", escape(serial.as_bytes())),
                );
                Some(if is_alone {
                    state
                } else {
                    ProgramState { name: format!("{name} ({card})"), ..state }
                })
            })
            .collect();
        let behind = if of.cases.is_empty() { usual..=usual } else { usual + 1..=usual };
        programs.splice(behind, own);
    }
}

/// The programs for which it depends on the driver, with the directory that they would cache in.
fn depending(snapshot: &Snapshot, version: Version) -> Vec<(String, Option<String>)> {
    let situation = Situation::of(snapshot);
    let configuration = situation.configuration();
    let depends = |program: &Program| {
        let of = |driver| {
            let outcome = configuration.outcome(program, Some(driver));
            match outcome.in_environment(Some(version), &snapshot.user.env) {
                Outcome::Runs(effective) => Some(effective),
                Outcome::Crashes(_) => None,
            }
        };
        let [listed, other] = EITHER_DRIVER.map(of);
        let (listed, other) = (listed?, other?);
        let is_so =
            matches!((&listed.caching, &other.caching), (Caching::Public | Caching::All, Caching::No));
        let dir = match &listed.cache_dir {
            CacheLocation::At { path, relative: false, .. } => Some(path.to_string()),
            _ => None,
        };
        is_so.then(|| (program.label.clone(), dir))
    };
    Program::judged(&snapshot.executables).iter().filter_map(depends).collect()
}

/// What a program does with the files of a card.
fn state(
    snapshot: &Snapshot,
    card: &Card,
    version: Version,
    usual: &ProgramState,
    dir: Option<&str>,
) -> ProgramState {
    let mut shown = snapshot
        .asks
        .iter()
        .filter(|ask| ask.kind == AskKind::Shown && ask.is_of(card) && ask.is_done())
        .filter(|ask| ask.programs.contains(&usual.name))
        .peekable();
    if shown.peek().is_none() {
        return ProgramState {
            caching: CachingState::Undecided,
            caching_text: format!(
                "depends on the driver of this card: on (public) by default for {} of OpenSC's, off for all others; \
                 nothing of it is cached here, so that was not seen",
                drivers_cached_by_default(version).len()
            ),
            cache_dir: dir.map(str::to_owned),
            ..usual.clone()
        };
    }
    match shown.find(|ask| ask.cached) {
        Some(ask) => ProgramState {
            caching: CachingState::Public,
            caching_text: "on for this card: OpenSC answered from its cache when it was asked".to_owned(),
            cache_dir: ask.directory.as_ref().map(ToString::to_string),
            ..usual.clone()
        },
        None => usual.clone(),
    }
}
