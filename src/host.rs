//! Who is calling, and on which host.
//!
//! Hides the difference between what the environment says and what may be
//! believed: OpenSC's own variables are facts to be recorded as they are, but
//! for root no variable decides where stalecard keeps its files. The caller's
//! own directories are those of the XDG specification (`dirs`), which is not
//! OpenSC's rule: that one is in `opensc::cache_dir`. Also whose
//! homes there are: the user database's file, because a directory service may
//! refuse to list its users, and for those the owners of what lies in `/home`.

pub mod agent;
pub mod clock;
pub mod connections;
pub mod processes;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::patience::{Overdue, SILENCE, Waning, within};
use crate::snapshot::{ByteString, HomeState, OddHome, User};

/// The variables that change what OpenSC does.
pub(crate) const OPENSC_VARIABLES: [&str; 4] = ["HOME", "OPENSC_CONF", "OPENSC_DRIVER", "XDG_CACHE_HOME"];

/// The user database's file.
const USER_DATABASE: &str = "/etc/passwd";
/// Where homes usually are.
const HOMES: &str = "/home";
/// More of them than are looked at one by one.
const MOST_HOMES: usize = 100_000;

/// Why the caller cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Real and effective user differ.
    #[error(
        "stalecard runs with the rights of user {effective} for user {real}; it is not made to be set-user-ID: \
         remove that bit (`chmod u-s`), or use sudo"
    )]
    SetUserId {
        /// The real user.
        real: u32,
        /// The effective user.
        effective: u32,
    },
    /// Nowhere to keep the quarantine.
    #[error(
        "user {0} has no home directory: HOME is not an absolute path and the user database knows none; set HOME"
    )]
    NoHome(u32),
}

/// The user who calls, with the part of the environment that matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// As the snapshot records it.
    pub user: User,
    /// Home directory: `HOME` if that is a home of this user, else the user database's.
    pub home: Option<PathBuf>,
    /// What is odd about `HOME`, if something is.
    pub odd_home: Option<OddHome>,
    /// Where programs keep their state: `XDG_STATE_HOME` if it is an absolute path, else below the home.
    state_home: Option<PathBuf>,
}

impl Caller {
    /// The user of this process.
    ///
    /// # Errors
    /// When the process runs set-user-ID.
    pub fn current() -> Result<Self, Error> {
        let uid = Self::uid()?;
        // A user database that does not answer knows nobody.
        let entry = within(SILENCE, move |_| {
            let entry = uzers::get_user_by_uid(uid)?;
            let home = uzers::os::unix::UserExt::home_dir(&entry).to_owned();
            Some((entry.name().to_string_lossy().into_owned(), home))
        });
        let (name, database_home) = entry.ok().flatten().unzip();
        let database_home = database_home.filter(|home| home.is_absolute());
        let (said, known) = (std::env::var_os("HOME"), database_home.clone());
        // Nor does a file system that does not answer say anything against a home.
        let odd_home = within(SILENCE, move |_| oddity(uid, said.as_deref(), known.as_deref()));
        let homes = [dirs::home_dir(), database_home];
        let state_home = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
        let caller = Self::of(uid, name, homes, state_home, &|variable| std::env::var_os(variable));
        Ok(caller.with_odd_home(odd_home.ok().flatten()))
    }

    /// The same with what is odd about `HOME`: then the user database's home is the one that counts.
    #[must_use]
    fn with_odd_home(mut self, odd: Option<OddHome>) -> Self {
        if let Some(taken) = odd.as_ref().and_then(|odd| odd.taken.clone()) {
            let below = |home: &Option<PathBuf>| home.as_ref().map(|home| home.join(".local/state"));
            let is_usual = self.state_home == below(&self.home);
            self.home = Some(taken.as_path().to_owned());
            if is_usual {
                self.state_home = below(&self.home);
            }
            self.user.env.insert("HOME".to_owned(), taken);
        }
        Self { odd_home: odd, ..self }
    }

    /// The user, as programs are started for him at a login: in the home of the user database, if that knows one.
    #[must_use]
    pub fn at_login(account: &Account, mut user: User) -> User {
        user.env.insert("HOME".to_owned(), account.home.as_path().into());
        user
    }

    /// The numeric user id of this process: what a look into the user database would cost more for.
    ///
    /// # Errors
    /// When the process runs set-user-ID.
    pub fn uid() -> Result<u32, Error> {
        let real = rustix::process::getuid().as_raw();
        let effective = rustix::process::geteuid().as_raw();
        if real == effective { Ok(real) } else { Err(Error::SetUserId { real, effective }) }
    }

