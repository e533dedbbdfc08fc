//! What `generate` gives packagers: a man page for every command, and completions that know them
//! all and nothing hidden. The three shells themselves complete in tests/integrations/package.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

use std::collections::BTreeSet;
use std::process::Command;

fn stalecard(words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_stalecard")).args(words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The commands below these words, as `--help` lists them.
fn below(words: &[&str]) -> Vec<String> {
    let help = stalecard(&[words, &["--help"]].concat());
    let Some((_, list)) = help.split_once("\nCommands:\n") else { return Vec::new() };
    let lines = list.lines().take_while(|line| !line.is_empty());
    lines.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn every_command_has_its_page_and_is_completed() {
    let folder = tempfile::tempdir().unwrap();
    stalecard(&["generate", folder.path().to_str().unwrap()]);
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let mut expected: BTreeSet<String> =
        ["_stalecard", "stalecard.bash", "stalecard.fish", "stalecard.1"].map(str::to_owned).into();
    let commands = below(&[]);
    assert!(commands.len() > 12, "{commands:?}");
    for command in &commands {
        expected.insert(format!("stalecard-{command}.1"));
        for name in below(&[command]) {
            let page = format!("stalecard-{command}-{name}.1");
            assert!(
                read(&page).replace("\\-", "-").contains(&format!("stalecard {command} {name}")),
                "{page}"
            );
            expected.insert(page);
        }
    }
    let entries = std::fs::read_dir(folder.path()).unwrap();
    let names: BTreeSet<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names, expected);

    for shell in ["_stalecard", "stalecard.bash", "stalecard.fish"] {
        let text = read(shell);
        assert!(!text.contains("generate"), "{shell} offers what is hidden");
        assert!(commands.iter().all(|command| text.contains(command.as_str())), "{shell}");
    }
    let script = ". ./stalecard.bash; COMP_WORDS=(stalecard '') COMP_CWORD=1; _stalecard stalecard '' stalecard; \
                  printf '%s\\n' \"${COMPREPLY[@]}\"";
    let output = Command::new("bash").args(["-c", script]).current_dir(folder.path()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let offered: Vec<&str> = said.lines().filter(|word| !word.starts_with('-')).collect();
    assert_eq!(offered, commands);
}
