//! `config-unreadable`: OpenSC cannot parse opensc.conf and drops it whole
//!
//! One wrong word or bracket anywhere, and OpenSC behaves as if there were no configuration
//! at all: the blocks before the place are lost too. It says so only in its debug log.
//! Every setting is then at its default. From 0.24 this may switch caching *on*: the default
//! is `public` for the cards of some twenty drivers; and `file_cache_dir` goes back to the
//! default directory. Usual causes: a comment in the style of C (only `#` begins one), a
//! missing blank before `{`, one `}` too many.
//!
//! Cure: correct the place that is shown; `stalecard config lint FILE` tells when all is well.

use crate::case::config::{ConfigCase, labels};
use crate::finding::{Deed, Finding, Id, Remedy};
use crate::opensc::differences;
use crate::scconf::{self, ParseError, TokenKind, Why};

/// Applies the rule to one configuration.
pub fn apply(case: &ConfigCase<'_>, sink: &mut Vec<Finding>) {
    let Err(error) = case.parsed else { return };
    let undefined = matches!(error.why, Why::Undefined(_));
    let summary = if undefined {
        format!("What OpenSC makes of {} cannot be told.", case.place(error.position))
    } else {
        format!("OpenSC cannot parse {} and drops the whole file.", case.path)
    };
    let listed = differences::drivers_cached_by_default(case.version);
    let consequence = if undefined {
        "It follows a pointer to something else than it expects.".to_owned()
    } else if listed.is_empty() {
        "Nothing in it has any effect: caching is off, whatever the file says.".to_owned()
    } else {
        format!(
            "Nothing in it has any effect. Caching is on (public) for cards of the drivers {}, and off for \
             others, whatever the file says; file_cache_dir is the default.",
            listed.join(", ")
        )
    };
    let mut finding = case.finding(Id::ConfigUnreadable, labels(&case.rows), summary, consequence);
    let (range, corrected) = correction(case, error);
    let note = error.why.to_string();
    match corrected {
        Some(corrected) if range != error.range => {
            finding.evidence.push(case.source(&error.range, &note, None));
            finding.evidence.push(case.source(&range, "this is the cause", Some(corrected)));
        }
        corrected => finding.evidence.push(case.source(&error.range, &note, corrected)),
    }
    let what = match error.why {
        Why::Unmatched => "remove this brace, or the one too many before it",
        Why::TooDeep => "close the blocks that are still open",
        Why::ValueAfterComment | Why::Undefined(_) => "write key, = and value on one line",
        Why::Word => "write the statement with blanks around { and =, and # before comments",
        Why::Punctuation(_) => "complete the statement before it",
    };
    finding.fix.push(Remedy::new(what, Deed::EditConfiguration));
    sink.push(finding);
}

/// The place to change and the line as it should be, if one of the usual mistakes explains it.
fn correction(case: &ConfigCase<'_>, error: &ParseError) -> (std::ops::Range<usize>, Option<String>) {
    if error.why == Why::Unmatched {
        // Only what remains of the line, which may be nothing, would be a line of its own.
        let rest = case.corrected(&error.range, b"").filter(|line| !line.is_empty());
        return (error.range.clone(), rest);
    }
    if error.why == Why::ValueAfterComment {
        let before = case.piece(0..error.range.start);
        if let Some(equals) = before.iter().rposition(|b| *b == b'=') {
            let value = [b" ", case.piece(error.range.clone())].concat();
            let line = case.lines(&(equals..equals));
            let joined = [case.piece(line.start..equals + 1), &value].concat();
            return (error.range.clone(), case.corrected(&(line.start..error.range.end), &joined));
        }
    }
    // The words before the refused one, and itself, nearest first.
    let tokens = scconf::tokens(case.text);
    let words = tokens.iter().filter(|token| token.range.start <= error.range.start);
    let words: Vec<_> = words.filter(|token| matches!(token.kind, TokenKind::Word { .. })).collect();
    for word in words.iter().rev().take(4) {
        let text = case.piece(word.range.clone());
        let candidate = if text.starts_with(b"//") || text.starts_with(b"/*") {
            // The whole line is meant as a comment.
            let line = case.lines(&word.range);
            let rest = case.piece(word.range.start..line.end);
            let rest = rest.strip_suffix(b"*/").unwrap_or(rest).get(2..).unwrap_or_default();
            (word.range.start..line.end, [b"#", rest].concat())
        } else if let Some(name) = text.strip_suffix(b"{").filter(|name| !name.is_empty()) {
            (word.range.clone(), [name, b" {"].concat())
        } else if let Some(equals) = text.iter().position(|b| *b == b'=').filter(|at| *at > 0) {
            let (key, value) = (text.get(..equals), text.get(equals + 1..));
            let (key, value) = (key.unwrap_or_default(), value.unwrap_or_default());
            (word.range.clone(), [key, b" = ", value].concat())
        } else {
            continue;
        };
        if let Some(line) = case.corrected(&candidate.0, &candidate.1) {
            return (word.range.clone(), Some(line));
        }
    }
    (error.range.clone(), None)
}
