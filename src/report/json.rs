//! JSON for scripts, schema `stalecard/1`: `fixtures/schema/stalecard-1.json`, which is derived from these types, and to
//! which a test holds what the commands really print. Changes only add.

use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;

use crate::audit::Audit;
use crate::case::attribution::Attribution;
use crate::case::proofs::Proof;
use crate::error::Error;
use crate::finding::{Finding, WrittenWindow};
use crate::judge::tally::Cache;
use crate::listing::asked::AskedObject;
use crate::listing::cache_entries::Item;
use crate::listing::hosts::Compared;
use crate::listing::objects::{NotListed, ObjectComparison};
use crate::listing::provided::ProviderListing;
use crate::listing::settings::Settings;
use crate::observe::{About, Written};
use crate::repair::config::{EditReport, Revived};
use crate::repair::{Applied, FixReport, Operation, Purged, Refilled, Undone};
use crate::snapshot::Gap;
use crate::text::tame_lines;
use crate::verdict::brief::{Brief, Cause, Headline, Step};
use crate::verdict::{ProgramState, Scope, Token, Verdict};

/// Name and version of the output's schema.
pub const SCHEMA: &str = "stalecard/1";
/// The version of this program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

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
    /// The version of stalecard that says so.
    version: &'static str,
    /// When it was looked at.
    #[serde(with = "crate::host::clock::whole_seconds", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Rfc3339>"))]
    checked_at: Option<OffsetDateTime>,
    /// What it comes to, in a word and in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<&'a Headline>,
    /// What is wrong, as people count: one for all that is found of a key in one cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    causes: Option<&'a [Cause]>,
    /// What to do, in this order.
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<&'a [Step]>,
    /// Tokens looked at.
    tokens: &'a [Token],
    /// Programs and how they cache.
    programs: &'a [ProgramState],
    /// What was found.
    findings: &'a [Finding],
    /// What could not be looked at.
    coverage: &'a [Gap],
    /// Why the command failed all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Failure>,
    /// Whose caches and which programs this covers, and what nobody asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a Scope>,
    /// The command, and what it alone has to say.
    #[serde(flatten)]
    answer: Answer<'a>,
}

/// Why a command failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Failure {
    /// What happened, where, and what to do next.
    pub message: String,
    /// The exit code that it leads to.
    pub exit_code: u8,
}

impl Failure {
    /// Of an error; what it quotes is made fit to be shown.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        Self { message: tame_lines(&error.to_string()), exit_code: error.exit().code() }
    }
}

/// What a command prints that failed before it had anything to say.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Failed<'a> {
    /// Always [`SCHEMA`].
    #[cfg_attr(feature = "schema", schemars(extend("const" = SCHEMA)))]
    schema: &'static str,
    /// The command, if what was typed is one.
    command: Option<&'a str>,
    /// Nothing did.
    changed: bool,
    /// Name of the host.
    host: &'a str,
    /// None were looked at.
    tokens: [(); 0],
    /// None were looked at.
    programs: [(); 0],
    /// Nothing was found.
    findings: [(); 0],
    /// What could not be looked at is the error.
    coverage: [(); 0],
    /// Why.
    error: Failure,
}

impl<'a> Failed<'a> {
    /// Of this command on this host.
    #[must_use]
    pub const fn new(command: Option<&'a str>, host: &'a str, error: Failure) -> Self {
        Self {
            schema: SCHEMA,
            command,
            changed: false,
            host,
            tokens: [],
            programs: [],
            findings: [],
            coverage: [],
            error,
        }
    }
}

