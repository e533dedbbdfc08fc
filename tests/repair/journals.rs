//! Journals that are too long for their reader, damaged, or from before runs had numbers; and what moved nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use stalecard::repair::{
    Consent, OperationState, Outcome, Run, StateDir, UndoOutcome, UndoState, apply, apply_in, operations,
    purge, rehearse_in, undo, undo_in,
};
use stalecard::snapshot::ByteString;
use time::{Duration, OffsetDateTime};

use crate::support::{Scene, plan_of};

/// A bound that a handful of steps reaches.
const SMALL: u64 = 4 << 10;

fn in_the_far_future() -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::weeks(52 * 5000)
}

fn longest_journal(state: &Path) -> u64 {
    walkdir::WalkDir::new(state)
        .into_iter()
        .flatten()
        .filter(|entry| entry.file_name() == "journal.json")
        .map(|entry| entry.metadata().unwrap().len())
        .max()
        .unwrap()
}

#[test]
fn a_journal_longer_than_its_bound_becomes_several_and_one_undo_takes_all_back() {
    let scene = Scene::in_memory();
    for number in 0..100 {
        // Every byte of these names is written as six.
        scene.put(format!("{number}{}", "\u{1}".repeat(80)), b"entry");
    }
    let before = scene.tree();
    let state = scene.state().with_journals_of(SMALL);
    let applied = apply(&scene.plan(), &Consent::safe(), &state).unwrap();
    assert!(applied.changed && !applied.failed() && scene.tree().is_empty());
    let listed = operations(&state).unwrap();
    assert!(listed.len() > 10, "{}", listed.len());
    assert!(longest_journal(&scene.state_path()) <= SMALL);
    assert_eq!(listed.iter().map(|operation| operation.kept_files).sum::<usize>(), 100);
    // Any of them stands for all.
    let middle = listed[listed.len() / 2].id.clone();
    let undone = undo(&state, Some(&middle), false).unwrap();
    assert_eq!((undone.state, undone.files.len()), (UndoState::Undone, 100));
    assert_eq!(scene.tree(), before);
    assert!(operations(&state).unwrap().iter().all(|one| one.state == OperationState::Undone));
    assert_eq!(undo(&state, None, false).unwrap().state, UndoState::NothingToUndo);
    assert_eq!(undo(&state, Some(&middle), false).unwrap().state, UndoState::AlreadyUndone);
}

#[test]
fn a_conflict_in_one_part_moves_nothing_of_any() {
    let scene = Scene::in_memory();
    for number in 0..40 {
        scene.put(format!("{number:02}{}", "x".repeat(150)), b"entry");
    }
    let state = scene.state().with_journals_of(SMALL);
    apply(&scene.plan(), &Consent::safe(), &state).unwrap();
    assert!(operations(&state).unwrap().len() > 3);
    scene.put(format!("00{}", "x".repeat(150)), b"newcomer");
    let undone = undo(&state, None, false).unwrap();
    assert_eq!((undone.state, undone.changed, scene.tree().len()), (UndoState::Conflict, false, 1));
    assert_eq!(undo(&state, None, true).unwrap().state, UndoState::Undone);
    assert_eq!(scene.tree().len(), 40);
}

