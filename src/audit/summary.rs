//! What an audit has found, as it is told: how many are bad, of which issuer, by which key, made between which
//! times; and what is to be done, in which order.

use std::collections::{BTreeMap, HashMap, HashSet};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::advice::{finding, steps};
use super::artefact::{Kind, Name};
use super::attribute::Asked;
use super::judgement::{Judgement, Maker, Why};
use super::request::Request;
use super::ring::Ring;
use super::tally::{Record, Tally};
use super::told::{Audit, Audited, Counted, Group, Item, MissingFile};
use crate::case::attribution::Verdict;
use crate::crypto::same_form;
use crate::error::Exit;
use crate::format::ca_index::State;
use crate::format::key::PublicKey;
use crate::snapshot::{Gap, GapKind};
use crate::text::{count, escape, hex};

/// Noted certificates without a file that are told one by one.
const MOST_MISSING: usize = 10_000;

/// Everything that is told of an audit.
pub(super) fn of(mut tally: Tally, asked: &Asked, request: &Request<'_>) -> Audited {
    let ring = &asked.ring;
    // Named by the file in which it stands alone, if there is one.
    let crowded = std::mem::take(&mut tally.crowded);
    let place = |one: &Record| (crowded.contains(&one.file), one.file.clone(), one.place);
    tally.records.sort_by_cached_key(place);
    settle(&mut tally);
    let items = items(&tally, ring);
    let is_bad = |item: &&Item| item.verdict.is_bad();
    let bad: Vec<&Item> = items.iter().filter(is_bad).filter(|item| !item.revoked).collect();
    let groups = groups(&bad);
    let total = |verdict: fn(Verdict) -> bool| -> usize {
        tally.counts.iter().filter(|((_, of), _)| verdict(*of)).map(|(_, count)| count).sum()
    };
    let revoked = items.iter().filter(is_bad).filter(|item| item.revoked).count();
    let same: usize = items.iter().map(|item| item.also.len()).sum();
    let mut repeated: BTreeMap<_, usize> = BTreeMap::new();
    for item in &items {
        *repeated.entry((item.kind, item.verdict)).or_default() += item.also.len();
    }
    let mut missing: Vec<MissingFile> = tally
        .noted
        .iter()
        .flat_map(|((serial, _), noted)| noted.iter().map(move |noted| (serial, noted)))
        .filter(|(_, noted)| noted.state == State::Valid && !noted.is_here)
        .map(|(serial, noted)| MissingFile {
            serial: hex(serial),
            subject: escape(&noted.subject),
            index: noted.index.to_string(),
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
            .map(|(&(kind, verdict), &count)| {
                let again = repeated.get(&(kind, verdict)).copied().unwrap_or_default();
                Counted { kind, verdict, count: count.saturating_sub(again) }
            })
            .collect(),
        links: tally.links,
        special: tally.special,
        kernels: tally.kernels,
        older: tally.older,
        passed: tally.passed,
        not_opened: tally.not_opened.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
        steps: steps(&bad),
        groups,
        missing,
        is_cut,
        items: Vec::new(),
    };
    let coverage = coverage(&tally, asked);
    let findings = audit.groups.iter().map(finding).collect();
    let exit = match (audit.bad, coverage.iter().any(|gap| gap.asked_for)) {
        (0, false) => Exit::Clean,
        (0, true) => Exit::NotRead,
        _ => Exit::Findings,
    };
    Audited { audit: Audit { items, ..audit }, findings, coverage, exit }
}

/// What all of them together tell of each: the key that made several is the maker of each; and what a key made that has made
/// a root in the place of the root's own is bad, though its name alone does not tell.
fn settle(tally: &mut Tally) {
    let mut gave: HashMap<PublicKey, [u8; 16]> = HashMap::new();
    let mut makers: HashSet<PublicKey> = HashSet::new();
    for record in &tally.records {
        match &record.judgement.maker {
            Maker::Unknown(key) => {
                makers.insert(key.clone());
            }
            Maker::OneOf(keys) => {
                for key in keys {
                    let first = *gave.entry(key.clone()).or_insert(record.digest);
                    if first != record.digest {
                        makers.insert(key.clone());
                    }
                }
            }
            Maker::Known(_) | Maker::NotFound => {}
        }
    }
    for record in &mut tally.records {
        if let Maker::OneOf(keys) = &record.judgement.maker
            && let Some(key) = keys.iter().find(|key| makers.contains(key))
        {
            record.judgement.maker = Maker::Unknown(key.clone());
        }
    }
    let who = |judgement: &Judgement| -> Option<(PublicKey, Maker)> {
        let is_one = matches!(judgement.maker, Maker::Known(_) | Maker::Unknown(_));
        is_one.then_some(())?;
        Some((same_form(judgement.named.as_ref()?), judgement.maker.clone()))
    };
    // What names its issuer by the issuer's key proves nothing of those that name a name: the maker may have that, too.
    let is_root = |one: &&Record| one.kind == Kind::CaCertificate && one.about.issuer == one.about.subject;
    let bad = tally.records.iter().filter(|one| one.judgement.verdict == Verdict::MadeByAnotherKey);
    let proved: HashSet<(PublicKey, Maker)> =
        bad.filter(is_root).filter_map(|one| who(&one.judgement)).collect();
    for record in &mut tally.records {
        let is_proved = || who(&record.judgement).is_some_and(|who| proved.contains(&who));
        if record.judgement.is_by_name_only() && is_proved() {
            let judgement = &mut record.judgement;
            (judgement.verdict, judgement.why) = (Verdict::MadeByAnotherKey, None);
            let counts = &mut tally.counts;
            if let Some(count) = counts.get_mut(&(record.kind, Verdict::NotDecided)) {
                *count = count.saturating_sub(1);
            }
            *counts.entry((record.kind, Verdict::MadeByAnotherKey)).or_default() += 1;
        }
    }
    tally.counts.retain(|_, count| *count > 0);
    for record in std::mem::take(&mut tally.records) {
        if record.judgement.verdict == Verdict::NotDecided {
            let why = record.judgement.why.as_ref().map(ToString::to_string).unwrap_or_default();
            tally.not_computed(&record.file, &why);
        }
        tally.records.push(record);
    }
}

fn time(seconds: i64) -> Option<String> {
    OffsetDateTime::from_unix_timestamp(seconds).ok()?.format(&Rfc3339).ok()
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
        let (made_by, candidates) = ring.made_by(&judgement.maker);
        items.push(Item {
            file: record.file.clone(),
            place: record.place,
            also: Vec::new(),
            kind: record.kind,
            verdict: judgement.verdict,
            serial: record.about.serial.as_deref().map(hex),
            issuer: record.about.issuer.as_ref().map(Name::text),
            subject: record.about.subject.as_ref().map(Name::text),
            made: record.about.made.and_then(time),
            until: record.about.until.and_then(time),
            names: judgement.named.as_ref().map(|key| ring.attributed(key)),
            made_by,
            candidates: candidates.iter().map(|key| ring.attributed(key)).collect(),
            revoked: record.state == Some(State::Revoked),
            replaced: tally.is_replaced(record),
            why: judgement.why.clone(),
        });
    }
    items.sort_by(|one, other| (&one.file, one.place).cmp(&(&other.file, other.place)));
    items
}

