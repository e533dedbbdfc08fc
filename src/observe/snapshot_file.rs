//! Snapshots in files: written whole or not at all, and read as what may come from anywhere.

use std::path::Path;

use super::files::{read_stdin, read_text, write_whole};
use crate::error::Error;
use crate::snapshot::{Answer, AskEnd, ConfigState, Content, DirState, SCHEMA, Snapshot};
use crate::text::tame;

/// The largest snapshot file that is accepted.
pub(super) const LARGEST_SNAPSHOT: u64 = 256 << 20;

/// Reads a snapshot file; `-` is standard input.
///
/// # Errors
/// [`Error::Io`], or [`Error::NotASnapshot`] if it is not one or too large.
pub fn load(path: &Path) -> Result<Snapshot, Error> {
    let bad = |why: String| Error::NotASnapshot { path: path.to_owned(), why };
    let text =
        if path == Path::new("-") { read_stdin(LARGEST_SNAPSHOT) } else { read_text(path, LARGEST_SNAPSHOT) };
    let text = text?.map_err(bad)?;
    parse_snapshot(&text).map_err(bad)
}

/// Reads the text of a snapshot file.
///
/// # Errors
/// Why it is none.
pub fn parse_snapshot(text: &str) -> Result<Snapshot, String> {
    let mut snapshot: Snapshot = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if snapshot.schema != SCHEMA {
        let schema = crate::text::escape(snapshot.schema.as_bytes());
        return Err(format!("its schema is \"{schema}\", not \"{SCHEMA}\""));
    }
    tame_words(&mut snapshot);
    Ok(snapshot)
}

/// What an honest snapshot says in words is fit to be shown; this one may come from anywhere.
fn tame_words(snapshot: &mut Snapshot) {
    let words = |text: &mut String| *text = tame(text);
    words(&mut snapshot.host);
    for gap in &mut snapshot.coverage {
        words(&mut gap.what);
        words(&mut gap.why);
    }
    for config in &mut snapshot.configs {
        if let ConfigState::Unreadable(why) = &mut config.state {
            words(why);
        }
    }
    for answer in snapshot.cards.iter_mut().flat_map(|card| &mut card.files).map(|file| &mut file.answer) {
        if let Answer::NotRead(why) = answer {
            words(why);
        }
    }
    for ask in &mut snapshot.asks {
        let lines = |text: &String| text.split('\n').map(tame).collect::<Vec<_>>().join("\n");
        ask.blocks.iter_mut().for_each(|block| *block = lines(block));
        ask.programs.iter_mut().chain(&mut ask.opensc).for_each(words);
        match &mut ask.ended {
            AskEnd::ListsNothing(why)
            | AskEnd::Failed(why)
            | AskEnd::NotIdle(why)
            | AskEnd::Restless(why) => words(why),
            AskEnd::Done | AskEnd::NoProgram => {}
        }
    }
    let others = snapshot.others.iter_mut().flat_map(|other| &mut other.caches);
    for dir in snapshot.caches.iter_mut().chain(others) {
        if let DirState::Unreadable(why) = &mut dir.state {
            words(why);
        }
        for entry in &mut dir.entries {
            if let Content::Unreadable(why) = &mut entry.content {
                words(why);
            }
        }
    }
}

/// Writes a snapshot file: mode 0600, whole or not at all.
///
/// # Errors
/// [`Error::Io`], or [`Error::Unwritable`]: then nothing was written.
pub fn save(snapshot: &Snapshot, path: &Path) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(snapshot).map_err(Error::unwritable("the snapshot"))? + "\n";
    write_whole(path, text.as_bytes(), 0o600)
}
