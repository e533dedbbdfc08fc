//! What `flush` and `fix` say they did: the first word and the exit code agree, nothing is said to be sound that nobody compared,
//! and a program with the old view is named until it ends.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::covered::stale;
use crate::schema;
use crate::stand::{Host, Output, PIN, SO_PIN, Stand};

/// What no repair may say of what was not compared.
const ALL_CLEAR: &str = "nothing in these caches is stale";

fn said(output: &Output) -> String {
    output.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn first_word(output: &Output) -> String {
    output.stdout.split_whitespace().next().unwrap_or_default().to_owned()
}

/// The exit code that belongs to a first word.
fn code_of(word: &str) -> i32 {
    match word {
        "DONE" | "SAME" | "PLAN" => 0,
        "STALE" | "UNDECIDED" | "WRONG" | "CONFIG" => 1,
        "FAILED" => 2,
        "UNREAD" => 3,
        other => panic!("{other} is no first word of a repair"),
    }
}

/// The word of the sentence in JSON.
fn state_of(word: &str) -> &'static str {
    match word {
        "DONE" => "done",
        "SAME" => "unchanged",
        "PLAN" => "planned",
        "STALE" => "stale",
        "UNDECIDED" => "undecided",
        "WRONG" => "wrong",
        "CONFIG" => "configuration",
        "FAILED" => "failed",
        _ => "unread",
    }
}

/// Runs a repair on a copy, once for people and once for scripts: word, code and document agree, and one line says what is
/// next. Gives what it said to people.
#[track_caller]
fn agrees(host: &Host, words: &[&str]) -> Output {
    let output = host.with_cache_copy().stalecard(words);
    let word = first_word(&output);
    assert_eq!(output.code(), code_of(&word), "{words:?}: {output}");
    let nexts = output.stdout.lines().filter(|line| line.starts_with("Next: ")).count();
    assert!(nexts <= 1 && !output.stderr.contains("insert the card"), "{words:?}: {output}");
    let quiet = host.with_cache_copy().stalecard(&[words, &["-q"]].concat());
    assert_eq!((first_word(&quiet), quiet.code()), (word.clone(), output.code()), "{words:?}: {quiet}");
    let json = host.with_cache_copy().stalecard(&[words, &["--format", "json"]].concat());
    let document: Value = serde_json::from_str(&json.stdout).unwrap_or_else(|_| panic!("{json}"));
    schema::is_output(&document);
    assert_eq!(json.code(), output.code(), "{words:?}: {json}");
    assert_eq!(document["verdict"]["state"], state_of(&word), "{words:?}: {document:#}");
    output
}

const REPAIRS: [&[&str]; 4] = [&["flush"], &["flush", "--dry-run"], &["fix"], &["fix", "--dry-run"]];

/// Faults 11, 13, 14: FAILED and UNREAD with exit code 0, STALE with 0 after `fix`, `flush --dry-run` and `fix --dry-run` with
/// two codes on one host.
#[test]
fn the_first_word_and_the_exit_code_of_every_repair_agree() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    stale(&host);
    let words_of = |host: &Host, expected: [&str; 4]| {
        for (repair, expected) in REPAIRS.iter().zip(expected) {
            assert_eq!(first_word(&agrees(host, repair)), expected, "{repair:?}");
        }
    };
    words_of(&host, ["DONE", "PLAN", "DONE", "PLAN"]);
    for words in [&["flush", "nope"][..], &["flush", "", "--dry-run"]] {
        let output = agrees(&host, words);
        assert_eq!(first_word(&output), "FAILED", "{output}");
        assert!(
            said(&output).contains("nothing is called") && !said(&output).contains(ALL_CLEAR),
            "{output}"
        );
        assert!(!said(&output).contains("Next: stalecard check"), "{output}");
    }
    assert_eq!(first_word(&agrees(&host, &["flush", "--serial", "NOPE"])), "SAME");
    if Host::can_switch_users() {
        // One entry that its user may not read: what could be read was moved, and that is not all.
        let user = host.with_cache_copy().for_user(4711);
        let entry = user.cache_names().into_iter().find(|name| name.ends_with("_C401")).unwrap();
        let entry = user.cache().join(entry);
        std::os::unix::fs::chown(&entry, Some(0), Some(0)).unwrap();
        std::fs::set_permissions(&entry, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        for command in ["flush", "fix"] {
            let output = user.stalecard(&[command]);
            assert_eq!((first_word(&output).as_str(), output.code()), ("UNREAD", 3), "{output}");
        }
    }
    // Every program dies of it: neither tells what it shows.
    host.configure("app default\n\n{\n}\n");
    words_of(&host, ["UNREAD"; 4]);
    host.caching("yes");
    stand.card().fault("lie b1 changing");
    words_of(&host, ["UNREAD"; 4]);
    stand.card().fault("none");
    stand.card().eject();
    stand.card().wait_removed();
    words_of(&host, ["UNREAD"; 4]);
    let output = agrees(&host, &["flush"]);
    assert!(said(&output).contains("stalecard flush --serial DENK0200834"), "{output}");
    assert!(said(&output).ends_with("Next: stalecard flush, when what was not read can be read"), "{output}");
    host.stalecard(&["flush", "--all"]).ok();
    let nothing = agrees(&host, &["flush", "--all"]);
    assert!(first_word(&nothing) == "SAME" && !said(&nothing).contains(ALL_CLEAR), "{nothing}");
}

