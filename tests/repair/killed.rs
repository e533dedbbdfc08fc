//! Death at any system call: `strace` kills a second run of this test program
//! before its n-th call of each kind that can change a file, for every n. The
//! state after one call is the state before the next, so that every state on
//! the way is seen.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};

use stalecard::repair::{
    Consent, NewEntry, Plan, Refilling, Run, StateDir, UndoState, apply, apply_in, operations, refill_in,
    undo,
};
use stalecard::snapshot::{ByteString, DirState};

use crate::support::{Scene, Seen, observe, run_as};

/// Every call that can change a file, a directory or a lock; opening is among
/// them because it can create.
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
    "utimensat",
    "flock",
    "ftruncate",
];

/// As on file systems that cannot rename without replacing. The other calls
/// are those of the ordinary run.
const NO_EXCLUSIVE_RENAME: [&str; 2] = ["-e", "inject=renameat2:error=EINVAL"];
const LINKING: [&str; 3] = ["linkat", "unlinkat", "renameat"];

/// What copying adds. (`fsync` takes its time on a disk and changes nothing
/// that a killed process leaves behind.)
const COPYING: [&str; 7] = ["renameat2", "renameat", "unlinkat", "write", "fchmod", "fchown", "utimensat"];

/// `strace` counts the calls of each thread by itself, and the test harness's
/// own thread opens and writes a few times. The child's thread does so this
/// often for nothing, and killing begins only after that.
const HARNESS_CALLS: usize = 40;

/// A bound under which every step has a journal, and so an operation, of its own.
const ONE_STEP: u64 = 1 << 10;

/// Not a test by itself: what the other processes run.
#[test]
fn child() {
    let Ok(role) = std::env::var("STALECARD_TEST_ROLE") else { return };
    let path = |variable| PathBuf::from(std::env::var_os(variable).unwrap_or_default());
    let state = StateDir::at(path("STALECARD_TEST_STATE"));
    for _ in 0..HARNESS_CALLS {
        fs::write("/dev/null", b"x").unwrap();
    }
    match role.as_str() {
        "apply" => {
            let plan: Plan = serde_json::from_slice(&fs::read(path("STALECARD_TEST_PLAN")).unwrap()).unwrap();
            assert!(!apply(&plan, &Consent::safe(), &state).unwrap().failed());
        }
        "apply-parts" => {
            let plan: Plan = serde_json::from_slice(&fs::read(path("STALECARD_TEST_PLAN")).unwrap()).unwrap();
            assert!(!apply(&plan, &Consent::safe(), &state.with_journals_of(ONE_STEP)).unwrap().failed());
        }
        "refill" => {
            let plan: Plan = serde_json::from_slice(&fs::read(path("STALECARD_TEST_PLAN")).unwrap()).unwrap();
            flush_and_refill(&plan, &state);
        }
        "undo" => assert_eq!(undo(&state, None, true).unwrap().state, UndoState::Undone),
        "unreadable" => unreadable(&path("STALECARD_TEST_PLAN")),
        other => panic!("{other}"),
    }
}

/// What OpenSC would write in place of the entries of a plan, and one more.
fn refill_of(plan: &Plan) -> Vec<NewEntry> {
    let entry = |name: &str, content: &str| NewEntry {
        directory: plan.steps[0].directory.clone(),
        name: ByteString::from(name),
        content: content.repeat(200).into_bytes(),
        mode: 0o644,
    };
    vec![
        entry("denk0401234_NODATE_C401", "as it is today"),
        entry("denk0401234_NODATE_CE01", "and this"),
        entry("denk0401234_NODATE_C402", "a new one"),
    ]
}

fn flush_and_refill(plan: &Plan, state: &StateDir) {
    let mut run = Run::begin();
    assert!(!apply_in(plan, &Consent::safe(), state, &mut run).unwrap().failed());
    let (id, told) = refill_in(&refill_of(plan), Consent::safe(), state, &mut run).unwrap();
    assert!(id.is_some() && told.iter().all(|one| one.outcome == Refilling::Placed), "{told:?}");
}

