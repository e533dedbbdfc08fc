//! Directories of one process, which go when it ends, however that ends: a process beside it, which nobody waits for,
//! sees to that. It is there before the directory is: there is no moment in which an end would leave one behind.
//!
//! What is still at work below such a directory when its owner is gone is waited for: OpenSC inside a transaction is not
//! to be disturbed, and would make its directory anew.

use std::fs::{DirBuilder, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::text::{escape, hex};

/// The hidden command that makes a process wait for the end of another one.
pub const KEEPER: &str = "keep-aside";
/// Where everybody can read, and nobody can exchange what belongs to another.
const PLACES: [&str; 3] = ["/dev/shm", "/tmp", "/var/tmp"];
/// What a directory's name begins with that everybody may read.
const SHARED: &str = "stalecard-run-";
/// And one that only its owner may.
const OWN: &str = "stalecard-ask-";
/// What has to be free for copies of caches and what tools write beside them.
const ROOM: u64 = 4 << 20;
/// What the keeper says when it has begun.
const READY: &[u8] = b"ready\n";
/// How often to look where an end cannot be waited for.
const LOOK: Duration = Duration::from_millis(200);
/// How long whoever is still at work in there is waited for.
const LAST: Duration = Duration::from_secs(180);

/// What sees to it that a directory goes, before it is made.
type Keep = fn(&Path) -> std::io::Result<()>;

/// A new directory that everybody can pass and nobody else can write in; what has to see to it that it goes is
/// [`start_keeper`].
pub(super) fn shared_directory(keep: Keep) -> std::io::Result<PathBuf> {
    let path = directory(&PLACES.map(Path::new), SHARED, keep)?;
    // Whatever the umask is.
    std::fs::set_permissions(&path, Permissions::from_mode(0o755))?;
    Ok(path)
}

/// A new directory that nobody else can even look into, with room for a copy of a cache, in memory if that can be; it goes
/// with this process. In the first of these that is safe and has room: `runtime` (`$XDG_RUNTIME_DIR`) if that is the
/// caller's own, `temporary` (`$TMPDIR`) if nobody else can exchange what is in it, then the usual places.
///
/// # Errors
/// When there is no place for it, with what is wrong with each; or no process can be started that would remove it.
pub fn own_directory(runtime: Option<&Path>, temporary: Option<&Path>) -> std::io::Result<PathBuf> {
    let runtime = runtime.filter(|path| is_own(path));
    let temporary = temporary.filter(|path| is_guarded(path));
    let usual = PLACES.iter().map(Path::new).filter(|path| is_shared(path));
    let mut tried: Vec<String> = Vec::new();
    for place in runtime.into_iter().chain(temporary).chain(usual) {
        match directory_in(place, OWN, start_keeper).and_then(|path| has_room(&path).map(|()| path)) {
            Ok(path) => return Ok(path),
            Err(why) => tried.push(format!("{}: {why}", escape(place.as_os_str().as_encoded_bytes()))),
        }
    }
    let why = if tried.is_empty() { "none is safe".to_owned() } else { tried.join("; ") };
    Err(std::io::Error::other(format!("{why} (TMPDIR names another place)")))
}

/// Is it the caller's alone?
fn is_own(path: &Path) -> bool {
    let uid = rustix::process::geteuid().as_raw();
    let found = std::fs::symlink_metadata(path);
    path.is_absolute() && found.is_ok_and(|f| f.is_dir() && f.uid() == uid && f.mode() & 0o077 == 0)
}

/// Can everybody use it, and nobody exchange what belongs to another?
fn is_shared(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|found| {
        found.is_dir() && found.uid() == 0 && found.mode() & 0o001 != 0 && found.mode() & 0o1022 != 0o022
    })
}

/// Is it a directory, reached without a link, in which nobody but root and the caller can exchange what the caller makes there?
/// (What a configuration cannot name in quotes is none.)
fn is_guarded(path: &Path) -> bool {
    let uid = rustix::process::geteuid().as_raw();
    let is_plain =
        path.to_str().is_some_and(|text| !text.contains(['"', '\\']) && !text.contains(char::is_control));
    let is_safe = |place: &Path| {
        std::fs::symlink_metadata(place).is_ok_and(|found| {
            let is_closed = found.mode() & 0o022 == 0 || found.mode() & 0o1000 != 0;
            found.is_dir() && (found.uid() == 0 || found.uid() == uid) && is_closed
        })
    };
    is_plain && path.is_absolute() && path.ancestors().all(is_safe)
}

