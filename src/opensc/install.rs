//! Finds the installed OpenSC and looks at its configuration, without running anything.
//!
//! `libopensc.so.N` carries its version and its compiled configuration path as plain
//! strings. Of several libraries the one that `pkcs15-tool` needs comes first. A
//! library may carry other version numbers (zlib's is one): the one nearest to the
//! configuration path is OpenSC's, since both come from the same source file's strings.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{Version, program};
use crate::snapshot::{ConfigFile, ConfigState, Installation, Name};

/// Largest file that is read.
const LARGEST: u64 = 64 << 20;
/// Largest configuration that is looked at; OpenSC's own example has 50 kB.
const LARGEST_CONFIG: u64 = 1 << 20;
/// Libraries looked at, at most.
const MOST: usize = 16;
/// Where libraries are looked for besides the loader's cache.
const LIBRARY_DIRS: &[&str] =
    &["/usr/local/lib64", "/usr/local/lib", "/usr/lib64", "/usr/lib", "/lib64", "/lib"];
/// The dynamic loader's own list, which also knows folders of `/etc/ld.so.conf.d`.
const LOADER_CACHE: &str = "/etc/ld.so.cache";

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The libraries; the first is the one the tools load. Empty: no OpenSC here.
    pub installations: Vec<Installation>,
    /// Libraries that could not be read or understood, and why.
    pub problems: Vec<(PathBuf, String)>,
}

/// Looks for OpenSC where the dynamic loader would.
#[must_use]
pub fn find() -> Found {
    let mut candidates = loader_cache(Path::new(LOADER_CACHE));
    for dir in LIBRARY_DIRS {
        candidates.extend(libraries_below(Path::new(dir)));
    }
    let needed = program::find_tool("pkcs15-tool").and_then(|tool| needed_library(&tool));
    find_among(candidates, needed.as_deref())
}

/// Reads the candidates, those named `needed` first, each file once.
#[must_use]
pub fn find_among(mut candidates: Vec<PathBuf>, needed: Option<&str>) -> Found {
    let is_needed = |path: &PathBuf| path.file_name().is_some_and(|name| needed.is_some_and(|n| name == n));
    candidates.sort_by_key(|path| !is_needed(path));
    let mut found = Found::default();
    let mut seen: Vec<PathBuf> = Vec::new();
    for path in candidates {
        let Ok(real) = path.canonicalize() else { continue };
        if seen.contains(&real) || seen.len() >= MOST {
            continue;
        }
        seen.push(real.clone());
        match read_bounded(&real) {
            Ok(bytes) => {
                let (version, config_path) = identify(&bytes);
                if version.is_none() || config_path.is_none() {
                    found
                        .problems
                        .push((real.clone(), "its version or configuration path was not found".into()));
                }
                found.installations.push(Installation {
                    library: real.into(),
                    version: version.map(|version| version.to_string()),
                    config_path,
                });
            }
            Err(why) => found.problems.push((real, why)),
        }
    }
    found
}

/// Version and configuration path from the strings of a library.
#[must_use]
pub fn identify(bytes: &[u8]) -> (Option<Version>, Option<Name>) {
    let mut paths = Vec::new();
    let mut versions = Vec::new();
    let mut at = 0;
    for string in bytes.split(|b| *b == 0) {
        if is_config_path(string) {
            paths.push((at, string));
        } else if let Some(version) = as_version(string) {
            versions.push((at, version));
        }
        at += string.len() + 1;
    }
    let path = paths.first();
    let version = match path {
        Some((near, _)) => versions.iter().min_by_key(|(at, _)| at.abs_diff(*near)),
        // Every OpenSC so far is a 0.x; nothing else in it is.
        None => versions.iter().find(|(_, version)| version.major == 0),
    };
    (version.map(|(_, version)| *version), path.map(|(_, path)| Name(path.to_vec())))
}

/// `/etc/opensc/opensc.conf`, `/etc/opensc-i386.conf` and the like, as a whole string.
fn is_config_path(string: &[u8]) -> bool {
    let plain = |b: &u8| b.is_ascii_graphic();
    let file = string.rsplit(|b| *b == b'/').next().unwrap_or_default();
    string.first() == Some(&b'/')
        && string.len() <= 4096
        && string.iter().all(plain)
        && file.starts_with(b"opensc")
        && file.ends_with(b".conf")
}

fn as_version(string: &[u8]) -> Option<Version> {
    if !(5..=40).contains(&string.len()) || !string.first().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let text = std::str::from_utf8(string).ok()?;
    if text.contains(' ') { None } else { text.parse().ok() }
}

/// The paths of `libopensc.so.N` in the loader's cache: every NUL-terminated string of it is a
/// library's name or path, so the format of its tables does not matter.
fn loader_cache(cache: &Path) -> Vec<PathBuf> {
    let bytes = read_bounded(cache).unwrap_or_default();
    let paths = bytes.split(|b| *b == 0).filter(|s| s.first() == Some(&b'/'));
    paths.map(|path| Name(path.to_vec()).as_path().to_path_buf()).filter(|path| is_library(path)).collect()
}

