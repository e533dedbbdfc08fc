//! The namespace, its users, and what is watched in it.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::is_root;

pub const PREFIX: &str = "DENK0200834_NODATE_E82B0601040181C31F0201";
/// Set for the copy of a test that runs inside.
const INSIDE: &str = "STALECARD_TEST_INSIDE";
/// Decoys hold this; it is in nothing that stalecard ever writes.
pub const SECRET: &[u8] = b"decoy-5f2c9d1e";

pub struct Scene {
    root: PathBuf,
    users: Vec<(String, u32, PathBuf)>,
}

/// What is never to change: content, identity, rights, and when it was last read or written.
type Decoys = BTreeMap<PathBuf, (u64, u32, u32, u64, [(i64, i64); 3])>;

/// Runs `body` as root in a mount namespace of its own, on a file system that notes every reading.
pub fn inside(test: &str, body: fn(&mut Scene)) {
    if !is_root() {
        return eprintln!("skipped: needs root");
    }
    if std::env::var_os(INSIDE).is_some() {
        let mut scene = Scene { root: "/mnt".into(), users: Vec::new() };
        scene.prepare();
        return body(&mut scene);
    }
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare");
    let said = String::from_utf8_lossy(&output.stdout);
    eprintln!("{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{test} failed inside");
}

impl Scene {
    fn prepare(&self) {
        // Whoever tests in a home of their own has the programs below one of the places that are covered.
        let program = Path::new(env!("CARGO_BIN_EXE_stalecard")).parent().unwrap();
        let uncovered =
            [Path::new(env!("CARGO_MANIFEST_DIR")), program].map(|path| (path, File::open(path).unwrap()));
        // Covers, in this namespace only, the places with fixed paths.
        for place in ["/mnt", "/var/lib", "/home", "/root", "/etc/opensc"] {
            run(Command::new("mount").args(["-t", "tmpfs", "-o", "mode=0755,strictatime", "tmpfs", place]));
        }
        for (path, held) in uncovered.iter().filter(|(path, _)| !path.exists()) {
            fs::create_dir_all(path).unwrap();
            let held = format!("/proc/{}/fd/{}", std::process::id(), held.as_raw_fd());
            run(Command::new("mount").args(["--no-canonicalize", "--bind"]).arg(held).arg(path));
        }
        fs::create_dir_all(self.root.join("decoys")).unwrap();
        fs::write(self.root.join("passwd"), "root:x:0:0:root:/root:/bin/sh\n").unwrap();
        run(Command::new("mount").arg("--bind").arg(self.root.join("passwd")).arg("/etc/passwd"));
        self.configure("app default { framework pkcs15 { use_file_caching = public; } }\n");
    }

    /// Writes the configuration that root's OpenSC reads.
    pub fn configure(&self, text: &str) {
        fs::write("/etc/opensc/opensc.conf", text).unwrap();
    }

    /// A user with a home and an empty cache.
    pub fn user(&mut self, name: &str) -> PathBuf {
        let home = Path::new("/home").join(name);
        self.user_at(name, &home);
        let cache = home.join(".cache/opensc");
        fs::create_dir_all(&cache).unwrap();
        fs::set_permissions(&cache, Permissions::from_mode(0o700)).unwrap();
        self.give(name, &home);
        cache
    }

    /// A user whose home is said to be here.
    pub fn user_at(&mut self, name: &str, home: &Path) -> u32 {
        let uid = 30_001 + u32::try_from(self.users.len()).unwrap();
        self.users.push((name.to_owned(), uid, home.to_owned()));
        let line = format!("{name}:x:{uid}:{uid}::{}:/bin/sh\n", home.display());
        let text = fs::read_to_string("/etc/passwd").unwrap() + &line;
        fs::write(self.root.join("passwd"), text).unwrap();
        uid
    }

    pub fn uid(&self, name: &str) -> u32 {
        self.users.iter().find(|(known, ..)| known == name).unwrap().1
    }

    /// Everything below a path becomes this user's; links themselves, not what they lead to.
    pub fn give(&self, name: &str, path: &Path) {
        run(Command::new("chown").arg("-hR").arg(self.uid(name).to_string()).arg(path));
    }

    pub fn put(&self, name: &str, path: &Path, content: &[u8]) {
        fs::write(path, content).unwrap();
        chown(path, Some(self.uid(name)), None).unwrap();
    }

    /// A file of root that nobody may touch.
    pub fn decoy(&self, name: &str) -> PathBuf {
        let path = self.root.join("decoys").join(name);
        fs::write(&path, SECRET).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path
    }

    pub fn decoys(&self) -> PathBuf {
        self.root.join("decoys")
    }

    pub fn see_decoys(&self) -> Decoys {
        let mut seen = Decoys::new();
        for entry in fs::read_dir(self.decoys()).unwrap() {
            let path = entry.unwrap().path();
            let meta = fs::metadata(&path).unwrap();
            let times = [
                (meta.atime(), meta.atime_nsec()),
                (meta.mtime(), meta.mtime_nsec()),
                (meta.ctime(), meta.ctime_nsec()),
            ];
            seen.insert(path, (meta.ino(), meta.mode(), meta.uid(), meta.nlink(), times));
        }
        seen
    }

    /// Reads them at the very end, because that is noted too.
    pub fn decoys_hold_what_they_held(&self) {
        for entry in fs::read_dir(self.decoys()).unwrap() {
            assert_eq!(fs::read(entry.unwrap().path()).unwrap(), SECRET);
        }
    }

    pub fn stalecard(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stalecard"));
        command.args(arguments).env_clear().env("HOME", "/root").env("PATH", "/usr/bin:/bin");
        command.output().unwrap()
    }

    /// What it says in JSON, with its exit code.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let output = self.stalecard(&[arguments, &["--format", "json"]].concat());
        let said = String::from_utf8_lossy(&output.stdout);
        let value = serde_json::from_str(&said)
            .unwrap_or_else(|error| panic!("{error}: {said}{}", String::from_utf8_lossy(&output.stderr)));
        crate::schema::is_output(&value);
        (output.status.code().unwrap(), value)
    }
}

pub fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Ids of the findings with the user they concern.
pub fn findings(report: &Value) -> Vec<(String, String)> {
    let findings = report["findings"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    findings.map(|finding| (text(&finding["user"]), text(&finding["id"]))).collect()
}

/// Whether these bytes are in any file below a directory.
pub fn holds(directory: &Path, bytes: &[u8]) -> bool {
    walkdir::WalkDir::new(directory).into_iter().flatten().any(|entry| {
        entry.file_type().is_file()
            && fs::read(entry.path()).unwrap().windows(bytes.len()).any(|window| window == bytes)
    })
}
