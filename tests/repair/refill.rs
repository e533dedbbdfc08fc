//! Putting entries in their places: what stands there stays, nothing is written where others can interfere, rights are those of
//! OpenSC, and an undo takes away what is still as it was put there, and nothing else.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use stalecard::repair::{
    Consent, NewEntry, Refilling, Run, Safety, UndoOutcome, UndoState, apply_in, operations, refill_in,
    rehearse_refill, undo,
};
use stalecard::snapshot::ByteString;

use crate::support::{Scene, is_root, link};

const NAME: &str = "denk0401234_NODATE_C401";

fn entry(scene: &Scene, name: &str, mode: u32) -> NewEntry {
    NewEntry {
        directory: scene.cache.as_path().into(),
        name: ByteString::from(name),
        content: b"today's".to_vec(),
        mode,
    }
}

fn put(scene: &Scene, entry: &NewEntry, consent: Consent) -> Refilling {
    let entries = std::slice::from_ref(entry);
    let (operation, told) = refill_in(entries, consent, &scene.state(), &mut Run::begin()).unwrap();
    assert_eq!(operation.is_some(), told[0].outcome == Refilling::Placed, "{told:?}");
    told[0].outcome.clone()
}

#[test]
fn rights_are_those_of_an_entry_and_nothing_more() {
    for (given, made) in [(0o644, 0o644), (0o600, 0o600), (0o664, 0o664), (0o4777, 0o664), (0, 0o600)] {
        let scene = Scene::new();
        assert_eq!(put(&scene, &entry(&scene, NAME, given), Consent::safe()), Refilling::Placed);
        let found = fs::metadata(scene.cache.join(NAME)).unwrap();
        assert_eq!(found.mode() & 0o7777, made);
        assert_eq!(fs::read(scene.cache.join(NAME)).unwrap(), b"today's");
        assert_eq!(scene.tree().len(), 1, "nothing is left beside it");
    }
}

#[test]
fn what_stands_there_stays_whatever_it_is() {
    let makes: [&dyn Fn(&Scene); 4] = [
        &|scene| drop(scene.put(NAME, b"OpenSC was faster")),
        &|scene| link("/etc/passwd", scene.cache.join(NAME)),
        &|scene| link("nowhere", scene.cache.join(NAME)),
        &|scene| fs::create_dir(scene.cache.join(NAME)).unwrap(),
    ];
    for make in makes {
        let scene = Scene::new();
        make(&scene);
        let before = fs::symlink_metadata(scene.cache.join(NAME)).unwrap();
        assert_eq!(put(&scene, &entry(&scene, NAME, 0o644), Consent::safe()), Refilling::Taken);
        let after = fs::symlink_metadata(scene.cache.join(NAME)).unwrap();
        assert_eq!((before.ino(), before.mtime_nsec()), (after.ino(), after.mtime_nsec()));
        assert!(!scene.cache.join("../nowhere").exists() && !scene.cache.join("nowhere").exists());
        assert_eq!(fs::read_dir(&scene.cache).unwrap().count(), 1);
        assert!(operations(&scene.state()).unwrap().is_empty());
    }
}

/// A link under the name that is used beside the place leads nowhere.
#[test]
fn a_link_beside_the_place_is_not_followed() {
    let scene = Scene::new();
    let victim = scene.home.path().join("victim");
    fs::write(&victim, b"mine").unwrap();
    link(&victim, scene.cache.join(format!(".{NAME}.stalecard-part")));
    assert_eq!(put(&scene, &entry(&scene, NAME, 0o644), Consent::safe()), Refilling::Placed);
    assert_eq!(fs::read(&victim).unwrap(), b"mine");
    assert!(fs::symlink_metadata(scene.cache.join(NAME)).unwrap().is_file());
    assert_eq!(fs::read_dir(&scene.cache).unwrap().count(), 1);
}

#[test]
fn nothing_is_put_where_others_can_change_things_or_into_a_link() {
    let scene = Scene::new();
    for mode in [0o770, 0o707, 0o1777] {
        fs::set_permissions(&scene.cache, Permissions::from_mode(mode)).unwrap();
        let outcome = put(&scene, &entry(&scene, NAME, 0o644), Consent::safe().and_guarded());
        assert!(
            matches!(&outcome, Refilling::Failed(why) if why.contains("others can change")),
            "{outcome:?}"
        );
    }
    fs::set_permissions(&scene.cache, Permissions::from_mode(0o700)).unwrap();
    let elsewhere = scene.home.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let place = scene.home.path().join("linked");
    link(&elsewhere, &place);
    let linked = NewEntry { directory: place.as_path().into(), ..entry(&scene, NAME, 0o644) };
    let outcome = put(&scene, &linked, Consent::safe());
    assert!(matches!(&outcome, Refilling::Failed(why) if why.contains("symbolic link")), "{outcome:?}");
    assert_eq!(fs::read_dir(elsewhere).unwrap().count(), 0);
    assert!(scene.tree().is_empty());
}

