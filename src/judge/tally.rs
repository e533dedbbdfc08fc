//! The verdicts on several users of one host in one.
//!
//! Hides what ten thousand users have in common: what concerns the cards or the
//! configuration is said once, and so is what only a card could tell.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::case::cache::owner;
use crate::case::crowd::ONE_BY_ONE;
use crate::case::tokens::Tokens;
use crate::finding::{Finding, Id, Safety};
use crate::judge::{Judge, tokens, verdict};
use crate::snapshot::{ByteString, CacheOrigin, DirState, Gap, GapKind, Snapshot, Whose};
use crate::text::count;
use crate::verdict::{Unread, Verdict, user_name};

/// Whether programs read a cache directory today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum UseToday {
    /// Some do.
    InUse,
    /// None does.
    Dormant,
    /// It hangs on a configuration that was not looked at.
    Unknown,
}

impl UseToday {
    /// In a word or two.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::InUse => "in use",
            Self::Dormant => "dormant",
            Self::Unknown => "unknown",
        }
    }
}

/// One cache directory of the host. Text is escaped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Cache {
    /// Its path.
    pub path: String,
    /// Whose programs use it: login name, or number where there is none. None: of no single user.
    pub user: Option<String>,
    /// Why it counts as a cache.
    pub origin: CacheOrigin,
    /// Owner and mode, where a link leads, or why it could not be read.
    pub state: String,
    /// The programs that read it.
    pub programs: Vec<String>,
    /// Whether they read it today.
    pub use_today: UseToday,
    /// How many entries it has, of whatever kind.
    pub entries: usize,
}

/// Adds up the verdicts on the users of a host.
#[derive(Debug)]
pub struct Tally {
    caller: Option<u32>,
    is_recorded: bool,
    first: Option<Verdict>,
    judge: Option<Judge>,
    said: BTreeSet<(&'static str, Option<String>, String)>,
    /// By card, as many as are told one by one.
    unread: BTreeMap<String, (usize, BTreeSet<ByteString>)>,
    /// Entries of all others.
    unread_beside: usize,
    /// The cache directories that exist.
    pub caches: Vec<Cache>,
}

impl Tally {
    /// For what the user with this number may change without further consent; without one, a snapshot file is judged, and
    /// it is the first user of its host.
    #[must_use]
    pub const fn new(caller: Option<u32>) -> Self {
        Self {
            caller,
            is_recorded: caller.is_none(),
            first: None,
            judge: None,
            said: BTreeSet::new(),
            unread: BTreeMap::new(),
            unread_beside: 0,
            caches: Vec::new(),
        }
    }

    /// Judges the next user, and hands the verdict on this one back before it is added.
    pub fn judge(&mut self, snapshot: &Snapshot) -> Verdict {
        let tokens = self.tokens(snapshot);
        self.judge_tokens(&tokens)
    }

