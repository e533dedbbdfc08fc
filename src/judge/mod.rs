//! What gathers a verdict: builds the cases out of a snapshot and collects what the rules say.

pub mod absent_cards;
mod asked;
pub mod brief;
mod by_default;
pub mod caches;
mod cause;
pub mod config;
pub mod driver_choice;
pub mod ending;
mod programs;
pub mod proved;
mod scope;
mod settle;
pub mod steps;
pub mod tally;
mod visibility;
pub mod written;

pub use config::{config_coverage, judge_config, lint_brief, sleeps};
pub use tally::{Cache, Tally};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::baseline::Known;
use crate::case::cache_index::CacheIndex;
use crate::case::cache_view::{Behind, CacheView, CachingPrograms};
use crate::case::kin::{Beside, Invented, Kin};
use crate::case::right_key;
use crate::case::token::Case;
use crate::case::tokens::{CachingProgram, Tokens};
use crate::case::visibility::Hidden;
use crate::judge::driver_choice::{Choices, Standing, driver};
use crate::judge::programs::{OfDriver, drivers, host_gaps, programs};
use crate::opensc::cache_name::Serial;
use crate::opensc::config::Situation;
use crate::opensc::program::PKCS11;
use crate::opensc::{CacheName, Program, Version, differences};
use crate::rules::host::baseline_mismatch::{self, Mismatches};
use crate::rules::host::{process_holds_old_view, token_not_visible};
use crate::snapshot::{CacheDir, CacheOrigin, Card, Gap, GapKind, Snapshot};
use crate::text::{self, escape, hex};
use crate::verdict::{NotAskedFor, ProgramState, Token, Unread, Verdict};
use crate::view::inventory::Inventory;
use crate::view::{Behaviour, Layout, layout};

/// What holds for every user of a host, worked out once.
#[derive(Debug)]
pub struct Judge {
    version: Option<Version>,
    /// By program and driver.
    outcomes: Vec<OfDriver>,
    choices: Choices,
    /// Which programs do not see which cards.
    hidden: Vec<Hidden>,
    /// The same by program and reader.
    hidden_places: BTreeSet<(String, String)>,
    /// Programs that look for readers by way of a library of their own.
    unsaid: Vec<Gap>,
    /// What is said of programs that are not judged.
    unjudged: Vec<NotAskedFor>,
}

/// The tokens of a snapshot, for its first user.
#[must_use]
pub fn tokens(snapshot: &Snapshot) -> Tokens<'_> {
    tokens_of(snapshot, &snapshot.cards)
}

/// The same with these cards in place of those that were read.
#[must_use]
pub fn tokens_of<'a>(snapshot: &'a Snapshot, cards: &'a [Card]) -> Tokens<'a> {
    Judge::of(snapshot, cards).tokens(snapshot, cards, true)
}

/// Judges the first user of a snapshot.
#[must_use]
pub fn judge(snapshot: &Snapshot) -> Verdict {
    verdict(&tokens(snapshot))
}

impl Judge {
    /// For the user of this snapshot, and for all whose environment differs in `HOME` only.
    #[must_use]
    pub fn of(snapshot: &Snapshot, cards: &[Card]) -> Self {
        let situation = Situation::of(snapshot);
        let version = situation.version();
        if snapshot.opensc.is_empty() {
            return Self {
                version,
                outcomes: Vec::new(),
                choices: Choices::default(),
                hidden: Vec::new(),
                hidden_places: BTreeSet::new(),
                unsaid: Vec::new(),
                unjudged: Vec::new(),
            };
        }
        let configuration = situation.configuration();
        let usual = Program::judged(&snapshot.executables);
        let drivers = drivers(cards);
        let names: Vec<&str> = drivers.iter().map(String::as_str).collect();
        let (programs, left) = configuration.judged(&snapshot.executables, &snapshot.user.env, &names);
        let of_driver = |driver: &String| -> Vec<_> {
            let of = |program: &Program| {
                let outcome = configuration.outcome(program, Some(driver));
                (program.clone(), driver.clone(), outcome)
            };
            programs.iter().map(of).collect()
        };
        let outcomes = drivers.iter().flat_map(of_driver).collect();
        let choices = Choices::of(cards, &configuration, &programs);
        let unjudged = scope::unjudged(snapshot, &configuration, &programs);
        let hidden = visibility::hidden(snapshot, cards, &configuration, &usual, &choices);
        let place = |one: &Hidden| Some((one.program.clone(), one.reader.clone()?));
        let whole = hidden.iter().filter(|one| one.part.is_none());
        let hidden_places = whole.filter_map(place).collect();
        let mut unsaid = visibility::libraries(&configuration, &usual);
        unsaid.extend(scope::left(left));
        Self { version, outcomes, choices, hidden, hidden_places, unsaid, unjudged }
    }

