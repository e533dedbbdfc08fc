//! Running a program to its end, or to its deadline, and keeping all it said.
//!
//! What it hides: the reading of both streams at once, the time limit, and that a program is ended
//! together with what it started. Programs run inside the stand through `nsenter`, which forks: so a
//! process group of their own is ended, not a process.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What a program did.
#[derive(Clone, Debug)]
pub struct Output {
    pub command: String,
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    /// Standard output as it came.
    pub raw: Vec<u8>,
    pub duration: Duration,
    pub timed_out: bool,
}

impl Output {
    /// The exit code; 128 + signal for a program that was killed, as a shell says it.
    pub fn code(&self) -> i32 {
        use std::os::unix::process::ExitStatusExt;
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or_default())
    }

    pub fn success(&self) -> bool {
        self.status.success()
    }

    /// Fails the test unless the program succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.exits(0)
    }

    /// Fails the test unless the program ended with this code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert!(self.code() == code && !self.timed_out, "expected exit code {code} of {self}");
        self
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ending = if self.timed_out { ", killed at the time limit" } else { "" };
        write!(
            f,
            "`{}`: exit code {}{ending}, {:.3} s\n--- stdout\n{}\n--- stderr\n{}",
            self.command,
            self.code(),
            self.duration.as_secs_f64(),
            self.stdout,
            self.stderr
        )
    }
}

/// A program under way. Dropping it ends it.
pub struct Running {
    command: String,
    child: Child,
    started: Instant,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
    ended: bool,
}

impl Running {
    /// `words` is for people: what a failure message calls it.
    pub fn start(words: String, mut command: Command, input: Option<&[u8]>) -> Self {
        command
            .process_group(0)
            .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let started = Instant::now();
        let mut child = command.spawn().unwrap_or_else(|e| panic!("cannot start `{words}`: {e}"));
        if let (Some(mut pipe), Some(input)) = (child.stdin.take(), input) {
            let input = input.to_vec();
            std::thread::spawn(move || pipe.write_all(&input));
        }
        Self {
            command: words,
            stdout: child.stdout.take().map(collect),
            stderr: child.stderr.take().map(collect),
            child,
            started,
            ended: false,
        }
    }

    /// The host's id of the process that was started (an `nsenter`, whose child the program is).
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for the end; at the limit (counted from the start) the program is killed.
    pub fn finish(mut self, limit: Duration) -> Output {
        let mut pause = Duration::from_micros(200);
        let mut timed_out = false;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("wait") {
                break status;
            }
            if !timed_out && self.started.elapsed() > limit {
                timed_out = true;
                self.kill();
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(2));
        };
        let duration = self.started.elapsed();
        self.ended = true;
        let raw = join(self.stdout.take());
        Output {
            command: std::mem::take(&mut self.command),
            status,
            stdout: String::from_utf8_lossy(&raw).into_owned(),
            stderr: String::from_utf8_lossy(&join(self.stderr.take())).into_owned(),
            raw,
            duration,
            timed_out,
        }
    }

    /// Ends it now and gives what it said so far.
    pub fn stop(self) -> Output {
        self.finish(Duration::ZERO)
    }

    /// The whole process group, by the shell's own `kill`: no unsafe code here, and `/bin/kill` may be missing.
    fn kill(&self) {
        let _ = Command::new("sh")
            .args(["-c", "kill -s KILL -- -\"$1\"", "kill"])
            .arg(self.child.id().to_string())
            .stderr(Stdio::null())
            .status();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            self.kill();
            let _ = self.child.wait();
        }
    }
}

fn collect(mut stream: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        bytes
    })
}

fn join(reader: Option<JoinHandle<Vec<u8>>>) -> Vec<u8> {
    reader.map(|handle| handle.join().unwrap()).unwrap_or_default()
}
