//! What the program says on a screen: README's sample, the commands of `tests/transcripts/`, and what `check` and its kin
//! say of the hosts in `tests/transcripts/hosts/`, 80 and 120 columns wide, in colour, and in the C locale; all over
//! committed files, so that no stand is needed (what changes a host is told in `tests/on_stand/screens.rs`).
//!
//! `TRYCMD=overwrite SNAPSHOTS=overwrite cargo test --test offline transcripts::` writes them anew: read the difference before you
//! commit it. A line of three dots stands for any lines, `[..]` for any text of one line.

use std::path::Path;
use std::process::Command;

use snapbox::data::DataFormat;
use snapbox::{Assert, Data};
use stalecard::text::in_ascii;

#[test]
fn the_screens_are_what_is_said() {
    // A file without a command would be passed over.
    let entries = std::fs::read_dir("tests/transcripts").unwrap().map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.extension().is_some_and(|kind| kind == "trycmd"));
    for file in files.chain(["README.md".into()]) {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("\n```console\n$ stalecard "), "{} shows nothing", file.display());
    }
    trycmd::TestCases::new()
        .register_bin("stalecard", Path::new(env!("CARGO_BIN_EXE_stalecard")))
        .env("TZ", "UTC")
        .env("LC_ALL", "C.UTF-8")
        .case("tests/transcripts/*.trycmd")
        .case("README.md");
}

/// A way to be shown something.
struct Shown {
    name: &'static str,
    columns: &'static str,
    locale: &'static str,
    colour: &'static str,
}

const WAYS: [Shown; 5] = [
    Shown { name: "80", columns: "80", locale: "C.UTF-8", colour: "0" },
    Shown { name: "120", columns: "120", locale: "C.UTF-8", colour: "0" },
    Shown { name: "40", columns: "40", locale: "C.UTF-8", colour: "0" },
    Shown { name: "colour", columns: "80", locale: "C.UTF-8", colour: "1" },
    Shown { name: "c", columns: "80", locale: "C", colour: "0" },
];

/// The committed hosts, each with the most lines that `check` may take of it, how it ends, and the first word.
const HOSTS: [(&str, usize, i32, &str); 8] = [
    ("../../../fixtures/snapshots/seed-alpha-back", 24, 1, "STALE"),
    ("../../../fixtures/snapshots/piv-stale", 26, 1, "UNDECIDED"),
    ("eight-stale-keys", 34, 1, "STALE"),
    ("healthy", 3, 0, "OK"),
    ("../../../fixtures/snapshots/five-keys", 5, 0, "RISK"),
    ("../../../fixtures/snapshots/five-keys-hardly-recorded", 24, 3, "UNREAD"),
    ("no-card", 24, 3, "UNREAD"),
    ("broken-configuration", 24, 1, "CONFIG"),
];

/// One of each kind, which is committed on a wide screen, too: stale, healthy, half-read and broken.
const WIDE: [&str; 4] = ["seed-alpha-back", "healthy", "five-keys-hardly-recorded", "broken-configuration"];

fn say(arguments: &[&str], shown: &Shown) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stalecard"));
    command.args(arguments).env("TZ", "UTC").env("LC_ALL", shown.locale).env("COLUMNS", shown.columns);
    command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
    if shown.colour == "1" {
        command.env("CLICOLOR_FORCE", "1");
    }
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{arguments:?}");
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

fn host(name: &str) -> String {
    format!("{}/tests/transcripts/hosts/{name}.json", env!("CARGO_MANIFEST_DIR"))
}

#[track_caller]
fn same_as_committed(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/screens").join(name);
    let committed = Data::read_from(&path, Some(DataFormat::Text)).raw();
    Assert::new().action_env("SNAPSHOTS").eq(text, committed);
}

/// Without the escapes for colour.
fn plain(text: &str) -> String {
    let mut pieces = text.split('\x1b');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |said, piece| said + piece.split_once('m').map_or("", |(_, rest)| rest))
}

