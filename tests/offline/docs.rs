//! What README, the pages of `docs/` and the recipe say is what the program does: its commands, options, findings and
//! exit codes, and what their one-liners print.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::calls::{calls, objection};
use stalecard::exit::Exit;
use stalecard::finding::{Id, Severity};
use stalecard::report::man::section;

fn file(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// README, and the pages of `docs/`, by name.
fn pages() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let entries =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.map(|name| format!("docs/{name}")).collect();
    names.sort();
    names.insert(0, "README.md".to_owned());
    names.into_iter().map(|name| (name.clone(), file(&name))).collect()
}

const RECIPE: &str = "packaging/recipes/ca.md";

fn help(words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_stalecard")).args(words).arg("--help").output().unwrap();
    assert!(output.status.success(), "{words:?} --help");
    String::from_utf8(output.stdout).unwrap()
}

/// Who has the time for more has the links.
#[test]
fn readme_is_short_and_leads_to_every_page() {
    let pages = pages();
    let (_, readme) = &pages[0];
    assert!(readme.lines().count() <= 150, "{} lines", readme.lines().count());
    for (name, text) in &pages[1..] {
        let title = text.lines().next().unwrap().strip_prefix("# ").unwrap();
        let (_, question) =
            title.split_once(": ").unwrap_or_else(|| panic!("{name}: {title:?} is no question"));
        assert!(question.ends_with('?'), "{name}: {title:?} is no question");
        assert!(readme.contains(&format!("[{title}]({name})")), "README does not lead to {name}");
    }
    for (name, text) in &pages {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = Path::new(env!("CARGO_MANIFEST_DIR")).join(name).parent().unwrap().join(link);
            assert!(link.contains("://") || target.exists(), "{name} leads to {link}, which is not there");
        }
        for line in text.lines().filter(|line| !line.starts_with(['|', ' ']) && !line.contains("](")) {
            assert!(line.chars().count() <= 120, "{name}: {line}");
        }
    }
}

#[test]
fn every_call_is_one_that_the_program_takes() {
    let mut number = 0;
    for (name, text) in pages().into_iter().chain([(RECIPE.to_owned(), file(RECIPE))]) {
        for line in text.lines() {
            for (words, _) in calls(line) {
                assert_eq!(objection(&words), None, "{name}: {line}");
                number += 1;
            }
        }
    }
    assert!(number > 60, "{number}");
}

#[test]
fn every_command_has_its_row_and_an_example() {
    let page = file("docs/commands.md");
    let rows: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("| `")).collect();
    let examples = section(&page, "Examples");
    let below = |words: &[&str]| -> Vec<String> {
        let help = help(words);
        let Some((_, list)) = help.split_once("Commands:") else { return Vec::new() };
        let lines = list.split("\n\n").next().unwrap().lines();
        let names = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        names.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
    };
    let mut known = Vec::new();
    for name in below(&[]) {
        let own = below(&[&name]);
        if own.is_empty() {
            known.push(name);
        } else {
            known.extend(own.iter().map(|one| format!("{name} {one}")));
        }
    }
    assert!(known.len() > 18, "{known:?}");
    for name in &known {
        assert!(rows.iter().any(|row| row.starts_with(name.as_str())), "no row for {name}");
        assert!(examples.contains(&format!("    stalecard {name}")), "no example of {name}");
    }
    // And no row, and none of its options, that is of no command.
    for row in rows.iter().filter(|row| {
        row.split('`').next().is_some_and(|call| known.iter().any(|name| call.starts_with(name)))
    }) {
        for call in row.split(" | ").next().unwrap().split(", ") {
            let words: Vec<&str> =
                call.trim_matches('`').split_whitespace().filter(|word| !word.starts_with('[')).collect();
            let name = if known.contains(&words[0].to_owned()) { &words[..1] } else { &words[..2] };
            let page = help(name);
            for option in words.iter().filter(|word| word.starts_with("--") && word.len() > 2) {
                assert!(page.contains(option), "{row}: no option {option}");
            }
        }
    }
}

/// "Every command" was not true: what takes it takes it, and what does not is named.
#[test]
fn every_command_takes_json_but_those_that_are_named() {
    let page = file("docs/fleets.md");
    let told = section(&page, "JSON for scripts").split("\n\n").next().unwrap().to_owned();
    let listed = help(&[]);
    let list = listed.split_once("Commands:").unwrap().1.split("\n\n").next().unwrap();
    let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let mut others = Vec::new();
    for name in names.map(|line| line.split_whitespace().next().unwrap()) {
        let page = help(&[name]);
        if page.contains("Commands:") || name == "help" {
            continue;
        }
        let takes = page
            .split("--format <FORMAT>")
            .nth(1)
            .is_some_and(|rest| rest.split("\n      --").next().unwrap().contains("stalecard/1"));
        if !takes {
            assert!(told.contains(&format!("`{name}`")), "`{name}` takes no --format json:\n{page}");
            others.push(name.to_owned());
        }
    }
    assert!(others.contains(&"report".to_owned()) && others.len() < 4, "{others:?}");
}