/// Is there room in this new directory for copies of caches? It is removed if not: a tool that could not write all of an entry would
/// tell of a card what is not so.
fn has_room(directory: &Path) -> std::io::Result<()> {
    let room = || -> std::io::Result<()> {
        let system = rustix::fs::statvfs(directory)?;
        let free = system.f_bavail.saturating_mul(system.f_frsize);
        if free < ROOM {
            return Err(std::io::Error::other(format!(
                "only {} KiB are free, and it takes {}",
                free >> 10,
                ROOM >> 10
            )));
        }
        let trial = directory.join("trial");
        std::fs::write(&trial, [1; 1 << 16])?;
        std::fs::remove_file(&trial)
    };
    room().inspect_err(|_| remove(directory))
}

fn directory(places: &[&Path], prefix: &str, keep: Keep) -> std::io::Result<PathBuf> {
    let mut last = std::io::Error::other("there is neither /dev/shm nor /tmp to keep it in");
    for place in places {
        if is_shared(place) {
            match directory_in(place, prefix, keep) {
                Ok(path) => return Ok(path),
                Err(error) => last = error,
            }
        }
    }
    Err(last)
}

fn directory_in(place: &Path, prefix: &str, keep: Keep) -> std::io::Result<PathBuf> {
    let mut random = [0; 16];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
    let path = place.join(format!("{prefix}{}", hex(&random)));
    keep(&path)?;
    DirBuilder::new().mode(0o700).create(&path)?;
    Ok(path)
}

/// Removes such a directory with all that is in it. Gone is gone.
pub fn remove(directory: &Path) {
    if is_one(directory) {
        let _ = std::fs::remove_dir_all(directory);
    }
}

fn is_one(directory: &Path) -> bool {
    let name = directory.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with(SHARED) || name.starts_with(OWN))
}

/// Starts the process that removes the directory, if there is one then, after the end of this one. It is nobody's child, so that a
/// command finds only its own; no signal that is meant for the command ends it.
pub(super) fn start_keeper(directory: &Path) -> std::io::Result<()> {
    let own = std::process::id();
    let mut shell = Command::new("/bin/sh")
        .args(["-c", r#"trap "" HUP INT QUIT TERM; "$@" </dev/null &"#, "sh"])
        .arg(format!("/proc/{own}/exe"))
        .arg(KEEPER)
        .arg(own.to_string())
        .arg(directory)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut said = [0; READY.len()];
    let ready = shell.stdout.take().map_or(Ok(()), |mut stdout| stdout.read_exact(&mut said));
    shell.wait()?;
    match ready {
        Ok(()) if said == READY => Ok(()),
        _ => Err(std::io::Error::other("no process can be started that would remove it again")),
    }
}

/// What the keeper does: it says that it is ready, waits for the end of the process, and removes the directory.
pub fn keep_until(process: i32, directory: &Path, said: &mut impl Write) {
    let Some(pid) = Pid::from_raw(process).filter(|_| is_one(directory)) else { return };
    let held = pidfd_open(pid, PidfdFlags::empty());
    let started = started(process);
    let _ = rustix::process::setsid();
    if said.write_all(READY).and_then(|()| said.flush()).is_err() {
        return remove(directory);
    }
    match held {
        Ok(held) => while poll(&mut [PollFd::new(&held, PollFlags::IN)], None).is_err() {},
        Err(_) => {
            while started.is_some() && self::started(process) == started {
                std::thread::sleep(LOOK);
            }
        }
    }
    let end = Instant::now() + LAST;
    while is_anybody_in(directory) && Instant::now() < end {
        std::thread::sleep(LOOK);
    }
    remove(directory);
}

/// Does any process work below this directory?
fn is_anybody_in(directory: &Path) -> bool {
    let Ok(processes) = std::fs::read_dir("/proc") else { return false };
    let works_there = |entry: std::fs::DirEntry| {
        std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(directory))
    };
    processes.flatten().any(works_there)
}

/// When a process was started, in ticks; none if it is not there any more.
fn started(process: i32) -> Option<u64> {
    let stat = std::fs::read(format!("/proc/{process}/stat")).ok()?;
    Some(crate::host::processes::stat(&stat)?.1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn only_directories_of_its_own_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (foreign, own) = (dir.path().join("other"), dir.path().join("stalecard-ask-x"));
        for path in [&foreign, &own] {
            std::fs::create_dir_all(path.join("below")).unwrap();
            remove(path);
        }
        assert!(foreign.exists() && !own.exists());
        let made = directory_in(dir.path(), OWN, |path| {
            assert!(!path.exists(), "it is kept before it is made");
            Ok(())
        });
        assert_eq!(std::fs::metadata(made.unwrap()).unwrap().mode() & 0o777, 0o700);
        // What nobody would remove is not made.
        let before = std::fs::read_dir(dir.path()).unwrap().count();
        directory_in(dir.path(), OWN, |_| Err(std::io::Error::other("no process"))).unwrap_err();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), before);
    }
}
