//! No pcscd, no reader, no card; and two of everything.

use std::io::{BufRead, BufReader, Write};
use std::time::{Duration, Instant};

use crate::stand::{Host, Options, Output, PIN, READER, SECOND_READER, SO_PIN, Stand, reader_name};
use crate::support::*;

/// Runs `stalecard` where `prepare` was done to this process' own view of the machine.
#[track_caller]
pub fn within(host: &Host, prepare: &str, arguments: &[&str]) -> Output {
    let script = format!("{prepare}\nshift\n\"$@\"");
    let program = env!("CARGO_BIN_EXE_stalecard");
    let mut command = vec!["unshare", "--mount", "sh", "-ec", &script, "sh", "--", program];
    command.extend(arguments);
    let output = host.run(&command);
    decent(&output);
    output
}

/// Exit code 3, and a reason that helps; what needs no card works all the same.
#[track_caller]
fn nothing_to_read(host: &Host, prepare: &str, why: &[&str]) {
    put(host, format!("{PREFIX}_C401"), &description(b"old", b"\x01"));
    let before = tree(host.home());
    for command in ["check", "show", "snapshot"] {
        let said = within(host, prepare, &[command]).exits(3);
        let all = said.stdout.clone() + &said.stderr;
        assert!(why.iter().all(|why| all.contains(why)), "{said}");
        assert!(!said.stdout.contains("what is on the card:"), "a healthy card that nobody saw: {said}");
    }
    let flush = within(host, prepare, &["flush"]).exits(3);
    assert!(flush.stdout.contains("--serial") && flush.stderr.is_empty(), "{flush}");
    assert!(why.iter().all(|why| flush.stdout.contains(why)), "{flush}");
    let flush = within(host, prepare, &["flush", "--format", "json"]).exits(3);
    let report: serde_json::Value = serde_json::from_str(&flush.stdout).unwrap();
    crate::schema::is_output(&report);
    assert!(report["changed"] == false && why.iter().all(|why| gaps(&report).contains(why)), "{flush}");
    let ls = within(host, prepare, &["ls"]).exits(0);
    assert!(ls.stdout.contains("old"), "{ls}");
    within(host, prepare, &["check", "--offline"]).exits(0);
    within(host, prepare, &["check", "--reader", "0"]).exits(3);
    within(host, prepare, &["ls", "--reader", "0"]).exits(3);
    within(host, prepare, &["flush", "--all", "--dry-run"]).exits(0);
    assert_eq!(tree(host.home()), before);
}

#[test]
fn no_service_no_reader_no_card() {
    let stand = Stand::with(Options { inserted: false, ..Options::default() });
    let no_service = "mount -t tmpfs tmpfs /run/pcscd";
    nothing_to_read(&stand.host("no-service"), no_service, &["SCARD_E_NO_SERVICE", "pcscd"]);

    // Another pcscd, without any reader.
    let no_reader = "mount -t tmpfs tmpfs /run/pcscd; mkdir -p none
        pcscd=$(command -v pcscd) || pcscd=$BUILD/pcscd/usr/sbin/pcscd
        polkit=; if \"$pcscd\" --help 2>&1 | grep -q -e --disable-polkit; then polkit=--disable-polkit; fi
        \"$pcscd\" --foreground --config \"$PWD/none\" $polkit >/dev/null 2>&1 </dev/null & trap \"kill $!\" EXIT
        until [ -S /run/pcscd/pcscd.comm ]; do sleep 0.01; done";
    let host = stand.host("no-reader").env("BUILD", concat!(env!("CARGO_MANIFEST_DIR"), "/build"));
    std::fs::create_dir_all(host.home().join("none")).unwrap();
    nothing_to_read(&host, no_reader, &["SCARD_E_NO_READERS_AVAILABLE", "plug"]);

    nothing_to_read(&stand.host("no-card"), ":", &["SCARD_E_NO_SMARTCARD", READER]);
}

#[test]
fn readers_and_serials_that_are_not_there() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    for (arguments, names) in [
        (["--reader", "7"], "0: Virtual PCD 00 00"),
        (["--reader", "nowhere"], "there is no reader nowhere"),
        (["--reader", ""], "there is no reader"),
        (["--reader", "-1"], "there is no reader -1"),
        (["--reader", "99999999999999999999"], "there is no reader"),
        (["--reader", "\x1b[31m\u{202e}red"], "\\x1b[31m"),
        (["--serial", "DENK0000000"], "ard DENK0000000"),
        (["--serial", "\u{9b}31m"], "\\u{9b}31m"),
        // The second reader is there, but empty.
        (["--reader", SECOND_READER], "SCARD_E_NO_SMARTCARD"),
    ] {
        let glued = format!("{}={}", arguments[0], arguments[1]);
        let said = human(&host, &["check", &glued]).exits(3);
        let words = said.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(names), "{said}");
        let (code, report) = json(&host, &["check", &glued]);
        assert!(code == 3 && gaps(&report).contains('!') && report["tokens"] == serde_json::json!([]));
    }
    for chosen in [&["--reader", "0"][..], &["--reader", READER], &["--serial", SERIAL], &[]] {
        let (code, report) = json(&host, &[&["check"], chosen].concat());
        assert_eq!((code, report["tokens"].as_array().unwrap().len()), (0, 1), "{report:#}");
    }
    // Wrong usage is not a card that is missing.
    for wrong in [
        &["check", "--reader"][..],
        &["check", "--offline", "--reader", "0"],
        &["check", "--fail-on", "everything"],
        &["chekc"],
        &["flush", "--all", "--serial", SERIAL],
        &["explain", "stale", "id"],
        &["quarantine"],
    ] {
        host.stalecard(wrong).exits(2);
    }
}

