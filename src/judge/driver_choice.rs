//! What each program's settings make of the cards: whether its OpenSC takes the driver as whose card one was read.

use std::collections::{BTreeMap, BTreeSet};

use crate::card::family;
use crate::opensc::Program;
use crate::opensc::card_driver::{Choice, Taken};
use crate::opensc::config::Configuration;
use crate::opensc::differences::OTHER_DRIVER;
use crate::snapshot::{Card, Gap, GapKind};
use crate::text::escape;
use crate::view::layout;

/// The choices of all programs for all cards.
#[derive(Debug, Default)]
pub(crate) struct Choices {
    /// By the answer to reset: of a card no more is asked. A snapshot may hold the same one any number of times.
    by_atr: BTreeMap<Vec<u8>, Vec<Chosen>>,
    /// Where there is no card.
    absent: Vec<Chosen>,
}

#[derive(Debug)]
struct Chosen {
    program: String,
    choice: Choice,
}

/// What a program makes of a card.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It takes the driver as whose card it was read.
    Shows,
    /// It has no driver for it.
    Refuses,
    /// It takes another one, or it cannot be told.
    Open,
}

/// OpenSC's short name of the driver for a card; where that is not known, of one whose cards are not cached without a setting.
pub(crate) fn driver(card: &Card) -> &str {
    card.driver.as_deref().unwrap_or(OTHER_DRIVER)
}

impl Choices {
    pub fn of(cards: &[Card], configuration: &Configuration<'_>, programs: &[Program]) -> Self {
        let chosen = |atr: &[u8], usual: Option<&str>| -> Vec<Chosen> {
            let of_program = |program: &Program| Chosen {
                program: program.label.clone(),
                choice: configuration.driver(program, atr, usual),
            };
            programs.iter().map(of_program).collect()
        };
        let mut by_atr = BTreeMap::new();
        for card in cards {
            let atr = card.atr.as_slice();
            if !by_atr.contains_key(atr) {
                by_atr.insert(atr.to_vec(), chosen(atr, family::of_atr(atr).driver));
            }
        }
        let absent = if by_atr.is_empty() { chosen(&[], Some(OTHER_DRIVER)) } else { Vec::new() };
        Self { by_atr, absent }
    }

    /// What a program makes of a card.
    pub fn standing(&self, card: &Card, program: &str) -> Standing {
        // Nothing is set, and it was read as what its answer to reset tells; or it is of a kind that nothing tells.
        let usual = family::of_atr(card.atr.as_slice()).driver;
        let is_usual = usual.is_none_or(|usual| usual == driver(card));
        if is_usual && self.of_card(card).all(|chosen| chosen.choice.by.is_none()) {
            return Standing::Shows;
        }
        let is_read = layout(card.family).is_some();
        let mut of_card = self.of_card(card);
        match of_card.find(|chosen| chosen.program == program).map(|chosen| &chosen.choice) {
            None => Standing::Shows,
            Some(Choice { taken: Taken::By(name), .. }) if is_read && name == driver(card) => Standing::Shows,
            Some(Choice { taken: Taken::ByNobody, .. }) => Standing::Refuses,
            Some(_) => Standing::Open,
        }
    }

    fn of_card(&self, card: &Card) -> impl Iterator<Item = &Chosen> {
        self.by_atr.get(card.atr.as_slice()).into_iter().flatten()
    }

    /// The setting because of which a program has no driver for a card, if it has none.
    pub fn refused_by(&self, card: &Card, program: &str) -> Option<&str> {
        if self.standing(card, program) != Standing::Refuses {
            return None;
        }
        let chosen = self.of_card(card).find(|chosen| chosen.program == program)?;
        chosen.choice.by.as_deref()
    }

    /// What cannot be said of programs because their settings give a card to another driver, or to none.
    pub fn gaps(&self, cards: &[Card]) -> Vec<Gap> {
        let gap = |what, why, asked_for| Gap::new(GapKind::OpenSc, asked_for, what, why);
        let absent = |Chosen { program, choice }: &Chosen| match (&choice.taken, &choice.by) {
            (Taken::ByNobody | Taken::Unknown, Some(by)) => {
                let why =
                    format!("{by} replaces OpenSC's list of drivers: which cards it takes depends on that");
                Some(gap(format!("{program}, cards that are not here"), why, false))
            }
            _ => None,
        };
        let present = |card: &Card| -> Vec<Gap> {
            let reader = escape(card.reader.as_bytes());
            let of_program = |Chosen { program, choice }: &Chosen| {
                let (why, asked_for) = self.why(card, program, choice)?;
                Some(gap(format!("{program}, what it shows of the card in reader {reader}"), why, asked_for))
            };
            self.of_card(card).filter_map(of_program).collect()
        };
        let mut said = BTreeSet::new();
        let mut gaps: Vec<Gap> = self.absent.iter().filter_map(absent).collect();
        gaps.extend(cards.iter().flat_map(present));
        gaps.retain(|gap| said.insert((gap.what.clone(), gap.why.clone())));
        gaps
    }

    /// Why a program does not show what was read of a card, and whether that leaves something open.
    fn why(&self, card: &Card, program: &str, choice: &Choice) -> Option<(String, bool)> {
        let is_read = layout(card.family).is_some();
        let why = match (self.standing(card, program), &choice.taken, &choice.by) {
            (Standing::Open, Taken::By(name), Some(by)) => {
                let name = escape(name.as_bytes());
                format!("{by} gives it to OpenSC's driver {name}, as whose card it was not read")
            }
            (Standing::Open, _, Some(by)) => {
                format!("{by}: which driver takes it, only the card could tell")
            }
            // OpenSC asks it for one application after the other.
            (Standing::Open, _, None) if is_read => {
                format!("nothing tells it to take driver {}, as whose card it was read", driver(card))
            }
            _ => return None,
        };
        Some((why, is_read))
    }
}
