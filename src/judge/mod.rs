//! What gathers a verdict: builds the cases out of a snapshot and collects what the rules say.

pub mod absent_cards;
pub mod caches;
pub mod config;
pub mod driver_choice;
pub mod ending;
pub mod tally;

pub use config::{config_coverage, judge_config};
pub use tally::{Cache, Tally};

use std::collections::{BTreeMap, BTreeSet};

use crate::case::kin::Kin;
use crate::case::proofs::{Proof, proofs};
use crate::case::right_key;
use crate::case::token::{CacheView, Case};
use crate::judge::driver_choice::{Choices, Standing, driver};
use crate::listing::objects::{NotListed, ObjectComparison, Wanted, not_listed, sides};
use crate::opensc::cache_name::Serial;
use crate::opensc::config::{FileUse, Situation, Written};
use crate::opensc::{CacheLocation, CacheName, Caching, Outcome, Program, Version, differences};
use crate::rules::host::baseline_mismatch::{self, Known};
use crate::rules::host::process_holds_old_view;
use crate::rules::signature::public_key_undecided;
use crate::snapshot::{ByteString, CacheDir, Card, EfPath, Gap, GapKind, Snapshot};
use crate::text::{self, escape, hex};
use crate::verdict::{CachingState, ProgramState, Token, Unread, Verdict};
use crate::view::cached::Cached;
use crate::view::listed::Lists;
use crate::view::{Behaviour, Layout, layout};

/// What holds for every user of a host, worked out once.
#[derive(Debug)]
pub struct Judge {
    version: Option<Version>,
    /// By program and driver.
    outcomes: Vec<(Program, String, Outcome)>,
    choices: Choices,
}

/// What a program does with caches.
struct CachingProgram {
    name: String,
    /// Its name without the driver.
    program: String,
    /// Whose cards.
    driver: String,
    state: ProgramState,
    reads: Option<ByteString>,
    undecided: bool,
}

/// Judges the first user of a snapshot.
#[must_use]
pub fn judge(snapshot: &Snapshot) -> Verdict {
    let judge = Judge::of(snapshot);
    let mut verdict = judge.user(snapshot, true);
    verdict.coverage.extend(Unread::gaps(&verdict.unread));
    if !snapshot.opensc.is_empty() {
        verdict.findings.extend(judge_config(snapshot));
    }
    verdict.sort();
    verdict
}

