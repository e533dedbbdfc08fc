//! The page on one host.

use super::super::lines::told;
use super::{Block, Cell, Level, Page};
use crate::case::cache::owner;
use crate::finding::{Evidence, Finding, Severity, Side};
use crate::judge::brief::capital;
use crate::listing::objects::ObjectComparison;
use crate::listing::settings::{Place, Settings};
use crate::snapshot::{Gap, Snapshot, User};
use crate::text::key_reference;
use crate::verdict::brief::{Brief, Step, Word};
use crate::verdict::{Token, Verdict};

/// Pieces of evidence that are shown for one finding.
const MOST_EVIDENCE: usize = 20;

/// What a page on a host is made of.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// What was observed.
    pub snapshot: &'a Snapshot,
    /// What is to be said of it.
    pub verdict: &'a Verdict,
    /// The same in the order in which it is needed.
    pub brief: &'a Brief,
    /// Both views of every object.
    pub objects: &'a [ObjectComparison],
    /// What the configuration means.
    pub settings: Option<&'a Settings>,
}

/// The page.
#[must_use]
pub fn host(facts: &Facts<'_>) -> Page {
    let Facts { snapshot, verdict, brief, objects, settings } = facts;
    let user = snapshot.user.name.clone().unwrap_or_else(|| snapshot.user.uid.to_string());
    let mut blocks = Vec::new();
    head(&mut blocks, brief);
    for token in &verdict.tokens {
        token_facts(&mut blocks, token);
    }
    sides(&mut blocks, objects);
    let users: Vec<&User> =
        std::iter::once(&snapshot.user).chain(snapshot.others.iter().map(|other| &other.user)).collect();
    findings(&mut blocks, &verdict.findings, &users);
    if let Some(settings) = settings {
        configuration(&mut blocks, settings);
    }
    coverage(&mut blocks, &verdict.coverage);
    blocks.push(Block::Heading(1, Cell::fixed("About this report")));
    let opensc = snapshot.opensc.first().and_then(|found| found.version.clone());
    blocks.push(Block::Facts(vec![
        ("host".to_owned(), Cell::words(&snapshot.host)),
        ("account".to_owned(), Cell::words(user)),
        ("observed".to_owned(), Cell::fixed(at(snapshot.taken_at.unix_timestamp()))),
        ("OpenSC".to_owned(), Cell::words(opensc.unwrap_or_else(|| "not known".to_owned()))),
        ("stalecard".to_owned(), Cell::fixed(env!("CARGO_PKG_VERSION"))),
    ]));
    let user = snapshot.user.name.as_deref();
    end_on(&mut blocks, brief, Some((&snapshot.host, user)));
    Page { title: Cell::words(format!("OpenSC's cache on {}", snapshot.host)), blocks }
}

/// The last line, which is read when nothing else is: the first thing to do, and on which host, if it is about one. Who reads
/// it sits elsewhere.
pub(super) fn end(blocks: &mut Vec<Block>, brief: &Brief, host: Option<&str>) {
    end_on(blocks, brief, host.map(|host| (host, None)));
}

/// The same, with the user whom it takes where that makes a difference.
fn end_on(blocks: &mut Vec<Block>, brief: &Brief, place: Option<(&str, Option<&str>)>) {
    let line = |step: Step| {
        let place = place.map(|(host, user)| match user.filter(|_| step.is_of_one_user()) {
            Some(user) => format!("on {host}, as {user}: "),
            None => format!("on {host}: "),
        });
        let place = place.unwrap_or_default();
        Block::Paragraph(Cell::words(format!("Next: {place}{}", step.in_a_line())))
    };
    blocks.extend(brief.next().map(line));
}

/// A moment, in UTC: who reads it may be anywhere, and need not learn where it was written.
pub(super) fn at(seconds: i64) -> String {
    crate::text::utc(seconds)
}

/// How a verdict strikes the eye.
pub(super) const fn eye(word: Word) -> Level {
    match word {
        Word::Stale | Word::Undecided | Word::Wrong | Word::Configuration | Word::Failed => Level::Bad,
        Word::Risk | Word::Unread | Word::Partly => Level::Doubtful,
        Word::Sound | Word::Done => Level::Good,
        Word::Planned | Word::Unchanged => Level::Plain,
    }
}

