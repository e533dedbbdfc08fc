//! In which order a repair reaches the disk, as the kernel saw it: what is moved is durable before it
//! moves, and both directories are before the journal says that it is done.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::scene::{PREFIX, Scene, inside};

/// A call that matters here; paths are those of the handles.
#[derive(Debug, PartialEq, Eq)]
enum Call {
    Sync(String),
    Rename { from: String, to: String },
    Unlink(String),
}

#[test]
fn data_then_names_then_the_journal() {
    inside("order::data_then_names_then_the_journal", |scene| {
        let cache = scene.user("alice");
        scene.put("alice", &cache.join(format!("{PREFIX}_C401")), b"no description");
        scene.put("alice", &cache.join(format!("{PREFIX}_CE01")), b"nor this");
        scene.configure("app default { framework pkcs15 { use_file_caching = public; } }\n");
        let cache = cache.to_str().unwrap();
        // Root's quarantine is on another file system than the homes, alice's own on the same.
        let by = [
            (None, "/var/lib/stalecard", " --user alice --guarded"),
            (Some(scene.uid("alice")), "/home/alice/.local/state/stalecard", ""),
        ];
        for (uid, state, whose) in by {
            for repair in ["flush --all", "fix --offline"] {
                let calls = traced(scene, uid, &format!("{repair}{whose}"));
                in_order(&calls, cache, state, "journal.json");
                // Root's `fix` has switched caching off, too: its undo would bring stale entries to life.
                let undo = if repair.starts_with("fix") && uid.is_none() { "undo --force" } else { "undo" };
                in_order(&traced(scene, uid, undo), state, cache, "undo.json");
            }
        }
    });
}

/// What a command does, as root or as a user.
fn traced(scene: &Scene, uid: Option<u32>, command: &str) -> Vec<Call> {
    let log = scene.decoys().parent().unwrap().join("calls");
    // Where users can reach it.
    let program = Path::new("/home/stalecard");
    std::fs::copy(env!("CARGO_BIN_EXE_stalecard"), program).unwrap();
    std::fs::set_permissions(program, Permissions::from_mode(0o755)).unwrap();
    let become_user = uid.map(|uid| format!("setpriv --reuid={uid} --regid={uid} --clear-groups"));
    let output = Command::new("strace")
        .args([
            "-f",
            "-qq",
            "-y",
            "-s",
            "4096",
            "-e",
            "trace=fsync,fdatasync,renameat,renameat2,unlinkat",
            "-o",
        ])
        .arg(&log)
        .args(become_user.iter().flat_map(|words| words.split(' ')))
        .arg(program)
        .args(command.split(' '))
        .env_clear()
        .env("HOME", if uid.is_some() { "/home/alice" } else { "/root" })
        .env("PATH", "/usr/bin:/bin")
        .output()
        .expect("these tests need strace; `make` installs it");
    assert_eq!(output.status.code(), Some(0), "{command}: {output:?}");
    let text = std::fs::read_to_string(&log).unwrap();
    text.lines().filter(|line| line.ends_with(" = 0")).map(call).collect()
}

/// `7 renameat2(9</home/a/.cache/opensc>, "name", 8</var/lib/…>, "0", RENAME_NOREPLACE) = 0`
fn call(line: &str) -> Call {
    let handles: Vec<&str> = line.split('<').skip(1).map(|rest| rest.split_once('>').unwrap().0).collect();
    let names: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
    match (handles.as_slice(), names.as_slice()) {
        ([file], []) => Call::Sync((*file).to_owned()),
        ([folder], [name]) => Call::Unlink(format!("{folder}/{name}")),
        ([from, to], [old, new]) => Call::Rename { from: format!("{from}/{old}"), to: format!("{to}/{new}") },
        _ => panic!("{line}"),
    }
}

fn in_order(calls: &[Call], from: &str, to: &str, journal: &str) {
    let synced = |range: &[Call], path: &str| range.contains(&Call::Sync(path.to_owned()));
    let folder = |path: &str| Path::new(path).parent().unwrap().to_str().unwrap().to_owned();
    let is_below = |path: &str, top: &str| path.starts_with(&format!("{top}/"));
    let is_journal = |call: &Call| matches!(call, Call::Rename { to, .. } if to.ends_with(journal));
    // The next journal is the one that says it is done.
    let done =
        |at: usize| at + calls[at..].iter().position(is_journal).unwrap_or_else(|| panic!("{calls:#?}"));
    let (mut moved, mut copied) = (0, 0);
    for (at, call) in calls.iter().enumerate() {
        match call {
            // Moved, or on another file system a copy that gets its name.
            Call::Rename { from: old, to: new }
                if is_below(new, to) && !new.ends_with(".json") && !new.contains("/edit-") =>
            {
                moved += 1;
                assert!(synced(&calls[..at], old), "{old} moved before it was on the disk: {calls:#?}");
                for directory in [folder(old), folder(new)] {
                    let after = &calls[at..done(at)];
                    assert!(synced(after, &directory), "{directory} not on the disk: {calls:#?}");
                }
            }
            // Then the original goes: after the copy and its name, and before the journal says so.
            Call::Unlink(path) if is_below(path, from) => {
                copied += 1;
                let named = calls[..at].iter().rposition(|call| matches!(call, Call::Rename { .. })).unwrap();
                let Call::Rename { to: copy, .. } = &calls[named] else { unreachable!() };
                assert!(is_below(copy, to), "{calls:#?}");
                assert!(synced(&calls[named..at], &folder(copy)), "{path} gone too early: {calls:#?}");
                assert!(
                    synced(&calls[at..done(at)], &folder(path)),
                    "{path} not gone on the disk: {calls:#?}"
                );
            }
            // The journal itself: on the disk before it has its name, and the name after that.
            Call::Rename { from: draft, to: journal } if is_journal(call) => {
                assert!(synced(&calls[..at], draft), "{draft} not on the disk: {calls:#?}");
                assert!(synced(&calls[at..], &folder(journal)), "{journal} not on the disk: {calls:#?}");
            }
            _ => {}
        }
    }
    assert!(moved == 2 && [0, 2].contains(&copied), "{moved} moved, {copied} copied: {calls:#?}");
}
