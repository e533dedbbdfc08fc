//! What an audit has found, as it is told: how many are bad, of which issuer, by which key, made between which
//! times; and what is to be done, in which order.

use std::collections::BTreeMap;

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::artefact::{Kind, Name};
use super::attribute::{Maker, Verdict};
use super::ring::Ring;
use super::tally::{Record, Tally};
use super::{Audited, Request};
use crate::case::attribution::{Attributed, attributed};
use crate::case::known_keys::PlaceKind;
use crate::error::Exit;
use crate::format::ca_index::State;
use crate::format::key::PublicKey;
use crate::format::x509::name as distinguished;
use crate::rules::signature::signed_by_other_key;
use crate::snapshot::{Gap, GapKind};
use crate::text::{count, escape, hex};

/// Noted certificates without a file that are told one by one.
const MOST_MISSING: usize = 10_000;

/// What an audit has found. Text is escaped.
#[derive(Debug, Clone, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Audit {
    /// Files that were read.
    pub files: usize,
    /// Signed artefacts, each counted once.
    pub artefacts: usize,
    /// Those that were there more than once.
    pub repeated: usize,
    /// Those made by the key that they name.
    pub sound: usize,
    /// Those whose issuer is not known here.
    pub issuer_not_known: usize,
    /// Those that could not be decided.
    pub not_decided: usize,
    /// Those that are to be made again; those that their CA has revoked do not count.
    pub bad: usize,
    /// Those that would be bad, and that their CA has revoked.
    pub revoked: usize,
    /// By kind and verdict.
    pub counts: Vec<Counted>,
    /// Links that were not followed.
    pub links: usize,
    /// Pipes, devices and sockets, which were not opened.
    pub special: usize,
    /// Files that were not changed since the time that was given, and so were not judged.
    pub older: usize,
    /// Files larger than 16 MiB that do not begin like anything signed.
    pub passed: usize,
    /// What may hold signed artefacts, and was not opened: its name, and how many.
    pub not_opened: BTreeMap<String, usize>,
    /// The bad ones, by issuer and keys.
    pub groups: Vec<Group>,
    /// What to do, in this order.
    pub steps: Vec<Step>,
    /// Each artefact that is bad or not decided.
    pub items: Vec<Item>,
    /// Certificates that a CA has noted as valid, and that are in no file.
    pub missing: Vec<MissingFile>,
    /// Were there more than are listed?
    pub is_cut: bool,
}

/// How many of one kind came to what.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Counted {
    /// The kind.
    pub kind: Kind,
    /// What came of them.
    pub verdict: Verdict,
    /// How many.
    pub count: usize,
}

/// Bad ones that have issuer and keys in common.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Group {
    /// The issuer that they name.
    pub issuer: Option<String>,
    /// The key that they name.
    pub names: Option<Attributed>,
    /// The key that made them, if it is known or could be told.
    pub made_by: Option<Attributed>,
    /// What came of them.
    pub verdict: Verdict,
    /// How many of each kind.
    pub kinds: BTreeMap<Kind, usize>,
    /// When the first was made, by what it says.
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Rfc3339>"))]
    pub from: Option<String>,
    /// And the last.
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Rfc3339>"))]
    pub to: Option<String>,
    /// What else to know.
    pub why: Option<String>,
}

/// Something to do.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Step {
    /// What, in words.
    pub what: String,
    /// What it is about, if it is about artefacts.
    pub kind: Option<Kind>,
    /// The files.
    pub files: Vec<String>,
    /// How many artefacts.
    pub count: usize,
}

/// One artefact.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Item {
    /// The file.
    pub file: String,
    /// Which of the artefacts in it, counted from 1.
    pub place: usize,
    /// Other files that hold the same.
    pub also: Vec<String>,
    /// What it is.
    pub kind: Kind,
    /// What came of it.
    pub verdict: Verdict,
    /// Serial number, hex; of a revocation list its number.
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Hex>"))]
    pub serial: Option<String>,
    /// Its issuer.
    pub issuer: Option<String>,
    /// What it is about.
    pub subject: Option<String>,
    /// When it was made or becomes valid, by what it says.
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Rfc3339>"))]
    pub made: Option<String>,
    /// Until when it is valid.
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Rfc3339>"))]
    pub until: Option<String>,
    /// The key that it names.
    pub names: Option<Attributed>,
    /// The key that made it.
    pub made_by: Option<Attributed>,
    /// If that is not known: the keys of which one made it.
    pub candidates: Vec<Attributed>,
    /// Has its CA revoked it?
    pub revoked: bool,
    /// Is there a sound one of the same issuer and holder that is as new?
    pub replaced: bool,
    /// What else to know.
    pub why: Option<String>,
}