#[test]
fn a_check_is_one_screen_on_every_screen() {
    for (name, most, code, word) in HOSTS {
        let file = host(name);
        let short = name.rsplit('/').next().unwrap();
        let (_, usual) = say(&["check", "--snapshot", &file], &WAYS[0]);
        let lines = usual.lines().count();
        assert!(lines <= most, "{short} takes {lines} lines:\n{usual}");
        for shown in &WAYS {
            let (exit, said) = say(&["check", "--snapshot", &file], shown);
            assert_eq!(exit, code, "{said}");
            same_as_committed(&format!("check.{short}.{}.txt", shown.name), &said);
            let text = plain(&said);
            assert!(text.starts_with(word), "{text}");
            if shown.columns == "80" {
                assert_eq!(text, usual, "the same in colour and in ASCII");
                assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
            }
            assert_eq!(shown.colour == "1", said.contains('\x1b'), "{said}");
            assert!(shown.locale != "C" || said.is_ascii(), "{said}");
            first_and_last(&text, code);
        }
    }
}

/// Whoever reads nothing else does the right thing.
#[track_caller]
fn first_and_last(text: &str, code: i32) {
    // A step in words may take a second line on a narrow screen.
    let last = text.lines().rev().find(|line| !line.starts_with("  ")).unwrap();
    let first = text.lines().next().unwrap();
    let word = first.split_whitespace().next().unwrap();
    assert!(!first[word.len()..].trim().is_empty(), "{text}");
    if code == 0 && word == "OK" {
        assert!(!text.contains("Next: "), "{text}");
    } else {
        let next = last.strip_prefix("Next: ").unwrap_or_else(|| panic!("no next step:\n{text}"));
        assert!(!next.contains("sound") && !next.contains("what is on the card"), "{text}");
    }
    if code != 0 {
        assert!(!text.contains("what is on the card:"), "{text}");
    }
}

/// What is written for other eyes is the same whatever it is written from, and for: Markdown, which is committed; of the page
/// for a browser all that is said in it.
#[test]
fn a_report_is_the_same_on_every_screen() {
    for (name, ..) in HOSTS {
        let file = host(name);
        let short = name.rsplit('/').next().unwrap();
        if !WIDE.contains(&short) {
            continue;
        }
        for format in ["markdown", "html"] {
            let words = ["report", "--format", format, "--snapshot", &file];
            let (_, usual) = say(&words, &WAYS[0]);
            for shown in &WAYS {
                let (code, said) = say(&words, shown);
                // What could not be read ends so in a report, too.
                let is_unread = usual.contains("UNREAD") || usual.contains("Not everything");
                assert!(code == 0 || (code == 3 && is_unread), "{said}");
                assert_eq!(
                    said,
                    if shown.name == "c" { in_ascii(&usual) } else { usual.clone() },
                    "{words:?}"
                );
            }
            if format == "markdown" {
                same_as_committed(&format!("report.{short}.md"), &usual);
            }
        }
    }
}

/// The other commands that read, over the same hosts: on a wide screen, too; in colour and in ASCII it is the same text.
#[test]
fn other_commands_say_the_verdict_first_too() {
    for (name, _, code, _) in HOSTS {
        let file = host(name);
        let short = name.rsplit('/').next().unwrap();
        for (command, label) in [
            (&["check", "-v"][..], "evidence"),
            (&["check", "-q"], "quiet"),
            (&["show"], "show"),
            (&["ls"], "ls"),
            (&["config", "show"], "config-show"),
            (&["config", "lint"], "config-lint"),
        ] {
            let words = [command, &["--snapshot", &file]].concat();
            let (_, usual) = say(&words, &WAYS[0]);
            for shown in WAYS.iter().filter(|shown| shown.name != "40") {
                let (_, said) = say(&words, shown);
                let text = plain(&said);
                match shown.name {
                    "120" if !WIDE.contains(&short) => {}
                    "80" | "120" => same_as_committed(&format!("{label}.{short}.{}.txt", shown.name), &said),
                    "c" => assert_eq!(said, in_ascii(&usual), "{words:?}"),
                    _ => assert_eq!(text, usual, "{words:?}"),
                }
            }
            if label == "quiet" {
                assert!(usual.lines().count() <= 5, "{usual}");
                first_and_last(&usual, code);
            }
        }
        let words = ["check", "--format", "nagios", "--fail-on", "warning", "--snapshot", &file];
        let (_, said) = say(&words, &WAYS[0]);
        let (before, rest) = said.split_once(" time=").unwrap();
        let rest = rest.split_once("s;").map_or("", |(_, rest)| rest);
        same_as_committed(&format!("nagios.{short}.txt"), &format!("{before} time=[..]{rest}"));
    }
}
