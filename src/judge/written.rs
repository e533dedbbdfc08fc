//! What a snapshot that was written holds, and how the run ends.

use crate::error::Exit;
use crate::snapshot::{GapKind, Snapshot};
use crate::text::count;
use crate::verdict::brief::{Brief, Headline, Purpose, Step, Word};

/// Of a snapshot in this file (escaped). `others`: caches of further users were asked for by name.
#[must_use]
pub fn written(snapshot: &Snapshot, file: &str, others: bool) -> (Brief, Exit) {
    let users = std::iter::once(&snapshot.caches).chain(snapshot.others.iter().map(|other| &other.caches));
    let entries = users.flatten().map(|dir| dir.entries.len()).sum();
    let holds = format!(
        "{} and {}",
        count(snapshot.cards.len(), "card", "cards"),
        count(entries, "cache entry", "cache entries")
    );
    let missing = missing(snapshot, others);
    let headline =
        |state, sentence: String| Headline { state, sentence: sentence.into(), ..Headline::default() };
    match missing {
        None => {
            let headline = headline(Word::Done, format!("{file} is written: {holds}."));
            (Brief { headline, ..Brief::default() }, Exit::Clean)
        }
        Some(missing) => {
            let text = format!("{file} is written with {holds}, but without this: {missing}.");
            let step = Step::new(Purpose::Look, None, "take it again, when that can be read");
            let headline = headline(Word::Unread, text);
            (Brief { headline, steps: vec![step], ..Brief::default() }, Exit::NotRead)
        }
    }
}

/// What is missing of what was asked for. Of the caller's own caches all there is goes into the file.
fn missing(snapshot: &Snapshot, others: bool) -> Option<String> {
    let gap = snapshot
        .coverage
        .iter()
        .find(|gap| gap.asked_for && (gap.kind == GapKind::Card || (others && gap.kind == GapKind::Cache)))?;
    Some(format!("{}: {}", gap.what, gap.why.trim_end_matches('.')))
}
