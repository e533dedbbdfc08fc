//! The configuration of one command: the effective one, with caching off for every program.
//!
//! Hides where it is kept: in memory, not in a file. The memory has a descriptor that the
//! command inherits, and a name for everything below it, `/proc/PID/fd/N` (proc(5)), which holds
//! for as long as the command has the descriptor. So nothing can be left behind, however the
//! command ends. It is sealed: nobody can change it afterwards.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::io::{Errno, FdFlags};

use super::{Error, Goal, Request, Scope, plan};
use crate::opensc::config::{Situation, Source};
use crate::opensc::install;
use crate::scconf::{ParseError, Why};
use crate::snapshot::{ConfigState, Installation, Name, User};

/// Where the descriptor goes, if there is room: shells and scripts use the low numbers for
/// their own, and would put another file in its place.
const FIRST: i32 = 500;

/// A configuration in memory, for the command that this process becomes.
#[derive(Debug)]
pub struct Private {
    descriptor: OwnedFd,
}

impl Private {
    /// Derives it from the configuration that OpenSC uses as this user.
    ///
    /// # Errors
    /// When OpenSC dies of that configuration, what it makes of it cannot be told, or it cannot
    /// be edited; nothing was started.
    pub fn derive(user: &User, installation: Option<&Installation>) -> Result<Self, Error> {
        let situation = Situation { user, installation, configs: &[] };
        let (path, text) = match situation.source() {
            Source::Environment(path) | Source::Compiled(path) => {
                let text = read(&path)?;
                (path, text)
            }
            Source::Unknown => (Name::from("opensc.conf"), None),
        };
        let new = switched_off(&path, text.as_deref(), &situation)?;
        let kept = in_memory(&new).and_then(|descriptor| {
            let private = Self { descriptor };
            // Without /proc, OpenSC would go on with its defaults and say nothing.
            File::open(private.path())?;
            Ok(private)
        });
        kept.map_err(|error| Error::Private { what: "derive from", path, why: error.to_string() })
    }

    /// Its name, which this process and all below it can open.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.descriptor.as_raw_fd()).into()
    }
}

/// What OpenSC would read there; `None` if it would go on without a configuration.
fn read(path: &Name) -> Result<Option<Vec<u8>>, Error> {
    if path.0.is_empty() {
        return Ok(None);
    }
    let refused = |why: String| Error::Private { what: "read", path: path.clone(), why };
    match install::observe_config(path).state {
        ConfigState::Text(text) => Ok(Some(text.0)),
        ConfigState::Missing => Ok(None),
        // What this user may not open is no configuration for OpenSC either.
        ConfigState::Unreadable(why) => match std::fs::metadata(path.as_path()) {
            Err(_) => Ok(None),
            Ok(found) if !found.is_file() => Err(refused(why)),
            Ok(_) => match File::open(path.as_path()) {
                Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(None),
                _ => Err(refused(why)),
            },
        },
    }
}

/// The text with caching off. What OpenSC cannot parse it drops whole, and so it counts for nothing here.
fn switched_off(path: &Name, text: Option<&[u8]>, situation: &Situation<'_>) -> Result<Vec<u8>, Error> {
    let request = Request { path, goal: Goal::Off, scope: &Scope::All, installed: situation.version() };
    let planned = match plan(text, &request) {
        Err(Error::Unparsable { error: ParseError { why, .. }, .. }) if !matches!(why, Why::Undefined(_)) => {
            plan(None, &request)
        }
        planned => planned,
    };
    Ok(planned?.new)
}