    /// The tokens of a user. Of a further one what concerns the cards and the host is not said again.
    #[must_use]
    pub fn tokens<'a>(&self, snapshot: &'a Snapshot, cards: &'a [Card], is_first: bool) -> Tokens<'a> {
        let programs = programs(&self.outcomes, self.version, snapshot);
        let mut gaps = Vec::new();
        if is_first {
            gaps.extend(host_gaps(snapshot, &programs));
            gaps.extend(self.choices.gaps(cards));
            gaps.extend(self.unsaid.iter().cloned());
        }
        let caches: Vec<_> = snapshot.caches.iter().map(|dir| Arc::new(CacheIndex::of(dir))).collect();
        let mut kin = Kin::of(cards);
        let each: Vec<&Card> = cards.iter().filter(|card| kin.is_new(card)).collect();
        let case = |card: &&'a Card| {
            self.case(card, kin.beside(card), kin.has_twin(card), &caches, &programs, snapshot.user.uid)
        };
        let cases = each.iter().filter_map(case).collect();
        let copies = cards.len() - each.len();
        Tokens {
            snapshot,
            cards: each,
            copies,
            cases,
            programs,
            version: self.version,
            gaps,
            hidden: self.hidden.clone(),
            unjudged: self.unjudged.clone(),
            is_first,
        }
    }

    /// What a program makes of a card, if it sees it at all.
    fn standing(&self, card: &Card, program: &str) -> Standing {
        let place = (program.to_owned(), escape(card.reader.as_bytes()));
        if self.hidden_places.contains(&place) {
            Standing::Refuses
        } else {
            self.choices.standing(card, program)
        }
    }

    /// The token's live view and its views through every cache directory; none if it has no serial
    /// number, or is of a kind that is not read.
    fn case<'a>(
        &self,
        card: &'a Card,
        beside: Beside<'a>,
        twin: bool,
        caches: &[Arc<CacheIndex<'a>>],
        programs: &[CachingProgram],
        uid: u32,
    ) -> Option<Case<'a>> {
        let (layout, serial) = (layout(card.family)?, card.serial.as_deref()?);
        let version = self.version.unwrap_or(differences::HEAD);
        let behaviour = Behaviour::of(self.version);
        let live = Arc::new(layout.decode(card, card, behaviour));
        let unlisted = layout.unlisted(card, behaviour, &live);
        let inventory = Arc::new(Inventory::of(layout, card));
        let behind = Behind { card, inventory: Arc::clone(&inventory), layout, live, version, behaviour };
        let programs = programs.iter().filter(|program| program.driver == driver(card));
        let programs: Vec<_> =
            programs.map(|program| (program, self.standing(card, &program.name))).collect();
        // Of an application among more than a card can have nothing in a cache is known to be its own.
        let is_beyond = matches!(beside, Beside::Beyond(_));
        let cache_views = caches
            .iter()
            .filter(|_| !is_beyond)
            .map(|index| CacheView::new(&behind, index, caching_programs(&programs, index.dir)));
        let cache_views = cache_views.collect();
        let Behind { live, .. } = behind;
        let inventories_beside = match &beside {
            Beside::Cards(others) => {
                let others =
                    others.iter().filter(|other| other.is_beside(card) && other.serial == card.serial);
                others.map(|other| Inventory::of(layout, other)).collect()
            }
            Beside::Beyond(_) => Vec::new(),
        };
        let mut case = Case {
            card,
            inventory,
            beside,
            inventories_beside,
            twin,
            layout,
            serial,
            version,
            uid,
            live,
            unlisted,
            cache_views,
        };
        let disputes: Vec<_> =
            case.cache_views.iter().map(|cache_view| right_key::disputes(&case, cache_view)).collect();
        for (cache_view, disputes) in case.cache_views.iter_mut().zip(disputes) {
            cache_view.settle(disputes);
        }
        Some(case)
    }
}

