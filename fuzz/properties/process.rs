//! Anything that the kernel tells of a process, as far as its user decides it.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use super::judged::harmless;
use stalecard::host::processes::{environment, opensc_modules, stat, uid, unit};

/// The files in `/proc/PID` that are parsed.
pub fn process(data: &[u8]) {
    let _ = uid(data);
    if let Some((name, _)) = stat(data) {
        assert!(name.len() < data.len());
    }
    if let Some(env) = environment(data) {
        assert!(env.len() <= 4);
    }
    for module in opensc_modules(data) {
        assert!(module.0.starts_with(b"/"));
        harmless(&module.to_string());
    }
    if let Some(unit) = unit(data) {
        // It becomes a word of a command.
        assert!(unit.name.ends_with(".service") && !unit.name.starts_with('-'));
        assert!(unit.name.bytes().all(|byte| byte.is_ascii_graphic() && !b"'\"$`;&|".contains(&byte)));
    }
}
