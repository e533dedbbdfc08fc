//! The question before caching is switched on, whichever command does it: `config enable-cache`, or
//! `undo` of an edit that had switched it off.

use std::path::Path;

use crate::error::Error;
use crate::observe::{Cards, Wish, observe, observe_more_caches};
use crate::opensc::config::Source;
use crate::repair::revived::{Revived, revived, switched_on, with_text};
use crate::snapshot::{DirState, Snapshot};

/// What is said wherever caching is switched on.
const ONLY_YOURS: &str =
    "Only your own caches were looked at; other users of this host may have stale entries too.";

/// What a text switches on.
pub struct Revival {
    /// The entries that would be shown again.
    pub revived: Vec<Revived>,
    /// What could not be looked at.
    pub notes: Vec<String>,
}

/// What another text in the place of the file that OpenSC reads here would bring back to life; `None` if
/// it switches caching on for nobody. `snapshot` needs no cards: they are read if there is a reason to.
pub fn revival(snapshot: &Snapshot, text: Option<&[u8]>) -> Result<Option<Revival>, Error> {
    let on = switched_on(snapshot, &with_text(snapshot, text));
    if on.is_empty() {
        return Ok(None);
    }
    let note = |(why, programs): (&String, &Vec<String>)| {
        let others = match programs.len() {
            0 | 1 => String::new(),
            2 => " and another program".to_owned(),
            more => format!(" and {} other programs", more - 1),
        };
        let who = programs.first().map(String::as_str).unwrap_or_default();
        format!("Whether stale entries would come alive was not looked at for {who}{others}: {why}.")
    };
    let mut notes: Vec<String> = on.untold.iter().map(note).collect();
    notes.push(ONLY_YOURS.to_owned());
    let mut here = snapshot.clone();
    observe_more_caches(&mut here, on.directories());
    for dir in here.caches.iter().filter(|dir| on.directories().any(|path| *path == dir.path)) {
        if let DirState::Unreadable(why) = &dir.state {
            notes.push(format!("Whether stale entries would come alive could not be looked at: {why}."));
        }
    }
    let mut entries = here.caches.iter().flat_map(|dir| on.entries(dir));
    if entries.next().is_none() {
        return Ok(Some(Revival { revived: Vec::new(), notes }));
    }
    let mut here = observe(&Wish { cards: Cards::In(None), status: false })?;
    observe_more_caches(&mut here, on.directories());
    Ok(Some(Revival { revived: revived(&with_text(&here, text), &on), notes }))
}

/// Whether OpenSC reads this file here, under whatever name.
pub fn is_read_here(file: &Path, source: &Source) -> bool {
    let (Source::Environment(read) | Source::Compiled(read)) = source else { return false };
    let real = |path: &Path| path.canonicalize().ok();
    read.as_path() == file || real(read.as_path()).is_some_and(|read| Some(read) == real(file))
}
