//! Courtesy towards other programs: a program that is logged in stays logged in, one that signs is
//! not held up, one that holds the card for itself is waited for and named, and `check` writes nothing at all.

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::stand::{Host, Output, PIN, Running, SO_PIN, Stand};
use crate::traced;
use serde_json::Value;

/// The most that anybody may be held up.
const COURTESY: Duration = Duration::from_secs(1);

fn long() -> bool {
    std::env::var_os("STALECARD_LONG").is_some()
}

/// A card with so many keys, and a host.
fn scene(keys: usize) -> (Stand, Host) {
    let stand = Stand::start();
    let host = stand.host("alpha");
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    for _ in 0..keys {
        host.keypairgen("EC:prime256v1", &[]);
    }
    (stand, host)
}

fn module() -> PathBuf {
    let dirs =
        std::fs::read_dir("/usr/lib").unwrap().flatten().map(|entry| entry.path().join("opensc-pkcs11.so"));
    let all = std::iter::once(PathBuf::from("/usr/lib/opensc-pkcs11.so")).chain(dirs);
    all.into_iter()
        .find(|path| path.is_file())
        .expect("opensc-pkcs11.so below /usr/lib: run tests/stand/setup")
}

/// The signing service `courtesy/signer.c`, built for this stand.
fn build_signer(dir: &Path) -> PathBuf {
    let program = dir.join("signer");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/on_stand/courtesy/signer.c");
    let status =
        Command::new("cc").args(["-O1", "-Wall", "-o"]).arg(&program).arg(source).arg("-ldl").status();
    assert!(status.expect("cc").success());
    program
}

/// A signing service that is logged in and has begun to sign.
struct Service {
    running: Running,
    stop: PathBuf,
}

impl Service {
    fn start(stand: &Stand, host: &Host, pause: Duration) -> Self {
        let program = build_signer(stand.dir());
        let stop = stand.dir().join("stop");
        let _ = std::fs::remove_file(&stop);
        let (module, pause) = (module(), pause.as_millis().to_string());
        let before = stand.card().stats().signatures;
        let words =
            [program.to_str().unwrap(), module.to_str().unwrap(), PIN, stop.to_str().unwrap(), &pause];
        let running = host.spawn(&words);
        until("the first signatures", || stand.card().stats().signatures >= before + 3);
        Self { running, stop }
    }

    /// The time each signature took.
    fn end(self) -> Vec<Duration> {
        std::fs::write(&self.stop, "").unwrap();
        let output = self.running.finish(Duration::from_secs(600)).ok();
        output.stdout.lines().map(|line| Duration::from_micros(line.parse().unwrap())).collect()
    }
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted[sorted.len() / 2]
}

/// Wall time on a machine that may be busy: one late signature of a run is taken for the machine's own.
fn worst_but_one(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.pop();
    worst(&times)
}

fn worst(times: &[Duration]) -> Duration {
    *times.iter().max().unwrap()
}

/// `check` again and again beside a signing service.
fn beside_a_service(keys: usize, latency: u64, pause: u64, checks: usize) {
    beside_a_service_that(keys, latency, pause, checks, false);
}

/// The same beside one that may be too busy for us.
fn beside_a_service_that(keys: usize, latency: u64, pause: u64, checks: usize, too_busy: bool) {
    let (stand, host) = scene(keys);
    let card = stand.card();
    card.ask(&format!("latency {latency}"));
    let tries = card.dump()["user_tries"].clone();
    let service = Service::start(&stand, &host, Duration::from_millis(pause));
    let observer = stand.host("beta").with_time_limit(Duration::from_secs(90));
    card.reset_stats();
    std::thread::sleep(Duration::from_millis(1500));
    let alone = card.stats().signatures;
    let mut took = Vec::new();
    for _ in 0..checks {
        let output = observer.stalecard(&["check", "--format", "json"]);
        took.push(output.duration);
        if too_busy && output.code() == 3 {
            assert!(said(&output).contains("other programs use the card without a pause"), "{output}");
            continue;
        }
        let output = output.ok();
        let report: Value = serde_json::from_str(&output.stdout).unwrap();
        assert_eq!(
            report["tokens"][0]["status"]["user PIN"],
            "a login is open: of another program that has the card open, or left by one that has ended",
            "{output}"
        );
        assert_eq!(report["coverage"], serde_json::json!([]), "{output}");
    }
    let stats = card.stats();
    let times = service.end();
    let (without, with) = times.split_at(usize::try_from(alone).unwrap());
    println!(
        "{keys} keys, {latency} ms per APDU, pause {pause} ms: {} signatures without us: median {:?}, worst {:?}; {} with us: \
              median {:?}, worst {:?}; check took {took:?}",
        without.len(),
        median(without),
        worst(without),
        with.len(),
        median(with),
        worst(with)
    );
    println!("{stats:?}");
    assert_eq!((stats.select_aid, stats.verify, stats.verify_wrong, stats.writes), (0, 0, 0, 0), "{stats:?}");
    assert_eq!(card.dump()["user_tries"], tries);
    assert!(worst_but_one(with).saturating_sub(median(without)) < COURTESY);
}

