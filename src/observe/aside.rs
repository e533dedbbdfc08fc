//! Looking in a process of its own, where a file system may never answer.
//!
//! A thread that waits for a server of FUSE or of the network may be beyond every signal: then its process cannot
//! end before the server answers, and whoever started it waits, too. So where such file systems are mounted
//! (proc(5), `mountinfo`), the look is taken by a copy of this program, which hands back what it saw as JSON and
//! is left behind when it does not come back. It has none of this process' streams.

use std::io::{BufReader, BufWriter, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Deserializer;
use serde_json::de::IoRead;

use super::places::{Found, Request, perform};
use super::privacy::Privacy;
use crate::patience::{Overdue, Pulse, Waning};

/// The hidden command that makes a process look for another one.
pub const COMMAND: &str = "look-aside";

/// File systems whose server can be gone, or need not answer.
const ELSEWHERE: [&str; 17] = [
    "9p",
    "afs",
    "autofs",
    "beegfs",
    "ceph",
    "cifs",
    "coda",
    "davfs",
    "fuseblk",
    "gfs2",
    "glusterfs",
    "lustre",
    "nfs",
    "nfs4",
    "ocfs2",
    "smb3",
    "virtiofs",
];

/// How often a sign of life is worth writing.
const BEAT: Duration = Duration::from_millis(100);

/// This process is the program, and not something else that has it for a library.
static IS_THE_PROGRAM: AtomicBool = AtomicBool::new(false);

/// From now on copies of this process may look for it.
pub fn allow() {
    IS_THE_PROGRAM.store(true, Ordering::Relaxed);
}

/// Is this process the program?
pub(super) fn is_the_program() -> bool {
    IS_THE_PROGRAM.load(Ordering::Relaxed)
}

/// Is anything mounted that need not answer?
pub(super) fn is_wanted() -> bool {
    let mounts = || std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    is_the_program() && mounts().split(|&byte| byte == b'\n').any(may_hang)
}

/// A line of `mountinfo`: the type of the file system comes after a lone hyphen.
fn may_hang(line: &[u8]) -> bool {
    let mut words = line.split(|&byte| byte == b' ').skip_while(|word| *word != b"-").skip(1);
    let kind = words.next().unwrap_or_default();
    kind.starts_with(b"fuse.") || kind == b"fuse" || ELSEWHERE.iter().any(|known| known.as_bytes() == kind)
}

/// A process that looks for this one.
pub(super) struct Aside {
    child: Child,
    pipe: Option<Pipe>,
    pulse: Pulse,
}

struct Pipe {
    ask: ChildStdin,
    answers: Deserializer<IoRead<BufReader<Heard>>>,
}

/// What it says; every bit of it is a sign of life.
struct Heard {
    from: ChildStdout,
    pulse: Pulse,
}

impl Read for Heard {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.pulse.beat();
        Ok(read)
    }
}

impl Aside {
    /// Starts it; none if that is not possible.
    pub(super) fn start(privacy: &Privacy) -> Option<Self> {
        let mut child = Command::new("/proc/self/exe")
            .arg(COMMAND)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let pulse = Pulse::default();
        let (mut ask, from) = (child.stdin.take()?, child.stdout.take()?);
        // If it is gone already, its first answer is missing.
        let _ = serde_json::to_writer(BufWriter::new(&mut ask), privacy);
        let heard = BufReader::new(Heard { from, pulse: pulse.clone() });
        let answers = Deserializer::from_reader(heard);
        Some(Self { child, pipe: Some(Pipe { ask, answers }), pulse })
    }

    /// Has it look; none if it broke.
    pub(super) fn look(
        &mut self,
        request: &Request,
        patience: &mut Waning,
    ) -> Result<Option<Found>, Overdue> {
        let Some(mut pipe) = self.pipe.take() else { return Ok(None) };
        let Ok(request) = serde_json::to_vec(request) else { return Ok(None) };
        let (found, pipe) = patience.within_pulse(&self.pulse, move || {
            let asked = pipe.ask.write_all(&request).and_then(|()| pipe.ask.flush());
            let found = asked.ok().and_then(|()| Found::deserialize(&mut pipe.answers).ok());
            (found, pipe)
        })?;
        self.pipe = found.is_some().then_some(pipe);
        Ok(found)
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if self.pipe.take().is_some() {
            // It has nobody to listen to any more, and ends.
            let _ = self.child.wait();
        } else {
            // It dies when it can; nobody waits for that.
            let _ = self.child.kill();
        }
    }
}

/// What such a process does: it looks wherever it is told to, until nobody is there any more.
pub fn serve(asked: impl Read, answers: impl Write) {
    let mut told = Deserializer::from_reader(asked);
    let answers = std::cell::RefCell::new(BufWriter::new(answers));
    let Ok(privacy) = Privacy::deserialize(&mut told) else { return };
    let last = std::cell::Cell::new(Instant::now());
    let beat = || {
        if last.get().elapsed() >= BEAT {
            last.set(Instant::now());
            let mut out = answers.borrow_mut();
            // White space between two answers.
            let _ = out.write_all(b"\n").and_then(|()| out.flush());
        }
    };
    while let Ok(request) = Request::deserialize(&mut told) {
        let found = perform(request, &privacy, &beat);
        let mut out = answers.borrow_mut();
        let said = serde_json::to_writer(&mut *out, &found).map_err(std::io::Error::from);
        if said.and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_that_need_not_answer_are_known_by_their_type() {
        let line = |kind: &str| format!("36 35 98:0 /a - /mnt/b rw,noatime master:1 - {kind} /dev/x rw");
        let plain = |kind: &str| format!("36 35 98:0 / /mnt rw,noatime shared:1 - {kind} srv:/x rw");
        for kind in ["nfs", "nfs4", "fuse", "fuse.sshfs", "cifs", "autofs", "9p"] {
            assert!(may_hang(plain(kind).as_bytes()), "{kind}");
        }
        for kind in ["ext4", "tmpfs", "fusectl", "overlay", "proc"] {
            assert!(!may_hang(plain(kind).as_bytes()), "{kind}");
        }
        assert!(!may_hang(b"") && !may_hang(line("ext4").as_bytes()));
    }
}
