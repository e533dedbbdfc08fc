//! Cards that are pulled, refuse, babble or are exchanged in the middle of a command, at every
//! single APDU of it; and a PC/SC service that is not there.
//!
//! The rule for all of them: what is said about the card is true, and what was not read is said.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use crate::stand;
use crate::stand::{CardFile, Host, Output, PIN, SO_PIN, Stand};
use serde_json::Value;

/// What `check` says only of cards that it has read and that are shown as they are, with OK as with RISK.
const HEALTHY: &str = "what is on the card:";

/// The longest a command may take with a card that behaves badly (but is not waited for).
const LIMIT: Duration = Duration::from_secs(10);

/// A stand whose card holds one key, and a host that knows it.
struct Scene {
    stand: Stand,
    host: Host,
    /// The same card through the real tools, without a cache.
    live: Host,
}

impl Scene {
    /// The cache agrees with the card.
    fn fresh() -> Self {
        let stand = Stand::start();
        let host = stand.host("alpha");
        host.initialize("HSM-H1", PIN, SO_PIN, Some(1));
        host.keypairgen("EC:prime256v1", &[]);
        host.pkcs15_list();
        let live = host.live();
        Self { stand, host, live }
    }

    /// The cache holds a key that was replaced elsewhere.
    fn stale() -> Self {
        let scene = Self::fresh();
        let old = scene.live.pkcs15_list().private_keys()[0].id.clone().unwrap();
        scene.live.delete_object("privkey", &old);
        scene.live.keypairgen("EC:prime256v1", &[]);
        scene
    }

    /// How many APDUs a command takes, and what it says when nothing happens.
    fn count(&self, command: &[&str]) -> (u64, Output) {
        self.stand.card().reset_stats();
        let output = self.host.stalecard(command);
        (self.stand.card().stats().apdus, output)
    }

    /// Nothing was written, no PIN was tried.
    fn card_is_untouched(&self, what: &str) {
        let stats = self.stand.card().stats();
        assert_eq!((stats.writes, stats.verify, stats.verify_wrong), (0, 0, 0), "{what}: {stats:?}");
    }
}

/// What a program printed, without its line breaks.
fn said(output: &Output) -> String {
    format!("{}{}", output.stdout, output.stderr).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How often a fault that behaves differently each time is tried at each APDU.
fn repetitions() -> u64 {
    if std::env::var_os("STALECARD_LONG").is_some() { 50 } else { 2 }
}

/// The card is pulled at every APDU of a command: at the first, the second, and so on until the command is
/// over before. How many that were.
fn pulled(scene: &Scene, command: &[&str]) -> u64 {
    let after = scene.host.stalecard(&["check"]).code();
    let (card, cache) = (scene.stand.card(), scene.host.cache_files());
    let listing = scene.live.pkcs15_list();
    card.reset_stats();
    for k in 1.. {
        card.fault(&format!("die-at {k}"));
        let output = scene.host.stalecard(command);
        let what = format!("pulled at APDU {k}: {output}");
        if card.try_ask("ping").is_ok() && output.code() != 3 {
            card.fault("none");
            scene.card_is_untouched("pulled");
            return k - 1;
        }
        assert!(output.code() == 3 && output.duration < LIMIT, "{what}");
        let said = said(&output);
        assert!(said.contains("the card or its reader was taken out (SCARD_"), "{what}");
        assert!(said.contains("put it back and run this again"), "{what}");
        assert!(!said.contains(HEALTHY), "{what}");
        assert_eq!(scene.host.cache_files(), cache, "{what}");
        card.wait_removed();
        card.insert(card.first());
        assert_eq!(scene.host.stalecard(&["check"]).code(), after, "{what}");
        assert_eq!(scene.live.pkcs15_list(), listing, "{what}");
    }
    unreachable!("a command has an end");
}

/// Three stands at once: it is mostly waiting for pcscd to notice.
#[test]
fn a_card_pulled_at_any_apdu_is_said_and_changes_nothing() {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let n = pulled(&Scene::fresh(), &["check"]);
            println!("check: pulled at each of {n} APDUs");
            assert!(n >= 11);
        });
        scope.spawn(|| {
            let scene = Scene::stale();
            assert_eq!(scene.host.stalecard(&["check"]).code(), 1);
            // Only the last, undisturbed one moves anything.
            let n = pulled(&scene, &["flush"]);
            println!("flush: pulled at each of {n} APDUs");
            assert!(n >= 11);
            assert_eq!(scene.host.stalecard(&["check"]).code(), 0);
        });
        let scene = Scene::fresh();
        let file = scene.stand.dir().join("snapshot.json");
        let read = || -> Value { serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap() };
        let n = pulled(&scene, &["snapshot", "--output", file.to_str().unwrap()]);
        println!("snapshot: pulled at each of {n} APDUs");
        assert!(n >= 13);
        assert_eq!(read()["cards"].as_array().unwrap().len(), 1);
        scene.stand.card().fault("die-at 5");
        scene.host.stalecard(&["snapshot", "--output", file.to_str().unwrap()]).exits(3);
        assert_eq!(read()["cards"], serde_json::json!([]));
        assert!(read()["coverage"].to_string().contains("SCARD_"), "{}", read()["coverage"]);
    });
}

