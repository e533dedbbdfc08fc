//! What keeps a card, or OpenSC's module itself, away from programs: settings, each with its place.

use crate::finding::Evidence;
use crate::opensc::card_driver::DriverName;

/// A program that does not see a card. Text is escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hidden {
    /// The program.
    pub program: String,
    /// The reader; none: it sees no card in any.
    pub reader: Option<String>,
    /// The card's serial number, if it is known.
    pub token: Option<String>,
    /// The label of what it does not see, if it sees another part of the card.
    pub part: Option<String>,
    /// By what.
    pub why: Why,
    /// Where that is set.
    pub evidence: Option<Evidence>,
}

/// What hides a card from a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// A word of `ignored_readers`.
    Ignored(String),
    /// The readers before it have taken all slots.
    NoSlot {
        /// `max_virtual_slots`.
        most: u32,
        /// `slots_per_card`.
        per_card: u32,
        /// What `max_virtual_slots` would have to be at least.
        needed: u64,
    },
    /// None of the drivers that are asked takes it.
    NoDriver {
        /// The setting, with its place.
        by: String,
        /// Names that no OpenSC knows.
        unknown: Vec<DriverName>,
        /// The list has the driver `default`, which is not switched on.
        wants_default: bool,
        /// The driver that takes the card, of a card that was read.
        wanted: Option<String>,
    },
    /// What makes a token of such a card is switched off, or not in a list.
    NoEmulation {
        /// The setting.
        key: &'static str,
        /// Its value.
        value: String,
        /// Its name in that list.
        wanted: &'static str,
    },
    /// There are no slots for its PIN, by this value of `create_slots_for_pins`; does that name any PIN at all?
    NoSlotForPin(String, bool),
}

impl Why {
    /// Can the setting not mean what it does?
    #[must_use]
    pub fn is_mistake(&self) -> bool {
        match self {
            Self::NoSlot { .. } => true,
            Self::NoDriver { unknown, wants_default, .. } => !unknown.is_empty() || *wants_default,
            Self::Ignored(word) => word.is_empty(),
            // The name, but not letter by letter.
            Self::NoEmulation { value, wanted, .. } => value.eq_ignore_ascii_case(wanted),
            Self::NoSlotForPin(_, names_any) => !names_any,
        }
    }
}

/// What p11-kit does not do with OpenSC's module. Text is escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unregistered {
    /// It knows none; the path of the one that could be named, if there is an OpenSC.
    Unknown(Option<String>),
    /// A setting keeps it to, or away from, programs.
    Kept {
        /// It names those that get it.
        enables: bool,
        /// The programs that are named.
        programs: Vec<String>,
        /// Where that is set.
        evidence: Box<Evidence>,
    },
}
