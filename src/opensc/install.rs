//! Finds the installed OpenSC and looks at its configuration, without running anything.
//!
//! `libopensc.so.N` carries its version and its compiled configuration path as plain
//! strings. Of several libraries the one that `pkcs15-tool` needs comes first.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::program::module_places;
use super::strings::Strings;
use crate::host::clock;
use crate::patience::{SILENCE, within};
use crate::snapshot::{ByteString, ConfigFile, ConfigState, Installation};
use time::OffsetDateTime;

/// Largest configuration that is looked at; OpenSC's own example has 50 kB.
const LARGEST_CONFIG: u64 = 1 << 20;
/// Seconds after which a file is no more in the moment in which it was written.
const SETTLED: i64 = 2;
/// Libraries looked at, at most.
const MOST: usize = 16;
/// Files of a folder that are looked at, at most.
const MOST_FILES: usize = 100_000;
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

/// Looks for OpenSC where the dynamic loader would. The library that `tool` asks for comes first: OpenSC's
/// own `pkcs15-tool`, if it is there.
#[must_use]
pub fn find(tool: Option<&Path>) -> Found {
    let mut candidates = loader_cache(Path::new(LOADER_CACHE));
    // A folder that the loader's cache knows one from was searched for it by ldconfig.
    let mut searched: Vec<Folder> = candidates.iter().filter_map(|path| folder(path.parent()?)).collect();
    for dir in LIBRARY_DIRS {
        candidates.extend(libraries_below(Path::new(dir), &mut searched));
    }
    let needed = tool.and_then(needed_library);
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
        match Strings::open(&real).and_then(|strings| strings.identify()) {
            Ok((version, config_path)) => {
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
            Err(error) => found.problems.push((real, error.to_string())),
        }
    }
    found
}

/// The paths of `libopensc.so.N` in the loader's cache: every NUL-terminated string of it is a
/// library's name or path, so the format of its tables does not matter.
fn loader_cache(cache: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    let look = &mut |_, string: &[u8]| {
        paths.push(ByteString(string.to_vec()).as_path().to_path_buf());
        true
    };
    // Without a cache, or what could be read of it: the folders are looked at all the same.
    let _ = Strings::open(cache).and_then(|cache| cache.each_with(b"/libopensc.so.", look));
    paths.retain(|path| path.is_absolute() && is_library(path));
    paths
}

/// `libopensc.so.N` in a folder and in its folders for processor architectures, as far as
/// these were not searched yet. Of what lies there no link is followed.
fn libraries_below(dir: &Path, searched: &mut Vec<Folder>) -> Vec<PathBuf> {
    let (mut found, triplets) = look_into(dir, searched);
    // Those of the folder itself first.
    for triplet in triplets {
        found.extend(look_into(&triplet, searched).0);
    }
    found
}

/// The libraries in a folder that was not searched yet, and its folders for processor architectures. No other folder in it
/// is opened: what is mounted there may never answer. Of thousands of other files nothing is asked.
fn look_into(dir: &Path, searched: &mut Vec<Folder>) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let (mut libraries, mut triplets): (Vec<PathBuf>, Vec<PathBuf>) = Default::default();
    let Some(new) = folder(dir).filter(|folder| !searched.contains(folder)) else {
        return (libraries, triplets);
    };
    searched.push(new);
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten().take(MOST_FILES) {
        let path = entry.path();
        if is_library(&path) {
            libraries.push(path);
        } else if is_triplet(&path) && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            triplets.push(path);
        }
    }
    libraries.sort();
    triplets.sort();
    (libraries, triplets)
}

/// Device and inode: the same for all names of a folder.
type Folder = (u64, u64);

fn folder(path: &Path) -> Option<Folder> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// A folder for one processor architecture, such as `x86_64-linux-gnu`.
fn is_triplet(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.contains("-linux-") && !name.contains(".so")
}

