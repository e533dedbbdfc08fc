//! `--dry-run` of a repair finds what the repair itself fails at, and then exits 2 with the same words; and whose an
//! entry in a directory is that several users share.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::scene::{PREFIX, Scene, inside, run};

/// Alice runs it, in her home, with this configuration.
fn as_alice(scene: &Scene, conf: &Path, arguments: &[&str]) -> Output {
    let uid = scene.uid("alice");
    let program = Path::new("/home/stalecard");
    if !program.exists() {
        fs::copy(env!("CARGO_BIN_EXE_stalecard"), program).unwrap();
        fs::set_permissions(program, Permissions::from_mode(0o755)).unwrap();
    }
    Command::new("setpriv")
        .args([format!("--reuid={uid}"), format!("--regid={uid}"), "--clear-groups".to_owned()])
        .arg(program)
        .args(arguments)
        .env_clear()
        .env("HOME", "/home/alice")
        .env("PATH", "/usr/bin:/bin")
        .env("OPENSC_CONF", conf)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// All on one line, as it is wrapped for a terminal.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

const COMMANDS: [&[&str]; 3] = [&["flush", "--all"], &["fix", "--offline"], &["flush", "C401"]];

fn commands() -> Vec<Vec<String>> {
    let named = format!("{PREFIX}_C401");
    COMMANDS
        .iter()
        .map(|words| {
            words
                .iter()
                .map(|word| if *word == "C401" { named.clone() } else { (*word).to_owned() })
                .collect()
        })
        .collect()
}

/// What makes it fail, and what takes that away.
type Condition = (&'static str, fn(&Path), fn(&Path));

const CONDITIONS: [Condition; 6] = [
    (
        "Permission denied",
        |cache| fs::set_permissions(cache, Permissions::from_mode(0o500)).unwrap(),
        |cache| fs::set_permissions(cache, Permissions::from_mode(0o700)).unwrap(),
    ),
    (
        "Read-only file system",
        |cache| {
            run(Command::new("mount").arg("--bind").args([cache, cache]));
            run(Command::new("mount").args(["-o", "remount,ro,bind"]).arg(cache));
        },
        |cache| run(Command::new("umount").arg(cache)),
    ),
    (
        "the quarantine cannot be used",
        |_| {
            let _ = fs::remove_dir_all("/home/alice/.local/state");
            chown("/home/alice/.local", Some(0), Some(0)).unwrap();
        },
        |_| chown("/home/alice/.local", Some(30_001), Some(30_001)).unwrap(),
    ),
    (
        "Read-only file system",
        |_| {
            run(Command::new("mount")
                .args(["-t", "tmpfs", "-o", "ro,mode=700,uid=30001", "tmpfs"])
                .arg("/home/alice/.local"));
        },
        |_| run(Command::new("umount").arg("/home/alice/.local")),
    ),
    (
        "No space left",
        |_| {
            let options = "mode=700,uid=30001,size=8k";
            run(Command::new("mount")
                .args(["-t", "tmpfs", "-o", options, "tmpfs"])
                .arg("/home/alice/.local"));
            fs::write("/home/alice/.local/filler", vec![0; 8192]).unwrap();
        },
        |_| run(Command::new("umount").arg("/home/alice/.local")),
    ),
    (
        "No space left",
        |_| {
            let options = "mode=700,uid=30001,nr_inodes=1";
            run(Command::new("mount")
                .args(["-t", "tmpfs", "-o", options, "tmpfs"])
                .arg("/home/alice/.local"));
        },
        |_| run(Command::new("umount").arg("/home/alice/.local")),
    ),
];

#[test]
fn a_rehearsal_fails_at_what_the_repair_fails_at() {
    inside("rehearsal::a_rehearsal_fails_at_what_the_repair_fails_at", |scene| {
        let cache = scene.user("alice");
        let conf = PathBuf::from("/etc/opensc/opensc.conf");
        let entry = cache.join(format!("{PREFIX}_C401"));
        scene.put("alice", &entry, b"no description");
        chown(entry, None, Some(scene.uid("alice"))).unwrap();
        fs::create_dir_all("/home/alice/.local").unwrap();
        scene.give("alice", Path::new("/home/alice/.local"));
        let mut failures = 0;
        for (wanted, make, undo) in CONDITIONS {
            make(&cache);
            for command in commands() {
                let command: Vec<&str> = command.iter().map(String::as_str).collect();
                let rehearsed = as_alice(scene, &conf, &[&command[..], &["--dry-run"]].concat());
                let done = as_alice(scene, &conf, &command);
                let at = format!("{wanted}: {command:?}: {} / {}", said(&rehearsed), said(&done));
                assert_eq!(rehearsed.status.code(), Some(2), "{at}");
                assert_eq!(done.status.code(), Some(2), "{at}");
                assert!(flat(&said(&rehearsed)).contains(wanted), "{at}");
                assert!(flat(&said(&done)).contains(wanted), "{at}");
                failures += 1;
            }
            undo(&cache);
        }
        // And it promises what it can keep.
        for command in commands() {
            let command: Vec<&str> = command.iter().map(String::as_str).collect();
            for more in [&["--dry-run"][..], &[]] {
                let output = as_alice(scene, &conf, &[&command[..], more].concat());
                assert_eq!(output.status.code(), Some(0), "{command:?} {more:?}: {}", said(&output));
            }
            assert_eq!(as_alice(scene, &conf, &["undo"]).status.code(), Some(0));
        }
        println!("{failures} failures told beforehand");
    });
}

/// An immutable file stays, whoever asks; where this file system knows such files.
#[test]
fn a_rehearsal_knows_an_immutable_entry() {
    inside("rehearsal::a_rehearsal_knows_an_immutable_entry", |scene| {
        let cache = scene.user("alice");
        let entry = cache.join(format!("{PREFIX}_C401"));
        scene.put("alice", &entry, b"no description");
        let immutable = |flag: &str| {
            Command::new("chattr").arg(flag).arg(&entry).output().is_ok_and(|output| output.status.success())
        };
        if !immutable("+i") {
            return eprintln!("skipped: no immutable files here");
        }
        for more in [&["--dry-run"][..], &[]] {
            let (code, said) =
                scene.json(&[&["flush", "--all", "--user", "alice", "--guarded"], more].concat());
            assert_eq!(code, 2, "{said:#}");
            assert!(said.to_string().contains("not permitted"), "{said:#}");
        }
        assert!(immutable("-i"));
    });
}

/// Nothing leaves an append-only directory, and no append-only entry moves.
#[test]
fn a_rehearsal_knows_what_is_append_only() {
    inside("rehearsal::a_rehearsal_knows_what_is_append_only", |scene| {
        let cache = scene.user("alice");
        let entry = cache.join(format!("{PREFIX}_C401"));
        scene.put("alice", &entry, b"no description");
        let append = |flag: &str, path: &Path| {
            Command::new("chattr").arg(flag).arg(path).output().is_ok_and(|output| output.status.success())
        };
        if !append("+a", &entry) {
            return eprintln!("skipped: no append-only files here");
        }
        assert!(append("-a", &entry));
        for path in [&entry, &cache] {
            assert!(append("+a", path));
            for more in [&["--dry-run"][..], &[]] {
                let (code, said) =
                    scene.json(&[&["flush", "--all", "--user", "alice", "--guarded"], more].concat());
                assert_eq!(code, 2, "{path:?}: {said:#}");
                assert!(said.to_string().contains("not permitted"), "{path:?}: {said:#}");
            }
            assert!(append("-a", path));
        }
    });
}

/// The lock of the quarantine has to be a file that may be opened.
#[test]
fn a_rehearsal_knows_a_lock_that_is_none() {
    inside("rehearsal::a_rehearsal_knows_a_lock_that_is_none", |scene| {
        let cache = scene.user("alice");
        scene.put("alice", &cache.join(format!("{PREFIX}_C401")), b"no description");
        let state = PathBuf::from(format!("/var/lib/stalecard/{}", scene.uid("alice")));
        for parent in [state.parent().unwrap(), &state] {
            fs::create_dir_all(parent).unwrap();
            fs::set_permissions(parent, Permissions::from_mode(0o700)).unwrap();
        }
        let lock = state.join("lock");
        let makes: [fn(&Path); 2] = [
            |lock| fs::create_dir(lock).unwrap(),
            |lock| std::os::unix::fs::symlink("/etc/passwd", lock).unwrap(),
        ];
        for make in makes {
            make(&lock);
            let words = ["flush", "--all", "--user", "alice", "--guarded"];
            let real = scene.stalecard(&words);
            let rehearsed = scene.stalecard(&[&words[..], &["--dry-run"]].concat());
            assert_eq!((real.status.code(), rehearsed.status.code()), (Some(2), Some(2)), "{rehearsed:?}");
            assert_eq!(said(&real), said(&rehearsed));
            assert!(said(&real).contains("cannot lock"), "{real:?}");
            fs::remove_file(&lock).or_else(|_| fs::remove_dir(&lock)).unwrap();
        }
    });
}

/// Copies to another file system are summed up.
#[test]
fn a_rehearsal_sums_up_the_room_for_copies() {
    inside("rehearsal::a_rehearsal_sums_up_the_room_for_copies", |scene| {
        let cache = scene.user("alice");
        for number in 0..4 {
            scene.put("alice", &cache.join(format!("{PREFIX}_C40{number}")), &[7; 120_000]);
        }
        let state = Path::new("/var/lib/stalecard");
        fs::create_dir_all(state).unwrap();
        run(Command::new("mount").args(["-t", "tmpfs", "-o", "size=400k,mode=0700", "tmpfs"]).arg(state));
        let words = ["flush", "--all", "--user", "alice", "--guarded"];
        let failed = |more: &[&str]| {
            let (code, report) = scene.json(&[&words[..], more].concat());
            (code, report["operations"].to_string().matches("No space left").count())
        };
        let rehearsed = failed(&["--dry-run"]);
        assert!(rehearsed.0 == 2 && (1..4).contains(&rehearsed.1), "{rehearsed:?}");
        let real = failed(&[]);
        assert!(real.0 == 2 && real.1 > 0, "{real:?}");
    });
}

/// A directory of root's in which everybody may make files, and each removes his own: `file_cache_dir` of a host
/// with several users.
#[test]
fn ones_own_entry_in_a_shared_directory_is_ones_own() {
    inside("rehearsal::ones_own_entry_in_a_shared_directory_is_ones_own", |scene| {
        scene.user("alice");
        scene.user("bob");
        let shared = PathBuf::from("/home/shared");
        fs::create_dir(&shared).unwrap();
        fs::set_permissions(&shared, Permissions::from_mode(0o1777)).unwrap();
        let conf = PathBuf::from("/etc/opensc/opensc.conf");
        scene.configure(
            "app default { framework pkcs15 { use_file_caching = public; file_cache_dir = /home/shared; } }\n",
        );
        let (own, other) = (shared.join(format!("{PREFIX}_C401")), shared.join(format!("{PREFIX}_C402")));
        scene.put("alice", &own, b"no description");
        let json = |arguments: &[&str]| -> (Option<i32>, Value) {
            let output = as_alice(scene, &conf, &[arguments, &["--format", "json"]].concat());
            (
                output.status.code(),
                serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", said(&output))),
            )
        };
        let (_, report) = json(&["check", "--offline"]);
        let ids: Vec<(&str, &str)> = report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| (finding["id"].as_str().unwrap(), finding["safety"].as_str().unwrap()))
            .collect();
        assert!(ids.contains(&("damaged-entry", "safe")), "{ids:?}");
        assert!(!ids.iter().any(|(id, _)| *id == "foreign-owner"), "{ids:?}");

        for command in commands() {
            let command: Vec<&str> = command.iter().map(String::as_str).collect();
            let (code, rehearsed) = json(&[&command[..], &["--dry-run"]].concat());
            assert_eq!(
                (code, &rehearsed["operations"][0]["steps"][0]["outcome"]),
                (Some(0), &"moved".into()),
                "{rehearsed:#}"
            );
            assert!(own.exists());
            assert_eq!(json(&command).0, Some(0));
            assert!(!own.exists());
            assert_eq!(json(&["undo"]).0, Some(0));
            assert!(own.exists());
        }

        // Another's takes consent, and then it is the system that refuses: the rehearsal says so.
        scene.put("bob", &other, b"no description");
        let (code, report) = json(&["flush", "--all", "--dry-run"]);
        assert_eq!(code, Some(2), "not all of what was asked for: {report:#}");
        let steps = report["operations"].to_string();
        assert!(steps.contains("needs-consent") && steps.contains("moved"), "{report:#}");
        for more in [&["--dry-run"][..], &[]] {
            let (code, report) = json(&[&["flush", "--all", "--guarded"], more].concat());
            assert_eq!(code, Some(2), "{report:#}");
            let steps = report["operations"].to_string();
            assert!(steps.contains("not permitted"), "{report:#}");
        }
        assert!(other.exists() && !own.exists());
        // In a directory that is no sticky one, but another's, everything takes consent.
        assert_eq!(json(&["undo"]).0, Some(0));
        fs::set_permissions(&shared, Permissions::from_mode(0o777)).unwrap();
        let (_, report) = json(&["flush", "--all"]);
        assert!(own.exists() && report["changed"] == false, "{report:#}");
    });
}
