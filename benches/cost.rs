//! `make bench`: what a check takes beside the real tools, in one run on one machine.
//!
//! Only ratios mean something, so what is compared runs in turns, and medians are shown. Programs
//! are timed by this same program inside the stand, without what it takes to get there. The slow card
//! is as slow as a real one, and has the targets. With the fast one the time is the programs' own, and
//! much of ours goes into two signatures a key, which `pkcs15-tool` does not look at: only shown.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a measurement that fails should fail loudly"
)]

#[path = "../tests/support/many_keys.rs"]
mod many_keys;
#[path = "../tests/stand/mod.rs"]
mod stand;

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use many_keys::{MOST, keys};
use stand::{CardFile, Host, Kind, PIN, SO_PIN, Stand, Stats};

/// Numbers of P-256 keys, and the largest part of `pkcs15-tool`'s time that a check may take.
const TARGETS: [(usize, f64); 4] = [(1, 0.7), (5, 0.5), (20, 0.5), (60, 0.5)];
/// Runs of which the median is taken.
const FAST_RUNS: usize = 15;
const SLOW_RUNS: usize = 3;
/// The card that takes its time.
const SLOW: &str = "slow";
/// How long the slow card takes for an answer.
const SLOW_MS: u32 = 45;
/// Cache entries of the check without a card.
const ENTRIES: usize = 60;
/// How much more a check may cost if all keys are stale than if none is.
const STALE: f64 = 3.0;
/// Most memory, in KiB.
const MEMORY: u64 = 20 << 10;

const OURS: [&str; 2] = [env!("CARGO_BIN_EXE_stalecard"), "check"];
const THEIRS: [&str; 2] = ["pkcs15-tool", "-D"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--time", command @ ..] => time(command),
        ["--memory", command @ ..] => memory(command),
        _ => return if compare() { ExitCode::SUCCESS } else { ExitCode::FAILURE },
    }
    ExitCode::SUCCESS
}

/// All comparisons; true if every target was met.
fn compare() -> bool {
    let (fast, slow) = (Stand::start(), slow_stand());
    let cards = cards(&fast);
    let mut met = true;
    println!("a card with N P-256 keys, cache empty: stalecard check beside pkcs15-tool -D");
    println!("  N  APDUs: ours, theirs   bytes   card       time: ours, theirs      ratio   most");
    for (stand, card, runs) in [(&fast, "fast", FAST_RUNS), (&slow, SLOW, SLOW_RUNS)] {
        for ((keys, most), state) in TARGETS.into_iter().zip(&cards) {
            insert(stand, state, keys);
            let (ours, theirs) = (counted(stand, &OURS), counted(stand, &THEIRS));
            let [our_time, their_time] =
                medians(runs, [&OURS, &THEIRS], &|command| measure(&fresh(stand), "--time", command));
            let ratio = our_time / their_time;
            let missed = card == SLOW && ratio > most;
            met &= !missed;
            println!(
                "{keys:3}     {:5} {:5}   {:6} {:6}   {card}   {} {}   {ratio:4.2}   {}{}",
                ours.apdus,
                theirs.apdus,
                ours.bytes_in + ours.bytes_out,
                theirs.bytes_in + theirs.bytes_out,
                milliseconds(our_time),
                milliseconds(their_time),
                if card == SLOW { format!("{most:4.2}") } else { "   -".to_owned() },
                mark(!missed)
            );
        }
    }
    println!();
    met &= compare_asked();
    met &= compare_offline(&fast);
    met &= compare_stale(&fast);
    met &= show_memory(&fast);
    met
}