/// The verdict, what not to do, what it leads to, what to do.
pub(super) fn head(blocks: &mut Vec<Block>, brief: &Brief) {
    let state = brief.headline.state;
    blocks.push(Block::Verdict(eye(state), state.text(), Cell::words(&*brief.headline.sentence)));
    blocks.extend(brief.dangers.iter().map(|danger| Block::Banner(Level::Danger, Cell::words(danger))));
    blocks.extend(brief.consequences.iter().map(|text| Block::Paragraph(Cell::words(capital(text)))));
    if !brief.steps.is_empty() {
        let step = |step: &Step| match &step.command {
            Some(command) => (Cell::code(command), Cell::words(told(step, at))),
            None => (Cell::words(told(step, at)), Cell::fixed("")),
        };
        blocks.push(Block::Heading(1, Cell::fixed("What to do")));
        blocks.push(Block::Steps(brief.steps.iter().map(step).collect()));
    }
}

fn token_facts(blocks: &mut Vec<Block>, token: &Token) {
    let serial = token.serial.clone().unwrap_or_else(|| "without serial number".to_owned());
    blocks.push(Block::Heading(1, Cell::words(format!("Token {serial}"))));
    let mut facts = vec![("reader".to_owned(), Cell::words(&token.reader))];
    facts.extend(token.label.iter().map(|label| ("label".to_owned(), Cell::words(label))));
    facts.push(("card".to_owned(), Cell::fixed(&token.family)));
    facts.push(("answer to reset".to_owned(), Cell::fixed(&token.atr)));
    facts.extend(token.status.iter().map(|(name, value)| (name.clone(), Cell::words(value))));
    facts.extend(token.objects.iter().map(|objects| ("objects".to_owned(), Cell::fixed(objects))));
    blocks.push(Block::Facts(facts));
}

/// Both views, object by object.
fn sides(blocks: &mut Vec<Block>, objects: &[ObjectComparison]) {
    if objects.is_empty() {
        return;
    }
    blocks.push(Block::Heading(1, Cell::fixed("On the card, and as shown")));
    let head = ["object", "seen by", "ID", "label", "key", "fingerprint of the public key"];
    let mut rows = Vec::new();
    for object in objects {
        let name = object.reference.map_or_else(
            || format!("EF {}", object.ef),
            |number| format!("key reference {}", key_reference(number)),
        );
        rows.push((Level::Plain, row(&name, "the card", &object.card)));
        for shown in &object.shown {
            let who = match shown.program.as_slice() {
                [] => format!("{} (no program reads it today)", shown.directory),
                programs => programs.join(", "),
            };
            if shown.side == object.card {
                let mut cells = vec![Cell::fixed(""), Cell::words(who), Cell::fixed("the same")];
                cells.resize(head.len(), Cell::fixed(""));
                rows.push((Level::Good, cells));
            } else {
                rows.push((Level::Bad, row("", &who, &shown.side)));
            }
        }
    }
    blocks.push(Block::Table { head: head.map(str::to_owned).to_vec(), rows });
}

fn row(name: &str, who: &str, side: &Side) -> Vec<Cell> {
    let cell = |value: &Option<String>| Cell::code(value.clone().unwrap_or_default());
    let what = side.state.as_ref().map(ToString::to_string).unwrap_or_default();
    let name = if name.is_empty() { what } else { format!("{name}, {what}") };
    vec![
        Cell::fixed(name),
        Cell::words(who),
        cell(&side.id),
        Cell::words(side.label.clone().unwrap_or_default()),
        Cell::words(side.key.clone().unwrap_or_default()),
        cell(&side.public_key),
    ]
}

const fn level(severity: Severity) -> Level {
    match severity {
        Severity::Critical | Severity::Error => Level::Bad,
        Severity::Warning => Level::Doubtful,
        Severity::Info => Level::Plain,
    }
}

/// Each finding with its evidence.
fn findings(blocks: &mut Vec<Block>, findings: &[Finding], users: &[&User]) {
    if findings.is_empty() {
        return;
    }
    findings_head(blocks);
    for each in findings {
        finding(blocks, each, users);
    }
}

/// Above them.
pub(super) fn findings_head(blocks: &mut Vec<Block>) {
    blocks.push(Block::Heading(1, Cell::fixed("Findings")));
}

