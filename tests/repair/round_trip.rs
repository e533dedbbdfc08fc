//! Apply and undo when nobody interferes.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{XattrFlags, getxattr, setxattr};

use stalecard::repair::{
    Action, Consent, OperationState, Outcome, Safety, UndoOutcome, UndoState, apply, operations, rehearse,
    undo,
};

use crate::support::{Scene, is_root, link, observe, plan_of};

fn round_trip(scene: &Scene) {
    scene.fill();
    let before = scene.tree();
    let plan = scene.plan();

    let rehearsed = rehearse(&plan, &Consent::safe());
    assert!(rehearsed.changed && rehearsed.operation.is_none());
    assert_eq!(scene.tree(), before);
    assert!(!scene.state_path().exists(), "a rehearsal writes nothing");

    let applied = apply(&plan, &Consent::safe(), &scene.state()).unwrap();
    assert!(applied.changed && !applied.failed());
    assert_eq!(applied.steps, rehearsed.steps);
    assert!(scene.tree().is_empty());
    assert_eq!(fs::metadata(scene.state_path()).unwrap().mode() & 0o777, 0o700);

    let again = apply(&plan, &Consent::safe(), &scene.state()).unwrap();
    assert!(!again.changed && again.operation.is_none());
    assert!(again.steps.iter().all(|step| step.outcome == Outcome::AlreadyGone));

    let listed = operations(&scene.state()).unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(Some(&listed[0].id), applied.operation.as_ref());
    assert_eq!(
        (&listed[0].state, listed[0].kept_files, listed[0].kept_bytes),
        (&OperationState::Done, 3, 900)
    );

    let undone = undo(&scene.state(), None, false).unwrap();
    assert_eq!((undone.state, undone.changed), (UndoState::Undone, true));
    assert!(undone.files.iter().all(|file| file.outcome == UndoOutcome::Restored));
    assert_eq!(scene.tree(), before);
    let listed = operations(&scene.state()).unwrap();
    assert_eq!((&listed[0].state, listed[0].kept_files), (&OperationState::Undone, 0));

    let again = undo(&scene.state(), None, false).unwrap();
    assert_eq!((again.state, again.changed), (UndoState::NothingToUndo, false));
    let again = undo(&scene.state(), undone.operation.as_deref(), false).unwrap();
    assert_eq!((again.state, again.changed), (UndoState::AlreadyUndone, false));
    assert_eq!(scene.tree(), before);
}

#[test]
fn on_one_file_system() {
    round_trip(&Scene::new());
}

#[test]
fn across_file_systems() {
    let Some(scene) = Scene::across() else { return eprintln!("skipped: no second file system") };
    round_trip(&scene);
}

/// Labels of SELinux, access lists and what users set, as far as both file systems hold them and this user may set them.
#[test]
fn extended_attributes_come_back_from_another_file_system() {
    let Some(scene) = Scene::across() else { return eprintln!("skipped: no second file system") };
    let entry = scene.put("denk0401234_NODATE_C401", b"of the card");
    let other = scene.state_path().with_file_name("other");
    fs::create_dir_all(other.parent().unwrap()).unwrap();
    fs::write(&other, b"").unwrap();
    // The rights of the user 65534, of the group and of all, as the kernel keeps them.
    let access_list: Vec<u8> = [
        &[2, 0, 0, 0][..],
        &[1, 0, 6, 0, 255, 255, 255, 255],
        &[2, 0, 4, 0, 254, 255, 0, 0],
        &[4, 0, 0, 0, 255, 255, 255, 255],
        &[16, 0, 4, 0, 255, 255, 255, 255],
        &[32, 0, 0, 0, 255, 255, 255, 255],
    ]
    .concat();
    let wanted: [(&str, &[u8]); 4] = [
        ("user.note", b"\x00\xff of the user"),
        ("user.empty", b""),
        ("security.selinux", b"unconfined_u:object_r:cache_home_t:s0\0"),
        ("system.posix_acl_access", &access_list),
    ];
    let held = wanted.into_iter().filter(|(name, value)| {
        let is_set = |path| setxattr(path, *name, value, XattrFlags::empty()).is_ok();
        is_set(&other) && is_set(&entry)
    });
    let held: Vec<_> = held.collect();
    assert!(!held.is_empty(), "no attribute is held by both, so nothing is proved");
    let read = |path: &Path, name: &str| {
        let mut value = [0; 200];
        let length = getxattr(path, name, &mut value[..]).unwrap_or_else(|why| panic!("{name}: {why}"));
        value[..length].to_vec()
    };
    let (before, mode) = (scene.tree(), fs::metadata(&entry).unwrap().mode());

    let applied = apply(&scene.plan(), &Consent::safe(), &scene.state()).unwrap();
    assert!(applied.changed && !applied.failed() && !entry.exists());
    let kept = walkdir::WalkDir::new(scene.state_path()).into_iter().map(|kept| kept.unwrap().into_path());
    let kept: Vec<_> = kept.filter(|path| fs::read(path).is_ok_and(|text| text == b"of the card")).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    undo(&scene.state(), None, false).unwrap();
    assert_eq!(scene.tree(), before);
    assert_eq!(fs::metadata(&entry).unwrap().mode(), mode);
    for (name, value) in &held {
        assert_eq!(read(&entry, name), *value, "{name}");
    }
    println!("extended attributes compared: {:?}", held.iter().map(|(name, _)| name).collect::<Vec<_>>());
}

