//! `config-value-not-understood`: a cache setting in opensc.conf has a value that means something else
//!
//! Up to 0.22 `use_file_caching` was a switch: anything that begins with t, T, y
//! or Y is on, all else is off, also `public`, `on` and `1`. From 0.23 only `yes`,
//! `public` and `no`, exactly so, mean anything, and all else is off, also `true`
//! and `Yes`. An old file stops caching at an update, and a new one does nothing
//! in an old version. `no` is the only spelling that means off in every version.
//!
//! `file_cache_dir` is taken as it stands: neither `~` nor `$HOME` is replaced,
//! and a relative path begins in whatever folder a program was started from.
//!
//! Other settings, too: a switch is on if its value begins with t or y, and off
//! with `1` or `on`; a number ends at its first letter; a driver is loaded only by
//! its exact name (`PIV-II`, not `piv`); a value ends at a blank, unless it stands
//! in quotes, and only straight ones are quotes.
//!
//! Cure: write the value that says what is meant: `no`, or from 0.23 `public` or
//! `yes`.

use crate::case::config::{ConfigCase, Correction, MOST, NOT_SHOWN, Row, labels};
use crate::finding::{Deed, Finding, Id, Remedy};
use crate::opensc::config::Written;
use crate::opensc::differences::{self, CachingWords};
use crate::opensc::known::{self, Kind};
use crate::opensc::misread::{Misread, WhyMisread, whole_value_at};
use crate::opensc::{CacheLocation, Caching, Effective};
use crate::scconf::foreign::is_template;
use crate::scconf::glyphs::{glyphs, plain};
use crate::scconf::{Spot, TokenKind};
use crate::text::escape;

/// Values that say off and are off in every version.
const SAY_OFF: &[&str] = &["no", "n", "false", "f", "off", "0", "none", "never", ""];
/// Values that are documented.
const WORDS: &[&str] = &["no", "public", "yes"];
/// Values that say on and were on up to 0.22.
const SAID_ON: &[&str] = &["yes", "y", "true", "t"];

