//! Files that a person names: folders of snapshots, and what is written for others to read.
//!
//! No pipe is waited at, no link below a named folder is
//! followed. What lies in cache directories is somebody else's and is read through handles (`safe_fs`), not by path.

use std::ffi::OsString;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::error::Error;
use crate::patience::{SILENCE, answered, undisturbed, within};
use crate::safe_fs::read_named;

/// What a path leads to, or, if it is not to be followed, what it is.
pub(super) fn metadata(path: &Path, follow: bool) -> std::io::Result<std::fs::Metadata> {
    let path = path.to_owned();
    answered(move |_| if follow { std::fs::metadata(&path) } else { std::fs::symlink_metadata(&path) })
}

/// The snapshots that were named.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SnapshotFiles {
    /// Their files.
    pub files: Vec<PathBuf>,
    /// What is called like one below a folder, and is no regular file: links, pipes and the like.
    pub passed_over: Vec<PathBuf>,
}

/// The snapshots that are named: files as they are, in place of a folder the files below it that are called
/// `*.json`, in the order of their names. A folder that cannot be read or holds none stands for itself, so
/// that whoever loads it is told.
#[must_use]
pub fn snapshot_files(named: &[PathBuf]) -> SnapshotFiles {
    let paths = named.to_vec();
    within(SILENCE, move |pulse| {
        let mut found = SnapshotFiles::default();
        for path in &paths {
            look_below(path, &mut found, &|| pulse.beat());
        }
        found
    })
    // Whoever opens them is told why not.
    .unwrap_or_else(|_| SnapshotFiles { files: named.to_vec(), passed_over: Vec::new() })
}

fn look_below(path: &Path, found: &mut SnapshotFiles, beat: &dyn Fn()) {
    let SnapshotFiles { files, passed_over } = found;
    let is_called_so = |path: &Path| path.extension() == Some("json".as_ref());
    let before = files.len();
    if path.is_dir() {
        for entry in WalkDir::new(path).follow_links(false).sort_by_file_name() {
            beat();
            match entry {
                Ok(entry) if !is_called_so(entry.path()) || entry.file_type().is_dir() => {}
                Ok(entry) if entry.file_type().is_file() => files.push(entry.into_path()),
                Ok(entry) => passed_over.push(entry.into_path()),
                Err(error) => files.extend(error.path().map(Path::to_owned)),
            }
        }
    }
    if files.len() == before {
        files.push(path.to_owned());
    }
}

/// The text of a file that a person has named, or why it is none.
pub(super) fn read_text(path: &Path, largest: u64) -> Result<Result<String, String>, Error> {
    let failed = |source| Error::Io { what: "cannot read", path: path.to_owned(), source };
    Ok(match read_named(path, largest) {
        Err(error) if error.kind() == ErrorKind::FileTooLarge => Err("it is too large".to_owned()),
        Err(error) => return Err(failed(error)),
        Ok(bytes) => String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned()),
    })
}

/// The text that comes from standard input, which is waited for as long as it takes; or why it is none.
pub(super) fn read_stdin(largest: u64) -> Result<Result<String, String>, Error> {
    let mut bytes = Vec::new();
    let _undisturbed = undisturbed();
    let read = std::io::stdin().lock().take(largest + 1).read_to_end(&mut bytes);
    read.map_err(|source| Error::Io { what: "cannot read", path: "standard input".into(), source })?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > largest) {
        return Ok(Err("it is too large".to_owned()));
    }
    Ok(String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned()))
}

/// Makes a file hold this text (mode 0644), and tells whether it did not yet.
///
/// # Errors
/// [`Error::Io`].
pub fn keep(path: &Path, text: &str) -> Result<bool, Error> {
    let size = text.len() as u64;
    // Nothing but a regular file is opened.
    let may_hold = metadata(path, false).is_ok_and(|meta| meta.is_file() && meta.len() == size);
    if may_hold && matches!(read_text(path, size), Ok(Ok(old)) if old == text) {
        return Ok(false);
    }
    write_whole(path, text.as_bytes(), 0o644).map(|()| true)
}

/// Writes a file with this mode, whole or not at all.
///
/// # Errors
/// [`Error::Io`].
pub fn write_whole(path: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
    let (place, content) = (path.to_owned(), content.to_vec());
    answered(move |_| write_beside(&place, &content, mode)).map_err(|source| Error::Io {
        what: "cannot write",
        path: path.to_owned(),
        source,
    })
}

/// Writes beside the target under a name nobody else uses, then renames.
fn write_beside(path: &Path, content: &[u8], mode: u32) -> std::io::Result<()> {
    let name = path.file_name().ok_or(ErrorKind::IsADirectory)?;
    // A rename would put a file in the place of a device, and root may do that to /dev/null.
    if std::fs::symlink_metadata(path).is_ok_and(|meta| !meta.is_file()) {
        let why = "it is there and not a regular file; without --output it goes to standard output";
        return Err(std::io::Error::new(ErrorKind::AlreadyExists, why));
    }
    let mut beside = OsString::from(".");
    beside.push(name);
    beside.push(format!(".{}", std::process::id()));
    let beside = path.with_file_name(beside);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    // Whatever the umask says.
    let allowed = file.set_permissions(std::fs::Permissions::from_mode(mode));
    let written = allowed.and_then(|()| file.write_all(content)).and_then(|()| file.sync_all());
    let placed = written.and_then(|()| std::fs::rename(&beside, path));
    if placed.is_err() {
        // What went wrong before is what the caller has to know.
        let _ = std::fs::remove_file(&beside);
    }
    placed
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_folder_stands_for_the_snapshots_below_it_and_nothing_else_there_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["b.json", "a/z.json", "a/y/x.json", "notes.txt", "a/json"] {
            std::fs::create_dir_all(at(name).parent().unwrap()).unwrap();
            std::fs::write(at(name), "{}").unwrap();
        }
        std::fs::create_dir(at("empty")).unwrap();
        std::fs::create_dir(at("folder.json")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe.json"), 0o600.into()).unwrap();
        std::os::unix::fs::symlink("b.json", at("link.json")).unwrap();
        std::os::unix::fs::symlink("..", at("a/up")).unwrap();
        let found = snapshot_files(&[folder.path().to_owned()]);
        assert_eq!(found.files, ["a/y/x.json", "a/z.json", "b.json"].map(at));
        // They are named, nevertheless.
        assert_eq!(found.passed_over, ["link.json", "pipe.json"].map(at));
        let named = ["notes.txt", "empty", "none"].map(at);
        assert_eq!(snapshot_files(&named).files, named);
        std::os::unix::fs::symlink("a", at("named")).unwrap();
        assert_eq!(snapshot_files(&[at("named")]).files, ["named/y/x.json", "named/z.json"].map(at));
    }
}