#[test]
fn two_cards_in_two_readers() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    stand.second_card(&["--serial", "DENK0200999"]);
    let other = "DENK0200999_NODATE_E82B0601040181C31F0201";
    // What was left behind of a deleted key, of both cards.
    for prefix in [PREFIX, other] {
        put(&host, format!("{prefix}_C401"), &description(prefix.as_bytes(), b"\x01"));
    }
    let serials = |report: &serde_json::Value| -> Vec<String> {
        report["tokens"].as_array().unwrap().iter().map(|t| t["serial"].as_str().unwrap().into()).collect()
    };
    let orphans = |report: &serde_json::Value| -> Vec<String> {
        let findings = report["findings"].as_array().unwrap().iter();
        findings.filter(|f| f["id"] == "orphan-entry").map(|f| f["token"].as_str().unwrap().into()).collect()
    };
    let (code, report) = json(&host, &["check"]);
    assert_eq!((code, serials(&report)), (0, vec![SERIAL.into(), "DENK0200999".into()]));
    assert_eq!(orphans(&report), [SERIAL, "DENK0200999"]);
    assert_eq!(gaps(&report), "");
    let said = human(&host, &["check"]).ok();
    assert!(said.stdout.contains(SERIAL) && said.stdout.contains("DENK0200999"), "{said}");
    let said = human(&host, &["check", "-v"]).ok();
    assert!(said.stdout.contains(READER) && said.stdout.contains(SECOND_READER), "{said}");

    for chosen in [["--reader", "1"], ["--reader", SECOND_READER], ["--serial", "DENK0200999"]] {
        let (code, report) = json(&host, &[&["check"][..], &chosen].concat());
        assert_eq!((code, serials(&report)), (0, vec!["DENK0200999".into()]), "{chosen:?}");
        assert_eq!(orphans(&report), ["DENK0200999"]);
        assert!(!gaps(&report).contains('!'), "{}", gaps(&report));
        let (code, report) = json(&host, &[&["show"][..], &chosen].concat());
        assert_eq!((code, serials(&report)), (0, vec!["DENK0200999".into()]), "{chosen:?}");
    }
    // A card that was not asked for is not one that was not read.
    let (_, report) = json(&host, &["check", "--serial", "DENK0200999"]);
    assert_eq!(gaps(&report), "");
    let (_, list) = json(&host, &["ls", "--serial", "DENK0200999"]);
    assert_eq!(list["entries"].as_array().unwrap().len(), 1);

    // Only the first card's leftovers go.
    let (code, report) = json(&host, &["flush", "--reader", "0"]);
    assert_eq!((code, &report["changed"]), (0, &true.into()));
    assert_eq!(host.cache_names(), [format!("{other}_C401")]);
    json(&host, &["flush"]);
    assert_eq!(host.cache_names(), Vec::<String>::new());
}

/// One request to the card in a further reader.
fn ask_beside(stand: &Stand, number: u32, request: &str) {
    let socket = stand.dir().join(format!("beside-{number}.sock"));
    let mut stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
    stream.write_all(format!("{request}\n").as_bytes()).unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    assert!(answer.starts_with("ok"), "{request}: {answer}");
}

/// Four slow cards with keys take about the time of one, and one that hangs delays nobody for longer than it is waited for.
#[test]
fn several_readers_are_read_side_by_side() {
    let stand = Stand::with(Options { readers: 2, ..Options::default() });
    let host = stand.host("alpha");
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    for _ in 0..4 {
        host.keypairgen("EC:prime256v1", &[]);
    }
    let cards = |report: &serde_json::Value| report["tokens"].as_array().unwrap().len();
    let slow = "latency 60";
    stand.card().ask(slow);
    let begun = Instant::now();
    let (_, report) = json(&host, &["check"]);
    let alone = begun.elapsed();
    assert_eq!(cards(&report), 1);
    for number in 1..4 {
        // A twin with a serial number of its own would have to be made by the card: the reader tells them apart.
        stand.card().first().twin(&format!("beside-{number}"));
        stand.card_in(number, &[]);
        ask_beside(&stand, number, slow);
    }
    let begun = Instant::now();
    let (_, report) = json(&host, &["check"]);
    let together = begun.elapsed();
    let readers: Vec<&str> =
        report["tokens"].as_array().unwrap().iter().map(|token| token["reader"].as_str().unwrap()).collect();
    assert_eq!(readers, (0..4).map(reader_name).collect::<Vec<_>>());
    // One after the other it would be four times as long; much of the time is the start of the programs.
    assert!(together < alone * 2, "{alone:?} alone, {together:?} together");
    // The others are told, and the one that hangs is named.
    ask_beside(&stand, 2, "latency 100000");
    let begun = Instant::now();
    let (code, report) = json(&host, &["check"]);
    let taken = begun.elapsed();
    assert_eq!((code, cards(&report)), (3, 3), "{report}");
    let left = format!("card in reader {}: the reader has not answered for 10 seconds", reader_name(2));
    assert!(gaps(&report).contains(&left), "{}", gaps(&report));
    assert!(taken < alone + Duration::from_secs(12), "{taken:?}");
}
