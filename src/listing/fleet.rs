//! A fleet in one screen: who is stale and since when, who will be with the next change of a card, which OpenSC and which
//! settings are about.
//!
//! Hides what is kept of a snapshot for that, which is a few words that many hosts share, and that a host may have
//! been recorded more than once: its newest snapshot says how it is set, and who is stale in any of them is called so, because
//! two hosts may have one name.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde::Serialize;

use crate::case::hosts::{Source, Standing, TokenTable};
use crate::finding::Id;
use crate::snapshot::Snapshot;
use crate::text::{escape, rfc3339};
use crate::verdict::{ProgramState, Verdict};

/// What is said of a host on which no OpenSC was found.
pub const NO_OPENSC: &str = "none";
/// What is said of an OpenSC that does not tell its version.
pub const NO_VERSION: &str = "unknown";
/// Characters of a version that are kept.
const LONGEST: usize = 40;

/// All hosts in counts, and those that need somebody. Text is escaped.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Fleet {
    /// How many hosts, by name.
    pub hosts: usize,
    /// How many snapshots of users have a newer one of the same user and host beside them.
    pub older: usize,
    /// Who is shown what is not on the card, longest first.
    pub stale: Vec<StaleUser>,
    /// Who is shown something else than the card, and no file tells which is right; longest first. Whoever has keys of both
    /// kinds is in both.
    pub undecided: Vec<StaleUser>,
    /// Who is not, and will be after the next change of a card that never signals one, because caching is on.
    pub next: Vec<RiskyUser>,
    /// The versions of OpenSC by how many hosts have them.
    pub opensc: Vec<Share>,
    /// The programs that are named in what is said of the hosts.
    #[serde(skip)]
    pub programs: BTreeSet<String>,
    /// How programs cache, by how many hosts have it so: the value of `use_file_caching` that holds, for all programs or one by one.
    pub caching: Vec<Share>,
}

/// A user of a host whose caches answer otherwise than the card.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StaleUser {
    /// Name of the host.
    pub host: String,
    /// The user.
    pub user: String,
    /// When the oldest of the entries was written: not read from the card since.
    pub since: String,
    /// The same, Unix seconds.
    #[serde(skip)]
    pub written: i64,
    /// The serials of the tokens.
    pub tokens: BTreeSet<String>,
    /// How many keys, certificates or data objects.
    pub objects: usize,
    /// Of at least one key no file tells whether the cache or the card names the right public key.
    pub disputed: bool,
}

/// A user of a host who will be stale after the next change of a card.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RiskyUser {
    /// Name of the host.
    pub host: String,
    /// The user.
    pub user: String,
    /// The serials of the tokens.
    pub tokens: Vec<String>,
    /// The programs that cache them.
    pub programs: Vec<String>,
}

/// What several hosts have in common.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Share {
    /// What it is.
    pub what: String,
    /// How many hosts.
    pub hosts: usize,
}

/// What is kept of the users of snapshots.
#[derive(Debug, Default)]
pub(super) struct Traits {
    opensc: BTreeMap<String, BTreeSet<usize>>,
    caching: BTreeMap<String, BTreeSet<usize>>,
    risks: BTreeMap<usize, Risk>,
    words: BTreeSet<Rc<str>>,
    programs: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct Risk {
    tokens: BTreeSet<Rc<str>>,
    programs: BTreeSet<Rc<str>>,
}

impl Traits {
    /// Adds what is known of one of the sources.
    pub fn add(&mut self, source: usize, snapshot: &Snapshot, verdict: &Verdict) {
        let version = snapshot.opensc.first().map_or_else(
            || NO_OPENSC.to_owned(),
            |found| {
                found.version.as_ref().map_or_else(|| NO_VERSION.to_owned(), |text| escape(text.as_bytes()))
            },
        );
        let version: String = version.chars().take(LONGEST).collect();
        self.opensc.entry(version).or_default().insert(source);
        for program in verdict.programs.iter().map(|program| &program.name) {
            if !self.programs.contains(program) {
                self.programs.insert(program.clone());
            }
        }
        if let Some(caching) = caching(&verdict.programs) {
            self.caching.entry(caching).or_default().insert(source);
        }
        for finding in verdict.findings.iter().filter(|finding| finding.id == Id::CacheCannotNoticeChange) {
            let token = finding.token.as_deref().map(|token| self.once(token));
            let programs: Vec<_> = finding.program.iter().map(|program| self.once(program)).collect();
            let risk = self.risks.entry(source).or_default();
            risk.tokens.extend(token);
            risk.programs.extend(programs);
        }
    }

    /// Equal words are kept once.
    fn once(&mut self, word: &str) -> Rc<str> {
        if let Some(known) = self.words.get(word) {
            return Rc::clone(known);
        }
        let word: Rc<str> = word.into();
        self.words.insert(Rc::clone(&word));
        word
    }

