//! `symlinked-cache`: a cache directory or an entry is a symbolic link
//!
//! OpenSC follows symbolic links, for reading and for writing: whoever placed the
//! link decides which file your programs believe, and which file they overwrite.
//! stalecard never follows one in a directory that others can change, and never
//! moves what lies behind one in a cache.
//!
//! Some people link their cache to a local disk because the home is on a server.
//! Set `XDG_CACHE_HOME` for that instead.
//!
//! Cure: look where it leads with `ls -l`, then remove the link.

use crate::case::cache::{CacheCase, few};
use crate::finding::{Finding, Id, Remedy};
use crate::snapshot::{CacheEntry, DirState, FileKind};
use crate::text::count;

/// Applies the rule to one cache directory.
pub fn apply(case: &CacheCase<'_>, sink: &mut Vec<Finding>) {
    if let DirState::Symlink(target) = &case.dir.state {
        let texts = (
            format!("The cache directory {} is a symbolic link to {target}.", case.dir.path),
            "Whoever can change that place decides what OpenSC shows.".to_owned(),
        );
        let what = format!("look where it leads with `ls -ld {}`, then remove it", case.path());
        sink.push(case.finding(Id::SymlinkedCache, texts, &[], Remedy::by_hand(what)));
    }
    let links: Vec<&CacheEntry> =
        case.dir.entries.iter().filter(|entry| entry.kind == FileKind::Symlink).collect();
    if links.is_empty() {
        return;
    }
    let texts = (
        format!(
            "{} holds {}, which OpenSC follows.",
            case.dir.path,
            count(links.len(), "symbolic link", "symbolic links")
        ),
        "OpenSC reads and overwrites the files that are at the other end.".to_owned(),
    );
    let what = format!("look where they lead with `ls -l {}`, then remove them", case.path());
    let (few, more) = few(&links);
    sink.push(case.finding(Id::SymlinkedCache, (texts.0 + &more, texts.1), few, Remedy::by_hand(what)));
}
