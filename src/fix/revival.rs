//! The question before caching is switched on, whichever command does it: `config enable-cache`, or
//! `undo` of an edit that had switched it off; and before entries come back to where caching is on.

use std::collections::BTreeSet;
use std::path::Path;

use crate::error::Error;
use crate::fix::revived::{SwitchedOn, read_today, returned, revived, switched_on, taken_away, with_text};
use crate::observe::{
    Asking, Cards, Kept, ObserveOptions, Progress, as_seen_by, observe, observe_more_caches, with_returning,
};
use crate::opensc::config::Source;
use crate::patience::answered;
use crate::repair::Returning;
use crate::repair::config::Revived;
use crate::snapshot::{ByteString, DirState, Snapshot};

/// What is said wherever caching is switched on.
const ONLY_YOURS: &str =
    "Only your own caches were looked at; other users of this host may have stale entries too.";

/// What a text switches on.
#[derive(Debug, Default)]
pub struct Revival {
    /// The entries that would be shown again.
    pub revived: Vec<Revived>,
    /// What could not be looked at.
    pub notes: Vec<String>,
}

/// What another text in the place of the file that OpenSC reads here would bring back to life, with the entries
/// that come back in the same stroke; `None` if it switches caching on for nobody. Without a `text` the
/// configuration stays, and only those entries are asked about that may not have been read when they were taken.
/// `snapshot` needs no cards: they are read if there is a reason to.
pub fn revival(
    snapshot: &Snapshot,
    text: Option<Option<&[u8]>>,
    entries: &[Returning],
    progress: Progress,
) -> Result<Option<Revival>, Error> {
    let changed =
        |snapshot: &Snapshot| text.map_or_else(|| snapshot.clone(), |text| with_text(snapshot, text));
    let after = changed(snapshot);
    let on = text.map_or_else(SwitchedOn::default, |_| switched_on(snapshot, &after));
    let read = read_today(&after);
    // What another user's programs read is looked at further down.
    let is_asked = |entry: &Returning| entry.was_unread && (entry.uid != after.user.uid || !read.is_empty());
    let returns = entries.iter().any(is_asked);
    if on.is_empty() && !returns {
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
    let untold = if text.is_some() { &on.untold } else { &read.untold };
    let mut notes: Vec<String> = untold.iter().map(note).collect();
    if text.is_some() {
        notes.push(ONLY_YOURS.to_owned());
    }
    let kept: Vec<Kept<'_>> = entries.iter().filter_map(kept).collect();
    let look = |here: &mut Snapshot| {
        observe_more_caches(here, on.directories());
        if !entries.is_empty() {
            observe_more_caches(here, read.directories());
            with_returning(here, &kept);
        }
    };
    let mut here = snapshot.clone();
    look(&mut here);
    for dir in here.caches.iter().filter(|dir| on.directories().any(|path| *path == dir.path)) {
        if let DirState::Unreadable(why) = &dir.state {
            notes.push(format!("Whether stale entries would come alive could not be looked at: {why}."));
        }
    }
    let mut lying = here.caches.iter().flat_map(|dir| on.entries(dir));
    if lying.next().is_none() && entries.is_empty() {
        return Ok(Some(Revival { revived: Vec::new(), notes }));
    }
    let mut here =
        observe(&ObserveOptions { cards: Cards::In(None), status: false, asking: Asking::Never, progress })?;
    look(&mut here);
    let after = changed(&here);
    let mut found = revived(&after, &on);
    let others: BTreeSet<u32> =
        entries.iter().map(|entry| entry.uid).filter(|uid| *uid != after.user.uid).collect();
    let real = |path: &ByteString| {
        let path = path.as_path().to_owned();
        answered(move |_| path.canonicalize()).ok().map(ByteString::from)
    };
    let theirs = as_seen_by(&after, &others).into_iter().map(|seen| {
        let read = read_today(&seen);
        let places = read.directories().map(|path| real(path).unwrap_or_else(|| path.clone())).collect();
        (seen.user.uid, (read.untold.is_empty(), places))
    });
    let theirs = theirs.collect();
    for one in returned(&after, &read, entries, !on.is_empty(), &theirs) {
        if !found.contains(&one) {
            found.push(one);
        }
    }
    Ok(Some(Revival { revived: found, notes }))
}

/// What another text in the place of the file that OpenSC reads here would take from programs: entries of which the
/// public key is, or may be, the right one, and the card's is not. Cards are read only if there are entries to ask about.
///
/// # Errors
/// When nothing could be observed.
pub fn taken(snapshot: &Snapshot, text: Option<&[u8]>, progress: Progress) -> Result<Vec<Revived>, Error> {
    let off = switched_on(&with_text(snapshot, text), snapshot);
    let mut here = snapshot.clone();
    observe_more_caches(&mut here, off.directories());
    if here.caches.iter().flat_map(|dir| off.entries(dir)).next().is_none() {
        return Ok(Vec::new());
    }
    let mut here =
        observe(&ObserveOptions { cards: Cards::In(None), status: false, asking: Asking::Never, progress })?;
    observe_more_caches(&mut here, off.directories());
    Ok(taken_away(&here, &off))
}

fn kept(entry: &Returning) -> Option<Kept<'_>> {
    let (place, kept) = entry.kept.as_ref()?;
    Some(Kept { directory: &entry.directory, name: &entry.name, kept: (place, kept) })
}

/// Whether OpenSC reads this file here, under whatever name.
pub fn is_read_here(file: &Path, source: &Source) -> bool {
    let (Source::Environment(read) | Source::Compiled(read)) = source else { return false };
    let real = |path: &Path| {
        let path = path.to_owned();
        answered(move |_| path.canonicalize()).ok()
    };
    read.as_path() == file || real(read.as_path()).is_some_and(|read| Some(read) == real(file))
}