#[test]
fn a_lost_directory_comes_back_private() {
    let scene = Scene::new();
    scene.fill();
    let owner = if is_root() { 65534 } else { rustix::process::geteuid().as_raw() };
    if is_root() {
        for path in [&scene.cache, scene.cache.parent().unwrap(), scene.home.path()] {
            std::os::unix::fs::chown(path, Some(owner), Some(owner)).unwrap();
        }
    }
    let before = scene.tree();
    apply(&scene.plan(), &Consent::safe().and_guarded(), &scene.state()).unwrap();
    fs::remove_dir_all(scene.cache.parent().unwrap()).unwrap();
    assert_eq!(undo(&scene.state(), None, false).unwrap().state, UndoState::Undone);
    assert_eq!(scene.tree(), before);
    for path in [&scene.cache, scene.cache.parent().unwrap()] {
        let meta = fs::metadata(path).unwrap();
        assert_eq!((meta.mode() & 0o7777, meta.uid()), (0o700, owner));
    }
}

#[test]
fn the_home_of_a_removed_user_does_not_come_back() {
    if !is_root() {
        return eprintln!("skipped: needs root");
    }
    let scene = Scene::new();
    scene.fill();
    std::os::unix::fs::chown(&scene.cache, Some(65534), Some(65534)).unwrap();
    apply(&scene.plan(), &Consent::safe().and_guarded(), &scene.state()).unwrap();
    fs::remove_dir_all(scene.cache.parent().unwrap()).unwrap();
    let undone = undo(&scene.state(), None, false).unwrap();
    assert_eq!((undone.state, undone.changed), (UndoState::Incomplete, false));
    assert!(!scene.cache.parent().unwrap().exists());
    assert_eq!(operations(&scene.state()).unwrap()[0].kept_files, 3);
}

#[test]
fn a_newcomer_is_a_conflict_and_nothing_moves() {
    let scene = Scene::new();
    scene.fill();
    let before = scene.tree();
    scene.flush();
    scene.put("denk0401234_NODATE_CE01", b"fresh from the card");
    let refilled = scene.tree();
    let undone = undo(&scene.state(), None, false).unwrap();
    assert_eq!((undone.state, undone.changed), (UndoState::Conflict, false));
    assert_eq!(undone.files.iter().filter(|f| matches!(f.outcome, UndoOutcome::Conflict(_))).count(), 1);
    assert_eq!(scene.tree(), refilled);

    let forced = undo(&scene.state(), None, true).unwrap();
    assert_eq!((forced.state, forced.changed), (UndoState::Undone, true));
    assert_eq!(scene.tree(), before);
    let Some(UndoOutcome::Replaced(kept)) =
        forced.files.iter().map(|f| &f.outcome).find(|o| matches!(o, UndoOutcome::Replaced(_)))
    else {
        panic!("the newcomer was not kept")
    };
    assert_eq!(fs::read(kept.as_path()).unwrap(), b"fresh from the card");
    let listed = operations(&scene.state()).unwrap();
    assert_eq!((&listed[0].state, listed[0].kept_files), (&OperationState::Undone, 1));
}

#[test]
fn the_same_content_counts_as_restored() {
    let scene = Scene::new();
    scene.fill();
    let before = scene.tree();
    scene.flush();
    let name = "denk0401234_NODATE_CE01";
    scene.put(name, &before[&name.into()].content);
    let undone = undo(&scene.state(), None, false).unwrap();
    assert_eq!((undone.state, undone.changed), (UndoState::Undone, true));
    assert_eq!(undone.files.iter().filter(|f| f.outcome == UndoOutcome::SameContent).count(), 1);
    assert_eq!(operations(&scene.state()).unwrap()[0].kept_files, 0);
}

