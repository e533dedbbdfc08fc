//! Builds the cases out of a snapshot and collects what the rules say.

use std::collections::BTreeMap;

use serde::Serialize;

use super::case::{Case, Lens};
use super::proofs::{Proof, proofs};
use super::sides::{Sides, Wanted, sides};
use crate::crypto::cvc::Origin;
use crate::finding::{Finding, Id};
use crate::format::{cvc, pkcs15};
use crate::opensc::config::{FileUse, Situation, Written};
use crate::opensc::differences::{self, CurveMatch};
use crate::opensc::{CacheLocation, CacheName, Caching, Outcome, Program, Version};
use crate::snapshot::{Answer, CacheDir, Card, EfPath, Family, Gap, GapKind, Name, PinState, Snapshot};
use crate::text::{self, escape, hex};
use crate::view::cached::Cached;
use crate::view::pkcs11;
use crate::view::{Behaviour, Class, DEVICE_CERTIFICATE, TOKEN_INFO, View, decode, split};

/// OpenSC's short name of the driver for a SmartCard-HSM.
const DRIVER: &str = "sc-hsm";

/// Everything the rules say of a snapshot.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// The tokens that were looked at.
    pub tokens: Vec<Token>,
    /// How programs cache.
    pub programs: Vec<ProgramState>,
    /// What was found, worst first.
    pub findings: Vec<Finding>,
    /// What could not be looked at.
    pub coverage: Vec<Gap>,
    /// Was at least one token read from its card?
    pub compared: bool,
    /// Entries of cards that were not read; also said in the coverage.
    pub unread: Vec<Unread>,
    /// Programs and the cache directories they read.
    in_use: Vec<(String, Name)>,
}

/// Entries of one card in one cache directory, about which only the card could say more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// The card's serial, escaped.
    pub token: String,
    /// How many.
    pub entries: usize,
    /// Where.
    pub directory: Name,
}

/// What holds for every user of a host, worked out once.
#[derive(Debug)]
pub struct Judge {
    version: Option<Version>,
    outcomes: Vec<(Program, Outcome)>,
}

impl Verdict {
    /// Which findings name which file as their evidence, in the order of the findings. Made once,
    /// because a cache directory may hold as many entries as somebody likes.
    #[must_use]
    pub fn by_file(&self) -> BTreeMap<(&Name, &Name), Vec<Id>> {
        let mut named: BTreeMap<_, Vec<Id>> = BTreeMap::new();
        for finding in &self.findings {
            for file in finding.evidence.iter().filter_map(|evidence| evidence.file.as_ref()) {
                let ids = named.entry((&file.directory, &file.name)).or_default();
                if ids.last() != Some(&finding.id) {
                    ids.push(finding.id);
                }
            }
        }
        named
    }

    /// Worst first.
    pub(super) fn sort(&mut self) {
        self.findings.sort_by(|a, b| (b.severity, a.id).cmp(&(a.severity, b.id)));
    }

    /// Does any program read this cache directory today?
    #[must_use]
    pub fn cache_in_use(&self, directory: &Name) -> bool {
        self.in_use.iter().any(|(_, path)| path == directory)
    }

    /// The programs that read this cache directory today.
    #[must_use]
    pub fn readers_of(&self, directory: &Name) -> Vec<&str> {
        let readers = self.in_use.iter().filter(|(_, path)| path == directory);
        readers.map(|(program, _)| program.as_str()).collect()
    }
}

/// A token, as shown at the head of a report. Text is escaped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Token {
    /// Reader.
    pub reader: String,
    /// Family of the card.
    pub family: String,
    /// Answer to reset, hex.
    pub atr: String,
    /// Serial as in cache file names.
    pub serial: Option<String>,
    /// Label.
    pub label: Option<String>,
    /// Firmware and PIN status: names and values; all of it live.
    pub status: BTreeMap<String, String>,
    /// How many objects of which class are on the card.
    pub objects: Option<String>,
}

