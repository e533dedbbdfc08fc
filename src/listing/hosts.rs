//! What hosts and users show of the same tokens, side by side.
//!
//! Hides how a thousand snapshots fit into little memory: each is reduced to what its caches
//! show of keys as it is added, and equal states are kept once. The newest reading of a card is
//! what the card is; whatever a cache answers otherwise is stale, also on a host that was not
//! when its snapshot was taken. What a host does not have in its cache it reads from the card.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde::Serialize;

use super::fleet::{Fleet, Traits};
use super::own_findings::{OwnFindings, Told};
use crate::case::asked::AskedCase;
use crate::case::asked_blocks::Block;
use crate::case::asked_content;
use crate::case::cache_view::CacheView;
pub use crate::case::hosts::{KeyTable, Shown, Source, Standing, StateRow, TokenTable};
use crate::case::token::{Case, certificate_side, side};
use crate::case::token_content::absent_cards;
use crate::case::tokens::Tokens;
use crate::error::Exit;
use crate::finding::{Finding, ObjectClass, Severity, Side, SideState};
use crate::format::x509::{self, Certificate};
use crate::judge::ending::{exit_of, exit_unread};
use crate::judge::{judge_processes, tokens, tokens_of, verdict};
use crate::snapshot::{ByteString, Content, EfPath, Gap, GapKind, Snapshot};
use crate::text::{escape, hex, rfc3339};
use crate::verdict::Brief;
use crate::verdict::user_name;
use crate::view::{Class, Object, Place, View, layout_of};

/// Users of hosts that are told side by side.
const SIDE_BY_SIDE: usize = 4;

/// Collects snapshots.
#[derive(Debug, Default)]
pub struct Comparison {
    snapshots: usize,
    sources: Vec<Source>,
    tokens: BTreeMap<String, Seen>,
    sides: BTreeSet<Rc<Side>>,
    own: OwnFindings,
    traits: Traits,
    coverage: Vec<Gap>,
    unreadable: Vec<(ByteString, String)>,
}

/// What is known of one token.
#[derive(Debug, Default)]
struct Seen {
    label: Option<String>,
    units: BTreeMap<Place, Unit>,
    readings: Vec<Reading>,
    showings: Vec<Showing>,
}

/// How a unit is named, and where in the order it stands.
#[derive(Debug, Clone)]
struct Unit {
    reference: Option<u8>,
    /// As OpenSC lists it, of a card that it alone reads.
    id: Option<String>,
    order: (u8, u8, u8),
}

/// A card as one snapshot read it.
#[derive(Debug)]
struct Reading {
    source: usize,
    taken_at: i64,
    units: BTreeMap<Place, State>,
    /// The IDs that OpenSC makes from the public keys, where a EF has one.
    made_ids: BTreeMap<Place, String>,
    /// Is a certificate all that tells of a key?
    by_certificate: bool,
}

/// What one cache answers for one EF.
#[derive(Debug)]
struct Showing {
    source: usize,
    programs: Rc<[String]>,
    unit: Place,
    /// What was seen through it, and which parts of that come from the cache.
    state: State,
    /// The ID that OpenSC makes from the public key.
    made_id: Option<String>,
    cached: [bool; 3],
    /// When the oldest of its entries was written, Unix seconds.
    since: i64,
}

/// The objects of a unit: private key, public key, certificate. None: not shown.
type State = [Option<Rc<Side>>; 3];
const PARTS: [usize; 3] = [0, 1, 2];

/// The comparison, for people and scripts. Text is escaped.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Compared {
    /// How many snapshots.
    pub snapshots: usize,
    /// Their hosts and users.
    pub sources: Vec<Source>,
    /// Who is stale, and who will be; which OpenSC and settings are about.
    pub fleet: Fleet,
    /// The tokens, by serial.
    pub tokens: Vec<TokenTable>,
    /// What is wrong.
    #[serde(skip)]
    pub findings: Vec<Finding>,
    /// What could not be compared.
    #[serde(skip)]
    pub coverage: Vec<Gap>,
    /// First and last what matters.
    #[serde(skip)]
    pub brief: Brief,
    /// The files that are no snapshots, each with what was said on reading it.
    #[serde(skip)]
    pub unreadable: Vec<(ByteString, String)>,
    /// The users of snapshots, as places in `sources`, in whose words something is told besides what the tables tell.
    #[serde(skip)]
    pub quoted: BTreeSet<usize>,
}

