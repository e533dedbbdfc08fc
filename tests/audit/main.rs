//! `audit`: on the stand, where the real tools issue what there is to issue, stale and fresh by turns; and over files that
//! were made to be misread.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod detached;
mod folders;
mod forms;
mod hostile;
mod issued;
mod issuers;
mod large;
#[path = "../support/many_certificates.rs"]
mod many_certificates;
mod names;
mod numbers;
mod odd;
mod public;
#[path = "../support/schema.rs"]
#[allow(dead_code, reason = "no snapshots here")]
mod schema;
mod siblings;
mod speed;
#[path = "../stand/mod.rs"]
mod stand;
mod within;
mod written;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// The long run of `make long`.
fn is_long() -> bool {
    std::env::var_os("STALECARD_LONG").is_some()
}

/// A workshop without cards and caches: a folder for files, and openssl to make them.
struct Workshop(tempfile::TempDir);

impl Workshop {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Does this in the folder.
    fn sh(&self, commands: &str) {
        let output = Command::new("sh")
            .args(["-euc", commands])
            .current_dir(self.path())
            .env("HOME", self.path())
            .output();
        let output = output.unwrap();
        assert!(output.status.success(), "{commands}\n{output:?}");
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path().join(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path().join(name)).unwrap()
    }

    fn program(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stalecard"));
        command
            .args(["audit", "--offline"])
            .args(arguments)
            .current_dir(self.path())
            .env("HOME", self.path());
        command
    }

    fn audit(&self, arguments: &[&str]) -> (i32, Value) {
        document(&self.program(&[arguments, &["--format", "json"]].concat()).output().unwrap())
    }
}

/// The exit code, and the document, held to the schema.
fn document(output: &Output) -> (i32, Value) {
    let value: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{output:?}"));
    schema::is_output(&value);
    (output.status.code().unwrap(), value)
}

/// The files of what is bad, and of what holds the same.
fn bad(document: &Value) -> BTreeSet<String> {
    let items = document["audit"]["items"].as_array().unwrap();
    let bad = items.iter().filter(|item| item["verdict"] != "not-decided" && item["revoked"] == false);
    bad.flat_map(|item| {
        let also = item["also"].as_array().unwrap().iter();
        also.chain([&item["file"]]).map(|file| file.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    })
    .collect()
}

/// How many of this kind came to this.
fn counted(document: &Value, kind: &str, verdict: &str) -> u64 {
    let counts = document["audit"]["counts"].as_array().unwrap();
    let of = counts.iter().filter(|count| count["kind"] == kind && count["verdict"] == verdict);
    of.map(|count| count["count"].as_u64().unwrap()).sum()
}