/// Applies the rule to one configuration.
pub fn apply(case: &ConfigCase<'_>, sink: &mut Vec<Finding>) {
    let mut seen: Vec<(Spot, &Effective, bool, Vec<&Row>)> = Vec::new();
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
    let mut found = Vec::new();
    for (at, effective, is_dir, rows) in seen {
        let programs = labels(rows);
        if !is_dir {
            found.push(switch(case, at, effective, programs));
        } else if !case.misread.iter().any(|misread| misread.at.start == at.start) {
            found.push(dir(case, at, effective, programs));
        }
    }
    found.extend(case.misread.iter().map(|misread| other(case, misread)));
    found.extend(comments(case));
    let more = found.len().saturating_sub(MOST);
    found.truncate(MOST);
    if more > 0 {
        let summary = format!("{more} more values of {} are not understood.", case.path);
        found.push(case.finding(Id::ConfigValueNotUnderstood, Vec::new(), summary, NOT_SHOWN.to_owned()));
    }
    sink.extend(found);
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

fn switch(case: &ConfigCase<'_>, at: Spot, effective: &Effective, programs: Vec<String>) -> Finding {
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
    let says = if on { "yes" } else { "no" };
    let template =
        written.and_then(|written| written.value.as_ref()).is_some_and(|value| is_template(&value.0));
    let note = if template {
        format!("a template that was not rendered; means {means}")
    } else {
        format!("means {means}")
    };
    // What stands there but for the characters.
    let bare = plain(&written.and_then(|written| written.value.clone()).unwrap_or_default().0);
    let bare = String::from_utf8_lossy(&bare).trim_matches(['"', ' ']).to_owned();
    let meant = WORDS.contains(&bare.as_str()) && !glyphs(case.text, at.range()).is_empty();
    let fixed = (!template).then(|| corrected(case, at, if meant { &bare } else { says })).flatten();
    finding.evidence.push(case.source(&at.range(), &note, fixed));
    finding.evidence.extend(case.glyph_evidence(&at.range()));
    let what = if template {
        "render the template before OpenSC reads it".to_owned()
    } else if meant {
        format!("write {bare} in plain characters")
    } else {
        format!("write {says} for what it means now, or another value if something else is meant")
    };
    finding.fix.push(Remedy::new(what, Deed::EditConfiguration));
    finding
}

/// The line with a value that says what this one means.
fn corrected(case: &ConfigCase<'_>, at: Spot, says: &str) -> Option<Correction> {
    let whole =
        case.parsed.as_ref().ok().and_then(|document| whole_value_at(document, at.start)).unwrap_or(at);
    let text = case.piece(whole.range());
    let mut replacement = says.as_bytes().to_vec();
    // What the value has swallowed: a brace, or the rest of an unclosed line.
    if text.first() == Some(&b'"') && !text.ends_with(b"\"") {
        let line = case.lines(&(whole.start..whole.start));
        replacement.push(b';');
        return case.corrected(&(whole.start..line.end), &replacement);
    }
    // A comment begins only where a word may.
    if let Some(comment) = text.iter().position(|b| *b == b'#') {
        replacement.extend_from_slice(b"; ");
        replacement.extend_from_slice(text.get(comment..).unwrap_or_default());
    } else if text.ends_with(b"}") {
        replacement.extend_from_slice(b"; }");
    }
    case.corrected(&whole.range(), &ended(case, whole, replacement))
}

/// A value with the end that it lacks, where nothing stands behind it on its line, and with a blank before it.
fn ended(case: &ConfigCase<'_>, whole: Spot, mut value: Vec<u8>) -> Vec<u8> {
    let line = case.lines(&whole.range());
    if case.piece(line.start..whole.start).ends_with(b"=") {
        value.insert(0, b' ');
    }
    if case.piece(whole.end..line.end).trim_ascii().is_empty() && !value.ends_with(b"}") {
        value.push(b';');
    }
    value
}

/// Another setting whose value is not taken for what it seems to say.
fn other(case: &ConfigCase<'_>, misread: &Misread) -> Finding {
    let (summary, consequence, what) = told(case, misread);
    let mut finding = case.finding(Id::ConfigValueNotUnderstood, Vec::new(), summary, consequence);
    let marked = if misread.why == WhyMisread::Glyphs { misread.whole } else { misread.at };
    let corrected = correction(case, misread).filter(|fixed| case.is_cured(&misread.whole.range(), fixed));
    finding.evidence.push(case.source(&marked.range(), "not taken for what it seems to say", corrected));
    finding.evidence.extend(case.glyph_evidence(&misread.at.range()));
    finding.fix.push(Remedy::new(what, Deed::EditConfiguration));
    finding
}

/// What is wrong with the value, what it means now, and what to write.
fn told(case: &ConfigCase<'_>, misread: &Misread) -> (String, String, String) {
    let (name, value) = (misread.known.name, escape(&misread.value));
    match &misread.why {
        WhyMisread::Switch(on) => (
            format!("OpenSC does not know {name} = {value}: it only looks whether it begins with t or y."),
            format!("It is {}.", if *on { "on" } else { "off" }),
            format!("write {on} for what it means now, or {} if that is meant", !on),
        ),
        WhyMisread::Number(number) => (
            format!("{name} = {value} is not a number."),
            format!("It is taken for {number}."),
            format!("write {number} for what it means now, or the number that is meant"),
        ),
        WhyMisread::OneOf(words) => {
            let first = words.first().copied().unwrap_or_default();
            (
                format!("OpenSC does not know {name} = {value}: it knows {}, exactly so.", words.join(", ")),
                format!("It is taken for {first}."),
                format!("write {first} for what it means now, or another of these words"),
            )
        }
        WhyMisread::NoDriver(near) => (
            format!("OpenSC {} has no driver called {value}.", case.version),
            "The name is passed over in silence: no card is given to it.".to_owned(),
            near.map_or_else(
                || "write a name that opensc-tool --list-drivers shows".to_owned(),
                |near| format!("write {near}, exactly so"),
            ),
        ),
        WhyMisread::NoEmulation(near) => (
            format!("OpenSC {} has no emulation called {value}.", case.version),
            "The name is passed over in silence: cards that need this emulation are not seen.".to_owned(),
            format!("write {near}, exactly so"),
        ),
        WhyMisread::Cut => (
            format!("{name} ends at a blank: what is behind {value} is forgotten."),
            format!("It is {value}."),
            "write it in quotes, or a list with commas".to_owned(),
        ),
        WhyMisread::Colon => (
            format!("{name} ends with a colon, which is a part of it."),
            format!("It is {value}."),
            "end the setting by a semicolon".to_owned(),
        ),
        WhyMisread::NoList => (
            format!("{name} is one: what is behind {value} is not looked at."),
            format!("It is {value}."),
            "write one".to_owned(),
        ),
        WhyMisread::Empty => (
            format!("{name} is nothing, which is not the same as no setting."),
            "Files are looked for below the root directory.".to_owned(),
            "remove the line: then the default holds".to_owned(),
        ),
        WhyMisread::NotExpanded => (
            format!("{name} = {value} is taken as it stands: OpenSC replaces neither ~ nor variables."),
            format!("A file or directory of just this name is looked for: {value}."),
            "write the whole path".to_owned(),
        ),
        WhyMisread::Glyphs => (
            format!("{name} holds characters that only look like others."),
            "OpenSC takes them as they are: they are a part of the value.".to_owned(),
            "write it in plain characters".to_owned(),
        ),
        WhyMisread::Template => (
            format!("{name} holds a template that was not rendered."),
            format!("It is {value}."),
            "render the template before OpenSC reads it".to_owned(),
        ),
    }
}

/// The line as it would have to read, where that can be told.
fn correction(case: &ConfigCase<'_>, misread: &Misread) -> Option<Correction> {
    let replaced = |text: &str| {
        case.corrected(&misread.whole.range(), &ended(case, misread.whole, text.as_bytes().to_vec()))
    };
    let whole = String::from_utf8_lossy(case.piece(misread.whole.range())).into_owned();
    // Of `=>` the second half is the value.
    let whole = whole.strip_prefix('>').map_or(whole.as_str(), str::trim_start);
    // All names of a list at once, each as OpenSC knows it.
    let named = |nearest: &dyn Fn(&[u8]) -> Option<&'static str>| -> String {
        let words =
            whole.split([',', ' ', '\t']).map(|word| word.trim_matches('"')).filter(|word| !word.is_empty());
        words.map(|word| nearest(word.as_bytes()).unwrap_or(word)).collect::<Vec<_>>().join(", ")
    };
    match &misread.why {
        WhyMisread::Switch(on) => replaced(if *on { "true" } else { "false" }),
        WhyMisread::Number(number) => replaced(number),
        WhyMisread::OneOf(words) => replaced(words.first().copied().unwrap_or_default()),
        WhyMisread::NoDriver(near) => near.and_then(|near| match misread.known.kind {
            Kind::Drivers => replaced(&named(&|word| {
                let is_known = known::is_driver(word, case.version);
                if is_known { None } else { known::nearest_driver(word, case.version) }
            })),
            Kind::Driver
            | Kind::Caching
            | Kind::Path
            | Kind::Switch
            | Kind::Number
            | Kind::OneOf(_)
            | Kind::Emulations
            | Kind::List
            | Kind::Texts
            | Kind::Text => case.corrected(&misread.at.range(), near.as_bytes()),
        }),
        WhyMisread::NoEmulation(_) => replaced(&named(&known::nearest_emulation)),
        WhyMisread::Cut => {
            let words = whole.split_whitespace().map(|word| word.trim_matches(','));
            replaced(&match misread.known.kind {
                Kind::Emulations => named(&known::nearest_emulation),
                Kind::Drivers | Kind::List => words.collect::<Vec<_>>().join(", "),
                Kind::Caching
                | Kind::Path
                | Kind::Switch
                | Kind::Number
                | Kind::OneOf(_)
                | Kind::Texts
                | Kind::Driver
                | Kind::Text => format!("\"{}\"", whole.replace('"', "")),
            })
        }
        WhyMisread::Colon => replaced(whole.trim_end_matches(':')),
        WhyMisread::NoList => case.corrected(&misread.whole.range(), case.piece(misread.at.range())),
        WhyMisread::Glyphs => {
            let plain = String::from_utf8_lossy(&plain(case.piece(misread.whole.range()))).replace('"', "");
            replaced(&format!("\"{}\"", plain.trim()))
        }
        WhyMisread::Empty | WhyMisread::NotExpanded | WhyMisread::Template => None,
    }
}