#[test]
fn undone_is_never_said_while_a_part_cannot_be_read() {
    for damage in ["torn", "longer than any journal"] {
        let scene = Scene::in_memory();
        for number in 0..40 {
            scene.put(format!("{number:02}{}", "x".repeat(150)), b"entry");
        }
        let before = scene.tree();
        let state = scene.state().with_journals_of(SMALL);
        apply(&scene.plan(), &Consent::safe(), &state).unwrap();
        let listed = operations(&state).unwrap();
        let victim = &listed[1];
        let journal = scene.state_path().join(&victim.id).join("journal.json");
        let whole = fs::read(&journal).unwrap();
        match damage {
            "torn" => fs::write(&journal, &whole[..whole.len() / 2]).unwrap(),
            _ => fs::File::options().write(true).open(&journal).unwrap().set_len(300 << 20).unwrap(),
        }
        let shown = operations(&state).unwrap();
        assert!(matches!(shown[1].state, OperationState::Damaged(_)), "{damage}: {:?}", shown[1].state);
        assert_eq!(shown[1].kept_files, victim.kept_files, "what it keeps is said all the same");

        let undone = undo(&state, None, false).unwrap();
        assert_eq!((undone.state, undone.changed), (UndoState::Incomplete, true), "{damage}");
        let failed: Vec<_> =
            undone.files.iter().filter(|file| matches!(file.outcome, UndoOutcome::Failed(_))).collect();
        assert_eq!(failed.len(), 1);
        assert_eq!(failed[0].name, ByteString::from(victim.id.as_str()));
        assert_eq!(scene.tree().len(), 40 - victim.kept_files, "the other parts are back");
        // Repeated, it says the same; mended, it succeeds.
        assert_eq!(undo(&state, None, false).unwrap().state, UndoState::Incomplete);
        fs::write(&journal, &whole).unwrap();
        assert_eq!(undo(&state, None, false).unwrap().state, UndoState::Undone);
        assert_eq!(scene.tree(), before);
    }
}

/// The newest operation is damaged: that is said, and no older one is undone in its place.
#[test]
fn a_damaged_newest_operation_is_not_passed_over() {
    let scene = Scene::in_memory();
    scene.put("a", b"1");
    scene.flush();
    scene.put("b", b"1");
    let newest = scene.flush().operation.unwrap();
    fs::write(scene.state_path().join(&newest).join("journal.json"), b"{\"schema\":").unwrap();
    let error = undo(&scene.state(), None, false).unwrap_err().to_string();
    assert!(error.contains("cannot be understood") && error.contains(&newest), "{error}");
    assert!(scene.tree().is_empty());
    // Purge takes it, by the age that its name tells.
    assert!(purge(&scene.state(), OffsetDateTime::UNIX_EPOCH, false).unwrap().is_empty());
    let gone = purge(&scene.state(), in_the_far_future(), false).unwrap();
    assert_eq!(gone.iter().map(|one| one.files).sum::<usize>(), 2);
    assert_eq!(names(&scene.state_path()), ["lock"]);
}

#[test]
fn fifty_failing_flushes_leave_no_operation_and_hide_no_good_one() {
    let Some(scene) = Scene::across() else { return eprintln!("skipped: no second file system") };
    scene.put("good", b"1");
    let good = scene.flush().operation.unwrap();
    // Too large to be copied to another file system, which shows when it is tried.
    fs::File::create(scene.cache.join("huge")).unwrap().set_len(1 << 30).unwrap();
    for _ in 0..50 {
        let applied = scene.flush();
        assert!(!applied.changed && applied.operation.is_none(), "{applied:?}");
        assert!(matches!(applied.steps[0].outcome, Outcome::Failed(_)), "{applied:?}");
    }
    let rehearsed = rehearse_in(&scene.plan(), &Consent::safe(), &scene.state()).unwrap();
    assert!(rehearsed.failed() && !rehearsed.changed, "{rehearsed:?}");
    let listed = operations(&scene.state()).unwrap();
    assert_eq!(listed.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), [good.as_str()]);
    assert_eq!(names(&scene.state_path()).len(), 2, "nor a directory: {:?}", names(&scene.state_path()));
    let undone = undo(&scene.state(), None, false).unwrap();
    assert_eq!((undone.operation.as_deref(), undone.state), (Some(good.as_str()), UndoState::Undone));
}

