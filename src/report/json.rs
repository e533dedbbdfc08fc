//! JSON for scripts, schema `stalecard/1`: `fixtures/schema/stalecard-1.json`, to which a test
//! holds what the commands really print. Changes only add.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::finding::Finding;
use crate::snapshot::Gap;
use crate::verdict::{ProgramState, Token, Verdict};

/// Name and version of the output's schema.
pub const SCHEMA: &str = "stalecard/1";

/// What every command's output has in common.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    /// Always [`SCHEMA`].
    schema: &'static str,
    /// The command.
    command: &'static str,
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
    /// The command's own members.
    #[serde(skip)]
    members: Map<String, Value>,
}

impl<'a> Document<'a> {
    /// What a command says of a host, where nothing was found and nothing changed.
    #[must_use]
    pub fn of(command: &'static str, host: &'a str) -> Self {
        Self {
            schema: SCHEMA,
            command,
            changed: false,
            host,
            tokens: &[],
            programs: &[],
            findings: &[],
            coverage: &[],
            members: Map::new(),
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

    /// With a member of the command's own.
    ///
    /// # Errors
    /// [`Error::Unwritable`].
    pub fn with(mut self, name: &str, member: &impl Serialize) -> Result<Self, Error> {
        self.members.insert(name.to_owned(), value(self.command, member)?);
        Ok(self)
    }

    /// With each member of this structure as the command's own.
    ///
    /// # Errors
    /// [`Error::Unwritable`].
    pub fn with_all(mut self, members: &impl Serialize) -> Result<Self, Error> {
        if let Value::Object(members) = value(self.command, members)? {
            self.members.extend(members);
        }
        Ok(self)
    }

    /// The whole document.
    ///
    /// # Errors
    /// [`Error::Unwritable`].
    pub fn value(mut self) -> Result<Value, Error> {
        let members = std::mem::take(&mut self.members);
        let mut document = value(self.command, &self)?;
        if let Some(document) = document.as_object_mut() {
            document.extend(members);
        }
        Ok(document)
    }
}

fn value(command: &'static str, member: &impl Serialize) -> Result<Value, Error> {
    serde_json::to_value(member).map_err(Error::unwritable(command))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::error::Exit;

    #[test]
    fn what_cannot_be_written_as_json_is_an_error_and_no_document_without_it() {
        // JSON has no objects whose names are lists.
        let unspeakable = BTreeMap::from([(vec![1, 2], 3)]);
        let error = Document::of("ls", "host").with("entries", &unspeakable).unwrap_err();
        assert!(matches!(error, Error::Unwritable { what: "ls", .. }), "{error}");
        assert_eq!(error.exit(), Exit::Failed);
        let document = Document::of("ls", "host").changed(true).with("entries", &[1]).unwrap();
        let expected = json!({
            "schema": SCHEMA, "command": "ls", "changed": true, "host": "host", "tokens": [], "programs": [],
            "findings": [], "coverage": [], "entries": [1],
        });
        assert_eq!(document.value().unwrap(), expected);
        let document = Document::of("ls", "host").with_all(&json!({ "a": 1, "b": 2 })).unwrap();
        assert_eq!(document.value().unwrap().get("b"), Some(&json!(2)));
    }
}