/// How a program caches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProgramState {
    /// Its name.
    pub name: String,
    /// `no`, `public`, `yes`, `undecided` or `crashes`.
    pub caching: &'static str,
    /// The same in words, with its origin.
    pub caching_text: String,
    /// Its cache directory, if caching is not off.
    pub cache_dir: Option<String>,
    /// The OpenSC version it was judged for.
    pub opensc: Option<String>,
}

/// What a program does with caches.
struct Reader {
    name: String,
    state: ProgramState,
    reads: Option<Name>,
    undecided: bool,
}

/// Judges the first user of a snapshot.
#[must_use]
pub fn judge(snapshot: &Snapshot) -> Verdict {
    let judge = Judge::of(snapshot);
    let mut verdict = judge.user(snapshot, true);
    verdict.coverage.extend(verdict.unread.iter().map(Unread::gap));
    if !snapshot.opensc.is_empty() {
        verdict.findings.extend(super::judge_config(snapshot));
    }
    verdict.sort();
    verdict
}

impl Judge {
    /// For the user of this snapshot, and for all whose environment differs in `HOME` only.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        let situation = Situation::of(snapshot);
        let configuration = situation.configuration();
        let outcomes = if snapshot.opensc.is_empty() {
            Vec::new()
        } else {
            let tool = Program::pkcs15_tool(snapshot.executables.get("pkcs15-tool").cloned());
            let asked = |program: Program| {
                let outcome = configuration.outcome(&program, Some(DRIVER));
                (program, outcome)
            };
            [tool, Program::pkcs11(None)].map(asked).into()
        };
        Self { version: situation.version(), outcomes }
    }

    /// Judges the caches of a further user: what concerns the cards and the host is not said again.
    #[must_use]
    pub fn another(&self, snapshot: &Snapshot) -> Verdict {
        self.user(snapshot, false)
    }

    fn user(&self, snapshot: &Snapshot, is_first: bool) -> Verdict {
        let version = self.version;
        let mut coverage = snapshot.coverage.clone();
        let readers = self.readers(snapshot);
        if is_first {
            coverage.extend(host_gaps(snapshot, &readers));
        }
        let behaviour = behaviour(version);
        let mut tokens = Vec::new();
        let mut findings = Vec::new();
        let mut compared = false;
        for card in &snapshot.cards {
            let Some(serial) = card.serial.as_deref().filter(|_| card.family == Family::SmartCardHsm) else {
                tokens.push(token(card, None));
                // The scan has said it already, unless this is a snapshot that somebody has edited.
                coverage
                    .extend(nameless(card).filter(|gap| coverage.iter().all(|known| known.what != gap.what)));
                continue;
            };
            let case = case(snapshot, card, serial, &readers, behaviour);
            tokens.push(token(card, Some(&case.live)));
            coverage.extend(unknown_slots(&case, version));
            findings.extend(super::apply_all(&case));
            compared = true;
        }
        let in_use = in_use(&readers);
        let absent = super::absent_card::apply(snapshot, &in_use);
        findings.extend(absent.findings);
        findings.extend(super::apply_to_caches(snapshot, &in_use));
        let programs = readers.into_iter().map(|reader| reader.state).collect();
        let mut verdict =
            Verdict { tokens, programs, findings, coverage, compared, unread: absent.unread, in_use };
        verdict.sort();
        verdict
    }

    fn readers(&self, snapshot: &Snapshot) -> Vec<Reader> {
        let env = &snapshot.user.env;
        let outcomes = self.outcomes.iter();
        outcomes
            .map(|(program, outcome)| {
                reader(program, &outcome.in_environment(self.version, env), self.version)
            })
            .collect()
    }
}

