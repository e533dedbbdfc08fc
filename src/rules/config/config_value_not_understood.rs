//! `config-value-not-understood`: a cache setting in opensc.conf has a value that means something else
//!
//! Up to 0.22 `use_file_caching` was a switch: anything that begins with t, T, y or Y is on,
//! all else is off, also `public`, `on` and `1`. From 0.23 only `yes`, `public` and `no`,
//! exactly so, mean anything, and all else is off, also `true` and `Yes`. An old file
//! stops caching at an update, and a new one does nothing in an old version. `no` is the
//! only spelling that means off in every version.
//!
//! `file_cache_dir` is taken as it stands: neither `~` nor `$HOME` is replaced, and a relative
//! path begins in whatever folder a program was started from.
//!
//! Cure: write the value that says what is meant: `no`, or from 0.23 `public` or `yes`.

use crate::case::config::{ConfigCase, Row, labels};
use crate::finding::{Deed, Finding, Id, Remedy};
use crate::opensc::config::Written;
use crate::opensc::differences::{self, CachingWords};
use crate::opensc::{CacheLocation, Caching, Effective};
use crate::scconf::Position;

/// Values that say off and are off in every version.
const SAY_OFF: &[&str] = &["no", "n", "false", "f", "off", "0", "none", "never", ""];
/// Values that say on and were on up to 0.22.
const SAID_ON: &[&str] = &["yes", "y", "true", "t"];

/// Applies the rule to one configuration.
pub fn apply(case: &ConfigCase<'_>, sink: &mut Vec<Finding>) {
    let mut seen: Vec<(Position, &Effective, bool, Vec<&Row>)> = Vec::new();
    for (row, effective) in case.running() {
        let switch = effective.use_file_caching.as_ref().filter(|written| misleads(case, written));
        let dir = effective.file_cache_dir.as_ref().filter(|_| is_relative(effective));
        for (written, is_dir) in [(switch, false), (dir, true)] {
            let Some(written) = written else { continue };
            match seen.iter_mut().find(|(at, ..)| *at == written.at) {
                Some((.., rows)) => rows.push(row),
                None => seen.push((written.at, effective, is_dir, vec![row])),
            }
        }
    }
    for (at, effective, is_dir, rows) in seen {
        let programs = labels(rows);
        sink.push(if is_dir {
            dir(case, at, effective, programs)
        } else {
            switch(case, at, effective, programs)
        });
    }
}

/// Does the value seem to say something else than it means?
fn misleads(case: &ConfigCase<'_>, written: &Written) -> bool {
    let Some(value) = &written.value else { return false };
    let template = value.0.first() == Some(&b'@') && value.0.last() == Some(&b'@');
    let lower = value.as_str().map(str::to_ascii_lowercase).unwrap_or_default();
    if template || (SAY_OFF.contains(&lower.as_str()) && value.as_str().is_some()) {
        return false;
    }
    match differences::caching_words(case.version) {
        CachingWords::Bool => !SAID_ON.contains(&lower.as_str()),
        CachingWords::Words => !matches!(value.0.as_slice(), b"yes" | b"public"),
    }
}

fn is_relative(effective: &Effective) -> bool {
    matches!(effective.cache_dir, CacheLocation::At { relative: true, configured: true, .. })
}

fn switch(case: &ConfigCase<'_>, at: Position, effective: &Effective, programs: Vec<String>) -> Finding {
    let written = effective.use_file_caching.as_ref();
    let value = written.map(ConfigCase::value).unwrap_or_default();
    let on = effective.caching == Caching::All;
    let means = if on { "on, private data included" } else { "off" };
    let rule = match differences::caching_words(case.version) {
        CachingWords::Bool => "this version only looks whether it begins with t or y",
        CachingWords::Words => "it knows yes, public and no, exactly so",
    };
    let mut finding = case.finding(
        Id::ConfigValueNotUnderstood,
        programs,
        format!("OpenSC does not know use_file_caching = {value}: {rule}."),
        format!("Caching is {means}."),
    );
    let token = case.token(at);
    let says = if on { "yes" } else { "no" };
    finding.evidence.push(case.source(&token, &format!("means {means}"), corrected(case, at, says)));
    finding.fix.push(Remedy::new(
        format!("write {says} for what it means now, or another value if something else is meant"),
        Deed::EditConfiguration,
    ));
    finding
}

/// The line with a value that says what this one means.
fn corrected(case: &ConfigCase<'_>, at: Position, says: &str) -> Option<String> {
    let token = case.token(at);
    let text = case.piece(token.clone());
    let mut replacement = says.as_bytes().to_vec();
    // What the value has swallowed: a brace, or the rest of an unclosed line.
    if text.first() == Some(&b'"') && !text.ends_with(b"\"") {
        let line = case.lines(&(token.start..token.start));
        replacement.push(b';');
        return case.corrected(&(token.start..line.end), &replacement);
    }
    // A comment begins only where a word may.
    if let Some(comment) = text.iter().position(|b| *b == b'#') {
        replacement.extend_from_slice(b"; ");
        replacement.extend_from_slice(text.get(comment..).unwrap_or_default());
    } else if text.ends_with(b"}") {
        replacement.extend_from_slice(b"; }");
    }
    case.corrected(&token, &replacement)
}

fn dir(case: &ConfigCase<'_>, at: Position, effective: &Effective, programs: Vec<String>) -> Finding {
    let written = effective.file_cache_dir.as_ref();
    let value = written.map(ConfigCase::value).unwrap_or_default();
    let replaced = value.starts_with('~') || value.contains('$') || value.contains('%');
    let why = if replaced { "OpenSC replaces neither ~ nor variables" } else { "it is a relative path" };
    let mut finding = case.finding(
        Id::ConfigValueNotUnderstood,
        programs,
        format!("file_cache_dir = {value} is not one directory: {why}."),
        format!("Each program has its cache in ./{value} of the folder it was started in."),
    );
    finding.evidence.push(case.source(&case.token(at), "taken as it stands, from the current folder", None));
    finding.fix.push(Remedy::new(
        "write an absolute path, or remove the line: the default is below each user's home",
        Deed::EditConfiguration,
    ));
    finding
}
