//! The fixtures of the findings (`fixtures/findings/`): a small TOML file that names a snapshot and the few
//! changes made to it.
//!
//! A change is an operation of JSON Patch (RFC 6902: `add`, `remove`, `replace`, `copy`), with three liberties, so
//! that a fixture can be read without counting. In a path (RFC 6901) an element of a list may be named instead of
//! numbered: a file of the card by its `path`, an entry by the last part of its `name`, a slot of the key list by
//! itself. `copy` may take from another snapshot (`FILE#PATH`). And two operations more: `file` puts the content of
//! a file there (of PEM what is in it), `splice` replaces some digits of a hexadecimal text, which have to be there once.
//! An operation that changes nothing is a mistake. An entry of a cache is afterwards as large as its bytes.

use std::path::{Path, PathBuf};

use data_encoding::{BASE64, HEXLOWER};
use serde::Deserialize;
use serde_json::{Value, json};
use stalecard::observe::parse_snapshot;
use stalecard::snapshot::Snapshot;

/// What a fixture holds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fixture {
    /// Where it comes from, in a sentence.
    pub origin: String,
    /// In what it nearly has the finding; none if it has it.
    pub nearly: Option<String>,
    /// Everything that is found, worst first.
    pub expected: Vec<String>,
    /// Some of what could not be told, if that is the point.
    #[serde(default)]
    pub coverage: Vec<String>,
    /// What was observed; several hosts are compared.
    snapshot: Vec<Changed>,
    /// The text of the baseline that the token is held against.
    pub baseline: Option<String>,
    /// The signature that is attributed.
    pub signature: Option<Signature>,
}

/// A signature to be attributed: names of files below `fixtures/`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// What was signed.
    pub data: String,
    /// The signature.
    pub signature: String,
    /// The public key that is named for it.
    pub key: String,
}

/// A snapshot made of another.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Changed {
    /// A file below `fixtures/`.
    base: String,
    #[serde(default)]
    change: Vec<Change>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case", deny_unknown_fields)]
enum Change {
    Add { path: String, value: Value },
    Remove { path: String },
    Replace { path: String, value: Value },
    Copy { path: String, from: String },
    File { path: String, file: String },
    Splice { path: String, digits: String, by: String },
}

/// The fixture of this name, or what is wrong with it.
pub fn read(name: &str) -> Result<Fixture, String> {
    let path = folder().join(format!("{name}.toml"));
    let text =
        std::fs::read_to_string(&path).map_err(|error| format!("fixtures/findings/{name}.toml: {error}"))?;
    toml::from_str(&text).map_err(|error| format!("fixtures/findings/{name}.toml: {error}"))
}

/// Where they are.
pub fn folder() -> PathBuf {
    below("findings")
}

/// The bytes of a file below `fixtures/`.
pub fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(below(name)).unwrap_or_else(|error| panic!("fixtures/{name}: {error}"))
}

fn below(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn json_of(name: &str) -> Value {
    serde_json::from_slice(&bytes(name)).unwrap_or_else(|error| panic!("fixtures/{name}: {error}"))
}

impl Fixture {
    /// The files that its snapshots are made of.
    pub fn bases(&self) -> Vec<&str> {
        self.snapshot.iter().map(|changed| changed.base.as_str()).collect()
    }

    /// Its snapshots as they would stand in files.
    pub fn documents(&self) -> Vec<Value> {
        self.snapshot.iter().map(Changed::document).collect()
    }

    /// Its snapshots.
    pub fn snapshots(&self) -> Vec<Snapshot> {
        self.documents().iter().map(|document| parse_snapshot(&document.to_string()).unwrap()).collect()
    }
}

impl Changed {
    fn document(&self) -> Value {
        let mut document = json_of(&self.base);
        for change in &self.change {
            let before = document.clone();
            change.make(&mut document);
            assert_ne!(document, before, "{change:?} changes nothing");
        }
        for entry in document["caches"]
            .as_array_mut()
            .unwrap()
            .iter_mut()
            .flat_map(|dir| dir["entries"].as_array_mut().unwrap())
        {
            if let Some(size) = entry["content"]["bytes"].as_str().map(|digits| digits.len() / 2) {
                entry["inode"]["size"] = json!(size);
            }
        }
        document
    }
}

impl Change {
    fn make(&self, document: &mut Value) {
        match self {
            Self::Add { path, value } => add(document, path, value.clone()),
            Self::Remove { path } => remove(document, path),
            Self::Replace { path, value } => *at(document, path) = value.clone(),
            Self::Copy { path, from } => {
                let value = match from.split_once('#') {
                    Some((file, from)) => at(&mut json_of(file), from).clone(),
                    None => at(document, from).clone(),
                };
                add(document, path, value);
            }
            Self::File { path, file } => *at(document, path) = json!(HEXLOWER.encode(&content(file))),
            Self::Splice { path, digits, by } => {
                let place = at(document, path);
                let text = place.as_str().unwrap();
                assert_eq!(text.matches(digits.as_str()).count(), 1, "{digits} in {path}");
                *place = json!(text.replacen(digits.as_str(), by, 1));
            }
        }
    }
}

/// The bytes of a file; of PEM those of its block.
fn content(file: &str) -> Vec<u8> {
    let bytes = bytes(file);
    match std::str::from_utf8(&bytes) {
        Ok(text) if text.starts_with("-----BEGIN") => {
            let digits: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
            BASE64.decode(digits.as_bytes()).unwrap()
        }
        _ => bytes,
    }
}

fn at<'v>(document: &'v mut Value, path: &str) -> &'v mut Value {
    let steps = path.strip_prefix('/').unwrap_or_else(|| panic!("{path} is no path"));
    steps.split('/').fold(document, |value, step| {
        let step = step.replace("~1", "/").replace("~0", "~");
        let found = match value {
            Value::Array(list) => index(list, &step).and_then(|index| list.get_mut(index)),
            other => other.get_mut(&step),
        };
        found.unwrap_or_else(|| panic!("{path}: there is no {step}"))
    })
}

/// Which element of a list is meant.
fn index(list: &[Value], step: &str) -> Option<usize> {
    let is = |value: &Value| {
        let last = value["name"].as_str().and_then(|name| name.rsplit('_').next());
        value == step || value["path"] == step || last == Some(step)
    };
    let named = list.iter().position(is);
    named.or_else(|| step.parse().ok().filter(|&index: &usize| index < list.len()))
}

fn add(document: &mut Value, path: &str, value: Value) {
    let (parent, name) = path.rsplit_once('/').unwrap();
    let parent = if parent.is_empty() { document } else { at(document, parent) };
    match parent {
        Value::Array(list) if name == "-" => list.push(value),
        Value::Array(list) => {
            let index = index(list, name).unwrap_or_else(|| panic!("{path}: there is no {name}"));
            list[index] = value;
        }
        parent => parent[name] = value,
    }
}

fn remove(document: &mut Value, path: &str) {
    let (parent, name) = path.rsplit_once('/').unwrap();
    let parent = if parent.is_empty() { document } else { at(document, parent) };
    match parent {
        Value::Array(list) => {
            let index = index(list, name).unwrap_or_else(|| panic!("{path}: there is no {name}"));
            list.remove(index);
        }
        parent => {
            let removed = parent.as_object_mut().unwrap().remove(name);
            assert!(removed.is_some(), "{path}: there is no {name}");
        }
    }
}
