//! JSON for scripts, schema `stalecard/1`: `fixtures/schema/stalecard-1.json`, which is derived from these types, and to
//! which a test holds what the commands really print. Changes only add.

use serde::Serialize;
use serde_json::Value;

use crate::audit::Audit;
use crate::case::attribution::Attribution;
use crate::case::proofs::Proof;
use crate::error::Error;
use crate::finding::Finding;
use crate::judge::tally::Cache;
use crate::listing::cache_entries::Item;
use crate::listing::hosts::Compared;
use crate::listing::objects::ObjectComparison;
use crate::listing::settings::Settings;
use crate::observe::Written;
use crate::repair::config::{EditReport, Revived};
use crate::repair::{Applied, FixReport, Operation, Purged, Undone};
use crate::snapshot::Gap;
use crate::verdict::{ProgramState, Token, Verdict};

/// Name and version of the output's schema.
pub const SCHEMA: &str = "stalecard/1";

/// What every command's output has in common, and its answer.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Document<'a> {
    /// Always [`SCHEMA`].
    #[cfg_attr(feature = "schema", schemars(extend("const" = SCHEMA)))]
    schema: &'static str,
    /// Did (or would, with `--dry-run`) it change anything?
    changed: bool,
    /// Name of the host.
    host: &'a str,
    /// Tokens looked at.
    tokens: &'a [Token],
    /// Programs and how they cache.
    programs: &'a [ProgramState],
    /// What was found.
    findings: &'a [Finding],
    /// What could not be looked at.
    coverage: &'a [Gap],
    /// The command, and what it alone has to say.
    #[serde(flatten)]
    answer: Answer<'a>,
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
    /// Which artefacts in files were made by another key than they name.
    Audit {
        /// What was found in them.
        audit: &'a Audit,
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
        objects: &'a [ObjectComparison],
    },
    /// What was taken out of the caches.
    Flush {
        /// Nothing was done.
        dry_run: bool,
        /// The files that were taken.
        operations: &'a [Applied],
    },
    /// What became of each finding.
    Fix(&'a FixReport),
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
        edit: &'a EditReport,
    },
    /// Caching is switched on.
    #[serde(rename = "config enable-cache")]
    EnableCache {
        /// The edit of the configuration.
        edit: &'a EditReport,
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
        baselines: &'a [Written],
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

impl<'a> Document<'a> {
    /// What a command says of a host, where nothing was found and nothing changed.
    #[must_use]
    pub const fn of(answer: Answer<'a>, host: &'a str) -> Self {
        Self {
            schema: SCHEMA,
            changed: false,
            host,
            tokens: &[],
            programs: &[],
            findings: &[],
            coverage: &[],
            answer,
        }
    }

    /// Something changed, or would.
    #[must_use]
    pub fn changed(self, changed: bool) -> Self {
        Self { changed, ..self }
    }

    /// With the whole of a verdict.
    #[must_use]
    pub fn verdict(self, verdict: &'a Verdict) -> Self {
        let Verdict { tokens, programs, findings, coverage, .. } = verdict;
        Self { tokens, programs, findings, coverage, ..self }
    }

    /// With these programs.
    #[must_use]
    pub fn programs(self, programs: &'a [ProgramState]) -> Self {
        Self { programs, ..self }
    }

    /// With these findings in the place of others.
    #[must_use]
    pub fn findings(self, findings: &'a [Finding]) -> Self {
        Self { findings, ..self }
    }

    /// With what could not be looked at.
    #[must_use]
    pub fn coverage(self, coverage: &'a [Gap]) -> Self {
        Self { coverage, ..self }
    }

    /// The whole document, its members in the order of their names.
    ///
    /// # Errors
    /// [`Error::Unwritable`].
    pub fn value(&self) -> Result<Value, Error> {
        serde_json::to_value(self).map_err(Error::unwritable("the document"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;
    use time::{Date, Duration, OffsetDateTime, Time};

    use super::*;
    use crate::error::Exit;
    use crate::repair::OperationState;

    #[test]
    fn a_document_has_what_all_have_and_its_answer() {
        let document = Document::of(Answer::Ls { entries: &[], caches: &[] }, "host").changed(true);
        let expected = json!({
            "schema": SCHEMA, "command": "ls", "changed": true, "host": "host", "tokens": [], "programs": [],
            "findings": [], "coverage": [], "entries": [], "caches": [],
        });
        assert_eq!(document.value().unwrap(), expected);
    }

    #[test]
    fn what_cannot_be_written_as_json_is_an_error_and_no_document_without_it() {
        // RFC 3339 has no years before Christ.
        let before_christ = OffsetDateTime::new_utc(Date::MIN, Time::MIDNIGHT) + Duration::DAY;
        let operation = Operation {
            id: "id".to_owned(),
            state: OperationState::Done,
            started_at: Some(before_christ),
            kept_files: 0,
            kept_bytes: 0,
            files: Vec::new(),
            edits: Vec::new(),
        };
        let answer = Answer::QuarantineList { operations: &[operation] };
        let error = Document::of(answer, "host").value().unwrap_err();
        assert!(matches!(error, Error::Unwritable { .. }), "{error}");
        assert_eq!(error.exit(), Exit::Failed);
    }
}
