//! Expected failures: everything that can go wrong outside the program, each
//! with what happened, where, and what to do next, and with its exit code.

use std::path::PathBuf;
use std::process::ExitCode;

/// How a run ended. The numbers are part of the contract with scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Nothing found, or the change was made (0).
    Clean,
    /// Findings at or above `--fail-on` (1).
    Findings,
    /// Usage or internal error, or a repair that failed (2).
    Failed,
    /// What was asked for could not be read (3).
    NotRead,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Clean => 0,
            Exit::Findings => 1,
            Exit::Failed => 2,
            Exit::NotRead => 3,
        })
    }
}

/// An expected failure that ends the run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error("{what} {}: {source}", path.display())]
    Io {
        /// What was attempted: "cannot read", "cannot write" and the like.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl Error {
    /// The exit code this failure leads to.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Io { .. } => Exit::Failed,
        }
    }
}