    /// A user with the given environment. Of the homes the first that is an absolute path counts; `state_home`
    /// is below it unless it is an absolute path itself.
    #[must_use]
    pub fn of(
        uid: u32,
        name: Option<String>,
        homes: [Option<PathBuf>; 2],
        state_home: Option<PathBuf>,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Self {
        // A relative path would be another one after each `cd`.
        let home = homes.into_iter().flatten().find(|path| path.is_absolute());
        let below = || home.as_ref().map(|home| home.join(".local/state"));
        let state_home = state_home.filter(|path| path.is_absolute()).or_else(below);
        let env: BTreeMap<_, _> = OPENSC_VARIABLES
            .into_iter()
            .filter_map(|name| Some((name.to_string(), ByteString::from(variable(name)?))))
            .collect();
        Self { user: User { uid, name, env }, home, odd_home: None, state_home }
    }

    /// Where stalecard keeps what it took from the caches of user `owner`. Root
    /// has one directory per owner, and its environment (often that of the user
    /// who called sudo) has no say.
    ///
    /// # Errors
    /// When the caller has no home.
    pub fn state_dir(&self, owner: u32) -> Result<PathBuf, Error> {
        if self.user.uid == 0 {
            return Ok(PathBuf::from("/var/lib/stalecard").join(owner.to_string()));
        }
        Ok(self.state_home.as_ref().ok_or(Error::NoHome(self.user.uid))?.join("stalecard"))
    }
}

/// Somebody who has a home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Numeric user id.
    pub uid: u32,
    /// Login name.
    pub name: String,
    /// Home directory, an absolute path. It need not exist.
    pub home: PathBuf,
}

impl Account {
    /// The account of a user whom a snapshot records; none if that knows no home.
    #[must_use]
    pub fn of(user: &User) -> Option<Self> {
        let home = user.env.get("HOME")?.as_path().to_owned();
        Some(Self { uid: user.uid, name: user.name.clone()?, home })
            .filter(|account| account.home.is_absolute())
    }

    /// As a snapshot records it: of the environment of another user's programs only the home is known.
    #[must_use]
    pub fn user(&self) -> User {
        let env = BTreeMap::from([("HOME".to_owned(), ByteString::from(self.home.as_path()))]);
        User { uid: self.uid, name: Some(self.name.clone()), env }
    }
}

/// The account with this name.
///
/// # Errors
/// When the user database does not answer.
pub fn account(name: &str) -> Result<Option<Account>, Overdue> {
    let name = name.to_owned();
    within(SILENCE, move |_| uzers::get_user_by_name(&name).and_then(|user| of_entry(&user)))
}

/// Is this process root because somebody else called it by way of `sudo`, who types the next command as themself again?
#[must_use]
pub fn is_by_sudo() -> bool {
    rustix::process::getuid().is_root() && sudo_uid().is_some()
}

/// The user in `SUDO_UID`, if that is not root.
fn sudo_uid() -> Option<u32> {
    std::env::var("SUDO_UID").ok().and_then(|uid| uid.parse::<u32>().ok()).filter(|uid| *uid != 0)
}

/// Who called root by way of `sudo`, which says so in `SUDO_UID`. Nothing that root keeps depends on it: it only adds to
/// what is looked at.
///
/// # Errors
/// When the user database does not answer.
pub fn invoker(caller: u32) -> Result<Option<Account>, Overdue> {
    let Some(uid) = sudo_uid().filter(|_| caller == 0) else { return Ok(None) };
    within(SILENCE, move |_| uzers::get_user_by_uid(uid).and_then(|user| of_entry(&user)))
}

/// What is odd about the home of an account, if another user's home is there.
#[must_use]
pub fn owner_of_home(account: &Account) -> Option<OddHome> {
    let Account { uid, home, .. } = account.clone();
    let owner = within(SILENCE, move |_| owner_of(uid, &home, &std::fs::metadata(&home).ok()?)).ok()??;
    Some(OddHome { state: HomeState::Foreign, said: None, taken: None, owner: Some(owner) })
}

/// The other user whose home this place is.
fn owner_of(uid: u32, path: &Path, found: &std::fs::Metadata) -> Option<User> {
    if found.uid() == uid {
        return None;
    }
    let owner = uzers::get_user_by_uid(found.uid()).and_then(|user| of_entry(&user))?;
    let is_there = |home: std::fs::Metadata| (home.dev(), home.ino()) == (found.dev(), found.ino());
    let is_home = owner.home == path || std::fs::metadata(&owner.home).is_ok_and(is_there);
    is_home.then(|| owner.user())
}

