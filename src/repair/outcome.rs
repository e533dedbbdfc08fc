//! How each step of a repair ended, and each file of an undo: what the journal keeps and reports tell.

use serde::{Deserialize, Serialize};

use super::plan::{Action, Safety};
use super::reason::Reason;
use crate::snapshot::ByteString;

/// What came of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Applied {
    /// The operation that [`super::undo()`] takes back; none if nothing moved.
    pub operation: Option<String>,
    /// Whether anything changed (for a rehearsal: would change).
    pub changed: bool,
    /// Each step, in the plan's order.
    pub steps: Vec<StepResult>,
}

/// What came of one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StepResult {
    /// The cache directory.
    pub directory: ByteString,
    /// The file.
    pub name: ByteString,
    /// What was to be done.
    pub action: Action,
    /// Why.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub reason: Reason,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The file is in the quarantine (in a rehearsal: would be).
    Moved,
    /// The file is removed and not kept (in a rehearsal: would be).
    Removed,
    /// There is no such file: nothing to do.
    AlreadyGone,
    /// It is no longer the file that was meant; it was left alone. Why.
    Changed(String),
    /// The caller did not agree to a step of this level; it was left alone.
    NeedsConsent(Safety),
    /// It could not be done. Why.
    Failed(String),
}

impl Applied {
    /// Whether a step failed: the run's exit status tells.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.outcome, Outcome::Failed(_)))
    }
}

/// Why a file takes more consent than was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// It is another user's, or nobody can tell whether it is to blame: `--guarded`.
    Guarded,
    /// It holds private data, or may: `--unsafe`, which removes it for good.
    Private,
    /// OpenSC does not write it anew by itself: `--unsafe`.
    Apart,
}

impl Left {
    /// The option that agrees to it.
    #[must_use]
    pub const fn option(self) -> &'static str {
        match self {
            Self::Guarded => "--guarded",
            Self::Private | Self::Apart => "--unsafe",
        }
    }

    /// What it is: words behind the number of files.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Guarded => "taken with --guarded only",
            Self::Private => "private, or perhaps private",
            Self::Apart => "not made by OpenSC from a card",
        }
    }

    /// What comes of taking it all the same.
    #[must_use]
    pub const fn consequence(self) -> &'static str {
        match self {
            Self::Guarded => "it takes --guarded",
            Self::Private => {
                "it is private, or may be: --unsafe removes it for good, and no undo brings it back"
            }
            Self::Apart => "OpenSC does not make it anew from a card: --unsafe moves it to the quarantine",
        }
    }
}

impl StepResult {
    /// Why it was left, if that is for want of consent.
    #[must_use]
    pub const fn left(&self) -> Option<Left> {
        match (&self.outcome, self.action) {
            (Outcome::NeedsConsent(Safety::Unsafe | Safety::Manual), Action::Remove) => Some(Left::Private),
            (Outcome::NeedsConsent(Safety::Unsafe | Safety::Manual), Action::Quarantine) => Some(Left::Apart),
            (Outcome::NeedsConsent(Safety::Safe | Safety::Guarded), _) => Some(Left::Guarded),
            _ => None,
        }
    }
}

/// What came of one file, moved or edited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UndoResult {
    /// Its directory.
    pub directory: ByteString,
    /// The file.
    pub name: ByteString,
    /// How it ended.
    pub outcome: UndoOutcome,
}

/// How the undo of one file ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum UndoOutcome {
    /// It is back as it was.
    Restored,
    /// It is back; what had taken its place is kept in the quarantine, here.
    Replaced(ByteString),
    /// The same content stands in its place: nothing was to be done.
    SameContent,
    /// It had never been moved, or an earlier undo brought it back.
    InPlace,
    /// It was removed and not kept (private data): it cannot come back.
    NotKept,
    /// Left in the quarantine, because others are in conflict.
    Waiting,
    /// Its place is taken, and by what.
    Conflict(String),
    /// It could not be brought back. Why.
    Failed(String),
    /// An entry that was put there with `--refill`: taken away again.
    TakenAway,
    /// The same, but it is gone, or OpenSC has written it anew since: nothing was to be done.
    NotOurs,
}

/// What came of filling caches anew.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Refilled {
    /// The operations that [`super::undo()`] takes back, with the flush: one for each owner of caches.
    pub operations: Vec<String>,
    /// Each entry that OpenSC would write.
    pub entries: Vec<Refill>,
    /// What is left to the next listing, and why.
    pub left: Vec<NotRefilled>,
}

impl Refilled {
    /// Adds what came of a later try to what came of the earlier ones.
    pub fn join(&mut self, new: Self) {
        let is_new = |known: &Refill| {
            new.entries.iter().any(|one| (&one.directory, &one.name) == (&known.directory, &known.name))
        };
        self.entries.retain(|known| !is_new(known));
        self.left.retain(|known| !new.left.iter().any(|one| one.what == known.what));
        self.operations.extend(new.operations);
        self.entries.extend(new.entries);
        self.left.extend(new.left);
    }
}

/// An entry that OpenSC would write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Refill {
    /// The cache directory.
    pub directory: ByteString,
    /// The file.
    pub name: ByteString,
    /// Its size in bytes.
    pub size: u64,
    /// How it ended.
    pub outcome: Refilling,
}

/// How it ended for one entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Refilling {
    /// It is in its place (in a rehearsal: would be).
    Placed,
    /// Something stands there already: OpenSC was faster.
    Taken,
    /// The caller did not agree to a step of this level.
    NeedsConsent(Safety),
    /// It could not be put there. Why.
    Failed(String),
}

/// What is not filled, and is left to the next listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NotRefilled {
    /// A card or a cache directory. Escaped.
    pub what: String,
    /// Why. Escaped.
    pub why: String,
}

impl Refilled {
    /// How many entries are in their places, or would be.
    #[must_use]
    pub fn placed(&self) -> usize {
        self.entries.iter().filter(|entry| entry.outcome == Refilling::Placed).count()
    }

    /// What is left to the next listing, the entries that could not be put in their places among it.
    #[must_use]
    pub fn left_over(&self) -> Vec<NotRefilled> {
        let of_entry = |entry: &Refill| {
            let why = match &entry.outcome {
                Refilling::Placed | Refilling::Taken => return None,
                Refilling::NeedsConsent(_) => "it takes --guarded".to_owned(),
                Refilling::Failed(why) => why.clone(),
            };
            Some(NotRefilled { what: format!("{}/{}", entry.directory, entry.name), why })
        };
        self.left.iter().cloned().chain(self.entries.iter().filter_map(of_entry)).collect()
    }
}