#[test]
fn a_service_signing_without_pause_stays_logged_in_and_is_not_held_up() {
    beside_a_service(1, 0, 0, 2);
}

#[test]
fn a_service_on_a_slow_reader_with_twenty_keys_stays_logged_in_and_is_not_held_up() {
    beside_a_service(20, 45, 200, 2);
}

/// Signatures back to back on a slow card leave gaps so short that there is no getting in between: that is said, and the
/// service does not notice.
#[test]
fn a_service_that_leaves_no_gap_is_given_up_and_not_held_up() {
    if long() {
        beside_a_service_that(20, 45, 0, 2, true);
    } else {
        println!("skipped: takes two minutes (STALECARD_LONG=1)");
    }
}

// ---- pkcs11-tool ----------------------------------------------------------------------------------------------

/// A `pkcs11-tool` that is logged in and waits for what it is to sign: its input is a pipe that nobody has written to.
struct Waiting {
    running: Running,
    pipe: PathBuf,
}

impl Waiting {
    fn start(stand: &Stand, host: &Host) -> Self {
        let pipe = stand.dir().join("to-be-signed");
        let _ = std::fs::remove_file(&pipe);
        host.run(&["mkfifo", pipe.to_str().unwrap()]).ok();
        let verified = stand.card().stats().verify;
        let input = pipe.to_str().unwrap();
        let running = host.spawn(&[
            "pkcs11-tool",
            "--login",
            "--pin",
            PIN,
            "--sign",
            "--mechanism",
            "ECDSA",
            "--input-file",
            input,
            "--output-file",
            "/dev/null",
        ]);
        until("the login", || stand.card().stats().verify > verified);
        Self { running, pipe }
    }

    /// Hands it its input, and gives the time to the end of the program.
    fn sign(self, stand: &Stand) -> Duration {
        let begun = Instant::now();
        let signatures = stand.card().stats().signatures;
        std::fs::write(&self.pipe, [7; 32]).unwrap();
        until("the signature", || stand.card().stats().signatures > signatures);
        let took = begun.elapsed();
        self.running.finish(Duration::from_secs(60)).ok();
        took
    }
}