/// An anonymous, sealed file that holds this text, with a descriptor that survives exec.
fn in_memory(text: &[u8]) -> std::io::Result<OwnedFd> {
    let memory = rustix::fs::memfd_create("opensc.conf", MemfdFlags::ALLOW_SEALING | MemfdFlags::CLOEXEC)?;
    let mut file = File::from(memory);
    file.write_all(text)?;
    rustix::fs::fcntl_add_seals(
        &file,
        SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL,
    )?;
    let descriptor = match rustix::io::fcntl_dupfd_cloexec(&file, FIRST) {
        // Fewer descriptors are allowed: any number then.
        Err(Errno::INVAL | Errno::MFILE) => file.into(),
        duplicate => duplicate?,
    };
    rustix::io::fcntl_setfd(&descriptor, FdFlags::empty())?;
    Ok(descriptor)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::collections::BTreeMap;

    use super::*;
    use crate::opensc::{Caching, Outcome, Program};
    use crate::snapshot::ConfigFile;

    fn derived(conf: &str) -> Result<String, Error> {
        let env = BTreeMap::from([("OPENSC_CONF".to_owned(), Name::from(conf))]);
        let user = User { uid: 0, name: None, env };
        let installation = Installation {
            library: "/usr/lib/libopensc.so.8".into(),
            version: Some("0.23.0".into()),
            config_path: Some("/etc/opensc.conf".into()),
        };
        let private = Private::derive(&user, Some(&installation))?;
        Ok(std::fs::read_to_string(private.path()).unwrap())
    }

    /// Off for both kinds of programs.
    fn is_off(text: &str) -> bool {
        let path = Name::from("/x");
        let env = BTreeMap::from([("OPENSC_CONF".to_owned(), path.clone()), ("HOME".to_owned(), "/".into())]);
        let user = User { uid: 0, name: None, env };
        let configs = [ConfigFile { path, state: ConfigState::Text(text.as_bytes().to_vec().into()) }];
        let situation = Situation { user: &user, installation: None, configs: &configs };
        [Program::pkcs15_tool(None), Program::pkcs11(None)].iter().all(|program| {
            matches!(situation.outcome(program, None), Outcome::Runs(effective) if effective.caching == Caching::No)
        })
    }

    #[test]
    fn everything_but_the_cache_stays() {
        let dir = tempfile::tempdir().unwrap();
        let conf = dir.path().join("opensc.conf");
        let text = "app default {\n\tdebug = 3;\n\tframework pkcs15 {\n\t\tuse_file_caching = yes;\n\t}\n}\n\
                    app opensc-pkcs11 {\n\tframework pkcs15 {\n\t\tuse_file_caching = public;\n\t}\n}\n";
        std::fs::write(&conf, text).unwrap();
        let derived = derived(conf.to_str().unwrap()).unwrap();
        assert_eq!(derived, text.replace("= yes", "= no").replace("= public", "= no"));
        assert!(is_off(&derived));
        assert_eq!(std::fs::read_to_string(&conf).unwrap(), text);
    }

    #[test]
    fn what_opensc_would_not_read_counts_for_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let broken = dir.path().join("broken");
        std::fs::write(&broken, "app default {\n\tframework pkcs15 {\n\t\tuse_file_caching = yes;\n")
            .unwrap();
        std::fs::write(dir.path().join("slashes"), "// no comment\napp default {\n}\n").unwrap();
        let inside = broken.join("inside");
        for conf in [dir.path(), &dir.path().join("slashes"), &dir.path().join("nothing"), &inside] {
            let text = derived(conf.to_str().unwrap()).unwrap();
            assert!(is_off(&text) && !text.contains("//"), "{}: {text}", conf.display());
        }
        assert!(is_off(&derived("").unwrap()));
    }

    #[test]
    fn what_cannot_be_derived_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let deadly = dir.path().join("deadly");
        std::fs::write(&deadly, "app default\n\n{\n}\n").unwrap();
        assert!(matches!(derived(deadly.to_str().unwrap()), Err(Error::Crashes(_))));
        let huge = dir.path().join("huge");
        std::fs::write(&huge, vec![b' '; 2 << 20]).unwrap();
        let error = derived(huge.to_str().unwrap()).unwrap_err().to_string();
        assert!(error.contains("larger than 1 MiB") && error.contains("nothing was started"), "{error}");
    }

    #[test]
    fn nobody_can_change_it() {
        let descriptor = in_memory(b"x").unwrap();
        assert!(descriptor.as_raw_fd() >= FIRST);
        assert!(File::from(descriptor).write_all(b"y").is_err());
    }
}