pub fn unreadable(cache: &Path) {
    let (seen, gaps) = observe(cache);
    assert!(matches!(seen.state, DirState::Unreadable(_)), "{seen:?}");
    assert_eq!(gaps.len(), 1);
}

fn strace(role: &str, scene: &Scene, options: &[&str]) -> std::process::ExitStatus {
    let mut via = vec!["strace", "-f", "-qq", "-o", "/dev/null"];
    via.extend(options);
    let output = run_as(role, scene, &via).output().expect("these tests need strace; `make` installs it");
    output.status
}

/// Kills `role` before every call and hands the scene that remains to `check`.
/// `also` is a further option of strace.
fn at_every_call(
    role: &str,
    calls: &[&str],
    also: &[&str],
    prepare: &dyn Fn() -> Scene,
    check: &dyn Fn(&Scene, usize),
) -> usize {
    let mut points = 0;
    for &call in calls {
        let first = if matches!(call, "openat" | "write") { HARNESS_CALLS } else { 0 };
        for n in first + 1.. {
            let scene = prepare();
            let inject = format!("inject={call}:signal=KILL:when={n}");
            let mut options = vec!["-e", inject.as_str()];
            options.extend(also);
            let status = strace(role, &scene, &options);
            if status.success() {
                break;
            }
            assert_eq!(status.signal(), Some(9), "{call} {n}: {status}");
            points += 1;
            check(&scene, n);
        }
    }
    eprintln!("{role} {calls:?}: killed at {points} points");
    points
}

fn with_plan(scene: Scene) -> Scene {
    scene.fill();
    fs::write(scene.home.path().join("plan.json"), serde_json::to_vec(&scene.plan()).unwrap()).unwrap();
    scene
}

/// Every file is in its place, or in the quarantine and in its journal.
fn nothing_is_lost(scene: &Scene, before: &BTreeMap<ByteString, Seen>) {
    let now = scene.tree();
    let listed = operations(&scene.state()).unwrap();
    for (name, seen) in before {
        let in_place = now.get(name) == Some(seen);
        let kept = listed.iter().any(|operation| {
            operation.files.iter().enumerate().any(|(index, file)| {
                let path = scene.state_path().join(&operation.id).join("files").join(index.to_string());
                file.name == *name && file.kept && fs::read(path).unwrap() == seen.content
            })
        });
        assert!(in_place || kept, "{name} is lost");
    }
}

fn apply_killed(make: &dyn Fn() -> Scene, calls: &[&str], also: &[&str]) -> usize {
    let before = with_plan(make()).tree();
    at_every_call("apply", calls, also, &|| with_plan(make()), &|scene, n| {
        nothing_is_lost(scene, &before);
        if n % 2 == 0 {
            // The work is taken up again; then both operations are undone.
            let plan =
                serde_json::from_slice(&fs::read(scene.home.path().join("plan.json")).unwrap()).unwrap();
            let again = apply(&plan, &Consent::safe(), &scene.state()).unwrap();
            // Between `linkat` and `unlinkat` the file has two links: undo first.
            let may_be_linked = !also.is_empty();
            assert!(may_be_linked || (!again.failed() && scene.tree().is_empty()), "{again:?}");
        }
        for operation in operations(&scene.state()).unwrap() {
            let undone = undo(&scene.state(), Some(&operation.id), false).unwrap();
            assert_eq!(undone.state, UndoState::Undone, "{undone:?}");
        }
        assert_eq!(scene.tree(), before);
    })
}