impl Compared {
    /// How the run ends: without a snapshot, or without a reading of any card, nothing was compared, and that nothing
    /// was found says nothing.
    #[must_use]
    pub fn exit(&self, fail_on: Severity) -> Exit {
        if self.sources.is_empty() {
            return Exit::NotRead;
        }
        match exit_of(&self.findings, &self.coverage, fail_on) {
            Exit::Clean if !self.has_reading() => Exit::NotRead,
            exit => exit,
        }
    }

    /// How a report on it ends: it is written whatever it tells, and says that nothing was compared.
    #[must_use]
    pub fn exit_of_report(&self) -> Exit {
        match self.exit(Severity::Error) {
            Exit::NotRead => Exit::NotRead,
            _ => exit_unread(&self.coverage),
        }
    }

    /// Are there too many to be told side by side?
    #[must_use]
    pub const fn is_fleet(&self) -> bool {
        self.sources.len() > SIDE_BY_SIDE
    }

    /// Takes the tokens that are told one by one, and how many others there are: of many hosts a list of what is as it should be
    /// hides what is not.
    #[must_use]
    pub fn told_one_by_one(&mut self) -> (Vec<TokenTable>, usize) {
        let mut told = std::mem::take(&mut self.tokens);
        let all = told.len();
        if self.is_fleet() {
            told.retain(|token| !token.is_as_it_should_be());
        }
        let others = all.saturating_sub(told.len());
        (told, others)
    }

    /// Does a snapshot hold a reading of a card?
    pub(super) fn has_reading(&self) -> bool {
        self.tokens.iter().any(|token| token.read_by.is_some())
    }
}

impl Comparison {
    /// Adds what the caches of one user of a snapshot show; the snapshot itself is not needed any more. Its
    /// cards count with the first user.
    pub fn add(&mut self, snapshot: &Snapshot, is_first: bool) {
        let (absent, tokens) = (absent_cards(snapshot), tokens(snapshot));
        let absent = tokens_of(snapshot, &absent);
        let user = user_name(&snapshot.user);
        self.snapshots += usize::from(is_first);
        let source = self.sources.len();
        self.sources.push(Source {
            host: snapshot.host.clone(),
            user,
            taken_at: rfc3339(snapshot.taken_at.unix_timestamp()),
            taken: snapshot.taken_at.unix_timestamp(),
        });
        let mut own = verdict(&tokens);
        judge_processes(snapshot, &mut own);
        self.own.add(source, &own);
        self.traits.add(source, snapshot, &own);
        for case in &tokens.cases {
            if is_first {
                self.read(case, source, snapshot.taken_at.unix_timestamp());
            }
            self.through_caches(case, source);
        }
        for case in &absent.cases {
            self.through_caches(case, source);
        }
        let asked: Vec<AskedCase<'_>> = AskedCase::all(&tokens).filter(|case| !case.is_unstable).collect();
        for case in &asked {
            if is_first {
                self.read_asked(case, source, snapshot.taken_at.unix_timestamp());
            }
            self.through_asked_caches(case, source);
        }
        let has_unread = self.through_unread_caches(&tokens, source);
        let is_empty = tokens.cases.is_empty() && absent.cases.is_empty() && asked.is_empty();
        if is_empty && !has_unread && is_first {
            let why = "it holds neither a card that was read nor cache entries of one";
            self.gap(&format!("snapshot of {}", snapshot.host), why, false);
        }
    }

    /// Notes that something below a folder is called like a snapshot, and is none that is opened.
    pub fn passed_over(&mut self, file: ByteString) {
        let why = "it is no regular file; below a folder no link is followed and no pipe is opened";
        self.gap(&file.to_string(), why, false);
        self.unreadable.push((file, String::new()));
    }

