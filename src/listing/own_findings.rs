//! What is wrong on the compared hosts besides what the tables of the comparison tell: what `check` says of each of their
//! snapshots. Nobody shall read that all is well of a host on which OpenSC dies of its
//! configuration.
//!
//! Hides how a thousand hosts with the same fault become one finding that names them.

use std::collections::{BTreeMap, BTreeSet};

use super::fleet::newest;
use super::hosts::{Source, Standing, TokenTable};
use crate::finding::{Deed, Finding, Id, Prose, Remedy, Severity, Shows};
use crate::judge::brief::names;
use crate::snapshot::{Gap, GapKind};
use crate::verdict::Verdict;

/// Collects them, by what is said.
#[derive(Debug, Default)]
pub(super) struct OwnFindings {
    /// Also by whether something else comes before its cure.
    found: BTreeMap<(Id, String, bool), (Finding, BTreeSet<usize>)>,
    /// Serial numbers that do not stand for one card alone.
    shared: BTreeSet<String>,
    unread: BTreeMap<(String, String), BTreeSet<usize>>,
}

/// What is told of them.
#[derive(Debug)]
pub(super) struct Told {
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What could not be read.
    pub coverage: Vec<Gap>,
    /// The first sources of which each was said, in the words of their snapshots.
    pub quoted: BTreeSet<usize>,
}

impl OwnFindings {
    /// Adds what is wrong for one of the sources.
    pub fn add(&mut self, source: usize, verdict: &Verdict) {
        let is_told = |finding: &&Finding| {
            finding.severity >= Severity::Error || finding.id == Id::CacheCannotNoticeChange
        };
        for finding in verdict.findings.iter().filter(is_told) {
            let known = self.found.entry((finding.id, finding.summary.to_string(), waits(finding)));
            known.or_insert_with(|| (finding.clone(), BTreeSet::new())).1.insert(source);
        }
        let is_shared = |finding: &&Finding| finding.id == Id::SharedIdentity;
        let shared = verdict.findings.iter().filter(is_shared).filter_map(|finding| finding.token.as_ref());
        for token in shared.filter(|token| !self.shared.contains(*token)).cloned().collect::<Vec<_>>() {
            self.shared.insert(token);
        }
        for gap in verdict.coverage.iter().filter(|gap| gap.asked_for && is_of_host(gap.kind)) {
            self.unread.entry((gap.what.clone(), gap.why.clone())).or_default().insert(source);
        }
    }

    /// Was a card with this serial number said to share it with others?
    pub fn is_shared(&self, serial: &str) -> bool {
        self.shared.contains(serial)
    }

    /// What still holds beside these tables: an older snapshot of the same user and host says nothing any more.
    pub fn conclude(self, sources: &[Source], tokens: &[TokenTable]) -> Told {
        let newest = newest(sources);
        let tables: BTreeMap<&str, Tabled<'_>> =
            tokens.iter().map(|token| (token.serial.as_str(), Tabled::by(token))).collect();
        let who = |of: &BTreeSet<usize>| {
            let named = of.intersection(&newest).filter_map(|index| sources.get(*index));
            let named: BTreeSet<String> =
                named.map(|source| format!("{} on {}", source.user, source.host)).collect();
            (!named.is_empty()).then(|| names(&named.into_iter().collect::<Vec<_>>()))
        };
        let disputed = disputed(tokens);
        // Their caches may be all that is left of a right key, also where that was no question when their snapshot was taken.
        let is_disputed = |index: &usize| {
            sources.get(*index).is_some_and(|one| disputed.contains(&(one.host.as_str(), one.user.as_str())))
        };
        let mut findings = Vec::new();
        let mut quoted = BTreeSet::new();
        for (finding, mut of) in self.found.into_values() {
            // It is told in the words of the first.
            let first = of.first().copied();
            if let Some(token) = of_view(&finding).and_then(|token| tables.get(token)) {
                of.retain(|index| sources.get(*index).is_some_and(|source| !token.tells_of(source)));
            }
            if finding.id == Id::CacheCannotNoticeChange {
                let (waiting, others): (BTreeSet<usize>, BTreeSet<usize>) =
                    of.into_iter().partition(|index| waits(&finding) || is_disputed(index));
                let waiting = who(&waiting).map(|who| told(finding.clone(), &who, not_yet(&who)));
                let others = who(&others).map(|who| told(finding, &who, switch_off(&who)));
                quoted.extend(first.filter(|_| waiting.is_some() || others.is_some()));
                findings.extend(waiting.into_iter().chain(others));
            } else if let Some(who) = who(&of) {
                let cure = format!("on that host, as that user ({who}): stalecard check");
                findings.push(told(finding, &who, Remedy::by_hand(cure)));
                quoted.extend(first);
            }
        }
        let mut coverage = Vec::new();
        for ((what, why), of) in self.unread {
            if let Some(who) = who(&of) {
                coverage.push(Gap::new(GapKind::Snapshot, true, format!("{who}: {what}"), why));
                quoted.extend(of.first());
            }
        }
        Told { findings, coverage, quoted }
    }
}