/// With another card in the reader, or a name that nothing has, "nothing in these caches is stale".
#[test]
fn nothing_is_said_to_be_sound_that_was_not_compared() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    stale(&host);
    let second = stand.new_card("second", &["--serial", "DENK0200999"]);
    stand.card().insert(&second);
    host.live().initialize("HSM-H2", PIN, SO_PIN, None);
    for repair in REPAIRS {
        let output = agrees(&host, repair);
        let text = said(&output);
        assert!(!text.contains(ALL_CLEAR), "{output}");
        assert!(text.contains("3 cache entries of card DENK0200834"), "{output}");
    }
    let output = agrees(&host, &["flush"]);
    assert!(said(&output).contains("nothing that was compared is stale"), "{output}");
    assert!(said(&output).contains("stalecard flush --serial DENK0200834"), "{output}");
    // Where all was compared it may be said.
    stand.card().insert(stand.card().first());
    host.stalecard(&["flush"]).ok();
    let output = agrees(&host, &["flush"]);
    assert!(said(&output).contains(ALL_CLEAR), "{output}");
}

/// Caching is off, and no program has read what is moved.
#[test]
fn what_no_program_read_is_not_said_to_be_read_again() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    stale(&host);
    host.caching("no");
    for words in [&["flush"][..], &["flush", "--all"]] {
        let output = agrees(&host, words);
        assert_eq!(first_word(&output), "DONE", "{output}");
        assert!(said(&output).contains("No program reads them today."), "{output}");
        assert!(!said(&output).contains("from the card again"), "{output}");
    }
}

/// A rehearsal ends with the command that does it, and that does what was rehearsed.
#[test]
fn the_last_line_of_a_rehearsal_is_the_command_that_does_it() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    stale(&host);
    let mut told = BTreeSet::new();
    for words in [
        &["flush", "--dry-run"][..],
        &["flush", "--all", "--dry-run", "--exit-code"],
        &["flush", "--dry-run", "--serial", "DENK0200834"],
        &["fix", "--dry-run", "--guarded"],
        &["config", "disable-cache", "--dry-run", "--app", "pkcs15-tool"],
    ] {
        let rehearsed = host.stalecard(words);
        let last = rehearsed.stdout.lines().last().unwrap_or_default();
        let command = last.strip_prefix("Next: stalecard ").unwrap_or_else(|| panic!("{rehearsed}"));
        let real: Vec<&str> =
            words.iter().copied().filter(|word| !["--dry-run", "--exit-code"].contains(word)).collect();
        assert_eq!(command, real.join(" "), "{rehearsed}");
        told.insert(command.to_owned());
    }
    assert_eq!(told.len(), 5);
    host.stalecard(&["flush"]).ok();
    let undo = host.stalecard(&["undo", "--dry-run"]).ok();
    assert!(said(&undo).ends_with("Next: stalecard undo"), "{undo}");
}

/// Undo counted what was there already, and did not say that what it put back is stale, and shown.
#[test]
fn undo_counts_what_it_put_back_and_says_that_it_is_stale_and_shown_again() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    stale(&host);
    let before = host.cache_files();
    host.stalecard(&["flush"]).ok();
    let rehearsed = host.stalecard(&["undo", "--dry-run"]).ok();
    assert!(
        said(&rehearsed)
            .contains("2 files put back. They were found stale before, and programs would show that again."),
        "{rehearsed}"
    );
    let output = host.stalecard(&["undo"]).ok();
    assert!(
        said(&output)
            .contains("2 files put back. They were found stale before, and programs show that again."),
        "{output}"
    );
    assert_eq!(first_word(&host.stalecard(&["check"]).exits(1)), "STALE");
    // The same content is there already: nothing has to be put back.
    host.stalecard(&["flush"]).ok();
    for (name, content) in &before {
        std::fs::write(host.cache().join(name), content).unwrap();
    }
    let output = host.stalecard(&["undo"]).ok();
    assert!(said(&output).contains("nothing had to be put back, the same content is there."), "{output}");
    assert!(!said(&output).contains("2 files put back"), "{output}");
    // What no program reads is not said to be shown.
    host.stalecard(&["flush"]).ok();
    host.caching("no");
    let output = host.stalecard(&["undo", "--force"]).ok();
    assert!(
        said(&output).contains("found stale before.") && !said(&output).contains("show that again"),
        "{output}"
    );
    // What was asked for by name was not found to be stale.
    host.caching("yes");
    host.stalecard(&["flush", "--all"]).ok();
    let output = host.stalecard(&["undo"]).ok();
    assert!(
        said(&output).contains("3 files put back.") && !said(&output).contains("stale before"),
        "{output}"
    );
}

