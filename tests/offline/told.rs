//! What holds of everything that is told to people: whoever reads only the first and the last line does the right thing, no
//! line is wider than the screen, nothing but ASCII where nothing else can be shown, times in the reader's zone, owners by
//! name; and every command in it is one that the program takes, with the consent that it needs.
//!
//! Held over every committed screen, and over what is said of the hosts of all fixtures, on every kind of screen.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::calls::{calls, objection};
use crate::finding_fixture;
use crate::judged;
use stalecard::finding::{Finding, Remedy};
use stalecard::host::clock::Zone;
use stalecard::judge::brief::brief;
use stalecard::judge::{Tally, judge_processes};
use stalecard::observe::{load, save};
use stalecard::repair::Consent;
use stalecard::repair::flush::{Scope, fix_plan, flush_plan};
use stalecard::report::human;
use stalecard::report::lines::{Detail, Screen};
use stalecard::snapshot::{ConfigState, Snapshot, Whose};
use stalecard::verdict::Verdict;
use unicode_width::UnicodeWidthStr;

/// First words that say that something is wrong, or was not looked at.
const BAD: [&str; 10] =
    ["STALE", "UNDECIDED", "WRONG", "CONFIG", "RISK", "UNREAD", "FAILED", "CRITICAL", "ERROR", "WARNING"];
/// Those that say that all is well, or done.
const GOOD: [&str; 4] = ["OK", "DONE", "SAME", "PARTLY"];
/// What nobody wants to read last where something is wrong.
const CALMING: [&str; 8] = [
    "is sound",
    "proved sound",
    "nothing is wrong",
    "Nothing wrong",
    "Nothing found",
    "what is on the card",
    "cured",
    "is well",
];
/// What may not be next after a first word: another trouble than that which it names.
const ASTRAY: [(&str, &[&str]); 4] = [
    ("CONFIG", &["stalecard flush", "stalecard verify", "stalecard check", "restart ", "stalecard audit"]),
    ("STALE", &["stalecard config", "stalecard audit", "stalecard explain"]),
    ("UNREAD", &["stalecard flush", "stalecard fix", "stalecard config", "stalecard audit", "restart "]),
    ("UNDECIDED", &["stalecard flush", "stalecard config", "stalecard audit", "restart "]),
];
/// What a person does, and no command.
const BY_HAND: [&str; 2] = ["compare again, with ", "1 CA certificate: issue again"];
/// What begins a command in a line of its own: it is there to be pasted, however long.
const COMMANDS: [&str; 7] = ["stalecard", "systemctl", "ssh-add", "chown", "chmod", "sudo", "pkcs11:"];

/// What the first line says, and the last, do not contradict each other: where the first says that something is wrong or
/// was not read, the last says what to do next and calms nobody; where it says that all is well, the last names nothing
/// that is wrong. Lists have no such first line.
#[track_caller]
fn first_and_last_agree(text: &str, typed: &str, of: &str) {
    let Some(first) = text.lines().find(|line| !line.is_empty()) else { return };
    let word = first.split_whitespace().next().unwrap();
    // A line that goes on stands further in, or is one long word.
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let last = lines.iter().rposition(|line| !line.starts_with(' ') && line.contains(' ')).unwrap_or(0);
    let last = lines[last..].join(" ");
    if BAD.contains(&word) || word == "PLAN" {
        assert!(last.starts_with("Next: "), "{of}: {word}, and then {last:?}:\n{text}");
        let calms = CALMING.iter().find(|calms| last.contains(*calms));
        assert_eq!(calms, None, "{of}: {word}, and then {last:?}");
        let next = last.trim_start_matches("Next: ");
        // Who does just what the last line says does not come back to it. (A rehearsal ends with the run itself.)
        assert!(
            word == "PLAN" || typed != "fix" || !next.contains("stalecard fix"),
            "{of}: {typed}: {last:?}"
        );
        // Unless the first sentence itself says so.
        let head = text.split("\n\n").next().unwrap_or_default();
        let head = head.split_whitespace().collect::<Vec<_>>().join(" ");
        let is_said = head.contains("Flush before you mend it") && next.starts_with("stalecard flush");
        // Where something could not be read, the command that was typed is to be typed again.
        let again = format!("stalecard {typed}");
        let is_said = is_said || (word == "UNREAD" && !typed.is_empty() && next.starts_with(&again));
        let mut astray =
            ASTRAY.iter().filter(|(first, _)| *first == word && !is_said).flat_map(|(_, next)| *next);
        assert_eq!(astray.find(|other| next.starts_with(**other)), None, "{of}: {word}, and then {last:?}");
    } else if GOOD.contains(&word) && text.lines().count() > 1 {
        assert!(BAD.iter().all(|bad| !last.contains(bad)), "{of}: {word}, and then {last:?}");
        assert!(word != "OK" || !last.starts_with("Next: "), "{of}: {word}, and then {last:?}");
    }
}