/// A plan of several operations, killed before every call; one undo of any of them takes back what moved.
fn parts_killed(calls: &[&str]) -> usize {
    let make = || with_plan(Scene::in_memory());
    let before = make().tree();
    let whole = make();
    let plan: Plan = serde_json::from_slice(&fs::read(whole.home.path().join("plan.json")).unwrap()).unwrap();
    apply(&plan, &Consent::safe(), &whole.state().with_journals_of(ONE_STEP)).unwrap();
    assert_eq!(operations(&whole.state()).unwrap().len(), 3);
    at_every_call("apply-parts", calls, &[], &make, &|scene, n| {
        nothing_is_lost(scene, &before);
        let moved = before.len() - scene.tree().len();
        let listed = operations(&scene.state()).unwrap();
        assert_eq!(listed.iter().map(|one| one.kept_files).sum::<usize>(), moved, "{listed:?}");
        let one = listed.get(n % listed.len().max(1)).map(|one| one.id.clone());
        let undone = undo(&scene.state(), one.as_deref(), false).unwrap();
        let wanted = if moved > 0 { UndoState::Undone } else { UndoState::NothingToUndo };
        assert_eq!(undone.state, wanted, "{undone:?}");
        assert_eq!(scene.tree(), before);
    })
}

/// The undo of several operations, which were one run.
fn undo_parts_killed(calls: &[&str]) -> usize {
    let before = with_plan(Scene::in_memory()).tree();
    let prepare = || {
        let scene = with_plan(Scene::in_memory());
        apply(&scene.plan(), &Consent::safe(), &scene.state().with_journals_of(ONE_STEP)).unwrap();
        scene
    };
    at_every_call("undo", calls, &[], &prepare, &|scene, _| {
        nothing_is_lost(scene, &before);
        let state = undo(&scene.state(), None, false).unwrap().state;
        assert!(matches!(state, UndoState::Undone | UndoState::NothingToUndo), "{state:?}");
        assert_eq!(scene.tree(), before);
    })
}

/// A flush that fills anew, killed before every call: each entry is the old one, none or the new one, whole; one undo of
/// whatever was begun brings everything back, and leaves nothing beside it.
fn refill_killed(make: &dyn Fn() -> Scene, calls: &[&str], also: &[&str]) -> usize {
    let before = with_plan(make()).tree();
    at_every_call("refill", calls, also, &|| with_plan(make()), &|scene, n| {
        nothing_is_lost(scene, &before);
        let plan: Plan =
            serde_json::from_slice(&fs::read(scene.home.path().join("plan.json")).unwrap()).unwrap();
        let new = refill_of(&plan);
        for (name, seen) in scene.tree() {
            let is_old = before.get(&name) == Some(&seen);
            let is_new = new.iter().any(|entry| entry.name == name && entry.content == seen.content);
            assert!(is_old || is_new || name.0.ends_with(b".stalecard-part"), "{name} is torn");
        }
        if n % 2 == 0 && scene.tree().keys().all(|name| before.contains_key(name)) {
            // Taken up again, whatever was moved before.
            let again = apply(&plan, &Consent::safe(), &scene.state()).unwrap();
            assert!(!also.is_empty() || !again.failed(), "{again:?}");
        }
        for operation in operations(&scene.state()).unwrap() {
            let undone = undo(&scene.state(), Some(&operation.id), false).unwrap();
            assert!(matches!(undone.state, UndoState::Undone | UndoState::AlreadyUndone), "{undone:?}");
        }
        assert_eq!(scene.tree(), before);
    })
}

/// The undo of it: what was put there goes first, and what was moved comes back.
fn undo_of_refill_killed(calls: &[&str]) -> usize {
    let before = with_plan(Scene::in_memory()).tree();
    let prepare = || {
        let scene = with_plan(Scene::in_memory());
        flush_and_refill(&scene.plan(), &scene.state());
        assert_eq!(scene.tree().len(), 3);
        scene
    };
    at_every_call("undo", calls, &[], &prepare, &|scene, _| {
        nothing_is_lost(scene, &before);
        let state = undo(&scene.state(), None, false).unwrap().state;
        assert!(matches!(state, UndoState::Undone | UndoState::NothingToUndo), "{state:?}");
        assert_eq!(scene.tree(), before);
    })
}

