//! An event of `watch` and what came of it: in one line, and as the environment of a program.

use std::collections::BTreeSet;

use time::OffsetDateTime;

use crate::finding::Severity;
use crate::repair::Refilled;
use crate::report::lines::Screen;
use crate::text::{count, escape, in_ascii};
use crate::verdict::Verdict;
use crate::verdict::brief::{Brief, Headline};
use crate::watch::Occurrence;

/// What there is to say of one event.
pub struct Line<'a> {
    /// When it was dealt with.
    pub time: OffsetDateTime,
    /// What happened.
    pub occurrence: &'a Occurrence,
    /// What a check said, if there was one.
    pub verdict: Option<&'a Verdict>,
    /// The same in brief.
    pub brief: Option<&'a Brief>,
    /// How many cache entries were moved to the quarantine.
    pub moved: usize,
    /// What was put in place of them, if that was asked for.
    pub refilled: Option<&'a Refilled>,
}

/// One line for people.
#[must_use]
pub fn line(screen: &Screen, line: &Line<'_>) -> String {
    let mut text = format!("{} {}", screen.zone.written(line.time.unix_timestamp()), line.occurrence.kind());
    if let Some(reader) = line.reader() {
        text.push_str(&format!(" {reader}"));
    }
    if let Occurrence::ServiceLost(why) = line.occurrence {
        text.push_str(&format!(": {why}"));
    }
    let Some(verdict) = line.verdict else { return text };
    let tokens = line.tokens();
    text.push_str(&format!(": {}", if tokens.is_empty() { "no token" } else { &tokens }));
    if let Some(brief) = line.brief {
        let Headline { state, sentence, .. } = &brief.headline;
        let sentence = screen.prose(sentence);
        text.push_str(&format!("; {}: {}", state.text(), sentence.trim_end_matches('.')));
    }
    let ids = line.findings();
    if !ids.is_empty() {
        text.push_str(&format!("; {} ({ids})", count(verdict.findings.len(), "finding", "findings")));
    }
    if line.moved > 0 {
        text.push_str(&format!("; {} moved to the quarantine", count(line.moved, "entry", "entries")));
    }
    if let Some(refilled) = line.refilled.filter(|_| line.moved > 0) {
        if refilled.placed() > 0 {
            text.push_str(&format!("; {} filled anew", count(refilled.placed(), "entry", "entries")));
        }
        for left in refilled.left_over() {
            text.push_str(&format!("; not filled, the next listing does: {}: {}", left.what, left.why));
        }
    }
    for gap in verdict.coverage.iter().filter(|gap| gap.asked_for) {
        text.push_str(&format!("; not read: {}: {}", gap.what, gap.why));
    }
    if let Some(next) = line.brief.and_then(Brief::next) {
        text.push_str(&format!("; next: {}", next.in_a_line()));
    }
    if screen.is_ascii { in_ascii(&text) } else { text }
}

impl Line<'_> {
    /// What a program is told in its environment.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let worst =
            self.verdict.and_then(|verdict| verdict.findings.iter().map(|finding| finding.severity).max());
        let worst = worst.map_or("", Severity::word);
        vec![
            ("STALECARD_EVENT", self.occurrence.kind().to_owned()),
            ("STALECARD_READER", self.reader().unwrap_or_default()),
            ("STALECARD_TOKEN", self.tokens()),
            ("STALECARD_FINDINGS", self.findings()),
            ("STALECARD_WORST", worst.to_owned()),
            ("STALECARD_CHANGED", (self.moved > 0).to_string()),
        ]
    }

    fn reader(&self) -> Option<String> {
        self.occurrence.reader().map(|reader| escape(reader.as_bytes()))
    }

    fn tokens(&self) -> String {
        let tokens = self.verdict.iter().flat_map(|verdict| &verdict.tokens);
        let serials: Vec<&str> = tokens.filter_map(|token| token.serial.as_deref()).collect();
        serials.join(" ")
    }

    /// The ids of what was found, each once, worst first.
    fn findings(&self) -> String {
        let findings = self.verdict.iter().flat_map(|verdict| &verdict.findings);
        let mut known = BTreeSet::new();
        let ids: Vec<&str> =
            findings.map(|finding| finding.id.name()).filter(|id| known.insert(*id)).collect();
        ids.join(" ")
    }
}
