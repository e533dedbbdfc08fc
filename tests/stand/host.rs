//! A host, as far as OpenSC can tell one from another: a home directory, a configuration and a
//! known environment. Also where programs are run from.
//!
//! What it hides: entering the namespace, the emptied environment, the layout of the home, and the
//! copies that keep observers from disturbing each other (the real tools write the cache they read).

use super::namespace::{Namespace, is_root, opensc_root, opensc_version, search_path};
use super::process::{Output, Running};
use super::tools::PIN;
use stalecard::opensc::differences;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// Until a program inside the stand is given up.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// A cheap handle: clones are the same host, as seen by their own environment, user and time limit.
#[derive(Clone)]
pub struct Host {
    namespace: Arc<Namespace>,
    name: String,
    home: PathBuf,
    conf: PathBuf,
    environment: BTreeMap<String, String>,
    user: Option<u32>,
    pin: String,
    time_limit: Duration,
}

impl Host {
    pub(super) fn new(namespace: &Arc<Namespace>, name: &str) -> Self {
        let home = namespace.dir().join("homes").join(name);
        let conf = namespace.dir().join("homes").join(format!("{name}.opensc.conf"));
        std::fs::create_dir_all(&home).expect("home");
        let text = |path: &Path| path.to_str().expect("UTF-8 path").to_owned();
        let environment = [
            ("PATH", search_path().to_owned()),
            ("LANG", "C".to_owned()),
            ("HOME", text(&home)),
            ("OPENSC_CONF", text(&conf)),
        ];
        let host = Self {
            namespace: Arc::clone(namespace),
            name: name.to_owned(),
            environment: environment.map(|(name, value)| (name.to_owned(), value)).into(),
            user: None,
            pin: PIN.to_owned(),
            time_limit: TIME_LIMIT,
            home,
            conf,
        };
        if !host.conf.exists() {
            host.caching("yes");
        }
        host
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of the reader that the first card of the stand is in.
    pub fn reader(&self) -> &str {
        self.namespace.reader()
    }

    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The file that `OPENSC_CONF` names.
    pub fn conf(&self) -> &Path {
        &self.conf
    }

    /// The directory OpenSC caches files in, whether it exists or not.
    pub fn cache(&self) -> PathBuf {
        static NAME: LazyLock<&str> = LazyLock::new(|| {
            let is_new = differences::cache_follows_xdg(opensc_version());
            if is_new { ".cache/opensc" } else { ".eid/cache" }
        });
        self.home.join(*NAME)
    }

    /// Names of the files in the cache, sorted.
    pub fn cache_names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.cache())
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// Content of all regular files in the cache, by name: to see whether anything has changed.
    pub fn cache_files(&self) -> BTreeMap<String, Vec<u8>> {
        self.cache_names()
            .into_iter()
            .filter_map(|name| {
                let path = self.cache().join(&name);
                path.is_file().then(|| (name, std::fs::read(path).expect("cache file")))
            })
            .collect()
    }

    /// Writes a configuration with this value of `use_file_caching`, for all programs.
    pub fn caching(&self, value: &str) -> &Self {
        self.configure(&format!(
            "app default {{\n\tframework pkcs15 {{\n\t\tuse_file_caching = {value};\n\t}}\n}}\n"
        ))
    }

    /// Writes any configuration.
    pub fn configure(&self, text: &str) -> &Self {
        std::fs::write(&self.conf, text).expect("opensc.conf");
        self
    }

    /// Another host that starts with a private copy of this one's whole home (times kept) and of its configuration.
    pub fn with_cache_copy(&self) -> Self {
        let copy = self.sibling("copy");
        let status = Command::new("cp")
            .args(["-a", "--"])
            .arg(self.home.join("."))
            .arg(&copy.home)
            .status()
            .expect("cp");
        assert!(status.success(), "cp -a of {}", self.home.display());
        if self.conf.exists() {
            std::fs::copy(&self.conf, &copy.conf).expect("copy of opensc.conf");
        }
        copy
    }

    /// Another host with an empty home and caching `no`: what it lists is the card.
    pub fn live(&self) -> Self {
        let live = self.sibling("live");
        live.caching("no");
        live
    }

