//! A system that gives no further thread, or hardly any memory: every command does its work without, or ends soon and says
//! why. Nobody waits for what never began, and no fault of our own hangs.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The longest anybody has to wait for the end.
const LIMIT: Duration = Duration::from_secs(40);
/// A size of stacks for threads for which there is no room in any address space: `pthread_create` fails.
const NO_ROOM: (&str, &str) = ("RUST_MIN_STACK", "70368744177664");
/// What is said where there is none.
const WHY: &str = "the system starts no thread for it";

fn fixture(name: &str) -> String {
    format!("{}/fixtures/snapshots/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A home without anything, for a run that touches nothing of this machine.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let socket = self.path("no-pcscd");
        command.env("HOME", self.0.path()).env("PCSCLITE_CSOCK_NAME", socket).env("OPENSC_CONF", "/dev/null");
        for name in ["XDG_CACHE_HOME", "XDG_STATE_HOME", "SUDO_UID", "SUDO_USER"] {
            command.env_remove(name);
        }
        command.current_dir(self.0.path());
        command
    }
}

/// What comes of it; it ends in time, and not by a fault of its own.
fn ends(mut command: Command, what: &str) -> (Option<i32>, String) {
    let begun = Instant::now();
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let read = |from: &mut dyn std::io::Read| {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        bytes
    };
    let (status, output) = std::thread::scope(|scope| {
        let err = scope.spawn(|| read(&mut err));
        let out = scope.spawn(|| read(&mut out));
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if begun.elapsed() > LIMIT {
                child.kill().unwrap();
                child.wait().unwrap();
                break None;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        (status, [out.join().unwrap(), err.join().unwrap()])
    });
    let [stdout, stderr] = output.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let said = format!("{stdout}{stderr}");
    let status = status.unwrap_or_else(|| panic!("{what}: no end after {:?}\n{said}", begun.elapsed()));
    (status.code(), said)
}

fn told(said: &str) -> String {
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Without any thread: what does not depend on one comes out as always, and what does says so, and ends.
#[test]
fn without_a_thread_every_command_ends_and_says_what_it_could_not_do() {
    let home = Home::new();
    let artefact = home.path("artefact.pem");
    std::fs::write(&artefact, "nothing\n").unwrap();
    let (artefact, stale) = (artefact.to_str().unwrap(), fixture("seed-beta-stale.json"));
    let flushed = fixture("seed-alpha-flushed.json");
    // What reads anything has to be able to leave it, and says why it did not begin; or it needs none.
    let commands: &[(&[&str], Option<i32>)] = &[
        (&["explain", "hidden-object"], Some(0)),
        (&["check", "--snapshot", &stale], Some(3)),
        (&["check", "--snapshot", &flushed, "--format", "json"], Some(3)),
        (&["compare", &stale, &flushed], Some(3)),
        (&["ls", "--snapshot", &stale], Some(3)),
        (&["show", "--snapshot", &stale], Some(3)),
        (&["audit", artefact], Some(3)),
        (&["watch"], Some(3)),
        (&["check", "--timeout", "5"], None),
        (&["check", "--offline"], None),
        (&["snapshot", "--offline"], None),
        (&["config", "show"], None),
        (&["config", "lint"], None),
        (&["fix", "--dry-run"], None),
        (&["flush", "--all", "--dry-run"], None),
        (&["undo"], None),
        (&["quarantine", "list"], None),
        (&["report", "--format", "markdown"], None),
        (&["verify", "--data", artefact, "--signature", artefact], None),
        (&["run", "--", "true"], None),
    ];
    for (arguments, expected) in commands {
        let mut command = home.command(env!("CARGO_BIN_EXE_stalecard"));
        command.args(*arguments).env(NO_ROOM.0, NO_ROOM.1);
        let (code, said) = ends(command, &format!("{arguments:?}"));
        println!("{arguments:?}: {code:?} {:.160}", told(&said));
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
        assert!(code.is_some_and(|code| code <= 3), "{arguments:?}: {code:?} {said}");
        if let Some(expected) = expected {
            assert_eq!(code, Some(*expected), "{arguments:?}: {said}");
        }
        // What was not asked is not said to be silent.
        assert!(!told(&said).contains("not answer"), "{arguments:?}: {said}");
        // Never is all well while something could not be looked at.
        assert!(code != Some(0) || !told(&said).contains(WHY), "{arguments:?}: {said}");
        assert!(code != Some(3) || told(&said).contains(WHY), "{arguments:?}: {said}");
    }
}

/// Whatever memory there is: a result, the word that there is too little, or the system's own end of a process. The report
/// of a panic once waited for ever for a lock that whoever had no memory held.
#[test]
fn with_hardly_any_memory_a_comparison_ends() {
    let home = Home::new();
    let files: Vec<PathBuf> = (0..60)
        .map(|number: usize| {
            let text =
                std::fs::read_to_string(fixture(["seed-beta-stale.json", "five-keys.json"][number % 2]))
                    .unwrap();
            let path = home.path(&format!("{number}.json"));
            std::fs::write(&path, text.replacen("\"ca-", &format!("\"host{number}-"), 1)).unwrap();
            path
        })
        .collect();
    let steps = if std::env::var_os("STALECARD_LONG").is_some() { 1200 } else { 60 };
    let mut ends_of = std::collections::BTreeMap::new();
    for step in 0..steps {
        // From what no process starts with to what is plenty.
        let limit = 24_000 + step * 36_000 / steps;
        let mut command = home.command("sh");
        let line = format!("ulimit -c 0; ulimit -v {limit}; exec \"$0\" compare \"$@\"");
        command.args(["-c", &line, env!("CARGO_BIN_EXE_stalecard")]).args(&files);
        // The usual report of a panic takes most with this.
        command.env("RUST_BACKTRACE", "1");
        let (code, said) = ends(command, &format!("{limit} KiB"));
        *ends_of.entry(code).or_insert(0) += 1;
        // Of a panic before our own code runs in a thread the process ends as of any fault.
        assert!(code != Some(101), "{limit} KiB: {said}");
        assert!(code != Some(0), "{limit} KiB: a host is stale: {said}");
    }
    println!("exit codes, none for a signal: {ends_of:?}");
    assert!(ends_of.contains_key(&Some(1)), "none had enough: {ends_of:?}");
}

/// [`Output`] is what a run leaves; that the program is there at all is not what fails.
#[test]
fn with_threads_the_same_commands_run() {
    let home = Home::new();
    let run = |arguments: &[&str]| -> Output {
        home.command(env!("CARGO_BIN_EXE_stalecard")).args(arguments).output().unwrap()
    };
    let stale = fixture("seed-beta-stale.json");
    assert_eq!(run(&["check", "--snapshot", &stale]).status.code(), Some(1));
    let artefact = home.path("artefact.pem");
    std::fs::write(&artefact, "nothing\n").unwrap();
    assert_eq!(run(&["audit", artefact.to_str().unwrap()]).status.code(), Some(0));
    assert!(Path::new(env!("CARGO_BIN_EXE_stalecard")).exists());
}