/// What ends a run, and what it takes from its surroundings, is told whole.
#[test]
fn every_exit_code_and_every_variable_is_told() {
    let page = file("docs/commands.md");
    let codes = section(&page, "Exit status");
    for exit in [Exit::Clean, Exit::Findings, Exit::Failed, Exit::NotRead, Exit::WouldChange] {
        assert!(codes.contains(&format!("\n| {} | ", exit.code())), "{codes}");
    }
    assert!(
        codes.contains(&format!("| {}, {} |", Exit::CommandNotRun.code(), Exit::NoCommand.code())),
        "{codes}"
    );
    let told = section(&page, "Environment");
    let mut read = BTreeSet::new();
    for entry in walkdir::WalkDir::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")) {
        let path = entry.unwrap().into_path();
        let Some(source) = path.is_file().then(|| std::fs::read_to_string(&path).unwrap()) else { continue };
        let source = source.split("#[cfg(test)]").next().unwrap();
        for call in ["env::var(\"", "env::var_os(\"", "set(\"", "variable(\""] {
            let named = source.split(call).skip(1).filter_map(|rest| rest.split('"').next());
            read.extend(
                named
                    .filter(|name| name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))
                    .map(str::to_owned),
            );
        }
    }
    assert!(read.contains("COLUMNS") && read.contains("LC_ALL"), "{read:?}");
    for name in read {
        assert!(told.contains(&format!("`{name}`")), "docs/commands.md does not tell of {name}");
    }
}

/// Whoever has a symptom finds the finding: each is in the table, and is one that there is.
#[test]
fn every_symptom_leads_to_a_finding() {
    let readme = file("README.md");
    let rows: Vec<&str> =
        section(&readme, "Symptoms").lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    let symptoms = [
        "shows the old ID",
        "object not found",
        "No slots",
        "a key is missing",
        "a certificate has expired",
        "a signature does not verify",
        "works as me, not as the service",
        "the second card shows the first one's",
    ];
    assert_eq!(rows.len(), symptoms.len());
    for (row, symptom) in rows.iter().zip(symptoms) {
        let (seen, answer) = row.trim_matches('|').split_once(" | ").unwrap();
        assert!(seen.contains(symptom), "{row}: no {symptom:?}");
        let ids: Vec<&str> = answer
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|code| !code.contains(' ') && !code.starts_with('-'))
            .collect();
        assert!(!ids.is_empty(), "{row}");
        for id in ids {
            assert!(Id::from_name(id).is_some(), "{row}: there is no finding {id}");
        }
    }
}

#[test]
fn every_finding_has_its_row_with_its_severity() {
    let table = file("docs/findings.md");
    let rows: Vec<(&str, &str)> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
        .map(|(id, rest)| (id, rest.split(" |").next().unwrap()))
        .collect();
    let severity = |id: Id| match id.severity() {
        Severity::Critical => "critical",
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    };
    // Each once, in the order of the catalogue, and nothing else.
    let expected: Vec<(&str, &str)> = Id::ALL.iter().map(|&id| (id.name(), severity(id))).collect();
    assert_eq!(rows, expected);
    for &id in Id::ALL {
        let output =
            Command::new(env!("CARGO_BIN_EXE_stalecard")).args(["explain", id.name()]).output().unwrap();
        assert!(output.status.success());
    }
}

/// The first example on signatures holds nothing but what a forum post does, and proves what the text around it says.
#[test]
fn the_forum_posts_signature_is_attributed() {
    let section = file("docs/signatures.md");
    let block: Vec<&str> = section
        .lines()
        .skip_while(|line| !line.starts_with("    "))
        .map_while(|line| line.strip_prefix("    "))
        .collect();
    assert_eq!(block.len(), 3);
    let folder = tempfile::tempdir().unwrap();
    let run = |line: &str| {
        let program = env!("CARGO_BIN_EXE_stalecard");
        let line = line.replacen("stalecard verify", &format!("{program} verify --offline"), 1);
        Command::new("bash")
            .args(["-c", &line])
            .current_dir(folder.path())
            .env("HOME", folder.path())
            .output()
            .unwrap()
    };
    for line in &block[..2] {
        assert!(run(line).status.success(), "{line}");
    }
    let id = "6e5182b957014bfff8a7dc1da6b2f325c73dbee0";
    assert!(section.contains(id));
    let output = run(block[2]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains(id), "{output:?}");
    // Recovery alone.
    let output = run(block[2].split(" --pubkey").next().unwrap());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!((output.status.code(), text.matches("could be").count()), (Some(1), 2), "{text}");
    assert!(text.contains(id), "{text}");
}

/// The one-liners for scripts do what is said of them: run by the real jq, over committed snapshots.
#[test]
fn every_line_with_jq_prints_what_is_said() {
    let page = file("docs/fleets.md");
    let (folder, program) = (env!("CARGO_MANIFEST_DIR"), env!("CARGO_BIN_EXE_stalecard"));
    let stale = format!("--snapshot {folder}/fixtures/snapshots/seed-beta-stale.json");
    let flushed = format!("{folder}/fixtures/snapshots/seed-alpha-flushed.json");
    let mut number = 0;
    for line in section(&page, "JSON for scripts").lines().filter_map(|line| line.strip_prefix("    ")) {
        let (line, said) =
            line.split_once("  # ").unwrap_or_else(|| panic!("{line}: it is not said what that prints"));
        let (call, rest) = line.trim().split_once(" | jq ").unwrap_or_else(|| panic!("{line}"));
        let call = match call.strip_prefix("stalecard compare ") {
            Some(_) => format!(
                "{program} compare --format json {flushed} {folder}/fixtures/snapshots/seed-beta-stale.json"
            ),
            None => call.replacen("stalecard", program, 1) + " " + &stale,
        };
        let output = Command::new("bash").args(["-c", &format!("{call} | jq {rest}")]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let first = text.lines().next().unwrap_or_default();
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{line}: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        // What stands behind it is the first line that it prints of the seed's case.
        assert_eq!(first, said.trim(), "{line}");
        number += 1;
    }
    assert!(number > 6, "{number}");
}
