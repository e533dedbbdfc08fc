//! What an audit has found, in words: what is wrong with a group of artefacts, and what to do about all of them.

use std::collections::{BTreeMap, HashMap, HashSet};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::artefact::Kind;
use super::judgement::{Ground, Why};
use super::told::{Group, Item, Step};
use crate::case::attribution::{Attributed, Verdict};
use crate::case::known_keys::PlaceKind;
use crate::finding::{Finding, Prose};
use crate::rules::signature::signed_by_other_key;
use crate::text::count;

/// What is to be done, in which order: what others hang on first.
pub fn steps(bad: &[&Item]) -> Vec<Step> {
    if bad.is_empty() {
        return Vec::new();
    }
    let mut steps = Vec::new();
    let by_another: Vec<&&Item> =
        bad.iter().filter(|item| item.verdict == Verdict::MadeByAnotherKey).collect();
    // Then it is in no cache that was looked at any more.
    let is_flushed = !by_another.is_empty() && by_another.iter().all(|item| names_what_is_flushed(item));
    if !by_another.is_empty() && !is_flushed {
        // Where no other key is told, bytes that were changed explain it as well.
        let what = if by_another.iter().any(|item| item.made_by.is_some()) {
            "on the host that made them: stalecard check, then stalecard flush; nothing is made again before that"
        } else {
            "on the host that made them: stalecard check, and stalecard flush if that finds its cache stale; nothing is made \
             again before that"
        };
        steps.push(Step { what: what.to_owned(), kind: None, files: Vec::new(), count: 0 });
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
            Kind::TimeStamp => "have it made again, while what it is about is still as it was",
            Kind::SignedData | Kind::Jws | Kind::SshSignature => "sign again",
        };
        let mut files: Vec<String> = Vec::new();
        for item in in_order(items.clone(), kind) {
            files.extend(std::iter::once(&item.file).chain(&item.also).cloned());
        }
        let mut told = HashSet::new();
        files.retain(|file| told.insert(file.clone()));
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
            what: if replaced == 1 {
                "1 of them is replaced already by a sound one: see that nobody uses the bad one, and move it away".to_owned()
            } else {
                format!("{replaced} of them are replaced already by sound ones: see that nobody uses the bad ones, and move them away")
            },
            kind: None,
            files: bad.iter().filter(|item| item.replaced).map(|item| item.file.clone()).collect(),
            count: replaced,
        });
    }
    if is_flushed {
        let what = "if another host made them: before that, `stalecard check` there, and `stalecard flush`";
        steps.push(Step { what: what.to_owned(), kind: None, files: Vec::new(), count: 0 });
    }
    steps
}

/// CA certificates in the order in which they hang on each other: the root first.
fn in_order(mut items: Vec<&Item>, kind: Kind) -> Vec<&Item> {
    /// Deeper is no chain.
    const DEEPEST: usize = 16;
    if kind != Kind::CaCertificate {
        return items;
    }
    // Who issued whom, among these: of several of one name any.
    let issuers: HashMap<&str, &str> = items
        .iter()
        .filter_map(|item| Some((item.subject.as_deref()?, item.issuer.as_deref()?)))
        .filter(|(subject, issuer)| subject != issuer)
        .collect();
    let depth = |item: &&Item| -> usize {
        let mut issuer = item.issuer.as_deref().filter(|issuer| item.subject.as_deref() != Some(issuer));
        let mut depth = 0;
        while let Some(name) = issuer.filter(|_| depth < DEEPEST) {
            depth += 1;
            issuer = issuers.get(name).copied();
        }
        depth
    };
    items.sort_by_key(depth);
    items
}

/// Is the key that it names known from what was flushed here, and from no cache?
fn names_what_is_flushed(item: &Item) -> bool {
    let places = item.names.as_ref().map(|key| key.places.as_slice()).unwrap_or_default();
    places.iter().any(|place| place.kind == PlaceKind::Quarantine)
        && places.iter().all(|place| place.kind != PlaceKind::Cache)
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
fn sentence(group: &Group) -> Prose {
    let what = of_kinds(&group.kinds);
    let is_one = group.kinds.values().sum::<usize>() == 1;
    let issuer = group.issuer.as_ref().map(|issuer| format!(" of the issuer {issuer}")).unwrap_or_default();
    let (verb, was, carry) = if is_one { ("names", "was", "carries") } else { ("name", "were", "carry") };
    let names = group.names.as_ref().map_or_else(|| "a key that is not known here".to_owned(), called);
    let made = match (&group.made_by, group.verdict) {
        (Some(_), Verdict::Invalid) if is_of_other_form(group) => {
            format!("{was} made by it in another form than is due")
        }
        (Some(_), Verdict::Invalid) => format!("{was} made by it over other bytes"),
        (None, Verdict::Invalid) => format!("{carry} what no key makes as its signature"),
        (Some(maker), Verdict::SoundUnderAnotherCertificate) => {
            format!("{was} made by another one of the same issuer, {}", called(maker))
        }
        (Some(maker), _) => format!("{was} made by {}", called(maker)),
        // Only a key that is found tells another key from other bytes.
        (None, _) => {
            format!(
                "{carry} no signature of it over these bytes: another key made it, or they were changed since"
            )
        }
    };
    let text = Prose::from(format!("{what}{issuer} {verb} {names}, and {made}"));
    let text = match (&group.from, &group.to) {
        // Told to the minute.
        (Some(from), Some(to)) if from.get(..16) == to.get(..16) => {
            text.and("; made at ").then(&moment(from))
        }
        (Some(from), Some(to)) => {
            text.and("; made between ").then(&moment(from)).and(" and ").then(&moment(to))
        }
        _ => text,
    };
    text.and(".")
}

/// Are its signatures right but for the way in which they are written?
fn is_of_other_form(group: &Group) -> bool {
    group.why == Some(Why::Is(Ground::OtherForm))
}

/// What is wrong with a group, as a finding.
pub fn finding(group: &Group) -> Finding {
    let mut finding = signed_by_other_key::made(sentence(group));
    if group.verdict == Verdict::Invalid {
        // It is the right key: no cache has a part in it.
        let consequence = match is_of_other_form(group) {
            true => "Nobody accepts it: the signature is not written as it has to be.",
            false => {
                "Nobody accepts it: the bytes are not those that were signed, or the signature was damaged."
            }
        };
        finding.consequence = consequence.to_owned();
        finding.fix.clear();
    }
    finding
}

/// A moment as scripts are told it.
fn moment(written: &str) -> Prose {
    match OffsetDateTime::parse(written, &Rfc3339) {
        Ok(at) => Prose::default().moment(at.unix_timestamp(), written),
        Err(_) => written.into(),
    }
}
