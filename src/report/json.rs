//! JSON for scripts, schema `stalecard/1`: `fixtures/schema/stalecard-1.json`, to which a test
//! holds what the commands really print. Changes only add.

use serde::Serialize;
use serde_json::{Value, json};

use crate::finding::Finding;
use crate::snapshot::Gap;
use crate::verdict::{ProgramState, Token};

/// Name and version of the output's schema.
pub const SCHEMA: &str = "stalecard/1";

/// What every command's output has in common.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    /// Always [`SCHEMA`].
    pub schema: &'static str,
    /// The command.
    pub command: &'static str,
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
}

impl Document<'_> {
    /// The document, with the command's own members added.
    #[must_use]
    pub fn with(&self, members: Value) -> Value {
        let mut document = json!(self);
        if let (Some(document), Value::Object(members)) = (document.as_object_mut(), members) {
            document.extend(members);
        }
        document
    }
}
