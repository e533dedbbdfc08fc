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

/// Fails the test unless the committed schema, open as it is to new members, tells this part of an output
/// exactly: without a member, with a member renamed, or of another type, it has to be refused. Gives the number
/// of members tried.
#[track_caller]
pub fn is_told_exactly(value: &Value, part: &str, optional: &[&str]) -> usize {
    static SCHEMA: OnceLock<Validator> = OnceLock::new();
    let schema = SCHEMA.get_or_init(|| jsonschema::draft202012::new(&read("stalecard-1.json")).unwrap());
    let refused = |mutated: &Value, what: &str| {
        assert!(!schema.is_valid(mutated), "{what} is not refused");
    };
    check(schema, value);
    let mut members = Vec::new();
    pointers(value.pointer(part).unwrap_or_else(|| panic!("no {part} in {value:#}")), part, &mut members);
    for member in &members {
        let (parent, name) = member.rsplit_once('/').unwrap();
        let with = |change: &dyn Fn(&mut Value)| {
            let mut mutated = value.clone();
            change(mutated.pointer_mut(parent).unwrap());
            mutated
        };
        let other = if value.pointer(member).unwrap().is_object() { json!("x") } else { json!({"x": 1}) };
        refused(&with(&|parent| parent[name] = other.clone()), &format!("another type of {member}"));
        if !optional.contains(&name) {
            let remove = |parent: &mut Value| drop(parent.as_object_mut().unwrap().remove(name));
            refused(&with(&remove), &format!("the lack of {member}"));
            let rename = |parent: &mut Value| {
                let moved = parent.as_object_mut().unwrap().remove(name).unwrap();
                parent[format!("{name}s")] = moved;
            };
            refused(&with(&rename), &format!("another name of {member}"));
        }
    }
    members.len()
}

/// All members of all objects below a value.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let at = format!("{at}/{name}");
                pointers(value, &at, found);
                found.push(at);
            }
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, item)| pointers(item, &format!("{at}/{n}"), found));
        }
        _ => {}
    }
}

/// As [`is_output`], for a snapshot.
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
pub fn load(name: &str) -> Validator {
    let mut schema = read(name);
    close(&mut schema);
    jsonschema::draft202012::new(&schema).unwrap()
}

fn read(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/schema").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn close(schema: &mut Value) {
    close_all(schema, true);
}

/// What an object tells in several places (the command's own members beside those of all) is told together: a branch
/// of it is not closed by itself.
fn close_all(schema: &mut Value, is_whole: bool) {
    match schema {
        Value::Object(members) => {
            let tells = members.get("type") == Some(&json!("object")) && members.contains_key("properties");
            let branches = tells && members.contains_key("oneOf");
            if tells && is_whole {
                let others = if branches { "unevaluatedProperties" } else { "additionalProperties" };
                members.insert(others.into(), json!(false));
            }
            for (key, value) in members {
                match value {
                    Value::Array(all) if branches && key == "oneOf" => {
                        all.iter_mut().for_each(|branch| close_all(branch, false));
                    }
                    _ => close_all(value, true),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| close_all(item, true)),
        _ => {}
    }
}