/// A certificate that is noted and not there.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MissingFile {
    /// Serial number, hex.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Hex"))]
    pub serial: String,
    /// Its subject.
    pub subject: String,
    /// The index that notes it.
    pub index: String,
}

/// Everything that is told of an audit.
pub(super) fn of(mut tally: Tally, ring: &Ring, request: &Request<'_>) -> Audited {
    settle(&mut tally.records);
    tally.records.sort_by(|one, other| (&one.file, one.place).cmp(&(&other.file, other.place)));
    let items = items(&tally, ring);
    let is_bad = |item: &&Item| item.verdict.is_bad();
    let bad: Vec<&Item> = items.iter().filter(is_bad).filter(|item| !item.revoked).collect();
    let groups = groups(&bad);
    let total = |verdict: fn(Verdict) -> bool| -> usize {
        tally.counts.iter().filter(|((_, of), _)| verdict(*of)).map(|(_, count)| count).sum()
    };
    let revoked = items.iter().filter(is_bad).filter(|item| item.revoked).count();
    let same: usize = items.iter().map(|item| item.also.len()).sum();
    let mut missing: Vec<MissingFile> = tally
        .noted
        .iter()
        .filter(|(_, noted)| noted.state == State::Valid && !noted.is_here)
        .map(|((serial, _), noted)| MissingFile {
            serial: hex(serial),
            subject: noted.subject.clone(),
            index: noted.index.clone(),
        })
        .collect();
    missing.sort_by(|one, other| (&one.index, &one.serial).cmp(&(&other.index, &other.serial)));
    let is_cut = tally.lost > 0 || missing.len() > MOST_MISSING;
    missing.truncate(MOST_MISSING);
    // With a time, only files that were changed since were read.
    if request.since.is_some() {
        missing.clear();
    }
    let audit = Audit {
        files: tally.files,
        artefacts: total(|_| true) - same,
        repeated: tally.again + same,
        sound: total(|verdict| verdict == Verdict::Sound),
        issuer_not_known: total(|verdict| verdict == Verdict::IssuerNotKnown),
        not_decided: items.iter().filter(|item| item.verdict == Verdict::NotDecided).count(),
        bad: bad.len() + tally.lost,
        revoked,
        counts: tally
            .counts
            .iter()
            .map(|(&(kind, verdict), &count)| Counted { kind, verdict, count })
            .collect(),
        links: tally.links,
        special: tally.special,
        older: tally.older,
        passed: tally.passed,
        not_opened: tally.not_opened.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
        steps: steps(&bad),
        groups,
        missing,
        is_cut,
        items: Vec::new(),
    };
    let coverage = coverage(&tally, ring);
    let findings = audit.groups.iter().map(|group| signed_by_other_key::made(sentence(group))).collect();
    let exit = match (audit.bad, coverage.iter().any(|gap| gap.asked_for)) {
        (0, false) => Exit::Clean,
        (0, true) => Exit::NotRead,
        _ => Exit::Findings,
    };
    Audited { audit: Audit { items, ..audit }, findings, coverage, exit }
}

/// Of a signature that gave several keys, one of which made another one, that is the maker.
fn settle(records: &mut [Record]) {
    let mut makers: Vec<PublicKey> = Vec::new();
    for record in records.iter() {
        if let Maker::Unknown(key) = &record.judgement.maker
            && !makers.contains(key)
        {
            makers.push(key.clone());
        }
    }
    for record in records.iter_mut() {
        if let Maker::OneOf(keys) = &record.judgement.maker
            && let Some(key) = keys.iter().find(|key| makers.contains(key))
        {
            record.judgement.maker = Maker::Unknown(key.clone());
        }
    }
}

