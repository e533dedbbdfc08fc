//! What README and the recipe say is what the program does: its commands, options and findings.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

use stalecard::finding::{Id, Severity};
use std::process::Command;

fn readme() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap()
}

const RECIPE: &str = include_str!("../packaging/recipes/ca.md");

fn help(words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_stalecard")).args(words).arg("--help").output().unwrap();
    assert!(output.status.success(), "{words:?} --help");
    String::from_utf8(output.stdout).unwrap()
}

/// The commands between backticks or in indented blocks that begin with `stalecard`.
fn commands(text: &str) -> Vec<Vec<String>> {
    let in_code = text.split('`').skip(1).step_by(2);
    let blocks = text.lines().filter_map(|line| line.strip_prefix("    "));
    in_code
        .chain(blocks)
        .flat_map(|code| code.split("&&").map(str::trim))
        .filter_map(|code| code.strip_prefix("stalecard"))
        .filter(|rest| rest.is_empty() || rest.starts_with(' '))
        .map(|rest| rest.split('#').next().unwrap().split_whitespace().map(str::to_owned).collect())
        .collect()
}

#[test]
fn every_command_and_option_exists() {
    let commands = [commands(&readme()), commands(RECIPE)].concat();
    assert!(commands.len() > 12, "{commands:?}");
    let top = help(&[]);
    for words in commands {
        let Some(name) = words.first() else { continue };
        let page = if name.starts_with('-') {
            top.clone()
        } else {
            assert!(top.contains(&format!("\n  {name}")), "no command {name}");
            let page = help(&[name]);
            match words.get(1).filter(|word| page.contains(&format!("\n  {word} "))) {
                Some(below) => help(&[name, below]),
                None => page,
            }
        };
        for option in words.iter().filter(|word| word.starts_with('-')) {
            assert!(page.contains(option.as_str()), "{words:?}: no option {option}\n{page}");
        }
    }
}

#[test]
fn every_command_has_its_row() {
    let readme = readme();
    let help = help(&[]);
    let listed = help.split("Commands:").nth(1).unwrap().split("\n\n").next().unwrap();
    for line in listed.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
        let name = line.split_whitespace().next().unwrap();
        assert!(readme.contains(&format!("| `{name}")), "README has no row for {name}");
    }
}

#[test]
fn every_finding_has_its_row_with_its_severity() {
    let readme = readme();
    let table = readme.split("\n## Findings\n").nth(1).unwrap().split("\n## ").next().unwrap();
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
    let readme = readme();
    let section = readme.split("## Signatures").nth(1).unwrap();
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
