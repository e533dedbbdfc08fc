//! Snapshot files that are none, or were made by somebody hostile.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::{schema, text};

fn committed(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/snapshots").join(name);
    std::fs::read_to_string(path).unwrap()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, content: &[u8]) -> PathBuf {
        let path = self.0.path().join("snapshot.json");
        std::fs::write(&path, content).unwrap();
        path
    }
}

#[track_caller]
fn run(arguments: &[&str], path: &Path) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_stalecard"))
        .args(arguments)
        .arg("--snapshot")
        .arg(path)
        .env_clear()
        .output()
        .unwrap();
    for stream in [&output.stdout, &output.stderr] {
        let said = std::str::from_utf8(stream).unwrap();
        assert!(!said.contains("panicked"), "{said}");
        text::harmless(said);
    }
    assert!(matches!(output.status.code(), Some(0..=3)), "{output:?}");
    output
}

#[track_caller]
fn refused(path: &Path, why: &str) {
    for command in ["check", "ls", "show"] {
        let output = run(&[command], path);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && output.stdout.is_empty(), "{command}: {said}");
        assert!(said.contains(why) && said.lines().count() == 1 && said.len() < 1000, "{why}: {said}");
    }
}

#[test]
fn what_is_no_snapshot_is_refused() {
    let folder = Folder::new();
    for (content, why) in [
        (&b""[..], "not a snapshot"),
        (b"hello", "not a snapshot"),
        (b"{}", "missing field"),
        (b"null", "not a snapshot"),
        (b"[1,2,3]", "not a snapshot"),
        (b"\xff\xfe{\0}\0", "not UTF-8"),
        (b"\x1b[31m\x07", "not a snapshot"),
        (br#"{"schema":"\u001b[31m\u202e"}"#, "missing field"),
    ] {
        refused(&folder.write(content), why);
    }
    // Deeper than any stack.
    refused(&folder.write(format!("{{\"x\":{}", "[".repeat(1_000_000)).as_bytes()), "not a snapshot");
    refused(Path::new("/nowhere/at/all.json"), "No such file");
    refused(Path::new("/"), "directory");
    let good = committed("seed-alpha-back.json");
    refused(&folder.write(good.replace("snapshot/1", "snapshot/2").as_bytes()), "stalecard-snapshot/2");
    refused(&folder.write(good.replace("snapshot/1", "snapshot/1\\u001b[2J").as_bytes()), "\\x1b[2J");
    let mut other: Value = serde_json::from_str(&good).unwrap();
    for (place, value) in [
        ("/cards/0/atr", json!("3")),
        ("/cards/0/atr", json!("\u{1b}[31m\u{202e}")),
        ("/cards/0/atr", json!("\u{1b}".repeat(100_000))),
        ("/cards/0/key_list/0", json!("CC0")),
        ("/caches/0/path", json!("/home/\\q")),
        ("/caches/0/entries/0/inode/size", json!(-1)),
        ("/caches/0/entries/0/inode/mtime", json!(1e300)),
        ("/caches/0/entries/0/kind", json!("\u{9b}31m")),
        ("/taken_at", json!("yesterday")),
        ("/user/uid", json!(4_294_967_296_u64)),
        ("/coverage", json!({})),
    ] {
        let before = std::mem::replace(other.pointer_mut(place).unwrap(), value);
        refused(&folder.write(other.to_string().as_bytes()), "not a snapshot of this version");
        *other.pointer_mut(place).unwrap() = before;
    }
}

#[test]
fn a_snapshot_cut_anywhere_is_refused() {
    let folder = Folder::new();
    let whole = committed("seed-alpha-back.json");
    for end in (0..whole.len() - 2).step_by(100) {
        let path = folder.write(&whole.as_bytes()[..end]);
        let output = run(&["check"], &path);
        assert_eq!(output.status.code(), Some(2), "{end}");
        assert!(output.stdout.is_empty());
    }
    assert_eq!(run(&["check"], &folder.write(whole.as_bytes())).status.code(), Some(1));
}

/// Everything that may be any text, number or bytes is.
#[test]
fn hostile_values_are_shown_and_judged_harmlessly() {
    let folder = Folder::new();
    let good: Value = serde_json::from_str(&committed("seed-alpha-back.json")).unwrap();
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J\r\n\u{202e}\u{9b}31m\u{200b}$(id);`id`'\"\\ \u{e0041}";
    let mut hostile = good.clone();
    for (place, value) in [
        ("/host", json!(evil)),
        ("/user/name", json!(evil)),
        ("/opensc/0/version", json!(evil)),
        ("/cards/0/reader", json!(evil)),
        ("/coverage", json!([{"what": evil, "why": evil, "asked_for": true, "kind": "card"}])),
        ("/caches/0/state", json!({"unreadable": evil})),
        ("/caches/0/entries/0/content", json!({"unreadable": evil})),
        ("/configs/0/state", json!({"unreadable": evil})),
        ("/cards/0/files/2/answer", json!({"not-read": evil})),
    ] {
        *hostile.pointer_mut(place).unwrap() = value;
    }
    hostile["executables"][evil] = json!("/usr/bin/x");
    hostile["user"]["env"][evil] = json!("x");
    hostile["user"]["env"]["OPENSC_DRIVER"] = json!("\\x1b[31m");
    let mut hostiles = vec![hostile];
    for serial in [evil, "", "..", "../../etc", "--all", "a\0b", &"x".repeat(100_000)] {
        let mut one = good.clone();
        one["cards"][0]["serial"] = json!(serial);
        hostiles.push(one);
    }
    let mut numbers = good.clone();
    for entry in numbers["caches"][0]["entries"].as_array_mut().unwrap() {
        for field in ["dev", "ino", "nlink", "size"] {
            entry["inode"][field] = json!(u64::MAX);
        }
        entry["inode"]["mtime"] = json!(i64::MIN);
        entry["inode"]["mode"] = json!(u32::MAX);
    }
    hostiles.push(numbers.clone());
    numbers["taken_at"] = json!("9999-12-31T23:59:59Z");
    numbers["caches"][0]["entries"][1]["inode"]["mtime"] = json!(i64::MAX);
    numbers["cards"][0]["status"] = json!({"firmware": [255, 255], "user_pin": {"tries": 255}, "so_pin": {"other": 65535},
        "dkek": {"shares": 255, "outstanding": 255, "check_value": "00".repeat(5000)}});
    hostiles.push(numbers);
    // All cards and caches twice, all files of the card empty, or of one byte only.
    let mut twice = good.clone();
    for list in ["cards", "caches", "opensc", "configs"] {
        let again = twice[list][0].clone();
        twice[list].as_array_mut().unwrap().push(again);
    }
    hostiles.push(twice);
    for content in ["", "30", "ff", "3080", "30848fffffff", &"30".repeat(70_000)] {
        let mut odd = good.clone();
        for file in odd["cards"][0]["files"].as_array_mut().unwrap() {
            file["answer"] = json!({"content": content});
        }
        for entry in odd["caches"][0]["entries"].as_array_mut().unwrap().iter_mut().skip(1) {
            entry["content"] = json!({"bytes": content});
        }
        hostiles.push(odd);
    }
    for list in ["cards", "caches", "opensc", "configs"] {
        let mut none = good.clone();
        none[list] = json!([]);
        hostiles.push(none);
    }
    for (number, hostile) in hostiles.iter().enumerate() {
        let path = folder.write(hostile.to_string().as_bytes());
        for command in ["check", "ls", "show"] {
            let output = run(&[command], &path);
            assert_ne!(output.status.code(), Some(2), "{number} {command}: {output:?}");
            let output = run(&[command, "--format", "json"], &path);
            let value: Value =
                serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{number}: {e}"));
            schema::is_output(&value);
        }
    }
}
