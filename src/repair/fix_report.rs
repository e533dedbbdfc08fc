//! What came of each finding that was to be repaired, as data.

use serde::Serialize;

use super::config::EditReport;
use super::outcome::{Applied, Refilled};
use super::plan::Safety;
use crate::finding::Finding;

/// One finding, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Repaired {
    /// The finding as it was.
    #[serde(flatten)]
    pub finding: Finding,
    /// What became of it.
    pub result: Became,
}

/// What became of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "RepairResult"))]
#[serde(rename_all = "kebab-case")]
pub enum Became {
    /// Something was done, and it is gone.
    Cured,
    /// Something was done, and programs show what is on the card; whether that is right no file proves.
    Unproven,
    /// Something was done, and it is still there.
    NotCured,
    /// Rehearsed only: something would be done.
    WouldTry,
    /// It takes `--guarded`.
    NeedsGuarded,
    /// It takes `--unsafe`.
    NeedsUnsafe,
    /// Only a person can.
    Manual,
    /// It went by itself.
    Gone,
}

impl Became {
    /// What it takes to repair a finding that was left alone.
    #[must_use]
    pub const fn needs(safety: Safety) -> Self {
        match safety {
            Safety::Safe | Safety::Manual => Self::Manual,
            Safety::Guarded => Self::NeedsGuarded,
            Safety::Unsafe => Self::NeedsUnsafe,
        }
    }
}

/// What `fix` did.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub struct FixReport {
    /// Nothing was done.
    pub dry_run: bool,
    /// The files that were taken.
    pub operations: Vec<Applied>,
    /// What was put in place of them, as OpenSC writes it, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refilled: Option<Refilled>,
    /// The edit of the configuration, if one is called for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edit: Option<EditReport>,
    /// Each finding, in the order of the report of `check`.
    pub repairs: Vec<Repaired>,
}