    /// Notes that a snapshot could not be read.
    pub fn unreadable(&mut self, file: ByteString, why: &str) {
        self.gap(&file.to_string(), why, true);
        self.unreadable.push((file, why.to_owned()));
    }

    fn gap(&mut self, what: &str, why: &str, asked_for: bool) {
        let gap = Gap::new(GapKind::Snapshot, asked_for, what.to_owned(), why.to_owned());
        if !self.coverage.contains(&gap) {
            self.coverage.push(gap);
        }
    }

    fn read(&mut self, case: &Case<'_>, source: usize, taken_at: i64) {
        let label = crate::judge::token(case.card, None).label;
        let units = self.units(case, &case.live);
        let made_ids =
            units.iter().filter_map(|unit| Some((unit.clone(), made_id(&case.live, unit)?))).collect();
        let by_certificate = case.layout.knows_keys_by_certificate();
        let units = units.into_iter().map(|unit| (unit.clone(), self.state(&case.live, &unit))).collect();
        let seen = self.tokens.entry(escape(case.serial.as_bytes())).or_default();
        // Two applications of one card can have the same serial number.
        let same = |known: &&mut Reading| (known.source, known.taken_at) == (source, taken_at);
        if case.card.application.is_some()
            && let Some(known) = seen.readings.iter_mut().find(same)
        {
            known.units.extend(units);
            known.made_ids.extend::<BTreeMap<_, _>>(made_ids);
            return;
        }
        seen.label = label.or(seen.label.take());
        seen.readings.push(Reading { source, taken_at, units, made_ids, by_certificate });
    }

    fn through_caches(&mut self, case: &Case<'_>, source: usize) {
        for cache_view in case.cache_views.iter().filter(|cache_view| cache_view.in_use()) {
            let mut all = self.units(case, &case.live);
            all.extend(self.units(case, &cache_view.shown));
            for unit in all {
                let entries = PARTS.map(|part| entry_time(case, cache_view, &unit, part));
                let Some(&since) = entries.iter().flatten().min() else { continue };
                let programs = listers(cache_view, &unit);
                if programs.is_empty() {
                    continue;
                }
                let showing = Showing {
                    source,
                    programs: programs.into(),
                    state: self.state(&cache_view.shown, &unit),
                    made_id: made_id(&cache_view.shown, &unit),
                    unit,
                    cached: entries.map(|time| time.is_some()),
                    since,
                };
                self.tokens.entry(escape(case.serial.as_bytes())).or_default().showings.push(showing);
            }
        }
    }

    /// The certificates of a card that OpenSC listed.
    fn read_asked(&mut self, case: &AskedCase<'_>, source: usize, taken_at: i64) {
        let mut units = BTreeMap::new();
        for listed in asked_content::certificates(case) {
            let state = self.certificate(&listed.certificate);
            let called = (key_of(case, listed.block), listed.block.id());
            let unit = self.asked_unit(&case.serial, listed.ef, called);
            units.insert(unit, state);
        }
        let label = case.objects().find(|block| block.is_token()).map(Block::label);
        let seen = self.tokens.entry(case.serial.clone()).or_default();
        seen.label = label.or(seen.label.take());
        let made_ids = BTreeMap::new();
        seen.readings.push(Reading { source, taken_at, units, made_ids, by_certificate: true });
    }

    /// What is shown of them through caches.
    fn through_asked_caches(&mut self, case: &AskedCase<'_>, source: usize) {
        let listed = asked_content::certificates(case);
        for cache in case.caches.iter().filter(|cache| !cache.programs.is_empty()) {
            let programs: Rc<[String]> = cache.programs.clone().into();
            for entry in &cache.entries {
                let Some(listed) = listed.iter().find(|listed| entry.is_at(&listed.block)) else { continue };
                let shown = cache.certificate_at(listed.ef, &listed.certificate);
                let state = shown.map_or_else(State::default, |shown| self.certificate(&shown));
                let called = (key_of(case, listed.block), listed.block.id());
                let unit = self.asked_unit(&case.serial, listed.ef, called);
                self.show_certificate(&case.serial, source, &programs, unit, state, entry.entry.inode.mtime);
            }
        }
    }