impl Judge {
    /// For the user of this snapshot, and for all whose environment differs in `HOME` only.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        let situation = Situation::of(snapshot);
        let version = situation.version();
        if snapshot.opensc.is_empty() {
            return Self { version, outcomes: Vec::new(), choices: Choices::default() };
        }
        let configuration = situation.configuration();
        let programs = Program::judged(&snapshot.executables);
        let of_driver = |driver: String| {
            programs.clone().map(|program| {
                let outcome = configuration.outcome(&program, Some(&driver));
                (program, driver.clone(), outcome)
            })
        };
        let outcomes = drivers(snapshot).into_iter().flat_map(of_driver).collect();
        let choices = Choices::of(snapshot, &configuration, &programs);
        Self { version, outcomes, choices }
    }

    /// Judges the caches of a further user: what concerns the cards and the host is not said again.
    #[must_use]
    pub fn another(&self, snapshot: &Snapshot) -> Verdict {
        self.user(snapshot, false)
    }

    fn user(&self, snapshot: &Snapshot, is_first: bool) -> Verdict {
        let version = self.version;
        let mut coverage = snapshot.coverage.clone();
        let caching = self.programs(snapshot);
        if is_first {
            coverage.extend(host_gaps(snapshot, &caching));
            coverage.extend(self.choices.gaps(snapshot));
        }
        let mut tokens = Vec::new();
        let mut findings = Vec::new();
        let mut compared = false;
        let mut kin = Kin::of(&snapshot.cards);
        let mut known: BTreeSet<String> = coverage.iter().map(|gap| gap.what.clone()).collect();
        let mut copies = 0;
        let mut unproven = Vec::new();
        for card in &snapshot.cards {
            if !kin.is_new(card) {
                copies += 1;
                continue;
            }
            let Some(case) = self.case(snapshot, card, &caching, &kin) else {
                tokens.push(token(card, None));
                // The scan has said it already, unless this is a snapshot that somebody has edited.
                coverage.extend(nameless(card).filter(|gap| known.insert(gap.what.clone())));
                continue;
            };
            tokens.push(token(card, Some(&case)));
            coverage.extend(unknown_places(&case, version));
            findings.extend(crate::rules::of_token(&case));
            unproven.extend(right_key::unproven(&case));
            compared = true;
        }
        if copies > 0 {
            coverage.push(Gap {
                what: text::count(copies, "further copy of a card", "further copies of cards"),
                why: "the snapshot holds them more than once, the same to the last byte: judged once"
                    .to_owned(),
                asked_for: false,
                kind: GapKind::Card,
            });
        }
        let in_use = in_use(&caching);
        let absent = absent_cards::apply(snapshot, &in_use);
        findings.extend(absent.findings);
        findings.extend(caches::apply(snapshot, &in_use));
        let mut programs: Vec<ProgramState> = Vec::new();
        for state in caching.into_iter().map(|program| program.state) {
            // One line for all drivers, where they make no difference.
            if !programs.contains(&state) {
                programs.push(state);
            }
        }
        let mut verdict = Verdict {
            tokens,
            programs,
            findings,
            coverage,
            compared,
            unproven,
            unread: absent.unread,
            in_use,
        };
        verdict.sort();
        verdict
    }

    /// The token's live view and its views through every cache directory; none if it has no serial
    /// number, or is of a kind that is not read.
    fn case<'a>(
        &self,
        snapshot: &'a Snapshot,
        card: &'a Card,
        caching: &[CachingProgram],
        kin: &Kin<'a>,
    ) -> Option<Case<'a>> {
        let (layout, serial) = (layout(card.family)?, card.serial.as_deref()?);
        let newest = self.version.unwrap_or(differences::HEAD);
        let behaviour = Behaviour::of(self.version);
        let name_of = |file: EfPath| layout.cache_name(card, newest, file).ok().map(|name| name.name());
        let live = layout.decode(card, card, behaviour);
        let caching = caching.iter().filter(|program| program.driver == driver(card));
        let caching: Vec<_> =
            caching.map(|program| (program, self.choices.standing(card, &program.program))).collect();
        let cache_view = |dir: &'a CacheDir| {
            let cached = Cached::new(card, dir, name_of);
            let shown = layout.decode(card, &cached, behaviour);
            let reads = |program: &CachingProgram| program.reads.as_ref() == Some(&dir.path);
            let programs = caching
                .iter()
                .filter(|(program, standing)| *standing == Standing::Shows && reads(program))
                .map(|(program, _)| program.name.clone())
                .collect();
            let undecided = caching.iter().any(|(program, standing)| match standing {
                Standing::Shows => program.undecided,
                Standing::Open => program.undecided || reads(program),
                Standing::Refuses => false,
            });
            let lists = Lists::of(&live, &shown);
            CacheView { programs, undecided, dir, cached, shown, lists, disputes: Vec::new(), layout, card }
        };
        let cache_views = snapshot.caches.iter().map(cache_view).collect();
        let mut case = Case {
            card,
            others: if kin.has_more_applications(card) { &snapshot.cards } else { &[] },
            twin: kin.has_twin(card),
            layout,
            serial,
            version: newest,
            uid: snapshot.user.uid,
            unlisted: layout.unlisted(card, behaviour, &live),
            live,
            cache_views,
        };
        let disputes: Vec<_> =
            case.cache_views.iter().map(|cache_view| right_key::disputes(&case, cache_view)).collect();
        for (cache_view, disputes) in case.cache_views.iter_mut().zip(disputes) {
            cache_view.disputes = disputes;
        }
        Some(case)
    }

    fn programs(&self, snapshot: &Snapshot) -> Vec<CachingProgram> {
        let env = &snapshot.user.env;
        let outcomes = self.outcomes.iter();
        let mut programs: Vec<CachingProgram> = outcomes
            .map(|(program, driver, outcome)| {
                caching_program(program, driver, &outcome.in_environment(self.version, env), self.version)
            })
            .collect();
        // Where it depends on the driver, each line says of whose cards it speaks.
        let lines: Vec<ProgramState> = programs.iter().map(|program| program.state.clone()).collect();
        for program in &mut programs {
            let differs = |state: &ProgramState| state.name == program.name && *state != program.state;
            if lines.iter().any(differs) {
                program.state.name = format!("{} (cards of driver {})", program.name, program.driver);
            }
        }
        programs
    }
}

/// What cannot be said of OpenSC on this host.
fn host_gaps(snapshot: &Snapshot, programs: &[CachingProgram]) -> Vec<Gap> {
    let mut gaps = Vec::new();
    if snapshot.opensc.is_empty() {
        gaps.push(Gap {
            what: "OpenSC".to_owned(),
            why: "no libopensc was found on this host; no program reads a cache here".to_owned(),
            asked_for: false,
            kind: GapKind::OpenSc,
        });
    }
    for program in programs {
        let (what, why) = match (program.undecided, program.state.caching) {
            (_, CachingState::Crashes) => ("what it shows", Some(&program.state.caching_text)),
            (true, CachingState::Undecided) => ("whether it caches", Some(&program.state.caching_text)),
            (true, _) => ("its cache", program.state.cache_dir.as_ref()),
            (false, _) => continue,
        };
        gaps.push(Gap {
            what: format!("{}, {what}", program.name),
            why: why.cloned().unwrap_or_default(),
            asked_for: true,
            kind: GapKind::OpenSc,
        });
    }
    gaps
}

