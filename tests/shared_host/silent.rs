//! A home that never answers: a file system of FUSE whose server takes every question and gives no answer. Who waits
//! for it is beyond every signal.

use std::fs;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::io::FdFlags;

use crate::scene::{PREFIX, Scene, inside, run};
use crate::support::tree;

/// The longest a command may take.
const LIMIT: Duration = Duration::from_secs(40);

/// Mounts it, as long as this process lives.
fn mount_silent(place: &Path) {
    let device = mount(place);
    std::thread::spawn(move || {
        let mut question = vec![0; 1 << 20];
        while let Ok(length) = rustix::io::read(&device, &mut question) {
            // FUSE_INIT alone is answered: without that, no question is put.
            if length >= 56 && question[4..8] == 26_u32.to_ne_bytes() {
                let mut answer = Vec::new();
                answer.extend(80_u32.to_ne_bytes());
                answer.extend([0; 4]);
                answer.extend(&question[8..16]);
                answer.extend([7_u32, 31, 0, 0, 0, 65_536].iter().flat_map(|word| word.to_ne_bytes()));
                answer.resize(80, 0);
                rustix::io::write(&device, &answer).unwrap();
            }
        }
    });
}

/// The same without a server that takes the questions: who waits can at least be killed, as with NFS.
fn mount(place: &Path) -> fs::File {
    let device = fs::OpenOptions::new().read(true).write(true).open("/dev/fuse").unwrap();
    rustix::io::fcntl_setfd(&device, FdFlags::empty()).unwrap();
    let options = format!("fd={},rootmode=40000,user_id=0,group_id=0,allow_other", device.as_raw_fd());
    run(Command::new("mount").args(["-i", "-t", "fuse", "-o", &options, "silent"]).arg(place));
    rustix::io::fcntl_setfd(&device, FdFlags::CLOEXEC).unwrap();
    device
}

#[test]
fn a_home_that_never_answers_holds_up_nobody_else() {
    inside("silent::a_home_that_never_answers_holds_up_nobody_else", |scene| {
        if !Path::new("/dev/fuse").exists() {
            return eprintln!("skipped: no FUSE here");
        }
        for user in ["first", "silent", "mute", "last"] {
            scene.user(user);
        }
        let cache = |user: &str| Path::new("/home").join(user).join(".cache/opensc");
        let entry = format!("{PREFIX}_C401");
        for user in ["first", "last"] {
            scene.put(user, &cache(user).join(&entry), b"no description");
        }
        mount_silent(Path::new("/home/silent"));
        mount_silent(Path::new("/home/mute"));
        let said = |scene: &Scene, arguments: &[&str]| {
            let begun = Instant::now();
            let (code, report) = scene.json(arguments);
            assert!(begun.elapsed() < LIMIT, "{arguments:?}: {:?}", begun.elapsed());
            let gaps = report["coverage"].to_string();
            (code, gaps, report)
        };
        let (code, gaps, report) = said(scene, &["check", "--offline", "--all-users"]);
        assert_eq!(code, 3, "{report:#}");
        for user in ["silent", "mute"] {
            assert!(gaps.contains(&format!("home of user {user} (/home/{user})")), "{gaps}");
        }
        assert!(gaps.contains("has not answered for 10 seconds"), "{gaps}");
        let found = report["findings"].to_string();
        assert!(found.contains("/home/first/") && found.contains("/home/last/"), "{report:#}");
        // With less time there is less patience.
        let begun = Instant::now();
        assert_eq!(said(scene, &["ls", "--offline", "--all-users", "--timeout", "4"]).0, 3);
        assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
        // Everybody else is repaired, and what was not looked at is said.
        let (code, gaps, _) = said(scene, &["flush", "--all", "--all-users", "--guarded", "--timeout", "8"]);
        assert!(code == 3 && gaps.contains("/home/silent") && gaps.contains("/home/mute"), "{code} {gaps}");
        assert!(tree(&cache("first")).is_empty() && tree(&cache("last")).is_empty());
        let (code, report) = scene.json(&["undo"]);
        assert_eq!(code, 0, "{report:#}");
        // People are told why it is not 0, too.
        let rehearsed = ["flush", "-v", "--all", "--all-users", "--guarded", "--dry-run", "--timeout", "8"];
        let output = scene.stalecard(&rehearsed);
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(output.status.code() == Some(3) && told.contains("home of user silent"), "{output:?}");
        assert!(cache("first").join(&entry).exists() && cache("last").join(&entry).exists());
    });
}

/// Whatever is named, read or written there, and whichever command meets it: it is left, with exit code 3.
#[test]
fn a_file_that_never_answers_is_left_by_every_command() {
    inside("silent::a_file_that_never_answers_is_left_by_every_command", |scene| {
        if !Path::new("/dev/fuse").exists() {
            return eprintln!("skipped: no FUSE here");
        }
        scene.user("silent");
        let place = Path::new("/home/silent");
        let _server = mount(place);
        let file = "/home/silent/file";
        let none = ("LC_ALL", "C");
        let opensc = ("OPENSC_CONF", file);
        let commands: [((&str, &str), &[&str]); 11] = [
            (none, &["verify", "--offline", "--certificate", file]),
            (none, &["verify", "--offline", "--data", file, "--signature", file]),
            (none, &["compare", "/home/silent"]),
            (none, &["snapshot", "--offline", "--output", file]),
            (none, &["check", "--offline", "--output", file]),
            (none, &["check", "--offline", "--against", file]),
            (none, &["check", "--snapshot", file]),
            (none, &["config", "disable-cache", "--dry-run", "--file", file]),
            (none, &["config", "enable-cache", "--file", file]),
            (opensc, &["run", "true"]),
            (opensc, &["config", "disable-cache"]),
        ];
        // Side by side, since each waits.
        let running: Vec<_> = commands
            .iter()
            .map(|((name, value), words)| {
                let mut command = Command::new(env!("CARGO_BIN_EXE_stalecard"));
                command
                    .env(name, value)
                    .args(*words)
                    .stdout(std::process::Stdio::piped())
                    .stderr(std::process::Stdio::piped());
                (words, Instant::now(), command.spawn().unwrap())
            })
            .collect();
        for (words, begun, child) in running {
            let output = child.wait_with_output().unwrap();
            assert!(begun.elapsed() < LIMIT, "{words:?}: {:?}", begun.elapsed());
            assert_eq!(output.status.code(), Some(3), "{words:?}: {output:?}");
            let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
            let is_named = said.contains("has not answered for 10 seconds");
            assert!(is_named || !words.contains(&file), "{words:?}: {said}");
        }
    });
}
