//! JSON that scripts can trust: times that `fromdate` takes, one document whatever happens, its exit code in it; and what goes
//! with it: `-` for files, `--color`, a log without secrets.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::schema;
use crate::stand::{PIN, SO_PIN, Stand, secret};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const SEED: &str = "fixtures/snapshots/seed-beta-stale.json";

fn run(words: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_stalecard"))
        .args(words)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .env("HOME", "/nonexistent")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Whoever does not read it closes the pipe.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// The one document on standard output.
fn document(output: &Output) -> Value {
    let value: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    schema::is_output(&value);
    value
}

#[test]
fn a_command_that_fails_says_so_in_its_one_document() {
    let json = ["--format", "json"];
    for (words, command, code) in [
        (&["check", "--snapshot", "/nonexistent"][..], json!("check"), 2),
        (&["show", "nobody", "--snapshot", SEED], json!("show"), 2),
        (&["show", "pkcs11:id=%", "--snapshot", SEED], json!("show"), 2),
        (&["ls", "--user", "nobody-of-that-name"], json!("ls"), 2),
        (&["config", "show", "--for", "no-such-program"], json!("config show"), 2),
        (&["undo", "no-such-operation"], json!("undo"), 2),
        (&["compare", "/nonexistent"], json!("compare"), 3),
        (&["flush", "no-such-entry"], json!("flush"), 2),
        (&["check", "--bogus"], Value::Null, 2),
        (&["bogus"], Value::Null, 2),
    ] {
        let output = run(&[words, &json].concat(), b"");
        let document = document(&output);
        assert_eq!(
            (output.status.code(), &document["command"]),
            (Some(code), &command),
            "{words:?}: {output:?}"
        );
        if code == 2 {
            assert_eq!(document["error"]["exit_code"], code, "{document:#}");
            assert!(!document["error"]["message"].as_str().unwrap().is_empty());
            assert_eq!(document["changed"], false);
        }
    }
    // Nothing of the kind where nothing failed, and none for people.
    let good = document(&run(&["show", "1", "--snapshot", SEED, "--format", "json"], b""));
    assert!(good.get("error").is_none());
    assert!(run(&["check", "--snapshot", "/nonexistent"], b"").stdout.is_empty());
}

/// Every time is one of RFC 3339, in UTC, to the second.
fn times(value: &Value, found: &mut usize) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                if ["modified", "taken_at", "since", "valid_from", "valid_until", "started_at", "time"]
                    .contains(&name.as_str())
                    && let Some(text) = value.as_str()
                {
                    let time = OffsetDateTime::parse(text, &Rfc3339)
                        .unwrap_or_else(|error| panic!("{name} {text}: {error}"));
                    assert!(
                        text.ends_with('Z') && text.len() == 20 && time.nanosecond() == 0,
                        "{name} {text}"
                    );
                    *found += 1;
                }
                times(value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| times(item, found)),
        _ => {}
    }
}

#[test]
fn times_are_those_of_rfc_3339() {
    let mut found = 0;
    for command in ["check", "ls", "show"] {
        for snapshot in [SEED, "fixtures/snapshots/piv-stale.json"] {
            times(&document(&run(&[command, "--snapshot", snapshot, "--format", "json"], b"")), &mut found);
        }
    }
    times(
        &document(&run(
            &["compare", SEED, "fixtures/snapshots/seed-alpha-flushed.json", "--format", "json"],
            b"",
        )),
        &mut found,
    );
    assert!(found > 20, "{found}");
}

/// Scripts count tries and shares; they had to read English for it.
#[test]
fn what_can_be_counted_of_a_token_is_a_number_beside_its_prose() {
    let shown = document(&run(&["show", "--snapshot", SEED, "--format", "json"], b""));
    let (numbers, status) = (&shown["tokens"][0]["numbers"], &shown["tokens"][0]["status"]);
    assert_eq!(status["user PIN"], "3 tries left");
    let expected = json!({
        "dkek_shares": 1, "dkek_shares_missing": 1, "firmware_major": 5, "firmware_minor": 6, "so_pin_tries": 15,
        "user_pin_tries": 3,
    });
    assert_eq!(numbers, &expected, "{status}");
}

/// One question for whatever was asked: `jq .verdict.state`.
#[test]
fn every_command_that_begins_with_a_word_has_it_in_json() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("opensc.conf");
    std::fs::write(&file, "app default {\n\tframework pkcs15 {\n\t\tuse_file_cachng = yes;\n\t}\n}\n")
        .unwrap();
    let file = file.to_str().unwrap();
    for (words, state) in [
        (&["check", "--snapshot", SEED][..], "stale"),
        (&["config", "lint", file], "risk"),
        (&["audit", "--snapshot", SEED, file], "partly"),
        // What there is to be undone is this host's.
        (&["undo", "--dry-run"], ""),
    ] {
        let said = document(&run(&[words, &["--format", "json"]].concat(), b""));
        let told = said["verdict"]["state"].as_str().unwrap();
        assert!(if state.is_empty() { !told.is_empty() } else { told == state }, "{words:?}: {said:#}");
        assert!(!said["verdict"]["sentence"].as_str().unwrap().is_empty(), "{words:?}");
        let at = said["checked_at"].as_str().unwrap();
        assert!(OffsetDateTime::parse(at, &Rfc3339).is_ok() && at.len() == 20, "{words:?}: {at}");
    }
}

