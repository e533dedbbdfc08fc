//! The systemd units, as systemd itself judges them without running them.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::stalecard;

const SERVICES: [&str; 2] = ["stalecard-check.service", "stalecard-watch@.service"];

fn unit(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/systemd").join(name)
}

#[track_caller]
fn systemd_analyze(arguments: &[&str], folder: &Path) -> String {
    let output = Command::new("systemd-analyze").args(arguments).current_dir(folder).output();
    let output = output.expect("systemd-analyze: run tests/stand/setup");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    said
}

#[test]
fn services_are_hardened() {
    for name in SERVICES {
        let path = unit(name);
        let said = systemd_analyze(
            &["security", "--offline=yes", "--no-pager", path.to_str().unwrap()],
            Path::new("/"),
        );
        let verdict = said.lines().rfind(|line| line.contains("Overall exposure level")).unwrap();
        let level: f64 =
            verdict.split(": ").nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap();
        println!("{verdict}");
        assert!(level < 3.0, "{verdict}");
    }
}

/// systemd understands every line, and stalecard the command in it.
#[test]
fn units_are_understood() {
    let folder = tempfile::tempdir().unwrap();
    for (name, instance) in [
        (SERVICES[0], SERVICES[0]),
        ("stalecard-check.timer", "stalecard-check.timer"),
        (SERVICES[1], "stalecard-watch@root.service"),
    ] {
        let text = std::fs::read_to_string(unit(name)).unwrap();
        let text = text.replace("/usr/bin/stalecard", env!("CARGO_BIN_EXE_stalecard"));
        std::fs::write(folder.path().join(instance), &text).unwrap();
        if let Some(command) = text.lines().find_map(|line| line.strip_prefix("ExecStart=")) {
            let mut words: Vec<&str> = command.split(' ').skip(1).collect();
            words.push("--help");
            let (code, said) = stalecard(&words);
            assert_eq!(code, 0, "{command}: {said}");
        }
        let said = systemd_analyze(&["verify", "--man=no", &format!("./{instance}")], folder.path());
        assert_eq!(said, "", "{instance}");
    }
}