/// No wider than the screen, but for what cannot be broken: a word that is itself wider than the screen, a command by itself,
/// a line of a file.
#[track_caller]
fn nothing_is_cut_off(text: &str, width: usize, of: &str) {
    for line in text.lines().filter(|line| line.width() > width) {
        let body = line.trim_start();
        let label = ["Next: ", "Cure: "].into_iter().find_map(|label| body.strip_prefix(label));
        let numbered = body.split_once(". ").filter(|(number, _)| number.bytes().all(|b| b.is_ascii_digit()));
        let body = label.or(numbered.map(|(_, rest)| rest)).unwrap_or(body);
        let longest = body.split_whitespace().map(UnicodeWidthStr::width).max().unwrap_or(0);
        let is_word = longest > width;
        let is_command = COMMANDS.iter().any(|command| body.starts_with(command));
        let is_source =
            body.starts_with(|c: char| c.is_ascii_digit() || c == '|' || c == '=') || body.starts_with("-->");
        assert!(is_word || is_command || is_source, "{of}: wider than {width}: {line:?}");
    }
}

/// The last line is a command, or has one, or says in which file or with which programs what is to be done.
#[track_caller]
fn next_can_be_done(text: &str, of: &str) {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let Some(at) = lines.iter().rposition(|line| line.starts_with("Next: ")) else { return };
    let next = lines[at..].iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    let is_command = !calls(&next).is_empty() || COMMANDS.iter().any(|command| next.contains(command));
    let is_place = next.contains(".conf:") || next.contains("/opensc") || next.contains(" pid");
    let is_by_hand = BY_HAND.iter().any(|what| next["Next: ".len()..].starts_with(what));
    assert!(is_command || is_place || is_by_hand, "{of}: nothing to type, and nowhere to go: {next:?}");
}

/// Times in the zone of whoever reads it, owners by name.
#[track_caller]
fn told_as_people_say_it(text: &str, of: &str) {
    for line in text.lines() {
        let is_stamp = |piece: &[u8]| {
            piece
                .iter()
                .zip(b"0000-00-00T00:00:00")
                .all(|(a, b)| if *b == b'0' { a.is_ascii_digit() } else { a == b })
        };
        assert!(!line.as_bytes().windows(19).any(is_stamp), "{of}: a time as machines write it: {line}");
        assert!(!line.contains("uid "), "{of}: a user by number: {line}");
    }
}

/// The commands are such that the program takes them, and whole.
#[track_caller]
fn every_command_is_one(text: &str, of: &str) -> usize {
    let mut number = 0;
    for line in text.lines() {
        for (words, _) in calls(line) {
            assert_eq!(objection(&words), None, "{of}: {line}");
            number += 1;
        }
        let step = line.trim_start();
        let step =
            step.split_once(". ").filter(|(number, _)| number.len() == 1).map_or(step, |(_, step)| step);
        let is_alone = step != line.trim_start() || step.starts_with("Next: ") || step.starts_with("Cure: ");
        let step = step.trim_start_matches("Next: ").trim_start_matches("Cure: ");
        assert!(!is_alone || !step.starts_with("or "), "{of}: read alone that makes no sense: {line}");
    }
    number
}

/// Everything at once.
#[track_caller]
fn is_told_well(text: &str, width: usize, is_ascii: bool, typed: &str, of: &str) -> usize {
    assert!(!is_ascii || text.is_ascii(), "{of}: not ASCII: {text}");
    nothing_is_cut_off(text, width, of);
    told_as_people_say_it(text, of);
    first_and_last_agree(text, typed, of);
    every_command_is_one(text, of)
}