/// What is odd about the `HOME` of a user whose home in the user database is `known`.
fn oddity(uid: u32, said: Option<&OsStr>, known: Option<&Path>) -> Option<OddHome> {
    let path = Path::new(said.unwrap_or_default());
    if known == Some(path) {
        return None;
    }
    let (state, owner) = if path.as_os_str().is_empty() {
        (HomeState::Unset, None)
    } else if !path.is_absolute() {
        // Programs that are started here follow it to wherever that is: it stays a gap.
        return None;
    } else {
        match std::fs::metadata(path) {
            Ok(found) if !found.is_dir() => (HomeState::Missing, None),
            Ok(found) => (HomeState::Foreign, Some(owner_of(uid, path, &found)?)),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                (HomeState::Missing, None)
            }
            Err(_) => return None,
        }
    };
    let said = said.map(|said| ByteString::from(Path::new(said)));
    Some(OddHome { state, said, taken: known.map(ByteString::from), owner })
}

/// A path that did not answer, or was not looked at as a whole, and why.
pub type Silent = (PathBuf, String);

/// What stands in a folder, in the order of names, and why that is not all. No more is looked at than so many entries: whoever
/// writes to a folder chooses how many there are.
#[must_use]
pub fn in_folder(folder: &Path, most: usize) -> (Vec<PathBuf>, Option<String>) {
    let (mut found, mut left) = (Vec::new(), None);
    // Nothing in it is opened, as a walk would: a home may never answer.
    let listed = match std::fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == ErrorKind::NotFound => return (found, left),
        Err(error) => return (found, Some(error.to_string())),
    };
    for (number, entry) in listed.enumerate() {
        match entry {
            _ if number == most => {
                left = Some(format!(
                    "it has more than {most} entries, which nothing here needs: only so many were looked at"
                ));
                break;
            }
            Ok(entry) => found.push(entry.path()),
            Err(error) => left = Some(error.to_string()),
        }
    }
    found.sort();
    (found, left)
}

/// All accounts of this host, service users too, one for each home; and what did not answer, with why.
///
/// # Errors
/// When the user database cannot be read.
pub fn accounts() -> std::io::Result<(Vec<Account>, Vec<Silent>)> {
    let mut accounts = listed(&std::fs::read(USER_DATABASE)?);
    let mut silent = Vec::new();
    let known: BTreeSet<PathBuf> = accounts.iter().map(|account| account.home.clone()).collect();
    let (homes, left) = within(SILENCE, |_| in_folder(Path::new(HOMES), MOST_HOMES))
        .unwrap_or_else(|overdue| (Vec::new(), Some(overdue.to_string())));
    silent.extend(left.map(|why| (HOMES.into(), why)));
    // Whoever a directory service knows has a home at least.
    let mut patience = Waning::default();
    for home in homes.into_iter().filter(|home| !known.contains(home)) {
        let place = home.clone();
        let owner = patience.within(move |_| {
            let owner = std::fs::symlink_metadata(&place).ok()?.uid();
            uzers::get_user_by_uid(owner).and_then(|user| of_entry(&user))
        });
        match owner {
            Ok(account) => accounts.extend(account.filter(|account| account.home == home)),
            Err(overdue) => silent.push((home, overdue.to_string())),
        }
    }
    Ok((accounts, silent))
}

fn of_entry(user: &uzers::User) -> Option<Account> {
    let home = uzers::os::unix::UserExt::home_dir(user).to_owned();
    let name = user.name().to_string_lossy().into_owned();
    home.is_absolute().then_some(Account { uid: user.uid(), name, home })
}

/// The lines of a user database; of several accounts with one home the first.
fn listed(database: &[u8]) -> Vec<Account> {
    let mut homes = BTreeSet::new();
    let account = |line: &[u8]| {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
        let &[name, _, uid, _, _, home, _] = fields.as_slice() else { return None };
        let home = Path::new(OsStr::from_bytes(home));
        let uid = std::str::from_utf8(uid).ok()?.parse().ok()?;
        let name = String::from_utf8_lossy(name).into_owned();
        home.is_absolute().then(|| Account { uid, name, home: home.to_owned() })
    };
    let lines = database.split(|byte| *byte == b'\n');
    lines.filter_map(account).filter(|account| homes.insert(account.home.clone())).collect()
}