// ---- answers that are none ------------------------------------------------------------------------------------

/// What `check` says, as far as it could be wrong: (finding, cache file) at or above error.
fn accusations(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let findings = report["findings"].as_array().unwrap();
    let mut found: Vec<_> = findings
        .iter()
        .filter(|finding| matches!(finding["severity"].as_str(), Some("error" | "critical")))
        .map(|finding| {
            let path = text(&finding["evidence"][0]["file"]["path"]);
            (text(&finding["id"]), path.rsplit_once('_').map(|(_, file)| file.to_owned()).unwrap_or_default())
        })
        .collect();
    found.sort();
    found
}

/// The gaps that make `check` exit with 3.
fn unread(report: &Value) -> Vec<String> {
    let gaps = report["coverage"].as_array().unwrap();
    gaps.iter()
        .filter(|gap| gap["asked_for"] == true)
        .map(|gap| format!("{}: {}", gap["what"], gap["why"]))
        .collect()
}

/// `check`, what it said, and how long the card's answers were.
struct Said {
    output: Output,
    report: Value,
    lengths: Vec<usize>,
}

fn check(scene: &Scene) -> Said {
    let before = scene.stand.apdu_log().len();
    let output = scene.host.stalecard(&["check", "--format", "json"]);
    let report = serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{output}"));
    let log = scene.stand.apdu_log().split_off(before);
    let lengths = log.iter().filter(|line| line.starts_with('<')).map(String::len).collect();
    Said { output, report, lengths }
}

/// `check` with one answer spoilt: whatever is found is true, and what is not found is either not there or
/// said to be unread. True if nothing was missed.
fn spoilt(scene: &Scene, fault: &str, truth: &Said) -> bool {
    scene.stand.card().fault(fault);
    let Said { output, report, .. } = check(scene);
    scene.stand.card().fault("none");
    let what = format!("{fault}: {output}");
    assert!(output.duration < LIMIT && !output.stderr.contains("panicked"), "{what}");
    let (found, expected, unread) = (accusations(&report), accusations(&truth.report), unread(&report));
    assert!(found.iter().all(|finding| expected.contains(finding)), "a false accusation: {what}");
    assert!(found == expected || !unread.is_empty(), "neither found nor said to be unread: {what}");
    let code = match (found.is_empty(), unread.is_empty()) {
        (false, _) => 1,
        (true, false) => 3,
        (true, true) => 0,
    };
    assert_eq!(output.code(), code, "{what}");
    if unread.is_empty() {
        // Not a single object less.
        let known =
            |report: &Value| (report["tokens"][0]["objects"].clone(), report["tokens"][0]["serial"].clone());
        assert_eq!(known(&report), known(&truth.report), "{what}");
    }
    found == expected && unread.is_empty()
}

