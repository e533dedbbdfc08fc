//! What an audit tells, as data: for people, tables and scripts alike.

use std::collections::BTreeMap;

use serde::Serialize;

use super::artefact::Kind;
use super::judgement::Why;
use crate::case::attribution::{Attributed, Verdict};
use crate::error::Exit;
use crate::finding::Finding;
use crate::snapshot::Gap;

/// What came of it.
#[derive(Debug)]
pub struct Audited {
    /// What was found, what to do.
    pub audit: Audit,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What could not be looked at.
    pub coverage: Vec<Gap>,
    /// How the run ends.
    pub exit: Exit,
}

/// What an audit has found. Text is escaped.
#[derive(Debug, Clone, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Audit {
    /// Files that were read.
    pub files: usize,
    /// Signed artefacts, each counted once.
    pub artefacts: usize,
    /// Those that were there more than once.
    pub repeated: usize,
    /// Those made by the key that they name.
    pub sound: usize,
    /// Those whose issuer is not known here.
    pub issuer_not_known: usize,
    /// Those that could not be decided.
    pub not_decided: usize,
    /// Those that are to be made again; those that their CA has revoked do not count.
    pub bad: usize,
    /// Those that would be bad, and that their CA has revoked.
    pub revoked: usize,
    /// By kind and verdict.
    pub counts: Vec<Counted>,
    /// Links that were not followed.
    pub links: usize,
    /// Pipes, devices and sockets, which were not opened.
    pub special: usize,
    /// Folders on file systems that the kernel makes up (proc, sysfs and the like), which were not entered.
    pub kernels: usize,
    /// Files that were not changed since the time that was given, and so were not judged.
    pub older: usize,
    /// Files larger than 16 MiB that are no text and do not begin like anything signed: they were not looked at.
    pub passed: usize,
    /// What may hold signed artefacts, and was not opened: its name, and how many.
    pub not_opened: BTreeMap<String, usize>,
    /// The bad ones, by issuer and keys.
    pub groups: Vec<Group>,
    /// What to do, in this order.
    pub steps: Vec<Step>,
    /// Each artefact that is bad or not decided.
    pub items: Vec<Item>,
    /// Certificates that a CA has noted as valid, and that are in no file.
    pub missing: Vec<MissingFile>,
    /// Were there more than are listed?
    pub is_cut: bool,
}

/// How many of one kind came to what.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Counted {
    /// The kind.
    pub kind: Kind,
    /// What came of them.
    pub verdict: Verdict,
    /// How many.
    pub count: usize,
}

/// Bad ones that have issuer and keys in common.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Group {
    /// The issuer that they name.
    pub issuer: Option<String>,
    /// The key that they name.
    pub names: Option<Attributed>,
    /// The key that made them, if it is known or could be told.
    pub made_by: Option<Attributed>,
    /// What came of them.
    pub verdict: Verdict,
    /// How many of each kind.
    pub kinds: BTreeMap<Kind, usize>,
    /// When the first was made, by what it says.
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Rfc3339>"))]
    pub from: Option<String>,
    /// And the last.
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Rfc3339>"))]
    pub to: Option<String>,
    /// What else to know.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub why: Option<Why>,
}

/// Something to do.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Step {
    /// What, in words.
    pub what: String,
    /// What it is about, if it is about artefacts.
    pub kind: Option<Kind>,
    /// The files.
    pub files: Vec<String>,
    /// How many artefacts.
    pub count: usize,
}

/// One artefact.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Item {
    /// The file.
    pub file: String,
    /// Which of the artefacts in it, counted from 1.
    pub place: usize,
    /// Other files that hold the same.
    pub also: Vec<String>,
    /// What it is.
    pub kind: Kind,
    /// What came of it.
    pub verdict: Verdict,
    /// Serial number, hex; of a revocation list its number.
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Hex>"))]
    pub serial: Option<String>,
    /// Its issuer.
    pub issuer: Option<String>,
    /// What it is about.
    pub subject: Option<String>,
    /// When it was made or becomes valid, by what it says.
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Rfc3339>"))]
    pub made: Option<String>,
    /// Until when it is valid.
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Rfc3339>"))]
    pub until: Option<String>,
    /// The key that it names.
    pub names: Option<Attributed>,
    /// The key that made it.
    pub made_by: Option<Attributed>,
    /// If that is not known: the keys of which one made it.
    pub candidates: Vec<Attributed>,
    /// Has its CA revoked it?
    pub revoked: bool,
    /// Is there a sound one of the same issuer and holder that is as new?
    pub replaced: bool,
    /// What else to know.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub why: Option<Why>,
}

/// A certificate that is noted and not there.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MissingFile {
    /// Serial number, hex.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Hex"))]
    pub serial: String,
    /// Its subject.
    pub subject: String,
    /// The index that notes it.
    pub index: String,
}