#[test]
fn operations_are_undone_by_name_and_newest_first() {
    let scene = Scene::new();
    scene.put("a", b"1");
    let first = scene.flush().operation.unwrap();
    scene.put("b", b"2");
    let second = scene.flush().operation.unwrap();
    assert!(first < second);
    let ids: Vec<_> = operations(&scene.state()).unwrap().into_iter().map(|o| o.id).collect();
    assert_eq!(ids, [second.clone(), first.clone()]);
    assert_eq!(undo(&scene.state(), None, false).unwrap().operation, Some(second.clone()));
    // Without a name it is the newest that is not undone yet, so that repeated calls walk back.
    assert_eq!(undo(&scene.state(), Some(&second), false).unwrap().state, UndoState::AlreadyUndone);
    let undone = undo(&scene.state(), None, false).unwrap();
    assert_eq!((undone.state, undone.operation), (UndoState::Undone, Some(first.clone())));
    let undone = undo(&scene.state(), None, false).unwrap();
    assert_eq!((undone.state, undone.changed, undone.operation), (UndoState::NothingToUndo, false, None));
    assert_eq!(undo(&scene.state(), Some(&first), false).unwrap().state, UndoState::AlreadyUndone);
    assert_eq!(scene.tree().len(), 2);
    let error = undo(&scene.state(), Some("../../etc"), false).unwrap_err();
    assert_eq!(error.to_string().lines().count(), 1);
    assert_eq!(undo(&Scene::new().state(), None, false).unwrap().state, UndoState::NothingToUndo);
}

#[test]
fn private_data_is_removed_only_with_consent_and_not_kept() {
    let scene = Scene::new();
    scene.put("denk0401234_NODATE_CD01", b"secret");
    let mut plan = scene.plan();
    // A plan cannot lower the level of a removal.
    plan.steps[0].action = Action::Remove;
    let kept = apply(&plan, &Consent::safe(), &scene.state()).unwrap();
    assert_eq!(kept.steps[0].outcome, Outcome::NeedsConsent(Safety::Unsafe));
    assert!(!kept.changed && scene.tree().len() == 1);
    let gone = apply(&plan, &Consent::safe().and_unsafe(), &scene.state()).unwrap();
    assert_eq!(gone.steps[0].outcome, Outcome::Removed);
    assert!(scene.tree().is_empty());
    let undone = undo(&scene.state(), None, false).unwrap();
    assert_eq!((undone.state, undone.changed), (UndoState::Undone, false));
    assert_eq!(undone.files[0].outcome, UndoOutcome::NotKept);
    let grep =
        std::process::Command::new("grep").args(["-r", "secret"]).arg(scene.state_path()).output().unwrap();
    assert!(grep.stdout.is_empty());
}

#[test]
fn a_can_moves_unread_and_without_a_digest() {
    let scene = Scene::new();
    scene.put("0102_20200101000000Z_CA4E", b"123456");
    let plan = scene.plan();
    assert!(plan.steps[0].expect.sha256.is_none());
    let text = serde_json::to_string(&scene.observe().0).unwrap();
    assert!(!text.contains("313233343536"));
    let before = scene.tree();
    apply(&plan, &Consent::safe(), &scene.state()).unwrap();
    assert!(scene.tree().is_empty());
    undo(&scene.state(), None, false).unwrap();
    assert_eq!(scene.tree(), before);
}

#[test]
fn a_second_stalecard_is_turned_away() {
    let scene = Scene::new();
    scene.put("a", b"1");
    scene.flush();
    scene.put("a", b"1");
    let lock = fs::File::options().write(true).open(scene.state_path().join("lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let error = apply(&scene.plan(), &Consent::safe(), &scene.state()).unwrap_err();
    assert!(error.to_string().contains("another stalecard"), "{error}");
    assert!(undo(&scene.state(), None, false).is_err());
    assert_eq!((scene.tree().len(), operations(&scene.state()).unwrap().len()), (1, 1));
}

#[test]
fn a_state_directory_open_to_others_is_refused() {
    let scene = Scene::new();
    scene.put("a", b"1");
    let open = scene.state_path();
    fs::create_dir_all(&open).unwrap();
    for (path, mode) in [(open.as_path(), 0o750), (open.parent().unwrap(), 0o777)] {
        fs::set_permissions(&open, Permissions::from_mode(0o700)).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        let error = apply(&scene.plan(), &Consent::safe(), &scene.state()).unwrap_err();
        assert!(error.to_string().contains("not safe"), "{error}");
    }
    assert_eq!(scene.tree().len(), 1);
}

#[test]
fn links_on_the_way_are_followed_only_where_nobody_else_can_place_them() {
    let scene = Scene::new();
    scene.put("a", b"1");
    let home = scene.home.path();
    link(".cache/../.cache", home.join("mine"));
    let through = home.join("mine/opensc");
    let (seen, gaps) = observe(&through);
    assert_eq!((seen.entries.len(), gaps.len()), (1, 0));
    assert!(apply(&plan_of(&seen), &Consent::safe(), &scene.state()).unwrap().changed);

    fs::set_permissions(home, Permissions::from_mode(0o777)).unwrap();
    let (seen, gaps) = observe(&through);
    assert_eq!((seen.entries.len(), gaps.len()), (0, 1));
    assert!(gaps[0].why.contains("symbolic link"), "{}", gaps[0].why);
}
