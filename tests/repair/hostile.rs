//! Caches in which somebody planted things.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use stalecard::repair::{Consent, Outcome, apply, rehearse};
use stalecard::snapshot::{ByteString, Content, DirState, FileKind, Withheld};

use crate::support::{Scene, is_root, link, observe, plan_of};

#[test]
fn what_is_not_a_regular_file_is_named_and_never_opened() {
    let scene = Scene::new();
    let decoy = scene.home.path().join("decoy");
    fs::write(&decoy, b"decoy").unwrap();
    link(&decoy, scene.cache.join("link"));
    fs::create_dir(scene.cache.join("dir")).unwrap();
    mknodat(CWD, scene.cache.join("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    let _socket = UnixListener::bind(scene.cache.join("socket")).unwrap();
    let mut kinds = vec![FileKind::Directory, FileKind::Fifo, FileKind::Symlink, FileKind::Socket];
    if is_root() {
        let zero = makedev(1, 5);
        mknodat(CWD, scene.cache.join("device"), FileType::CharacterDevice, Mode::RWXU, zero).unwrap();
        kinds.insert(0, FileKind::Device);
    }
    let (seen, gaps) = scene.observe();
    assert!(gaps.is_empty());
    // Sorted by name: device, dir, fifo, link, socket.
    assert_eq!(seen.entries.iter().map(|e| e.kind).collect::<Vec<_>>(), kinds);
    assert!(seen.entries.iter().all(|e| e.content == Content::Withheld(Withheld::NotAFile)));
    let names = seen.entries.len();
    let applied = apply(&plan_of(&seen), &Consent::safe(), &scene.state()).unwrap();
    assert!(!applied.changed);
    assert!(applied.steps.iter().all(|s| matches!(s.outcome, Outcome::Changed(_))), "{applied:?}");
    assert_eq!(scene.tree().len(), names);
    assert_eq!(fs::read(decoy).unwrap(), b"decoy");
}

#[test]
fn a_linked_cache_directory_is_seen_through_but_not_repaired() {
    let scene = Scene::new();
    scene.put("a", b"1");
    let linked = scene.home.path().join("linked");
    link(&scene.cache, &linked);
    let (seen, _) = observe(&linked);
    assert_eq!(seen.state, DirState::Symlink(scene.cache.clone().into()));
    assert_eq!(seen.entries.len(), 1, "OpenSC follows it");
    let applied = apply(&plan_of(&seen), &Consent::safe(), &scene.state()).unwrap();
    assert!(applied.failed() && !applied.changed);
    assert_eq!(scene.tree().len(), 1);
}

#[test]
fn hard_links_stay_and_foreign_ones_are_not_even_read() {
    let scene = Scene::new();
    let decoy = scene.home.path().join("decoy");
    fs::write(&decoy, b"decoy").unwrap();
    fs::hard_link(&decoy, scene.cache.join("a")).unwrap();
    let applied = scene.flush();
    assert!(applied.failed() && !applied.changed, "{applied:?}");
    if is_root() {
        std::os::unix::fs::chown(&scene.cache, Some(65534), None).unwrap();
        let (seen, gaps) = scene.observe();
        assert!(matches!(seen.entries[0].content, Content::Unreadable(_)));
        assert!(gaps[0].why.contains("hard link"));
    }
    assert_eq!(fs::metadata(decoy).unwrap().nlink(), 2);
}

#[test]
fn a_file_that_changed_since_the_plan_is_left_alone() {
    let scene = Scene::new();
    for name in ["content", "gone", "grown", "kind", "replaced", "same"] {
        scene.put(name, b"12345");
    }
    let plan = scene.plan();
    scene.put("content", b"54321");
    fs::remove_file(scene.cache.join("gone")).unwrap();
    scene.put("grown", b"123456");
    fs::remove_file(scene.cache.join("kind")).unwrap();
    link("/etc/passwd", scene.cache.join("kind"));
    scene.put("new", b"12345");
    fs::rename(scene.cache.join("new"), scene.cache.join("replaced")).unwrap();
    let applied = apply(&plan, &Consent::safe(), &scene.state()).unwrap();
    let outcomes: Vec<_> = applied.steps.iter().map(|s| &s.outcome).collect();
    assert!(
        matches!(
            outcomes[..],
            [
                Outcome::Changed(_),
                Outcome::AlreadyGone,
                Outcome::Changed(_),
                Outcome::Changed(_),
                Outcome::Changed(_),
                Outcome::Moved
            ]
        ),
        "{outcomes:?}"
    );
    assert_eq!(scene.tree().len(), 4);
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let scene = Scene::new();
    scene.put("a", b"1");
    fs::write(scene.home.path().join("decoy"), b"decoy").unwrap();
    let mut plan = scene.plan();
    for name in ["../../decoy", "..", ".", "", "/etc/passwd", "a/../a", "a\0b"] {
        plan.steps[0].name = ByteString::from(name);
        let applied = apply(&plan, &Consent::safe(), &scene.state()).unwrap();
        assert!(applied.failed() && !applied.changed, "{name}");
    }
    plan.steps[0].name = ByteString::from("a");
    plan.steps[0].directory = ByteString::from(".cache/opensc");
    assert!(rehearse(&plan, &Consent::safe()).failed());
    assert!(scene.home.path().join("decoy").exists());
}

#[test]
fn others_data_needs_consent() {
    if !is_root() {
        return eprintln!("skipped: needs root");
    }
    let scene = Scene::new();
    scene.put("a", b"1");
    std::os::unix::fs::chown(&scene.cache, Some(65534), None).unwrap();
    let applied = scene.flush();
    assert!(matches!(applied.steps[0].outcome, Outcome::NeedsConsent(_)));
    assert!(!applied.changed && scene.tree().len() == 1);
}

#[test]
fn a_gigabyte_and_a_crowd_are_bounded() {
    let scene = Scene::new();
    File::create(scene.cache.join("big")).unwrap().set_len(1 << 30).unwrap();
    for index in 0..3000 {
        scene.put(format!("{index}"), b"");
    }
    let begun = Instant::now();
    let (seen, gaps) = scene.observe();
    assert_eq!((seen.entries.len(), gaps.len()), (3001, 0));
    let big = seen.entries.iter().find(|e| *e.name == "big".into()).unwrap();
    assert_eq!(big.content, Content::Withheld(Withheld::TooBig));
    let mut plan = plan_of(&seen);
    plan.steps.retain(|step| step.name == "big".into());
    assert!(apply(&plan, &Consent::safe(), &scene.state()).unwrap().changed, "a rename needs no reading");
    assert!(begun.elapsed().as_secs() < 5);
    let Some(across) = Scene::across() else { return };
    File::create(across.cache.join("big")).unwrap().set_len(1 << 30).unwrap();
    assert!(across.flush().failed(), "but nothing of that size is copied");
    assert_eq!(across.tree().len(), 1);
}

#[test]
fn an_unreadable_directory_is_a_gap() {
    let scene = Scene::new();
    scene.put("a", b"1");
    // For root and everybody else alike.
    let (seen, gaps) = observe(&scene.cache.join("n".repeat(300)));
    assert!(matches!(seen.state, DirState::Unreadable(_)));
    assert_eq!(gaps.len(), 1);
    let (seen, _) = observe(&scene.cache.join("a"));
    assert!(matches!(seen.state, DirState::Unreadable(why) if why.contains("not a directory")));
    assert_eq!(observe(&scene.home.path().join("none")).0.state, DirState::Missing);

    fs::set_permissions(&scene.cache, Permissions::from_mode(0o0)).unwrap();
    if is_root() {
        // As a user whose permissions count, in a copy of this program he can run.
        fs::set_permissions(scene.home.path(), Permissions::from_mode(0o755)).unwrap();
        let program = scene.home.path().join("test");
        fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        let status = std::process::Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(&program)
            .args(crate::support::child_arguments())
            .env("STALECARD_TEST_ROLE", "unreadable")
            .env("STALECARD_TEST_PLAN", &scene.cache)
            .status()
            .unwrap();
        assert!(status.success());
    } else {
        super::killed::unreadable(&scene.cache);
    }
    fs::set_permissions(&scene.cache, Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_race_never_reaches_the_decoy() {
    let scene = Scene::in_memory();
    let home = scene.home.path().to_owned();
    let decoys = home.join("decoys");
    fs::create_dir(&decoys).unwrap();
    let decoy = decoys.join("stale");
    fs::write(&decoy, b"decoy").unwrap();
    let before = fs::metadata(&decoy).unwrap();
    let stop = AtomicBool::new(false);
    let (cache, aside) = (&scene.cache, home.join("aside"));
    let (mut moved, mut stranded) = (0, Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let place = cache.join("stale");
            let spare = home.join("spare");
            // Long enough for some repairs to be in time, too short for others.
            for round in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                fs::write(&spare, b"stale").unwrap();
                fs::rename(&spare, &place).unwrap();
                std::thread::sleep(Duration::from_micros(round * 131 % 2000));
                // The file becomes a link to the decoy, then a second name of
                // it; then the directory becomes a link to the decoy's.
                link(&decoy, &spare);
                fs::rename(&spare, &place).unwrap();
                fs::hard_link(&decoy, &spare).unwrap();
                fs::rename(&spare, &place).unwrap();
                fs::rename(cache, &aside).unwrap();
                link(&decoys, cache);
                std::thread::yield_now();
                fs::remove_file(cache).unwrap();
                fs::rename(&aside, cache).unwrap();
            }
        });
        for _ in 0..2000 {
            let plan = scene.plan();
            let applied = apply(&plan, &Consent::safe(), &scene.state()).unwrap();
            moved += usize::from(applied.changed);
            let is_stranded =
                |outcome: &Outcome| matches!(outcome, Outcome::Failed(why) if why.contains("kept as"));
            if applied.steps.iter().any(|step| is_stranded(&step.outcome)) {
                stranded.extend(applied.operation);
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    let after = fs::metadata(&decoy).unwrap();
    assert_eq!(fs::read(&decoy).unwrap(), b"decoy");
    assert_eq!((after.ino(), after.mode(), after.mtime()), (before.ino(), before.mode(), before.mtime()));
    assert!(moved > 0, "the race was won at least once, so something was tested");
    // No second name of the decoy came into the quarantine and was called a success.
    for operation in stalecard::repair::operations(&scene.state()).unwrap() {
        if stranded.contains(&operation.id) {
            continue;
        }
        let files = scene.state_path().join(&operation.id).join("files");
        for entry in fs::read_dir(files).unwrap() {
            assert_eq!(fs::read(entry.unwrap().path()).unwrap(), b"stale");
        }
    }
}
