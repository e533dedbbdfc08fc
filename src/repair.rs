//! Taking stale files out of cache directories, editing the configuration, and
//! taking either back.
//!
//! A repair is data ([`Plan`]) before it is an action. [`rehearse`] says what
//! would happen; [`apply()`] looks again at every file, writes the journal, then
//! moves; [`undo()`] takes an operation back; [`operations`] lists what is kept.
//!
//! Hides how this survives being killed at any moment. The journal's first
//! writing names every file before the first one moves; after that the
//! quarantine itself is the truth: a file is in it or in its place, never in
//! neither (private data that was to be removed excepted). The journal's last
//! writing only adds how each step ended, after everything is on the disk, into
//! room that was taken before the first move.

mod apply;
pub mod config;
mod fix_report;
pub mod flush;
mod flushed;
mod journal;
mod outcome;
mod placed;
mod plan;
mod purge;
mod quarantine;
mod reason;
mod refill;
mod undo;

pub use apply::{apply, apply_in, rehearse, rehearse_in};
pub use fix_report::{Became, FixReport, Repaired};
pub use flushed::newest_flushes;
pub use outcome::{
    Applied, Left, NotRefilled, Outcome, Refill, Refilled, Refilling, StepResult, UndoOutcome, UndoResult,
};
pub use plan::{Action, Consent, Plan, Precondition, Safety, Step};
pub use purge::{Purged, purge};
pub use quarantine::{
    EditedFile, Keeping, KeptFile, Operation, OperationState, PlacedFile, Run, StateDir, keeping,
    newest_first, operations,
};
pub use reason::Reason;
pub use refill::{NewEntry, refill_in, rehearse_refill};
pub use undo::{Objects, Return, Returning, UndoState, Undone, undo, undo_in};

use crate::patience::{Overdue, SILENCE, within};
use crate::safe_fs;
use crate::snapshot::ByteString;

/// Does the quarantine answer at all?
///
/// # Errors
/// When it was left behind.
pub fn is_there(state: &StateDir) -> Result<(), Overdue> {
    let state = state.clone();
    within(SILENCE, move |_| drop(state.open()))
}

/// Why nothing could be repaired, undone or listed at all. What happened to a
/// single file is in the results instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller has no place for a quarantine.
    #[error(transparent)]
    Host(#[from] crate::host::Error),
    /// The quarantine cannot be used.
    #[error("the quarantine cannot be used: {0}")]
    Quarantine(#[from] safe_fs::Error),
    /// Another stalecard is at work.
    #[error(
        "another stalecard is changing files (it holds the lock {0}); wait until it has ended and try again"
    )]
    Locked(ByteString),
    /// No such operation.
    #[error("there is no operation `{0}`; `stalecard quarantine list` shows those there are")]
    UnknownOperation(String),
    /// A journal that does not say what it should.
    #[error("the journal {path} cannot be understood: {why}; the files it kept lie beside it")]
    Journal {
        /// The journal.
        path: ByteString,
        /// What is wrong with it.
        why: String,
    },
    /// More runs than there are numbers.
    #[error("there is no free number for an operation in {0}; move away what is in it")]
    NoNumber(ByteString),
    /// The change was made, but the journal does not say how that ended.
    #[error(
        "{what} changed, but the journal of operation {id} could not be completed: {source}; \
             `stalecard undo {id}` takes that back"
    )]
    Unfinished {
        /// The operation.
        id: String,
        /// How much.
        what: String,
        /// The reason.
        source: safe_fs::Error,
    },
    /// Everything is back, but no journal says so.
    #[error(
        "everything of operation {id} is back, but that could not be written down: {source}; \
         repeat `stalecard undo {id}` when the cause is removed"
    )]
    NotRecorded {
        /// The operation.
        id: String,
        /// The reason.
        source: safe_fs::Error,
    },
}
