//! The committed JSON Schemas, and their readers.

use std::path::Path;
use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::{Value, json};

/// Fails the test unless this is output of schema `stalecard/1` and has nothing that its schema does not tell.
#[track_caller]
pub fn is_output(value: &Value) {
    static SCHEMA: OnceLock<Validator> = OnceLock::new();
    check(SCHEMA.get_or_init(|| load("stalecard-1.json")), value);
}

/// The same for a snapshot.
#[track_caller]
pub fn is_snapshot(value: &Value) {
    static SCHEMA: OnceLock<Validator> = OnceLock::new();
    check(SCHEMA.get_or_init(|| load("stalecard-snapshot-1.json")), value);
}

#[track_caller]
fn check(schema: &Validator, value: &Value) {
    let errors: Vec<String> =
        schema.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{}\n{value:#}", errors.join("\n"));
}

/// The committed schemas let scripts meet members that are added later. What is printed today must be told in them,
/// so here nothing may be added.
fn load(name: &str) -> Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/schema").join(name);
    let mut schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    close(&mut schema);
    jsonschema::draft202012::new(&schema).unwrap()
}

fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.get("type") == Some(&json!("object")) && members.contains_key("properties") {
                members.insert("additionalProperties".into(), json!(false));
            }
            members.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}
