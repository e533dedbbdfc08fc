//! A cache directory and a quarantine in a directory of their own, and ways to
//! compare what is in them.

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use stalecard::repair::{
    Action, Applied, Consent, Plan, Precondition, Reason, Safety, StateDir, Step, apply,
};
use stalecard::safe_fs::{Classification, MAX_CONTENT, observe_cache_dir};
use stalecard::snapshot::{ByteString, CacheDir, CacheOrigin, Gap, Withheld};
use tempfile::TempDir;

pub struct Scene {
    /// Kept for its drop.
    pub home: TempDir,
    state_home: TempDir,
    pub cache: PathBuf,
}

/// Everything about a file that an undo has to restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub content: Vec<u8>,
    pub mode: u32,
    pub owner: (u32, u32),
    pub mtime: (i64, i64),
}

impl Scene {
    pub fn new() -> Self {
        Self::within(&std::env::temp_dir(), &std::env::temp_dir())
    }

    /// In memory where that is possible: thousands of `fsync` cost nothing there.
    pub fn in_memory() -> Self {
        let shm = Path::new("/dev/shm");
        if shm.is_dir() { Self::within(shm, shm) } else { Self::new() }
    }

    /// With the quarantine on another file system; `None` if there is no other.
    pub fn across() -> Option<Self> {
        let shm = Path::new("/dev/shm");
        let other = fs::metadata(shm).ok()?.dev() != fs::metadata(std::env::temp_dir()).ok()?.dev();
        other.then(|| Self::within(&std::env::temp_dir(), shm))
    }

    fn within(cache: &Path, state: &Path) -> Self {
        let home = TempDir::new_in(cache).unwrap();
        let state_home = TempDir::new_in(state).unwrap();
        let cache = home.path().join(".cache/opensc");
        fs::create_dir_all(&cache).unwrap();
        fs::set_permissions(&cache, Permissions::from_mode(0o700)).unwrap();
        Self { home, state_home, cache }
    }

    pub fn state_path(&self) -> PathBuf {
        self.state_home.path().join("state/stalecard")
    }

    pub fn state(&self) -> StateDir {
        StateDir::at(self.state_path())
    }

    pub fn put(&self, name: impl AsRef<Path>, content: &[u8]) -> PathBuf {
        let path = self.cache.join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Three entries that differ in everything an undo restores.
    pub fn fill(&self) {
        for (index, name) in ["denk0401234_NODATE_C401", "denk0401234_NODATE_CE01", "x\\n\u{7f}\u{1b}[2J.."]
            .into_iter()
            .enumerate()
        {
            let path = self.put(name, &vec![u8::try_from(index).unwrap(); 300 * index]);
            fs::set_permissions(&path, Permissions::from_mode([0o644, 0o600, 0o4711][index])).unwrap();
            if is_root() {
                let owner = [0, 65534, 1][index];
                std::os::unix::fs::chown(&path, Some(owner), Some(owner)).unwrap();
                // A change of owner clears the set-user-ID bit.
                fs::set_permissions(&path, Permissions::from_mode([0o644, 0o600, 0o4711][index])).unwrap();
            }
            let time = UNIX_EPOCH + Duration::new(1_600_000_000 + index as u64, 123_456_789);
            File::open(&path).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
        }
    }

    pub fn tree(&self) -> BTreeMap<ByteString, Seen> {
        tree(&self.cache)
    }

    pub fn observe(&self) -> (CacheDir, Vec<Gap>) {
        observe(&self.cache)
    }

    /// A plan that quarantines every regular file of the cache.
    pub fn plan(&self) -> Plan {
        plan_of(&self.observe().0)
    }

    pub fn flush(&self) -> Applied {
        apply(&self.plan(), &Consent::safe(), &self.state()).unwrap()
    }
}

pub fn tree(directory: &Path) -> BTreeMap<ByteString, Seen> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let meta = entry.metadata().unwrap();
        let content = if meta.is_file() { fs::read(entry.path()).unwrap() } else { Vec::new() };
        let seen = Seen {
            content,
            mode: meta.mode(),
            owner: (meta.uid(), meta.gid()),
            mtime: (meta.mtime(), meta.mtime_nsec()),
        };
        found.insert(ByteString(entry.file_name().as_bytes().to_vec()), seen);
    }
    found
}

pub fn observe(path: &Path) -> (CacheDir, Vec<Gap>) {
    observe_cache_dir(path, CacheOrigin::Default, true, &|name| {
        if name.0.ends_with(b"CA4E") {
            Classification::Withhold(Withheld::Can)
        } else {
            Classification::Keep { max: MAX_CONTENT }
        }
    })
}

pub fn plan_of(cache: &CacheDir) -> Plan {
    let steps = cache
        .entries
        .iter()
        .map(|entry| Step {
            directory: cache.path.clone(),
            name: entry.name.bytes().clone(),
            expect: Precondition::of(entry),
            safety: Safety::Safe,
            action: Action::Quarantine,
            reason: Reason::Asked("test".to_string()),
            unread: false,
        })
        .collect();
    Plan { steps }
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub fn link(target: impl AsRef<Path>, path: impl AsRef<Path>) {
    symlink(target, path).unwrap();
}

/// This test binary again, running only [`super::killed::child`] in `role`.
pub fn child_arguments() -> [&'static str; 4] {
    ["--exact", "killed::child", "--test-threads=1", "--nocapture"]
}

pub fn run_as(role: &str, scene: &Scene, via: &[&str]) -> Command {
    let program = std::env::current_exe().unwrap();
    let mut command = match via.split_first() {
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
        None => Command::new(program),
    };
    command
        .args(child_arguments())
        .env("STALECARD_TEST_ROLE", role)
        .env("STALECARD_TEST_STATE", scene.state_path())
        .env("STALECARD_TEST_PLAN", scene.home.path().join("plan.json"));
    command
}