/// The token of what is said of a view of it.
fn of_view(finding: &Finding) -> Option<&str> {
    let is_view = matches!(finding.id.shows(), Shows::OldView | Shows::Unsure);
    finding.token.as_deref().filter(|_| is_view)
}

/// What a table tells: who is named, and by whose reading the card is known.
struct Tabled<'a> {
    reader: Option<(&'a str, i64)>,
    named: BTreeSet<(&'a str, &'a str, i64)>,
}

impl<'a> Tabled<'a> {
    fn by(token: &'a TokenTable) -> Self {
        let rows = token.rows(Standing::Stale).chain(token.rows(Standing::Disputed));
        let named = rows.flat_map(|row| &row.shown_by).map(|shown| &shown.source);
        Self {
            reader: token.read_by.as_ref().map(|reader| (reader.host.as_str(), reader.taken)),
            named: named.map(|source| (source.host.as_str(), source.user.as_str(), source.taken)).collect(),
        }
    }

    /// Does it tell what this source is shown? It names the source, or knows a reading of the card that is newer than
    /// the one with which the source's caches were compared.
    fn tells_of(&self, source: &Source) -> bool {
        self.reader != Some((&source.host, source.taken))
            || self.named.contains(&(source.host.as_str(), source.user.as_str(), source.taken))
    }
}

/// Caches are compared without their cards, and processes are no part of it.
const fn is_of_host(kind: GapKind) -> bool {
    match kind {
        GapKind::Cache | GapKind::OpenSc => true,
        GapKind::Card | GapKind::Process | GapKind::Snapshot | GapKind::Signature => false,
    }
}

/// Does something else come before its cure?
fn waits(finding: &Finding) -> bool {
    finding.fix.iter().any(|remedy| remedy.waits)
}

/// Hosts and users of whom no file tells whether their caches or the card are right. Of cards that share a serial number no
/// cache is right for both, and to switch it off is the cure.
fn disputed(tokens: &[TokenTable]) -> BTreeSet<(&str, &str)> {
    let tokens = tokens.iter().filter(|token| !token.shared);
    let rows = tokens.flat_map(|token| token.rows(Standing::Disputed));
    let shown = rows.flat_map(|row| &row.shown_by).map(|shown| &shown.source);
    shown.map(|source| (source.host.as_str(), source.user.as_str())).collect()
}

fn switch_off(who: &str) -> Remedy {
    Remedy::by_hand(format!(
        "where caching is on for a card that never signals a change ({who}): stalecard config disable-cache"
    ))
}

/// Caching that is switched off hides what its cache holds as a flush would.
fn not_yet(who: &str) -> Remedy {
    let what = format!(
        "not yet ({who}): a public key that is, or may be, the right one is in the cache only. First, on that host, as that \
         user: stalecard check, and what it says"
    );
    Remedy::new(what, Deed::SwitchCachingOff).waiting()
}

/// The finding as it is told of other hosts: nothing here repairs it.
fn told(finding: Finding, who: &str, cure: Remedy) -> Finding {
    let is_to_come = finding.id == Id::CacheCannotNoticeChange;
    Finding {
        summary: Prose::from(format!("For {who}: ")).then(&finding.summary),
        user: None,
        // Whichever cards these hosts have.
        token: finding.token.filter(|_| !is_to_come),
        fix: vec![cure],
        ..finding
    }
}
