//! `make bench`: an audit of very many certificates beside `openssl verify` over the same files, in CPU time of all
//! processors, in one run; and how memory grows with them.
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

#[path = "../tests/support/many_certificates.rs"]
mod many_certificates;

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use many_certificates::Issuer;
use serde_json::Value;

const FEW: u32 = 20_000;
const MANY: u32 = 100_000;
/// Files for one call of openssl: more do not fit into a command line everywhere.
const AT_A_TIME: u32 = 20_000;
/// The largest part of openssl's time that an audit may take.
const MOST: f64 = 0.8;
/// How much more memory, in KiB, five times the certificates may take: an entry in two tables for what is sound, a record
/// for what is not.
const GROWTH: u64 = 12 << 10;

fn main() -> ExitCode {
    let folder = tempfile::tempdir().unwrap();
    let issuer = Issuer::new(folder.path());
    let mut bad = issuer.issue(folder.path(), 0, FEW);
    let few = audit(folder.path(), FEW, bad);
    bad += issuer.issue(folder.path(), FEW, MANY);
    let many = audit(folder.path(), MANY, bad);
    let theirs = openssl(folder.path(), bad);
    let ratio = many.time.as_secs_f64() / theirs.as_secs_f64();
    let is_fast = ratio <= MOST;
    println!(
        "{MANY} certificates: stalecard audit {:.2} s of CPU time, openssl verify (x {AT_A_TIME}) {:.2} s, ratio {ratio:.2}, \
         most {MOST:.2}{}",
        many.time.as_secs_f64(),
        theirs.as_secs_f64(),
        mark(is_fast)
    );
    let is_flat = many.memory.saturating_sub(few.memory) <= GROWTH;
    println!(
        "peak memory: {FEW} certificates {:.1} MiB, {MANY} certificates {:.1} MiB{}",
        few.memory as f64 / 1024.0,
        many.memory as f64 / 1024.0,
        mark(is_flat)
    );
    if is_fast && is_flat { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn mark(met: bool) -> &'static str {
    if met { "" } else { "   MISSED" }
}

struct Cost {
    time: Duration,
    /// KiB.
    memory: u64,
}

/// Audits all there are, of which so many are bad.
fn audit(folder: &Path, count: u32, bad: u64) -> Cost {
    let program =
        std::env::var_os("STALECARD_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_stalecard").into());
    let before = spent();
    let mut command = Command::new(program);
    command
        .args(["audit", "--offline", "--format", "json", "ca.pem", "many"])
        .current_dir(folder)
        .env("HOME", folder);
    let [out, errors] = ["said", "errors"].map(|name| folder.join(name));
    command.stdin(Stdio::null()).stderr(File::create(&errors).unwrap()).stdout(File::create(&out).unwrap());
    let begun = Instant::now();
    let mut child = command.spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut memory = 0;
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
        memory = memory.max(now.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(10));
    }
    let time = spent() - before;
    let report: Value = serde_json::from_slice(&fs::read(out).unwrap()).unwrap();
    let number = |name: &str| report["audit"][name].as_u64().unwrap();
    assert_eq!((number("bad"), number("sound")), (bad, u64::from(count) + 1 - bad));
    // Whoever waits is told how far it is, every five seconds.
    let told = fs::read_to_string(errors).unwrap();
    let is_told = told.contains("auditing") && told.contains(" files");
    assert!(is_told || begun.elapsed() < Duration::from_secs(15), "{told}");
    Cost { time, memory }
}

/// What openssl takes for the same, if it refuses as many.
fn openssl(folder: &Path, bad: u64) -> Duration {
    let before = spent();
    let script = format!(
        "find many -name '*.pem' -print0 | xargs -0 -n {AT_A_TIME} openssl verify -CAfile ca.pem >verified 2>&1; true"
    );
    assert!(Command::new("sh").args(["-c", &script]).current_dir(folder).status().unwrap().success());
    let time = spent() - before;
    let refused = fs::read_to_string(folder.join("verified")).unwrap().matches("error 7 at").count();
    assert_eq!(refused as u64, bad);
    time
}

/// The CPU time of all children that have ended: user and system, in hundredths of a second.
fn spent() -> Duration {
    let text = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = text.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = [13, 14].map(|field: usize| fields[field].parse::<u64>().unwrap()).iter().sum();
    Duration::from_millis(ticks * 10)
}