/// Without the escapes for colour.
fn plain(text: &str) -> String {
    let mut pieces = text.split('\x1b');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |said, piece| said + piece.split_once('m').map_or("", |(_, rest)| rest))
}

#[test]
fn every_committed_screen_is_told_well() {
    let (mut screens, mut commands) = (0, 0);
    for entry in walkdir::WalkDir::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transcripts")) {
        let path = entry.unwrap().into_path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let is_text = path.extension().is_some_and(|kind| kind == "txt" || kind == "trycmd");
        // One line, however long, is what monitoring takes.
        if !is_text || name.starts_with("nagios.") || name.starts_with("explain.") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let ways: Vec<&str> = name.split('.').collect();
        let width = if ways.contains(&"120") {
            100
        } else if ways.contains(&"40") {
            40
        } else {
            80
        };
        // What is typed, and how it ends, stands between the screens of a story.
        let is_story = text.contains("\n? ") || text.starts_with("$ ");
        let typed = |part: &str| {
            part.lines().next().unwrap_or_default().split(" --").next().unwrap_or_default().to_owned()
        };
        let parts: Vec<(String, String)> = if is_story {
            text.split("$ stalecard ")
                .skip(1)
                .filter(|part| !part.starts_with("watch") && !part.starts_with("run "))
                .map(|part| {
                    let said = part.lines().skip(1).filter(|line| !line.starts_with("? "));
                    let said = said.take_while(|line| *line != "```").collect::<Vec<_>>().join("\n");
                    (typed(part), said)
                })
                .collect()
        } else {
            vec![(String::new(), plain(&text))]
        };
        for (typed, part) in parts {
            // A complaint is no part of the report; what trycmd leaves out is any text, and monitoring's one line.
            // So does whoever reads a log, and what another program says is its own.
            let is_one_line = part.starts_with("STALECARD ") || part.starts_with("error: ");
            let said: Vec<&str> =
                part.lines().filter(|line| !line.starts_with("2> ") && *line != "...").collect();
            if !is_one_line && !said.is_empty() {
                let said = said.join("\n");
                commands += is_told_well(&said, width, ways.contains(&"c"), &typed, &name);
                next_can_be_done(&said, &name);
                screens += 1;
            }
        }
    }
    assert!(screens > 120 && commands > 250, "{screens} {commands}");
}

fn screen(snapshot: &Snapshot, width: usize, is_ascii: bool, detail: Detail) -> Screen {
    let mut users = BTreeMap::new();
    for user in std::iter::once(&snapshot.user).chain(snapshot.others.iter().map(|other| &other.user)) {
        users.extend(user.name.clone().map(|name| (user.uid, name)));
    }
    let now = snapshot.taken_at.unix_timestamp();
    Screen { width, is_ascii, detail, now, zone: Zone::utc(), users, elsewhere: None, by_sudo: false }
}

/// The hosts of all findings, and of those that are nearly there.
fn hosts() -> Vec<(String, Snapshot)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(finding_fixture::folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(name) = name.strip_suffix(".toml") else { continue };
        let fixture = finding_fixture::read(name).unwrap();
        all.extend(fixture.snapshots().into_iter().map(|snapshot| (name.to_owned(), snapshot)));
    }
    all
}

fn judged(snapshot: &Snapshot, caller: Option<u32>) -> Verdict {
    let mut tally = Tally::new(caller);
    let verdict = tally.judge(snapshot);
    tally.add(snapshot, verdict);
    let mut verdict = tally.verdict().0;
    judge_processes(snapshot, &mut verdict);
    verdict
}

