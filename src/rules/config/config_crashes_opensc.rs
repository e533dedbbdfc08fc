//! `config-crashes-opensc`: a comment or an empty line in opensc.conf kills OpenSC
//!
//! OpenSC's parser keeps comments and empty lines in its list of settings. One
//! that stands in the middle of a statement takes its key away: between `app
//! default` and `{`, between `app` and `default`, or between `use_file_caching`
//! and `=`. The statement stays without a key, and the first program that searches
//! past it ends with a segmentation fault: every program at its start, or only
//! those that read a card, or only `pkcs15-init`, whichever has to look there. A
//! single line break in the same place does no harm.
//!
//! Cure: bring the statement on one line, and put the comment above it.

use crate::case::config::{ConfigCase, Correction, labels};
use crate::finding::{Deed, Finding, Id, Remedy};
use crate::opensc::{Crash, Outcome, When, differences};
use crate::scconf::{self, Body, Document, Statement};

/// Applies the rule to one configuration.
pub fn apply(case: &ConfigCase<'_>, sink: &mut Vec<Finding>) {
    let mut seen: Vec<(&Crash, Vec<String>)> = Vec::new();
    for row in &case.rows {
        for outcome in [&row.other, &row.listed] {
            let crash = match outcome {
                Outcome::Crashes(crash) => crash,
                Outcome::Runs(effective) => match &effective.may_crash {
                    Some(crash) => crash,
                    None => continue,
                },
            };
            match seen.iter_mut().find(|(known, _)| *known == crash) {
                Some((_, programs)) => programs.extend(labels([row])),
                None => seen.push((crash, labels([row]))),
            }
        }
    }
    for (crash, mut programs) in seen {
        programs.dedup();
        sink.push(finding(case, crash, programs));
    }
}

fn finding(case: &ConfigCase<'_>, crash: &Crash, programs: Vec<String>) -> Finding {
    let who = case.who(&programs);
    let dies = if programs.len() == 1 || programs.len() == case.rows.len() { "dies" } else { "die" };
    let consequence = match crash.when {
        When::Start => format!("{who} {dies} of a segmentation fault at start, with or without a card."),
        When::Bind => format!("{who} {dies} of a segmentation fault when it comes to reading a card."),
        When::Sometimes => {
            format!("{who} {dies} of a segmentation fault with some cards, or if some drivers are loaded.")
        }
    };
    let what = match case.text.get(crash.taken_by.start) {
        Some(b'#') => "comment",
        _ => "empty line",
    };
    let subject = if programs.len() == case.rows.len() { "Every program of OpenSC" } else { &who };
    let summary = format!(
        "{subject} {dies} of {}: the {what} at line {} takes the word `{}` away.",
        case.path, crash.taken_by.position.line, crash.key
    );
    let mut finding = case.finding(Id::ConfigCrashesOpenSc, programs, summary, consequence);
    let note = format!("OpenSC loses this word to the {what} behind it");
    finding.evidence.push(case.source(&crash.at.range(), &note, joined(case, crash.at.start)));
    finding.fix.push(Remedy::new(
        format!("write the statement on one line, without the {what}"),
        Deed::EditConfiguration,
    ));
    finding
}

/// The statement on one line.
fn joined(case: &ConfigCase<'_>, at: usize) -> Option<Correction> {
    let document = case.parsed.as_ref().ok()?;
    let statement = statement(document.root(), at)?;
    let key = case.piece(statement.range().start..at + word_length(statement));
    let (end, text) = match statement {
        Statement::Block(block) => {
            let names: Vec<&[u8]> = block.names.iter().map(|name| case.piece(name.range.clone())).collect();
            (block.open + 1, [key, b" ", &names.join(&b", "[..]), b" {"].concat())
        }
        Statement::Assignment(assignment) => (assignment.equals + 1, [key, b" ="].concat()),
        Statement::Discarded(_) => return None,
    };
    let range = at..end;
    let fixed = scconf::parse(&case.with(&range, &text), differences::dialect(case.version)).ok()?;
    if is_lost(&fixed, at) { None } else { case.corrected(&range, &text) }
}

fn word_length(statement: &Statement) -> usize {
    match statement {
        Statement::Block(block) => block.key.word().range.len(),
        Statement::Assignment(assignment) => assignment.key.word().range.len(),
        Statement::Discarded(_) => 0,
    }
}

fn is_lost(document: &Document, at: usize) -> bool {
    match statement(document.root(), at) {
        Some(Statement::Block(block)) => block.key.is_lost(),
        Some(Statement::Assignment(assignment)) => assignment.key.is_lost(),
        _ => true,
    }
}

/// The statement that begins at a byte.
fn statement(body: &Body, at: usize) -> Option<&Statement> {
    body.0.iter().find_map(|statement_here| match statement_here {
        found if found.range().start == at => Some(found),
        Statement::Block(block) if block.range.contains(&at) => statement(&block.body, at),
        _ => None,
    })
}
