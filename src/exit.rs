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
    /// A rehearsal that was asked to tell would change something (4).
    WouldChange,
    /// A command to be run could not be (126), as shells have it.
    CommandNotRun,
    /// There is no such command (127), as shells have it.
    NoCommand,
}

impl Exit {
    /// How a rehearsal ends: as the real run would, or told apart by whether it would change something.
    #[must_use]
    pub const fn rehearsed(self, tells: bool, changed: bool) -> Self {
        match self {
            Self::Clean if tells && changed => Self::WouldChange,
            Self::Clean
            | Self::Findings
            | Self::Failed
            | Self::NotRead
            | Self::WouldChange
            | Self::CommandNotRun
            | Self::NoCommand => self,
        }
    }
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
            Self::WouldChange => 4,
            Self::CommandNotRun => 126,
            Self::NoCommand => 127,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
