//! The configuration of one command: the effective one, with caching off for every program.
//!
//! Hides where it is kept: as a file in a directory of its own, with a random name, in memory if there is
//! `/dev/shm`. Not in anonymous memory behind `/proc/PID/fd/N`: that name can be opened only by whom the kernel
//! lets look into the process (ptrace(2)), so a program of another user, with another group, or one that
//! cannot be dumped would find nothing, and OpenSC would go on with its defaults and say nothing. Everybody may
//! read the file who may read the configuration that it was made from, and only its owner can change it.
//! It goes when the process that was given it ends, however that ends: a process beside it, which nobody waits
//! for, sees to that (`keeper`).

use std::fs::{File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::keeper::{remove, shared_directory, start_keeper};
use super::{Error, Goal, Refusal, Request, Scope, plan};
use crate::opensc::config::{Situation, Source};
use crate::opensc::install;
use crate::scconf::{ParseError, Why};
use crate::snapshot::{ByteString, ConfigState, Installation, User};

/// What it is called there.
const FILE: &str = "opensc.conf";

/// A configuration for the command that this process becomes.
#[derive(Debug)]
pub struct Private {
    directory: PathBuf,
    /// Who cannot read the configuration that it was made from.
    hidden: Option<ByteString>,
}

impl Private {
    /// Derives it from the configuration that OpenSC uses as this user. It ends with this process.
    ///
    /// # Errors
    /// When OpenSC dies of that configuration, what it makes of it cannot be told, or it cannot
    /// be edited; nothing was started.
    pub fn derive(user: &User, installation: Option<&Installation>) -> Result<Self, Error> {
        let (path, text, mode) = derived(user, installation)?;
        let failed = |why: std::io::Error| Error::Private {
            what: "derive from",
            path: path.clone(),
            why: why.to_string(),
        };
        let directory = shared_directory(start_keeper).map_err(failed)?;
        let private = Self { directory, hidden: (mode & 0o004 == 0).then(|| path.clone()) };
        write(&private.path(), &text, mode).map_err(|why| {
            remove(&private.directory);
            failed(why)
        })?;
        Ok(private)
    }

    /// Its name, which every program below this process can open.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.directory.join(FILE)
    }

    /// The configuration that it was made from, if not everybody can read that, and so not this one.
    #[must_use]
    pub const fn hidden(&self) -> Option<&ByteString> {
        self.hidden.as_ref()
    }
}

/// The configuration that OpenSC uses, its text with caching off, and who may read it.
fn derived(user: &User, installation: Option<&Installation>) -> Result<(ByteString, Vec<u8>, u32), Error> {
    let situation = Situation { user, installation, configs: &[] };
    let (path, text) = match situation.source() {
        Source::Environment(path) | Source::Compiled(path) => {
            let text = read(&path)?;
            (path, text)
        }
        Source::Unknown => (ByteString::from("opensc.conf"), None),
    };
    // What was made of nothing holds nothing.
    let mode = match &text {
        Some(_) => std::fs::metadata(path.as_path()).map_or(0o400, |source| source.mode()),
        None => 0o444,
    };
    let new = switched_off(&path, text.as_deref(), &situation)?;
    Ok((path, new, mode))
}

fn write(path: &Path, text: &[u8], source: u32) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text)?;
    // The group of the source is not ours to give.
    let readers = if source & 0o004 == 0 { 0 } else { 0o044 };
    file.set_permissions(Permissions::from_mode(0o400 | readers))
}

/// What OpenSC would read there; `None` if it would go on without a configuration.
fn read(path: &ByteString) -> Result<Option<Vec<u8>>, Error> {
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
fn switched_off(path: &ByteString, text: Option<&[u8]>, situation: &Situation<'_>) -> Result<Vec<u8>, Error> {
    let request = Request { path, goal: Goal::Off, scope: &Scope::All, installed: situation.version() };
    let planned = match plan(text, &request) {
        Err(Refusal::Unparsable { error: ParseError { why, .. }, .. })
            if !matches!(why, Why::Undefined(_)) =>
        {
            plan(None, &request)
        }
        planned => planned,
    };
    Ok(planned.map_err(Error::NotDerived)?.new)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::collections::BTreeMap;

    use super::*;
    use crate::opensc::{Caching, Outcome, Program};
    use crate::snapshot::ConfigFile;

    fn derived(conf: &str) -> Result<String, Error> {
        let env = BTreeMap::from([("OPENSC_CONF".to_owned(), ByteString::from(conf))]);
        let user = User { uid: 0, name: None, env };
        let installation = Installation {
            library: "/usr/lib/libopensc.so.8".into(),
            version: Some("0.23.0".into()),
            config_path: Some("/etc/opensc.conf".into()),
        };
        let (_, text, _) = super::derived(&user, Some(&installation))?;
        Ok(String::from_utf8(text).unwrap())
    }

    /// Off for both kinds of programs.
    fn is_off(text: &str) -> bool {
        let path = ByteString::from("/x");
        let env = BTreeMap::from([("OPENSC_CONF".to_owned(), path.clone()), ("HOME".to_owned(), "/".into())]);
        let user = User { uid: 0, name: None, env };
        let configs = [ConfigFile::new(path, ConfigState::Text(text.as_bytes().to_vec().into()))];
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
        assert!(matches!(derived(deadly.to_str().unwrap()), Err(Error::NotDerived(Refusal::Crashes(_)))));
        let huge = dir.path().join("huge");
        std::fs::write(&huge, vec![b' '; 2 << 20]).unwrap();
        let error = derived(huge.to_str().unwrap()).unwrap_err().to_string();
        assert!(error.contains("larger than 1 MiB") && error.contains("nothing was started"), "{error}");
    }

    /// Neither more nor fewer than may read what it was made from.
    #[test]
    fn everybody_can_read_it_who_can_read_its_source() {
        let dir = shared_directory(|_| Ok(())).unwrap();
        assert_eq!(std::fs::metadata(&dir).unwrap().mode() & 0o7777, 0o755);
        for (source, mode) in [(0o644, 0o444), (0o600, 0o400), (0o640, 0o400), (0o444, 0o444)] {
            write(&dir.join(FILE), b"x", source).unwrap();
            assert_eq!(std::fs::metadata(dir.join(FILE)).unwrap().mode() & 0o7777, mode);
            std::fs::remove_file(dir.join(FILE)).unwrap();
        }
        remove(&dir);
        assert!(!dir.exists());
    }
}
