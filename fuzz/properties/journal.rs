//! Any journal of an operation and of its undo.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::fmt::Write as _;
use std::os::unix::fs::DirBuilderExt;
use std::sync::OnceLock;

use super::judged::{harmless, screen};
use stalecard::repair::{StateDir, newest_flushes, operations};
use stalecard::report::repaired;

/// The journal of an operation, and behind a byte FF, which no JSON holds, that of its undo.
pub fn journal(data: &[u8]) {
    static STATE: OnceLock<(tempfile::TempDir, StateDir)> = OnceLock::new();
    let (folder, state) = STATE.get_or_init(|| {
        let memory = std::path::Path::new("/dev/shm");
        let folder =
            if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let state = StateDir::at(folder.path().join("stalecard"));
        (folder, state)
    });
    let operation = folder.path().join("stalecard/20261123T095012Z-1");
    if !operation.exists() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&operation).unwrap();
    }
    let mut records = data.splitn(2, |&byte| byte == 0xFF);
    for file in ["journal.json", "undo.json"] {
        let file = operation.join(file);
        match records.next() {
            Some(record) => std::fs::write(file, record).unwrap(),
            None => drop(std::fs::remove_file(file)),
        }
    }
    let mut text = String::new();
    match operations(state) {
        Ok(operations) => text.push_str(&repaired::operations(&screen(), &operations)),
        Err(error) => write!(text, "{error}").unwrap(),
    }
    if let Err(error) = newest_flushes(state) {
        write!(text, "{error}").unwrap();
    }
    harmless(&text);
}