/// As an older stalecard, or one that was killed, left them.
#[test]
fn operations_that_moved_nothing_are_not_listed_and_not_undone_and_go_with_a_purge() {
    let scene = Scene::in_memory();
    scene.put("good", b"1");
    let good = scene.flush().operation.unwrap();
    scene.put("a", b"1");
    let later = scene.flush().operation.unwrap();
    let journal = fs::read_to_string(scene.state_path().join(&later).join("journal.json")).unwrap();
    assert!(journal.contains("\"moved\""));
    undo(&scene.state(), Some(&later), false).unwrap();
    fs::remove_dir_all(scene.state_path().join(&later)).unwrap();
    let failed = journal.replace("\"moved\"", "{ \"failed\": \"No space left on device\" }");
    let killed = journal
        .replace("\"moved\"", "null")
        .replace("\"finished_at\": \"", "\"finished_at\": null, \"x\": \"");
    for (id, text) in [
        ("20991123T095012Z-1", &failed),
        ("20261123T095012Z-990001", &failed),
        ("20261123T095012Z-980001", &killed),
    ] {
        let operation = scene.state_path().join(id);
        fs::create_dir_all(operation.join("files")).unwrap();
        fs::write(operation.join("journal.json"), text).unwrap();
    }
    assert_eq!(operations(&scene.state()).unwrap().len(), 1);
    assert_eq!(undo(&scene.state(), None, false).unwrap().operation, Some(good));
    assert_eq!(scene.tree().len(), 2);
    // And the next one is newer than all of them.
    let next = scene.flush().operation.unwrap();
    assert!(next.ends_with("Z-1000001"), "{next}");
    purge(&scene.state(), in_the_far_future(), false).unwrap();
    assert_eq!(names(&scene.state_path()), ["lock"]);
}

#[test]
fn the_order_of_operations_does_not_hang_on_the_clock() {
    let scene = Scene::in_memory();
    let state = scene.state();
    let at = |seconds: i64| OffsetDateTime::from_unix_timestamp(seconds).unwrap();
    let clocks = [
        at(1_800_000_000),
        at(1_700_000_000),
        at(0),
        time::PrimitiveDateTime::MAX.assume_utc(),
        time::PrimitiveDateTime::MAX.assume_utc(),
        at(1_600_000_000),
    ];
    let mut made = Vec::new();
    for (number, clock) in clocks.into_iter().enumerate() {
        scene.put(format!("{number}"), b"1");
        let applied = apply_in(&scene.plan(), &Consent::safe(), &state, &mut Run::began_at(clock)).unwrap();
        made.push(applied.operation.unwrap());
    }
    let listed: Vec<String> = operations(&state).unwrap().into_iter().map(|one| one.id).collect();
    assert_eq!(listed, made.iter().rev().cloned().collect::<Vec<_>>());
    // Two runs of one moment are two.
    let undone = undo(&state, None, false).unwrap();
    assert_eq!(undone.operation.as_ref(), made.last());
    assert_eq!(undone.files.len(), 1);
    let undone = undo(&state, Some(&made[3]), false).unwrap();
    assert_eq!((undone.state, undone.files.len()), (UndoState::Undone, 1));
}