    /// The tokens of the next user.
    pub fn tokens<'a>(&mut self, snapshot: &'a Snapshot) -> Tokens<'a> {
        if self.first.is_none() {
            return tokens(snapshot);
        }
        let judge = self.judge.get_or_insert_with(|| Judge::of(snapshot, &snapshot.cards));
        judge.tokens(snapshot, &snapshot.cards, false)
    }

    /// Judges the next user by the tokens that were made of the facts.
    pub fn judge_tokens(&mut self, tokens: &Tokens<'_>) -> Verdict {
        let snapshot = tokens.snapshot;
        let mut verdict = verdict(tokens);
        if snapshot.user.uid != *self.caller.get_or_insert(snapshot.user.uid) {
            let name = user_name(&snapshot.user);
            for finding in &mut verdict.findings {
                of_another_user(finding, &name);
            }
        }
        verdict.scope.is_recorded = self.is_recorded;
        if snapshot.whose == Whose::Directories {
            verdict.findings.iter_mut().for_each(|finding| of_directory(finding, snapshot));
        }
        verdict
    }

    /// Adds a verdict to what is said of the host.
    pub fn add(&mut self, snapshot: &Snapshot, mut verdict: Verdict) {
        self.caches.extend(caches(snapshot, &verdict));
        count_surplus(&mut verdict.findings, &user_name(&snapshot.user));
        let Some(first) = &mut self.first else {
            self.said.extend(verdict.findings.iter().filter(|f| f.evidence.is_empty()).map(key));
            self.first = Some(verdict);
            return;
        };
        for user in verdict.scope.users {
            if !first.scope.users.contains(&user) {
                first.scope.users.push(user);
            }
        }
        for finding in verdict.findings {
            // Of a card or of all programs, not of a file: once is enough.
            if !finding.evidence.is_empty() || self.said.insert(key(&finding)) {
                first.findings.push(finding);
            }
        }
        for gap in verdict.coverage {
            if gap.kind == GapKind::Cache || !first.coverage.contains(&gap) {
                first.coverage.push(gap);
            }
        }
        for unread in verdict.unread {
            let Some(token) = unread.token else {
                self.unread_beside += unread.entries;
                continue;
            };
            let (entries, directories) = self.unread.entry(token).or_default();
            *entries += unread.entries;
            directories.insert(unread.directory);
            if self.unread.len() > ONE_BY_ONE
                && let Some((_, (entries, _))) = self.unread.pop_last()
            {
                self.unread_beside += entries;
            }
        }
    }

    /// The verdict on all of them.
    #[must_use]
    pub fn verdict(self) -> (Verdict, Vec<Cache>) {
        let mut verdict = self.first.unwrap_or_default();
        let unread = self.unread.iter().map(|(token, (entries, directories))| {
            let place = match directories.first() {
                Some(only) if directories.len() == 1 => only.to_string(),
                _ => format!("{} directories of other users", directories.len()),
            };
            (Some(token.as_str()), *entries, place)
        });
        let beside = Some((None, self.unread_beside, String::new())).filter(|(_, entries, _)| *entries > 0);
        verdict.coverage.extend(unread_gaps(unread.chain(beside)));
        verdict.sort();
        (verdict, self.caches)
    }
}

impl Unread {
    /// As gaps in what was looked at.
    #[must_use]
    pub fn gaps(of: &[Self]) -> Vec<Gap> {
        unread_gaps(of.iter().map(|one| (one.token.as_deref(), one.entries, one.directory.to_string())))
    }
}

/// One for each card in each place, and one for all those of which there are too many.
fn unread_gaps<'a>(of: impl Iterator<Item = (Option<&'a str>, usize, String)>) -> Vec<Gap> {
    let (mut gaps, mut surplus) = (Vec::new(), 0);
    for (token, entries, place) in of {
        match token {
            Some(token) if gaps.len() < ONE_BY_ONE => {
                gaps.push(unread_gap(&format!("card {token} in {place}"), entries));
            }
            _ => surplus += entries,
        }
    }
    if surplus > 0 {
        gaps.push(unread_gap("further cards", surplus));
    }
    gaps
}

fn unread_gap(whose: &str, entries: usize) -> Gap {
    Gap::new(
        GapKind::Card,
        false,
        format!("{} of {whose}", count(entries, "cache entry", "cache entries")),
        "only the card can tell whether they are stale, and it was not read".to_owned(),
    )
}

/// Whoever can write to a cache can put a hundred thousand bad entries there: nobody reads what is wrong
/// with each, and the findings on all users are kept until the end.
fn count_surplus(findings: &mut Vec<Finding>, user: &str) {
    let mut seen: BTreeMap<Id, (usize, Option<Finding>)> = BTreeMap::new();
    findings.retain(|finding| {
        let (number, first) = seen.entry(finding.id).or_default();
        // What concerns neither a file nor a card comes once anyway.
        let is_one_of_many = !finding.evidence.is_empty() || finding.token.is_some();
        *number += if is_one_of_many { finding.number() } else { 0 };
        let is_surplus = is_one_of_many && *number > ONE_BY_ONE;
        if is_surplus {
            // What helps all of them, and concerns all of them.
            let all = first.get_or_insert_with(|| finding.clone());
            all.fix.retain(|fix| finding.fix.contains(fix));
            all.program.retain(|program| finding.program.contains(program));
            all.token = all.token.take().filter(|token| finding.token.as_ref() == Some(token));
        }
        !is_surplus
    });
    for (number, first) in seen.into_values() {
        let Some(first) = first else { continue };
        let summary = format!(
            "{} more of these are in the caches of user {user}, beside the {ONE_BY_ONE} told one by one.",
            number - ONE_BY_ONE
        );
        findings.push(Finding {
            summary: summary.into(),
            object: None,
            evidence: Vec::new(),
            crowd: Vec::new(),
            more: 0,
            ..first
        });
    }
}