/// The same for people, on a host without any cache: the good news is only told of a card that was read.
fn good_news(scene: &Scene, fault: &str) {
    scene.stand.card().fault(fault);
    let output = scene.live.stalecard(&["check"]);
    scene.stand.card().fault("none");
    let good = said(&output).contains(HEALTHY);
    assert!(matches!((output.code(), good), (0, true) | (3, false)), "{fault}: {output}");
}

/// Every APDU of `check`, answered with each of these status words, or with random bytes that claim success.
fn every_answer_spoilt(scene: &Scene, code: i32) {
    let truth = check(scene);
    assert_eq!(truth.output.code(), code, "{}", truth.output);
    let cache = scene.host.cache_files();
    scene.stand.card().reset_stats();
    let (mut read, mut unread, mut guessed) = (0, 0, 0);
    for k in 1..=truth.lengths.len() {
        for status in ["6982", "6F00", "6A82", "6D00"] {
            let fault = format!("status-at {k} {status}");
            if matches!(status, "6982" | "6A82") {
                good_news(scene, &fault);
            }
            *if spoilt(scene, &fault, &truth) { &mut read } else { &mut unread } += 1;
        }
        for _ in 0..repetitions() {
            let before = scene.stand.apdu_log().len();
            let fault = format!("garbage-at {k}");
            let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| spoilt(scene, &fault, &truth)));
            match outcome {
                Ok(true) => read += 1,
                Ok(false) => unread += 1,
                Err(failure) => {
                    // Bytes of just the right number in the middle of a file are its content, as far as anybody can tell
                    // who does not verify its signature.
                    let log = scene.stand.apdu_log().split_off(before);
                    let answers: Vec<_> = log.iter().filter(|line| line.starts_with('<')).collect();
                    if answers.get(k - 1).map(|line| line.len()) != truth.lengths.get(k - 1).copied() {
                        std::panic::resume_unwind(failure);
                    }
                    guessed += 1;
                }
            }
        }
    }
    scene.card_is_untouched("spoilt answers");
    assert_eq!(scene.host.cache_files(), cache);
    println!(
        "{} APDUs, exit code {code} undisturbed: all read in spite of it {read}, said to be unread {unread}, \
         garbage of the right length {guessed}",
        truth.lengths.len()
    );
    scene.host.stalecard(&["check"]).exits(code);
}

#[test]
fn spoilt_answers_with_a_fresh_cache_never_become_findings() {
    every_answer_spoilt(&Scene::fresh(), 0);
}

#[test]
fn spoilt_answers_with_a_stale_cache_never_hide_it() {
    every_answer_spoilt(&Scene::stale(), 1);
}

// ---- another card ---------------------------------------------------------------------------------------------

/// The files of the card in a snapshot, and those of a card as the bench knows them.
fn is_this_card(snapshot: &Value, dump: &Value) -> Result<(), String> {
    let files = |value: &Value| value.as_object().cloned().unwrap_or_default();
    let truth = files(&dump["files"]);
    for file in snapshot["files"].as_array().unwrap() {
        let fid = file["path"].as_str().unwrap();
        let content = file["answer"]["content"].as_str().unwrap_or_default().to_lowercase();
        let real = truth.get(fid).and_then(Value::as_str).unwrap_or_default().to_lowercase();
        if content != real {
            return Err(format!("{fid}: {content} is not {real}"));
        }
    }
    Ok(())
}

/// What a report says of the card. Whether the PIN state is known depends on whether the card had been without power.
fn comparable(report: &Value) -> [Value; 3] {
    let mut tokens = report["tokens"].clone();
    tokens[0]["status"].as_object_mut().unwrap().remove("user PIN");
    [tokens, report["findings"].clone(), report["coverage"].clone()]
}