/// Both views of the objects that are wanted, for every token that was read.
#[must_use]
pub fn show(snapshot: &Snapshot, wanted: &Wanted<'_>) -> Vec<ObjectComparison> {
    cases(snapshot).iter().flat_map(|case| sides(case, wanted)).collect()
}

/// What the tokens hold and no program lists.
#[must_use]
pub fn unlisted(snapshot: &Snapshot, wanted: &Wanted<'_>) -> Vec<NotListed> {
    cases(snapshot).iter().flat_map(|case| not_listed(case, wanted)).collect()
}

/// What the signatures of every token prove.
#[must_use]
pub fn proofs_of(snapshot: &Snapshot) -> Vec<Proof> {
    cases(snapshot).iter().flat_map(proofs).collect()
}

/// Adds what the baselines say of the tokens.
pub fn hold_against(verdict: &mut Verdict, snapshot: &Snapshot, known: &Known) {
    for finding in &mut verdict.findings {
        public_key_undecided::settle(finding, known);
    }
    let (findings, gaps) = baseline_mismatch::apply(snapshot, known);
    verdict.findings.extend(findings);
    verdict.sort();
    verdict.coverage.extend(gaps);
}

/// Adds to the verdict on a host which of its processes hold an old view.
pub fn judge_processes(snapshot: &Snapshot, verdict: &mut Verdict) {
    let (holders, unknown) = process_holds_old_view::apply(snapshot, &verdict.findings);
    verdict.findings.extend(holders);
    verdict.coverage.extend(unknown);
    verdict.sort();
}

/// All views of every token that was read.
#[must_use]
pub fn cases(snapshot: &Snapshot) -> Vec<Case<'_>> {
    let judge = Judge::of(snapshot);
    let programs = judge.programs(snapshot);
    let mut kin = Kin::of(&snapshot.cards);
    let cards: Vec<&Card> = snapshot.cards.iter().filter(|card| kin.is_new(card)).collect();
    cards.into_iter().filter_map(|card| judge.case(snapshot, card, &programs, &kin)).collect()
}

/// The drivers of the cards that were read, each once.
fn drivers(snapshot: &Snapshot) -> Vec<String> {
    let mut drivers: Vec<String> = Vec::new();
    for card in snapshot.cards.iter().filter(|card| layout(card.family).is_some()) {
        if !drivers.iter().any(|known| known == driver(card)) {
            drivers.push(driver(card).to_owned());
        }
    }
    if drivers.is_empty() {
        drivers.push(differences::OTHER_DRIVER.to_owned());
    }
    drivers
}

/// Which programs read which directory.
fn in_use(programs: &[CachingProgram]) -> Vec<(String, ByteString)> {
    let mut in_use: Vec<(String, ByteString)> = Vec::new();
    for program in programs {
        let reads = program.reads.clone().map(|path| (program.name.clone(), path));
        in_use.extend(reads.filter(|known| !in_use.contains(known)));
    }
    in_use
}