/// A check that asks OpenSC about a card, beside OpenSC's own lists of it, in commands that the card gets: without a cache and
/// with one. Where the module has cached what `pkcs15-tool` never reads, both are asked.
fn compare_asked() -> bool {
    let mut met = true;
    println!(
        "an asked card, all of it cached: stalecard check beside pkcs15-tool -D, live and cached, and pkcs11-tool -O"
    );
    println!(
        "  card        certificates   lists: live, cached   ours   ratio   most   on the slow card: ours, pkcs15-tool -D \
         live and cached"
    );
    for kind in [Kind::Belpic, Kind::Dnie, Kind::EstEid2018, Kind::Starcos] {
        for (certificates, module) in [(2, false), (4, false), (4, true)] {
            let names: Vec<String> = (0..certificates).map(|number| number.to_string()).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let (stand, _card) = Stand::with_file_card(kind, &names);
            let host = stand.host("asked");
            host.caching("public");
            host.pkcs15_list();
            if module {
                host.pkcs11_list();
            }
            let apdus = |run: &dyn Fn()| {
                stand.card().reset_stats();
                run();
                stand.card().stats().apdus
            };
            let mut lists = [
                apdus(&|| drop(host.live().pkcs15_list())),
                apdus(&|| drop(host.with_cache_copy().pkcs15_list())),
            ];
            if module {
                lists[0] += apdus(&|| drop(host.live().pkcs11_list()));
                lists[1] += apdus(&|| drop(host.with_cache_copy().pkcs11_list()));
            }
            let ours = apdus(&|| drop(host.run(&OURS).ok()));
            let most = if module { 3.5 } else { 2.5 };
            let ratio = ours as f64 / (lists[0] + lists[1]) as f64;
            met &= ratio <= most;
            // As long as a person waits: a card as slow as a real one.
            stand.card().ask(&format!("latency {SLOW_MS}"));
            let seconds = [
                measure(&host, "--time", &OURS),
                measure(&host.live(), "--time", &THEIRS),
                measure(&host.with_cache_copy(), "--time", &THEIRS),
            ];
            println!(
                "  {:11} {certificates:2}{}            {:4} {:4}              {ours:4}   {ratio:4.2}   {most:4.2}   {:5.1} s, {:.1} s and {:.1} s{}",
                format!("{kind:?}"),
                if module { "+module" } else { "       " },
                lists[0],
                lists[1],
                seconds[0],
                seconds[1],
                seconds[2],
                mark(ratio <= most)
            );
        }
    }
    println!();
    met
}

/// A check without a card beside our own start, in instructions: what it reads and judges is to cost no more than that.
fn compare_offline(stand: &Stand) -> bool {
    let host = stand.host("offline");
    host.pkcs15_list();
    let mut files: Vec<PathBuf> = host.cache_names().iter().map(|name| host.cache().join(name)).collect();
    files.retain(|file| !file.to_string_lossy().ends_with("C400"));
    // Names are sorted, so the first half are descriptions and the second what belongs to them.
    let half = files.len() / 2;
    let kept = ENTRIES / 2;
    for surplus in files[kept..half].iter().chain(&files[half + kept..]) {
        std::fs::remove_file(surplus).unwrap();
    }
    files.retain(|file| file.exists());
    assert_eq!(files.len(), ENTRIES);
    let ours = instructions(&host, &[&OURS[..], &["--offline"]].concat());
    let start = instructions(&host, &[OURS[0], "--version"]);
    let met = ours <= 2 * start;
    println!(
        "{ENTRIES} cache entries: check --offline {ours} instructions, our own start {start}, ratio {:.2}, most 2.00{}",
        ours as f64 / start as f64,
        mark(met)
    );
    met
}

/// As many keys as a card can list, all of them stale, beside as many fresh ones, in instructions.
fn compare_stale(stand: &Stand) -> bool {
    let host = stand.host("snapshots");
    let [fresh, stale] = [false, true].map(|is_stale| {
        let path = stand.dir().join(if is_stale { "stale.json" } else { "fresh.json" });
        std::fs::write(&path, keys(MOST, is_stale).to_string()).unwrap();
        instructions(&host, &[&OURS[..], &["--snapshot", path.to_str().unwrap()]].concat())
    });
    let met = stale as f64 <= STALE * fresh as f64;
    println!(
        "{MOST} keys: check {stale} instructions if all are stale, {fresh} if none is, ratio {:.2}, most {STALE:.2}{}",
        stale as f64 / fresh as f64,
        mark(met)
    );
    met
}

