//! How a repair ends: its first word and its exit code, by one rule for `flush` and `fix`, rehearsed or not. The code follows from
//! the word, so that the two never say different things. Pure.

use crate::error::Exit;
use crate::verdict::brief::Word;

/// What the word follows from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ending {
    /// Something that it was for was not done, or did not help.
    pub failed: bool,
    /// Something that was asked for could not be read.
    pub unread: bool,
    /// What is left wrong that it was for.
    pub left: Option<Word>,
    /// Nothing was done; it was said what would be.
    pub dry_run: bool,
    /// Something changed, or would.
    pub changed: bool,
}

impl Ending {
    /// The first that applies.
    pub fn word(self) -> Word {
        match self {
            Self { failed: true, .. } => Word::Failed,
            Self { unread: true, .. } => Word::Unread,
            // What a rehearsal leaves is left on purpose.
            Self { dry_run: true, changed: true, .. } => Word::Planned,
            Self { dry_run: false, left: Some(word), .. } => word,
            Self { dry_run: false, left: None, changed: true, .. } => Word::Done,
            Self { changed: false, .. } => Word::Unchanged,
        }
    }
}

/// The exit code of a repair whose report begins with this word.
#[must_use]
pub const fn exit(word: Word) -> Exit {
    match word {
        Word::Failed => Exit::Failed,
        Word::Unread => Exit::NotRead,
        Word::Stale | Word::Undecided | Word::Wrong | Word::Configuration => Exit::Findings,
        Word::Risk | Word::Partly | Word::Sound | Word::Done | Word::Planned | Word::Unchanged => Exit::Clean,
    }
}

#[cfg(test)]
mod tests {
    use super::{Ending, Exit, Word, exit};

    /// Whatever comes together, no word stands beside a code that says something else.
    #[test]
    fn the_word_and_the_exit_code_agree() {
        let lefts =
            [None, Some(Word::Stale), Some(Word::Undecided), Some(Word::Wrong), Some(Word::Configuration)];
        for left in lefts {
            for bits in 0..16_u8 {
                let [failed, unread, dry_run, changed] = [1, 2, 4, 8].map(|bit| bits & bit != 0);
                let word = Ending { failed, unread, left, dry_run, changed }.word();
                let code = exit(word);
                let expected = match (failed, unread, left.is_some() && !dry_run) {
                    (true, ..) => Exit::Failed,
                    (false, true, _) => Exit::NotRead,
                    (false, false, true) => Exit::Findings,
                    (false, false, false) => Exit::Clean,
                };
                assert_eq!(code, expected, "{word:?}");
                assert_eq!(word == Word::Failed, code == Exit::Failed, "{word:?}");
                assert_eq!(word == Word::Unread, code == Exit::NotRead, "{word:?}");
                assert_eq!(matches!(word, Word::Done | Word::Planned | Word::Unchanged), code == Exit::Clean);
            }
        }
    }
}