fn key(finding: &Finding) -> (&'static str, Option<String>, String) {
    (finding.id.name(), finding.token.clone(), finding.summary.to_string())
}

/// Another user's caches take consent, and commands have to say whose they are about.
fn of_another_user(finding: &mut Finding, name: &str) {
    // The configuration is everybody's.
    if finding.edit().is_some() {
        return;
    }
    finding.user = Some(name.to_owned());
    finding.safety = finding.safety.max(Safety::Guarded);
    finding.fix.iter_mut().for_each(|remedy| remedy.belongs_to(name));
}

/// Where directories were named, a command without them would be about others.
fn of_directory(finding: &mut Finding, snapshot: &Snapshot) {
    let own =
        finding.evidence.iter().filter_map(|evidence| evidence.file.as_ref()).map(|file| &file.directory);
    let all = snapshot.caches.iter().map(|dir| &dir.path);
    if let Some(directory) = own.chain(all).next().map(ToString::to_string) {
        finding.fix.iter_mut().for_each(|remedy| remedy.lies_in(&directory));
    }
}

#[deny(clippy::wildcard_enum_match_arm, reason = "a new place is to say whose it is")]
fn caches(snapshot: &Snapshot, verdict: &Verdict) -> Vec<Cache> {
    let exist = snapshot.caches.iter().filter(|dir| dir.state != DirState::Missing);
    exist
        .map(|dir| {
            let mut programs: Vec<String> =
                verdict.programs_of(&dir.path).into_iter().map(str::to_owned).collect();
            let mut use_today = if programs.is_empty() { UseToday::Dormant } else { UseToday::InUse };
            let elsewhere = match dir.origin {
                CacheOrigin::Sandbox => Some("the program in the sandbox"),
                CacheOrigin::Service => Some("SSSD's p11_child"),
                CacheOrigin::Default | CacheOrigin::Configured | CacheOrigin::Former | CacheOrigin::Named => {
                    None
                }
            };
            if let Some(program) = elsewhere.filter(|_| programs.is_empty()) {
                programs.push(program.to_owned());
                use_today = UseToday::Unknown;
            }
            let of_user =
                matches!(dir.origin, CacheOrigin::Default | CacheOrigin::Former | CacheOrigin::Sandbox);
            Cache {
                path: dir.path.to_string(),
                user: of_user.then(|| user_name(&snapshot.user)),
                origin: dir.origin,
                state: match &dir.state {
                    DirState::Present(inode) => {
                        let users = std::iter::once(&snapshot.user);
                        let users = users.chain(snapshot.others.iter().map(|other| &other.user));
                        format!("owner {}, mode {:04o}", owner(users, inode.uid), inode.mode)
                    }
                    DirState::Missing => "missing".to_owned(),
                    DirState::Symlink(target) => format!("symbolic link to {target}"),
                    DirState::Unreadable(why) => format!("not readable: {why}"),
                },
                programs,
                use_today,
                entries: dir.entries.len(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::finding::{Evidence, Remedy};

    #[test]
    fn of_many_findings_of_one_kind_the_rest_is_counted() {
        let fix = |what: &str| Remedy::by_hand(what);
        let of = |number: usize| {
            let mut finding = Finding::new(Id::DamagedEntry, number.to_string(), String::new());
            finding.evidence.push(Evidence::default());
            finding.fix = vec![fix("all"), fix(&number.to_string())];
            finding.token = Some("T".to_owned());
            finding
        };
        let whole: Vec<Finding> = (0..ONE_BY_ONE).map(of).collect();
        let mut findings = whole.clone();
        count_surplus(&mut findings, "eve");
        assert_eq!(findings, whole);
        findings.extend((0..1000).map(of));
        // Another kind is not among them, and neither is what concerns no file.
        findings.push(Finding::new(Id::DamagedEntry, "of no file".to_owned(), String::new()));
        findings.push(Finding { id: Id::OrphanEntry, ..of(0) });
        count_surplus(&mut findings, "eve");
        assert_eq!(findings.len(), ONE_BY_ONE + 3);
        let last = findings.last().unwrap();
        assert!(last.summary.starts_with("1000 more of these are in the caches of user eve"), "{last:?}");
        assert_eq!((&last.fix, &last.token), (&vec![fix("all")], &Some("T".to_owned())));
    }
}
