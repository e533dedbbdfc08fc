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
use std::path::Path;
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
    // What a description goes on with stands further in.
    let names = lines.filter(|line| !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
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

    let offered = |home: &Path, words: &[&str]| -> Vec<String> {
        let last = words.len() - 1;
        let script = format!(
            ". ./stalecard.bash; COMP_WORDS=(stalecard {}) COMP_CWORD={}; _clap_complete_stalecard stalecard '{}' x; \
             printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            words[..last].join(" "),
            words.len(),
            words[last]
        );
        let program = Path::new(env!("CARGO_BIN_EXE_stalecard")).parent().unwrap();
        let output = Command::new("bash")
            .args(["-c", &script])
            .current_dir(folder.path())
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", program.display()))
            .env("HOME", home)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        said.split(['\n', '\u{b}'])
            .map(str::trim)
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let home = tempfile::tempdir().unwrap();
    let mut all = offered(home.path(), &[""]);
    all.retain(|word| !word.starts_with('-'));
    assert_eq!(all, commands, "all commands, and nothing hidden");
    assert_eq!(offered(home.path(), &["explain", "stale-k"]), ["stale-key-id"]);
    assert!(offered(home.path(), &["check", "--user", "roo"]).contains(&"root".to_owned()));
    assert!(
        offered(home.path(), &["config", "show", "--for", "opensc-p"]).contains(&"opensc-pkcs11".to_owned())
    );
    assert_eq!(offered(home.path(), &["check", "--serial", ""]), [] as [&str; 0]);
    let cache = home.path().join(".cache/opensc");
    std::fs::create_dir_all(&cache).unwrap();
    std::fs::write(cache.join("DENK0200834_NODATE_C401"), b"").unwrap();
    for words in [&["check", "--serial", "DEN"][..], &["flush", "--serial", ""], &["show", "DENK"]] {
        assert_eq!(offered(home.path(), words), ["DENK0200834"], "{words:?}");
    }
}
