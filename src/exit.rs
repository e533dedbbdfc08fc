//! How the program ends: its exit codes, the contract with scripts.

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

impl Exit {
    /// Its number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Findings => 1,
            Self::Failed => 2,
            Self::NotRead => 3,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
