//! Names as people have them in hand: accepted by every command that takes one, and written as OpenSC's own module
//! answers to them.

mod typed;
mod uris;

use std::process::{Command, Output};

use crate::schema;
use serde_json::Value;

/// stalecard on a snapshot, in a home of nobody.
fn on_snapshot(snapshot: &str, words: &[&str]) -> Output {
    let path = format!("{}/fixtures/snapshots/{snapshot}.json", env!("CARGO_MANIFEST_DIR"));
    Command::new(env!("CARGO_BIN_EXE_stalecard"))
        .args(words)
        .args(["--snapshot", &path])
        .env_clear()
        .env("HOME", "/nonexistent")
        .output()
        .unwrap()
}

fn json(output: &[u8]) -> Value {
    let value: Value = serde_json::from_slice(output).unwrap();
    schema::is_output(&value);
    value
}
