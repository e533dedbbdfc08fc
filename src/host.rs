//! Who is calling, and on which host.
//!
//! Hides the difference between what the environment says and what may be
//! believed: OpenSC's own variables are facts to be recorded as they are, but
//! for root no variable decides where stalecard keeps its files.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::snapshot::{Name, User};

/// The variables that change what OpenSC does.
const OPENSC_VARIABLES: [&str; 4] = ["HOME", "OPENSC_CONF", "OPENSC_DRIVER", "XDG_CACHE_HOME"];

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
    /// Home directory: `HOME` if it is an absolute path, else the user database's.
    pub home: Option<PathBuf>,
    state_home: Option<PathBuf>,
}

impl Caller {
    /// The user of this process.
    ///
    /// # Errors
    /// When the process runs set-user-ID.
    pub fn current() -> Result<Self, Error> {
        let real = rustix::process::getuid().as_raw();
        let effective = rustix::process::geteuid().as_raw();
        if real != effective {
            return Err(Error::SetUserId { real, effective });
        }
        let entry = uzers::get_user_by_uid(effective);
        let name = entry.as_ref().map(|user| user.name().to_string_lossy().into_owned());
        let home = entry.map(|user| uzers::os::unix::UserExt::home_dir(&user).to_owned());
        Ok(Self::of(effective, name, home, &|variable| std::env::var_os(variable)))
    }

    /// A user with the given environment.
    #[must_use]
    pub fn of(
        uid: u32,
        name: Option<String>,
        database_home: Option<PathBuf>,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Self {
        let path = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let home = path("HOME").or(database_home.filter(|path| path.is_absolute()));
        let env: BTreeMap<_, _> = OPENSC_VARIABLES
            .into_iter()
            .filter_map(|name| Some((name.to_string(), Name::from(variable(name)?))))
            .collect();
        Self { user: User { uid, name, env }, home, state_home: path("XDG_STATE_HOME") }
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
        let state_home = self.state_home.clone().or_else(|| Some(self.home.as_ref()?.join(".local/state")));
        Ok(state_home.ok_or(Error::NoHome(self.user.uid))?.join("stalecard"))
    }
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

    fn caller(uid: u32, env: &[(&str, &str)]) -> Caller {
        let env: BTreeMap<_, _> = env.iter().copied().collect();
        Caller::of(uid, None, Some("/home/db".into()), &|name| env.get(name).map(OsString::from))
    }

    #[test]
    fn the_environment_places_a_users_state_but_not_roots() {
        let env = [("HOME", "/home/u"), ("XDG_STATE_HOME", "/state"), ("PATH", "/bin")];
        assert_eq!(caller(7, &env).state_dir(7).unwrap(), PathBuf::from("/state/stalecard"));
        assert_eq!(caller(0, &env).state_dir(7).unwrap(), PathBuf::from("/var/lib/stalecard/7"));
        assert_eq!(caller(7, &env).user.env.keys().collect::<Vec<_>>(), ["HOME"]);
    }

    #[test]
    fn relative_and_missing_variables_fall_back() {
        let user = caller(7, &[("HOME", ""), ("XDG_STATE_HOME", "state")]);
        assert_eq!(user.state_dir(7).unwrap(), PathBuf::from("/home/db/.local/state/stalecard"));
        assert_eq!(user.user.env.get("HOME"), Some(&Name::from("")));
        let lost = Caller::of(7, None, None, &|_| None);
        assert!(matches!(lost.state_dir(7), Err(Error::NoHome(7))));
    }

    #[test]
    fn this_process_has_a_caller() {
        let me = Caller::current().unwrap();
        assert_eq!(me.user.uid, rustix::process::geteuid().as_raw());
        assert!(!hostname().is_empty());
    }
}
