//! What the rules on the configuration look at: one file, read as one version of OpenSC reads
//! it, and what it comes to for every program that matters on the host.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::finding::{Evidence, Finding, Id, SourceLine};
use crate::opensc::config::{Configuration, FileUse, Written};
use crate::opensc::differences::{LISTED_DRIVER, OTHER_DRIVER};
use crate::opensc::misread::{Misread, misread};
use crate::opensc::program::that_matter;
use crate::opensc::unread::{is_read, unread};
use crate::opensc::{Effective, Outcome, Program, Shadowed, Unread, Version, differences};
use crate::scconf::foreign::{Foreign, foreign};
use crate::scconf::glyphs::{Glyph, glyphs, plain};
use crate::scconf::{self, Block, Body, Document, ParseError, Position};
use crate::snapshot::{ByteString, Card, Snapshot};
use crate::text::{escape, escape_source};
use crate::view::layout;

/// Settings that one rule describes one by one; of more it only says how many there are.
pub const MOST: usize = 50;
/// What is said of the others.
pub const NOT_SHOWN: &str = "Those above come first in the file; correct them and look again.";
/// Characters of one line that are told one by one.
const MOST_GLYPHS: usize = 3;
/// How much of a long line is kept on either side, and of what is marked.
pub const KEPT: usize = 160;

/// One configuration file under one version of OpenSC.
pub struct ConfigCase<'a> {
    /// Where it is.
    pub path: ByteString,
    /// What is in it.
    pub text: &'a [u8],
    /// The version that reads it.
    pub version: Version,
    /// How it parses.
    pub parsed: &'a Result<Document, ParseError>,
    /// The programs, and what becomes of them.
    pub rows: Vec<Row>,
    /// What no program reads, besides the cache settings.
    pub unread: Vec<Unread>,
    /// Values that are not taken for what they seem to say, besides that of `use_file_caching`.
    pub misread: Vec<Misread>,
    /// Whether a program that changes cards and caches does harm here; of a file that is judged by itself it is said.
    pub harms: bool,
    /// What has no effect on some programs, with them.
    pub unread_by_some: Vec<(Unread, Vec<String>)>,
}

/// How a line would have to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    /// The whole line, without its indentation.
    pub text: String,
    /// The last of the lines that it stands for, if there is more than one.
    pub last_line: Option<usize>,
}

/// A program and what the configuration means for it.
pub struct Row {
    /// The program.
    pub program: Program,
    /// With a card of a driver that is cached by default in the versions that do so.
    pub listed: Outcome,
    /// With any other card.
    pub other: Outcome,
}

/// A setting that does not count, for these programs.
pub struct Dead<'a> {
    /// The setting.
    pub setting: &'a Shadowed,
    /// The programs.
    pub programs: Vec<&'a Row>,
}

impl<'a> ConfigCase<'a> {
    /// The configuration of a snapshot; `None` if there is no file or it could not be read. Beside it stand these cards;
    /// none: the file is judged by itself.
    #[must_use]
    pub fn new(
        snapshot: &Snapshot,
        beside: Option<&[Card]>,
        configuration: &'a Configuration<'_>,
        version: Version,
    ) -> Option<Self> {
        let (path, text) = configuration.text()?;
        let parsed = configuration.parsed(version)?;
        let rows = rows(snapshot, configuration, version);
        let mut unread_by_some: Vec<(Unread, Vec<String>)> = Vec::new();
        for row in &rows {
            for unread in configuration.unread_by(&row.program, version) {
                match unread_by_some.iter_mut().find(|(known, _)| *known == unread) {
                    Some((_, programs)) => programs.push(row.program.label.clone()),
                    None => unread_by_some.push((unread, vec![row.program.label.clone()])),
                }
            }
        }
        let unread = configuration.unread(version);
        let misread = parsed.as_ref().map(|document| misread(document, version)).unwrap_or_default();
        let harms = beside.is_none_or(|cards| cards.iter().any(|card| is_harmed(card, version)));
        let path = path.clone();
        Some(Self { path, text, version, parsed, rows, unread, misread, harms, unread_by_some })
    }

    /// The programs that run, with a card of either kind.
    pub fn running(&self) -> impl Iterator<Item = (&Row, &Effective)> {
        self.rows.iter().flat_map(|row| {
            [&row.other, &row.listed].into_iter().filter_map(move |outcome| match outcome {
                Outcome::Runs(effective) if matches!(effective.file, FileUse::Read(_)) => {
                    Some((row, &**effective))
                }
                _ => None,
            })
        })
    }