/// One of them.
pub(super) fn finding(blocks: &mut Vec<Block>, finding: &Finding, users: &[&User]) {
    let severity = finding.severity.word();
    blocks.push(Block::Heading(2, Cell::fixed(format!("{} ({severity})", finding.id.name()))));
    blocks.push(Block::Banner(level(finding.severity), Cell::words(&*finding.summary)));
    blocks.push(Block::Paragraph(Cell::words(capital(&finding.consequence))));
    let mut facts = Vec::new();
    let mut fact = |name: &str, value: &Option<String>| {
        facts.extend(value.iter().map(|value| (name.to_owned(), Cell::words(value))));
    };
    fact("token", &finding.token);
    fact("cache of", &finding.user);
    if !finding.program.is_empty() {
        facts.push(("affects".to_owned(), Cell::words(finding.program.join(", "))));
    }
    for evidence in finding.evidence.iter().take(MOST_EVIDENCE) {
        self::evidence(&mut facts, evidence, users);
    }
    if let Some(more) = finding.evidence.len().checked_sub(MOST_EVIDENCE).filter(|more| *more > 0) {
        facts.push((
            "and".to_owned(),
            Cell::fixed(format!("{more} more, in `stalecard check --format json`")),
        ));
    }
    if !facts.is_empty() {
        blocks.push(Block::Facts(facts));
    }
    for line in finding.evidence.iter().take(MOST_EVIDENCE).filter_map(|evidence| evidence.source.as_ref()) {
        let mut lines = vec![Cell::code(format!("{}{}{}", line.before, line.marked, line.after))];
        lines.extend(line.corrected.iter().map(|corrected| Cell::code(format!("corrected: {corrected}"))));
        blocks.push(Block::Lines(lines));
    }
}

fn evidence(facts: &mut Vec<(String, Cell)>, evidence: &Evidence, users: &[&User]) {
    if let Some(line) = &evidence.source {
        let place = format!("{}:{}:{}: {}", line.file, line.line, line.column, line.note);
        facts.push(("in".to_owned(), Cell::words(place)));
    }
    let side = |side: &Side| {
        let parts = [&side.id, &side.label, &side.key, &side.subject, &side.public_key];
        let state = side.state.as_ref().map(ToString::to_string);
        Cell::words(
            state.into_iter().chain(parts.into_iter().flatten().cloned()).collect::<Vec<_>>().join(", "),
        )
    };
    facts.extend(evidence.card.iter().map(|card| ("on the card".to_owned(), side(card))));
    facts.extend(evidence.shown.iter().map(|shown| ("shown".to_owned(), side(shown))));
    if let Some(file) = &evidence.file {
        facts.push(("cache entry".to_owned(), Cell::code(&file.path)));
        let owner = owner(users.iter().copied(), file.owner);
        let written = format!("{} bytes, written {}, owner {owner}", file.size, at(file.inode.mtime));
        facts.push(("".to_owned(), Cell::words(written)));
    }
    if let Some(offset) = evidence.first_difference {
        facts.push(("differs".to_owned(), Cell::fixed(format!("from byte {offset} on"))));
    }
}

/// The configuration, with the line that decides.
fn configuration(blocks: &mut Vec<Block>, settings: &Settings) {
    blocks.push(Block::Heading(1, Cell::fixed("Configuration")));
    let file = settings.file.clone().unwrap_or_else(|| "not known".to_owned());
    let mut facts = vec![("file".to_owned(), Cell::code(file))];
    facts.extend(settings.file_note.iter().map(|note| ("".to_owned(), Cell::words(note))));
    blocks.push(Block::Facts(facts));
    let place = |place: &Option<Place>| {
        place.as_ref().map_or_else(
            || "not set".to_owned(),
            |place| {
                let value = place.value.clone().unwrap_or_default();
                format!("{value} (line {}, column {})", place.line, place.column)
            },
        )
    };
    let head = ["program", "caching", "use_file_caching", "file_cache_dir", "cache directory"];
    let rows = settings.programs.iter().map(|program| {
        let cells = vec![
            Cell::words(&program.name),
            Cell::fixed(program.caching.word()),
            Cell::words(place(&program.use_file_caching)),
            Cell::words(place(&program.file_cache_dir)),
            Cell::code(program.cache_dir.clone().unwrap_or_default()),
        ];
        (Level::Plain, cells)
    });
    blocks.push(Block::Table { head: head.map(str::to_owned).to_vec(), rows: rows.collect() });
}

/// What was not looked at.
pub(super) fn coverage(blocks: &mut Vec<Block>, gaps: &[Gap]) {
    if !gaps.is_empty() {
        blocks.push(Block::Heading(1, Cell::fixed("Not looked at")));
        blocks.push(Block::List(
            gaps.iter().map(|gap| Cell::words(format!("{}: {}", gap.what, gap.why))).collect(),
        ));
    }
}