/// The real pkcs11-tool signs in a loop, and `check` runs in a loop beside it: between login and signature, and
/// during everything that pkcs11-tool does.
fn beside_pkcs11_tool(keys: usize, latency: u64, rounds: usize) {
    let (stand, host) = scene(keys);
    let observer = stand.host("beta");
    let card = stand.card();
    card.ask(&format!("latency {latency}"));
    let measure = |rounds: usize| -> (Vec<Duration>, Vec<Duration>) {
        let round = |_| {
            let begun = Instant::now();
            let took = Waiting::start(&stand, &host).sign(&stand);
            (took, begun.elapsed())
        };
        (0..rounds).map(round).unzip()
    };
    let (alone, program_alone) = measure(2);
    let end = AtomicBool::new(false);
    card.reset_stats();
    let (with, program, checks) = std::thread::scope(|scope| {
        let checking = scope.spawn(|| {
            let mut checks = Vec::new();
            while !end.load(Ordering::Relaxed) {
                let output = observer.stalecard(&["check"]);
                // Logins that come and go are no moment to say what is on the card; then it must say so.
                let restless = said(&output).contains("was reset during each of 4 attempts");
                assert!(output.code() == 0 || (output.code() == 3 && restless), "{output}");
                checks.push((output.code(), output.duration));
            }
            checks
        });
        let result = std::panic::catch_unwind(AssertUnwindSafe(|| measure(rounds)));
        end.store(true, Ordering::Relaxed);
        let checks = checking.join().unwrap();
        let (with, program) = result.unwrap_or_else(|failure| std::panic::resume_unwind(failure));
        (with, program, checks)
    });
    let stats = card.stats();
    println!(
        "pkcs11-tool, {keys} keys, {latency} ms per APDU: from input to signature alone {alone:?}, with us {with:?}; whole program \
         alone {program_alone:?}, with us {program:?}; checks (exit code, time) {checks:?}"
    );
    // One PIN for each of them: OpenSC would have sent it again had the login been lost.
    let rounds = u64::try_from(rounds).unwrap();
    assert_eq!(
        (stats.verify, stats.verify_wrong, stats.signatures, stats.writes),
        (rounds, 0, rounds, 0),
        "{stats:?}"
    );
    assert!(worst_but_one(&with).saturating_sub(median(&alone)) < COURTESY, "{with:?}");
}

#[test]
fn pkcs11_tool_signing_in_a_loop_is_not_disturbed() {
    beside_pkcs11_tool(1, 0, if long() { 100 } else { 10 });
}

#[test]
fn pkcs11_tool_signing_in_a_loop_on_a_slow_reader_is_not_disturbed() {
    beside_pkcs11_tool(5, 45, if long() { 20 } else { 4 });
}

/// Between login and signature, check sends no SELECT; without a login, exactly one.
#[test]
fn select_is_sent_once_and_only_if_nobody_is_logged_in() {
    let (stand, host) = scene(2);
    let observer = stand.host("beta");
    let waiting = Waiting::start(&stand, &host);
    let tries = stand.card().dump()["user_tries"].clone();
    for command in [&["check"][..], &["show"], &["flush"], &["snapshot"], &["ls"]] {
        stand.card().reset_stats();
        observer.stalecard(command).ok();
        let stats = stand.card().stats();
        assert_eq!((stats.select_aid, stats.verify, stats.writes), (0, 0, 0), "{command:?}: {stats:?}");
        assert!(stats.apdus > 8);
    }
    waiting.sign(&stand);
    for command in [&["check"][..], &["show"], &["flush"], &["snapshot"], &["ls"]] {
        stand.card().reset_stats();
        observer.stalecard(command).ok();
        let stats = stand.card().stats();
        assert_eq!((stats.select_aid, stats.verify, stats.writes), (1, 0, 0), "{command:?}: {stats:?}");
    }
    assert_eq!(stand.card().dump()["user_tries"], tries);
}

/// Whenever `check` is killed, the login of the others survives it.
#[test]
fn a_check_killed_at_any_apdu_leaves_the_login_alone() {
    let (stand, host) = scene(1);
    let (observer, card) = (stand.host("beta"), stand.card());
    let waiting = Waiting::start(&stand, &host);
    card.ask("latency 20");
    card.reset_stats();
    observer.stalecard(&["check"]).ok();
    let last = card.stats().apdus;
    // At the first one the login is not known yet.
    for k in 2..=last {
        card.reset_stats();
        let running = observer.spawn(&[env!("CARGO_BIN_EXE_stalecard"), "check"]);
        until("the APDU to be killed at", || card.stats().apdus >= k);
        running.stop();
    }
    card.ask("latency 0");
    card.reset_stats();
    waiting.sign(&stand);
    let stats = card.stats();
    println!("killed at each of APDUs 2 to {last}; then {stats:?}");
    assert_eq!((stats.verify, stats.signatures), (0, 1), "{stats:?}");
}

// ---- others who keep the card ---------------------------------------------------------------------------------

