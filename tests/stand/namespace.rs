//! One private namespace with its pcscd: start, readiness, reader events, end.
//!
//! What it hides: the script `namespace` beside this file is the first process of a process
//! namespace and stays until its standard input ends. That pipe is held here, so the kernel ends
//! everything inside when this value is dropped and also when the test process is killed. Reader
//! events are not polled for: pcscd's own log says when it has noticed a card.

use stalecard::opensc::{Version, install, program};
use stalecard::snapshot::{ByteString, Installation};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the daemons may take for anything before the test fails. Generous: the machine may be busy with other builds.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Namespace {
    first: Mutex<Child>,
    /// The life line: closing it ends the namespace.
    input: Mutex<Option<ChildStdin>>,
    watch: Arc<Watch>,
    /// `nsenter` processes to be collected at the end.
    helpers: Mutex<Vec<Child>>,
    enter: Vec<String>,
    /// Last: removed when everything that writes into it is gone.
    dir: tempfile::TempDir,
}

/// What pcscd's log has told so far.
struct Watch {
    /// The reader of the first card.
    reader: String,
    seen: Mutex<Seen>,
    changed: Condvar,
}

#[derive(Default, Clone)]
pub struct Seen {
    pub log: String,
    ready: bool,
    ended: bool,
    /// Whether pcscd knows a card in the reader of the first card, and how often one has come.
    pub present: bool,
    pub insertions: u32,
    /// A card has come into another slot.
    second: bool,
}

impl Namespace {
    pub fn start(readers: u32, name: &str, reader: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("stand-").tempdir().expect("temporary directory");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stand/namespace");
        let mut command = Command::new("sh");
        command
            .arg(script)
            .arg(dir.path())
            .env("STAND_READERS", readers.to_string())
            .env("STAND_READER", name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut first = command.spawn().expect("sh");
        let watch = Arc::new(Watch {
            reader: reader.to_owned(),
            seen: Mutex::default(),
            changed: Condvar::default(),
        });
        watch.follow(first.stdout.take().expect("piped"));
        watch.follow(first.stderr.take().expect("piped"));
        let namespace = Self {
            enter: enter_arguments(first.id()),
            input: Mutex::new(first.stdin.take()),
            first: Mutex::new(first),
            watch,
            helpers: Mutex::default(),
            dir,
        };
        namespace.wait_until("pcscd is ready", |seen| seen.ready);
        namespace
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The reader of the first card.
    pub fn reader(&self) -> &str {
        &self.watch.reader
    }

    pub fn log(&self) -> String {
        self.seen().log
    }

    pub fn seen(&self) -> Seen {
        self.watch.seen.lock().unwrap().clone()
    }

    /// A command inside, with an empty environment, as the root of the namespace.
    pub fn command<S: AsRef<OsStr>>(&self, program: S) -> Command {
        let mut command = Command::new("nsenter");
        command.env_clear().env("PATH", search_path()).args(&self.enter).arg("--").arg(program);
        command
    }

    /// Waits for an event that pcscd's log tells.
    pub fn wait_until(&self, what: &str, condition: impl Fn(&Seen) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = self.watch.seen.lock().unwrap();
        while !condition(&seen) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !seen.ended && !left.is_zero(),
                "waited in vain until {what}; pcscd's log:\n{}",
                seen.log
            );
            seen = self.watch.changed.wait_timeout(seen, left).unwrap().0;
        }
    }

    /// Ends everything inside, and returns when it is gone. A second call does nothing.
    pub fn end(&self) {
        drop(self.input.lock().unwrap_or_else(PoisonError::into_inner).take());
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        let deadline = Instant::now() + Duration::from_secs(5);
        while !matches!(first.try_wait(), Ok(Some(_)) | Err(_)) {
            if Instant::now() > deadline {
                let _ = first.kill();
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        for mut helper in self.helpers.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = helper.wait();
        }
    }

    /// Keeps a process that ends with the namespace, to be collected then.
    pub fn adopt(&self, child: Child) {
        self.helpers.lock().unwrap().push(child);
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.end();
    }
}

impl Watch {
    fn follow(self: &Arc<Self>, stream: impl std::io::Read + Send + 'static) {
        let watch = Arc::clone(self);
        std::thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n') {
                let Ok(line) = line else { break };
                watch.note(&String::from_utf8_lossy(&line));
            }
            watch.seen.lock().unwrap().ended = true;
            watch.changed.notify_all();
        });
    }

    fn note(&self, line: &str) {
        let mut seen = self.seen.lock().unwrap();
        if line == "stand: ready" {
            seen.ready = true;
        } else if line.contains("Card inserted into") && line.contains(&self.reader) {
            seen.present = true;
            seen.insertions += 1;
        } else if line.contains("Card inserted into") {
            seen.second = true;
        } else if line.contains("Card ATR:") && seen.insertions == 0 && !seen.second {
            // A card that is there before pcscd's thread for the reader looks for the first time is not "inserted".
            seen.present = true;
            seen.insertions = 1;
        } else if line.contains("Card Removed From") && line.contains(&self.reader) {
            seen.present = false;
        }
        seen.log.push_str(line);
        seen.log.push('\n');
        drop(seen);
        self.changed.notify_all();
    }
}

/// `unshare` has left this process' namespaces itself and keeps its process id, while the first process inside is its child.
fn enter_arguments(unshare: u32) -> Vec<String> {
    let mut arguments: Vec<String> = [("mount", "mnt"), ("net", "net"), ("pid", "pid_for_children")]
        .map(|(option, file)| format!("--{option}=/proc/{unshare}/ns/{file}"))
        .into();
    if !is_root() {
        arguments.extend([format!("--user=/proc/{unshare}/ns/user"), "--preserve-credentials".into()]);
    }
    arguments
}

pub fn is_root() -> bool {
    uzers::get_effective_uid() == 0
}

/// A short, known search path, independent of the person who runs the tests.
pub fn search_path() -> &'static str {
    "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
}

/// The folder with another system whose OpenSC, pcscd and vpcd are used: see `tests/matrix`.
pub fn opensc_root() -> Option<PathBuf> {
    std::env::var_os("STAND_ROOT").map(PathBuf::from)
}

/// The version of the OpenSC whose tools run on the hosts.
pub fn opensc_version() -> Version {
    opensc().version.and_then(|version| version.parse().ok()).expect("OpenSC's version")
}

/// The OpenSC whose tools run on the hosts.
pub fn opensc() -> Installation {
    let found = match opensc_root() {
        None => install::find(program::tools().get("pkcs15-tool").map(ByteString::as_path)),
        Some(root) => install::find_among(libraries(&root), None),
    };
    found.installations.into_iter().next().expect("OpenSC's library")
}

fn libraries(root: &Path) -> Vec<PathBuf> {
    let files = walkdir::WalkDir::new(root.join("usr/lib")).max_depth(2).into_iter().flatten();
    let is_library =
        |entry: &walkdir::DirEntry| entry.file_name().to_string_lossy().starts_with("libopensc.so.");
    files.filter(is_library).map(walkdir::DirEntry::into_path).collect()
}

/// Where OpenSC's PKCS#11 module is, for programs that must be told.
pub fn opensc_module() -> PathBuf {
    let in_triplet_dirs = std::fs::read_dir("/usr/lib")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("opensc-pkcs11.so"));
    std::iter::once(PathBuf::from("/usr/lib/opensc-pkcs11.so"))
        .chain(in_triplet_dirs)
        .find(|path| path.is_file())
        .expect("opensc-pkcs11.so below /usr/lib: run tests/stand/setup")
}