/// A rehearsal that would fail ended with 0, and its last line was no cure.
#[test]
fn a_rehearsed_edit_that_would_be_refused_fails_and_names_the_cure() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    stale(&host);
    host.caching("no");
    for words in [
        &["config", "enable-cache", "--dry-run"][..],
        &["config", "enable-cache", "--dry-run", "--exit-code"],
        &["config", "enable-cache"],
        &["config", "enable-cache", "-q"],
    ] {
        let output = host.stalecard(words).exits(2);
        assert_eq!(first_word(&output), "FAILED", "{output}");
        assert!(said(&output).ends_with("Next: stalecard flush"), "{output}");
    }
    host.stalecard(&["flush"]).ok();
    host.stalecard(&["config", "enable-cache", "--dry-run"]).ok();
    host.stalecard(&["config", "enable-cache"]).ok();
}

/// Beside "2 files moved" stood "nothing was changed".
#[test]
fn what_is_half_done_is_not_said_to_have_changed_nothing() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    stale(&host);
    let inside = r#"mount --bind "$1" "$1" && shift && exec "$@""#;
    let conf = host.conf().to_str().unwrap().to_owned();
    let program = env!("CARGO_BIN_EXE_stalecard");
    let output =
        host.run(&["unshare", "-m", "sh", "-c", inside, "sh", &conf, program, "fix", "--guarded"]).exits(2);
    assert_eq!(first_word(&output), "FAILED", "{output}");
    assert!(said(&output).contains("2 of 3 findings cured. 2 files moved"), "{output}");
    assert!(said(&output).contains("The configuration was not edited."), "{output}");
    assert!(output.stderr.contains("mount point"), "{output}");
    assert!(!format!("{output}").to_lowercase().contains("nothing was changed"), "{output}");
}

/// `-q` was ignored.
#[test]
fn quiet_commands_say_what_it_comes_to_and_what_is_next() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    stale(&host);
    host.stalecard(&["flush"]).ok();
    for words in [
        &["undo", "--dry-run"][..],
        &["undo"],
        &["undo"],
        &["config", "show"],
        &["config", "show", "--for", "pkcs15-tool"],
        &["config", "disable-cache", "--dry-run"],
        &["config", "disable-cache"],
        &["config", "disable-cache"],
        &["config", "enable-cache"],
    ] {
        let output = host.stalecard(&[words, &["-q"]].concat());
        let lines: Vec<&str> = output.stdout.lines().collect();
        assert!((1..=4).contains(&lines.len()), "{words:?}: {output}");
        assert!(!output.stdout.contains("Note:") && !output.stdout.contains("Do now"), "{words:?}: {output}");
    }
}

/// What failed for a reason that stays fails again: the next thing is that reason, and each step is there once.
#[test]
fn after_a_failure_its_cause_is_the_next_thing() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    stale(&host);
    let entry = host.cache_names().into_iter().find(|name| name.ends_with("C401")).unwrap();
    std::fs::hard_link(host.cache().join(&entry), stand.dir().join("second")).unwrap();
    for command in [&["flush"][..], &["fix"], &["flush"]] {
        let output = host.stalecard(&[command, &["--format", "json"]].concat()).exits(2);
        let report: Value = serde_json::from_str(&output.stdout).unwrap();
        let steps = report["steps"].as_array().unwrap();
        assert!(steps[0]["command"].is_null(), "{report:#}");
        assert!(steps[0]["what"].as_str().unwrap().contains("hard links"), "{report:#}");
        let mut calls: Vec<_> =
            steps.iter().map(|step| step["command"].as_str().or(step["what"].as_str())).collect();
        let number = calls.len();
        calls.sort_unstable();
        calls.dedup();
        assert_eq!(calls.len(), number, "{report:#}");
    }
}