#[test]
fn what_is_said_of_every_host_is_told_well_on_every_screen() {
    let mut commands = 0;
    for (name, snapshot) in hosts() {
        let verdict = judged(&snapshot, None);
        let told = brief(&verdict);
        judged::leads_to_one_act(&verdict, &told);
        let usual = plain(&human::check(&screen(&snapshot, 80, false, Detail::Usual), &verdict, &told, &[]));
        let by_sudo = Screen { by_sudo: true, ..screen(&snapshot, 80, false, Detail::Usual) };
        let by_sudo = plain(&human::check(&by_sudo, &verdict, &told, &[]));
        is_told_well(&by_sudo, 80, false, "", &format!("{name} by sudo"));
        typed_as_it_was(&by_sudo, &name);
        for (width, is_ascii, detail) in [
            (80, false, Detail::Least),
            (80, false, Detail::Usual),
            (80, false, Detail::All),
            (80, true, Detail::Usual),
            (100, false, Detail::Usual),
            (100, true, Detail::All),
            (40, false, Detail::Usual),
            (40, true, Detail::All),
        ] {
            let said = human::check(&screen(&snapshot, width, is_ascii, detail), &verdict, &told, &[]);
            commands +=
                is_told_well(&plain(&said), width, is_ascii, "", &format!("{name} {width} {detail:?}"));
        }
        // One key, one screen.
        let keys = told.causes.len();
        for usual in [usual, by_sudo] {
            let lines = usual.lines().count();
            assert!(keys > 1 || lines <= 24, "{name}: {lines} lines:\n{usual}");
        }
    }
    assert!(commands > 500, "{commands}");
}

/// Who called by way of `sudo` has no root's rights for what is pasted.
#[track_caller]
fn typed_as_it_was(text: &str, of: &str) {
    for line in text.lines() {
        let step =
            line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches(". ");
        let step = step.strip_prefix("Next: ").unwrap_or(step);
        assert!(!step.starts_with("stalecard ") && !step.starts_with("systemctl "), "{of}: {line}");
        assert!(!line.contains("`stalecard ") && !line.contains("undo: stalecard"), "{of}: {line}");
    }
}

/// A lint looks at no card, so that it knows of no entry whether it is stale; that a check does. Whoever follows either does the
/// same first: a mended file would bring to light what sleeps in the cache.
#[test]
fn a_file_that_opensc_cannot_read_is_mended_after_a_flush_whoever_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let snapshot = load(&root.join("fixtures/snapshots/seed-alpha-back.json")).unwrap();
    let with = |broken: &[u8]| {
        let mut snapshot = snapshot.clone();
        let [config] = &mut snapshot.configs[..] else { panic!("one file") };
        let ConfigState::Text(text) = &mut config.state else { panic!("which is read") };
        *text = [broken, text.as_slice()].concat().into();
        let file = folder.path().join("snapshot.json");
        save(&snapshot, &file).unwrap();
        file
    };
    for broken in [&b"app default\n\n{ }\n"[..], b"app default { }}\n"] {
        let file = with(broken);
        let ends = [&["check"][..], &["config", "lint"]].map(|words| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_stalecard"));
            let output =
                command.args(words).arg("--snapshot").arg(&file).env("COLUMNS", "80").output().unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            assert!(said.starts_with("CONFIG  "), "{said}");
            assert!(said.replace("\n        ", " ").contains("Flush before you mend it: then it"), "{said}");
            said.lines().last().unwrap().to_owned()
        });
        assert_eq!(ends, ["Next: on ca-alpha, as ca: stalecard flush"; 2]);
    }
}

/// What could not be read is to be typed again: for scripts the same command as for people.
#[test]
fn what_is_to_be_typed_again_is_the_same_for_scripts_as_for_people() {
    let home = tempfile::tempdir().unwrap();
    let words = ["check", "--no-ask", "--reader", "no such reader"];
    let say = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stalecard"));
        command.args(words).args(more).env_clear().env("HOME", home.path()).env("LC_ALL", "C.UTF-8");
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let again = "stalecard check --no-ask --reader 'no such reader'";
    let json: serde_json::Value = serde_json::from_str(&say(&["--format", "json"])).unwrap();
    assert_eq!(json["steps"][0]["command"], again, "{json:#}");
    let people = say(&[]);
    let last = people.lines().rev().find(|line| line.starts_with("Next: ")).unwrap();
    assert!(last.starts_with(&format!("Next: {again}, when ")), "{people}");
    // Nor is it what cannot come to anything else.
    let mut offline = Command::new(env!("CARGO_BIN_EXE_stalecard"));
    let offline = offline.args(["check", "--offline"]).env_clear().env("HOME", home.path()).output().unwrap();
    let said = String::from_utf8(offline.stdout).unwrap();
    assert!(said.starts_with("UNREAD  ") && said.contains("\nNext: stalecard check, when "), "{said}");
}