/// At every APDU the card is exchanged for one that nothing but its content tells apart.
fn swapped(name: &str, switches: &[&str]) {
    let scene = Scene::fresh();
    let card = scene.stand.card();
    let (first, second) = (card.first().clone(), scene.stand.new_card(name, switches));
    let one = card.dump();
    card.insert(&second);
    scene.live.initialize("HSM-H1", PIN, SO_PIN, Some(1));
    scene.live.keypairgen("EC:prime256v1", &[]);
    scene.live.keypairgen("EC:prime256v1", &[]);
    let two = card.dump();
    let expected_two = scene.host.stalecard(&["check", "--format", "json"]);
    let expected_two: Value = serde_json::from_str(&expected_two.stdout).unwrap();
    card.insert(&first);
    let file = scene.stand.dir().join("snapshot.json");
    let file = file.to_str().unwrap();
    let (last, output) = scene.count(&["snapshot", "--output", file]);
    output.ok();
    let (last_of_check, output) = scene.count(&["check", "--format", "json"]);
    let expected_one: Value = serde_json::from_str(&output.ok().stdout).unwrap();

    let mut seen = [0, 0];
    card.reset_stats();
    for k in 1..=last {
        swap(&scene, k, &first, &second);
        let output = scene.host.stalecard(&["snapshot", "--output", file]).ok();
        let snapshot: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let cards = snapshot["cards"].as_array().unwrap();
        assert_eq!(cards.len(), 1, "swapped at {k}: {output}");
        let found = [&one, &two].map(|dump| is_this_card(&cards[0], dump));
        let which = found.iter().position(Result::is_ok).unwrap_or_else(|| panic!("a mix at {k}: {found:?}"));
        assert_eq!(cards[0]["serial"], [&one, &two][which]["serial"], "swapped at {k}");
        seen[which] += 1;
    }
    for k in 1..=last_of_check {
        swap(&scene, k, &first, &second);
        let output = scene.host.stalecard(&["check", "--format", "json"]);
        let report: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{k}: {output}"));
        let one_of_them = [&expected_one, &expected_two].map(comparable).contains(&comparable(&report));
        assert!(one_of_them, "swapped at {k}: {output}");
    }
    scene.card_is_untouched("swapped");
    println!(
        "{name}: swapped at each of {last} APDUs of snapshot (first card reported {}, second {}) and each of \
              {last_of_check} of check",
        seen[0], seen[1]
    );
    // After the last APDU that matters nobody can notice; before, somebody has to.
    assert!(seen[1] >= last - 2, "{seen:?}");
}

/// The first card is in the reader, and at the k-th APDU from now the second one answers.
fn swap(scene: &Scene, k: u64, first: &CardFile, second: &CardFile) {
    let card = scene.stand.card();
    card.fault("none");
    // No removal is signalled this way either.
    card.fault(&format!("swap-at 1 {}", first.path().display()));
    scene.live.run(&["opensc-tool", "--send-apdu", "00:84:00:00:08"]);
    card.fault(&format!("swap-at {k} {}", second.path().display()));
}

#[test]
fn another_card_in_the_middle_is_noticed() {
    swapped("other", &["--serial", "DENK0299999"]);
}

/// The same serial: only the device certificate's signature differs.
#[test]
fn a_twin_in_the_middle_is_noticed() {
    swapped("twin", &[]);
}

// ---- a service that takes calls and gives no answer -------------------------------------------------------------

