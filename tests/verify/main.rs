//! `verify` on the stand: every verdict that a fresh signature can lead to, on the real tools' own work,
//! and what it costs: never more than the one PIN try that the user asked for.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod attribution;
mod matrix;
mod safety;
#[path = "../support/schema.rs"]
#[allow(dead_code, reason = "no snapshots here")]
mod schema;
#[path = "../stand/mod.rs"]
mod stand;

use std::path::PathBuf;

use serde_json::Value;
use stand::{Host, Output, PIN, SO_PIN, Stand};

/// A file with this PIN on a stand.
fn pin_file(stand: &Stand, pin: &str) -> String {
    let file: PathBuf = stand.dir().join(format!("pin-{pin}"));
    std::fs::write(&file, format!("{pin}\n")).unwrap();
    file.to_str().unwrap().to_owned()
}

/// `verify` with the right PIN and more arguments.
fn verify(stand: &Stand, host: &Host, more: &[&str]) -> Output {
    let file = pin_file(stand, PIN);
    host.stalecard(&[&["verify", "--pin-file", &file], more].concat())
}

/// The same as JSON, held to the schema, with its exit code.
fn verdict(stand: &Stand, host: &Host, more: &[&str]) -> (i32, Value) {
    let output = verify(stand, host, &[more, &["--format", "json"]].concat());
    (output.code(), document(&output))
}

fn document(output: &Output) -> Value {
    let value: Value =
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{output}"));
    schema::is_output(&value);
    value
}

/// Conclusion of each key, in the order of the card.
fn conclusions(document: &Value) -> Vec<String> {
    let keys = document["keys"].as_array().unwrap();
    keys.iter().map(|key| key["conclusion"].as_str().unwrap().to_owned()).collect()
}

/// The ids of all findings, without repetition.
fn findings(document: &Value) -> Vec<String> {
    let all = document["findings"].as_array().unwrap();
    let mut ids: Vec<String> = all.iter().map(|finding| finding["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids.dedup();
    ids
}

/// A card initialised on this host.
fn initialised(stand: &Stand, name: &str) -> Host {
    let host = stand.host(name);
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    host
}

fn bytes(dump: &Value, file: &str) -> Vec<u8> {
    let text = dump["files"][file].as_str().unwrap_or_else(|| panic!("no {file} on the card"));
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