/// Comments that a carriage return alone ends, although what is behind it looks like a part of them.
fn comments(case: &ConfigCase<'_>) -> Vec<Finding> {
    let Ok(document) = case.parsed else { return Vec::new() };
    let tokens = document.tokens().windows(3);
    let behind = tokens.filter_map(|window| match window {
        [comment, space, next] => {
            let is_return = case.piece(space.range.clone()).first() == Some(&b'\r');
            let is_live = matches!(next.kind, TokenKind::Word { .. } | TokenKind::Punctuation(_));
            (comment.kind == TokenKind::Comment && space.kind == TokenKind::Space && is_return && is_live)
                .then_some(next)
        }
        _ => None,
    });
    let told = behind.map(|next| {
        let mut finding = case.finding(
            Id::ConfigValueNotUnderstood,
            Vec::new(),
            "A carriage return alone ends this comment: what is behind it is read.".to_owned(),
            "Editors that end lines by line feeds only show it as a part of the comment.".to_owned(),
        );
        finding.evidence.push(case.source(&next.range, "read, behind a carriage return", None));
        finding.fix.push(Remedy::new("end the lines by line feeds", Deed::EditConfiguration));
        finding
    });
    told.collect()
}

fn dir(case: &ConfigCase<'_>, at: Spot, effective: &Effective, programs: Vec<String>) -> Finding {
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
    finding.evidence.push(case.source(&at.range(), "taken as it stands, from the current folder", None));
    finding.fix.push(Remedy::new(
        "write an absolute path, or remove the line: the default is below each user's home",
        Deed::EditConfiguration,
    ));
    finding
}
