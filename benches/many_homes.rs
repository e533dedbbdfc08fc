//! `make bench`: all caches of a host with very many users, beside the least that any program must do
//! with the same files (`find … -exec sha256sum`), in one run; and how memory grows with the users.
//!
//! Takes root: the homes and the user database are in a mount namespace of their own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a measurement that fails should fail loudly"
)]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

const USERS: usize = 10_000;
/// For the growth of memory.
const FEW: usize = 1_000;
const ENTRIES: usize = 10;
const RUNS: usize = 5;
/// How much more memory, in KiB, ten times the users may take.
const GROWTH: u64 = 8 << 10;
/// All of them, in KiB.
const MEMORY: u64 = 20 << 10;

const HOMES: &str = "/mnt/homes";
const INSIDE: &str = "STALECARD_BENCH_INSIDE";
const OURS: [&str; 4] = [env!("CARGO_BIN_EXE_stalecard"), "check", "--offline", "--all-users"];
const THEIRS: [&str; 8] = ["find", HOMES, "-type", "f", "-exec", "sha256sum", "{}", "+"];

fn main() -> ExitCode {
    if !rustix::process::geteuid().is_root() {
        println!("many homes: needs root, NOT measured");
        return ExitCode::SUCCESS;
    }
    if std::env::var_os(INSIDE).is_none() {
        let this = std::env::current_exe().unwrap();
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "--"]).arg(this).env(INSIDE, "1");
        let inside = command.status().expect("unshare");
        return if inside.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    run(Command::new("mount").args(["-t", "tmpfs", "tmpfs", "/mnt"]));
    fs::write("/mnt/passwd", "root:x:0:0:root:/root:/bin/sh\n").unwrap();
    run(Command::new("mount").args(["--bind", "/mnt/passwd", "/etc/passwd"]));
    populate(0, FEW);
    let few = memory();
    populate(FEW, USERS);
    let many = memory();
    // In turns, and once before that for nothing.
    let mut seen = [Vec::new(), Vec::new()];
    time(&OURS);
    time(&THEIRS);
    for _ in 0..RUNS {
        seen[0].push(time(&OURS));
        seen[1].push(time(&THEIRS));
    }
    let [ours, theirs] = seen.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[RUNS / 2]
    });
    let fast = ours <= theirs;
    println!(
        "{USERS} homes with {} entries: check --offline --all-users {ours:.2} s, find -exec sha256sum {theirs:.2} s, \
         ratio {:.2}{}",
        USERS * ENTRIES,
        ours / theirs,
        mark(fast)
    );
    let flat = many <= MEMORY && many.saturating_sub(few) <= GROWTH;
    println!(
        "peak memory: {FEW} homes {:.1} MiB, {USERS} homes {:.1} MiB{}",
        few as f64 / 1024.0,
        many as f64 / 1024.0,
        mark(flat)
    );
    if fast && flat { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn mark(met: bool) -> &'static str {
    if met { "" } else { "   MISSED" }
}

/// Makes the users from the one number up to the other, each with recorded entries in the cache.
fn populate(from: usize, to: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/recordings/sc-hsm/5-keys-cache");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let contents = files.iter().map(|file| (file.file_name().unwrap(), fs::read(file).unwrap()));
    let contents: Vec<_> = contents.filter(|(_, content)| !content.is_empty()).take(ENTRIES).collect();
    assert_eq!(contents.len(), ENTRIES);
    let mut database = fs::read_to_string("/mnt/passwd").unwrap();
    for number in from..to {
        let uid = 100_000 + u32::try_from(number).unwrap();
        let home = Path::new(HOMES).join(format!("u{number}"));
        let cache = home.join(".cache/opensc");
        fs::create_dir_all(&cache).unwrap();
        for (name, content) in &contents {
            fs::write(cache.join(name), content).unwrap();
            chown(cache.join(name), Some(uid), Some(uid)).unwrap();
        }
        for path in [&cache, &home.join(".cache"), &home] {
            chown(path, Some(uid), Some(uid)).unwrap();
            fs::set_permissions(path, Permissions::from_mode(0o700)).unwrap();
        }
        database += &format!("u{number}:x:{uid}:{uid}::{}:/bin/sh\n", home.display());
    }
    fs::write("/mnt/passwd", database).unwrap();
}

fn run(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}");
}

fn quiet(command: &[&str]) -> Command {
    let mut quiet = Command::new(command[0]);
    quiet.args(&command[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet
}

/// Seconds from start to end.
fn time(command: &[&str]) -> f64 {
    let begun = Instant::now();
    let status = quiet(command).status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
    begun.elapsed().as_secs_f64()
}

/// Peak memory (resident, KiB), looked at until the end.
fn memory() -> u64 {
    let mut child = quiet(&OURS).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
        peak = peak.max(now.unwrap_or(0));
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    peak
}