fn is_library(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.strip_prefix("libopensc.so.").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// The library an executable asks for, from its strings.
fn needed_library(executable: &Path) -> Option<String> {
    let whole = |string: &[u8]| {
        let wanted = string.len() < 40 && string.starts_with(b"libopensc.so.");
        if wanted { String::from_utf8(string.to_vec()).ok() } else { None }
    };
    let found = Strings::open(executable).and_then(|strings| strings.first_with(b"libopensc.so.", whole));
    found.ok()?.map(|(_, name)| name)
}

/// The PKCS#11 module that belongs to a library, if it is there.
#[must_use]
pub fn module(library: &ByteString) -> Option<ByteString> {
    let is_there =
        |place: &ByteString| std::fs::metadata(place.as_path()).is_ok_and(|module| module.is_file());
    module_places(library).into_iter().find(is_there)
}

/// Looks at a configuration file, as OpenSC would open it. Never waits for a FIFO and
/// never reads more than a configuration can be.
#[must_use]
pub fn observe_config(path: &ByteString) -> ConfigFile {
    let wanted = path.as_path().to_owned();
    let look = move |_: &_| (read_or_remember(&wanted), changed_at(&wanted));
    let (state, changed_at) = match within(SILENCE, look) {
        Ok((Ok(state), changed_at)) => (state, changed_at),
        Ok((Err(error), _)) if error.kind() == std::io::ErrorKind::NotFound => (ConfigState::Missing, None),
        Ok((Err(error), changed_at)) => (ConfigState::Unreadable(error.to_string()), changed_at),
        Err(overdue) => (ConfigState::Unreadable(overdue.to_string()), None),
    };
    ConfigFile { changed_at, ..ConfigFile::new(path.clone(), state) }
}

/// When a file came to be as it is: written, replaced, or made readable. No program can set that time.
fn changed_at(path: &Path) -> Option<OffsetDateTime> {
    let file = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    OffsetDateTime::from_unix_timestamp(file.ctime()).ok()
}

/// From now on a configuration that has not changed since it was read is not opened again: that would wake whoever waits
/// for a program that uses OpenSC. Two that watch would run each other for ever.
pub fn remember_configurations() {
    *remembered() = Some(BTreeMap::new());
}

/// What tells whether a file has changed: device, inode, size and times.
type Stamp = [i64; 6];

/// By path, what was read when the file was as which stamp says; none: nothing is remembered.
type Remembered = Option<BTreeMap<PathBuf, (Stamp, ConfigState)>>;

fn remembered() -> MutexGuard<'static, Remembered> {
    static REMEMBERED: Mutex<Remembered> = Mutex::new(None);
    REMEMBERED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The same, from memory if it has not changed.
fn read_or_remember(path: &Path) -> std::io::Result<ConfigState> {
    if remembered().is_none() {
        return read_config(path);
    }
    let file = std::fs::metadata(path)?;
    let number = |number: u64| i64::from_ne_bytes(number.to_ne_bytes());
    let stamp: Stamp = [
        number(file.dev()),
        number(file.ino()),
        number(file.size()),
        file.mtime(),
        file.ctime(),
        file.ctime_nsec(),
    ];
    if let Some((_, state)) =
        remembered().as_ref().and_then(|all| all.get(path)).filter(|(known, _)| *known == stamp)
    {
        return Ok(state.clone());
    }
    let state = read_config(path)?;
    // What was written in the same moment as it was read may be written once more in it.
    let is_settled = clock::now().unix_timestamp() - file.ctime() > SETTLED;
    if let Some(all) = remembered().as_mut().filter(|_| is_settled) {
        all.insert(path.to_owned(), (stamp, state.clone()));
    }
    Ok(state)
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
    use crate::opensc::Version;

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
    fn the_needed_library_comes_first_and_each_file_once() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("libopensc.so.12.0.2"), blob(&["0.26.1", "/etc/opensc.conf"])).unwrap();
        std::fs::write(at("libopensc.so.8"), blob(&["0.23.0", "/etc/opensc/opensc.conf"])).unwrap();
        std::fs::write(at("libopensc.so.9"), blob(&["nothing"])).unwrap();
        std::fs::create_dir(at("libopensc.so.10")).unwrap();
        std::os::unix::fs::symlink("libopensc.so.12.0.2", at("libopensc.so.12")).unwrap();
        std::os::unix::fs::symlink("nowhere", at("libopensc.so.11")).unwrap();
        std::fs::write(at("libopensc.so.10/libopensc.so.3"), b"").unwrap();
        let candidates = libraries_below(dir.path(), &mut Vec::new());
        assert_eq!(candidates.len(), 6);
        let found = find_among(candidates, Some("libopensc.so.12"));
        let versions: Vec<_> = found.installations.iter().map(|i| i.version.as_deref()).collect();
        assert_eq!(versions, [Some("0.26.1"), Some("0.23.0"), None]);
        assert_eq!(found.problems.len(), 2);
        assert_eq!(find_among(Vec::new(), None), Found::default());
    }

    #[test]
    fn folders_of_architectures_are_searched_once_and_no_others() {
        let dir = tempfile::tempdir().unwrap();
        let library = |folder: &str| {
            let folder = dir.path().join(folder);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("libopensc.so.8"), b"").unwrap();
        };
        for folder in
            ["", "aarch64-linux-gnu", "x86_64-linux-gnu", "x86_64-linux-gnu/opensc", "opensc", "elsewhere"]
        {
            library(folder);
        }
        std::os::unix::fs::symlink("elsewhere", dir.path().join("i386-linux-gnu")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, dir.path().join("s390x-linux-gnu"), 0o600.into()).unwrap();
        let mut searched = Vec::new();
        let found = libraries_below(dir.path(), &mut searched);
        let found: Vec<_> =
            found.iter().map(|path| path.strip_prefix(dir.path()).unwrap().to_str().unwrap()).collect();
        assert_eq!(
            found,
            ["libopensc.so.8", "aarch64-linux-gnu/libopensc.so.8", "x86_64-linux-gnu/libopensc.so.8"]
        );
        assert_eq!(libraries_below(dir.path(), &mut searched), Vec::<PathBuf>::new());
        let again = dir.path().join("x86_64-linux-gnu");
        assert_eq!(libraries_below(&again, &mut searched), Vec::<PathBuf>::new());
    }

    /// What is mounted in another folder may never answer.
    #[test]
    fn no_other_folder_is_opened() {
        use rustix::fs::inotify;
        let dir = tempfile::tempdir().unwrap();
        let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
        for folder in ["elsewhere", "opensc", "x86_64-linux-gnu"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        for folder in ["elsewhere", "opensc"] {
            inotify::add_watch(&watch, dir.path().join(folder), inotify::WatchFlags::OPEN).unwrap();
        }
        assert_eq!(libraries_below(dir.path(), &mut Vec::new()), Vec::<PathBuf>::new());
        let mut events = [0; 256];
        assert_eq!(rustix::io::read(&watch, &mut events), Err(rustix::io::Errno::AGAIN));
        std::fs::read_dir(dir.path().join("opensc")).unwrap();
        assert!(rustix::io::read(&watch, &mut events).is_ok(), "the watch notices it");
        assert_eq!(libraries_below(&dir.path().join("none"), &mut Vec::new()), Vec::<PathBuf>::new());
    }

    #[test]
    fn the_installed_library_is_understood() {
        let tools = crate::opensc::program::tools();
        let found = find(tools.get("pkcs15-tool").map(ByteString::as_path));
        let first = found.installations.first().unwrap();
        assert!(first.version.as_deref().unwrap().parse::<Version>().unwrap() >= Version::of(19));
        assert!(first.config_path.as_ref().unwrap().as_path().ends_with("opensc.conf"));
        assert_eq!(found.problems, []);
    }
}
