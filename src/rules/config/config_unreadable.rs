//! `config-unreadable`: OpenSC cannot parse opensc.conf and drops it whole
//!
//! One wrong word or bracket anywhere, and OpenSC behaves as if there were no
//! configuration at all: the blocks before the place are lost too. It says so only
//! in its debug log. Every setting is then at its default. From 0.24 this may
//! switch caching *on*: the default is `public` for the cards of some twenty
//! drivers; and `file_cache_dir` goes back to the default directory. Usual causes:
//! a comment in the style of C (only `#` begins one), a missing blank before `{`,
//! one `}` too many, a template that was not rendered, a blank of typesetters.
//!
//! Cure: correct the place that is shown; `stalecard config lint FILE` tells when
//! all is well.

use std::ops::Range;

use crate::case::config::{ConfigCase, Correction, labels};
use crate::finding::{Deed, Finding, Id, Remedy};
use crate::opensc::differences;
use crate::scconf::foreign::Foreign;
use crate::scconf::glyphs::plain;
use crate::scconf::{ParseError, TokenKind, Why};

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
    let cause = cause(case, error);
    let named = |language: Foreign| format!("this is {}", language.name());
    let note = match cause.language {
        Some(language) if cause.range == error.range => named(language),
        _ => error.why.to_string(),
    };
    match cause.corrected {
        corrected if cause.range == error.range => {
            finding.evidence.push(case.source(&error.range, &note, corrected));
        }
        corrected => {
            finding.evidence.push(case.source(&error.range, &note, None));
            let note = cause.language.map_or("this is the cause".to_owned(), named);
            finding.evidence.push(case.source(&cause.range, &note, corrected));
        }
    }
    finding.evidence.extend(case.glyph_evidence(&cause.range));
    finding.fix.push(Remedy::new(cause.what, Deed::EditConfiguration));
    sink.push(finding);
}

/// What explains that OpenSC stops: the place to change, the line as it should be, and what to do.
struct Cause {
    range: Range<usize>,
    corrected: Option<Correction>,
    language: Option<Foreign>,
    what: &'static str,
}

/// Words before the refused one, and itself, that may be the cause.
const WORDS: usize = 4;

fn cause(case: &ConfigCase<'_>, error: &ParseError) -> Cause {
    let usual =
        |range: Range<usize>, corrected| Cause { range, corrected, language: None, what: usual(&error.why) };
    if error.why == Why::Unmatched {
        // Only what remains of the line, which may be nothing, would be a line of its own.
        let rest = case.corrected(&error.range, b"").filter(|line| !line.text.is_empty());
        return usual(error.range.clone(), rest);
    }
    if error.why == Why::ValueAfterComment {
        let before = case.piece(0..error.range.start);
        if let Some(equals) = before.iter().rposition(|b| *b == b'=') {
            let value = [b" ", case.piece(error.range.clone())].concat();
            let line = case.lines(&(equals..equals));
            let joined = [case.piece(line.start..equals + 1), &value].concat();
            return usual(equals..error.range.end, case.corrected(&(line.start..error.range.end), &joined));
        }
    }
    // What was refused, and the words before it, nearest first.
    let words = error.tokens.iter().filter(|token| token.range.start < error.range.start);
    let words = words.filter(|token| matches!(token.kind, TokenKind::Word { .. })).rev().take(WORDS);
    let mut places: Vec<Range<usize>> = vec![error.range.clone()];
    places.extend(words.map(|word| word.range.clone()));
    comment(case, &places)
        .or_else(|| places.iter().find_map(|place| other_language(case, place)))
        .or_else(|| operator(case, error, &places))
        .or_else(|| {
            let glued = places.iter().find_map(|place| {
                let (fixed, what) = parted(case.piece(place.clone()))?;
                Some(Cause {
                    corrected: Some(case.corrected(place, &fixed)?),
                    range: place.clone(),
                    language: None,
                    what,
                })
            });
            let plain = || {
                let odd = places.iter().find(|place| !case.glyphs(place).is_empty())?;
                let corrected = case.corrected(odd, case.piece(odd.clone()));
                Some(Cause {
                    corrected,
                    range: odd.clone(),
                    language: None,
                    what: "write it in plain characters",
                })
            };
            glued.or_else(plain)
        })
        .unwrap_or_else(|| usual(error.range.clone(), None))
}

/// What other languages write between key and value, or between two settings.
fn operator(case: &ConfigCase<'_>, error: &ParseError, places: &[Range<usize>]) -> Option<Cause> {
    let cause = |range: Range<usize>, with: &[u8], what| {
        let corrected = case.corrected(&range, with);
        corrected.is_some().then_some(Cause { range, corrected, language: None, what })
    };
    // `:=`, `+=`
    let is_operator =
        |place: &&Range<usize>| matches!(case.piece((*place).clone()), b":=" | b"+=" | b"?=" | b"=>" | b"->");
    if let Some(word) = places.iter().find(is_operator) {
        return cause(word.clone(), b"=", "write = between key and value");
    }
    if error.why != Why::Punctuation('=') {
        return None;
    }
    let before = error.tokens.iter().rev().filter(|token| token.range.start < error.range.start);
    let mut before = before.filter(|token| token.kind != TokenKind::Space);
    match (before.next(), before.next()) {
        (Some(last), _) if last.kind == TokenKind::Punctuation(b'=') => {
            cause(last.range.start..error.range.end, b"=", "write one = between key and value")
        }
        (Some(word), Some(comma))
            if matches!(word.kind, TokenKind::Word { .. }) && comma.kind == TokenKind::Punctuation(b',') =>
        {
            cause(comma.range.clone(), b";", "end a setting by ; and not by a comma")
        }
        _ => None,
    }
}