fn groups(bad: &[&Item]) -> Vec<Group> {
    /// Issuer, the key that is named and the one that made it, what else to know, and what came of it.
    type Alike<'i> = ([Option<&'i str>; 3], Option<&'i Why>, Verdict);
    let mut groups: BTreeMap<Alike<'_>, Group> = BTreeMap::new();
    for item in bad {
        let group = groups
            .entry((
                [
                    item.issuer.as_deref(),
                    item.names.as_ref().map(|key| key.public_key.as_str()),
                    item.made_by.as_ref().map(|key| key.public_key.as_str()),
                ],
                item.why.as_ref(),
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

fn coverage(tally: &Tally, asked: &Asked) -> Vec<Gap> {
    let ring = &asked.ring;
    let gap = |what: String, why: String, asked_for: bool| Gap::new(GapKind::Signature, asked_for, what, why);
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
    gaps.extend(ring.left.iter().map(|(place, why)| gap(format!("baselines in {place}"), why.clone(), true)));
    if ring.is_full {
        let why = "there are more keys, or more of one name or identifier, than are kept: not every one was tried as maker";
        gaps.push(gap("keys of certificates".to_owned(), why.to_owned(), false));
    }
    match asked.makers.cut() {
        0 => {}
        cut => {
            let what = format!("the makers of {}", count(cut, "signature", "signatures"));
            let why = "not every key was tried that could have made them: that takes long".to_owned();
            gaps.push(gap(what, why, false));
        }
    }
    if tally.is_full.noted {
        let why = "more certificates are noted in them than are remembered: what is revoked there may be told as bad, and not \
                   every missing file is named";
        gaps.push(gap("indexes of CAs".to_owned(), why.to_owned(), true));
    }
    if tally.is_full.holders {
        let why = "there are more than are remembered: of some bad ones it is not told that sound ones have replaced them";
        gaps.push(gap("sound certificates".to_owned(), why.to_owned(), false));
    }
    gaps
}