#[test]
fn another_user_s_takes_consent_and_becomes_his() {
    if !is_root() {
        return eprintln!("skipped: only root has others' caches");
    }
    let scene = Scene::new();
    std::os::unix::fs::chown(&scene.cache, Some(4711), Some(4712)).unwrap();
    let new = entry(&scene, NAME, 0o640);
    assert_eq!(put(&scene, &new, Consent::safe()), Refilling::NeedsConsent(Safety::Guarded));
    assert!(scene.tree().is_empty());
    let told = rehearse_refill(std::slice::from_ref(&new), Consent::safe().and_guarded());
    assert_eq!(told[0].outcome, Refilling::Placed);
    assert!(scene.tree().is_empty());
    assert_eq!(put(&scene, &new, Consent::safe().and_guarded()), Refilling::Placed);
    let seen = &scene.tree()[&ByteString::from(NAME)];
    assert_eq!((seen.owner, seen.mode & 0o7777), ((4711, 4712), 0o640));
    assert_eq!(undo(&scene.state(), None, false).unwrap().state, UndoState::Undone);
    assert!(scene.tree().is_empty());
}

/// What OpenSC has written anew since is its own: a conflict for what was moved, and otherwise left.
#[test]
fn an_undo_leaves_what_was_written_since() {
    let scene = Scene::new();
    scene.fill();
    let before = scene.tree();
    let filled = || {
        let mut run = Run::begin();
        assert!(!apply_in(&scene.plan(), &Consent::safe(), &scene.state(), &mut run).unwrap().failed());
        let new = [entry(&scene, NAME, 0o644), entry(&scene, "denk0401234_NODATE_C402", 0o644)];
        let (id, _) = refill_in(&new, Consent::safe(), &scene.state(), &mut run).unwrap();
        assert_eq!(scene.tree().len(), 2);
        id.unwrap()
    };
    // By the name of either part, all of it.
    let id = filled();
    assert_eq!(undo(&scene.state(), Some(&id), false).unwrap().state, UndoState::Undone);
    assert_eq!(scene.tree(), before);
    assert_eq!(undo(&scene.state(), Some(&id), false).unwrap().state, UndoState::AlreadyUndone);

    filled();
    scene.put("denk0401234_NODATE_C402", b"another one since");
    let undone = undo(&scene.state(), None, false).unwrap();
    assert_eq!(undone.state, UndoState::Undone, "{undone:?}");
    assert!(undone.files.iter().any(|file| file.outcome == UndoOutcome::NotOurs), "{undone:?}");
    assert_eq!(fs::read(scene.cache.join("denk0401234_NODATE_C402")).unwrap(), b"another one since");
    fs::remove_file(scene.cache.join("denk0401234_NODATE_C402")).unwrap();
    assert_eq!(scene.tree(), before);

    filled();
    scene.put(NAME, b"written since");
    let conflict = undo(&scene.state(), None, false).unwrap();
    assert_eq!((conflict.state, conflict.changed), (UndoState::Conflict, false), "{conflict:?}");
    let forced = undo(&scene.state(), None, true).unwrap();
    assert_eq!(forced.state, UndoState::Undone, "{forced:?}");
    assert_eq!(scene.tree(), before);
}

/// What was being written beside a place when the program was killed goes with the next repair.
#[test]
fn an_unfinished_file_goes_with_the_next_run() {
    let scene = Scene::new();
    let part = format!(".{NAME}.stalecard-part");
    assert_eq!(put(&scene, &entry(&scene, NAME, 0o644), Consent::safe()), Refilling::Placed);
    // As it stands after a kill: the journal is not complete, the file has no name yet.
    let id = operations(&scene.state()).unwrap()[0].id.clone();
    let operation = scene.state_path().join(id);
    let journal = fs::read_to_string(operation.join("journal.json")).unwrap();
    let at = journal.find("\"finished_at\": \"").unwrap();
    let end = at + journal[at..].find(",\n").unwrap();
    fs::write(
        operation.join("journal.json"),
        format!("{}\"finished_at\": null{}", &journal[..at], &journal[end..]),
    )
    .unwrap();
    fs::write(operation.join("journal.json.part"), b"room").unwrap();
    fs::rename(scene.cache.join(NAME), scene.cache.join(&part)).unwrap();
    scene.put("denk0401234_NODATE_CE01", b"stale");
    scene.flush();
    assert!(scene.tree().is_empty(), "{:?}", scene.tree().keys());
}