/// What cannot be said of OpenSC on this host.
fn host_gaps(snapshot: &Snapshot, readers: &[Reader]) -> Vec<Gap> {
    let mut gaps = Vec::new();
    if snapshot.opensc.is_empty() {
        gaps.push(Gap {
            what: "OpenSC".to_owned(),
            why: "no libopensc was found on this host; no program reads a cache here".to_owned(),
            asked_for: false,
            kind: GapKind::OpenSc,
        });
    }
    for reader in readers {
        let (what, why) = match (reader.undecided, reader.state.caching) {
            (_, "crashes") => ("what it shows", Some(&reader.state.caching_text)),
            (true, "undecided") => ("whether it caches", Some(&reader.state.caching_text)),
            (true, _) => ("its cache", reader.state.cache_dir.as_ref()),
            (false, _) => continue,
        };
        gaps.push(Gap {
            what: format!("{}, {what}", reader.name),
            why: why.cloned().unwrap_or_default(),
            asked_for: true,
            kind: GapKind::OpenSc,
        });
    }
    if let Some(driver) = snapshot.user.env.get("OPENSC_DRIVER") {
        gaps.push(Gap {
            what: format!("OPENSC_DRIVER = {driver}"),
            why: "the variable replaces OpenSC's list of drivers; what follows holds without it".to_owned(),
            asked_for: false,
            kind: GapKind::OpenSc,
        });
    }
    gaps
}

/// Both views of the objects that are wanted, for every token that was read.
#[must_use]
pub fn show(snapshot: &Snapshot, wanted: &Wanted<'_>) -> Vec<Sides> {
    cases(snapshot).iter().flat_map(|case| sides(case, wanted)).collect()
}

/// What the signatures of every token prove.
#[must_use]
pub fn proofs_of(snapshot: &Snapshot) -> Vec<Proof> {
    cases(snapshot).iter().flat_map(proofs).collect()
}

/// All views of every token that was read.
#[must_use]
pub fn cases(snapshot: &Snapshot) -> Vec<Case<'_>> {
    let judge = Judge::of(snapshot);
    let (version, readers) = (judge.version, judge.readers(snapshot));
    let cards = snapshot.cards.iter().filter(|card| card.family == Family::SmartCardHsm);
    cards
        .filter_map(|card| Some((card, card.serial.as_deref()?)))
        .map(|(card, serial)| case(snapshot, card, serial, &readers, behaviour(version)))
        .collect()
}

/// Which programs read which directory.
fn in_use(readers: &[Reader]) -> Vec<(String, Name)> {
    readers.iter().filter_map(|reader| Some((reader.name.clone(), reader.reads.clone()?))).collect()
}

/// The token's live view and its views through every cache directory.
fn case<'a>(
    snapshot: &'a Snapshot,
    card: &'a Card,
    serial: &'a str,
    readers: &[Reader],
    behaviour: Behaviour,
) -> Case<'a> {
    let last_update = card.files.iter().find_map(|file| match &file.answer {
        Answer::Content(bytes) if file.path == TOKEN_INFO => {
            let date = pkcs15::token_info(bytes.as_slice()).ok()?.last_update?;
            String::from_utf8(date).ok()
        }
        _ => None,
    });
    let name_of = |fid: EfPath| {
        // Read before the serial is known: OpenSC never caches these two.
        if fid == DEVICE_CERTIFICATE || fid == TOKEN_INFO {
            return None;
        }
        CacheName::for_sc_hsm(serial, last_update.as_deref(), fid).ok().map(|name| name.name())
    };
    let live = decode(&card.key_list, card, behaviour);
    let lens = |dir: &'a CacheDir| {
        let cached = Cached::new(card, dir, name_of);
        let shown = decode(&card.key_list, &cached, behaviour);
        let programs = readers
            .iter()
            .filter(|reader| reader.reads.as_ref() == Some(&dir.path))
            .map(|reader| reader.name.clone())
            .collect();
        let undecided = readers.iter().any(|reader| reader.undecided);
        let pkcs11 = pkcs11::differing_slots(&live, &shown);
        Lens { programs, undecided, dir, cached, shown, pkcs11 }
    };
    let lenses = snapshot.caches.iter().map(lens).collect();
    Case { card, serial, uid: snapshot.user.uid, live, lenses }
}

/// How the installed OpenSC, or the newest one if none is known, lists a SmartCard-HSM.
fn behaviour(version: Option<Version>) -> Behaviour {
    let version = version.unwrap_or(differences::HEAD);
    Behaviour {
        shows_device_key: differences::shows_device_key(version).unwrap_or(false),
        car_optional: differences::inner_car_is_optional(version),
        rounds_521: differences::corrects_field_length_528(version).unwrap_or(false),
        matches_coefficient: differences::curve_match(version) == CurveMatch::PrimeAndCoefficient,
    }
}

