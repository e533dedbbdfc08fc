//! One child process in which OpenSC lists a card: the boundary.
//!
//! Hides what keeps it from others: an environment of its own, no input (so no PIN), its own process group, no files that
//! others could read, no core. A process that is killed in a transaction makes PC/SC reset the card for everybody: so it
//! goes on whoever it talks to has gone, and it is killed only when twice its time is over. A tool that forks may leave a
//! pipe open: it is not waited for longer than for the tool itself.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::place::Room;
use super::trust;
use crate::patience::{self, NoThread, aside};

/// How long OpenSC may take for one list.
const USUAL: Duration = Duration::from_secs(60);
/// With less than this it is not begun: a list of 60 objects takes 9 seconds at a slow card's speed, in one transaction.
const LEAST: Duration = Duration::from_secs(10);
/// What a whole command should be given: a few lists before the last one.
const NEEDED: Duration = Duration::from_secs(60);
/// How much of a list is taken.
const LARGEST: u64 = 4 << 20;
/// How often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(5);
/// How long after its end its last words may take.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Whoever it talks to may go; nobody else reads what it writes.
const SHELL: &str = r#"trap "" HUP PIPE; umask 077; ulimit -c 0; exec "$@""#;

/// What is handed on of the environment, for what OpenSC needs to find card and service, and access numbers of cards.
const PASSED: [&str; 6] =
    ["OPENSC_DRIVER", "PCSCLITE_CSOCK_NAME", "DTRUST_CAN", "LTEID_CAN", "EDO_CAN", "EOI_CAN"];
/// How the variables of OpenSC's PIV driver begin.
const PIV: &[u8] = b"PIV_";

/// What a tool came to.
pub(super) struct Ran {
    /// How it ended.
    pub(super) status: ExitStatus,
    /// What it printed.
    pub(super) stdout: Vec<u8>,
    /// What it complained about.
    pub(super) stderr: Vec<u8>,
}

/// Runs a tool in a room.
///
/// # Errors
/// In a few words, why there is no result.
pub(super) fn run(tool: &Path, arguments: &[&str], room: &Room, configuration: &Path) -> Result<Ran, String> {
    is_safe(tool)?;
    let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
    start(tool, &tool.display().to_string(), &arguments, room, configuration)
}

/// Runs this program itself in a room, for something of this name.
///
/// # Errors
/// In a few words, why there is no result.
pub(super) fn run_own(
    name: &str,
    arguments: &[&OsStr],
    room: &Room,
    configuration: &Path,
) -> Result<Ran, String> {
    // Its file may have been replaced meanwhile.
    let own = PathBuf::from(format!("/proc/{}/exe", std::process::id()));
    start(&own, name, arguments, room, configuration)
}

fn start(
    program: &Path,
    name: &str,
    arguments: &[&OsStr],
    room: &Room,
    configuration: &Path,
) -> Result<Ran, String> {
    let limit = patience::left().map_or(USUAL, |left| USUAL.min(left * 2 / 5));
    if limit < LEAST {
        return Err(format!(
            "too little time is left: a list is begun only with {} seconds to go, because {name} must not be stopped while \
             it has the card, which would reset it for everybody; it needs --timeout {} or more",
            (LEAST * 5 / 2).as_secs(),
            NEEDED.as_secs()
        ));
    }
    let mut command = Command::new("/bin/sh");
    command.args(["-c", SHELL, "sh"]).arg(program).args(arguments);
    command.env_clear().envs(environment(room, configuration)).current_dir(&room.home);
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let failed = |why: std::io::Error| format!("{name} could not be run: {why}");
    // Who listens is there before anything is said.
    let deaf = |why: NoThread| failed(std::io::Error::other(why));
    let (to_stdout, stdout) = listener().map_err(deaf)?;
    let (to_stderr, stderr) = listener().map_err(deaf)?;
    let mut child = command.spawn().map_err(failed)?;
    let _ = child.stdout.take().map(|from| to_stdout.send(from));
    let _ = child.stderr.take().map(|from| to_stderr.send(from));
    let begun = Instant::now();
    let mut killed = false;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) => {}
            Err(why) => return Err(failed(why)),
        }
        if !killed && begun.elapsed() >= limit * 2 {
            killed = true;
            if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                let _ = kill_process_group(pid, Signal::KILL);
            }
        }
        if begun.elapsed() >= limit * 2 + LAST_WORDS {
            break ExitStatus::from_raw(9);
        }
        std::thread::sleep(LOOK);
    };
    if killed {
        return Err(format!("it did not end within {} seconds and was stopped", (limit * 2).as_secs()));
    }
    let [stdout, stderr] = [stdout, stderr].map(|heard| last_words(&heard));
    if stdout.len() as u64 >= LARGEST {
        return Err(format!("it printed more than {} MiB", LARGEST >> 20));
    }
    Ok(Ran { status, stdout, stderr })
}

/// As root nothing is run that somebody else could have put there.
fn is_safe(tool: &Path) -> Result<(), String> {
    if !trust::is_root() {
        return Ok(());
    }
    let refused = |place| format!("{place} can be changed by others than root, so root does not run it");
    trust::roots(tool).map(|_| ()).map_err(refused)
}

fn environment(room: &Room, configuration: &Path) -> Vec<(OsString, OsString)> {
    let mut all: Vec<(OsString, OsString)> = [
        ("PATH", OsString::from("/usr/bin:/bin")),
        ("LANG", OsString::from("C")),
        ("HOME", room.home.clone().into()),
        ("XDG_CACHE_HOME", room.home.clone().into()),
        ("OPENSC_CONF", configuration.into()),
    ]
    .map(|(name, value)| (OsString::from(name), value))
    .into();
    // Where the libraries of a user's own OpenSC are.
    let own = (!trust::is_root()).then_some("LD_LIBRARY_PATH");
    for name in PASSED.into_iter().chain(own) {
        all.extend(std::env::var_os(name).map(|value| (OsString::from(name), value)));
    }
    all.extend(std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(PIV)));
    all
}

/// Takes what is said by what it is handed, in a thread of its own: no more than there is room for, but all of it is read.
fn listener<R: Read + Send + 'static>() -> Result<(Sender<R>, Receiver<Vec<u8>>), NoThread> {
    let (hand, given) = channel::<R>();
    let (done, heard) = channel();
    aside(move || {
        let Ok(mut from) = given.recv() else { return };
        let mut kept = Vec::new();
        let _ = (&mut from).take(LARGEST).read_to_end(&mut kept);
        let _ = std::io::copy(&mut from, &mut std::io::sink());
        // Nobody listens any more: it came too late.
        let _ = done.send(kept);
    })?;
    Ok((hand, heard))
}

fn last_words(heard: &Receiver<Vec<u8>>) -> Vec<u8> {
    heard.recv_timeout(LAST_WORDS).unwrap_or_default()
}