/// Wherever people read, a moment is told in their zone, also in the sentences of rules, which know of none; scripts are told
/// it in UTC.
#[test]
fn every_moment_is_told_in_the_zone_of_whoever_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let say = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stalecard"));
        let output = command.args(words).env("TZ", "XYZ-5:30").env("LC_ALL", "C.UTF-8").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let is_like = |piece: &[u8], model: &str| {
        let fits = |(byte, model): (&u8, u8)| {
            if model == b'0' { byte.is_ascii_digit() } else { *byte == model }
        };
        piece.iter().zip(model.bytes()).all(fits)
    };
    let in_utc =
        |line: &str| line.contains(" UTC") || line.as_bytes().windows(9).any(|one| is_like(one, "00:00:00Z"));
    let mut moments = 0;
    for (place, (name, snapshot)) in hosts().into_iter().enumerate() {
        let file = folder.path().join(format!("{place}.json"));
        let file = file.to_str().unwrap();
        save(&snapshot, Path::new(file)).unwrap();
        for words in [&["check", "-v", "--snapshot", file][..], &["compare", "-v", file]] {
            let said = say(words);
            assert_eq!(said.lines().find(|line| in_utc(line)), None, "{name}: {words:?}");
            moments += said.matches(" XYZ").count();
        }
        let json = say(&["check", "--format", "json", "--snapshot", file]);
        assert!(json.contains("\"stalecard/1\"") && !json.contains(" XYZ"), "{name}: {json}");
    }
    assert!(moments > 200, "{moments}");
}

/// As whom, and where, it is looked at, and who the files belong to.
fn ways(mut snapshot: Snapshot) -> Vec<(&'static str, Snapshot, Option<u32>)> {
    let own = snapshot.clone();
    let mut directories = snapshot.clone();
    directories.whose = Whose::Directories;
    for entry in snapshot.caches.iter_mut().flat_map(|dir| &mut dir.entries) {
        entry.inode.uid = 4711;
    }
    let other = own.user.uid.wrapping_add(1);
    vec![
        ("as its user", own.clone(), None),
        ("as another user", own, Some(other)),
        ("in a directory that was named", directories.clone(), None),
        ("in another user's directory", directories, Some(other)),
        ("with files of somebody else", snapshot, None),
    ]
}

/// A command that the plan of the repair would do nothing for is a lie: every one that a finding shows for moving entries
/// takes one that the finding names, by the consent that stands in it.
#[test]
fn every_flush_that_is_shown_has_the_consent_that_it_needs() {
    let mut number = 0;
    for (name, snapshot) in hosts() {
        for (way, snapshot, caller) in ways(snapshot) {
            let verdict = judged(&snapshot, caller);
            for finding in &verdict.findings {
                for remedy in finding.fix.iter().filter(|remedy| remedy.moves().is_some()) {
                    let Some(command) = remedy.command() else { continue };
                    let uid = caller.unwrap_or(snapshot.user.uid);
                    takes(&snapshot, &verdict, finding, remedy, &command, uid).unwrap_or_else(|why| {
                        panic!("{name}, {way}: {}: {command}: {why}", finding.id.name())
                    });
                    number += 1;
                }
            }
        }
    }
    assert!(number > 150, "{number}");
}