    /// Settings of no effect, each once, with the programs that do not read it.
    #[must_use]
    pub fn dead(&self) -> Vec<Dead<'_>> {
        // By place, because there may be very many; for one place there are few reasons.
        let mut all: BTreeMap<usize, Vec<Dead<'_>>> = BTreeMap::new();
        for (row, effective) in self.running() {
            for setting in &effective.shadowed {
                let here = all.entry(setting.at.start).or_default();
                match here.iter_mut().find(|dead| dead.setting.why == setting.why) {
                    Some(dead) if dead.programs.iter().any(|known| known.program == row.program) => {}
                    Some(dead) => dead.programs.push(row),
                    None => here.push(Dead { setting, programs: vec![row] }),
                }
            }
        }
        all.into_values().flatten().collect()
    }

    /// The places of the values that some program takes.
    #[must_use]
    pub fn read(&self) -> BTreeSet<usize> {
        let written = self.running().flat_map(|(_, effective)| {
            [&effective.use_file_caching, &effective.file_cache_dir].into_iter().flatten()
        });
        written.map(|written| written.at.start).collect()
    }

    /// The `app` blocks of the file.
    pub fn apps(&self) -> impl Iterator<Item = &Block> {
        let root = self.parsed.as_ref().ok().map(Document::root);
        root.into_iter().flat_map(Body::all_blocks).filter(|block| block.key.is("app"))
    }

    /// The `app` block around a byte.
    #[must_use]
    pub fn app_around(&self, offset: usize) -> Option<&Block> {
        self.apps().find(|app| app.range.contains(&offset))
    }

    /// A piece of the file.
    #[must_use]
    pub fn piece(&self, range: Range<usize>) -> &[u8] {
        self.text.get(range).unwrap_or_default()
    }

    /// The whole lines that a part of the file touches, without the last line end.
    #[must_use]
    pub fn lines(&self, range: &Range<usize>) -> Range<usize> {
        lines(self.text, range)
    }

    /// The file with another text in place of a part of it.
    #[must_use]
    pub fn with(&self, range: &Range<usize>, replacement: &[u8]) -> Vec<u8> {
        let mut text = self.piece(0..range.start).to_vec();
        text.extend_from_slice(replacement);
        text.extend_from_slice(self.piece(range.end..self.text.len()));
        text
    }

    /// The whole lines that a part of the file touches with another text in its place, in plain characters. Only what
    /// brings OpenSC further through the file than it comes now is a correction.
    #[must_use]
    pub fn corrected(&self, range: &Range<usize>, replacement: &[u8]) -> Option<Correction> {
        let lines = self.lines(range);
        let mut line = self.piece(lines.start..range.start).to_vec();
        line.extend_from_slice(replacement);
        line.extend_from_slice(self.piece(range.end..lines.end));
        let line = plain(&line);
        let text = line.trim_ascii();
        let new = self.with(&lines, text);
        let parsed = scconf::parse(&new, differences::dialect(self.version));
        let better = match (&parsed, self.parsed) {
            (Ok(_), _) => true,
            // Nearer to the end of the file.
            (Err(now), Err(old)) => new.len() - now.range.start < self.text.len() - old.range.start,
            (Err(_), Ok(_)) => false,
        };
        let shown = escape_source(text);
        // What cannot be shown as it is cannot be copied.
        (better && text.len() <= KEPT && shown.as_bytes() == text).then(|| {
            let (first, last) =
                (Position::of(self.text, lines.start).line, Position::of(self.text, lines.end).line);
            Correction { text: shown, last_line: (last > first).then_some(last) }
        })
    }

    /// Whether a correction leaves nothing to be said of its lines: what stands there then is read, and understood.
    #[must_use]
    pub fn is_cured(&self, range: &Range<usize>, correction: &Correction) -> bool {
        let lines = self.lines(range);
        let new = self.with(&lines, correction.text.as_bytes());
        let Ok(document) = scconf::parse(&new, differences::dialect(self.version)) else { return false };
        let here = lines.start..lines.start + correction.text.len();
        if !is_read(&document, &here, self.version) {
            return false;
        }
        let unread = unread(&document, self.version);
        !unread.iter().any(|unread| here.contains(&unread.at.start))
            && !misread(&document, self.version).iter().any(|misread| here.contains(&misread.at.start))
    }

    /// The other language that a line looks like, if it does.
    #[must_use]
    pub fn language(&self, range: &Range<usize>) -> Option<Foreign> {
        foreign(self.piece(self.lines(&(range.start..range.start))))
    }

    /// Characters in the lines of a part of the file that only look like what OpenSC knows.
    #[must_use]
    pub fn glyphs(&self, range: &Range<usize>) -> Vec<Glyph> {
        glyphs(self.text, self.lines(range))
    }

    /// Those characters as evidence, the first few of them.
    #[must_use]
    pub fn glyph_evidence(&self, range: &Range<usize>) -> Vec<Evidence> {
        let told = |glyph: Glyph| {
            let number = u32::from(glyph.character);
            let note = format!("U+{number:04X}, {}: a letter of the word to OpenSC", glyph.name);
            self.source(&glyph.range, &note, None)
        };
        self.glyphs(range).into_iter().take(MOST_GLYPHS).map(told).collect()
    }

    /// A part of the file as evidence; of several lines the first.
    #[must_use]
    pub fn source(&self, range: &Range<usize>, note: &str, corrected: Option<Correction>) -> Evidence {
        source(&self.path, self.text, range, note, corrected)
    }

    /// A finding about some programs.
    #[must_use]
    pub fn finding(&self, id: Id, programs: Vec<String>, summary: String, consequence: String) -> Finding {
        let mut finding = Finding::new(id, summary, consequence);
        finding.program = programs;
        finding.place = Some(self.path.to_string());
        finding
    }

    /// `/etc/opensc.conf:3:22`
    #[must_use]
    pub fn place(&self, at: Position) -> String {
        format!("{}:{at}", self.path)
    }

    /// `pkcs15-tool`, `pkcs15-tool and pkcs15-init`, `pkcs15-tool and 12 others`, `every program`
    #[must_use]
    pub fn who(&self, labels: &[String]) -> String {
        match labels {
            [one] => one.clone(),
            all if all.len() == self.rows.len() => "every program".to_owned(),
            [one, other] => format!("{one} and {other}"),
            [one, others @ ..] => format!("{one} and {} others", others.len()),
            [] => "no program".to_owned(),
        }
    }

    /// A value as it is shown in a sentence.
    #[must_use]
    pub fn value(written: &Written) -> String {
        written.value.as_ref().map(|value| escape(&value.0)).unwrap_or_default()
    }
}