/// `libopensc.so.N` in a folder and in its folders for processor architectures.
fn libraries_below(dir: &Path) -> Vec<PathBuf> {
    let entries = |dir: &Path| -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        paths
    };
    let here = entries(dir);
    let triplets = here.iter().filter(|path| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.contains("-linux-"))
    });
    let below: Vec<PathBuf> = triplets.flat_map(|path| entries(path)).collect();
    here.into_iter().chain(below).filter(|path| is_library(path)).collect()
}

fn is_library(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.strip_prefix("libopensc.so.").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// The library an executable asks for, from its strings.
fn needed_library(executable: &Path) -> Option<String> {
    let bytes = read_bounded(executable).ok()?;
    let name = bytes.split(|b| *b == 0).find(|s| s.len() < 40 && s.starts_with(b"libopensc.so."))?;
    String::from_utf8(name.to_vec()).ok()
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, String> {
    let metadata = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("not a regular file".into());
    }
    if metadata.len() > LARGEST {
        return Err("larger than 64 MiB".into());
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(LARGEST).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// Looks at a configuration file, as OpenSC would open it. Never waits for a FIFO and
/// never reads more than a configuration can be.
#[must_use]
pub fn observe_config(path: &Name) -> ConfigFile {
    let state = match read_config(path.as_path()) {
        Ok(state) => state,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => ConfigState::Missing,
        Err(error) => ConfigState::Unreadable(error.to_string()),
    };
    ConfigFile { path: path.clone(), state }
}

fn read_config(path: &Path) -> std::io::Result<ConfigState> {
    let metadata = std::fs::metadata(path)?;
    // A directory opens and reads as nothing; so does the null device.
    if metadata.is_dir() || path == Path::new("/dev/null") {
        return Ok(ConfigState::Text(Vec::new().into()));
    }
    if !metadata.is_file() {
        return Ok(ConfigState::Unreadable("not a regular file".into()));
    }
    let mut text = Vec::new();
    File::open(path)?.take(LARGEST_CONFIG + 1).read_to_end(&mut text)?;
    if text.len() as u64 > LARGEST_CONFIG {
        return Ok(ConfigState::Unreadable("larger than 1 MiB".into()));
    }
    Ok(ConfigState::Text(text.into()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn blob(strings: &[&str]) -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
        for string in strings {
            bytes.push(0);
            bytes.extend_from_slice(string.as_bytes());
        }
        bytes.push(0);
        bytes
    }

    #[test]
    fn the_version_near_the_path_is_opensc_s() {
        let (version, path) = identify(&blob(&[
            "1.3.132.0.33",
            "0.26.1",
            "called",
            "/etc/opensc/opensc.conf",
            "Oberthur 64k v4/2.1.1",
            "some text between the two, as there always is",
            "1.3.1",
        ]));
        assert_eq!(version, Some(Version { major: 0, minor: 26, patch: 1 }));
        assert_eq!(path, Some("/etc/opensc/opensc.conf".into()));
    }

    #[test]
    fn what_is_missing_stays_unknown() {
        assert_eq!(identify(&blob(&["1.2.13", "no /etc/opensc.conf here"])), (None, None));
        assert_eq!(identify(&blob(&["1.2.13", "0.22.0"])), (Some(Version::of(22)), None));
        assert_eq!(identify(&blob(&["/etc/opensc-i386.conf"])), (None, Some("/etc/opensc-i386.conf".into())));
        assert_eq!(identify(b""), (None, None));
    }

    #[test]
    fn the_needed_library_comes_first_and_each_file_once() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("libopensc.so.12.0.2"), blob(&["0.26.1", "/etc/opensc.conf"])).unwrap();
        std::fs::write(at("libopensc.so.8"), blob(&["0.23.0", "/etc/opensc/opensc.conf"])).unwrap();
        std::fs::write(at("libopensc.so.9"), blob(&["nothing"])).unwrap();
        std::fs::create_dir(at("libopensc.so.10")).unwrap();
        std::os::unix::fs::symlink("libopensc.so.12.0.2", at("libopensc.so.12")).unwrap();
        std::os::unix::fs::symlink("nowhere", at("libopensc.so.11")).unwrap();
        let candidates = libraries_below(dir.path());
        assert_eq!(candidates.len(), 6);
        let found = find_among(candidates, Some("libopensc.so.12"));
        let versions: Vec<_> = found.installations.iter().map(|i| i.version.as_deref()).collect();
        assert_eq!(versions, [Some("0.26.1"), Some("0.23.0"), None]);
        assert_eq!(found.problems.len(), 2);
        assert_eq!(find_among(Vec::new(), None), Found::default());
    }

    #[test]
    fn the_installed_library_is_understood() {
        let found = find();
        let first = found.installations.first().unwrap();
        assert!(first.version.as_deref().unwrap().parse::<Version>().unwrap() >= Version::of(19));
        assert!(first.config_path.as_ref().unwrap().as_path().ends_with("opensc.conf"));
        assert_eq!(found.problems, []);
    }
}
