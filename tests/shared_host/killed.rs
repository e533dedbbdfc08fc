//! The program killed before its n-th call of every kind that changes a file, for every n, while it
//! repairs another user's cache and edits the configuration, and while it takes that back.
//!
//! In the long run before its n-th call of any kind. The same for the library alone, with other file
//! systems, is in `tests/repair`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use stalecard::snapshot::ByteString;

use crate::scene::{PREFIX, Scene, inside};
use crate::support::{Seen, tree};

const CALLS: &[&str] =
    &["renameat2", "renameat", "unlinkat", "mkdirat", "fsync", "fchmod", "fchown", "flock", "write"];
/// Every call there is, reading ones and those of the start too: `make long`.
const ALL_CALLS: &[&str] = &["all"];
const CONF: &str = "/etc/opensc/opensc.conf";
const ON: &str = "app default { framework pkcs15 { use_file_caching = public; } }\n";
const FIX: &[&str] = &["fix", "--offline", "--user", "alice", "--guarded"];
const FLUSH: &[&str] = &["flush", "--all", "--user", "alice", "--guarded"];

/// Everything that a repair touches and an undo restores.
type World = (BTreeMap<ByteString, Seen>, Seen);

#[test]
fn fix_is_taken_back_wherever_it_was_killed() {
    inside("killed::fix_is_taken_back_wherever_it_was_killed", |scene| {
        let cache = prepare(scene);
        let before = world(&cache);
        let points = at_every_call(FIX, scene, &|_| {}, &|scene, at| {
            nothing_is_lost(&cache, &before, at);
            take_everything_back(scene, at);
            assert_eq!(world(&cache), before, "{at}");
            reset();
        });
        assert!(points > 30, "{points}");
    });
}

#[test]
fn flush_is_taken_back_wherever_it_was_killed() {
    inside("killed::flush_is_taken_back_wherever_it_was_killed", |scene| {
        let cache = prepare(scene);
        let before = world(&cache);
        let points = at_every_call(FLUSH, scene, &|_| {}, &|scene, at| {
            nothing_is_lost(&cache, &before, at);
            // Half of the time the work is taken up again first.
            if at.ends_with(['0', '2', '4', '6', '8']) {
                assert_eq!(scene.json(FLUSH).0, 0, "{at}");
                assert!(tree(&cache).is_empty(), "{at}");
            }
            take_everything_back(scene, at);
            assert_eq!(world(&cache), before, "{at}");
            reset();
        });
        assert!(points > 15, "{points}");
    });
}

#[test]
fn undo_is_repeated_wherever_it_was_killed() {
    inside("killed::undo_is_repeated_wherever_it_was_killed", |scene| {
        let cache = prepare(scene);
        let before = world(&cache);
        let flush = |scene: &Scene| {
            reset();
            assert_eq!(scene.json(FLUSH).0, 0);
        };
        let points = at_every_call(&["undo"], scene, &flush, &|scene, at| {
            nothing_is_lost(&cache, &before, at);
            take_everything_back(scene, at);
            assert_eq!(world(&cache), before, "{at}");
        });
        assert!(points > 15, "{points}");
    });
}

fn prepare(scene: &mut Scene) -> PathBuf {
    let cache = scene.user("alice");
    for (file, content) in [("C401", "no description"), ("C402", "neither"), ("CE01", "nor this")] {
        scene.put("alice", &cache.join(format!("{PREFIX}_{file}")), content.as_bytes());
    }
    scene.configure(ON);
    cache
}

fn world(cache: &Path) -> World {
    let mut conf = tree(Path::new(CONF).parent().unwrap()).remove(&ByteString::from("opensc.conf")).unwrap();
    // A text that was edited and edited back was written now: whoever compares times has to see it.
    conf.mtime = (0, 0);
    (tree(cache), conf)
}

/// Forgets earlier operations, so that every run begins alike.
fn reset() {
    let _ = fs::remove_dir_all("/var/lib/stalecard");
}

/// Kills before every call, and hands over what remains.
fn at_every_call(
    arguments: &[&str],
    scene: &Scene,
    before: &dyn Fn(&Scene),
    check: &dyn Fn(&Scene, &str),
) -> usize {
    let mut points = 0;
    let long = std::env::var_os("STALECARD_LONG").is_some();
    for call in if long { ALL_CALLS } else { CALLS } {
        for n in 1.. {
            before(scene);
            let inject = format!("inject={call}:signal=KILL:when={n}");
            let status = Command::new("strace")
                .args(["-f", "-qq", "-o", "/dev/null", "-e", &inject])
                .arg(env!("CARGO_BIN_EXE_stalecard"))
                .args(arguments)
                .env_clear()
                .env("HOME", "/root")
                .env("PATH", "/usr/bin:/bin")
                .output()
                .expect("these tests need strace; `make` installs it")
                .status;
            let at = format!("{} killed before {call} {n}", arguments[0]);
            if status.signal() != Some(9) {
                assert_eq!(status.code(), Some(0), "{at}");
                check(scene, &at);
                break;
            }
            points += 1;
            check(scene, &at);
        }
    }
    eprintln!("{arguments:?}: killed at {points} points");
    points
}

/// Every file is in its place, or whole in the quarantine.
fn nothing_is_lost(cache: &Path, before: &World, at: &str) {
    let now = tree(cache);
    let kept: Vec<Vec<u8>> = walkdir::WalkDir::new("/var/lib/stalecard")
        .into_iter()
        .flatten()
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| fs::read(entry.path()).unwrap())
        .collect();
    for (name, seen) in &before.0 {
        assert!(now.get(name) == Some(seen) || kept.contains(&seen.content), "{name} is lost: {at}");
    }
}

/// All operations, newest first.
fn take_everything_back(scene: &Scene, at: &str) {
    let (_, listed) = scene.json(&["quarantine", "list"]);
    for operation in listed["operations"].as_array().unwrap() {
        let id = operation["id"].as_str().unwrap();
        let (mut code, mut undone) = scene.json(&["undo", id]);
        // With the edit, it would bring the entries to life that it restores in the same stroke.
        if undone["undo"]["state"] == "refused" {
            assert!(code == 2 && undone["changed"] == false, "{at}: {undone:#}");
            (code, undone) = scene.json(&["undo", "--force", id]);
        }
        assert_eq!(code, 0, "{at}: {undone:#}");
    }
}
