//! Whether p11-kit gives OpenSC's module to a program that names none (pkcs11.conf(5)).
//!
//! A file `NAME.module` registers a module; the user's file of the same name adds to that of the host and wins, unless
//! `user-config` says otherwise. `enable-in` keeps a module to the programs it names, and `disable-in` away from them; of
//! both the first counts. Pure.

use std::ops::Range;

use super::program::PKCS11_FILE;
use crate::format::p11_kit::{Line, lines, words};
use crate::snapshot::{ByteString, ConfigFile, ConfigState, P11Kit};

/// What registers OpenSC's module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registered {
    /// The file that names the module.
    pub file: ByteString,
    /// The setting that keeps it away from programs, if there is one.
    pub only: Option<Only>,
}

/// A setting that keeps a module away from programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Only {
    /// It names those that get the module (`enable-in`), not those that do not (`disable-in`).
    pub enables: bool,
    /// The programs it names, escaped.
    pub programs: Vec<String>,
    /// Its file.
    pub file: ByteString,
    /// Where its value stands there.
    pub range: Range<usize>,
}

/// What registers OpenSC's modules; none if that cannot be told, because a file could not be read.
#[must_use]
pub fn registered(known: &P11Kit) -> Option<Vec<Registered>> {
    let is_read = |file: &ConfigFile| !matches!(file.state, ConfigState::Unreadable(_));
    if !known.system.iter().chain(&known.user).all(is_read) {
        return None;
    }
    // The user's own says it for itself, unless the host keeps it out.
    let mode = mode_in(&known.system);
    let mode = if mode == Some(b"none") { mode } else { mode_in(&known.user).or(mode) };
    let (system, user): (&[ConfigFile], &[ConfigFile]) = match mode {
        Some(b"none") => (&known.system, &[]),
        Some(b"only") => (&[], &known.user),
        _ => (&known.system, &known.user),
    };
    let is_module = |file: &&ConfigFile| file_name(file).ends_with(b".module");
    let mut found = Vec::new();
    let mut seen: Vec<&[u8]> = Vec::new();
    for file in user.iter().chain(system).filter(is_module) {
        let name = file_name(file);
        if seen.contains(&name) {
            continue;
        }
        seen.push(name);
        let same = || user.iter().chain(system).filter(|other| file_name(other) == name);
        let files: Vec<&ConfigFile> = if mode == Some(b"override") { vec![file] } else { same().collect() };
        found.extend(of_files(&files));
    }
    Some(found)
}

/// What the configuration among these files says of the user's own.
fn mode_in(files: &[ConfigFile]) -> Option<&[u8]> {
    let configuration = files.iter().filter(|file| file_name(file) == b"pkcs11.conf");
    configuration.flat_map(settings).find(|line| line.key == b"user-config").map(|line| line.value)
}

/// What files of one name register together; the first that has a setting counts.
fn of_files(files: &[&ConfigFile]) -> Option<Registered> {
    let first = |key: &[u8]| {
        files.iter().find_map(|file| Some((*file, settings(file).into_iter().find(|line| line.key == key)?)))
    };
    let (file, _) = [b"module".as_slice(), b"remote"].into_iter().find_map(first).filter(|(_, line)| {
        let module = |name: &[u8]| memchr::memmem::find(line.value, name).is_some();
        module(PKCS11_FILE.as_bytes())
    })?;
    let only = |key: &[u8], enables| {
        let (file, line) = first(key)?;
        let programs = words(line.value).map(crate::text::escape).collect();
        Some(Only { enables, programs, file: file.path.clone(), range: line.range })
    };
    let only = only(b"enable-in", true).or_else(|| only(b"disable-in", false));
    Some(Registered { file: file.path.clone(), only })
}

fn settings(file: &ConfigFile) -> Vec<Line<'_>> {
    match &file.state {
        ConfigState::Text(text) => lines(text.as_slice()),
        ConfigState::Missing | ConfigState::Unreadable(_) => Vec::new(),
    }
}

fn file_name(file: &ConfigFile) -> &[u8] {
    file.path.0.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;

    fn file(path: &str, text: &str) -> ConfigFile {
        let state = ConfigState::Text(crate::snapshot::Bytes(text.as_bytes().to_vec()));
        ConfigFile::new(ByteString::from(path), state)
    }

    #[test]
    fn the_users_file_adds_to_that_of_the_host_unless_the_host_says_otherwise() {
        let host = file("/usr/share/p11-kit/modules/opensc.module", "module: opensc-pkcs11.so\n");
        let own = file("/home/u/.config/pkcs11/modules/opensc.module", "disable-in: firefox\n");
        let all = |mode: &str| P11Kit {
            system: vec![file("/etc/pkcs11/pkcs11.conf", mode), host.clone()],
            user: vec![own.clone()],
        };
        let merged = registered(&all("")).unwrap();
        let only = merged[0].only.as_ref().unwrap();
        assert_eq!((only.enables, only.programs.as_slice()), (false, ["firefox".to_owned()].as_slice()));
        assert_eq!(registered(&all("user-config: none")).unwrap()[0].only, None);
        assert_eq!(registered(&all("user-config: only")).unwrap(), []);
        assert_eq!(registered(&all("user-config: override")).unwrap(), []);
        // So does the user's own, unless it is kept out.
        let by_user = |mode: &str| {
            let mut all = all(mode);
            all.user.push(file("/home/u/.config/pkcs11/pkcs11.conf", "user-config: only"));
            registered(&all).unwrap()
        };
        assert_eq!(by_user(""), []);
        assert_eq!(by_user("user-config: none").len(), 1);
    }
}
