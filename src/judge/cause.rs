//! From findings to causes: what people count as one. A key whose ID, public key and certificate are shown from one
//! stale cache is one cause, and so is a heap of leftovers of one kind.
//!
//! Hides what follows from a finding for this: columns of the catalogue, its remedy and its two sides. No id is named.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;

use crate::finding::{Deed, Finding, Id, ObjectClass, ObjectName, Shows, Side};
use crate::text::{count, key_reference};
use crate::verdict::brief::{Cause, CauseKind};

/// Digits of a fingerprint that tell two keys apart, where the ID is the same.
const FINGERPRINT: usize = 16;

/// What makes findings one cause.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Group<'f> {
    token: Option<&'f str>,
    user: Option<&'f str>,
    directory: Option<String>,
    what: Matter<'f>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Matter<'f> {
    /// A key by its reference.
    Reference(u8),
    /// Another object, by its class and what it is called.
    Object(ObjectClass, &'f str),
    /// All of one kind.
    Kind(Id),
    /// All data objects of which one kind is found: what is in them the objects tell that people look for.
    Data(Id),
    /// Only itself.
    Alone(usize),
}

/// The causes of these findings, in the order of the first of each.
#[must_use]
pub fn causes(findings: &[Finding]) -> Vec<Cause> {
    let mut known: BTreeMap<Group<'_>, usize> = BTreeMap::new();
    let mut groups: Vec<(Vec<usize>, Vec<&Finding>)> = Vec::new();
    for (index, finding) in findings.iter().enumerate() {
        let group = *known.entry(Group::of(finding, index)).or_insert(groups.len());
        match groups.get_mut(group) {
            Some((places, found)) => {
                places.push(index);
                found.push(finding);
            }
            None => groups.push((vec![index], vec![finding])),
        }
    }
    let of = |(places, found): (Vec<usize>, Vec<&Finding>)| Some(Cause { places, ..cause(&found)? });
    groups.into_iter().filter_map(of).collect()
}

impl<'f> Group<'f> {
    fn of(finding: &'f Finding, index: usize) -> Self {
        let matter = match &finding.object {
            _ if is_of_configuration(finding) || finding.is_of_running_programs() => Matter::Alone(index),
            Some(object) if is_of_view(finding) => match object.reference {
                Some(reference) => Matter::Reference(reference),
                None if object.class == ObjectClass::Data => Matter::Data(finding.id),
                None => Matter::Object(object.class, object.id.as_deref().unwrap_or(object.label.as_str())),
            },
            Some(_) => Matter::Alone(index),
            None => Matter::Kind(finding.id),
        };
        // Leftovers of one kind are one heap wherever they lie.
        let file = finding.evidence.iter().find_map(|evidence| evidence.file.as_ref());
        let directory = file.map(|file| file.directory.to_string());
        Self { token: finding.token.as_deref(), user: finding.user.as_deref(), directory, what: matter }
    }
}

/// Is it about what programs show, or would?
fn is_of_view(finding: &Finding) -> bool {
    match finding.id.shows() {
        Shows::OldView | Shows::Unsure => true,
        Shows::Nowhere | Shows::Other => false,
    }
}

/// Is a line of a configuration its cause?
fn is_of_configuration(finding: &Finding) -> bool {
    finding.evidence.iter().any(|evidence| evidence.source.is_some())
        || finding.fix.iter().any(|remedy| remedy.deed == Deed::EditConfiguration)
}

fn cause(found: &[&Finding]) -> Option<Cause> {
    let first = *found.first()?;
    let kind = kind(found);
    let object = object(found);
    let is_data = |finding: &&Finding| class(finding) == Some(ObjectClass::Data);
    let is_together = found.iter().all(|finding| finding.object.is_some()) && !found.iter().all(is_data);
    let count = if is_together { 1 } else { found.iter().map(|finding| finding.number()).sum() };
    let files = || found.iter().flat_map(|finding| &finding.evidence).filter_map(|one| one.file.as_ref());
    let mut names: Vec<String> =
        files().map(|file| file.card_file.clone().unwrap_or_else(|| file.name.to_string())).collect();
    names.dedup();
    names.sort();
    names.dedup();
    let newest = files().map(|file| file.inode.mtime).max();
    let mut programs: Vec<String> = Vec::new();
    let mut ids = Vec::new();
    for finding in found {
        programs.extend(
            finding.program.iter().filter(|name| !programs.contains(name)).cloned().collect::<Vec<_>>(),
        );
        if !ids.contains(&finding.id) {
            ids.push(finding.id);
        }
    }
    let (on_card, shown) = if kind.is_seen() { both(found, object.as_ref()) } else { (None, None) };
    Some(Cause {
        kind,
        severity: found.iter().map(|finding| finding.severity).max()?,
        token: first.token.clone(),
        user: first.user.clone(),
        title: object.as_ref().map(|object| title(object, found)).unwrap_or_default(),
        object,
        summary: first.summary.clone(),
        also_old: if on_card.is_some() { also_old(found) } else { Vec::new() },
        on_card,
        shown,
        directory: files().next().map(|file| file.directory.to_string()),
        files: names,
        cached_at: newest.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok()),
        programs,
        findings: ids,
        count,
        places: Vec::new(),
        is_said: false,
    })
}

