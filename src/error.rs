//! Expected failures: everything that can go wrong outside the program, each
//! with what happened, where, and what to do next, and with its exit code.

pub use crate::exit::Exit;
use std::path::PathBuf;

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
    /// A command could not be started.
    #[error("cannot run {command}: {source}")]
    Command {
        /// Its program.
        command: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file given with `--snapshot` is not one.
    #[error("{} is not a snapshot of this version of stalecard: {why}", path.display())]
    NotASnapshot {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A file given with `--against` is no baseline.
    #[error("{} is not a baseline (stalecard snapshot --baseline writes one): {why}", path.display())]
    NotABaseline {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// `snapshot --baseline` did not see the whole token.
    #[error("nothing was written: {0}; a baseline has to be of a whole token")]
    NoBaseline(String),
    /// `--timeout` has passed.
    #[error("no result within {0} seconds; give it more with --timeout")]
    OutOfTime(u64),
    /// What was typed names nothing, or not one thing.
    #[error(transparent)]
    Naming(#[from] crate::naming::Error),
    /// A cache entry that was named is not there.
    #[error(
        "no cache that was looked at has a file, or the entries of one key, called {name:?}; {known}; `stalecard ls` \
         lists them, and --user or --cache-dir says where else to look"
    )]
    NoSuchEntry {
        /// What was typed.
        name: String,
        /// What there is, in words.
        known: String,
    },
    /// `--user` without such a user.
    #[error("this host has no user called {0:?}; `getent passwd` lists them")]
    NoSuchUser(String),
    /// Something did not answer that nothing can be done without.
    #[error("{what}: {why}")]
    Overdue {
        /// What was asked.
        what: &'static str,
        /// How long it was waited for.
        why: crate::patience::Overdue,
    },
    /// There is nobody to do it.
    #[error("nothing was begun: {0}")]
    NoThread(#[from] crate::patience::NoThread),
    /// Whoever did it is gone.
    #[error("it broke off: this is a fault of stalecard, please report it, with what it said before")]
    BrokeOff,
    /// `config show --for` was asked for a name that no program has.
    #[error(
        "OpenSC has no program called {0:?}; applications that load its PKCS#11 module are all \"opensc-pkcs11\", \
         and --exe PATH names one of them"
    )]
    NoProgramCalled(String),
    /// `flush` without a card.
    #[error(
        "no card could be read, so nothing is proven stale and nothing was moved; insert the card, or take all \
         entries of a card: the same command with --serial SERIAL (`stalecard ls` lists the serials)"
    )]
    NoCardToFlush,
    /// There is no file to edit.
    #[error("{0}; name the file with --file")]
    NoConfiguration(&'static str),
    /// A configuration was not edited.
    #[error(transparent)]
    Config(#[from] crate::repair::config::Error),
    /// There is no PIN to log in with.
    #[error("no PIN: {0}; nothing was sent to the card")]
    Pin(String),
    /// Arguments that do not go together, or a file that is not what it should be.
    #[error("{0}")]
    Usage(String),
    /// Something of our own has no form in JSON or TOML; no part of it was written.
    #[error("{what} cannot be put into text: {why}; this is a fault of stalecard, please report it")]
    Unwritable {
        /// What was to be written.
        what: &'static str,
        /// Why not.
        why: String,
    },
    /// The calling user cannot be served.
    #[error(transparent)]
    Host(#[from] crate::host::Error),
    /// A repair could not be made.
    #[error(transparent)]
    Repair(#[from] crate::repair::Error),
}

impl Error {
    /// For what cannot be put into text.
    pub fn unwritable<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |why| Self::Unwritable { what, why: why.to_string() }
    }

    /// The exit code this failure leads to.
    #[must_use]
    #[deny(clippy::wildcard_enum_match_arm, reason = "a new failure is to say how the run ends")]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::TimedOut => Exit::NotRead,
            // What was asked for could not be read, though the program did its part.
            Self::NoCardToFlush
            | Self::NoBaseline(_)
            | Self::OutOfTime(_)
            | Self::Overdue { .. }
            | Self::NoThread(_) => Exit::NotRead,
            Self::Command { source, .. } if source.kind() == std::io::ErrorKind::NotFound => Exit::NoCommand,
            Self::Command { .. } => Exit::CommandNotRun,
            Self::Io { .. }
            | Self::NotASnapshot { .. }
            | Self::NotABaseline { .. }
            | Self::Naming(_)
            | Self::NoSuchEntry { .. }
            | Self::NoSuchUser(_)
            | Self::NoProgramCalled(_)
            | Self::BrokeOff
            | Self::NoConfiguration(_)
            | Self::Config(_)
            | Self::Pin(_)
            | Self::Usage(_)
            | Self::Unwritable { .. }
            | Self::Host(_)
            | Self::Repair(_) => Exit::Failed,
        }
    }
}