    /// All of them beside what the tables of the tokens tell.
    pub fn conclude(self, sources: &[Source], tokens: &[TokenTable]) -> Fleet {
        let newest = newest(sources);
        let mut stale = shown_otherwise(tokens, Standing::Stale);
        let undecided = shown_otherwise(tokens, Standing::Disputed);
        for (who, user) in &mut stale {
            user.disputed = undecided.contains_key(who);
        }
        let is_told = |source: &Source| {
            let who = (source.host.as_str(), source.user.as_str());
            stale.contains_key(&who) || undecided.contains_key(&who)
        };
        let risks = self.risks.into_iter().filter(|(source, _)| newest.contains(source));
        let next = risks.filter_map(|(source, Risk { tokens, programs })| {
            let source = sources.get(source).filter(|source| !is_told(source))?;
            let words = |of: BTreeSet<Rc<str>>| of.iter().map(ToString::to_string).collect();
            let (host, user) = (source.host.clone(), source.user.clone());
            Some(RiskyUser { host, user, tokens: words(tokens), programs: words(programs) })
        });
        let mut next: Vec<RiskyUser> = next.collect();
        next.sort_by(|one, other| (&one.host, &one.user).cmp(&(&other.host, &other.user)));
        let hosts = sources.iter().map(|source| source.host.as_str()).collect::<BTreeSet<_>>().len();
        let share = |of: BTreeMap<String, BTreeSet<usize>>| {
            let shares = of.into_iter().filter_map(|(what, of)| {
                let named = of.intersection(&newest).filter_map(|index| sources.get(*index));
                let hosts = named.map(|source| source.host.as_str()).collect::<BTreeSet<_>>().len();
                (hosts > 0).then_some(Share { what, hosts })
            });
            let mut shares: Vec<Share> = shares.collect();
            shares.sort_by_key(|share| Reverse(share.hosts));
            shares
        };
        Fleet {
            hosts,
            older: sources.len().saturating_sub(newest.len()),
            stale: by_age(stale),
            undecided: by_age(undecided),
            next,
            opensc: share(self.opensc),
            programs: self.programs,
            caching: share(self.caching),
        }
    }
}

/// The newest of the sources of each user and host; of equally new ones the one that was named last.
pub(super) fn newest(sources: &[Source]) -> BTreeSet<usize> {
    let mut newest: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (index, source) in sources.iter().enumerate() {
        let known = newest.entry((&source.host, &source.user)).or_insert(index);
        if sources.get(*known).is_some_and(|known| known.taken <= source.taken) {
            *known = index;
        }
    }
    newest.into_values().collect()
}

/// A user by host and name.
type Who<'a> = (&'a str, &'a str);

/// Who shows something that stands so to the card.
fn shown_otherwise(tokens: &[TokenTable], wanted: Standing) -> BTreeMap<Who<'_>, StaleUser> {
    let mut users: BTreeMap<Who<'_>, StaleUser> = BTreeMap::new();
    for token in tokens {
        for key in &token.keys {
            let mut counted: BTreeSet<Who<'_>> = BTreeSet::new();
            for row in key.states.iter().filter(|row| row.state == wanted) {
                for shown in &row.shown_by {
                    let who = (shown.source.host.as_str(), shown.source.user.as_str());
                    let known = users.entry(who).or_insert_with(|| StaleUser {
                        host: shown.source.host.clone(),
                        user: shown.source.user.clone(),
                        since: String::new(),
                        written: shown.written,
                        tokens: BTreeSet::new(),
                        objects: 0,
                        disputed: wanted == Standing::Disputed,
                    });
                    known.written = known.written.min(shown.written);
                    if !known.tokens.contains(&token.serial) {
                        known.tokens.insert(token.serial.clone());
                    }
                    known.objects += usize::from(counted.insert(who));
                }
            }
        }
    }
    for user in users.values_mut() {
        user.since = rfc3339(user.written);
    }
    users
}

fn by_age(users: BTreeMap<Who<'_>, StaleUser>) -> Vec<StaleUser> {
    let mut users: Vec<StaleUser> = users.into_values().collect();
    users.sort_by(|one, other| {
        (one.written, &one.host, &one.user).cmp(&(other.written, &other.host, &other.user))
    });
    users
}

/// How the programs of a user cache: in a word if all do the same, else one by one.
fn caching(programs: &[ProgramState]) -> Option<String> {
    let mut by_name: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for program in programs {
        by_name.entry(&program.name).or_default().insert(program.caching.word());
    }
    let words: BTreeSet<&str> = by_name.values().flatten().copied().collect();
    let mut one_by_one = by_name.iter().map(|(name, words)| {
        let words: Vec<&str> = words.iter().copied().collect();
        format!("{name} {}", words.join(" or "))
    });
    match words.len() {
        0 => None,
        1 => words.first().map(|word| (*word).to_owned()),
        _ => {
            let first = one_by_one.next()?;
            Some(one_by_one.fold(first, |all, one| all + ", " + &one))
        }
    }
}