    /// The certificates in caches that are of no card that was read: other hosts may have read it. Whether there are any.
    fn through_unread_caches(&mut self, tokens: &Tokens<'_>, source: usize) -> bool {
        let serials = tokens.cards.iter().filter_map(|card| card.serial.as_ref());
        let read: BTreeSet<String> = serials.map(|serial| serial.to_ascii_lowercase()).collect();
        let in_use = tokens.in_use();
        let mut found = false;
        for dir in &tokens.snapshot.caches {
            let readers = in_use.iter().filter(|(_, path)| *path == dir.path);
            let programs: Rc<[String]> = readers.map(|(program, _)| program.clone()).collect();
            for entry in dir.entries.iter().filter(|_| !programs.is_empty()) {
                let (Some(name), Content::Bytes(bytes)) = (entry.name.of_copy(), &entry.content) else {
                    continue;
                };
                let serial = escape(&name.serial.text());
                if layout_of(&tokens.snapshot.cards, name).is_some()
                    || read.contains(&serial.to_ascii_lowercase())
                {
                    continue;
                }
                let (Some(ef), Some(certificate)) = (name.ef(), x509::decode(bytes.as_slice())) else {
                    continue;
                };
                // By its path within its application, as OpenSC lists it.
                let Some(ef) = EfPath::new(ef.as_slice()) else { continue };
                found = true;
                let state = self.certificate(&certificate);
                let unit = self.asked_unit(&serial, ef, (None, None));
                self.show_certificate(&serial, source, &programs, unit, state, entry.inode.mtime);
            }
        }
        found
    }

    fn show_certificate(
        &mut self,
        serial: &str,
        source: usize,
        programs: &Rc<[String]>,
        unit: Place,
        state: State,
        since: i64,
    ) {
        let programs = Rc::clone(programs);
        let cached = [false, false, true];
        let showing = Showing { source, programs, unit, state, made_id: None, cached, since };
        self.tokens.entry(serial.to_owned()).or_default().showings.push(showing);
    }

    /// The unit that a certificate alone is.
    fn asked_unit(
        &mut self,
        serial: &str,
        ef: EfPath,
        (reference, id): (Option<u8>, Option<String>),
    ) -> Place {
        let unit = Place::whole(ef);
        let seen = self.tokens.entry(serial.to_owned()).or_default();
        let known = seen.units.entry(unit.clone()).or_insert(Unit { reference, id: None, order: (0, 0, 0) });
        known.reference = known.reference.or(reference);
        known.id = known.id.take().or(id);
        unit
    }

    /// A certificate alone: its name and ID not every host can tell.
    fn certificate(&mut self, certificate: &Certificate) -> State {
        let side = Side {
            state: Some(SideState::Object(ObjectClass::Certificate)),
            ..certificate_side(certificate)
        };
        [None, None, Some(self.once(side))]
    }

    /// The units of a view that hold keys and certificates.
    fn units(&mut self, case: &Case<'_>, view: &View) -> BTreeSet<Place> {
        let seen = self.tokens.entry(escape(case.serial.as_bytes())).or_default();
        let mut units = BTreeSet::new();
        for object in view.objects.iter().filter(|object| part_of(object).is_some()) {
            let unit = object.place().unit();
            let (reference, order) = (view.reference(object), case.layout.order(object));
            let known = seen.units.entry(unit.clone()).or_insert(Unit { reference, id: None, order });
            known.reference = known.reference.or(reference);
            units.insert(unit);
        }
        units
    }

    fn state(&mut self, view: &View, unit: &Place) -> State {
        PARTS.map(|part| object(view, unit, part).map(|object| self.side(object)))
    }