/// What a program printed, without its line breaks.
fn said(output: &Output) -> String {
    format!("{}{}", output.stdout, output.stderr).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A real program that keeps the card for itself as this configuration makes it, and what check makes of it.
fn beside_a_holder(configuration: &str, expected: &str, at_most: Duration) {
    let (stand, host) = scene(1);
    let holder = stand.host("holder");
    holder.configure(configuration);
    let waiting = Waiting::start(&stand, &holder);
    stand.card().reset_stats();
    let output = host.stalecard(&["check"]).exits(3);
    println!("{expected}: after {:?}: {}", output.duration, said(&output));
    assert!(said(&output).contains(expected) && output.duration < at_most, "{output}");
    assert_eq!(stand.card().stats().apdus, 0);
    waiting.sign(&stand);
    host.stalecard(&["check"]).ok();
}

#[test]
fn an_exclusive_connection_is_named() {
    beside_a_holder(
        "app default {\n\treader_driver pcsc {\n\t\tconnect_exclusive = true;\n\t}\n}\n",
        "another program holds the card for itself alone (SCARD_E_SHARING_VIOLATION)",
        Duration::from_secs(5),
    );
}

#[test]
fn a_transaction_that_does_not_end_is_named_after_half_a_minute() {
    beside_a_holder(
        "app default {\n}\napp opensc-pkcs11 {\n\tpkcs11 {\n\t\tlock_login = true;\n\t}\n}\n",
        "another program has held the card for 30 seconds (SCardBeginTransaction)",
        Duration::from_secs(35),
    );
}

#[test]
fn pcscd_that_dies_or_is_not_there_is_named_and_comes_back() {
    let (stand, host) = scene(1);
    let card = stand.card();
    card.ask("latency 200");
    card.reset_stats();
    let command = host.sh("tr '\\0' ' ' </proc/$(cat /run/pcscd/pcscd.pid)/cmdline").ok().stdout;
    let running = host.spawn(&[env!("CARGO_BIN_EXE_stalecard"), "check"]);
    until("the scan", || card.stats().apdus >= 4);
    host.sh("kill -9 $(cat /run/pcscd/pcscd.pid)").ok();
    let output = running.finish(Duration::from_secs(30)).exits(3);
    println!("killed: after {:?}: {}", output.duration, said(&output));
    assert!(said(&output).contains("SCARD_"), "{output}");
    for what in ["its socket left behind", "nothing of it there"] {
        let output = host.stalecard(&["check"]).exits(3);
        println!("{what}: after {:?}: {}", output.duration, said(&output));
        // What to do then is something else in a container, which this may be.
        let words = ["no PC/SC service", "(SCARD_E_NO_SERVICE): ", "start pcscd"];
        assert!(words.iter().all(|words| said(&output).contains(words)), "{output}");
        assert!(output.duration < Duration::from_secs(5), "{output}");
        host.sh("rm -f /run/pcscd/*").ok();
    }
    let pcscd = host.spawn(&["sh", "-c", &format!("exec {command}")]);
    until("pcscd's socket", || host.sh("test -S /run/pcscd/pcscd.comm").success());
    card.ask("latency 0");
    until("the card in the reader", || {
        card.try_ask("insert").is_ok() || host.stalecard(&["check"]).code() == 0
    });
    until("a check as ever", || host.stalecard(&["check"]).code() == 0);
    drop(pcscd);
}

// ---- the file system ------------------------------------------------------------------------------------------

/// Every call of `check` that could leave something behind, as strace sees it: none but writing to where it was told and to pcscd.
#[test]
fn check_writes_nothing_at_all() {
    let (stand, host) = scene(1);
    host.pkcs15_list();
    let trace = stand.dir().join("trace");
    for command in [
        &["check"][..],
        &["check", "--offline"],
        &["check", "--format", "json"],
        &["ls"],
        &["show"],
        &["snapshot"],
    ] {
        let words = [&traced::strace(&trace)[..], &[env!("CARGO_BIN_EXE_stalecard").to_owned()]].concat();
        host.run(&[words, command.iter().map(|&word| word.to_owned()).collect()].concat()).ok();
        let calls = traced::calls(&trace);
        assert_eq!(calls.leaving_something, [""; 0], "{command:?}");
        assert!(calls.text.contains("openat(") && calls.text.contains(".cache/opensc"), "{}", calls.text);
    }
}
