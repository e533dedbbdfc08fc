//! What all of these tests do: run a command both ways, and look at everything it said.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::Value;

use crate::stand::{Host, Output};
use crate::{schema, text};

pub const SERIAL: &str = "DENK0200834";
pub const PREFIX: &str = "DENK0200834_NODATE_E82B0601040181C31F0201";

/// Runs a command for people. Whatever it is about, it never panics, acts on the terminal or is too wide.
#[track_caller]
pub fn human(host: &Host, arguments: &[&str]) -> Output {
    let output = host.stalecard(arguments);
    decent(&output);
    text::readable(&output.stdout);
    output
}

/// Runs it for scripts, holds the answer to the schema, and gives the exit code with it.
#[track_caller]
pub fn json(host: &Host, arguments: &[&str]) -> (i32, Value) {
    let output = host.stalecard(&[arguments, &["--format", "json"]].concat());
    decent(&output);
    let value: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output}"));
    schema::is_output(&value);
    (output.code(), value)
}

/// The snapshot of a host, as it is written to standard output.
#[track_caller]
pub fn snapshot(host: &Host) -> Value {
    let output = host.stalecard(&["snapshot"]);
    decent(&output);
    let value: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output}"));
    schema::is_snapshot(&value);
    value
}

#[track_caller]
pub fn decent(output: &Output) {
    assert!(!output.timed_out, "{output}");
    assert!(!output.stderr.contains("panicked") && output.code() < 4, "{output}");
    // Not only what could be read as UTF-8.
    assert!(std::str::from_utf8(&output.raw).is_ok(), "{output}");
    text::harmless(&output.stdout);
    text::harmless(&output.stderr);
}

/// Everything below a directory: kinds, owners, modes, times and contents.
pub fn tree(directory: &Path) -> BTreeMap<Vec<u8>, String> {
    let mut found = BTreeMap::new();
    for entry in walkdir::WalkDir::new(directory) {
        let Ok(entry) = entry else { continue };
        let meta = entry.path().symlink_metadata().unwrap();
        let mut seen = format!(
            "{:o} {}:{} {} bytes, {}.{:09}",
            meta.mode(),
            meta.uid(),
            meta.gid(),
            meta.len(),
            meta.mtime(),
            meta.mtime_nsec()
        );
        if meta.is_file() && meta.len() < 1 << 20 {
            seen += &format!(" {:?}", std::fs::read(entry.path()).ok());
        }
        found.insert(entry.path().as_os_str().as_bytes().to_vec(), seen);
    }
    found
}

/// Ids of the findings at or above error.
pub fn errors(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().unwrap().iter();
    let bad = findings.filter(|finding| matches!(finding["severity"].as_str(), Some("error" | "critical")));
    bad.map(|finding| finding["id"].as_str().unwrap().to_owned()).collect()
}

/// What and why of all gaps, a line each; those that were asked for begin with `!`.
pub fn gaps(report: &Value) -> String {
    let gaps = report["coverage"].as_array().unwrap().iter();
    gaps.map(|gap| {
        let mark = if gap["asked_for"] == true { "!" } else { " " };
        format!("{mark} {}: {}\n", gap["what"].as_str().unwrap(), gap["why"].as_str().unwrap())
    })
    .collect()
}

/// Makes a file in the cache of a host, and the directory too.
pub fn put(host: &Host, name: impl AsRef<Path>, content: &[u8]) {
    std::fs::create_dir_all(host.cache()).unwrap();
    std::fs::write(host.cache().join(name), content).unwrap();
}

/// The description of an EC key with this label.
pub fn description(label: &[u8], id: &[u8]) -> Vec<u8> {
    let common = [tlv(&[0x0C], label), b"\x03\x02\x06\xC0\x04\x01\x01".to_vec()].concat();
    let class = [tlv(&[0x04], id), b"\x03\x03\x07\x30\x80\x02\x01\x01".to_vec()].concat();
    let kind = b"\x30\x08\x30\x02\x04\x00\x02\x02\x01\x00";
    tlv(&[0xA0], &[tlv(&[0x30], &common), tlv(&[0x30], &class), tlv(&[0xA1], kind)].concat())
}

/// The description of a data object whose content is in file `fid`.
pub fn data_description(label: &str, private: bool, fid: u16) -> Vec<u8> {
    // Object flags: private is bit 0, the first one.
    let flags: &[u8] = if private { b"\x03\x02\x07\x80" } else { b"\x03\x02\x06\x40" };
    let common = [tlv(&[0x0C], label.as_bytes()), flags.to_vec()].concat();
    let class = tlv(&[0x0C], b"stalecard test");
    let kind = tlv(&[0x30], &tlv(&[0x04], &fid.to_be_bytes()));
    tlv(&[0x30], &[tlv(&[0x30], &common), tlv(&[0x30], &class), tlv(&[0xA1], &kind)].concat())
}

pub fn tlv(tag: &[u8], value: &[u8]) -> Vec<u8> {
    let length = match u16::try_from(value.len()).unwrap().to_be_bytes() {
        [0, n @ 0..=0x7F] => vec![n],
        [0, n] => vec![0x81, n],
        [high, low] => vec![0x82, high, low],
    };
    [tag, &length, value].concat()
}

/// A device certificate with this name of its holder. Its signature is wrong; nobody checks it.
pub fn device_certificate(chr: &[u8]) -> Vec<u8> {
    let point = [&[4][..], &[7; 64]].concat();
    let key = [tlv(&[6], b"\x04\x00\x7F\x00\x07\x02\x02\x02\x03"), tlv(&[0x86], &point)].concat();
    let body = [
        tlv(&[0x5F, 0x29], &[0]),
        tlv(&[0x42], b"DEDINK0400001"),
        tlv(&[0x7F, 0x49], &key),
        tlv(&[0x5F, 0x20], chr),
        tlv(&[0x7F, 0x4C], b"\x06\x0B\x2B\x06\x01\x04\x01\x81\xC3\x1F\x03\x01\x01\x53\x01\x00"),
        tlv(&[0x5F, 0x25], &[2, 2, 0, 1, 0, 1]),
        tlv(&[0x5F, 0x24], &[3, 0, 0, 1, 0, 1]),
    ]
    .concat();
    let certificate = [tlv(&[0x7F, 0x4E], &body), tlv(&[0x5F, 0x37], &[9; 64])].concat();
    let one = tlv(&[0x7F, 0x21], &certificate);
    [one.clone(), one].concat()
}