fn undo_killed(make: &dyn Fn() -> Scene, calls: &[&str], also: &[&str]) -> usize {
    let before = with_plan(make()).tree();
    // With a newcomer, so that the forced path is on the way.
    let prepare = || {
        let scene = with_plan(make());
        scene.flush();
        scene.put("denk0401234_NODATE_CE01", b"newcomer");
        scene
    };
    at_every_call("undo", calls, also, &prepare, &|scene, _| {
        nothing_is_lost(scene, &before);
        let state = undo(&scene.state(), None, true).unwrap().state;
        assert!(matches!(state, UndoState::Undone | UndoState::NothingToUndo), "{state:?}");
        assert_eq!(scene.tree(), before);
        let kept = &operations(&scene.state()).unwrap()[0];
        assert_eq!((kept.kept_files, kept.kept_bytes), (1, 8), "the newcomer is kept");
    })
}

#[test]
fn apply_on_one_file_system() {
    assert!(apply_killed(&Scene::in_memory, &CALLS, &[]) > 40);
}

#[test]
fn apply_in_several_operations() {
    assert!(parts_killed(&CALLS) > 80);
}

#[test]
fn undo_of_several_operations() {
    assert!(undo_parts_killed(&CALLS) > 60);
}

#[test]
fn undo_on_one_file_system() {
    assert!(undo_killed(&Scene::in_memory, &CALLS, &[]) > 40);
}

#[test]
fn refill_on_one_file_system() {
    assert!(refill_killed(&Scene::in_memory, &CALLS, &[]) > 80);
}

#[test]
fn refill_without_exclusive_rename() {
    assert!(refill_killed(&Scene::in_memory, &LINKING, &NO_EXCLUSIVE_RENAME) >= 12);
}

#[test]
fn undo_of_a_refill() {
    assert!(undo_of_refill_killed(&CALLS) > 40);
}

#[test]
fn apply_across_file_systems() {
    if Scene::across().is_none() {
        return eprintln!("skipped: no second file system");
    }
    assert!(apply_killed(&|| Scene::across().unwrap(), &COPYING, &[]) > 20);
}

#[test]
fn undo_across_file_systems() {
    if Scene::across().is_none() {
        return eprintln!("skipped: no second file system");
    }
    assert!(undo_killed(&|| Scene::across().unwrap(), &COPYING, &[]) > 20);
}

#[test]
fn apply_without_exclusive_rename() {
    assert!(apply_killed(&Scene::in_memory, &LINKING, &NO_EXCLUSIVE_RENAME) >= 8);
}

#[test]
fn undo_without_exclusive_rename() {
    assert!(undo_killed(&Scene::in_memory, &LINKING, &NO_EXCLUSIVE_RENAME) >= 8);
}

#[test]
fn data_then_name_then_directories_then_journal() {
    let scene = with_plan(Scene::new());
    let log = scene.home.path().join("log");
    let options = ["-y", "-e", "trace=fsync,renameat2,renameat,rename", "-o", log.to_str().unwrap()];
    assert!(strace("apply", &scene, &options).success());
    let log = fs::read_to_string(log).unwrap();
    let lines: Vec<&str> = log.lines().collect();
    let at = |what: &dyn Fn(&str) -> bool| {
        lines.iter().enumerate().filter(|(_, l)| what(l)).map(|(n, _)| n).collect::<Vec<_>>()
    };
    let journal = at(&|l| l.contains("rename") && l.contains("\"journal.json\""));
    let [intent, done] = journal[..] else { panic!("{log}") };
    let moves = at(&|l| l.contains("rename") && l.contains("/files>"));
    assert_eq!(moves.len(), 3, "{log}");
    assert!(lines[intent - 1].contains("fsync") && lines[intent - 1].contains("journal.json.part"));
    assert!(lines[intent + 1].contains("fsync"));
    for place in &moves {
        assert!(*place > intent + 1 && *place < done);
        let line = lines[place - 1];
        assert!(line.contains("fsync") && line.contains(".cache/opensc/"), "{line}");
    }
    for directory in ["/files>", ".cache/opensc>"] {
        let synced = at(&|l| l.contains("fsync") && l.contains(directory));
        assert!(synced.iter().any(|n| n > moves.last().unwrap() && *n < done), "{directory}: {log}");
    }
    assert!(lines[done + 1].contains("fsync"), "{log}");
}