/// Whatever is printed.
#[cfg(feature = "schema")]
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(untagged)]
#[allow(clippy::large_enum_variant, reason = "only its schema is asked for")]
pub enum Output<'a> {
    /// What a command has to say.
    Document(Document<'a>),
    /// That it has nothing to say, and why.
    Failed(Failed<'a>),
}

/// The command, and what it alone has to say.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Answer<'a> {
    /// The verdict, and what may be to be issued again.
    Check {
        /// Since when this host may have signed for a key that is gone: for `audit --since`.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Rfc3339>"))]
        doubtful_since: Option<String>,
        /// Between when and when it may have.
        #[serde(skip_serializing_if = "Option::is_none")]
        window: Option<WrittenWindow>,
    },
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
        /// What else the cards hold, and no program lists.
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        unlisted: &'a [NotListed],
        /// What OpenSC lists of cards that are not read here, both sides.
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        asked: &'a [AskedObject],
        /// What other PKCS#11 modules list, beside what is on the cards.
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        providers: &'a [ProviderListing],
    },
    /// What was taken out of the caches.
    Flush {
        /// Nothing was done.
        dry_run: bool,
        /// The files that were taken.
        operations: &'a [Applied],
        /// What was put in place of them, as OpenSC writes it, if that was asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        refilled: Option<&'a Refilled>,
        /// The serial numbers that the caches know, if they have no entry of the one that was asked for. Escaped.
        #[serde(skip_serializing_if = "Option::is_none")]
        serials: Option<&'a [String]>,
        /// Since when this host may have signed for a key that is gone: for `audit --since`.
        #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Rfc3339>"))]
        doubtful_since: Option<String>,
        /// Between when and when it may have.
        #[serde(skip_serializing_if = "Option::is_none")]
        window: Option<WrittenWindow>,
    },
    /// What became of each finding.
    Fix(&'a FixReport),
    /// What was taken back.
    Undo {
        /// Nothing was done.
        dry_run: bool,
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
        /// What was put in place of it, as OpenSC writes it, if that was asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        refilled: Option<&'a Refilled>,
    },
    /// What this program is, and which OpenSC it would judge (`--version --format json`).
    Version {
        /// Both.
        about: &'a About,
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
    #[cfg_attr(feature = "schema", schemars(extend("enum" = crate::watch::Occurrence::KINDS)))]
    pub kind: &'static str,
    /// When.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Rfc3339"))]
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
            version: VERSION,
            checked_at: None,
            verdict: None,
            causes: None,
            steps: None,
            tokens: &[],
            programs: &[],
            findings: &[],
            coverage: &[],
            error: None,
            scope: None,
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
        let Verdict { tokens, programs, findings, coverage, scope, .. } = verdict;
        Self { tokens, programs, findings, coverage, scope: Some(scope), ..self }
    }

    /// With the same as people are told it, of a look at this moment.
    #[must_use]
    pub fn brief(self, brief: &'a Brief, checked_at: OffsetDateTime) -> Self {
        let Brief { headline, causes, steps, .. } = brief;
        Self {
            verdict: Some(headline),
            causes: Some(causes),
            steps: Some(steps),
            checked_at: Some(checked_at),
            ..self
        }
    }

    /// With the sentence that people are told first, of a look at this moment.
    #[must_use]
    pub fn headline(self, headline: &'a Headline, checked_at: OffsetDateTime) -> Self {
        Self { verdict: Some(headline), checked_at: Some(checked_at), ..self }
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

    /// With the error that the command ends with.
    #[must_use]
    pub fn error(self, error: Option<&Error>) -> Self {
        Self { error: error.map(Failure::of), ..self }
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
    use time::{Date, Duration, Time};

    use super::*;
    use crate::error::Exit;
    use crate::repair::OperationState;

    #[test]
    fn a_document_has_what_all_have_and_its_answer() {
        let document = Document::of(Answer::Ls { entries: &[], caches: &[] }, "host").changed(true);
        let expected = json!({
            "schema": SCHEMA, "command": "ls", "changed": true, "host": "host", "tokens": [], "programs": [],
            "findings": [], "coverage": [], "version": VERSION, "entries": [], "caches": [],
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
            placed: Vec::new(),
        };
        let answer = Answer::QuarantineList { operations: &[operation] };
        let error = Document::of(answer, "host").value().unwrap_err();
        assert!(matches!(error, Error::Unwritable { .. }), "{error}");
        assert_eq!(error.exit(), Exit::Failed);
    }
}