fn time(seconds: i64) -> Option<String> {
    OffsetDateTime::from_unix_timestamp(seconds).ok()?.format(&Rfc3339).ok()
}

fn name(name: &Name) -> String {
    match name {
        Name::Distinguished(der) => match distinguished(der) {
            text if !text.is_empty() => escape(text.as_bytes()),
            _ if der.is_empty() => "(an empty name)".to_owned(),
            _ => format!("(a name that does not decode: {})", hex(der.get(..64).unwrap_or(der))),
        },
        Name::Text(text) => escape(text),
    }
}

/// A key with the places that it is known from.
fn key(key: &PublicKey, ring: &Ring) -> Attributed {
    let places = ring.find(key).and_then(|index| ring.get(index)).map(|held| held.places.as_slice());
    attributed(&crate::crypto::same_form(key), places.unwrap_or_default())
}

fn items(tally: &Tally, ring: &Ring) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    let mut known: BTreeMap<[u8; 16], usize> = BTreeMap::new();
    for record in &tally.records {
        if let Some(item) = known.get(&record.digest).and_then(|index| items.get_mut(*index)) {
            item.also.push(record.file.clone());
            continue;
        }
        known.insert(record.digest, items.len());
        let judgement = &record.judgement;
        let (made_by, candidates) = match &judgement.maker {
            Maker::Known(index) => {
                (ring.get(*index).map(|held| attributed(&held.key, &held.places)), Vec::new())
            }
            Maker::Unknown(maker) => (Some(key(maker, ring)), Vec::new()),
            Maker::OneOf(keys) => (None, keys.iter().map(|one| key(one, ring)).collect()),
            Maker::NotFound => (None, Vec::new()),
        };
        items.push(Item {
            file: record.file.clone(),
            place: record.place,
            also: Vec::new(),
            kind: record.kind,
            verdict: judgement.verdict,
            serial: record.about.serial.as_deref().map(hex),
            issuer: record.about.issuer.as_ref().map(name),
            subject: record.about.subject.as_ref().map(name),
            made: record.about.made.and_then(time),
            until: record.about.until.and_then(time),
            names: judgement.named.as_ref().map(|one| key(one, ring)),
            made_by,
            candidates,
            revoked: record.state == Some(State::Revoked),
            replaced: tally.is_replaced(record),
            why: judgement.why.clone(),
        });
    }
    items
}

fn groups(bad: &[&Item]) -> Vec<Group> {
    let mut groups: BTreeMap<([Option<&str>; 3], Verdict), Group> = BTreeMap::new();
    for item in bad {
        let group = groups
            .entry((
                [
                    item.issuer.as_deref(),
                    item.names.as_ref().map(|key| key.public_key.as_str()),
                    item.made_by.as_ref().map(|key| key.public_key.as_str()),
                ],
                item.verdict,
            ))
            .or_insert_with(|| Group {
                issuer: item.issuer.clone(),
                names: item.names.clone(),
                made_by: item.made_by.clone(),
                verdict: item.verdict,
                kinds: BTreeMap::new(),
                from: None,
                to: None,
                why: item.why.clone(),
            });
        *group.kinds.entry(item.kind).or_default() += 1;
        // RFC 3339 in UTC: the order of the text is that of the time.
        if let Some(made) = &item.made {
            if group.from.as_ref().is_none_or(|from| made < from) {
                group.from = Some(made.clone());
            }
            if group.to.as_ref().is_none_or(|to| made > to) {
                group.to = Some(made.clone());
            }
        }
    }
    groups.into_values().collect()
}

