//! Arguments that several commands share.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::error::Error;
use crate::finding::Severity;
use crate::observe::{Cards, Wish, observe, select_serial};
use crate::snapshot::Snapshot;

/// Which cards, and whether they are there at all.
#[derive(Debug, Args)]
pub struct Selection {
    /// Only the card in this reader (its name, or its number counted from 0)
    #[arg(long, value_name = "NAME|N")]
    pub reader: Option<String>,
    /// Only the card with this serial number
    #[arg(long, value_name = "SERIAL")]
    pub serial: Option<String>,
}

/// Where the facts come from.
#[derive(Debug, Args)]
pub struct Facts {
    #[command(flatten)]
    pub selection: Selection,
    /// Do not open PC/SC: look at caches and configuration only
    #[arg(long, conflicts_with_all = ["reader", "snapshot"])]
    pub offline: bool,
    /// Judge this snapshot file instead of this machine
    #[arg(long, value_name = "FILE")]
    pub snapshot: Option<PathBuf>,
}

/// How to print.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Human,
    /// For scripts: schema stalecard/1
    Json,
}

/// The least severity that makes the exit code 1.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum FailOn {
    Critical,
    Error,
    Warning,
    Info,
}

impl FailOn {
    /// The severity that is meant.
    pub const fn severity(self) -> Severity {
        match self {
            Self::Critical => Severity::Critical,
            Self::Error => Severity::Error,
            Self::Warning => Severity::Warning,
            Self::Info => Severity::Info,
        }
    }
}

impl Facts {
    /// Gets the facts; `status` asks the card for SO-PIN and DKEK as well.
    pub fn look(&self, status: bool) -> Result<Snapshot, Error> {
        let mut snapshot = match &self.snapshot {
            Some(path) => crate::observe::load(path)?,
            None => {
                let cards = match (&self.selection.reader, self.offline) {
                    (_, true) => Cards::None,
                    (reader, false) => Cards::In(reader.as_deref()),
                };
                observe(&Wish { cards, status })?
            }
        };
        if let Some(serial) = &self.selection.serial {
            select_serial(&mut snapshot, serial, self.offline);
        }
        if let (Some(reader), Some(_)) = (&self.selection.reader, &self.snapshot) {
            snapshot.select_reader(reader);
        }
        Ok(snapshot)
    }
}