    fn sibling(&self, suffix: &str) -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let mut host = Self::new(&self.namespace, &format!("{}-{suffix}{number}", self.name));
        // What this host was given by hand, but the other's own home and configuration.
        for (name, value) in &self.environment {
            if !matches!(name.as_str(), "HOME" | "OPENSC_CONF") {
                host.environment.insert(name.clone(), value.clone());
            }
        }
        if !self.environment.contains_key("HOME") {
            host.environment.remove("HOME");
        }
        host.pin.clone_from(&self.pin);
        host.time_limit = self.time_limit;
        match self.user {
            Some(user) => host.for_user(user),
            None => host,
        }
    }

    /// The same host with this in the environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    #[must_use]
    pub fn without_env(mut self, name: &str) -> Self {
        self.environment.remove(name);
        self
    }

    /// The same host, whose helpers log in with this PIN.
    #[must_use]
    pub fn with_pin(mut self, pin: &str) -> Self {
        pin.clone_into(&mut self.pin);
        self
    }

    pub fn pin(&self) -> &str {
        &self.pin
    }

    #[must_use]
    pub fn with_time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// The same host and home, for another user. Only root can: see [`Host::can_switch_users`].
    #[must_use]
    pub fn for_user(mut self, uid: u32) -> Self {
        assert!(Self::can_switch_users(), "only root can be another user");
        for dir in [self.namespace.dir(), &self.namespace.dir().join("homes")] {
            let open = std::os::unix::fs::PermissionsExt::from_mode(0o711);
            std::fs::set_permissions(dir, open).expect("way to the homes");
        }
        let status =
            Command::new("chown").arg("-hR").arg(uid.to_string()).arg(&self.home).status().expect("chown");
        assert!(status.success(), "chown of {}", self.home.display());
        self.user = Some(uid);
        self
    }

    pub fn can_switch_users() -> bool {
        is_root()
    }

    pub(super) fn scratch_dir(&self) -> PathBuf {
        let dir = self.namespace.dir().join("scratch");
        std::fs::create_dir_all(&dir).expect("scratch directory");
        dir
    }

    /// Runs a program on this host, to its end.
    pub fn run<S: AsRef<OsStr>>(&self, command: &[S]) -> Output {
        self.spawn(command).finish(self.time_limit)
    }

    pub fn run_with_input<S: AsRef<OsStr>>(&self, command: &[S], input: &[u8]) -> Output {
        self.start(command, Some(input)).finish(self.time_limit)
    }

    /// Starts a program on this host.
    pub fn spawn<S: AsRef<OsStr>>(&self, command: &[S]) -> Running {
        self.start(command, None)
    }

    /// Runs our own program on this host.
    pub fn stalecard<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Output {
        let mut command = vec![OsStr::new(env!("CARGO_BIN_EXE_stalecard"))];
        command.extend(arguments.iter().map(AsRef::as_ref));
        self.run(&command)
    }

    /// Runs a line of shell on this host.
    pub fn sh(&self, line: &str) -> Output {
        self.run(&["sh", "-c", line])
    }

    fn start<S: AsRef<OsStr>>(&self, words: &[S], input: Option<&[u8]>) -> Running {
        let (program, arguments) = words.split_first().expect("a program to run");
        // `env`, because nsenter itself needs a PATH and resets the working directory.
        let mut command = self.namespace.command("env");
        command.arg("--ignore-environment").arg("--chdir").arg(&self.home);
        command.args(self.environment.iter().map(|(name, value)| format!("{name}={value}")));
        if let Some(user) = self.user {
            command.arg("setpriv").arg("--clear-groups");
            command.args([format!("--reuid={user}"), format!("--regid={user}")]);
        }
        // OpenSC's own programs are those of the other system, if there is one (see `tests/matrix`).
        let program = Path::new(program);
        let there = |root: &PathBuf| program.is_relative() && root.join("usr/bin").join(program).is_file();
        if let Some(root) = opensc_root().filter(there) {
            assert!(self.user.is_none(), "only root can enter another system");
            command.arg("unshare").arg("--root").arg(root).arg("--wd").arg(&self.home);
        }
        command.arg(program).args(arguments);
        let spoken: Vec<_> = words.iter().map(|word| word.as_ref().to_string_lossy()).collect();
        Running::start(format!("{}$ {}", self.name, spoken.join(" ")), command, input)
    }
}