/// A comment of another language, on lines of its own or behind a statement.
fn comment(case: &ConfigCase<'_>, places: &[Range<usize>]) -> Option<Cause> {
    let language = |place: &Range<usize>| match case.piece(place.clone()) {
        [b'/', b'/' | b'*', ..] => Some(Foreign::CComment),
        [b'-', b'-', ..] => Some(Foreign::OtherComment),
        _ => None,
    };
    let first = places.iter().filter(|place| language(place).is_some()).min_by_key(|place| place.start)?;
    let language = language(first)?;
    let line = case.lines(&(first.start..first.start));
    let before = case.piece(line.start..first.start).trim_ascii_end();
    // A value may begin with slashes.
    if before.ends_with(b"=") || before.ends_with(b",") {
        return None;
    }
    let text = case.piece(first.start + 2..case.text.len());
    let closing = if case.piece(first.clone()).starts_with(b"/*") {
        text.windows(2).position(|two| two == b"*/")
    } else {
        None
    };
    let (end, shut) = match closing {
        Some(length) => (first.start + 2 + length, 2),
        None => (line.end, 0),
    };
    let last = case.lines(&(end..end));
    let rest = case.piece(end + shut..last.end).trim_ascii();
    let said = case.piece(first.start + 2..end).split(u8::is_ascii_whitespace);
    let said = said.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(&b' ');
    // A setting that no semicolon has ended yet would go on behind the comment.
    let statement = before.rsplit(|b| matches!(b, b';' | b'{' | b'}')).next().unwrap_or_default();
    let end_of_setting = if rest.is_empty() && statement.contains(&b'=') { &b";"[..] } else { b"" };
    let kept = [before.trim_ascii_start(), rest];
    let kept = kept.into_iter().filter(|piece| !piece.is_empty()).collect::<Vec<_>>().join(&b' ');
    let gap = if kept.is_empty() { &b""[..] } else { b" " };
    let fixed = [&kept, end_of_setting, gap, b"# ", &said].concat();
    Some(Cause {
        corrected: case.corrected(&(line.start..last.end), fixed.trim_ascii_end()),
        range: first.start..line.end,
        language: Some(language),
        what: "write # before the comment",
    })
}

/// The line of a place, if it is written in another language.
fn other_language(case: &ConfigCase<'_>, place: &Range<usize>) -> Option<Cause> {
    // Nothing of ours begins with a brace.
    let is_object = case.piece(0..place.end).trim_ascii() == b"{";
    let language = case.language(place).or(is_object.then_some(Foreign::Json))?;
    let line = case.lines(&(place.start..place.start));
    let indent = case.piece(line.clone()).iter().take_while(|b| b.is_ascii_whitespace()).count();
    let range = line.start + indent..line.end;
    let (corrected, what) = match language {
        Foreign::Template => (None, "render the template before OpenSC reads it"),
        Foreign::CComment | Foreign::OtherComment => {
            let text = case.piece(range.clone()).trim_ascii_end();
            let mark = text.iter().take_while(|b| matches!(b, b';' | b'-')).count();
            let text = text.get(mark..).unwrap_or_default();
            (case.corrected(&range, &[b"#", text].concat()), "write # before the comment")
        }
        Foreign::Conflict => (None, "keep one of the two texts, and remove the marks of the merge"),
        Foreign::Ini | Foreign::Yaml | Foreign::Shell | Foreign::Json | Foreign::Xml => {
            (None, "write it as OpenSC reads it: app default { framework pkcs15 { key = value; } }")
        }
    };
    Some(Cause { range, corrected, language: Some(language), what })
}

/// A word in which punctuation hides that counts only where a word begins, with blanks.
fn parted(word: &[u8]) -> Option<(Vec<u8>, &'static str)> {
    let plain = plain(word);
    let word = plain.as_slice();
    if let Some(name) = word.strip_suffix(b"{").map(<[u8]>::trim_ascii_end).filter(|name| !name.is_empty()) {
        return Some(([name, b" {"].concat(), "write a blank before {"));
    }
    let equals = word.iter().position(|b| *b == b'=').filter(|at| *at > 0)?;
    let (key, value) = (word.get(..equals)?, word.get(equals + 1..)?);
    Some(([key, b" = ", value].concat(), "write blanks around ="))
}

const fn usual(why: &Why) -> &'static str {
    match why {
        Why::Unmatched => "remove this brace, or the one too many before it",
        Why::TooDeep => "close the blocks that are still open",
        Why::ValueAfterComment | Why::Undefined(_) => "write key, = and value on one line",
        Why::Word => "write the statement with blanks around { and =, and # before comments",
        Why::Punctuation(_) => "complete the statement before it",
    }
}
