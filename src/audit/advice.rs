//! What an audit has found, in words: what is wrong with a group of artefacts, and what to do about all of them.

use std::collections::BTreeMap;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::artefact::Kind;
use super::told::{Group, Item, Step};
use crate::case::attribution::{Attributed, Verdict};
use crate::case::known_keys::PlaceKind;
use crate::finding::Prose;
use crate::text::count;

/// What is to be done, in which order: what others hang on first.
pub fn steps(bad: &[&Item]) -> Vec<Step> {
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
            Kind::TimeStamp => "have it made again, while what it is about is still as it was",
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
pub fn sentence(group: &Group) -> Prose {
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
    let text = Prose::from(format!("{what}{issuer} {verb} {names}, and {made}"));
    let text = match (&group.from, &group.to) {
        (Some(from), Some(to)) if from == to => text.and("; made at ").then(&moment(from)),
        (Some(from), Some(to)) => {
            text.and("; made between ").then(&moment(from)).and(" and ").then(&moment(to))
        }
        _ => text,
    };
    text.and(".")
}

/// A moment as scripts are told it.
fn moment(written: &str) -> Prose {
    match OffsetDateTime::parse(written, &Rfc3339) {
        Ok(at) => Prose::default().moment(at.unix_timestamp(), written),
        Err(_) => written.into(),
    }
}
