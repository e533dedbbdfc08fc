//! A user who exchanges files, directories and their parents while root repairs.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use crate::scene::{PREFIX, SECRET, Scene, holds, inside};

/// Repairs during the race; `make long` makes ten thousand.
const ATTEMPTS: usize = 300;
const LONG: usize = 10_000;
const HOME: &str = "STALECARD_TEST_RACE_HOME";

#[test]
fn a_racing_user_gains_nothing() {
    inside("race::a_racing_user_gains_nothing", |scene| {
        let entry = format!("{PREFIX}_C401");
        scene.decoy(&entry);
        let cache = scene.user("racer");
        // Root's quarantine is on the same file system as the homes or not: both ways of moving.
        let before = scene.see_decoys();
        let attempts = if std::env::var_os("STALECARD_LONG").is_some() { LONG } else { ATTEMPTS };
        let mut racer = start(scene, &cache);
        let (mut moved, mut disturbed) = (0, 0);
        for attempt in 0..attempts {
            let command: &[&str] = match attempt % 5 {
                // Every repair looks through those before it: thousands of them would only take longer.
                4 if attempt % 100 == 99 => &["quarantine", "purge", "--older-than", "0h"],
                0 | 2 => &["flush", "--all", "--user", "racer", "--guarded", "--unsafe"],
                1 | 3 => &["fix", "--offline", "--user", "racer", "--guarded", "--unsafe"],
                // Back into the same hands.
                _ => &["undo", "--force"],
            };
            let (code, report) = scene.json(command);
            moved += usize::from(report["changed"] == true);
            disturbed += usize::from(code != 0);
            assert!(racer.try_wait().unwrap().is_none(), "the racer gave up");
        }
        racer.kill().unwrap();
        racer.wait().unwrap();
        eprintln!("{attempts} repairs: {moved} moved something, {disturbed} met the racer");
        assert!(moved > 0 && disturbed > 0, "{moved} moved, {disturbed} disturbed: nothing was tested");
        assert_eq!(scene.see_decoys(), before, "a decoy was read, moved or changed");
        assert!(!holds(Path::new("/var/lib/stalecard"), SECRET));
        scene.decoys_hold_what_they_held();
    });
}

/// This program again, as the user.
fn start(scene: &Scene, cache: &Path) -> Child {
    let program = Path::new("/home/racing");
    fs::copy(std::env::current_exe().unwrap(), program).unwrap();
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    let uid = scene.uid("racer");
    Command::new("setpriv")
        .args([format!("--reuid={uid}"), format!("--regid={uid}"), "--clear-groups".to_owned()])
        .arg(program)
        .args(["--exact", "race::racer", "--nocapture", "--test-threads=1"])
        .env(HOME, cache.parent().unwrap().parent().unwrap())
        .env("STALECARD_TEST_DECOYS", scene.decoys())
        .spawn()
        .unwrap()
}

/// Not a test by itself: what the user runs.
#[test]
fn racer() {
    let Some(home) = std::env::var_os(HOME).map(PathBuf::from) else { return };
    let decoys = PathBuf::from(std::env::var_os("STALECARD_TEST_DECOYS").unwrap());
    let (dot, cache, spare) = (home.join(".cache"), home.join(".cache/opensc"), home.join("spare"));
    let entry = format!("{PREFIX}_C401");
    let place = cache.join(&entry);
    let pause = |round: u64| std::thread::sleep(std::time::Duration::from_micros(round * 197 % 3000));
    let parent = rustix::process::getppid();
    for round in 0.. {
        // Not longer than the test.
        if rustix::process::getppid() != parent {
            return;
        }
        fs::write(&spare, b"no description").unwrap();
        fs::rename(&spare, &place).unwrap();
        pause(round);
        // The entry becomes a link to the decoy.
        symlink(decoys.join(&entry), &spare).unwrap();
        fs::rename(&spare, &place).unwrap();
        // A second name of it, where the system allows that to users at all.
        if fs::hard_link(decoys.join(&entry), &spare).is_ok() {
            fs::rename(&spare, &place).unwrap();
        }
        fs::write(&spare, b"no description").unwrap();
        fs::rename(&spare, &place).unwrap();
        pause(round + 5);
        // The directory, then its parent, become links.
        for swapped in [&cache, &dot] {
            fs::rename(swapped, home.join("aside")).unwrap();
            symlink(if swapped == &cache { decoys.as_path() } else { decoys.parent().unwrap() }, swapped)
                .unwrap();
            pause(round + 11);
            fs::remove_file(swapped).unwrap();
            fs::rename(home.join("aside"), swapped).unwrap();
        }
        // A pipe, at which a careless reader would wait for ever.
        let _ = fs::remove_file(&place);
        let pipe = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &place, pipe, rustix::fs::Mode::RWXU, 0).unwrap();
        pause(round + 3);
    }
}
