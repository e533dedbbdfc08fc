//! Why a configuration is no ground for an edit, or for the configuration of a program below this one. What became of
//! that (not edited, not started) says who asked.

use crate::opensc::{Crash, Version};
use crate::scconf::{ParseError, Position, Why};
use crate::snapshot::ByteString;

/// Why, as a sentence without its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// OpenSC drops the whole file.
    #[error("{path}:{error}; OpenSC drops the whole file")]
    Unparsable {
        /// The file.
        path: ByteString,
        /// Where and why.
        error: ParseError,
    },
    /// OpenSC dies of the file.
    #[error("{0}")]
    Crashes(Box<Crash>),
    /// A place that cannot be copied into another block.
    #[error(
        "{path}:{at}: a comment or an empty line takes this key away, so it can be neither edited nor carried along"
    )]
    LostKey {
        /// The file.
        path: ByteString,
        /// The statement.
        at: Position,
    },
    /// `public` is not known to the installed OpenSC.
    #[error("OpenSC {0} does not know `public` and would leave the cache off")]
    NoPublic(Version),
    /// Blocks for executables are not known to the installed OpenSC.
    #[error("OpenSC {0} does not look for blocks named after an executable (0.24 does)")]
    NoExecutableBlocks(Version),
    /// A name that cannot be written in a configuration.
    #[error(
        "`{0}` cannot be the name of an `app` block (it may not be empty or hold quotes or control characters)"
    )]
    BadBlockName(ByteString),
    /// No edit was found that does what was asked for.
    #[error(
        "{path}: with the planned change {program} of OpenSC {version} would not do what was asked for ({what})"
    )]
    NotReached {
        /// The file.
        path: ByteString,
        /// The program.
        program: String,
        /// The version.
        version: Version,
        /// What would happen instead.
        what: String,
    },
}

impl Refusal {
    /// What to do about it, as the end of a sentence: `. Put the value …`.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::Unparsable { error, .. } => {
                format!(". {FLUSH_FIRST}. {}. `stalecard config lint` shows the cause", cure(&error.why))
            }
            Self::Crashes(crash) => {
                format!(
                    ". {FLUSH_FIRST}. Then write the statement on one line, without the comment or empty line at {}",
                    crash.taken_by
                )
            }
            Self::LostKey { .. } => ". Move it to a place between two statements".to_owned(),
            Self::NoPublic(_) => ". `--value yes` switches it on, for private objects too".to_owned(),
            Self::NoExecutableBlocks(_) => ". Use `--app NAME`".to_owned(),
            Self::BadBlockName(_) => ". An executable is named by its whole path".to_owned(),
            Self::NotReached { .. } => ". Edit it by hand, and look with `stalecard config show`".to_owned(),
        }
    }
}

/// What comes before: as long as OpenSC cannot read the file, it reads no cache either.
const FLUSH_FIRST: &str = "First `stalecard flush`, with the card in its reader: mended, the file may let programs see what is stale";

/// What repairs a text that OpenSC cannot parse.
fn cure(why: &Why) -> &'static str {
    match why {
        Why::Word => {
            "Look at the words before it: `{`, `}` and `=` count only behind a blank (`default {`, not `default{`), \
             a value list needs commas, a comment begins with `#`"
        }
        Why::ValueAfterComment => "Put the value on the line of its `=`",
        Why::Punctuation('}') => {
            "End the statement before it with `;`; a `{` before it counts only behind a blank (`default {`, not \
             `default{`)"
        }
        Why::Punctuation(_) => "Look at the statement before it: a key, a name or a `;` is missing",
        Why::Unmatched => "Remove it, or look for the `{` that is missing",
        Why::TooDeep => "Close the blocks before it: look for a missing `}`",
        Why::Undefined(_) => "Move the comment to a line before the statement",
    }
}
