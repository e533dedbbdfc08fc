//! `make bench`: ten thousand snapshots compared, and the page on them, with names and without: CPU time and peak memory.
//!
//! `STALECARD_PROGRAM`: another build, to be measured in place of the one that is benched.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a measurement that fails should fail loudly"
)]

#[path = "../tests/support/many_snapshots.rs"]
mod many_snapshots;

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

const SNAPSHOTS: usize = 10_000;
/// CPU time of each command, at most.
const MOST: Duration = Duration::from_secs(20);
/// Peak memory of each, in KiB.
const MEMORY: u64 = 200_000_000 / 1024;

const COMMANDS: [(&[&str], i32); 4] = [
    (&["compare"], 1),
    (&["compare", "--format", "json"], 1),
    (&["report", "--format", "html"], 0),
    (&["report", "--redact"], 0),
];

fn main() -> ExitCode {
    let folder = tempfile::tempdir().unwrap();
    many_snapshots::write(&folder.path().join("fleet"), SNAPSHOTS);
    let mut met = true;
    for (words, code) in COMMANDS {
        let Cost { time, memory, bytes } = cost(folder.path(), words, code);
        let is_met = time <= MOST && memory <= MEMORY;
        met &= is_met;
        println!(
            "{SNAPSHOTS} snapshots: {} {:.1} s of CPU time, peak memory {:.0} MiB, {:.1} MB of output{}",
            words.join(" "),
            time.as_secs_f64(),
            memory as f64 / 1024.0,
            bytes as f64 / 1e6,
            if is_met { "" } else { "   MISSED" }
        );
    }
    if met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Cost {
    time: Duration,
    /// KiB.
    memory: u64,
    bytes: u64,
}

fn cost(folder: &Path, words: &[&str], code: i32) -> Cost {
    let program =
        std::env::var_os("STALECARD_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_stalecard").into());
    let out = folder.join("said");
    let before = spent();
    let mut command = Command::new(program);
    command.args(words).arg("fleet").current_dir(folder).env("HOME", folder);
    command.stdin(Stdio::null()).stdout(File::create(&out).unwrap());
    let mut child = command.spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut memory = 0;
    let ended = loop {
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
        memory = memory.max(now.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(5));
    };
    let time = spent() - before;
    assert_eq!(ended.code(), Some(code), "{words:?}");
    let said = fs::read_to_string(&out).unwrap();
    // All of them are told of, whichever way.
    assert!(
        said.contains("10000 snapshots of 10000 tokens compared"),
        "{}",
        said.get(..400).unwrap_or(&said)
    );
    Cost { time, memory, bytes: said.len() as u64 }
}

/// The CPU time of all children that have ended: user and system, in hundredths of a second.
fn spent() -> Duration {
    let text = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = text.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = [13, 14].map(|field: usize| fields[field].parse::<u64>().unwrap()).iter().sum();
    Duration::from_millis(ticks * 10)
}