/// A stopped pcscd, or one that hangs: every command ends, says so, and does what needs no card.
#[test]
fn a_silent_pcscd_holds_up_no_command() {
    let scene = Scene::stale();
    let socket = scene.stand.dir().join("silent.comm");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        // They stay open.
        let mut calls = Vec::new();
        for call in listener.incoming() {
            calls.push(call);
        }
    });
    let host = scene.host.with_cache_copy().env("PCSCLITE_CSOCK_NAME", socket.to_str().unwrap());
    let cache = host.cache_files();
    let file = scene.stand.dir().join("silent.json");
    for command in [
        &["check"][..],
        &["show"],
        &["flush"],
        &["fix"],
        &["verify"],
        &["snapshot", "--output", file.to_str().unwrap()],
    ] {
        let output = host.stalecard(&[command, &["--timeout", "4"]].concat());
        let said = said(&output);
        assert!(output.code() == 3 && output.duration < LIMIT, "{command:?}: {output}");
        if command[0] != "snapshot" {
            assert!(said.contains("the PC/SC service does not answer"), "{command:?}: {output}");
        }
        assert!(!said.contains(HEALTHY), "{command:?}: {output}");
        assert_eq!(host.cache_files(), cache, "{command:?}");
    }
    // The caches were looked at all the same.
    let listed = host.stalecard(&["ls", "--timeout", "4"]);
    assert!(listed.stdout.contains("C401"), "{listed}");
    let begun = std::time::Instant::now();
    host.stalecard(&["check"]).exits(3);
    assert!(begun.elapsed() < LIMIT + Duration::from_secs(5), "{:?}", begun.elapsed());
}

/// Stops pcscd when the card has seen so many commands, while `stalecard` is at work with them, until it has ended.
fn stopped_at(scene: &Scene, commands: u64, words: &[&str]) -> Output {
    let card = scene.stand.card();
    card.reset_stats();
    card.ask("latency 20");
    let mut running = scene.host.spawn(&[&[env!("CARGO_BIN_EXE_stalecard")][..], words].concat());
    while card.stats().apdus < commands && running.is_running() {
        std::thread::sleep(Duration::from_millis(2));
    }
    let service = "kill -s {} $(cat /run/pcscd/pcscd.pid)";
    scene.host.sh(&service.replace("{}", "STOP")).ok();
    let output = running.finish(Duration::from_secs(100));
    scene.host.sh(&service.replace("{}", "CONT")).ok();
    card.ask("latency 0");
    output
}

/// pcscd stops in the middle of a talk, whatever is in flight: `check` leaves it after about 10 seconds, `verify` too,
/// and sooner with less time.
#[test]
fn a_service_that_stops_in_the_middle_is_left() {
    let scene = Scene::stale();
    let pin = scene.stand.dir().join("stopped.pin");
    stand::secret(&pin, PIN);
    let verify = ["verify", "--timeout", "5", "--pin-file", pin.to_str().unwrap()];
    scene.stand.card().reset_stats();
    scene.host.stalecard(&["check"]);
    let read = scene.stand.card().stats().apdus;
    let output = stopped_at(&scene, read / 2, &["check"]);
    assert!(output.code() != 0 && output.duration < Duration::from_secs(20), "{output}");
    assert!(said(&output).contains("has not answered for"), "{output}");
    // In the reading, and right after it, before any PIN.
    let is_long = std::env::var_os("STALECARD_LONG").is_some();
    for commands in [read + 1].into_iter().chain(is_long.then_some(read / 2)) {
        let output = stopped_at(&scene, commands, &verify);
        assert_eq!((output.code(), scene.stand.card().stats().verify), (3, 0), "{commands}: {output}");
        assert!(output.duration < Duration::from_secs(16), "{commands}: {output}");
    }
    if !is_long {
        return;
    }
    // With a PIN on its way the end is a warning. The card forgets the login when pcscd goes on.
    let all = {
        scene.stand.card().reset_stats();
        scene.host.stalecard(&verify);
        scene.stand.card().stats()
    };
    if all.signatures > 0 {
        let output = stopped_at(&scene, all.apdus - 2, &verify);
        let told = said(&output);
        let sent = scene.stand.card().stats().verify > 0;
        assert!(output.code() == 3 && output.duration < Duration::from_secs(30), "{output}");
        assert!(!sent || told.contains("a login may be open"), "{output}");
    }
}