fn takes(
    snapshot: &Snapshot,
    verdict: &Verdict,
    finding: &Finding,
    remedy: &Remedy,
    command: &str,
    caller: u32,
) -> Result<(), String> {
    let all = calls(command);
    let words = &all.first().ok_or("it is no command")?.0;
    objection(words).map_or(Ok(()), Err)?;
    let value = |option: &str| {
        let place = words.iter().position(|word| word == option)?;
        words.get(place + 1).cloned()
    };
    let mut consent = Consent::safe();
    if words.iter().any(|word| word == "--guarded") {
        consent = consent.and_guarded();
    }
    if words.iter().any(|word| word == "--unsafe") {
        consent = consent.and_unsafe();
    }
    let serial = value("--serial");
    let named: Vec<String> =
        words.get(1).filter(|word| !word.starts_with('-')).into_iter().cloned().collect();
    let scope = match (&serial, named.is_empty()) {
        (Some(serial), _) => Scope::Serial(serial),
        (None, false) => Scope::Named(&named),
        (None, true) => Scope::Stale,
    };
    let plan = match words.first().map(String::as_str) {
        Some("flush") => flush_plan(snapshot, verdict, scope, caller),
        Some("fix") => fix_plan(snapshot, verdict, caller),
        _ => return Err("it moves nothing".to_owned()),
    };
    let own = finding.evidence.iter().filter_map(|evidence| evidence.file.as_ref()).map(|file| &file.name);
    let own: Vec<_> = own.chain(finding.crowd.iter().map(|(_, name)| name)).collect();
    let meant = |step: &&stalecard::repair::Step| own.is_empty() || own.contains(&&step.name);
    let steps: Vec<_> = plan.steps.iter().filter(meant).collect();
    if !steps.iter().any(|step| consent.allows(step.safety)) {
        return Err(format!("of {} steps none may be done: {steps:?}", steps.len()));
    }
    if snapshot.whose == Whose::Directories {
        let directory = value("--cache-dir").ok_or("it is about other directories")?;
        if !snapshot.caches.iter().any(|dir| dir.path.to_string() == directory) {
            return Err(format!("{directory} was not looked at"));
        }
    } else if caller != snapshot.user.uid && value("--user") != snapshot.user.name {
        return Err("it is about another user's caches".to_owned());
    }
    if remedy.user.is_some() && !consent.allows(stalecard::finding::Safety::Guarded) {
        return Err("being root is no consent".to_owned());
    }
    Ok(())
}

/// The screens that people meet first are in the committed ones.
#[test]
fn the_committed_screens_cover_every_kind_of_host() {
    let screens = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/screens");
    let names: Vec<String> = std::fs::read_dir(screens)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for host in ["seed-alpha-back", "healthy", "five-keys-hardly-recorded", "broken-configuration"] {
        for label in ["check", "evidence", "quiet", "show", "ls", "config-show", "config-lint"] {
            for width in ["80", "120"] {
                assert!(
                    names.contains(&format!("{label}.{host}.{width}.txt")),
                    "no {label} of {host} at {width} columns"
                );
            }
        }
    }
}

/// `config show` was 48 columns wide, a fingerprint 80, and a label as a C locale shows it was measured as it is not shown.
#[test]
fn on_a_screen_of_40_columns_only_what_is_copied_is_wider() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut files = Vec::new();
    for name in
        ["seed-beta-stale", "seed-alpha-flushed", "piv-stale", "openpgp-stale", "myeid-stale", "five-keys"]
    {
        files.push(root.join(format!("fixtures/snapshots/{name}.json")));
    }
    for name in ["broken-configuration", "eight-stale-keys", "healthy", "no-card"] {
        files.push(root.join(format!("tests/transcripts/hosts/{name}.json")));
    }
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let text = text.replace(&hex("Private Key"), &hex("Schlüsselx")).replace(&hex("key1"), &hex("kéy"));
        let snapshot = folder.path().join("snapshot.json");
        std::fs::write(&snapshot, text).unwrap();
        for words in [&["check"][..], &["ls"], &["show"], &["config", "show"], &["config", "lint"]] {
            for locale in ["C", "C.UTF-8"] {
                let output = Command::new(env!("CARGO_BIN_EXE_stalecard"))
                    .args(words)
                    .arg("--snapshot")
                    .arg(&snapshot)
                    .env_clear()
                    .envs([("HOME", "/nonexistent"), ("COLUMNS", "40"), ("LC_ALL", locale)])
                    .output()
                    .unwrap();
                let said = String::from_utf8(output.stdout).unwrap();
                for line in said.lines().filter(|line| line.width() > 40) {
                    let body = line.trim_start();
                    let is_source = body.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '|' | '='));
                    let body =
                        ["Next: ", "Cure: "].iter().find_map(|lead| body.strip_prefix(lead)).unwrap_or(body);
                    let is_command = COMMANDS.iter().any(|command| body.starts_with(command));
                    assert!(
                        is_source || is_command || !body.trim_end_matches(['.', ':']).contains(' '),
                        "{} {words:?} {locale}: {line:?}",
                        file.display()
                    );
                }
            }
        }
    }
}