fn reader(program: &Program, outcome: &Outcome, version: Option<Version>) -> Reader {
    let opensc = version.map(|version| version.to_string());
    let name = program.label.clone();
    let effective = match outcome {
        Outcome::Runs(effective) => effective,
        Outcome::Crashes(crash) => {
            let state = ProgramState {
                name: name.clone(),
                caching: "crashes",
                caching_text: crash.to_string(),
                cache_dir: None,
                opensc,
            };
            return Reader { name, state, reads: None, undecided: false };
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
    let cached = version.is_none_or(differences::sc_hsm_is_cached);
    let (caching, text, on, undecided) = match &effective.caching {
        Caching::No => ("no", format!("off ({origin})"), false, false),
        Caching::Public if cached => ("public", format!("on ({origin})"), true, false),
        Caching::All if cached => ("yes", format!("on, private data too ({origin})"), true, false),
        Caching::Public | Caching::All => {
            ("no", "this version of OpenSC does not cache this card".to_owned(), false, false)
        }
        Caching::Undecided(why) => ("undecided", format!("undecided: {why}"), false, true),
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
        cache_dir: dir.filter(|_| caching != "no"),
        opensc,
    };
    Reader { name, state, reads, undecided }
}

/// What cannot be said of a SmartCard-HSM whose serial number is not known.
fn nameless(card: &Card) -> Option<Gap> {
    (card.family == Family::SmartCardHsm).then(|| Gap {
        what: format!("device certificate (2F02) of the card in reader {}", escape(card.reader.as_bytes())),
        why: "it gives no serial number, and cache files are named by that".to_owned(),
        asked_for: true,
        kind: GapKind::Card,
    })
}

/// Slots about which a view says nothing.
fn unknown_slots(case: &Case<'_>, version: Option<Version>) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let mut note = |what: String, why: String, asked_for| {
        let gap = Gap { what, why, asked_for, kind: GapKind::Card };
        if !gaps.contains(&gap) {
            gaps.push(gap);
        }
    };
    let token = escape(case.serial.as_bytes());
    if let Err(why) = CacheName::for_sc_hsm(case.serial, None, TOKEN_INFO) {
        note(format!("cache entries of token {token}"), why.to_string(), true);
    }
    for (slot, why) in &case.live.unknown {
        note(format!("slot {slot} of token {token}"), why.clone(), true);
    }
    for lens in &case.lenses {
        for (slot, why) in &lens.shown.unknown {
            if !case.live.unknown.iter().any(|(known, _)| known == slot) {
                note(format!("slot {slot} in cache {}", lens.dir.path), why.clone(), lens.in_use());
            }
        }
    }
    let device_key = crate::view::fid(crate::view::prefix::PRIVATE_KEY, 0);
    let undecided = version.is_some_and(|version| differences::shows_device_key(version).is_none());
    if undecided && case.on_card(device_key).is_some() {
        note(
            "device key (slot CC00)".to_owned(),
            "whether this version of OpenSC lists it is not known".to_owned(),
            false,
        );
    }
    for object in &case.live.objects {
        if let Class::Data { content: None, path: pkcs15::Value::Path(path), .. } = &object.class {
            let private = crate::view::file_of(path).is_some_and(crate::view::is_private);
            if private {
                note(
                    format!("content of data object \"{}\" (slot {})", escape(&object.label), object.slot),
                    "private: it takes the PIN to read it from the card".to_owned(),
                    false,
                );
            }
        }
    }
    gaps
}

/// The head of a report on a card.
fn token(card: &Card, live: Option<&View>) -> Token {
    let label = card.files.iter().find_map(|file| match &file.answer {
        Answer::Content(bytes) if file.path == TOKEN_INFO => {
            pkcs15::token_info(bytes.as_slice()).ok()?.label.map(|label| escape(&label))
        }
        _ => None,
    });
    let mut status = BTreeMap::new();
    if let Some(known) = &card.status {
        if let Some((major, minor)) = known.firmware {
            status.insert("firmware".to_owned(), format!("{major}.{minor}"));
        }
        if let Some(pin) = known.user_pin {
            status.insert("user PIN".to_owned(), pin_words(pin));
        }
        if let Some(pin) = known.so_pin {
            status.insert("SO-PIN".to_owned(), pin_words(pin));
        }
        if let Some(device) = device_words(card) {
            status.insert("device".to_owned(), device);
        }
        if let Some(dkek) = &known.dkek {
            let shares = text::count(dkek.shares.into(), "share", "shares");
            let text = if dkek.outstanding > 0 {
                format!("{shares}, {} still missing", dkek.outstanding)
            } else {
                format!("{shares}, key check value {}", dkek.check_value.hex().to_uppercase())
            };
            status.insert("DKEK".to_owned(), text);
        }
    }
    Token {
        reader: escape(card.reader.as_bytes()),
        family: match card.family {
            Family::SmartCardHsm => "SmartCard-HSM".to_owned(),
            Family::Other => "another kind of card, not read".to_owned(),
        },
        atr: hex(card.atr.as_slice()),
        serial: card.serial.as_ref().map(|serial| escape(serial.as_bytes())),
        label,
        status,
        objects: live.map(count),
    }
}

/// Where a device's certificates lead.
fn device_words(card: &Card) -> Option<String> {
    let certificates = card.files.iter().find_map(|file| match &file.answer {
        Answer::Content(bytes) if file.path == DEVICE_CERTIFICATE => Some(bytes.as_slice()),
        _ => None,
    });
    let device = crate::crypto::cvc::device(certificates?).ok()?;
    Some(match &device.origin {
        Origin::Root(root) if root.production => {
            format!("genuine: certified below CardContact's root {}", root.chr)
        }
        Origin::Root(root) => format!("a test device: certified below the test root {}", root.chr),
        Origin::SelfSigned => "self-signed certificate: nothing proves who made it (emulators)".to_owned(),
        Origin::UnknownIssuer(issuer) => format!("its issuer {} is not known here", escape(issuer)),
        Origin::Broken(holder) => {
            format!("NOT genuine: the certificate of {} is not signed by the issuer it names", escape(holder))
        }
        Origin::NotDecidable(holder, why) => {
            format!("the certificate of {} cannot be judged: {why}", escape(holder))
        }
    })
}

fn pin_words(pin: PinState) -> String {
    match pin {
        PinState::LoggedIn => "another program is logged in".to_owned(),
        PinState::Tries(tries) => format!("{} left", text::count(tries.into(), "try", "tries")),
        PinState::Blocked => "blocked".to_owned(),
        PinState::NotInitialised => "not initialised".to_owned(),
        PinState::Other(status) => format!("status {status:04X}"),
    }
}

fn count(view: &View) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for object in &view.objects {
        *counts.entry(object.class.name()).or_default() += 1;
    }
    let mut parts: Vec<String> =
        counts.iter().map(|(name, count)| text::count(*count, name, &format!("{name}s"))).collect();
    if !view.unknown.is_empty() {
        parts.push(format!("{} not known", view.unknown.len()));
    }
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

/// The serial as OpenSC takes it from a device certificate: the holder reference
/// without its last five characters.
#[must_use]
pub fn serial_of(device_certificate: &[u8]) -> Option<String> {
    let chr = cvc::decode(device_certificate).ok()?.chr;
    // OpenSC stops at a NUL and gives up below eight characters.
    let chr = chr.split(|&byte| byte == 0).next()?;
    if chr.len() < 8 {
        return None;
    }
    String::from_utf8(chr.get(..chr.len() - 5)?.to_vec()).ok()
}

/// Sorts slots the way people read them: keys first, by number.
#[must_use]
pub fn slot_order(slot: EfPath) -> (bool, u8, u8) {
    let (kind, number) = split(slot);
    (kind != crate::view::prefix::KEY, kind, number)
}