    /// Equal sides are kept once.
    fn side(&mut self, object: &Object) -> Rc<Side> {
        let mut side = side(Some(object));
        side.attributes.clear();
        self.once(side)
    }

    fn once(&mut self, side: Side) -> Rc<Side> {
        if let Some(known) = self.sides.get(&side) {
            return Rc::clone(known);
        }
        let side = Rc::new(side);
        self.sides.insert(Rc::clone(&side));
        side
    }

    /// Compares.
    #[must_use]
    pub fn conclude(self) -> Compared {
        let sources = self.sources;
        let own = self.own;
        let table = |(serial, seen): (String, Seen)| table(&serial, &seen, &sources, own.is_shared(&serial));
        let tokens: Vec<TokenTable> = self.tokens.into_iter().map(table).collect();
        let Told { findings: own, coverage: unread, quoted } = own.conclude(&sources, &tokens);
        let disagree = tokens.iter().flat_map(crate::rules::host::hosts_disagree::apply);
        let mut findings: Vec<Finding> = disagree.chain(own).collect();
        findings.sort_by_key(|finding| Reverse(finding.severity));
        let compared = Compared {
            snapshots: self.snapshots,
            fleet: self.traits.conclude(&sources, &tokens),
            sources,
            tokens,
            findings,
            coverage: self.coverage.into_iter().chain(unread).collect(),
            brief: Brief::default(),
            unreadable: self.unreadable,
            quoted,
        };
        compared.told()
    }
}

/// The reference of the key that a certificate is of, by what OpenSC lists.
fn key_of(case: &AskedCase<'_>, certificate: Block<'_>) -> Option<u8> {
    let id = certificate.id()?;
    case.objects()
        .find(|block| block.class() == ObjectClass::PrivateKey && block.id().as_ref() == Some(&id))?
        .reference()
}

/// Which part of its unit's state an object is.
const fn part_of(object: &Object) -> Option<usize> {
    match object.class {
        Class::PrivateKey { .. } => Some(0),
        Class::PublicKey { .. } => Some(1),
        Class::Certificate { .. } => Some(2),
        Class::Pin(_) | Class::SecretKey(_) | Class::Data { .. } => None,
    }
}

fn object<'v>(view: &'v View, unit: &Place, part: usize) -> Option<&'v Object> {
    view.objects.iter().find(|object| part_of(object) == Some(part) && object.place().unit() == *unit)
}

/// The programs that list one of a unit's objects; all, if nothing of it is shown at all.
fn listers(cache_view: &CacheView<'_>, unit: &Place) -> Vec<String> {
    let parts = (0..PARTS.len()).filter_map(|part| object(&cache_view.shown, unit, part));
    let parts: Vec<&Object> = parts.collect();
    let lists = |program: &&String| parts.iter().any(|part| cache_view.lists.list(program, &part.place()));
    cache_view.programs.iter().filter(|program| parts.is_empty() || lists(program)).cloned().collect()
}

/// The ID that OpenSC makes from a unit's public key.
fn made_id(view: &View, unit: &Place) -> Option<String> {
    let key = [1, 2].into_iter().find_map(|part| object(view, unit, part)?.public_key())?;
    Some(hex(&key.intrinsic_id()))
}

/// Does a cache that answers otherwise than the card name a public key that may be the right one? As the rules say of one
/// host ([`right_key`](crate::case::right_key)), as far as what is kept of many tells.
fn is_disputed(reading: &Reading, showing: &Showing, now: &State) -> bool {
    let print = |state: &State| state.iter().skip(1).flatten().find_map(|side| side.public_key.clone());
    let id = |state: &State| state.first().cloned().flatten().and_then(|key| key.id.clone());
    let live = reading.made_ids.get(&showing.unit);
    let (Some(key), Some(_)) = (id(now), print(&showing.state)) else { return false };
    if print(&showing.state) == print(now) || live == Some(&key) {
        return false;
    }
    let has_own = now.get(1).is_some_and(Option::is_some) && !reading.by_certificate;
    !has_own && (showing.made_id.as_ref() == Some(&key) || id(&showing.state).as_ref() == Some(&key))
}