/// Whether a card loses by a `pkcs15-init` that caches: it writes back the lists that it has read, and no name of a cache
/// file tells that they are old.
fn is_harmed(card: &Card, version: Version) -> bool {
    layout(card.family)
        .is_some_and(|layout| layout.is_listed_in_files() && !layout.signals_change(card, version))
}

/// A part of a file of settings as evidence; of several lines the first.
#[must_use]
pub fn source(
    path: &ByteString,
    text: &[u8],
    range: &Range<usize>,
    note: &str,
    corrected: Option<Correction>,
) -> Evidence {
    let at = Position::of(text, range.start);
    let piece = |range: Range<usize>| text.get(range).unwrap_or_default();
    let line = lines(text, &(range.start..range.start));
    let end = range.end.clamp(range.start, line.end.max(range.start));
    let (before, marked, after) =
        (piece(line.start..range.start), piece(range.start..end), piece(end..line.end));
    let source = SourceLine {
        file: path.to_string(),
        line: at.line,
        column: at.column,
        before: escape_source(before.get(before.len().saturating_sub(KEPT)..).unwrap_or(before)),
        marked: escape_source(marked.get(..KEPT).unwrap_or(marked)),
        after: escape_source(after.get(..KEPT).unwrap_or(after)),
        note: note.to_owned(),
        last_line: corrected.as_ref().and_then(|corrected| corrected.last_line),
        corrected: corrected.map(|corrected| corrected.text),
    };
    Evidence { source: Some(source), ..Evidence::default() }
}

/// The whole lines that a part of a text touches, without the last line end.
fn lines(text: &[u8], range: &Range<usize>) -> Range<usize> {
    let before = text.get(0..range.start).unwrap_or_default();
    let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let from = range.end.max(range.start);
    let rest = text.get(from..).unwrap_or_default();
    let mut end = from + rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
    if end > start && text.get(end - 1) == Some(&b'\r') {
        end -= 1;
    }
    start..end.max(start)
}

/// The labels of rows, each once.
pub fn labels<'r>(rows: impl IntoIterator<Item = &'r Row>) -> Vec<String> {
    let mut labels: Vec<String> = Vec::new();
    for row in rows {
        if !labels.contains(&row.program.label) {
            labels.push(row.program.label.clone());
        }
    }
    labels
}

/// What becomes of the programs that matter.
#[must_use]
pub fn rows(snapshot: &Snapshot, configuration: &Configuration<'_>, version: Version) -> Vec<Row> {
    let document = configuration.parsed(version).and_then(|parsed| parsed.as_ref().ok());
    let programs = that_matter(&snapshot.executables, version, document);
    programs.into_iter().map(|program| row(configuration, program)).collect()
}

/// What becomes of one program.
#[must_use]
pub fn row(configuration: &Configuration<'_>, program: Program) -> Row {
    let listed = configuration.outcome(&program, Some(LISTED_DRIVER));
    let other = configuration.outcome(&program, Some(OTHER_DRIVER));
    Row { program, listed, other }
}