/// A quarantine as the last release left it: two owners, one run, ids of a stamp and a count.
#[test]
fn quarantines_from_before_there_were_numbers_go_on() {
    let scene = Scene::in_memory();
    let old = |state: &StateDir, path: &Path, id: &str, started: &str, entry: &str| {
        scene.put(entry, b"old");
        let mut plan = scene.plan();
        plan.steps.retain(|step| step.name == ByteString::from(entry));
        let made = apply(&plan, &Consent::safe(), state).unwrap().operation.unwrap();
        let operation = path.join(id);
        fs::rename(path.join(made), &operation).unwrap();
        let journal = operation.join("journal.json");
        let text = fs::read_to_string(&journal).unwrap();
        let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
        value["started_at"] = started.into();
        fs::write(journal, serde_json::to_vec_pretty(&value).unwrap()).unwrap();
    };
    let first = scene.state();
    let other = scene.state_path().with_file_name("other");
    let second = StateDir::at(other.clone());
    let run = "2026-11-23T09:50:12.123456789Z";
    old(&first, &scene.state_path(), "20261123T095012Z-1", run, "a");
    old(&second, &other, "20261123T095012Z-3", run, "b");
    old(&first, &scene.state_path(), "20261122T095012Z-9", "2026-11-22T09:50:12Z", "c");
    scene.put("d", b"new");
    let newest = scene.flush().operation.unwrap();
    assert!(newest.ends_with("Z-10001"), "{newest}");
    let ids: Vec<String> = operations(&first).unwrap().into_iter().map(|one| one.id).collect();
    assert_eq!(ids, [newest.as_str(), "20261123T095012Z-1", "20261122T095012Z-9"]);

    let states = [first, second];
    let undo = |id: Option<&str>| undo_in(&states, id, false, false, &mut |_| false).unwrap();
    assert_eq!(undo(None).operation, Some(newest));
    let undone = undo(Some("20261123T095012Z-3"));
    assert_eq!((undone.state, undone.files.len()), (UndoState::Undone, 2), "both owners' files");
    assert_eq!(undo(Some("20261122T095012Z-9")).state, UndoState::Undone);
    assert_eq!(scene.tree().len(), 4);
}

/// One of the size that once said "undone" with three files back: 98,003 entries.
#[test]
fn ninety_eight_thousand_files_come_back() {
    if std::env::var_os("STALECARD_LONG").is_none() {
        return eprintln!("skipped: takes minutes, `make long` runs it");
    }
    let scene = Scene::in_memory();
    for number in 0..98_003 {
        scene.put(format!("DENK0200834_NODATE_E82B0601040181C31F0201_{number:05}"), b"entry");
    }
    let (seen, _) = scene.observe();
    let plan = plan_of(&seen);
    assert_eq!(plan.steps.len(), 98_003);
    let applied = apply(&plan, &Consent::safe(), &scene.state()).unwrap();
    assert!(!applied.failed() && scene.tree().is_empty());
    assert!(longest_journal(&scene.state_path()) <= 64 << 20);
    let listed = operations(&scene.state()).unwrap();
    eprintln!("{} operations, longest journal {} bytes", listed.len(), longest_journal(&scene.state_path()));
    assert_eq!(listed.iter().map(|one| one.kept_files).sum::<usize>(), 98_003);
    let undone = undo(&scene.state(), None, false).unwrap();
    assert_eq!(undone.state, UndoState::Undone);
    let back: BTreeSet<ByteString> = scene.tree().into_keys().collect();
    assert_eq!(back.len(), 98_003);
    // And a second time into nothing.
    assert!(apply(&scene.plan(), &Consent::safe(), &scene.state()).unwrap().changed);
    let purged = purge(&scene.state(), in_the_far_future(), false).unwrap();
    assert!(purged.iter().map(|one| one.files).sum::<usize>() >= 98_003);
    assert_eq!(names(&scene.state_path()), ["lock"]);
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// What a killed process had begun to write, or had reserved, goes with the next one at work.
#[test]
fn what_a_killed_process_had_begun_to_write_goes_with_the_next() {
    let scene = Scene::new();
    scene.put("a", b"1");
    let kept = scene.flush().operation.unwrap();
    let part = scene.state_path().join(&kept).join("journal.json.part");
    fs::write(&part, [0; 99]).unwrap();
    let begun = scene.state_path().join("20260101T000000Z-990001");
    fs::create_dir_all(begun.join("files")).unwrap();
    fs::write(begun.join("journal.json.part"), b"{").unwrap();
    scene.put("b", b"2");
    scene.flush();
    assert!(!part.exists() && !begun.exists());
    fs::write(&part, [0; 99]).unwrap();
    purge(&scene.state(), OffsetDateTime::UNIX_EPOCH, false).unwrap();
    assert!(!part.exists());
    assert_eq!(undo(&scene.state(), Some(&kept), false).unwrap().state, UndoState::Undone);
}