/// The programs that read a directory, of those that may show a card. Who reads that of a sandbox or of a service, which has an
/// OpenSC and a configuration of its own, was not looked at.
fn caching_programs(programs: &[(&CachingProgram, Standing)], dir: &CacheDir) -> CachingPrograms {
    let reads = |program: &CachingProgram| program.reads.contains(&dir.path);
    let shows = programs.iter().filter(|(program, standing)| *standing == Standing::Shows && reads(program));
    let undecided = programs.iter().any(|(program, standing)| match standing {
        Standing::Shows => program.undecided,
        Standing::Open => program.undecided || reads(program),
        Standing::Refuses => false,
    });
    let is_elsewhere = matches!(dir.origin, CacheOrigin::Sandbox | CacheOrigin::Service);
    CachingPrograms {
        programs: shows.map(|(program, _)| program.name.clone()).collect(),
        undecided: undecided || is_elsewhere,
    }
}

/// What the rules say of the tokens and caches of a user.
#[must_use]
pub fn verdict(of: &Tokens<'_>) -> Verdict {
    let snapshot = of.snapshot;
    let mut coverage = snapshot.coverage.clone();
    coverage.extend(of.gaps.iter().cloned());
    let (mut tokens, mut findings, mut unproven) = (Vec::new(), Vec::new(), Vec::new());
    let (mut dated, mut offerable) = (Vec::new(), Vec::new());
    let mut known: BTreeSet<String> = coverage.iter().map(|gap| gap.what.clone()).collect();
    let mut said: BTreeSet<(String, String)> = BTreeSet::new();
    for (card, case) in of.each() {
        let shown_label = case.and_then(shown_label);
        tokens.push(asked::token(Token { shown_label, ..token(card, case) }, snapshot, card));
        let Some(case) = case else {
            // The scan has said it already, unless this is a snapshot that somebody has edited.
            coverage.extend(nameless(card).filter(|gap| known.insert(gap.what.clone())));
            continue;
        };
        let unknown = unknown_places(case, of.version).into_iter();
        coverage.extend(unknown.filter(|gap| said.insert((gap.what.clone(), gap.why.clone()))));
        findings.extend(crate::rules::of_token(case));
        unproven.extend(right_key::unproven(case));
        dated.extend(crate::case::dated::newest(case, snapshot.taken_at));
        if !is_hidden(of, card, PKCS11) {
            offerable.push(crate::case::offerable::offerable(case));
        }
    }
    if of.copies > 0 {
        coverage.push(Gap::new(
            GapKind::Card,
            false,
            text::count(of.copies, "further copy of a card", "further copies of cards"),
            "the snapshot holds them more than once, the same to the last byte: judged once".to_owned(),
        ));
    }
    if of.is_first {
        let judged = Program::judged(&snapshot.executables).len();
        findings.extend(token_not_visible::apply(&of.hidden, judged));
        findings.extend(token_not_visible::by_p11_kit(&visibility::unregistered(snapshot)));
    }
    let mut in_use = of.in_use();
    let absent = absent_cards::apply(snapshot, &in_use);
    findings.extend(absent.findings);
    let mut programs: Vec<ProgramState> = Vec::new();
    for program in &of.programs {
        // One line for all drivers, where they make no difference.
        if !programs.contains(&program.state) {
            programs.push(program.state.clone());
        }
    }
    if of.is_first {
        coverage.extend(Unread::gaps(&absent.unread));
        if !snapshot.opensc.is_empty() {
            findings.extend(config::beside_cards(snapshot, &snapshot.cards));
        }
    }
    by_default::apply(of, &mut programs);
    let asked = asked::apply(of, &findings);
    findings.extend(asked.findings);
    coverage.extend(asked.coverage);
    for one in asked.in_use {
        if !in_use.contains(&one) {
            in_use.push(one);
        }
    }
    findings.extend(caches::apply(snapshot, &in_use));
    let compared = !of.cases.is_empty() || !asked.tokens.is_empty();
    let asked = asked.tokens;
    let unread = absent.unread;
    let scope = scope::scope(of);
    let earlier = Vec::new();
    let mut verdict = Verdict {
        tokens,
        programs,
        findings,
        coverage,
        compared,
        unproven,
        asked,
        dated,
        earlier,
        offerable,
        unread,
        scope,
        in_use,
    };
    verdict.sort();
    verdict
}

