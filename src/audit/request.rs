//! What is to be audited, and with which keys.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::observe::Progress;

/// What is to be audited.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Files and folders; `-` is standard input.
    pub paths: &'a [PathBuf],
    /// More public keys: files, or points in hex.
    pub public_keys: &'a [String],
    /// Baselines, whose keys may have made something: a file, or a directory.
    pub against: Option<&'a Path>,
    /// Judge only files that were changed since; all of them make keys known.
    pub since: Option<SystemTime>,
    /// What the time is, Unix seconds: what has run out is in nobody's place.
    pub now: i64,
    /// Do not enter other file systems.
    pub one_file_system: bool,
    /// Follow symbolic links.
    pub follow: bool,
    /// Who is told that it takes long.
    pub progress: Progress,
}
