//! The JSON schemas (draft 2020-12) of the output and of a snapshot, derived from the very types that are printed
//! and read: fixtures/schema/. Compiled for the tests alone (feature `schema`).
//!
//! They tell what is written (serde's attributes for serialisation): a member is required unless it is left out when
//! there is nothing to say; then it is never null. Objects stay open: later versions add members.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use crate::report::json::Output;
use crate::snapshot::Snapshot;

/// Names a string of a certain form, for fields that are plain strings.
macro_rules! form {
    ($(#[$doc:meta])* $name:ident, $key:literal: $value:literal) => {
        $(#[$doc])*
        pub struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", $key: $value })
            }
        }
    };
}

form! {
    /// A time as RFC 3339 writes it.
    Rfc3339, "format": "date-time"
}
form! {
    /// Bytes in lower-case hex.
    Hex, "pattern": "^([0-9a-f]{2})*$"
}
form! {
    /// A SHA-256 in lower-case hex.
    Sha256, "pattern": "^[0-9a-f]{64}$"
}

/// The schema of the output of every command (`--format json`).
#[must_use]
pub fn output() -> Schema {
    derived::<Output<'_>>("stalecard-1", "Output of stalecard with --format json, schema stalecard/1")
}

/// The schema of `stalecard snapshot`.
#[must_use]
pub fn snapshot() -> Schema {
    let title = "A snapshot of one host, schema stalecard-snapshot/1";
    derived::<Snapshot>("stalecard-snapshot-1", title)
}

fn derived<T: JsonSchema>(id: &str, title: &str) -> Schema {
    let settings = SchemaSettings::draft2020_12().for_serialize().with_transform(AsWritten);
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.insert("$id".into(), format!("https://stalecard.invalid/schema/{id}.json").into());
    schema.insert("title".into(), title.into());
    schema
}

/// What serde's attributes tell and schemars does not: a member that may be left out is left out rather than null. And
/// what Rust says that JSON does not: how many bits a number has, where a link of rustdoc leads, where a line ends.
#[derive(Clone)]
struct AsWritten;

impl Transform for AsWritten {
    fn transform(&mut self, schema: &mut Schema) {
        if let Some(Value::String(text)) = schema.get_mut("description") {
            *text = without_links(text).replace('\n', " ");
        }
        if schema.get("format").is_some_and(|format| format != "date-time") {
            schema.remove("format");
        }
        let required = schema.get("required").cloned();
        let is_required = |name: &str| {
            required.as_ref().and_then(Value::as_array).is_some_and(|all| all.contains(&name.into()))
        };
        if let Some(Value::Object(members)) = schema.get_mut("properties") {
            members
                .iter_mut()
                .filter(|(name, _)| !is_required(name))
                .for_each(|(_, member)| never_null(member));
        }
        transform_subschemas(self, schema);
    }
}

/// Takes null from what a member may be.
fn never_null(member: &mut Value) {
    let Value::Object(member) = member else { return };
    if let Some(Value::Array(types)) = member.get_mut("type") {
        types.retain(|one| one != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            member.insert("type".into(), one);
        }
    }
    if let Some(Value::Array(mut any)) = member.remove("anyOf") {
        any.retain(|one| one.get("type").is_none_or(|kind| kind != "null"));
        match any.as_slice() {
            [Value::Object(one)] => one.iter().for_each(|(key, value)| {
                member.entry(key.clone()).or_insert_with(|| value.clone());
            }),
            _ => drop(member.insert("anyOf".into(), any.into())),
        }
    }
}

/// A comment with the last name of each link alone: "[`super::undo()`]" becomes "`undo()`".
fn without_links(text: &str) -> String {
    let mut parts = text.split("[`");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (link, rest) = part.split_once("`]").unwrap_or((part, ""));
        let name = link.rsplit("::").next().unwrap_or(link);
        out.push_str(&format!("`{name}`{rest}"));
    }
    out
}
