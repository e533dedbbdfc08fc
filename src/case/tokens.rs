//! All tokens of one user of a host: each card once, worked out once, and handed to whoever asks: the rules, listings,
//! proofs, baselines, comparisons.

use crate::case::token::Case;
use crate::case::visibility::Hidden;
use crate::opensc::Version;
use crate::snapshot::{ByteString, Card, Gap, Snapshot};
use crate::verdict::{NotAskedFor, ProgramState};

/// The tokens of a user.
pub struct Tokens<'a> {
    /// The facts.
    pub snapshot: &'a Snapshot,
    /// The cards that were looked at, each once.
    pub cards: Vec<&'a Card>,
    /// How many further copies of them there are, the same to the last byte.
    pub copies: usize,
    /// Those that are read and have a serial number, in the order of the cards.
    pub cases: Vec<Case<'a>>,
    /// What programs do with caches, for the drivers of these cards.
    pub programs: Vec<CachingProgram>,
    /// The version of OpenSC, if it is known.
    pub version: Option<Version>,
    /// What cannot be said of its programs on this host.
    pub gaps: Vec<Gap>,
    /// Which programs do not see which of the cards.
    pub hidden: Vec<Hidden>,
    /// Programs that are not judged.
    pub unjudged: Vec<NotAskedFor>,
    /// Is it the first user of the host, with whom is said what concerns its cards and configuration?
    pub is_first: bool,
}

/// What a program does with caches.
#[derive(Debug, Clone)]
pub struct CachingProgram {
    /// Its name.
    pub name: String,
    /// Whose cards.
    pub driver: String,
    /// How it caches.
    pub state: ProgramState,
    /// The directories it reads: its own, or those that were named, as if they were it.
    pub reads: Vec<ByteString>,
    /// It could not be told.
    pub undecided: bool,
}

impl<'a> Tokens<'a> {
    /// The cards in their order, each with its case if it has one.
    pub fn each(&self) -> impl Iterator<Item = (&'a Card, Option<&Case<'a>>)> {
        let mut cases = self.cases.iter().peekable();
        self.cards.iter().map(move |&card| (card, cases.next_if(|case| std::ptr::eq(case.card, card))))
    }

    /// Which programs read which directory.
    #[must_use]
    pub fn in_use(&self) -> Vec<(String, ByteString)> {
        let mut in_use: Vec<(String, ByteString)> = Vec::new();
        for program in &self.programs {
            for path in &program.reads {
                let one = (program.name.clone(), path.clone());
                if !in_use.contains(&one) {
                    in_use.push(one);
                }
            }
        }
        in_use
    }
}