/// When the cache entry was written that answers for one object of a unit; none if the card does.
fn entry_time(case: &Case<'_>, cache_view: &CacheView<'_>, unit: &Place, part: usize) -> Option<i64> {
    let listed = [&cache_view.shown, &case.live].into_iter().find_map(|view| object(view, unit, part));
    let file = *listed?.files.last()?;
    cache_view.cached.hit(file, cache_view.layout.buffer(file)).map(|entry| entry.inode.mtime)
}

fn table(serial: &str, seen: &Seen, sources: &[Source], shared: bool) -> TokenTable {
    let named = |index: usize| sources.get(index).cloned();
    // Newest first; of equally new readings the one that was named last.
    let mut readings: Vec<&Reading> = seen.readings.iter().collect();
    readings.sort_by_key(|reading| Reverse((reading.taken_at, reading.source)));
    let newest = readings.first().copied();
    let mut units: BTreeMap<Place, Vec<(State, StateRow)>> = BTreeMap::new();
    let current = |unit: &Place| newest.map(|reading| reading.units.get(unit).cloned().unwrap_or_default());
    let mut row = |unit: &Place, state: &State, kind: Standing, note: &mut dyn FnMut(&mut StateRow)| {
        let rows = units.entry(unit.clone()).or_default();
        if !rows.iter().any(|(known, _)| known == state) {
            let [private, public, certificate] = state.clone();
            let made = StateRow {
                state: kind,
                private,
                public,
                certificate,
                read_by: Vec::new(),
                shown_by: Vec::new(),
            };
            rows.push((state.clone(), made));
        }
        if let Some((_, row)) = rows.iter_mut().find(|(known, _)| known == state) {
            note(row);
        }
    };
    for reading in readings {
        for (unit, state) in &reading.units {
            let kind =
                if current(unit).as_ref() == Some(state) { Standing::Current } else { Standing::Former };
            row(unit, state, kind, &mut |row| row.read_by.extend(named(reading.source)));
        }
    }
    for showing in &seen.showings {
        let now = current(&showing.unit);
        // What is not in the cache is read from the card.
        let mut state = showing.state.clone();
        for (part, cached) in showing.cached.into_iter().enumerate() {
            if let (false, Some(part), Some(now)) =
                (cached, state.get_mut(part), now.as_ref().and_then(|now| now.get(part)))
            {
                part.clone_from(now);
            }
        }
        let kind = match &now {
            None => Standing::Unknown,
            Some([None, None, None]) => Standing::Orphan,
            Some(now) if *now == state => Standing::Current,
            Some(now) if shared || newest.is_some_and(|reading| is_disputed(reading, showing, now)) => {
                Standing::Disputed
            }
            Some(_) => Standing::Stale,
        };
        row(&showing.unit, &state, kind, &mut |row| {
            // A card was like that once: now only caches are.
            if matches!(kind, Standing::Stale | Standing::Disputed | Standing::Orphan) {
                row.state = kind;
            }
            row.shown_by.extend(named(showing.source).map(|source| Shown {
                source,
                programs: showing.programs.to_vec(),
                since: rfc3339(showing.since),
                written: showing.since,
            }));
        });
    }
    let mut keys: Vec<_> = units
        .into_iter()
        .map(|(unit, rows)| {
            let known = seen.units.get(&unit);
            let table = KeyTable {
                ef: unit.ef,
                reference: known.and_then(|known| known.reference),
                id: known.and_then(|known| known.id.clone()),
                states: rows.into_iter().map(|(_, row)| row).collect(),
            };
            (known.map(|known| known.order), table)
        })
        .collect();
    keys.sort_by_key(|(order, _)| *order);
    TokenTable {
        serial: serial.to_owned(),
        label: seen.label.clone(),
        read_by: newest.and_then(|reading| named(reading.source)),
        shared,
        keys: keys.into_iter().map(|(_, table)| table).collect(),
    }
}
