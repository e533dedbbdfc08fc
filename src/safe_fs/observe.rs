//! One cache directory as part of a snapshot.
//!
//! Hides how little of it may be kept in memory: which names may be read is the
//! caller's knowledge (the naming rules live in `opensc`), how much is bounded
//! here, per file and for the whole directory.

use std::path::Path;

use super::dir::{Dir, Opened};
use super::facts::Facts;
use super::{Error, kind_words};
use crate::snapshot::{
    ByteString, Bytes, CacheDir, CacheEntry, CacheOrigin, Content, DirState, EntryName, FileKind, Gap,
    GapKind, Inode, LARGEST_ENTRY, Withheld,
};

/// Entries looked at in one directory; a real cache has a few hundred.
pub const MAX_ENTRIES: usize = 100_000;

/// Bytes kept of one entry.
pub const MAX_CONTENT: u64 = LARGEST_ENTRY;

/// Bytes kept of one directory, so that planted files cannot fill the memory.
const MAX_TOTAL: u64 = 64 << 20;

/// Whether the content of an entry may be kept, judged by its name.
#[derive(Debug, Clone, Copy)]
pub enum Classification {
    /// It may, up to this size (and never more than [`MAX_CONTENT`]).
    Keep {
        /// Largest size in bytes.
        max: u64,
    },
    /// It may if this says so of the name and the content; otherwise nothing of it is kept, nor said of it.
    KeepIf(fn(&EntryName, &[u8]) -> bool),
    /// It may not, and is not even read.
    Withhold(Withheld),
}

/// Looks at the cache directory at an absolute path. If it is a symbolic link
/// that only root or the effective user can have placed, its entries are those
/// of the target, as OpenSC sees them. What could not be read is also in the
/// gaps; `asked_for` goes into them.
#[must_use]
pub fn observe_cache_dir(
    path: &Path,
    origin: CacheOrigin,
    asked_for: bool,
    classify: &dyn Fn(&EntryName) -> Classification,
) -> (CacheDir, Vec<Gap>) {
    let seen = CacheDir { path: path.into(), origin, state: DirState::Missing, entries: Vec::new() };
    look_into(seen, asked_for, classify, &|state| open(path, state))
}

/// Looks at the cache directory at `path` below a home that may be another user's: no link is
/// followed and no mount entered. Otherwise as [`observe_cache_dir`].
#[must_use]
pub fn observe_below(
    home: &Dir,
    path: &Path,
    origin: CacheOrigin,
    classify: &dyn Fn(&EntryName) -> Classification,
) -> (CacheDir, Vec<Gap>) {
    let whole = ByteString::from(home.path().as_path().join(path));
    let seen = CacheDir { path: whole, origin, state: DirState::Missing, entries: Vec::new() };
    look_into(seen, true, classify, &|state| match home.open_below(path)? {
        Opened::Missing => Ok(None),
        Opened::Dir(dir) => {
            let inode = dir.inode()?;
            *state = DirState::Present(inode);
            Ok(Some((dir, inode)))
        }
        Opened::Symlink(target) => {
            *state = DirState::Symlink(target);
            Err(Error::UntrustedLink { link: home.path_of(&path.into()) })
        }
    })
}

/// Opens a cache directory, and says what is in its place.
type Open<'a> = &'a dyn Fn(&mut DirState) -> Result<Option<(Dir, Inode)>, Error>;

fn look_into(
    mut seen: CacheDir,
    asked_for: bool,
    classify: &dyn Fn(&EntryName) -> Classification,
    open: Open<'_>,
) -> (CacheDir, Vec<Gap>) {
    let mut gaps = Gaps { what: format!("cache directory {}", seen.path), asked_for, found: Vec::new() };
    match open(&mut seen.state) {
        Ok(Some((dir, inode))) => {
            if let Err(error) = read_entries(&dir, &inode, classify, &mut seen.entries, &mut gaps) {
                gaps.add(error.to_string());
                seen.state = DirState::Unreadable(error.to_string());
            }
        }
        Ok(None) => {}
        Err(error) => {
            gaps.add(error.to_string());
            if seen.state == DirState::Missing {
                seen.state = DirState::Unreadable(error.to_string());
            }
        }
    }
    (seen, gaps.found)
}

struct Gaps {
    what: String,
    asked_for: bool,
    found: Vec<Gap>,
}

impl Gaps {
    fn add(&mut self, why: String) {
        let (what, asked_for) = (self.what.clone(), self.asked_for);
        self.found.push(Gap::new(GapKind::Cache, asked_for, what, why));
    }
}

