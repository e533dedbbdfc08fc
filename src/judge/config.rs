//! What the rules say of the configuration: for the installed version of OpenSC or, where none
//! is known, for every release, each finding then with the releases it concerns.

use super::brief::{brief, capital, unsaid};
use crate::case::config::ConfigCase;
use crate::finding::{Finding, Id, Severity};
use crate::opensc::config::{Situation, Source};
use crate::opensc::differences::{RELEASES, UP_TO_HEAD};
use crate::opensc::{Version, differences};
use crate::rules;
use crate::snapshot::{Card, ConfigState, Gap, GapKind, Installation, Snapshot};
use crate::verdict::Verdict;
use crate::verdict::brief::{Brief, Headline, Purpose, Step, Word};

/// Judges the configuration of a snapshot by itself, worst finding first.
#[must_use]
pub fn judge_config(snapshot: &Snapshot) -> Vec<Finding> {
    judged(snapshot, None)
}

/// The same beside the cards that were read.
pub(super) fn beside_cards(snapshot: &Snapshot, cards: &[Card]) -> Vec<Finding> {
    judged(snapshot, Some(cards))
}

fn judged(snapshot: &Snapshot, beside: Option<&[Card]>) -> Vec<Finding> {
    let situation = Situation::of(snapshot);
    let mut findings = match situation.version() {
        Some(version) => findings(snapshot, beside, &situation, version),
        None => for_every_release(snapshot, beside),
    };
    findings.sort_by(|a, b| (b.severity, a.id).cmp(&(a.severity, b.id)));
    findings
}

/// What could not be read of the configuration; `named`: the user asked for just this file.
#[must_use]
pub fn config_coverage(snapshot: &Snapshot, named: bool) -> Vec<Gap> {
    let gap =
        |what: String, why: &str, asked_for| vec![Gap::new(GapKind::OpenSc, asked_for, what, why.to_owned())];
    let path = match Situation::of(snapshot).source() {
        Source::Environment(path) | Source::Compiled(path) => path,
        Source::Unknown => {
            let why = "no OpenSC was found that would say which file it reads; name one";
            return gap("the configuration".to_owned(), why, true);
        }
    };
    match snapshot.configs.iter().find(|config| config.path == path).map(|config| &config.state) {
        Some(ConfigState::Text(_)) => Vec::new(),
        Some(ConfigState::Missing) => {
            gap(path.to_string(), "there is no such file; OpenSC's built-in defaults hold", named)
        }
        Some(ConfigState::Unreadable(why)) => gap(path.to_string(), why, true),
        None => gap(path.to_string(), "it was not looked at", true),
    }
}

/// What a look at configurations alone comes to; `caching`: what the one file that was looked at makes of caching, which
/// without a mistake in it may still be what is wrong; `sleeps`: there are cache entries that no program reads before the
/// file is mended.
#[must_use]
pub fn lint_brief(
    findings: &[Finding],
    coverage: &[Gap],
    version: Option<&str>,
    caching: Option<&str>,
    sleeps: bool,
) -> Brief {
    let (findings, coverage) = (findings.to_vec(), coverage.to_vec());
    let verdict = Verdict { findings, coverage, compared: true, ..Verdict::default() };
    let mut told = brief(&verdict);
    let judged = match version {
        Some(version) => format!("judged for OpenSC {version}, the one that is installed"),
        None => "judged for every OpenSC from 0.19 on, because none was found here".to_owned(),
    };
    let is_whole = !verdict.coverage.iter().any(|gap| gap.asked_for);
    let (state, sentence) = match (verdict.findings.first(), is_whole) {
        (None, true) => {
            let caching = caching.map(|caching| format!(" {caching}")).unwrap_or_default();
            (Word::Sound, format!("Nothing found.{caching}").into())
        }
        (None, false) => (Word::Unread, "Nothing found in what was looked at.".into()),
        (Some(first), _) => {
            let state = if first.severity >= Severity::Error { Word::Configuration } else { Word::Risk };
            let more = match verdict.findings.len() {
                1 => String::new(),
                all => format!(" And {} more.", all - 1),
            };
            (state, first.summary.clone().and(&more))
        }
    };
    told.steps.retain(|step| step.purpose != Purpose::Look);
    if state == Word::Unread {
        let what = "name a file that can be read: `stalecard config lint FILE`";
        told.steps.push(Step::new(Purpose::Look, None, what));
    }
    told.headline =
        Headline { state, sentence: sentence.and(&format!(" {}.", capital(&judged))), ..told.headline };
    if sleeps {
        let what = "with the card in its reader: moves what is stale";
        told.steps.insert(0, Step::new(Purpose::Flush, Some("stalecard flush".to_owned()), what));
        told.headline.sentence =
            told.headline.sentence.and(" Flush before you mend it: then it may show what is stale.");
    }
    told.unread = unsaid(&verdict, &told.headline);
    told
}

/// Are there cache entries of which no program knows as long as OpenSC cannot read the configuration (these findings say so),
/// and which nobody has looked at then?
#[must_use]
pub fn sleeps(snapshot: &Snapshot, findings: &[Finding]) -> bool {
    let is_lost = |finding: &Finding| matches!(finding.id, Id::ConfigCrashesOpenSc | Id::ConfigUnreadable);
    let mut entries = snapshot.caches.iter().flat_map(|dir| &dir.entries);
    findings.first().is_some_and(is_lost) && entries.any(|entry| entry.name.of_copy().is_some())
}

fn findings(
    snapshot: &Snapshot,
    beside: Option<&[Card]>,
    situation: &Situation<'_>,
    version: Version,
) -> Vec<Finding> {
    let configuration = situation.configuration();
    let Some(case) = ConfigCase::new(snapshot, beside, &configuration, version) else { return Vec::new() };
    rules::of_config(&case)
}

fn for_every_release(snapshot: &Snapshot, beside: Option<&[Card]>) -> Vec<Finding> {
    let known = Situation::of(snapshot);
    let mut all: Vec<(Finding, Vec<u16>)> = Vec::new();
    for minor in UP_TO_HEAD {
        let version = Version::of(minor);
        let installation = Installation {
            library: known.installation.map(|found| found.library.clone()).unwrap_or_default(),
            version: Some(version.to_string()),
            config_path: known.installation.and_then(|found| found.config_path.clone()),
        };
        let situation = Situation { installation: Some(&installation), ..known };
        for finding in findings(snapshot, beside, &situation, version) {
            let same = |known: &Finding| {
                (known.id, &known.summary, &known.evidence)
                    == (finding.id, &finding.summary, &finding.evidence)
            };
            match all.iter_mut().find(|(known, _)| same(known)) {
                // What follows from it is told for the newest.
                Some((known, minors)) => {
                    *known = finding;
                    minors.push(minor);
                }
                None => all.push((finding, vec![minor])),
            }
        }
    }
    let name = |(mut finding, minors): (Finding, Vec<u16>)| {
        if minors.len() < UP_TO_HEAD.count() {
            finding.consequence = format!("{} Concerns OpenSC {}.", finding.consequence, releases(&minors));
        }
        finding
    };
    all.into_iter().map(name).collect()
}

/// `0.19 to 0.22`, `0.23 and later`.
fn releases(minors: &[u16]) -> String {
    match minors {
        [] => "of no version".to_owned(),
        [first, .., last] if Version::of(*last) == differences::HEAD => format!("0.{first} and later"),
        [only] if Version::of(*only) == differences::HEAD => format!("later than 0.{}", RELEASES.end()),
        [only] => format!("0.{only}"),
        [first, .., last] => format!("0.{first} to 0.{last}"),
    }
}
