//! Both views of a token's objects, side by side.

use serde::Serialize;

use super::case::{Case, side};
use super::possession::{possession_in, request_file};
use crate::finding::Side;
use crate::snapshot::EfPath;
use crate::text::{escape, hex};
use crate::view::{Object, Read, Source, prefix, split};

/// One object as it is on the card and as each cache shows it. Text is escaped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sides {
    /// Serial of the token.
    pub token: String,
    /// Entry of the key list it comes from.
    pub slot: EfPath,
    /// Key reference, for keys.
    pub reference: Option<u8>,
    /// What is on the card.
    pub card: Side,
    /// What is shown through each cache directory: by whom, which directory, what.
    pub shown: Vec<Shown>,
    /// The same everywhere?
    pub equal: bool,
}

/// What is shown through one cache directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The programs that read it today; none: it is dormant.
    pub program: Vec<String>,
    /// The directory.
    pub directory: String,
    /// What is shown.
    pub side: Side,
    /// The cache entries that make it, full paths.
    pub entries: Vec<String>,
}

/// What to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// Everything.
    All,
    /// What has this ID, label, key reference, serial or cache entry name.
    Named(&'a str),
}

/// The objects of one token that are wanted.
#[must_use]
pub fn sides(case: &Case<'_>, wanted: &Wanted<'_>) -> Vec<Sides> {
    let mut found = Vec::new();
    let mut seen: Vec<(EfPath, usize)> = Vec::new();
    let shown = case.lenses.iter().flat_map(|lens| &lens.shown.objects);
    let mut objects: Vec<&Object> = case.live.objects.iter().chain(shown).collect();
    objects.sort_by_key(|object| super::slot_order(object.slot));
    for object in objects {
        let place = (object.slot, part(object));
        if seen.contains(&place) {
            continue;
        }
        seen.push(place);
        let sides = one(case, place);
        if is_wanted(case, &sides, wanted) {
            found.push(sides);
        }
    }
    found
}

/// The private key of a slot, or what else it holds.
fn part(object: &Object) -> usize {
    usize::from(!matches!(object.class, crate::view::Class::PrivateKey { .. }))
}

fn one(case: &Case<'_>, (slot, which): (EfPath, usize)) -> Sides {
    let pick = |view: &'_ crate::view::View| -> Option<Object> {
        view.slot(slot).find(|object| part(object) == which).cloned()
    };
    let live = pick(&case.live);
    let shown: Vec<(Option<Object>, Shown)> = case
        .lenses
        .iter()
        .map(|lens| {
            let object = pick(&lens.shown);
            let files = object.iter().flat_map(|object| object.files.clone());
            let entries = files
                .filter_map(|file| lens.cached.hit(file, super::case::buffer(file)))
                .map(|entry| super::case::file_evidence(lens.dir, entry, None).path)
                .collect();
            let request = || match lens.cached.read(request_file(slot), crate::view::KEY_BUFFER) {
                Read::Content(bytes) => bytes,
                _ => Vec::new(),
            };
            let shown = Shown {
                program: lens.programs.clone(),
                directory: lens.dir.path.to_string(),
                side: with_proof(case, object.as_ref(), request),
                entries,
            };
            (object, shown)
        })
        .collect();
    let (kind, number) = split(slot);
    Sides {
        token: escape(case.serial.as_bytes()),
        slot,
        reference: (kind == prefix::KEY).then_some(number),
        card: with_proof(case, live.as_ref(), || {
            case.on_card(request_file(slot)).unwrap_or_default().to_vec()
        }),
        equal: shown.iter().all(|(object, _)| *object == live),
        shown: shown.into_iter().map(|(_, shown)| shown).collect(),
    }
}

/// One side; of a key's public part also what proves it.
fn with_proof(case: &Case<'_>, object: Option<&Object>, request: impl Fn() -> Vec<u8>) -> Side {
    let mut side = side(object);
    let public = |object: &Object| split(object.slot).0 == prefix::KEY && object.public_key().is_some();
    if object.is_some_and(public) {
        side.proof = Some(possession_in(case, Some(&request())).words());
    }
    side
}

fn is_wanted(case: &Case<'_>, sides: &Sides, wanted: &Wanted<'_>) -> bool {
    let Wanted::Named(name) = wanted else { return true };
    let all = || std::iter::once(&sides.card).chain(sides.shown.iter().map(|shown| &shown.side));
    let entries = || sides.shown.iter().flat_map(|shown| &shown.entries);
    crate::text::is_typed(case.serial.as_bytes(), name)
        || sides.reference.is_some_and(|reference| *name == reference.to_string())
        || name.eq_ignore_ascii_case(&sides.slot.to_string())
        || all().any(|side| side.id.as_deref().is_some_and(|id| id.eq_ignore_ascii_case(name)))
        || all().any(|side| side.label.as_deref() == Some(&escape(name.as_bytes())))
        || entries().any(|path| path == name || path.rsplit('/').next() == Some(name))
        || all().any(|side| side.public_key.as_deref() == Some(&hex_of(name)))
}

/// A fingerprint as typed, in lower case.
fn hex_of(name: &str) -> String {
    match data_encoding::HEXLOWER_PERMISSIVE.decode(name.as_bytes()) {
        Ok(bytes) => hex(&bytes),
        Err(_) => name.to_owned(),
    }
}