fn open(path: &Path, state: &mut DirState) -> Result<Option<(Dir, Inode)>, Error> {
    let dir = match Dir::open(path)? {
        Opened::Missing => return Ok(None),
        Opened::Dir(dir) => {
            *state = DirState::Present(dir.inode()?);
            Some(dir)
        }
        Opened::Symlink(target) => {
            *state = DirState::Symlink(target);
            Dir::open_following(path)?
        }
    };
    dir.map(|dir| dir.inode().map(|inode| (dir, inode))).transpose()
}

fn read_entries(
    dir: &Dir,
    dir_inode: &Inode,
    classify: &dyn Fn(&EntryName) -> Classification,
    entries: &mut Vec<CacheEntry>,
    gaps: &mut Gaps,
) -> Result<(), Error> {
    let listing = dir.list(MAX_ENTRIES)?;
    if !listing.complete {
        gaps.add(format!("it holds more than {MAX_ENTRIES} entries; the others were not looked at"));
    }
    let mut room = MAX_TOTAL;
    for name in listing.names {
        let facts = match dir.facts(&name) {
            Ok(Some(facts)) => facts,
            // Gone since the directory was listed: as if it had never been seen.
            Ok(None) => continue,
            Err(error) => {
                gaps.add(error.to_string());
                continue;
            }
        };
        let name = EntryName::from(name);
        let class = classify(&name);
        let (facts, mut content) = look(dir, dir_inode, &name, facts, class, room);
        if let (Classification::KeepIf(is_told), FileKind::File) = (class, facts.kind) {
            let keeps = matches!(&content, Content::Bytes(bytes) if is_told(&name, bytes.as_slice()));
            content = if keeps { content } else { Content::Withheld(Withheld::Undecided) };
        }
        if let Content::Bytes(bytes) = &content {
            room = room.saturating_sub(bytes.0.len() as u64);
        }
        if let Content::Unreadable(why) = &content {
            gaps.add(why.clone());
        }
        entries.push(CacheEntry { name, kind: facts.kind, inode: facts.inode, content });
    }
    Ok(())
}

fn look(
    dir: &Dir,
    dir_inode: &Inode,
    name: &ByteString,
    facts: Facts,
    class: Classification,
    room: u64,
) -> (Facts, Content) {
    if facts.kind != FileKind::File {
        return (facts, Content::Withheld(Withheld::NotAFile));
    }
    let max = match class {
        Classification::Withhold(why) => return (facts, Content::Withheld(why)),
        Classification::Keep { max } => max.min(MAX_CONTENT),
        Classification::KeepIf(_) => MAX_CONTENT,
    };
    if facts.inode.nlink > 1 && facts.inode.uid != dir_inode.uid {
        let why = format!(
            "{} is a hard link to a file of user {}, planted perhaps; it was not read. Remove the link by hand",
            dir.path_of(name),
            facts.inode.uid
        );
        return (facts, Content::Unreadable(why));
    }
    // A program may be writing it at this moment: three times are enough for
    // any writer that ends.
    let mut last = String::new();
    let mut seen = Some(facts);
    for _ in 0..3 {
        match read_once(dir, name, seen.take(), max, room) {
            Ok(Some(read)) => return read,
            Ok(None) => last = format!("{} is being written; try again", dir.path_of(name)),
            Err(error @ Error::Special { kind, .. }) => {
                let why = format!("{error} (it became {})", kind_words(kind));
                return (facts, Content::Unreadable(why));
            }
            Err(error @ Error::Swapped(_)) => last = error.to_string(),
            Err(error) => return (facts, Content::Unreadable(error.to_string())),
        }
    }
    (facts, Content::Unreadable(last))
}

/// One consistent reading; `None` if the file was written or removed meanwhile.
fn read_once(
    dir: &Dir,
    name: &ByteString,
    seen: Option<Facts>,
    max: u64,
    room: u64,
) -> Result<Option<(Facts, Content)>, Error> {
    let held = seen.map_or_else(|| dir.hold(name), |seen| dir.hold_seen(name, &seen));
    let Some(held) = held? else { return Ok(None) };
    let facts = *held.facts();
    if facts.inode.size > max {
        return Ok(Some((facts, Content::Withheld(Withheld::TooBig))));
    }
    if facts.inode.size > room {
        let why = format!("{}: the directory holds more than {MAX_TOTAL} bytes", dir.path_of(name));
        return Ok(Some((facts, Content::Unreadable(why))));
    }
    let content = held.read(facts.inode.size)?;
    let whole = content.len() as u64 == facts.inode.size && held.is_unchanged()?;
    Ok(whole.then_some((facts, Content::Bytes(Bytes(content)))))
}
