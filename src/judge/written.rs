//! What a snapshot or a report that was written holds, and how the run ends.

use crate::error::Exit;
use crate::finding::Prose;
use crate::snapshot::{GapKind, Snapshot};
use crate::text::count;
use crate::verdict::brief::{Brief, Headline, Purpose, Step, Word};

/// What was asked for by name, beside what is always looked at.
#[derive(Debug, Clone, Copy)]
pub struct AskedFor {
    /// PKCS#11 modules.
    pub modules: bool,
}

/// Of a snapshot in this file (escaped). `typed`: the command.
#[must_use]
pub fn written(snapshot: &Snapshot, file: &str, asked: AskedFor, typed: &str) -> (Brief, Exit) {
    let users = std::iter::once(&snapshot.caches).chain(snapshot.others.iter().map(|other| &other.caches));
    let entries = users.flatten().map(|dir| dir.entries.len()).sum();
    let holds = format!(
        "{} and {}",
        count(snapshot.cards.len(), "card", "cards"),
        count(entries, "cache entry", "cache entries")
    );
    let missing = missing(snapshot, asked);
    let headline =
        |state, sentence: String| Headline { state, sentence: sentence.into(), ..Headline::default() };
    match missing {
        None => {
            let headline = headline(Word::Done, format!("{file} is written: {holds}."));
            (Brief { headline, ..Brief::default() }, Exit::Clean)
        }
        Some(missing) => {
            let text = format!("{file} is written with {holds}, but without this: {missing}.");
            let step = Step::again(Purpose::Look, typed, "when that can be read");
            let headline = headline(Word::Unread, text);
            (Brief { headline, steps: vec![step], ..Brief::default() }, Exit::NotRead)
        }
    }
}

/// Of a report in this file (escaped): the verdict that it tells, and what comes next; `exit`: how the run ends.
#[must_use]
pub fn report_written(told: &Brief, file: &str, exit: Exit) -> Brief {
    let word = told.headline.state.text();
    let sentence = Prose::from(format!("{file} is written. It says {word}: ")).then(&told.headline.sentence);
    let state = if exit == Exit::NotRead { Word::Unread } else { Word::Done };
    let headline = Headline { state, sentence, ..told.headline.clone() };
    // Where all is well the steps are not told either.
    let steps = told.next().into_iter().collect();
    Brief { headline, dangers: told.dangers.clone(), steps, ..Brief::default() }
}

/// What is missing of what was asked for. Of the caller's own caches all there is goes into the file.
fn missing(snapshot: &Snapshot, asked: AskedFor) -> Option<String> {
    let is_meant = |kind| match kind {
        GapKind::Card | GapKind::Cache => true,
        GapKind::OpenSc => asked.modules,
        GapKind::Process | GapKind::Snapshot | GapKind::Signature => false,
    };
    let gap = snapshot.coverage.iter().find(|gap| gap.asked_for && is_meant(gap.kind))?;
    Some(format!("{}: {}", gap.what, gap.why.trim_end_matches('.')))
}
