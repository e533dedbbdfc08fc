//! What is wrong on the compared hosts besides what the tables of the comparison tell: what `check` says of each of their
//! snapshots. Nobody shall read that all is well of a host on which OpenSC dies of its
//! configuration.
//!
//! Hides how a thousand hosts with the same fault become one finding that names them.

use std::collections::{BTreeMap, BTreeSet};

use super::fleet::newest;
use super::hosts::{Source, Standing, StateRow, TokenTable};
use crate::finding::{Finding, Id, Prose, Remedy, Severity, Shows};
use crate::judge::brief::names;
use crate::snapshot::{Gap, GapKind};
use crate::verdict::Verdict;

/// Collects them, by what is said.
#[derive(Debug, Default)]
pub(super) struct OwnFindings {
    found: BTreeMap<(Id, String), (Finding, BTreeSet<usize>)>,
    unread: BTreeMap<(String, String), BTreeSet<usize>>,
}

impl OwnFindings {
    /// Adds what is wrong for one of the sources.
    pub fn add(&mut self, source: usize, verdict: &Verdict) {
        let is_told = |finding: &&Finding| {
            finding.severity >= Severity::Error || finding.id == Id::CacheCannotNoticeChange
        };
        for finding in verdict.findings.iter().filter(is_told) {
            let known = self.found.entry((finding.id, finding.summary.to_string()));
            known.or_insert_with(|| (finding.clone(), BTreeSet::new())).1.insert(source);
        }
        for gap in verdict.coverage.iter().filter(|gap| gap.asked_for && is_of_host(gap.kind)) {
            self.unread.entry((gap.what.clone(), gap.why.clone())).or_default().insert(source);
        }
    }

    /// What still holds beside these tables: an older snapshot of the same user and host says nothing any more.
    pub fn conclude(self, sources: &[Source], tokens: &[TokenTable]) -> (Vec<Finding>, Vec<Gap>) {
        let newest = newest(sources);
        let tables: BTreeMap<&str, Told<'_>> =
            tokens.iter().map(|token| (token.serial.as_str(), Told::by(token))).collect();
        let who = |of: &BTreeSet<usize>| {
            let named = of.intersection(&newest).filter_map(|index| sources.get(*index));
            let named: BTreeSet<String> =
                named.map(|source| format!("{} on {}", source.user, source.host)).collect();
            (!named.is_empty()).then(|| names(&named.into_iter().collect::<Vec<_>>()))
        };
        let findings = self.found.into_values().filter_map(|(finding, mut of)| {
            if let Some(token) = of_view(&finding).and_then(|token| tables.get(token)) {
                of.retain(|index| sources.get(*index).is_some_and(|source| !token.tells_of(source)));
            }
            Some(told(finding, &who(&of)?))
        });
        let gap = |((what, why), of): ((String, String), BTreeSet<usize>)| {
            let what = format!("{}: {what}", who(&of)?);
            Some(Gap::new(GapKind::Snapshot, true, what, why))
        };
        (findings.collect(), self.unread.into_iter().filter_map(gap).collect())
    }
}

/// The token of what is said of a view of it.
fn of_view(finding: &Finding) -> Option<&str> {
    let is_view = matches!(finding.id.shows(), Shows::OldView | Shows::Unsure);
    finding.token.as_deref().filter(|_| is_view)
}

/// What a table tells: who is named, and by whose reading the card is known.
struct Told<'a> {
    reader: Option<(&'a str, i64)>,
    named: BTreeSet<(&'a str, &'a str, i64)>,
}

impl<'a> Told<'a> {
    fn by(token: &'a TokenTable) -> Self {
        let is_old = |row: &&StateRow| matches!(row.state, Standing::Stale | Standing::Disputed);
        let rows = token.keys.iter().flat_map(|key| &key.states).filter(is_old);
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

/// The finding as it is told of other hosts: nothing here repairs it.
fn told(finding: Finding, who: &str) -> Finding {
    let is_to_come = finding.id == Id::CacheCannotNoticeChange;
    let cure = if is_to_come {
        format!(
            "where caching is on for a card that never signals a change ({who}): stalecard config disable-cache"
        )
    } else {
        format!("on that host, as that user ({who}): stalecard check")
    };
    Finding {
        summary: Prose::from(format!("For {who}: ")).then(&finding.summary),
        user: None,
        // Whichever cards these hosts have.
        token: finding.token.filter(|_| !is_to_come),
        fix: vec![Remedy::by_hand(cure)],
        ..finding
    }
}