/// Does a program not see a card, because of its settings?
fn is_hidden(of: &Tokens<'_>, card: &Card, program: &str) -> bool {
    let reader = escape(card.reader.as_bytes());
    let mut whole = of.hidden.iter().filter(|hidden| hidden.part.is_none());
    whole.any(|hidden| hidden.program == program && hidden.reader.as_ref() == Some(&reader))
}

/// What the baselines say of tokens, and of those of `absent` cards as far as caches show them.
#[must_use]
pub fn mismatches(tokens: &Tokens<'_>, absent: &[Card], known: &Known) -> Mismatches {
    baseline_mismatch::apply(tokens, &tokens_of(tokens.snapshot, absent), known)
}

/// Adds what the baselines say of the tokens.
pub fn hold_against(verdict: &mut Verdict, known: &Known, said: Mismatches) {
    for finding in &mut verdict.findings {
        settle::settle(finding, known);
    }
    verdict.findings.extend(said.findings);
    verdict.earlier.extend(said.compared);
    verdict.sort();
    verdict.coverage.extend(said.gaps);
}

/// Adds to the verdict on a host which of its processes hold an old view.
pub fn judge_processes(snapshot: &Snapshot, verdict: &mut Verdict) {
    let (holders, unknown) = process_holds_old_view::apply(snapshot, verdict);
    verdict.findings.extend(holders);
    verdict.coverage.extend(unknown);
    verdict.sort();
}

/// What cannot be said of a card whose serial number is not known.
fn nameless(card: &Card) -> Option<Gap> {
    let source = layout(card.family)?.serial_source();
    Some(Gap::new(
        GapKind::Card,
        true,
        format!("{source} of the card in reader {}", escape(card.reader.as_bytes())),
        "it gives no serial number, and cache files are named by that".to_owned(),
    ))
}

/// Places about which a view says nothing.
fn unknown_places(case: &Case<'_>, version: Option<Version>) -> Vec<Gap> {
    let (mut gaps, mut said) = (Vec::new(), BTreeSet::new());
    let mut note = |what: String, why: String, asked_for| {
        if said.insert((what.clone(), why.clone(), asked_for)) {
            gaps.push(Gap::new(GapKind::Card, asked_for, what, why));
        }
    };
    let token = escape(case.serial.as_bytes());
    let serial = Serial::Text(case.serial.as_bytes().to_vec());
    if let Err(why) = CacheName::generate(differences::HEAD, &serial, None, None, None, &[0x3F, 0]) {
        note(format!("cache entries of token {token}"), why.to_string(), true);
    }
    if let Beside::Beyond(invented) = case.beside {
        let what = match invented {
            Invented::Applications => {
                format!("which application in reader {}", escape(case.card.reader.as_bytes()))
            }
            Invented::Cards => format!("which card of serial number {token}"),
        };
        note(format!("{what} left which cache entries"), invented.why(), true);
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

/// The label under which programs know a token, where it comes from a file that OpenSC caches.
fn shown_label(case: &Case<'_>) -> Option<String> {
    let own = || case.layout.label_in(case.card, case.card).map(|(label, _)| label);
    let other =
        case.cache_views.iter().filter(|cache_view| cache_view.in_use()).find_map(CacheView::other_label);
    let shown = other.map_or_else(own, |other| other.shown);
    shown.map(|label| escape(&label))
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
        shown_label: None,
        status: known.map(|layout| layout.status(card)).unwrap_or_default(),
        numbers: known.map(|layout| layout.numbers(card)).unwrap_or_default(),
        objects: case.map(count),
        private_keys: case.map(|case| case.live.private_keys().count()),
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
