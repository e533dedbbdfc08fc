//! Death at any system call of an edit and of its undo, as in `tests/repair`.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Command;

use stalecard::repair::{StateDir, UndoState, operations, undo};

use crate::files::{OLD, Scene, new_text, off};

/// Every call that can change a file or a directory; opening is among them because it can create.
const CALLS: [&str; 14] = [
    "renameat2",
    "renameat",
    "rename",
    "linkat",
    "unlinkat",
    "openat",
    "mkdirat",
    "fsync",
    "write",
    "fchmod",
    "fchown",
    "fsetxattr",
    "flock",
    "ftruncate",
];

/// `strace` counts by thread, and the test harness's own thread opens and writes too:
/// killing begins only after this many calls that are for nothing.
const HARNESS_CALLS: usize = 40;

/// Not a test by itself: what the other process runs.
#[test]
fn child() {
    let Ok(role) = std::env::var("STALECARD_KILL_ROLE") else { return };
    let path = |variable| PathBuf::from(std::env::var_os(variable).unwrap());
    let state = StateDir::at(path("STALECARD_KILL_STATE"));
    for _ in 0..HARNESS_CALLS {
        fs::write("/dev/null", b"x").unwrap();
    }
    match role.as_str() {
        "edit" => drop(off(&path("STALECARD_KILL_CONF"), false, &state).unwrap()),
        "undo" => assert_eq!(undo(&state, None, true).unwrap().state, UndoState::Undone),
        other => panic!("{other}"),
    }
}

fn strace(role: &str, scene: &Scene, options: &[&str]) -> std::process::ExitStatus {
    Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null"])
        .args(options)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "killed::child", "--test-threads=1", "--nocapture"])
        .env("STALECARD_KILL_ROLE", role)
        .env("STALECARD_KILL_STATE", scene.state_home.path().join("stalecard"))
        .env("STALECARD_KILL_CONF", scene.conf())
        .output()
        .expect("these tests need strace; `make` installs it")
        .status
}

/// Kills `role` before its n-th call of each kind, for every n, and looks at what is left.
fn at_every_call(role: &str, prepare: &dyn Fn() -> Scene, check: &dyn Fn(&Scene)) -> usize {
    let mut points = 0;
    for call in CALLS {
        let first = if matches!(call, "openat" | "write") { HARNESS_CALLS } else { 0 };
        for n in first + 1.. {
            let scene = prepare();
            let inject = format!("inject={call}:signal=KILL:when={n}");
            let status = strace(role, &scene, &["-e", &inject]);
            if status.success() {
                break;
            }
            assert_eq!(status.signal(), Some(9), "{call} {n}: {status}");
            points += 1;
            check(&scene);
        }
    }
    println!("{role}: killed at {points} points");
    points
}

fn is_whole(scene: &Scene) {
    let text = scene.text();
    assert!(text == OLD || text == new_text(), "{text:?}");
}

/// Nothing that any of the operations may have left.
fn taken_back(scene: &Scene) {
    for operation in operations(&scene.state()).unwrap() {
        let undone = undo(&scene.state(), Some(&operation.id), false).unwrap();
        assert!(matches!(undone.state, UndoState::Undone | UndoState::AlreadyUndone), "{undone:?}");
    }
    assert_eq!(scene.text(), OLD);
    assert_eq!(scene.tree().len(), 1, "{:?}", scene.tree().keys());
}

#[test]
fn an_edit_killed() {
    let points = at_every_call("edit", &Scene::in_memory, &|scene| {
        is_whole(scene);
        if scene.text() == OLD {
            // The work is taken up again.
            scene.off().unwrap();
            assert_eq!(scene.text(), new_text());
        }
        taken_back(scene);
    });
    assert!(points > 40, "{points}");
}

#[test]
fn an_undo_killed() {
    let prepare = || {
        let scene = Scene::in_memory();
        scene.off().unwrap();
        scene
    };
    let points = at_every_call("undo", &prepare, &|scene| {
        is_whole(scene);
        taken_back(scene);
    });
    assert!(points > 25, "{points}");
}

#[test]
fn data_then_name_then_directory_then_success() {
    let scene = Scene::new();
    let log = scene.home.path().join("log");
    let options = ["-y", "-e", "trace=fsync,renameat2,renameat,rename", "-o", log.to_str().unwrap()];
    assert!(strace("edit", &scene, &options).success());
    let log = fs::read_to_string(log).unwrap();
    let lines: Vec<&str> = log.lines().filter(|line| !line.contains("+++")).collect();
    let at = |what: &dyn Fn(&str) -> bool| {
        lines.iter().position(|line| what(line)).unwrap_or_else(|| panic!("{log}"))
    };
    let rename = |line: &str, to: &str| line.contains("rename") && line.contains(&format!("/etc>, \"{to}"));
    let kept = at(&|l| l.contains("rename") && l.contains("\"edit-0\""));
    let intent = at(&|l| l.contains("rename") && l.contains("\"journal.json\""));
    let copy = at(&|l| rename(l, "opensc.conf.stalecard-"));
    let edit = at(&|l| rename(l, "opensc.conf\""));
    let done = lines.iter().rposition(|l| l.contains("rename") && l.contains("\"journal.json\"")).unwrap();
    assert!(kept < intent && intent < copy && copy < edit && edit < done, "{log}");
    for place in [copy, edit] {
        assert!(lines[place - 1].contains("fsync") && lines[place - 1].contains("stalecard-part>"), "{log}");
        assert!(lines[place + 1].contains("fsync") && lines[place + 1].contains("/etc>"), "{log}");
    }
    assert!(lines.last().unwrap().contains("fsync"), "{log}");
}