/// Instructions of a command on this host, as valgrind counts them: the same whatever else the machine does.
fn instructions(host: &Host, command: &[&str]) -> u64 {
    let counter = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"];
    let output = host.run(&[&counter[..], command].concat());
    let line = output.stderr.lines().find_map(|line| line.split_once("Collected :"));
    line.and_then(|(_, count)| count.trim().parse().ok()).unwrap_or_else(|| panic!("no count: {output}"))
}

/// Peak memory with the largest card in the reader and its cache full.
fn show_memory(stand: &Stand) -> bool {
    let host = stand.host("memory");
    host.pkcs15_list();
    let peak = (0..3).map(|_| measure(&host, "--memory", &OURS)).fold(0.0, f64::max);
    let (keys, _) = TARGETS[TARGETS.len() - 1];
    let met = peak < MEMORY as f64;
    println!("peak memory of check with {keys} keys, all cached: {:.1} MiB{}", peak / 1024.0, mark(met));
    met
}

/// Cards with so many keys, made by the real tools.
fn cards(stand: &Stand) -> Vec<PathBuf> {
    let host = stand.host("maker");
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    let mut made = 0;
    TARGETS
        .iter()
        .map(|(keys, _)| {
            while made < *keys {
                host.keypairgen("EC:prime256v1", &[]);
                made += 1;
            }
            let state = stand.dir().join(format!("{keys}-keys.json"));
            std::fs::copy(stand.card().first().path(), &state).unwrap();
            state
        })
        .collect()
}

/// As slow as a real card in a real reader.
fn slow_stand() -> Stand {
    let stand = Stand::start();
    stand.card().ask(&format!("latency {SLOW_MS}"));
    stand
}

/// Puts a copy of this card into the reader.
fn insert(stand: &Stand, state: &PathBuf, keys: usize) {
    let card: CardFile = stand.card().first().twin(&format!("{keys}-keys"));
    std::fs::copy(state, card.path()).unwrap();
    stand.card().insert(&card);
}

/// A host without a cache.
fn fresh(stand: &Stand) -> Host {
    let host = stand.host("fresh").with_time_limit(Duration::from_secs(120));
    let _ = std::fs::remove_dir_all(host.cache());
    host
}

/// What a command costs the card.
fn counted(stand: &Stand, command: &[&str]) -> Stats {
    stand.card().reset_stats();
    fresh(stand).run(command).ok();
    stand.card().stats()
}

/// The medians of so many runs, the commands taking turns.
fn medians<const N: usize>(
    runs: usize,
    commands: [&[&str]; N],
    measure: &dyn Fn(&[&str]) -> f64,
) -> [f64; N] {
    let mut seen = [const { Vec::new() }; N];
    for _ in 0..runs {
        for (command, seen) in commands.iter().zip(&mut seen) {
            seen.push(measure(command));
        }
    }
    seen.map(|mut values| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    })
}

/// What [`time`] or [`memory`] print on this host.
fn measure(host: &Host, what: &str, command: &[&str]) -> f64 {
    let this = std::env::current_exe().unwrap();
    let output = host.run(&[&[this.to_str().unwrap(), what], command].concat()).ok();
    output.stdout.trim().parse().unwrap_or_else(|error| panic!("{error}: {output}"))
}

fn milliseconds(seconds: f64) -> String {
    format!("{:7.1} ms", seconds * 1000.0)
}

fn mark(met: bool) -> &'static str {
    if met { "" } else { "   MISSED" }
}

/// Inside the stand: seconds from start to end of a command.
fn time(command: &[&str]) {
    let mut command = quiet(command);
    let begun = Instant::now();
    let status = command.status().unwrap();
    let taken = begun.elapsed();
    assert!(status.success(), "{command:?}: {status}");
    println!("{}", taken.as_secs_f64());
}

/// Inside the stand: peak memory (resident, KiB) of a command, looked at until its end. The last
/// look may be some 0.1 ms before it.
fn memory(command: &[&str]) {
    let mut child = quiet(command).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
        peak = peak.max(now.unwrap_or(0));
    }
    println!("{peak}");
}

fn quiet(command: &[&str]) -> Command {
    let (program, arguments) = command.split_first().unwrap();
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}
