//! `verify` on the stand: every verdict that a fresh signature can lead to, on the real tools' own work,
//! and what it costs: never more than the one PIN try that the user asked for.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod attribution;
mod iso_applet;
mod lies;
mod logins;
mod matrix;
mod native;
mod openpgp;
mod piv;
mod prompt;
#[path = "../support/random.rs"]
mod random;
mod safety;
#[path = "../support/schema.rs"]
#[allow(dead_code, reason = "no snapshots here")]
mod schema;
#[path = "../stand/mod.rs"]
mod stand;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use stand::{Host, Output, PIN, SO_PIN, Stand};

/// A file with this PIN on a stand.
fn pin_file(stand: &Stand, pin: &str) -> String {
    let file: PathBuf = stand.dir().join(format!("pin-{pin}"));
    stand::secret(&file, format!("{pin}\n"));
    file.to_str().unwrap().to_owned()
}

/// `verify` with the right PIN and more arguments.
fn verify(stand: &Stand, host: &Host, more: &[&str]) -> Output {
    let file = pin_file(stand, PIN);
    host.stalecard(&[&["verify", "--pin-file", &file], more].concat())
}

/// The same as JSON, held to the schema, with its exit code.
fn verdict(stand: &Stand, host: &Host, more: &[&str]) -> (i32, Value) {
    let output = verify(stand, host, &[more, &["--format", "json"]].concat());
    (output.code(), document(&output))
}

fn document(output: &Output) -> Value {
    let value: Value =
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{output}"));
    schema::is_output(&value);
    value
}

/// What was printed, as if there were no end of a line.
fn said(output: &Output) -> String {
    output.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Conclusion of each key, in the order of the card.
fn conclusions(document: &Value) -> Vec<String> {
    let keys = document["keys"].as_array().unwrap();
    keys.iter().map(|key| key["conclusion"].as_str().unwrap().to_owned()).collect()
}

/// The ids of all findings, without repetition.
fn findings(document: &Value) -> Vec<String> {
    let all = document["findings"].as_array().unwrap();
    let mut ids: Vec<String> = all.iter().map(|finding| finding["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids.dedup();
    ids
}

/// A card initialised on this host.
fn initialised(stand: &Stand, name: &str) -> Host {
    let host = stand.host(name);
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    host
}

fn bytes(dump: &Value, file: &str) -> Vec<u8> {
    let text = dump["files"][file].as_str().unwrap_or_else(|| panic!("no {file} on the card"));
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The long run of `make long`.
fn is_long() -> bool {
    std::env::var_os("STALECARD_LONG").is_some()
}

/// What a command costs the card.
fn apdus(stand: &Stand, host: &Host, words: &[&str]) -> u64 {
    stand.card().reset_stats();
    host.stalecard(words);
    stand.card().stats().apdus
}

/// `verify` killed at each APDU after the reading; in the short run at every eighth, from the last on. No login stays
/// behind: pcscd resets the card with the transaction. No try is lost with the right PIN.
fn killed_at_every_apdu(stand: &Stand, host: &Host, pin: &str, tries: &dyn Fn(&Stand) -> u64) {
    let file = pin_file(stand, pin);
    let full = tries(stand);
    let read = apdus(stand, host, &["check"]);
    let all = apdus(stand, host, &["verify", "--pin-file", &file]);
    assert!(read < all);
    for k in (read..=all).rev().step_by(if is_long() { 1 } else { 8 }) {
        stand.card().reset_stats();
        stand.card().ask("latency 10");
        let mut running = host.spawn(&[env!("CARGO_BIN_EXE_stalecard"), "verify", "--pin-file", &file]);
        while stand.card().stats().apdus < k && running.is_running() {
            std::thread::sleep(Duration::from_millis(2));
        }
        running.stop();
        stand.card().ask("latency 0");
        // The next one who asks finds nobody logged in.
        let check = host.stalecard(&["check"]);
        assert!(!check.stdout.contains("another program is logged in"), "killed at {k}: {check}");
        let logged_in = &stand.card().dump()["logged_in"];
        assert!(*logged_in == json!(false) || *logged_in == json!([]), "killed at {k}: {logged_in}");
        assert_eq!(tries(stand), full, "killed at {k}");
    }
    println!("killed at APDUs from {read} to {all}");
    host.stalecard(&["verify", "--pin-file", &file]).ok();
}

/// `verify` with the card taken out at each APDU after the reading, with a wrong PIN and with the right one; in the
/// short run at every fifth, from the last on. It never sends more PINs than the keys take (`most`), none after a
/// refusal, and spends no try but that of a wrong PIN.
fn pulled_at_every_apdu(
    stand: &Stand,
    host: &Host,
    pin: &str,
    most: u64,
    tries: &dyn Fn(&Stand) -> u64,
    refill: &dyn Fn(),
) {
    let full = tries(stand);
    let read = apdus(stand, host, &["check"]);
    for (pin, wrong) in [("999999", true), (pin, false)] {
        let file = pin_file(stand, pin);
        let all = apdus(stand, host, &["verify", "--pin-file", &file]);
        assert!(read < all);
        for k in (read..=all).rev().step_by(if is_long() { 1 } else { 5 }) {
            if tries(stand) < full {
                refill();
            }
            stand.card().reset_stats();
            stand.card().fault(&format!("die-at {k}"));
            let output = host.stalecard(&["verify", "--pin-file", &file]);
            let stats = stand.card().stats();
            stand.card().fault("none");
            let limit = if wrong { 1 } else { most };
            assert!(stats.verify <= limit && stats.verify_wrong <= u64::from(wrong), "{k}: {stats:?}");
            assert_eq!(tries(stand), full - stats.verify_wrong, "{k}: {output}");
            // Of an answer to the very last command not all care.
            assert!(output.code() == 3 || (k == all && output.code() == 0), "{k}: {output}");
            stand.card().insert(stand.card().first());
        }
        println!("pulled at APDUs from {read} to {all}");
    }
    host.stalecard(&["verify", "--pin-file", &pin_file(stand, pin)]).ok();
}