fn caching_program(
    program: &Program,
    driver: &str,
    outcome: &Outcome,
    version: Option<Version>,
) -> CachingProgram {
    let opensc = version.map(|version| version.to_string());
    let name = program.label.clone();
    let driver = driver.to_owned();
    let effective = match outcome {
        Outcome::Runs(effective) => effective,
        Outcome::Crashes(crash) => {
            let state = ProgramState {
                name: name.clone(),
                caching: CachingState::Crashes,
                caching_text: crash.to_string(),
                cache_dir: None,
                opensc,
            };
            return CachingProgram {
                program: name.clone(),
                name,
                driver,
                state,
                reads: None,
                undecided: false,
            };
        }
    };
    let origin = match (&effective.file, &effective.use_file_caching) {
        (FileUse::Read(path), Some(Written { value: Some(value), at })) => {
            format!("use_file_caching = {value} in {path}:{at}")
        }
        (FileUse::Read(path), _) => format!("default, {path} does not set it"),
        (FileUse::Missing(path), _) => format!("default, there is no {path}"),
        (FileUse::Dropped(path, error), _) => format!("default, OpenSC cannot parse {path}:{error}"),
        (FileUse::Unknown(why), _) => why.clone(),
    };
    let cached = version.is_none_or(|version| differences::is_cached(version, &driver));
    let (caching, text, on, undecided) = match &effective.caching {
        Caching::No => (CachingState::No, format!("off ({origin})"), false, false),
        Caching::Public if cached => (CachingState::Public, format!("on ({origin})"), true, false),
        Caching::All if cached => {
            (CachingState::Yes, format!("on, private data too ({origin})"), true, false)
        }
        Caching::Public | Caching::All => {
            (CachingState::No, "this version of OpenSC does not cache this card".to_owned(), false, false)
        }
        Caching::Undecided(why) => (CachingState::Undecided, format!("undecided: {why}"), false, true),
    };
    let (reads, dir) = match &effective.cache_dir {
        CacheLocation::At { path, relative: false, .. } => (on.then(|| path.clone()), Some(path.to_string())),
        CacheLocation::At { path, .. } => {
            (None, Some(format!("{path} (relative to where a program is started)")))
        }
        CacheLocation::Nowhere(why) => (None, Some(format!("none: {why}"))),
        CacheLocation::Undecided(why) => (None, Some(format!("undecided: {why}"))),
    };
    // A cache that is on, but somewhere that cannot be told, decides nothing either.
    let undecided = undecided
        || (on
            && matches!(
                effective.cache_dir,
                CacheLocation::At { relative: true, .. } | CacheLocation::Undecided(_)
            ));
    let state = ProgramState {
        name: name.clone(),
        caching,
        caching_text: text,
        cache_dir: dir.filter(|_| caching != CachingState::No),
        opensc,
    };
    CachingProgram { program: name.clone(), name, driver, state, reads, undecided }
}

/// What cannot be said of a card whose serial number is not known.
fn nameless(card: &Card) -> Option<Gap> {
    let source = layout(card.family)?.serial_source();
    Some(Gap {
        what: format!("{source} of the card in reader {}", escape(card.reader.as_bytes())),
        why: "it gives no serial number, and cache files are named by that".to_owned(),
        asked_for: true,
        kind: GapKind::Card,
    })
}

/// Places about which a view says nothing.
fn unknown_places(case: &Case<'_>, version: Option<Version>) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let mut note = |what: String, why: String, asked_for| {
        let gap = Gap { what, why, asked_for, kind: GapKind::Card };
        if !gaps.contains(&gap) {
            gaps.push(gap);
        }
    };
    let token = escape(case.serial.as_bytes());
    let serial = Serial::Text(case.serial.as_bytes().to_vec());
    if let Err(why) = CacheName::generate(differences::HEAD, &serial, None, None, None, &[0x3F, 0]) {
        note(format!("cache entries of token {token}"), why.to_string(), true);
    }
    for (place, why) in &case.live.unknown {
        note(format!("EF {} of token {token}", place.ef), why.clone(), true);
    }
    for cache_view in &case.cache_views {
        for (place, why) in &cache_view.shown.unknown {
            if !case.live.is_unknown(place) {
                note(
                    format!("EF {} in cache {}", place.ef, cache_view.dir.path),
                    why.clone(),
                    cache_view.in_use(),
                );
            }
        }
    }
    for known in case.layout.notes(case.card, version, &case.live) {
        note(known.what, known.why, known.asked_for);
    }
    gaps
}

/// The head of a report on a card.
pub(crate) fn token(card: &Card, case: Option<&Case<'_>>) -> Token {
    let known = layout(card.family);
    let label = known.and_then(|layout| layout.label(card));
    Token {
        reader: escape(card.reader.as_bytes()),
        family: known.map_or("another kind of card, not read", Layout::name).to_owned(),
        atr: hex(card.atr.as_slice()),
        serial: card.serial.as_ref().map(|serial| escape(serial.as_bytes())),
        label: label.map(|label| escape(&label)),
        status: known.map(|layout| layout.status(card)).unwrap_or_default(),
        objects: case.map(count),
    }
}

fn count(case: &Case<'_>) -> String {
    let view = &case.live;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for object in &view.objects {
        *counts.entry(object.class.name()).or_default() += 1;
    }
    let mut parts: Vec<String> =
        counts.iter().map(|(name, count)| text::count(*count, name, &format!("{name}s"))).collect();
    if !view.unknown.is_empty() {
        parts.push(format!("{} not known", view.unknown.len()));
    }
    if parts.is_empty() {
        parts.push("none".to_owned());
    }
    let unlisted = case.unlisted.iter().filter(|unlisted| unlisted.cure().is_some()).count();
    if unlisted > 0 {
        parts.push(format!("{unlisted} on the card that no program lists"));
    }
    parts.join(", ")
}
