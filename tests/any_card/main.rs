//! Cards that stalecard does not read itself, judged by asking the real OpenSC: on the stand, with cards made of files and,
//! for a second opinion, with those that are read.
//!
//! With `STAND_ROOT` the OpenSC of another suite is asked (`make matrix`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod bad;
mod beside;
mod browser;
mod cost;
mod courtesy;
mod defaults;
#[path = "../support/file_histories.rs"]
mod file_histories;
mod histories;
mod irregular;
mod named;
mod opinions;
mod plain;
mod proof;
mod providers;
mod public;
#[path = "../support/random.rs"]
mod random;
mod read;
mod refill;
mod refilled;
mod renewed;
mod ripening;
#[path = "../support/schema.rs"]
#[allow(dead_code, reason = "each test uses its part")]
mod schema;
mod second;
#[path = "../stand/mod.rs"]
mod stand;
mod threads;
mod twins;
mod unread;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use stalecard::opensc::Version;
use stand::listing::Pkcs15Listing;
use stand::{FileCard, Host, Kind, Output, Stand};

/// The kinds that this OpenSC takes.
fn kinds() -> impl Iterator<Item = Kind> {
    let version = stand::opensc_version();
    Kind::ALL.into_iter().filter(move |kind| match kind {
        // Debian's 0.23 refuses its certificates since a security update (CVE-2024-45619).
        Kind::Tcos => version >= Version::of(24),
        Kind::Dtrust => version >= Version::of(27),
        _ => true,
    })
}

/// A report as scripts get it; it keeps to its schema.
fn document(output: &Output) -> Value {
    let value: Value =
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{output}"));
    schema::is_output(&value);
    value
}

/// Our own program on this host; of another suite's OpenSC it finds the tools where it looks for them.
fn ours(host: &Host, arguments: &[&str]) -> Output {
    let Some(root) = stand::opensc_root() else { return host.stalecard(arguments) };
    let script = r#"mount -t tmpfs none /mnt
        for tool in pkcs15-tool pkcs11-tool; do
            printf '#!/bin/sh\nexec /usr/bin/unshare --root %s --wd "$PWD" /usr/bin/%s "$@"\n' "$1" $tool >/mnt/$tool
            chmod 755 /mnt/$tool
            mount --bind /mnt/$tool /usr/bin/$tool
        done
        shift
        exec "$@""#;
    let mut command = vec!["unshare", "-m", "sh", "-ec", script, "sh", root.to_str().unwrap()];
    command.push(env!("CARGO_BIN_EXE_stalecard"));
    command.extend(arguments);
    host.run(&command)
}

fn check(host: &Host, options: &[&str]) -> (Output, Value) {
    let output = ours(host, &[&["check", "--format", "json"], options].concat());
    let report = document(&output);
    (output, report)
}

/// The findings that are errors: by id the names of the cache files that they name.
fn convicted(report: &Value) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for finding in report["findings"].as_array().unwrap() {
        if !matches!(finding["severity"].as_str(), Some("error" | "critical")) {
            continue;
        }
        let files =
            finding["evidence"].as_array().unwrap().iter().filter_map(|one| one["file"]["path"].as_str());
        let names = files.map(|path| path.rsplit('/').next().unwrap().to_owned());
        all.entry(finding["id"].as_str().unwrap().to_owned()).or_default().extend(names);
    }
    all.values_mut().for_each(|names| {
        names.sort();
        names.dedup();
    });
    all
}

/// What was not looked at: `what: why`.
fn gaps(report: &Value) -> Vec<String> {
    let gaps = report["coverage"].as_array().unwrap().iter();
    gaps.map(|gap| format!("{}: {}", gap["what"].as_str().unwrap(), gap["why"].as_str().unwrap())).collect()
}

/// The serial numbers of certificates as `pkcs15-tool -D` prints them, sorted.
fn shown(listing: &Pkcs15Listing) -> Vec<String> {
    let serial = |object: &&stand::listing::Pkcs15Object| {
        object.block.get("Encoded serial").unwrap_or("none").to_owned()
    };
    let mut serials: Vec<String> = listing.certificates().iter().map(serial).collect();
    serials.sort();
    serials
}

/// The same, of what is on the card.
fn real(card: &FileCard) -> Vec<String> {
    let encoded = |nth| format!("02 05 {}", data_encoding::HEXUPPER.encode(&card.certificate(nth).serial()));
    let mut serials: Vec<String> = (0..card.len()).map(encoded).collect();
    serials.sort();
    serials
}

/// Everything below a directory with its content and time of change: to see that nothing was written.
fn everything(below: &Path) -> BTreeMap<String, (u64, Vec<u8>)> {
    use std::os::unix::fs::MetadataExt;
    let files = walkdir::WalkDir::new(below).into_iter().map(|entry| entry.unwrap());
    files
        .map(|entry| {
            let found = entry.metadata().unwrap();
            let content = if found.is_file() { std::fs::read(entry.path()).unwrap() } else { Vec::new() };
            let changed = u64::try_from(found.mtime()).unwrap() * 1_000_000_000
                + u64::try_from(found.mtime_nsec()).unwrap();
            (entry.path().display().to_string(), (changed, content))
        })
        .collect()
}

/// A host of this stand, which has a place of its own for what is private to a process.
fn host(stand: &Stand) -> Host {
    let runtime = runtime(stand);
    if !runtime.exists() {
        std::fs::create_dir(&runtime).unwrap();
        std::fs::set_permissions(&runtime, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    }
    stand.host("alpha").env("XDG_RUNTIME_DIR", runtime.to_str().unwrap())
}

fn runtime(stand: &Stand) -> PathBuf {
    stand.dir().join("runtime")
}

/// Private directories of asks that are still there.
fn left_behind(stand: &Stand) -> Vec<String> {
    let entries = std::fs::read_dir(runtime(stand)).unwrap().flatten();
    entries.map(|entry| entry.path().display().to_string()).collect()
}