fn kind(found: &[&Finding]) -> CauseKind {
    let any = |is: fn(&Finding) -> bool| found.iter().any(|finding| is(finding));
    let shows = |shows: Shows| found.iter().any(|finding| finding.id.shows() == shows);
    if any(Finding::is_in_doubt) {
        CauseKind::Undecided
    } else if any(Finding::holds_its_entries) {
        CauseKind::Token
    } else if shows(Shows::OldView) {
        let is_there = |finding: &&&Finding| {
            finding.evidence.iter().any(|one| one.shown.as_ref().is_some_and(|side| !side.is_absent()))
        };
        let shown: Vec<ObjectClass> =
            found.iter().filter(is_there).filter_map(|finding| class(finding)).collect();
        if shown.iter().any(|class| class.is_key()) {
            CauseKind::Key
        } else if shown.contains(&ObjectClass::Certificate) {
            CauseKind::Certificate
        } else if shown.is_empty() && found.iter().all(|finding| finding.object.is_some()) {
            CauseKind::Hidden
        } else {
            CauseKind::Object
        }
    } else if shows(Shows::Unsure) {
        CauseKind::Damaged
    } else if shows(Shows::Nowhere) {
        CauseKind::Dormant
    } else if any(|finding| finding.edit().is_some()) {
        CauseKind::Recurrence
    } else if any(Finding::is_of_running_programs) {
        CauseKind::Process
    } else if any(is_of_configuration) {
        CauseKind::Configuration
    } else if any(|finding| finding.token.is_some()) {
        CauseKind::Token
    } else {
        CauseKind::Host
    }
}

fn class(finding: &Finding) -> Option<ObjectClass> {
    finding.object.as_ref().map(|object| object.class)
}

/// The object of all of them, by both names it has.
fn object(found: &[&Finding]) -> Option<ObjectName> {
    let mut objects = found.iter().filter_map(|finding| finding.object.as_ref());
    let mut object = objects.next()?.clone();
    for other in objects {
        object.id = object.id.or_else(|| other.id.clone());
        object.shown_id = object.shown_id.or_else(|| other.shown_id.clone());
    }
    Some(object)
}

/// `key 1 "Private Key", EC prime256v1`.
fn title(object: &ObjectName, found: &[&Finding]) -> String {
    let what = match object.reference {
        Some(reference) => format!("key {}", key_reference(reference)),
        None => object.class.name().to_owned(),
    };
    let sides = || found.iter().flat_map(|finding| &finding.evidence);
    let key = sides().filter_map(|one| one.card.as_ref()).find_map(|side| side.key.clone());
    let key = key.or_else(|| sides().filter_map(|one| one.shown.as_ref()).find_map(|side| side.key.clone()));
    let key = key.map(|key| format!(", {key}")).unwrap_or_default();
    format!("{what} \"{}\"{key}", object.label)
}

/// What the card has, and what is shown instead: by the IDs, where these differ; else by the public keys.
fn both(found: &[&Finding], object: Option<&ObjectName>) -> (Option<String>, Option<String>) {
    let Some(object) = object else { return (None, None) };
    let nothing = || "nothing there".to_owned();
    match (&object.id, &object.shown_id) {
        (Some(live), Some(shown)) if live != shown => (Some(live.clone()), Some(shown.clone())),
        // Of what else belongs to it something may be shown.
        (Some(live), None) => {
            let missing: BTreeSet<ObjectClass> = found.iter().filter_map(|finding| class(finding)).collect();
            let missing: Vec<String> = missing.into_iter().map(|class| format!("no {class}")).collect();
            (Some(live.clone()), Some(missing.join(", ")))
        }
        (None, Some(shown)) => (Some(nothing()), Some(shown.clone())),
        (live, _) => {
            let id = live.as_ref().map(|id| format!("{id}, ")).unwrap_or_default();
            let sides = found.iter().flat_map(|finding| &finding.evidence);
            let mut prints = sides.filter_map(|one| {
                let print = |side: &Option<Side>| side.as_ref().and_then(|side| side.public_key.clone());
                Some((print(&one.card)?, print(&one.shown)?))
            });
            match prints.find(|(card, shown)| card != shown) {
                Some((card, shown)) => {
                    let told =
                        |print: &str| format!("{id}public key {}", print.get(..FINGERPRINT).unwrap_or(print));
                    (Some(told(&card)), Some(told(&shown)))
                }
                None => (None, None),
            }
        }
    }
}

/// What else of a key is shown as it was, beside its private key.
fn also_old(found: &[&Finding]) -> Vec<ObjectClass> {
    let mut classes: Vec<ObjectClass> = found.iter().filter_map(|finding| class(finding)).collect();
    classes.sort_unstable();
    classes.reverse();
    classes.dedup();
    if found.len() > 1 {
        classes.into_iter().filter(|class| *class != ObjectClass::PrivateKey).collect()
    } else {
        Vec::new()
    }
}

/// `a key`, `8 keys`, for the sentence of a verdict.
#[must_use]
pub fn counted(kind: CauseKind, number: usize) -> String {
    let (one, many) = match kind {
        CauseKind::Key | CauseKind::Undecided => ("a key", "keys"),
        CauseKind::Certificate => ("a certificate", "certificates"),
        CauseKind::Damaged => ("a damaged cache entry", "damaged cache entries"),
        CauseKind::Object
        | CauseKind::Hidden
        | CauseKind::Dormant
        | CauseKind::Recurrence
        | CauseKind::Process
        | CauseKind::Configuration
        | CauseKind::Token
        | CauseKind::Host => ("an object", "objects"),
    };
    if number == 1 { one.to_owned() } else { count(number, one, many) }
}
