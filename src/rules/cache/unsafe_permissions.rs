//! `unsafe-permissions`: other users can write to a cache, or read it
//!
//! OpenSC makes its cache directory with mode 0700, and relies on that alone: it
//! believes every file in it, and makes the files themselves readable for all. If
//! others can write there, they decide which keys and certificates your programs
//! show. If they can read, they learn which cards, keys and certificates you have,
//! and with `use_file_caching = yes` also data that the card gives only after the
//! PIN. OpenSC never looks at the mode of a directory that exists.
//!
//! A directory that a configuration names for all users (`file_cache_dir`) is
//! always like this: give each user an own one, by removing the setting.
//!
//! Cure: `chmod 700` the directory, then `stalecard flush --all`, because what
//! lies there may have been planted.

use crate::case::cache::CacheCase;
use crate::finding::{Deed, Finding, Id, Remedy};
use crate::snapshot::{CacheEntry, DirState, FileKind};

/// Applies the rule to one cache directory.
pub fn apply(case: &CacheCase<'_>, sink: &mut Vec<Finding>) {
    let DirState::Present(inode) = &case.dir.state else { return };
    let mode = inode.mode;
    // Without the right to pass, the modes of the files in it mean nothing.
    let open: Vec<&CacheEntry> = if mode & 0o011 == 0 {
        Vec::new()
    } else {
        let writable = |entry: &&CacheEntry| entry.kind == FileKind::File && entry.inode.mode & 0o022 != 0;
        case.dir.entries.iter().filter(writable).collect()
    };
    let texts = if mode & 0o022 != 0 {
        (
            format!("Other users can write to {} (mode {mode:04o}).", case.dir.path),
            "They can make OpenSC show any key and any certificate.".to_owned(),
        )
    } else if !open.is_empty() {
        (
            format!("Other users can write to entries in {}.", case.dir.path),
            "They can make OpenSC show any key and any certificate.".to_owned(),
        )
    } else if mode & 0o055 != 0 {
        (
            format!("Other users can look into {} (mode {mode:04o}).", case.dir.path),
            "They learn which cards, keys and certificates are used here.".to_owned(),
        )
    } else {
        return;
    };
    let deed = Deed::CloseToOthers(case.dir.path.to_string());
    let fix = Remedy::new("take the rights of all others away", deed);
    sink.push(case.finding(Id::UnsafePermissions, texts, &open, fix));
}
