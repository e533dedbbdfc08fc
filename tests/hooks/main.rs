//! What plugs into other people's engines: baselines, the comparison of hosts, monitoring formats,
//! the watch, that none of them writes unasked or twice; on the stand with the real tools, and with
//! the real promtool.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

#[path = "../support/many_snapshots.rs"]
mod many_snapshots;
#[path = "../support/schema.rs"]
#[allow(dead_code, reason = "a library of the tests: each uses a part of it")]
mod schema;
#[path = "../stand/mod.rs"]
mod stand;
#[path = "../support/text.rs"]
mod text;
#[path = "../support/traced.rs"]
mod traced;

mod baseline;
mod compare;
mod engines;
mod idempotent;
mod monitoring;
mod quiet;
mod units;
mod watch;

use serde_json::Value;
use std::path::PathBuf;

fn fixture(name: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "fixtures/snapshots", name].iter().collect();
    path.to_str().unwrap().to_owned()
}

/// Our program, outside of any stand.
fn stalecard(arguments: &[&str]) -> (i32, String) {
    let output =
        std::process::Command::new(env!("CARGO_BIN_EXE_stalecard")).args(arguments).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), said)
}

/// What was printed as JSON, held to the schema.
fn document(text: &str) -> Value {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    schema::is_output(&value);
    value
}

/// The summaries of all findings with this id.
fn summaries(document: &Value, id: &str) -> Vec<String> {
    let findings = document["findings"].as_array().unwrap().iter().filter(|finding| finding["id"] == id);
    findings.map(|finding| finding["summary"].as_str().unwrap().to_owned()).collect()
}
