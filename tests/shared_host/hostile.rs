//! Everything that can lie in the place of a cache, in one run over all users.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use crate::scene::{PREFIX, SECRET, Scene, findings, holds, inside, run};
use crate::support::{link, tree};

/// Names that a bomb has.
const CROWD: usize = 6_000;

#[test]
fn no_user_leads_root_out_of_his_cache() {
    inside("hostile::no_user_leads_root_out_of_his_cache", |scene| {
        let entry = format!("{PREFIX}_C401");
        for name in [entry.as_str(), "decoy"] {
            scene.decoy(name);
        }
        let good = scene.user("good");
        scene.put("good", &good.join(&entry), b"no description");
        linked(scene, &entry);
        hard_linked(scene, &entry);
        mounted(scene, &entry);
        special(scene);
        crowd(scene);
        // A home that cannot be reached, but is said to be one.
        let evil = scene.user("lost");
        let home = evil.parent().unwrap().parent().unwrap().to_owned();
        link(scene.decoys(), home.join("home"));
        scene.user_at("homeless", &home.join("home"));
        let before = scene.see_decoys();
        let cache = tree(&good);
        let begun = Instant::now();

        let (code, report) = scene.json(&["check", "--offline", "--all-users"]);
        // At a named pipe in the place of an entry OpenSC hangs: that is an error.
        assert_eq!(code, 1, "{report:#}");
        let gaps = report["coverage"].to_string();
        for unread in ["linked", "parent", "mounted", "homeless"] {
            assert!(gaps.contains(unread), "{unread} is not named: {gaps}");
        }
        let found = findings(&report);
        let has = |user: &str, id: &str| found.contains(&(user.to_owned(), id.to_owned()));
        assert!(has("linked", "symlinked-cache") && has("entries", "symlinked-cache"), "{found:?}");
        assert!(has("special", "unexpected-file") && has("crowd", "unexpected-file"), "{found:?}");
        assert!(has("good", "damaged-entry") && has("hard", "foreign-owner"), "{found:?}");

        for arguments in [
            &["ls", "--offline", "--all-users"][..],
            &["snapshot", "--offline", "--all-users"],
            &["fix", "--offline", "--all-users", "--guarded", "--unsafe"],
            &["flush", "--all", "--all-users", "--guarded", "--unsafe"],
        ] {
            let output = scene.stalecard(arguments);
            assert!(matches!(output.status.code(), Some(2 | 3)), "{arguments:?}: {output:?}");
            let said = [output.stdout, output.stderr].concat();
            assert!(!said.windows(SECRET.len()).any(|window| window == SECRET), "{arguments:?}");
            assert!(!said.contains(&0x1b), "{arguments:?} let an escape sequence through");
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{:?}", begun.elapsed());
        assert_eq!(scene.see_decoys(), before, "a decoy was read, moved or changed");
        assert!(!holds(Path::new("/var/lib/stalecard"), SECRET));
        // What belongs there was done all the same, and can be taken back.
        assert!(tree(&good).is_empty());
        for (code, _) in [scene.json(&["undo"]), scene.json(&["undo"])] {
            assert!(code == 0 || code == 2);
        }
        undo_all(scene);
        assert_eq!(tree(&good), cache);
        scene.decoys_hold_what_they_held();
    });
}

/// Every operation, newest first.
fn undo_all(scene: &Scene) {
    let (_, listed) = scene.json(&["quarantine", "list"]);
    for operation in listed["operations"].as_array().unwrap() {
        let id = operation["id"].as_str().unwrap();
        let (_, undone) = scene.json(&["undo", id]);
        // With the edit, it would bring the entries to life that it restores in the same stroke.
        if undone["undo"]["state"] == "refused" {
            scene.json(&["undo", "--force", id]);
        }
    }
}

/// Links in the place of the directory, of its parent, and of entries.
fn linked(scene: &mut Scene, entry: &str) {
    let cache = scene.user("linked");
    fs::remove_dir(&cache).unwrap();
    link(scene.decoys(), &cache);
    let cache = scene.user("parent");
    let parent = cache.parent().unwrap();
    fs::remove_dir_all(parent).unwrap();
    fs::create_dir(scene.decoys().join("../theirs")).unwrap();
    link(scene.decoys().join("../theirs"), parent);
    let cache = scene.user("entries");
    link(scene.decoys().join(entry), cache.join(entry));
    for name in ["linked", "parent", "entries"] {
        scene.give(name, &Path::new("/home").join(name));
    }
}

/// A second name of a decoy; the decoys lie on another file system, so this one has its own.
fn hard_linked(scene: &mut Scene, entry: &str) {
    let cache = scene.user("hard");
    let decoy = Path::new("/home/root-owned");
    fs::write(decoy, SECRET).unwrap();
    fs::hard_link(decoy, cache.join(entry)).unwrap();
}

/// Mounts in the place of the directory and of an entry.
fn mounted(scene: &mut Scene, entry: &str) {
    let cache = scene.user("mounted");
    run(Command::new("mount").arg("--bind").arg(scene.decoys()).arg(&cache));
    let cache = scene.user("bound");
    scene.put("bound", &cache.join(entry), b"");
    run(Command::new("mount").arg("--bind").arg(scene.decoys().join(entry)).arg(cache.join(entry)));
}

/// What is no file, under names of files.
fn special(scene: &mut Scene) {
    let cache = scene.user("special");
    let zero = makedev(1, 5);
    let make = |name: &str, kind, device| {
        mknodat(CWD, cache.join(format!("{PREFIX}_{name}")), kind, Mode::RWXU, device).unwrap();
    };
    make("C401", FileType::Fifo, 0);
    make("C402", FileType::CharacterDevice, zero);
    drop(UnixListener::bind(cache.join(format!("{PREFIX}_C403"))).unwrap());
    let mut deep = cache.join(format!("{PREFIX}_C404"));
    for _ in 0..60 {
        deep.push("deeper");
    }
    fs::create_dir_all(deep).unwrap();
    let huge = fs::File::create(cache.join(format!("{PREFIX}_C405"))).unwrap();
    huge.set_len(1 << 40).unwrap();
    scene.give("special", &cache);
}

/// More names than anybody needs, all meant for a terminal.
fn crowd(scene: &mut Scene) {
    let cache = scene.user("crowd");
    for number in 0..CROWD {
        let name = format!("\x1b[2J\u{202e}{number}\n{}", "x".repeat(180));
        fs::write(cache.join(name), b"").unwrap();
    }
    scene.give("crowd", &cache);
}
