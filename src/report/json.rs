//! JSON for scripts, schema `stalecard/1`: `fixtures/schema/stalecard-1.json`, which is derived from these types, and to
//! which a test holds what the commands really print. Changes only add.

use serde::Serialize;
use serde_json::{Value, json};

use super::{edited, fixed};
use crate::case::attribution::Attribution;
use crate::case::proofs::Proof;
use crate::finding::Finding;
use crate::judge::tally::Cache;
use crate::listing::cache_entries::Item;
use crate::listing::hosts::Compared;
use crate::listing::objects::Sides;
use crate::listing::settings::Settings;
use crate::repair::Revived;
use crate::repair::{Applied, Operation, Purged, Undone};
use crate::snapshot::{Gap, Name};
use crate::verdict::{ProgramState, Token};

/// Name and version of the output's schema.
pub const SCHEMA: &str = "stalecard/1";

/// What every command's output has in common, and its answer.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Document<'a> {
    /// Always [`SCHEMA`].
    #[cfg_attr(feature = "schema", schemars(extend("const" = SCHEMA)))]
    pub schema: &'static str,
    /// Did (or would, with `--dry-run`) it change anything?
    pub changed: bool,
    /// Name of the host.
    pub host: &'a str,
    /// Tokens looked at.
    pub tokens: &'a [Token],
    /// Programs and how they cache.
    pub programs: &'a [ProgramState],
    /// What was found.
    pub findings: &'a [Finding],
    /// What could not be looked at.
    pub coverage: &'a [Gap],
    /// The command, and what it alone has to say.
    #[serde(flatten)]
    pub answer: Answer<'a>,
}

/// The command, and what it alone has to say.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Answer<'a> {
    /// The verdict is all.
    Check,
    /// Which public keys the fresh signatures of the card's keys fit.
    #[serde(rename = "verify")]
    Keys {
        /// What came of each key.
        keys: &'a [Proof],
    },
    /// Who made a signature or a certificate.
    #[serde(rename = "verify")]
    Attribution {
        /// The first of them.
        #[cfg_attr(feature = "schema", schemars(with = "Attribution"))]
        attribution: Option<&'a Attribution>,
        /// All of them, in the order of the file.
        attributions: &'a [&'a Attribution],
    },
    /// The cache directories and what is in them.
    Ls {
        /// The entries of all caches.
        entries: &'a [Item],
        /// The caches.
        caches: &'a [Cache],
    },
    /// The objects of the tokens, both views side by side.
    Show {
        /// The objects.
        objects: &'a [Sides],
    },
    /// What was taken out of the caches.
    Flush {
        /// Nothing was done.
        dry_run: bool,
        /// The files that were taken.
        operations: &'a [Applied],
    },
    /// What became of each finding.
    Fix(&'a fixed::Report),
    /// What was taken back.
    Undo {
        /// The operation.
        undo: &'a Undone,
        /// Entries that would be shown again.
        revived: &'a [Revived],
        /// What else to know.
        notes: &'a [String],
    },
    /// What can be taken back.
    #[serde(rename = "quarantine list")]
    QuarantineList {
        /// The operations, newest first.
        operations: &'a [Operation],
    },
    /// What cannot be taken back any more.
    #[serde(rename = "quarantine purge")]
    QuarantinePurge {
        /// Nothing was done.
        dry_run: bool,
        /// The operations that went.
        purged: &'a [Purged],
    },
    /// The configuration and what it means.
    #[serde(rename = "config show")]
    ConfigShow {
        /// What it means for each program.
        config: &'a Settings,
    },
    /// What is wrong with the configuration.
    #[serde(rename = "config lint")]
    ConfigLint {
        /// The installed version, for which it was judged.
        opensc: Option<&'a str>,
    },
    /// Caching is switched off.
    #[serde(rename = "config disable-cache")]
    DisableCache {
        /// The edit of the configuration.
        edit: &'a edited::Report,
    },
    /// Caching is switched on.
    #[serde(rename = "config enable-cache")]
    EnableCache {
        /// The edit of the configuration.
        edit: &'a edited::Report,
    },
    /// What hosts and users show of the same tokens.
    Compare {
        /// Their views, side by side.
        comparison: &'a Compared,
    },
    /// One event, after which it was looked again.
    Watch {
        /// What happened.
        event: Event<'a>,
        /// What was taken out of the caches because of it.
        operations: &'a [Applied],
    },
    /// The baselines that were asked for (a snapshot itself has a schema of its own).
    Snapshot {
        /// One for each token.
        baselines: &'a [WrittenBaseline<'a>],
    },
}

/// Something that happened while it was watched.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Event<'a> {
    /// What happened.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["started", "inserted", "removed", "released",
        "cache-changed", "service-lost", "service-back"])))]
    pub kind: &'static str,
    /// When.
    pub time: String,
    /// The reader it concerns. Escaped.
    pub reader: Option<String>,
    /// Why the PC/SC service was lost.
    pub why: Option<&'a str>,
}

/// The file of a baseline.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WrittenBaseline<'a> {
    /// The file.
    pub file: Name,
    /// Serial of the token.
    pub token: &'a str,
    /// Was it written? It is not touched if it is as the token is.
    pub changed: bool,
}

impl Document<'_> {
    /// The document with its members in the order of their names.
    #[must_use]
    pub fn value(&self) -> Value {
        json!(self)
    }
}
