//! Baselines in files: those that a token is held against, and those that are written of what it holds.
//!
//! They are not searched for: a token's has one name. One is written of a whole token or not at all. A snapshot tells what its
//! tokens held as well.

use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use time::OffsetDateTime;

use super::files::{keep, metadata, read_text};
use super::snapshot_file::{LARGEST_SNAPSHOT, parse_snapshot};
use crate::baseline::{Baseline, Known};
use crate::case::contents::contents;
use crate::case::tokens::Tokens;
use crate::error::Error;
use crate::host::in_folder;
use crate::judge::tokens;
use crate::snapshot::{ByteString, GapKind, Snapshot};

/// The largest baseline.
const LARGEST_BASELINE: u64 = 4 << 20;

/// The baselines of these tokens: the one in a file, or in a directory the files that are named after
/// them. That a token has none is no failure.
///
/// # Errors
/// [`Error::Io`], or [`Error::NotABaseline`].
pub fn baselines(path: &Path, serials: &[String]) -> Result<Known, Error> {
    let failed = |path: &Path, source| Error::Io { what: "cannot read", path: path.to_owned(), source };
    let single = !metadata(path, true).map_err(|error| failed(path, error))?.is_dir();
    let paths: Vec<PathBuf> = if single {
        vec![path.to_owned()]
    } else {
        serials.iter().filter_map(|serial| Baseline::file_name(serial)).map(|name| path.join(name)).collect()
    };
    let mut baselines = Vec::new();
    for path in paths {
        match metadata(&path, false) {
            Err(error) if error.kind() == ErrorKind::NotFound && !single => continue,
            Err(error) => return Err(failed(&path, error)),
            // A pipe in a directory would be waited at for ever.
            Ok(meta) if !single && !meta.is_file() => {
                let why = "it is not a regular file".to_owned();
                return Err(Error::NotABaseline { path, why });
            }
            Ok(_) => {}
        }
        let not_one = |why| Error::NotABaseline { path: path.clone(), why };
        let text = read_text(&path, if single { LARGEST_SNAPSHOT } else { LARGEST_BASELINE });
        let text = text.and_then(|text| text.map_err(not_one))?;
        if single && text.starts_with('{') {
            let snapshot = parse_snapshot(&text);
            let snapshot = snapshot.map_err(|why| Error::NotASnapshot { path: path.clone(), why })?;
            baselines = of_snapshot(&snapshot).map_err(not_one)?;
            continue;
        }
        if u64::try_from(text.len()).is_ok_and(|length| length > LARGEST_BASELINE) {
            return Err(not_one("it is too large".to_owned()));
        }
        let baseline = Baseline::parse(&text).map_err(not_one)?;
        baselines.push(Baseline { written_at: modified(&path), ..baseline });
    }
    Ok(Known { place: ByteString::from(path).to_string(), single, baselines, left: None })
}

/// All of them: the one in a file, or in a directory those in all files that end like one; of more than so many the first,
/// and that these are not all.
///
/// # Errors
/// As [`baselines`].
pub fn all_baselines(path: &Path) -> Result<Known, Error> {
    /// No directory of baselines has more files.
    const MOST: usize = 10_000;
    let failed = |source| Error::Io { what: "cannot read", path: path.to_owned(), source };
    if !metadata(path, true).map_err(failed)?.is_dir() {
        return baselines(path, &[]);
    }
    let (files, left) = in_folder(path, MOST);
    let names = files.iter().filter_map(|file| file.file_name()?.to_str());
    let serials: Vec<String> =
        names.filter_map(|name| Some(name.strip_suffix(".toml")?.to_owned())).collect();
    Ok(Known { left, ..baselines(path, &serials)? })
}

/// What the tokens of a snapshot held then.
fn of_snapshot(snapshot: &Snapshot) -> Result<Vec<Baseline>, String> {
    let tokens = tokens(snapshot);
    let mut all = Vec::new();
    for (held, _) in contents(&tokens) {
        if let Some(why) = held.unknown.first() {
            return Err(format!("of token {} it does not hold all: {why}", held.now.serial));
        }
        all.push(Baseline { written_at: Some(snapshot.taken_at), ..held.now });
    }
    Ok(all)
}

/// When a file was written last.
fn modified(path: &Path) -> Option<OffsetDateTime> {
    metadata(path, true).ok()?.modified().ok().map(OffsetDateTime::from)
}

/// A baseline in its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "WrittenBaseline"))]
pub struct Written {
    /// The file.
    pub file: ByteString,
    /// The serial number of the token.
    pub token: String,
    /// Whether the file was not like that before.
    pub changed: bool,
}

/// What each token holds, all of it.
///
/// # Errors
/// [`Error::NoBaseline`] if a token was not read as a whole.
pub fn baselines_of(tokens: &Tokens<'_>) -> Result<Vec<Baseline>, Error> {
    if let Some(gap) = tokens.snapshot.coverage.iter().find(|gap| gap.asked_for && gap.kind == GapKind::Card)
    {
        return Err(Error::NoBaseline(format!("{}: {}", gap.what, gap.why)));
    }
    let mut all = Vec::new();
    for (held, _) in contents(tokens) {
        if let Some(why) = held.unknown.first() {
            return Err(Error::NoBaseline(format!("token {}, {why}", held.now.serial)));
        }
        all.push(held.now);
    }
    Ok(all)
}

/// The one of them; `None` if there is none.
///
/// # Errors
/// [`Error::Usage`] if there are several.
pub fn the_baseline(all: &[Baseline]) -> Result<Option<&Baseline>, Error> {
    if all.len() > 1 {
        let serials: Vec<&str> = all.iter().map(|one| one.serial.as_str()).collect();
        return Err(Error::Usage(format!(
            "there are {} tokens ({}): name one with --serial, or give a directory with --output",
            all.len(),
            serials.join(", ")
        )));
    }
    Ok(all.first())
}

/// Writes baselines where they are not written yet: each after its token in a directory, or the one to a file.
///
/// # Errors
/// [`Error::Io`], or [`Error::Usage`] if it is not clear what is to be called how.
pub fn keep_baselines(all: &[Baseline], path: &Path) -> Result<Vec<Written>, Error> {
    if path.as_os_str().as_bytes().ends_with(b"/") && !path.exists() {
        // It is a folder that is meant, and nobody has made it yet.
        std::fs::create_dir(path).map_err(|source| Error::Io {
            what: "cannot make the folder",
            path: path.into(),
            source,
        })?;
    }
    let into_directory = path.is_dir();
    if !into_directory {
        the_baseline(all)?;
    }
    let mut written = Vec::new();
    for one in all {
        let file = if into_directory {
            let why =
                format!("the serial number {} makes no file name: name the file with --output", one.serial);
            path.join(Baseline::file_name(&one.serial).ok_or(Error::Usage(why))?)
        } else {
            path.to_owned()
        };
        let changed = keep(&file, &one.text().map_err(Error::unwritable("the baseline"))?)?;
        written.push(Written { file: ByteString::from(file.as_path()), token: one.serial.clone(), changed });
    }
    Ok(written)
}