/// Ours are line ends, and what is quoted is escaped already.
#[test]
fn a_message_of_several_lines_has_line_ends_and_no_escapes_for_them() {
    for words in [&["check", "--bogus"][..], &["check", "--fail-on", "bogus"]] {
        let said = document(&run(&[words, &["--format", "json"]].concat(), b""));
        let message = said["error"]["message"].as_str().unwrap();
        assert!(message.lines().count() > 1 && !message.contains("\\x0a"), "{message:?}");
    }
}

#[test]
fn directories_that_do_not_exist_show_nothing() {
    let mut snapshot: Value = serde_json::from_str(&std::fs::read_to_string(SEED).unwrap()).unwrap();
    let missing = "/home/ca/.eid/cache";
    let mut dir = snapshot["caches"][0].clone();
    (dir["path"], dir["state"], dir["entries"]) =
        (missing.into(), "missing".into(), Value::Array(Vec::new()));
    snapshot["caches"].as_array_mut().unwrap().push(dir);
    let shown =
        document(&run(&["show", "--snapshot", "-", "--format", "json"], snapshot.to_string().as_bytes()));
    let sides =
        shown["objects"].as_array().unwrap().iter().flat_map(|object| object["shown"].as_array().unwrap());
    let directories: Vec<&Value> = sides.map(|side| &side["directory"]).collect();
    assert!(!directories.is_empty() && directories.iter().all(|path| *path != missing), "{directories:?}");
}

#[test]
fn a_dash_is_standard_input_and_output() {
    let snapshot = std::fs::read(SEED).unwrap();
    for command in ["check", "show", "ls"] {
        let by_file = run(&[command, "--snapshot", SEED], b"");
        let by_pipe = run(&[command, "--snapshot", "-"], &snapshot);
        assert_eq!(
            (by_pipe.status.code(), by_pipe.stdout),
            (by_file.status.code(), by_file.stdout),
            "{command}"
        );
    }
    let dash = run(&["check", "--snapshot", SEED, "-o", "-", "--format", "json"], b"");
    assert_eq!(document(&dash), document(&run(&["check", "--snapshot", SEED, "--format", "json"], b"")));
    let bad = run(&["check", "--snapshot", "-", "--format", "json"], b"no snapshot");
    assert_eq!(document(&bad)["error"]["exit_code"], 2);
}

#[test]
fn colour_is_what_was_asked_for() {
    let has_colour = |words: &[&str]| {
        let output = run(&[&["check", "--snapshot", SEED], words].concat(), b"");
        output.stdout.contains(&0x1B)
    };
    assert!(!has_colour(&[]) && !has_colour(&["--color", "auto"]) && !has_colour(&["--color", "never"]));
    assert!(has_colour(&["--color", "always"]));
}

#[test]
fn a_log_has_the_apdus_and_neither_pin_nor_content() {
    let stand = Stand::start();
    let alpha = stand.host("alpha");
    alpha.initialize("HSM-H1", PIN, SO_PIN, None);
    alpha.keypairgen("EC:prime256v1", &[]);
    alpha.pkcs15_list();
    let (pin, log) = (stand.dir().join("pin"), stand.dir().join("log"));
    secret(&pin, PIN);
    let file = log.to_str().unwrap();
    alpha.stalecard(&["verify", "--pin-file", pin.to_str().unwrap(), "--log", file]).ok();
    let text = std::fs::read_to_string(&log).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&log).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert!(!text.contains(PIN) && !text.contains(&hex(PIN.as_bytes())), "{text}");
    assert!(text.contains("> 00200081 (7 bytes, masked)") && text.contains("< 9000"), "{text}");
    assert!(text.contains("verify\n") && text.contains("exit code 0"), "{text}");
    for (name, content) in alpha.cache_files().iter().filter(|(_, content)| content.len() > 8) {
        assert!(!text.contains(&hex(&content[..8])), "{name}: {text}");
    }
    // One file after the other: what others have there is not followed, and a folder is an error.
    std::os::unix::fs::symlink(&log, stand.dir().join("link")).unwrap();
    let link = stand.dir().join("link");
    assert_eq!(alpha.stalecard(&["check", "--log", link.to_str().unwrap()]).code(), 2);
}