/// What is to be done, in which order: what others hang on first.
fn steps(bad: &[&Item]) -> Vec<Step> {
    if bad.is_empty() {
        return Vec::new();
    }
    let mut steps = Vec::new();
    if bad.iter().any(|item| item.verdict == Verdict::MadeByAnotherKey) {
        steps.push(Step {
            what: "on the host that made them: stalecard check, then stalecard flush; nothing is made again before that"
                .to_owned(),
            kind: None,
            files: Vec::new(),
            count: 0,
        });
    }
    // Kinds are in the order in which others hang on them.
    let mut kinds: BTreeMap<Kind, Vec<&Item>> = BTreeMap::new();
    for item in bad.iter().filter(|item| !item.replaced) {
        kinds.entry(item.kind).or_default().push(item);
    }
    for (kind, items) in kinds {
        let what = match kind {
            Kind::CaCertificate => {
                "issue again, and hand out in place of the bad one; what was issued under it follows"
            }
            Kind::RevocationList => {
                "make again at once: whoever checks it refuses every certificate until then"
            }
            Kind::OcspSigner => "issue again, and restart the responder",
            Kind::OcspResponse => "answer again",
            Kind::Certificate => {
                "issue again and hand out; to revoke the bad one is book-keeping, since nobody who checks it accepts it"
            }
            Kind::SshCertificate | Kind::CvCertificate => "issue again",
            Kind::Request | Kind::CvRequest => {
                "make again; whatever was issued on it is for a key that is gone"
            }
            Kind::SignedData | Kind::Jws | Kind::SshSignature => "sign again",
        };
        let mut files: Vec<String> = items.iter().map(|item| item.file.clone()).collect();
        files.dedup();
        let (one, many) = kind.words();
        let step = Step {
            what: format!("{}: {what}", count(items.len(), one, many)),
            kind: Some(kind),
            files,
            count: items.len(),
        };
        steps.push(step);
    }
    let replaced = bad.iter().filter(|item| item.replaced).count();
    if replaced > 0 {
        steps.push(Step {
            what: format!("{replaced} of them are replaced already by sound ones: see that nobody uses the bad ones, and move them away"),
            kind: None,
            files: bad.iter().filter(|item| item.replaced).map(|item| item.file.clone()).collect(),
            count: replaced,
        });
    }
    steps
}

/// How many of what, in words: "2 certificates and 1 CRL".
fn of_kinds(kinds: &BTreeMap<Kind, usize>) -> String {
    let parts: Vec<String> = kinds
        .iter()
        .map(|(kind, number)| {
            let (one, many) = kind.words();
            count(*number, one, many)
        })
        .collect();
    match parts.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

/// How a key is called.
fn called(key: &Attributed) -> String {
    let place = key.places.iter().find(|place| place.kind != PlaceKind::File).or_else(|| key.places.first());
    match place {
        Some(place) => format!("the key with ID {} ({})", place.id, place.place),
        None => format!("a key with ID {} that is known from nowhere here", key.id),
    }
}

/// What is wrong with a group, in one sentence.
fn sentence(group: &Group) -> String {
    let what = of_kinds(&group.kinds);
    let is_one = group.kinds.values().sum::<usize>() == 1;
    let issuer = group.issuer.as_ref().map(|issuer| format!(" of the issuer {issuer}")).unwrap_or_default();
    let (verb, was) = if is_one { ("names", "was") } else { ("name", "were") };
    let names = group.names.as_ref().map_or_else(|| "a key that is not known here".to_owned(), called);
    let made = match (&group.made_by, group.verdict) {
        (_, Verdict::Invalid) => format!("{was} made by it over other bytes"),
        (Some(maker), Verdict::SoundUnderAnotherCertificate) => {
            format!("{was} made by another one of the same issuer, {}", called(maker))
        }
        (Some(maker), _) => format!("{was} made by {}", called(maker)),
        (None, _) => format!("{was} not made by it"),
    };
    let times = match (&group.from, &group.to) {
        (Some(from), Some(to)) if from == to => format!("; made at {from}"),
        (Some(from), Some(to)) => format!("; made between {from} and {to}"),
        _ => String::new(),
    };
    format!("{what}{issuer} {verb} {names}, and {made}{times}.")
}

fn coverage(tally: &Tally, ring: &Ring) -> Vec<Gap> {
    let gap =
        |what: String, why: String, asked_for: bool| Gap { what, why, asked_for, kind: GapKind::Signature };
    let mut gaps: Vec<Gap> = tally
        .open
        .iter()
        .map(|(why, open)| {
            let what = match open.count {
                1 => open.first.clone(),
                count => format!("{} and {} more", open.first, count - 1),
            };
            gap(what, why.clone(), true)
        })
        .collect();
    if ring.is_full {
        let why = "there are more keys than are kept: not every one was tried as maker".to_owned();
        gaps.push(gap("keys of certificates".to_owned(), why, false));
    }
    gaps
}