/// Is this a container, by the marks that docker, podman and systemd-nspawn leave? Then devices and their services are the
/// host's.
#[must_use]
pub fn in_container() -> bool {
    let marks = ["/.dockerenv", "/run/.containerenv", "/run/systemd/container"];
    marks.iter().any(|mark| Path::new(mark).exists()) || std::env::var_os("container").is_some()
}

/// The name of this host.
#[must_use]
pub fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn caller(uid: u32, home: &str, state_home: &str) -> Caller {
        let homes = [Some(home.into()), Some("/home/db".into())];
        Caller::of(uid, None, homes, Some(state_home.into()), &|name| {
            ["HOME", "PATH"].contains(&name).then(|| home.into())
        })
    }

    #[test]
    fn the_environment_places_a_users_state_but_not_roots() {
        let user = caller(7, "/home/u", "/state");
        assert_eq!(user.state_dir(7).unwrap(), PathBuf::from("/state/stalecard"));
        assert_eq!(user.home, Some("/home/u".into()));
        assert_eq!(user.user.env.keys().collect::<Vec<_>>(), ["HOME"]);
        let root = caller(0, "/home/u", "/state");
        assert_eq!(root.state_dir(7).unwrap(), PathBuf::from("/var/lib/stalecard/7"));
    }

    #[test]
    fn relative_and_missing_directories_fall_back() {
        let user = caller(7, "home", "home/.local/state");
        assert_eq!(user.state_dir(7).unwrap(), PathBuf::from("/home/db/.local/state/stalecard"));
        assert_eq!(user.user.env.get("HOME"), Some(&ByteString::from("home")));
        let lost = Caller::of(7, None, [None, None], None, &|_| None);
        assert!(matches!(lost.state_dir(7), Err(Error::NoHome(7))));
    }

    /// Runs itself again, because a process has one environment.
    #[test]
    fn a_process_has_the_directories_of_its_environment() {
        const EXPECTED: &str = "STALECARD_TEST_DIRECTORIES";
        let database = uzers::get_user_by_uid(rustix::process::getuid().as_raw())
            .map(|user| uzers::os::unix::UserExt::home_dir(&user).to_owned())
            .unwrap();
        if let Some(expected) = std::env::var_os(EXPECTED) {
            let me = Caller::current().unwrap();
            let told = format!("{} {}", me.home.unwrap().display(), me.state_home.unwrap().display());
            assert_eq!(told, expected.to_str().unwrap());
            return;
        }
        let database = database.display();
        for (home, state_home, expected) in [
            (Some("/tmp"), None, "/tmp /tmp/.local/state".to_owned()),
            (Some("/tmp"), Some("/s"), "/tmp /s".to_owned()),
            (Some("/tmp"), Some("s"), "/tmp /tmp/.local/state".to_owned()),
            (Some("/nonexistent/h"), None, format!("{database} {database}/.local/state")),
            (Some("/nonexistent/h"), Some("/s"), format!("{database} /s")),
            (Some(""), Some(""), format!("{database} {database}/.local/state")),
            (Some("h"), None, format!("{database} {database}/.local/state")),
            (None, Some("/s"), format!("{database} /s")),
        ] {
            let mut child = std::process::Command::new(std::env::current_exe().unwrap());
            child.args(["--exact", "host::tests::a_process_has_the_directories_of_its_environment"]);
            child.env_remove("HOME").env_remove("XDG_STATE_HOME").env(EXPECTED, &expected);
            child.envs(home.map(|home| ("HOME", home))).envs(state_home.map(|home| ("XDG_STATE_HOME", home)));
            let output = child.output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && said.contains("1 passed"), "{expected}: {said}");
        }
    }

    #[test]
    fn a_user_database_is_read_line_by_line() {
        let text = b"root:x:0:0:root:/root:/bin/sh\n\nbad\n+::::::\nca:x:998:998::/var/lib/ca:/bin/false\n\
                     two:x:999:999::/var/lib/ca:/bin/false\nneg:x:-1:0::/n:/bin/sh\nrel:x:7:7::home:/bin/sh\n\
                     od\xffd:x:8:8:,,:/h\xff:/bin/sh";
        let found: Vec<_> = listed(text).into_iter().map(|account| (account.uid, account.name)).collect();
        let named = |uid, name: &str| (uid, name.to_owned());
        assert_eq!(found, [named(0, "root"), named(998, "ca"), named(8, "od\u{fffd}d")]);
    }

    #[test]
    fn this_process_has_a_caller() {
        let me = Caller::current().unwrap();
        assert_eq!(me.user.uid, rustix::process::geteuid().as_raw());
        assert!(!hostname().is_empty());
    }
}
